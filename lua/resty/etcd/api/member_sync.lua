-- Generated from src/resty/etcd/api/member_sync.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local clock = require("resty.etcd.base.clock")
local endpoint = require("resty.etcd.endpoint.endpoint")
local errors = require("resty.etcd.protocol.errors")
local dns_endpoints = require("resty.etcd.endpoint.dns_endpoints")
local rpcs = require("resty.etcd.protocol.rpc")
local now = clock.now
local NO_URL = "no member of the list has a client URL"
local NO_SECURE_URL = "no member of the list has a client URL with https"

--- The first URL of the scheme in use. What went through TLS is not to go without it all of a sudden.
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

--- The members that serve clients: not learners, and not those that have not started yet.
---@param members table[]
---@param api_prefix string
---@param scheme string
---@return resty.etcd.endpoint.endpoint.Endpoint[]
local function endpoints_of(members, api_prefix, scheme)
    local found = {}
    for ____, member in ipairs(members) do
        local urls = member.clientURLs or ({})
        local url = url_of(urls, scheme)
        if member.isLearner ~= true and url ~= nil then
            local made = endpoint.new(url, api_prefix)
            if made ~= nil then
                found[#found + 1] = made
            end
        end
    end
    return found
end

--- Back to the endpoints that the client was made with: those that etcd tells of may be out of this client's reach.
---@param core resty.etcd.call.client_state.Core
local function go_back(core)
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

--- Asks etcd for its members and makes the first client URL of each an endpoint, learners left out.
---@param core resty.etcd.call.client_state.Core
---@return true? res # true; or nil and an error, and then the endpoints are what they were, or those that the client was made with
---@return resty.etcd.protocol.errors.EtcdError? err
local function read_members(core)
    local reply, err = call.unary(core, rpcs.member_list, {})
    if reply == nil then
        if err.http_status == nil and err.name ~= "bad_request" then
            go_back(core)
        end
        return nil, err
    end
    local members = reply.body.members or ({})
    local first = core.endpoints[1]
    local scheme = first and first.scheme or core.configured[1].scheme
    local found = endpoints_of(members, core.api_prefix, scheme)
    if #found == 0 then
        return nil, errors.local_error("bad_reply", scheme == "http" and NO_URL or NO_SECURE_URL)
    end
    dns_endpoints.replace_endpoints(core, found)
    return true
end

--- The same as a method.
---@param self resty.etcd.call.client_state.Core
---@return true? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function sync(self)
    return read_members(self)
end

local function sync_in_timer(premature, core)
    if not premature then
        local ok, err = read_members(core)
        if ok == nil then
            ngx.log(
                ngx.WARN,
                "list of members: ",
                errors.to_text(err)
            )
        end
    end
end

--- Reads the list in the background.
---@param core resty.etcd.call.client_state.Core
local function start_sync(core)
    pcall(ngx.timer.at, 0, sync_in_timer, core)
end

--- The plan of a client that reads the list every so many seconds, when it is used.
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
