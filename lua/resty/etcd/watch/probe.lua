-- Generated from src/resty/etcd/watch/probe.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local call = require("resty.etcd.call.call")
local clock = require("resty.etcd.base.clock")
local dns_endpoints = require("resty.etcd.endpoint.dns_endpoints")
local reads = require("resty.etcd.watch.reads")
local rpcs = require("resty.etcd.protocol.rpc")
local timer_loops = require("resty.etcd.base.timer_loop")
local waits = require("resty.etcd.base.wait")
local shared_watches = require("resty.etcd.watch.shared_watch")
local stream_reader = require("resty.etcd.watch.stream_reader")
local watch_errors = require("resty.etcd.watch.errors")
local now = clock.now
local max = math.max
local find = string.find

--- Seconds that the probe has to be confirmed, and that the probed stream has to deliver what the probe has found.
local PROBE_TIME = 1

--- Seconds that a connection can take if nginx resolves the name of the member: the time for that does not count.
local CONNECT_TIME = 5

--- Maximum seconds of a wait, so that the worker's exit is noticed.
local POLL_INTERVAL = 0.5

--- Seconds after which a probe ends that the loop of its watch has not stopped.
local MAX_TIME = 60

--- What a probe leaves in its timer besides its turn: a light thread and a connection.
local LEFTOVERS = 2

--- Shows whether a silent stream is idle or has missed an event. A second watch starts at the position of the first one, at
--- the same endpoint: events that it delivers immediately were lost on the first one. If that position is compacted, a
--- linearizable read shows whether the range has changed since. A probe runs in a turn of a separate loop, because nginx frees
--- what a connection has allocated only with the timer, and the timer of a quiet stream runs for days.
---@class resty.etcd.watch.probe.Probe
---@field shared_watch resty.etcd.watch.types.SharedWatch
---@field endpoint resty.etcd.endpoint.endpoint.Endpoint?
---@field from number Start revision of the second watch.
---@field signal table?
---@field is_stopped boolean
---@field requested_at number
---@field started_at number? When its turn began; nil until then.
---@field progress resty.etcd.transport.transport.AttemptProgress
---@field stream resty.etcd.transport.transport.Stream?
---@field created_at number? When etcd confirmed the probe.
---@field missed_at number? When it found an event, or a changed key, that the stream has not delivered.
---@field has_failed boolean The probe has ended for another reason than a compaction.
---@field is_impossible boolean nginx could not connect for a local reason: another probe follows.
---@field is_compacted boolean The start revision of the probe is compacted.
---@field comparison resty.etcd.watch.probe.Comparison?

--- The result of a read that found no change of the range; without a time if the read failed.
---@class resty.etcd.watch.probe.Comparison
---@field compared_at number? Before the read was sent.
---@field revision number The range has not changed up to this revision.

--- The read has failed, or too many keys are new: another probe follows.
local UNKNOWN = {compared_at = nil, revision = 0}

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
        local err = watch_errors.cancel_error(reply, endpoint)
        probe.is_compacted = err.name == "compacted"
        probe.has_failed = not probe.is_compacted
    elseif reply.created == true then
        probe.created_at = now()
    elseif reply.events ~= nil then
        if probe.missed_at == nil then
            probe.missed_at = now()
        end
    end
end

--- Reports whether a second watch was not opened for a reason that says nothing about the member, such as slow DNS.
---@param probe resty.etcd.watch.probe.Probe
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_impossible(probe, err)
    local ____probe_progress_0 = probe.progress
    local connected_at = ____probe_progress_0.connected_at
    local dialed_at = ____probe_progress_0.dialed_at
    local is_late = dialed_at == nil or connected_at ~= nil and now() - connected_at < PROBE_TIME
    return watch_errors.is_local_failure(err) or err.name == "timeout" and is_late
end

--- Reads the second watch without a timeout, as nginx logs each socket timeout: `outcome` limits the time.
---@param probe resty.etcd.watch.probe.Probe
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
local function read_watch(probe, endpoint)
    local ____probe_shared_watch_1 = probe.shared_watch
    local core = ____probe_shared_watch_1.core
    local request = stream_reader.create_request(probe.shared_watch, probe.from)
    local options = {require_leader = true, at = endpoint, timeout = CONNECT_TIME, progress = probe.progress}
    local stream, err = call.open(core, rpcs.watch, {create_request = request}, options)
    probe.stream = stream
    if stream == nil and is_impossible(probe, err) then
        probe.is_impossible = true
        return
    end
    probe.has_failed = stream == nil
    while stream ~= nil and not probe.has_failed and not probe.is_compacted do
        local reply = stream:recv(nil)
        if reply == nil then
            probe.has_failed = true
        else
            handle_reply(probe, reply, endpoint.http_host)
        end
    end
    if stream ~= nil then
        stream:close()
    end
end

--- Compares the range with its state at the position of the stream: no key has a later revision, and their number is the
--- same, so none was deleted. The number is unknown for a watch that does not receive deletions.
---@param probe resty.etcd.watch.probe.Probe
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
local function compare(probe, endpoint)
    local shared_watch = probe.shared_watch
    local started = now()
    local current = reads.changed_keys(shared_watch.core, shared_watch.range, probe.from, endpoint)
    local key_count = shared_watch.key_count
    if current == nil then
        probe.comparison = UNKNOWN
    elseif current.cluster_id ~= shared_watch.history.cluster_id then
        probe.has_failed = true
    elseif current.has_changed or key_count ~= nil and key_count ~= current.key_count then
        if probe.missed_at == nil then
            probe.missed_at = now()
        end
    else
        probe.comparison = {compared_at = started, revision = current.revision}
        shared_watches.set_key_count(shared_watch, current.revision, current.key_count)
    end
end

--- Compares the range of a watch without puts: of the keys that were counted, none is missing but those whose deletion the
--- watch has delivered. A second watch cannot find that out where compactions are frequent: etcd reads the history for it
--- every 100 ms only, and can have compacted its start revision again by then.
---@param probe resty.etcd.watch.probe.Probe
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
local function compare_deletions(probe, endpoint)
    local shared_watch = probe.shared_watch
    local started = now()
    local counted_at = shared_watch.counted_at
    local from = shared_watch.key_count ~= nil and counted_at + 1 or probe.from
    local current = reads.created_keys(shared_watch.core, shared_watch.range, from, endpoint)
    local key_count = shared_watch.key_count
    if current == nil or shared_watch.counted_at ~= counted_at then
        probe.comparison = UNKNOWN
    elseif current.cluster_id ~= shared_watch.history.cluster_id then
        probe.has_failed = true
    elseif key_count ~= nil and current.key_count - (current.created or 0) < key_count then
        if probe.missed_at == nil then
            probe.missed_at = now()
        end
    else
        local is_known = key_count == nil or current.created ~= nil
        probe.comparison = is_known and ({compared_at = started, revision = current.revision}) or UNKNOWN
        shared_watches.replace_key_count(shared_watch, current.revision, current.key_count)
    end
end

local function is_without_puts(shared_watch)
    local at = find(shared_watch.filters, "NOPUT", 1, true)
    return at ~= nil
end

local function run(probe)
    local endpoint = probe.endpoint
    read_watch(probe, endpoint)
    if probe.is_compacted then
        local compare_range = is_without_puts(probe.shared_watch) and compare_deletions or compare
        compare_range(probe, endpoint)
    end
end

local function run_protected(probe)
    local ok = pcall(run, probe)
    probe.has_failed = probe.has_failed or not ok
end

local function is_wanted(probe)
    return not probe.is_stopped and not ngx.worker.exiting()
end

--- The turn of a probe's loop.
---@param probe resty.etcd.watch.probe.Probe
---@param loop resty.etcd.base.timer_types.TimerLoop
---@return number?
local function run_turn(probe, loop)
    if probe.started_at ~= nil or not is_wanted(probe) then
        return nil
    end
    local started = now()
    probe.started_at = started
    local thread = ngx.thread.spawn(run_protected, probe)
    timer_loops.note_leftovers(loop, LEFTOVERS)
    while is_wanted(probe) and now() - started < MAX_TIME do
        waits.wait(probe.signal, POLL_INTERVAL)
    end
    local ____opt_4 = probe.stream
    if ____opt_4 ~= nil then
        ____opt_4:close()
    end
    ngx.thread.kill(thread)
    return nil
end

--- Starts a probe of a stream.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param stream resty.etcd.transport.transport.Stream
---@param from number first revision that the stream has not delivered, unless an earlier probe found none up to a later one
---@return resty.etcd.watch.probe.Probe
local function start(shared_watch, stream, from)
    local signal = semaphore.new(0)
    local probe = {
        shared_watch = shared_watch,
        endpoint = endpoint_of(shared_watch, stream),
        from = from,
        signal = signal,
        is_stopped = false,
        requested_at = now(),
        started_at = nil,
        progress = {},
        stream = nil,
        created_at = nil,
        missed_at = nil,
        has_failed = false,
        is_impossible = false,
        is_compacted = false,
        comparison = nil
    }
    if probe.endpoint == nil then
        probe.has_failed = true
    elseif signal ~= nil then
        local loop
        loop = timer_loops.new(
            "probe of " .. shared_watch.range.key,
            function() return run_turn(probe, loop) end,
            {}
        )
        timer_loops.start(loop, 0)
    end
    return probe
end

--- Returns since when the member could have confirmed the second watch; nil while that waits for DNS, or for a login.
---@param probe resty.etcd.watch.probe.Probe
---@return number?
local function asked_since(probe)
    local ____probe_progress_6 = probe.progress
    local connected_at = ____probe_progress_6.connected_at
    local dialed_at = ____probe_progress_6.dialed_at
    local endpoint = probe.endpoint
    local host = endpoint.host
    local is_resolved_by_nginx = type(host) == "string" and dns_endpoints.name_of(endpoint) ~= nil
    local ____is_resolved_by_nginx_7
    if is_resolved_by_nginx then
        ____is_resolved_by_nginx_7 = connected_at
    else
        ____is_resolved_by_nginx_7 = connected_at or dialed_at
    end
    return ____is_resolved_by_nginx_7
end

--- Returns the result for a stream that has been silent all the time; nil while there is none.
---@param probe resty.etcd.watch.probe.Probe
---@return ("unknown"|"alive"|"dead")?
local function outcome(probe)
    local ____probe_8 = probe
    local missed_at = ____probe_8.missed_at
    local comparison = ____probe_8.comparison
    local created_at = ____probe_8.created_at
    local started_at = ____probe_8.started_at
    local time = now()
    if probe.has_failed then
        return "dead"
    end
    if probe.is_impossible then
        return "unknown"
    end
    if missed_at ~= nil then
        return time - missed_at > PROBE_TIME and "dead" or nil
    end
    if comparison ~= nil then
        return comparison.compared_at ~= nil and "alive" or "unknown"
    end
    if started_at == nil then
        return time - probe.requested_at > PROBE_TIME and "unknown" or nil
    end
    if probe.is_compacted then
        return time - started_at > MAX_TIME and "unknown" or nil
    end
    if created_at ~= nil then
        return time - created_at > PROBE_TIME and "alive" or nil
    end
    if time - started_at > MAX_TIME then
        return "unknown"
    end
    local asked_at = asked_since(probe)
    return asked_at ~= nil and time - asked_at > PROBE_TIME and "dead" or nil
end

--- Returns the time at which a stream that is alive had delivered everything.
---@param probe resty.etcd.watch.probe.Probe
---@return number
local function alive_at(probe)
    local ____opt_9 = probe.comparison
    return ____opt_9 and ____opt_9.compared_at or probe.created_at
end

--- Returns the revision at which the next probe of the stream can start.
---@param probe resty.etcd.watch.probe.Probe
---@return number
local function next_from(probe)
    local ____probe_from_13 = probe.from
    local ____opt_11 = probe.comparison
    return max(____probe_from_13, (____opt_11 and ____opt_11.revision or 0) + 1)
end

--- Lets the turn of the probe close its stream and end.
---@param probe resty.etcd.watch.probe.Probe
local function stop(probe)
    probe.is_stopped = true
    local ____opt_14 = probe.signal
    if ____opt_14 ~= nil then
        ____opt_14:post(1)
    end
end
_M.alive_at = alive_at
_M.next_from = next_from
_M.outcome = outcome
_M.start = start
_M.stop = stop

return _M
