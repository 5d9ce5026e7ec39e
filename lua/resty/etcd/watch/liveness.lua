-- Generated from src/resty/etcd/watch/liveness.ts by TypeScriptToLua. Do not edit.
local _M = {}
local balancer = require("resty.etcd.endpoint.balancer")
local clock = require("resty.etcd.base.clock")
local error_hints = require("resty.etcd.transport.error_hints")
local errors = require("resty.etcd.protocol.errors")
local member_probes = require("resty.etcd.watch.member_probe")
local printable = require("resty.etcd.base.printable")
local probes = require("resty.etcd.watch.probe")
local shared_watches = require("resty.etcd.watch.shared_watch")
local now = clock.now
local max = math.max
local min = math.min

--- Maximum seconds between two bytes of a living stream: etcd sends progress every 10 minutes at least.
local MAX_PROGRESS_INTERVAL = 660

--- Minimum and maximum seconds before another probe follows one, whatever its result.
local MIN_RETRY_INTERVAL = 1
local RETRY_INTERVAL = 5

--- Maximum seconds of a wait while a probe runs.
local PROBE_POLL_INTERVAL = 0.1

--- Maximum seconds of a wait otherwise, so that the worker's exit and silent streams are noticed.
local POLL_INTERVAL = 0.5

--- What is being found out about a stream that is silent. Written by this file.
---@class resty.etcd.watch.liveness.Liveness
---@field probe resty.etcd.watch.probe.Probe? Nil while none runs.
---@field next_probe_at number
---@field probe_from number First revision up to which no probe has found that nothing was missed.

local function create()
    return {probe = nil, next_probe_at = 0, probe_from = 0}
end

--- Ends the probe, if one runs.
---@param liveness resty.etcd.watch.liveness.Liveness
local function stop(liveness)
    if liveness.probe ~= nil then
        probes.stop(liveness.probe)
        liveness.probe = nil
    end
end

local function idle_error(shared_watch, stream)
    local text = "timeout: no data received for " .. tostring(shared_watch.idle_timeout) .. " seconds"
    return errors.local_error("timeout", text, stream and stream.endpoint)
end

--- Returns an error if etcd has not confirmed the watch in time, whatever else it has sent.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
---@return resty.etcd.protocol.errors.EtcdError?
local function check_creation(shared_watch, session)
    local ____shared_watch_2 = shared_watch
    local stream = ____shared_watch_2.stream
    local core = ____shared_watch_2.core
    if stream == nil then
        local is_late = core.timeout <= 0 and now() - session.started_at > shared_watch.idle_timeout
        return is_late and idle_error(shared_watch, stream) or nil
    end
    local elapsed = now() - (core.timeout > 0 and session.response_started_at or session.started_at)
    if elapsed <= (core.timeout > 0 and core.timeout or shared_watch.idle_timeout) then
        return nil
    end
    local err = errors.local_error("timeout", "timeout: etcd did not confirm the watch", stream.endpoint)
    err.hint = printable.of(error_hints.SILENT_WATCH)
    balancer.report(core, stream.endpoint, "failure")
    balancer.note_failure(core, stream.endpoint, err.message)
    return err
end

--- Starts the probe of a silent stream, or evaluates it. Returns whether the stream is dead.
---@param liveness resty.etcd.watch.liveness.Liveness
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param stream resty.etcd.transport.transport.Stream
---@return boolean
local function is_dead(liveness, shared_watch, stream)
    local time = now()
    if time - stream:last_received_at() > MAX_PROGRESS_INTERVAL then
        return true
    end
    local probe = liveness.probe
    if probe == nil then
        if time >= liveness.next_probe_at then
            local from = max(shared_watch.next_revision, liveness.probe_from)
            liveness.probe = probes.start(shared_watch, stream, from)
        end
        return false
    end
    local outcome = probes.outcome(probe)
    if outcome ~= nil then
        stop(liveness)
        liveness.next_probe_at = time + max(
            MIN_RETRY_INTERVAL,
            min(shared_watch.idle_timeout, RETRY_INTERVAL)
        )
        if outcome == "alive" then
            shared_watches.note_response(
                shared_watch,
                probes.alive_at(probe)
            )
            liveness.probe_from = probes.next_from(probe)
        end
    end
    return outcome == "dead"
end

--- Returns the seconds until the next `check`.
---@param liveness resty.etcd.watch.liveness.Liveness
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@return number
local function poll_interval(liveness, shared_watch)
    if liveness.probe ~= nil then
        return PROBE_POLL_INTERVAL
    end
    local ____shared_watch_3 = shared_watch
    local core = ____shared_watch_3.core
    local is_connected = ____shared_watch_3.is_connected
    local stream = ____shared_watch_3.stream
    return is_connected and member_probes.seconds_until_probe(core, stream, POLL_INTERVAL) or POLL_INTERVAL
end

--- Returns an error if the stream of a session is dead. Call it regularly.
---@param liveness resty.etcd.watch.liveness.Liveness
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
---@return resty.etcd.protocol.errors.EtcdError?
local function check(liveness, shared_watch, session)
    if session.created_at == nil then
        return check_creation(shared_watch, session)
    end
    local stream = shared_watch.stream
    if shared_watch.is_paused then
        stop(liveness)
        return nil
    end
    if member_probes.is_gone(shared_watch, stream) then
        return errors.local_error("timeout", "timeout: the member does not respond", stream.endpoint)
    end
    if shared_watches.age(shared_watch) <= shared_watch.idle_timeout then
        stop(liveness)
        return nil
    end
    return is_dead(liveness, shared_watch, stream) and idle_error(shared_watch, stream) or nil
end
_M.check = check
_M.new = create
_M.poll_interval = poll_interval
_M.stop = stop

return _M
