-- Generated from src/resty/etcd/api/member_sync.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cluster = require("resty.etcd.call.cluster")
local clock = require("resty.etcd.base.clock")
local endpoint = require("resty.etcd.endpoint.endpoint")
local errors = require("resty.etcd.protocol.errors")
local timer_loop = require("resty.etcd.base.timer_loop")
local dns_endpoints = require("resty.etcd.endpoint.dns_endpoints")
local rpcs = require("resty.etcd.protocol.rpc")
local now = clock.now
local NO_URL = "no member of the list has a client URL"
local NO_SECURE_URL = "no member of the list has a client URL with https"

--- Returns the first URL with the scheme in use, or any URL for http: a client with TLS must not lose its encryption.
---@param urls string[]
---@param scheme string
---@return string?
local function url_of(urls, scheme)
    local beginning = scheme .. "://"
    for ____, url in ipairs(urls) do
        if string.sub(url, 1, #beginning) == beginning then
            return url
        end
    end
    local ____temp_0
    if scheme == "http" then
        ____temp_0 = urls[1]
    else
        ____temp_0 = nil
    end
    return ____temp_0
end

--- Returns endpoints of the members that serve clients: learners, and members that have not started, are left out.
---@param members table[]
---@param api_prefix string
---@param scheme string
---@return resty.etcd.endpoint.endpoint.Endpoint[]
local function endpoints_of(members, api_prefix, scheme)
    local endpoints = {}
    for ____, member in ipairs(members) do
        local urls = member.clientURLs or ({})
        local url = url_of(urls, scheme)
        if member.isLearner ~= true and url ~= nil then
            local parsed = endpoint.new(url, api_prefix)
            if parsed ~= nil then
                endpoints[#endpoints + 1] = parsed
            end
        end
    end
    return endpoints
end

--- Restores the configured endpoints: the URLs that etcd advertises can be unreachable from here.
---@param core resty.etcd.call.client_state.Core
local function restore_configured(core)
    local given = core.configured
    local current = core.dns ~= nil and core.dns.configured or core.endpoints
    if current ~= given then
        local copy = {}
        for ____, one in ipairs(given) do
            copy[#copy + 1] = one
        end
        dns_endpoints.replace_endpoints(core, copy)
    end
end

--- Reads the member list and replaces the endpoints by the first client URL of each member that is no learner.
---@param core resty.etcd.call.client_state.Core
---@return true? res # true; or nil and an error. After an error response the endpoints are unchanged, and if no endpoint responded they are the configured ones
---@return resty.etcd.protocol.errors.EtcdError? err
local function read_members(core)
    local reply, err = cluster.read(core, rpcs.member_list, {}, {})
    if reply == nil then
        if err.http_status == nil and err.name ~= "bad_request" and err.name ~= "not_in_phase" then
            restore_configured(core)
        end
        return nil, err
    end
    local members = reply.body.members or ({})
    local first = core.endpoints[1]
    local scheme = first and first.scheme or core.configured[1].scheme
    local endpoints = endpoints_of(members, core.api_prefix, scheme)
    if #endpoints == 0 then
        return nil, errors.local_error("bad_reply", scheme == "http" and NO_URL or NO_SECURE_URL)
    end
    dns_endpoints.replace_endpoints(core, endpoints)
    return true
end

--- Replaces the endpoints by the current members of the cluster.
---@param self resty.etcd.call.client_state.Core
---@return true? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function sync(self)
    local ok, err = read_members(self)
    if ok == nil then
        return errors.to_result(err)
    end
    return ok
end

local function sync_in_timer(core)
    local ok, err = read_members(core)
    if ok == nil then
        ngx.log(
            ngx.WARN,
            "list of members: ",
            errors.to_text(err)
        )
    end
end

--- Reads the member list in a timer.
---@param core resty.etcd.call.client_state.Core
local function start_sync(core)
    timer_loop.run_once(
        "list of members",
        function()
            sync_in_timer(core)
        end
    )
end

--- Returns the plan of a client that reads the member list when it makes a call and the interval has passed.
---@param interval number
---@return resty.etcd.call.client_state.SyncPlan
local function plan(interval)
    return {
        interval = interval,
        next = now() + interval,
        start = start_sync
    }
end
_M.plan = plan
_M.sync = sync

return _M
