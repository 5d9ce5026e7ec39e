-- Generated from src/resty/etcd/watch/liveness.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local clock = require("resty.etcd.base.clock")
local rpcs = require("resty.etcd.protocol.rpc")
local errors = require("resty.etcd.watch.errors")
local now = clock.now

--- Seconds for the second stream to stand, to be told what the first one was not, and for that one to be told too.
local PROBE_TIME = 1

--- A stream that is silent has nothing to tell, or is dead. A second one from the same place, at the same endpoint, for a
--- moment, tells which: what it is told at once the first one has missed.
---@class resty.etcd.watch.liveness.LivenessProbe
---@field thread table?
---@field started_at number
---@field stream resty.etcd.transport.transport.Stream?
---@field created_at number? When etcd said that it stands.
---@field first_event_at number? When it was told of something.
---@field has_failed boolean It has ended, and not because of a compaction.
---@field compacted boolean What it wanted to begin with is compacted, which says nothing about a stream that stands already.

--- The endpoint that the stream is of; nil if that is none of the client's any more.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param stream resty.etcd.transport.transport.Stream
---@return resty.etcd.endpoint.endpoint.Endpoint?
local function endpoint_of(shared_watch, stream)
    for ____, endpoint in ipairs(shared_watch.core.endpoints) do
        if endpoint.http_host == stream.endpoint then
            return endpoint
        end
    end
    return nil
end

local function take(check, reply, endpoint)
    if reply.canceled == true then
        check.compacted = errors.cancel_error(reply, endpoint).name == "compacted"
        check.has_failed = not check.compacted
    elseif reply.created == true then
        check.created_at = now()
    elseif reply.events ~= nil then
        if check.first_event_at == nil then
            check.first_event_at = now()
        end
    end
end

--- Reads what comes. How long that may take is for `outcome` to say, as nginx writes a line for each socket timeout.
---@param check resty.etcd.watch.liveness.LivenessProbe
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param request table
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
local function read(check, shared_watch, request, endpoint)
    local stream = call.open(shared_watch.core, rpcs.watch, {create_request = request}, {require_leader = true, at = endpoint})
    check.stream = stream
    check.has_failed = stream == nil
    while stream ~= nil and not check.has_failed and not check.compacted do
        local message = stream:recv(nil)
        if message == nil then
            check.has_failed = true
        else
            take(check, message, endpoint.http_host)
        end
    end
end

local function run(check, shared_watch, request, endpoint)
    local ok = pcall(
        read,
        check,
        shared_watch,
        request,
        endpoint
    )
    check.has_failed = check.has_failed or not ok
end

--- Begins a check of the hub's stream.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param stream resty.etcd.transport.transport.Stream
---@param request table
---@return resty.etcd.watch.liveness.LivenessProbe
local function start(shared_watch, stream, request)
    local check = {
        thread = nil,
        started_at = now(),
        stream = nil,
        created_at = nil,
        first_event_at = nil,
        has_failed = false,
        compacted = false
    }
    local endpoint = endpoint_of(shared_watch, stream)
    if endpoint == nil then
        check.has_failed = true
    else
        check.thread = ngx.thread.spawn(
            run,
            check,
            shared_watch,
            request,
            endpoint
        )
    end
    return check
end

--- What a check of a stream that has been silent all the while says; nil while it says nothing yet.
---@param check resty.etcd.watch.liveness.LivenessProbe
---@return ("unknown"|"well"|"dead")?
local function outcome(check)
    local time = now()
    if check.has_failed then
        return "dead"
    end
    if check.compacted then
        return "unknown"
    end
    if check.first_event_at ~= nil then
        return time - check.first_event_at > PROBE_TIME and "dead" or nil
    end
    if check.created_at ~= nil then
        return time - check.created_at > PROBE_TIME and "well" or nil
    end
    return time - check.started_at > PROBE_TIME and "dead" or nil
end

--- Ends it, and frees what it has.
---@param check resty.etcd.watch.liveness.LivenessProbe
local function stop(check)
    local ____opt_0 = check.stream
    if ____opt_0 ~= nil then
        ____opt_0:close()
    end
    if check.thread ~= nil then
        ngx.thread.kill(check.thread)
    end
end
_M.outcome = outcome
_M.start = start
_M.stop = stop

return _M
