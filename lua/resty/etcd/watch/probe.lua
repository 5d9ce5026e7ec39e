-- Generated from src/resty/etcd/watch/probe.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local clock = require("resty.etcd.base.clock")
local rpcs = require("resty.etcd.protocol.rpc")
local watch_errors = require("resty.etcd.watch.errors")
local now = clock.now

--- Seconds that the probe has to be confirmed, and that the probed stream has to deliver what the probe has delivered.
local PROBE_TIME = 1

--- A second watch that shows whether a silent stream is idle or dead. It starts at the position of the first one, at the
--- same endpoint: events that it delivers immediately were lost on the first one.
---@class resty.etcd.watch.probe.Probe
---@field thread table?
---@field started_at number
---@field stream resty.etcd.transport.transport.Stream?
---@field created_at number? When etcd confirmed the probe.
---@field first_event_at number?
---@field has_failed boolean The probe has ended for another reason than a compaction.
---@field is_compacted boolean The start revision of the probe is compacted, which says nothing about a stream that was created before.

--- Returns the endpoint of the stream; nil if the client does not have it any more.
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

local function handle_reply(probe, reply, endpoint)
    if reply.canceled == true then
        probe.is_compacted = watch_errors.cancel_error(reply, endpoint).name == "compacted"
        probe.has_failed = not probe.is_compacted
    elseif reply.created == true then
        probe.created_at = now()
    elseif reply.events ~= nil then
        if probe.first_event_at == nil then
            probe.first_event_at = now()
        end
    end
end

--- Reads the stream without a timeout, as nginx logs each socket timeout: `outcome` limits the time.
---@param probe resty.etcd.watch.probe.Probe
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param request table
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
local function read(probe, shared_watch, request, endpoint)
    local message = {create_request = request}
    local stream = call.open(shared_watch.core, rpcs.watch, message, {require_leader = true, at = endpoint})
    probe.stream = stream
    probe.has_failed = stream == nil
    while stream ~= nil and not probe.has_failed and not probe.is_compacted do
        local reply = stream:recv(nil)
        if reply == nil then
            probe.has_failed = true
        else
            handle_reply(probe, reply, endpoint.http_host)
        end
    end
end

local function run(probe, shared_watch, request, endpoint)
    local ok = pcall(
        read,
        probe,
        shared_watch,
        request,
        endpoint
    )
    probe.has_failed = probe.has_failed or not ok
end

--- Starts a probe of a stream in a light thread.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param stream resty.etcd.transport.transport.Stream
---@param request table
---@return resty.etcd.watch.probe.Probe
local function start(shared_watch, stream, request)
    local probe = {
        thread = nil,
        started_at = now(),
        stream = nil,
        created_at = nil,
        first_event_at = nil,
        has_failed = false,
        is_compacted = false
    }
    local endpoint = endpoint_of(shared_watch, stream)
    if endpoint == nil then
        probe.has_failed = true
    else
        probe.thread = ngx.thread.spawn(
            run,
            probe,
            shared_watch,
            request,
            endpoint
        )
    end
    return probe
end

--- Returns the result for a stream that has been silent all the time; nil while there is none.
---@param probe resty.etcd.watch.probe.Probe
---@return ("unknown"|"alive"|"dead")?
local function outcome(probe)
    local time = now()
    if probe.has_failed then
        return "dead"
    end
    if probe.is_compacted then
        return "unknown"
    end
    if probe.first_event_at ~= nil then
        return time - probe.first_event_at > PROBE_TIME and "dead" or nil
    end
    if probe.created_at ~= nil then
        return time - probe.created_at > PROBE_TIME and "alive" or nil
    end
    return time - probe.started_at > PROBE_TIME and "dead" or nil
end

--- Closes the probe's stream and ends its thread.
---@param probe resty.etcd.watch.probe.Probe
local function stop(probe)
    local ____opt_0 = probe.stream
    if ____opt_0 ~= nil then
        ____opt_0:close()
    end
    if probe.thread ~= nil then
        ngx.thread.kill(probe.thread)
    end
end
_M.outcome = outcome
_M.start = start
_M.stop = stop

return _M
