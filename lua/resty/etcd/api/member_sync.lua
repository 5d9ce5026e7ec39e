-- Generated from src/resty/etcd/api/member_sync.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cluster = require("resty.etcd.call.cluster")
local clock = require("resty.etcd.base.clock")
local member_probe = require("resty.etcd.api.member_probe")
local member_urls = require("resty.etcd.api.member_urls")
local errors = require("resty.etcd.protocol.errors")
local masked_url = require("resty.etcd.endpoint.masked_url")
local timer_loop = require("resty.etcd.base.timer_loop")
local printable = require("resty.etcd.base.printable")
local dns_endpoints = require("resty.etcd.endpoint.dns_endpoints")
local rpcs = require("resty.etcd.protocol.rpc")
local now = clock.now

--- Seconds for which a list of endpoints is not used again after all of them have failed.
local FAILED_FOR = 60

--- Least seconds between two reads of the list, whatever the option says.
local MIN_INTERVAL = 0.2

--- Why no member of a list can be used, by the schemes that the client adopts.
local TOO_MANY_MEMBERS = "malformed reply: list of more than 64 members"
local NO_URL = "no member of the list has a client URL"
local NO_SECURE_URL = "no member of the list has a client URL with https"
local NO_SOCKET = "no member of the list has a unix socket of the client as client URL"

--- Returns the endpoints of a client, with names that the driver has not resolved.
---@param core resty.etcd.call.client_state.Core
---@return resty.etcd.endpoint.endpoint.Endpoint[]
local function current_endpoints(core)
    return core.dns ~= nil and core.dns.configured or core.endpoints
end

--- Returns the hosts of endpoints as text, without user info. Programs can have replaced the endpoints by other tables.
---@param endpoints resty.etcd.endpoint.endpoint.Endpoint[]
---@return string
local function hosts_of(endpoints)
    local hosts = {}
    for ____, one in ipairs(endpoints) do
        hosts[#hosts + 1] = masked_url.mask(one.http_host)
    end
    table.sort(hosts)
    return table.concat(hosts, " ")
end

--- Restores the configured endpoints after all others have failed. Returns false if they are in use already.
---@param core resty.etcd.call.client_state.Core
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function restore_configured(core, err)
    local given = core.configured
    local current = current_endpoints(core)
    if current == given or hosts_of(current) == hosts_of(given) then
        return false
    end
    core.failed_members = {
        hosts = hosts_of(current),
        ["until"] = now() + FAILED_FOR
    }
    local copy = {}
    for ____, one in ipairs(given) do
        copy[#copy + 1] = one
    end
    dns_endpoints.replace_endpoints(core, copy)
    ngx.log(
        ngx.WARN,
        "endpoints: ",
        printable.of(hosts_of(given)),
        ", as configured, because no member responds: ",
        errors.to_text(err)
    )
    return true
end

--- Returns the configured endpoints that are not among others.
---@param core resty.etcd.call.client_state.Core
---@param chosen resty.etcd.endpoint.endpoint.Endpoint[]
---@return resty.etcd.endpoint.endpoint.Endpoint[]
local function unlisted(core, chosen)
    local endpoints = {}
    for ____, one in ipairs(core.configured) do
        if not member_urls.has_host(chosen, one.http_host) then
            endpoints[#endpoints + 1] = one
        end
    end
    return endpoints
end

--- Reports whether several members advertise an address: that of a load balancer, or etcd's default, localhost.
---@param members resty.etcd.api.member_urls.Member[]
---@param http_host string
---@return boolean
local function is_shared(members, http_host)
    local count = 0
    for ____, ____value in ipairs(members) do
        local one = ____value.endpoint
        count = count + (one.http_host == http_host and 1 or 0)
    end
    return count > 1
end

--- Returns the endpoints for a list of members. Those in use or configured stay; others must answer first, because members
--- advertise addresses that are reachable only from where they run. A configured endpoint stays instead of the address of
--- its member that does not answer, or that several members advertise.
---@param core resty.etcd.call.client_state.Core
---@param members resty.etcd.api.member_urls.Member[]
---@param cluster_id string?
---@return resty.etcd.endpoint.endpoint.Endpoint[] chosen # the endpoints, and why addresses are left out
---@return string[] left_out
local function choose_endpoints(core, members, cluster_id)
    local left_out = {}
    local current = current_endpoints(core)
    local unknown = {}
    for ____, ____value in ipairs(members) do
        local one = ____value.endpoint
        local host = one.http_host
        if not member_urls.has_host(current, host) and not member_urls.has_host(core.configured, host) and not member_urls.has_host(unknown, host) then
            unknown[#unknown + 1] = one
        end
    end
    local silent = {}
    for ____, probe in ipairs(member_probe.ask_all(core, unknown, cluster_id)) do
        if probe.member_id == nil then
            silent[probe.endpoint.http_host] = true
            left_out[#left_out + 1] = probe.err or probe.endpoint.http_host
        end
    end
    local chosen = {}
    local missing = {}
    local has_missing = false
    for ____, ____value in ipairs(members) do
        local id = ____value.id
        local one = ____value.endpoint
        local host = one.http_host
        local is_silent = silent[host] ~= nil
        if is_silent or is_shared(members, host) then
            missing[id] = true
            has_missing = true
        end
        if not is_silent and not member_urls.has_host(chosen, host) then
            chosen[#chosen + 1] = one
        end
    end
    if has_missing then
        for ____, probe in ipairs(member_probe.ask_all(
            core,
            unlisted(core, chosen),
            cluster_id
        )) do
            if probe.member_id ~= nil and missing[probe.member_id] ~= nil then
                chosen[#chosen + 1] = probe.endpoint
            end
        end
    end
    return chosen, left_out
end

--- Logs which addresses are not used, if that has changed.
---@param core resty.etcd.call.client_state.Core
---@param silent string[]
---@param weaker string[]
local function log_left_out(core, silent, weaker)
    table.sort(silent)
    table.sort(weaker)
    local silent_text = table.concat(silent, "; ")
    local weaker_text = table.concat(weaker, " ")
    local all = silent_text .. "|" .. weaker_text
    if all == core.left_out_members then
        return
    end
    core.left_out_members = all
    if silent_text ~= "" then
        ngx.log(
            ngx.WARN,
            "list of members: addresses that do not answer are not used: ",
            printable.of(silent_text)
        )
    end
    if weaker_text ~= "" then
        ngx.log(
            ngx.WARN,
            "list of members: addresses that are less protected than the client's endpoints, or unix sockets, are not used: ",
            printable.of(weaker_text)
        )
    end
end

--- Returns the error of a list without an address that the client can use.
---@param schemes ("http"|"https")[]
---@param weaker string[]
---@return resty.etcd.protocol.errors.EtcdError
local function no_address(schemes, weaker)
    local text = NO_URL
    if #schemes == 0 then
        text = NO_SOCKET
    elseif schemes[1] == "https" then
        text = NO_SECURE_URL
    end
    local err = errors.local_error("bad_reply", text)
    if #weaker > 0 then
        err.hint = printable.of("less protected than the client's endpoints, or unix sockets: " .. table.concat(weaker, " "))
    end
    return err
end

--- Replaces the endpoints by those of a list of members.
---@param core resty.etcd.call.client_state.Core
---@param reply resty.etcd.transport.transport.Reply
---@param asked string?
---@return true? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function adopt(core, reply, asked)
    local list = reply.body.members or ({})
    if #list > member_urls.MAX_MEMBERS then
        return nil, errors.local_error("bad_reply", TOO_MANY_MEMBERS)
    end
    local given = dns_endpoints.given(core)
    local schemes = member_urls.schemes_for(given)
    local ____member_urls_offer_of_result_0 = member_urls.offer_of(list, core.api_prefix, schemes, given)
    local members = ____member_urls_offer_of_result_0.members
    local weaker = ____member_urls_offer_of_result_0.weaker
    if #members == 0 then
        log_left_out(core, {}, weaker)
        return nil, no_address(schemes, weaker)
    end
    local chosen, left_out = choose_endpoints(
        core,
        members,
        cluster.id_of(reply.body)
    )
    log_left_out(core, left_out, weaker)
    if #chosen == 0 then
        local err = errors.local_error("connect_failed", "no client URL of a member answers")
        err.retryable = true
        err.hint = printable.of(table.concat(left_out, "; "))
        return nil, err
    end
    local hosts = hosts_of(chosen)
    local failed = core.failed_members
    if (failed and failed.hosts) == hosts and now() < failed["until"] then
        return true
    end
    if hosts ~= hosts_of(current_endpoints(core)) then
        local list_of = masked_url.mask(asked)
        ngx.log(
            ngx.NOTICE,
            "endpoints: ",
            printable.of(hosts),
            ", from the list of members of ",
            list_of
        )
    end
    dns_endpoints.replace_endpoints(core, chosen)
    return true
end

--- Reports whether a call has failed without a response, at every endpoint that it could use.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function has_no_response(err)
    return err.http_status == nil and err.name ~= "bad_request" and err.name ~= "not_in_phase"
end

--- Reads the member list and replaces the endpoints by the first client URL of each member that is no learner, as far as
--- it answers. If no endpoint responds, the configured ones are asked.
---@param core resty.etcd.call.client_state.Core
---@return true? res # true; or nil and an error. The endpoints are then unchanged, or the configured ones
---@return resty.etcd.protocol.errors.EtcdError? err
local function read_members(core)
    local options = {}
    local reply, err = cluster.read(core, rpcs.member_list, {}, options)
    if reply == nil and has_no_response(err) and restore_configured(core, err) then
        reply, err = cluster.read(core, rpcs.member_list, {}, options)
    end
    if reply == nil then
        return nil, err
    end
    return adopt(core, reply, options.answered_by)
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

local function sync_and_log(core)
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
            sync_and_log(core)
        end
    )
end

--- Reports whether a client has a watch, a mirror or a reader.
---@param core resty.etcd.call.client_state.Core
---@param sync_plan resty.etcd.call.client_state.SyncPlan
---@return boolean
local function has_open_streams(core, sync_plan)
    local reader = next(sync_plan.readers)
    return reader ~= nil or core.shared_watches ~= nil and #core.shared_watches > 0
end

--- A client that garbage collection can remove.
---@class resty.etcd.api.member_sync.WeakReference
---@field core resty.etcd.call.client_state.Core?

local function weak_reference(core)
    return setmetatable({core = core}, {__mode = "v"})
end

--- Reads the member list at each interval while a client has streams: these make no calls. The loop ends with the last
--- stream, and keeps no client alive.
---@param core resty.etcd.call.client_state.Core
local function start_loop(core)
    local sync_plan = core.sync_plan
    local reference = weak_reference(core)
    if sync_plan.loop == nil then
        sync_plan.loop = timer_loop.new(
            "list of members",
            function()
                local client = reference.core
                if client == nil or ngx.worker.exiting() or not has_open_streams(client, sync_plan) then
                    return nil
                end
                local time = now()
                if time >= sync_plan.next then
                    sync_plan.next = time + sync_plan.interval
                    sync_and_log(client)
                end
                return math.max(
                    0,
                    sync_plan.next - now()
                )
            end,
            {}
        )
    end
    timer_loop.start(
        sync_plan.loop,
        math.max(
            0,
            sync_plan.next - now()
        )
    )
end

--- Ends the loop of a client that is closed.
---@param core resty.etcd.call.client_state.Core
local function stop(core)
    local ____opt_3 = core.sync_plan
    local loop = ____opt_3 and ____opt_3.loop
    if loop ~= nil then
        timer_loop.stop(loop)
    end
end

--- Returns the plan of a client that reads the member list when it makes a call or has streams, and the interval has passed.
---@param wanted number
---@return resty.etcd.call.client_state.SyncPlan
local function plan(wanted)
    local interval = math.max(MIN_INTERVAL, wanted)
    return {
        interval = interval,
        next = now() + interval,
        start = start_sync,
        start_loop = start_loop,
        loop = nil,
        readers = setmetatable({}, {__mode = "k"})
    }
end
_M.plan = plan
_M.stop = stop
_M.sync = sync

return _M
