-- Generated from src/resty/etcd/api/member_probe.ts by TypeScriptToLua. Do not edit.
local _M = {}
local phase = require("resty.etcd.base.phase")
local call = require("resty.etcd.call.call")
local cluster = require("resty.etcd.call.cluster")
local dns = require("resty.etcd.endpoint.dns")
local dns_endpoints = require("resty.etcd.endpoint.dns_endpoints")
local endpoints = require("resty.etcd.endpoint.endpoint")
local errors = require("resty.etcd.protocol.errors")
local rpcs = require("resty.etcd.protocol.rpc")

--- Seconds within which an address must answer.
local ANSWER_TIME = 2

--- What an address has answered.
---@class resty.etcd.api.member_probe.Probe
---@field endpoint resty.etcd.endpoint.endpoint.Endpoint
---@field member_id string? ID of the member that has answered; nil if none has.
---@field err string? Why the address cannot be used.

--- Returns the endpoint to connect to. If the driver resolves names, nginx possibly cannot.
---@param core resty.etcd.call.client_state.Core
---@param candidate resty.etcd.endpoint.endpoint.Endpoint
---@return resty.etcd.endpoint.endpoint.Endpoint? res
---@return string? err
local function resolved(core, candidate)
    local names = core.dns
    local ____temp_0
    if names ~= nil then
        ____temp_0 = dns_endpoints.name_of(candidate)
    else
        ____temp_0 = nil
    end
    local name = ____temp_0
    if names == nil or name == nil then
        return candidate
    end
    local problem
    for ____, qtype in ipairs(names.ipv6 and ({dns.A, dns.AAAA}) or ({dns.A})) do
        local addresses, err = dns.query(names.nameservers, name, qtype)
        problem = err
        if addresses ~= nil and #addresses > 0 then
            return endpoints.at_address(candidate, addresses[1], core.api_prefix)
        end
    end
    return nil, candidate.http_host .. ": " .. (problem or "no address")
end

--- Asks an address which member it belongs to. The health check is not concerned.
---@param core resty.etcd.call.client_state.Core
---@param probe resty.etcd.api.member_probe.Probe
---@param cluster_id string?
local function ask(core, probe, cluster_id)
    local at, problem = resolved(core, probe.endpoint)
    if at == nil then
        probe.err = problem
        return
    end
    local reply, err = call.unary(core, rpcs.status, {}, {timeout = ANSWER_TIME, quiet = true, at = at})
    if reply == nil then
        probe.err = errors.to_text(err)
        return
    end
    local id = cluster.id_of(reply.body)
    if cluster_id ~= nil and id ~= nil and id ~= cluster_id then
        probe.err = at.http_host .. ": of cluster " .. id .. ", not of " .. cluster_id
        return
    end
    local header = reply.body.header
    probe.member_id = header and header.member_id or ""
end

--- Asks addresses which member each belongs to, concurrently where that is possible.
---@param core resty.etcd.call.client_state.Core
---@param candidates resty.etcd.endpoint.endpoint.Endpoint[]
---@param cluster_id string? of the members; nil if it is not known
---@return resty.etcd.api.member_probe.Probe[]
local function ask_all(core, candidates, cluster_id)
    local probes = {}
    local threads = {}
    for ____, candidate in ipairs(candidates) do
        local probe = {endpoint = candidate, member_id = nil, err = nil}
        probes[#probes + 1] = probe
        if phase.can_wait() then
            threads[#threads + 1] = ngx.thread.spawn(ask, core, probe, cluster_id)
        else
            ask(core, probe, cluster_id)
        end
    end
    for ____, thread in ipairs(threads) do
        ngx.thread.wait(thread)
    end
    return probes
end
_M.ask_all = ask_all

return _M
