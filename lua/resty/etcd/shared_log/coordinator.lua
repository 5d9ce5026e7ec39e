-- Generated from src/resty/etcd/shared_log/coordinator.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local dict_values = require("resty.etcd.base.dict_values")
local errors = require("resty.etcd.protocol.errors")
local random = require("resty.etcd.base.random")
local printable = require("resty.etcd.base.printable")
local logs = require("resty.etcd.shared_log.log")
local cleanup = require("resty.etcd.shared_log.cleanup")
local registry = require("resty.etcd.shared_log.registry")
local writers = require("resty.etcd.shared_log.writer")
local writer_error = require("resty.etcd.shared_log.writer_error")
local now = clock.now
local max = math.max

--- Seconds without a heartbeat after which a writer counts as dead. Writers send five or more in that time.
local WRITER_LEASE = 1

--- Seconds between two checks of the log and its writer, and between two heartbeats of the worker that writes.
local CHECK_INTERVAL = 0.1

--- Seconds between two checks which logs of the dict are used.
local REGISTRY_CHECK_INTERVAL = 1

--- Seconds for which other workers leave a takeover to the candidate that has announced itself.
local CANDIDATE_TIME = 0.5

--- Seconds without a writer after which that is reported: a takeover takes less.
local NO_WRITER_AFTER = 3
local NO_WRITER = errors.local_error("timeout", "shared watch log: no worker writes it")

--- Seconds without polls after one that raised an error.
local ERROR_PAUSE = 1

--- A worker's view of one log: it polls the log for all readers of the worker, and takes over as writer if the log has
--- none.
---@class resty.etcd.shared_log.coordinator.Coordinator
---@field dict table
---@field namespace string Prefix of all keys in the dict.
---@field range_key string First key of the range, for log lines.
---@field open_source fun(from: number?, cluster_id: string?): resty.etcd.shared_log.writer.Source?, resty.etcd.protocol.errors.EtcdError?
---@field start_writer fun(coordinator: resty.etcd.shared_log.coordinator.Coordinator, writer: resty.etcd.shared_log.writer.Writer): true?, string?
---@field retry_after number Seconds before an abandoned log is replaced.
---@field log resty.etcd.shared_log.log.Log? The current log; nil before the first check, and while none is usable.
---@field is_unavailable boolean No log is usable: readers must read from etcd themselves.
---@field tail number Last known epoch of the chain.
---@field head_key string Key of its head, which each poll reads.
---@field head any The head when it was last polled.
---@field last_received_at number When the last response from etcd came to a writer of a log, as far as this worker has seen; 0 for never.
---@field error_value string What the writer has published of its error.
---@field error resty.etcd.protocol.errors.EtcdError? Why the writer cannot follow etcd; nil if it can.
---@field without_writer_since number? Since when the log has had no heartbeat; nil while it has.
---@field writer resty.etcd.shared_log.writer.Writer? Set while this worker writes the log.
---@field readers table Signals of the readers: posted when there can be something new for them.
---@field reader_count number
---@field paused_until number
---@field next_check_at number
---@field next_registry_check_at number Earliest time of the next note that the log is used, and of the next search for logs that are not.
---@field next_create_at number Earliest time of the next attempt to create the first log, after the dict had no room for it.

--- Wakes all readers of this worker.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function wake(coordinator)
    for reader in pairs(coordinator.readers) do
        if reader:count() < 1 then
            reader:post(1)
        end
    end
end

local function set_tail(coordinator, log, tail)
    coordinator.tail = tail
    coordinator.head_key = logs.key_of(log, tail, "h")
    coordinator.head = nil
end

--- Wakes the readers if something was published since the last poll. If nothing was, it reads one number.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function poll_head(coordinator)
    local log = coordinator.log
    if log == nil then
        return
    end
    local value = dict_values.get_integer(coordinator.dict, coordinator.head_key)
    if value == nil then
        set_tail(
            coordinator,
            log,
            logs.get_number(log, "root") or 0
        )
        return
    end
    if value == coordinator.head then
        return
    end
    coordinator.head = value
    wake(coordinator)
    while logs.is_sealed(log, coordinator.tail) do
        coordinator.next_check_at = 0
        local link = logs.link_of(log, coordinator.tail)
        if link == nil then
            coordinator.head = nil
            return
        end
        set_tail(coordinator, log, link.to)
    end
end

--- Abandons the log, for all workers.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param log resty.etcd.shared_log.log.Log
---@param cause string? nil if keys are missing
local function abandon_log(coordinator, log, cause)
    if not logs.is_broken(log) then
        ngx.log(
            ngx.WARN,
            "shared watch log: abandoned: ",
            printable.of(cause or writers.KEYS_MISSING)
        )
    end
    logs.mark_broken(log, coordinator.retry_after)
    coordinator.next_check_at = 0
end

--- Creates the first log, or one that replaces a broken one, if it is time for that; nil otherwise.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param broken resty.etcd.shared_log.log.Log?
---@return resty.etcd.shared_log.log.Log?
local function try_create_log(coordinator, broken)
    local dict = coordinator.dict
    local namespace = coordinator.namespace
    local wait = broken ~= nil and logs.seconds_until_retry(dict, namespace) or coordinator.next_create_at - now()
    if wait > 0 then
        return nil
    end
    if broken ~= nil then
        logs.delay_retry(dict, namespace, coordinator.retry_after)
        cleanup.remove_log(broken)
    end
    local created, err = logs.create(dict, namespace, broken)
    if created == nil then
        coordinator.next_create_at = now() + coordinator.retry_after
        local cause = printable.of(err)
        ngx.log(
            ngx.WARN,
            "shared watch log: not created: ",
            cause,
            "; retrying in ",
            coordinator.retry_after,
            " s"
        )
    end
    return created
end

--- Finds the current log. Creates one if there is none, or if the current one was abandoned long enough ago.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function refresh_log(coordinator)
    local dict = coordinator.dict
    local known = coordinator.log
    local log = logs.current(dict, coordinator.namespace)
    if log == nil or logs.is_broken(log) then
        log = try_create_log(coordinator, log)
    end
    coordinator.is_unavailable = log == nil
    if not logs.is_same(log, known) then
        if coordinator.writer ~= nil then
            writers.stop(coordinator.writer, "fenced")
            coordinator.writer = nil
        end
        coordinator.log = log
        if log ~= nil then
            set_tail(
                coordinator,
                log,
                logs.get_number(log, "root") or 0
            )
        end
        wake(coordinator)
    end
end

--- Takes over from a dead writer, unless another worker is about to.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param log resty.etcd.shared_log.log.Log
local function try_take_over(coordinator, log)
    if now() - (logs.get_time(log, "candidate") or 0) < CANDIDATE_TIME then
        return
    end
    logs.set_number(
        log,
        "candidate",
        now()
    )
    local writer, err = writers.take_over(log, coordinator.tail)
    logs.set_number(log, "candidate", 0)
    if writer == nil then
        if err ~= "lost" then
            abandon_log(coordinator, log, err)
        end
        return
    end
    coordinator.writer = writer
    local ok = coordinator.start_writer(coordinator, writer)
    if ok == nil then
        coordinator.writer = nil
        logs.release(log, writer.epoch)
        return
    end
    local key = printable.key(coordinator.range_key)
    local event = coordinator.tail == 0 and "started" or "taken over"
    ngx.log(
        ngx.NOTICE,
        "shared watch log of ",
        key,
        ": ",
        event,
        "; this worker follows etcd for all workers"
    )
end

--- Notes what the writer has published.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param log resty.etcd.shared_log.log.Log
local function note_contact(coordinator, log)
    coordinator.last_received_at = max(
        coordinator.last_received_at,
        logs.last_received_at(log, coordinator.tail)
    )
    local value = writer_error.read(log)
    if value ~= coordinator.error_value and (value ~= writer_error.NONE or logs.get_number(log, "root") ~= 0) then
        coordinator.error_value = value
        coordinator.error = writer_error.decode(value)
    end
    if logs.seconds_since_heartbeat(log, coordinator.tail) <= WRITER_LEASE then
        coordinator.without_writer_since = nil
    else
        if coordinator.without_writer_since == nil then
            coordinator.without_writer_since = now()
        end
    end
end

--- Returns when a writer of the log last received a response from etcd; 0 if none did.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@return number
local function last_received_at(coordinator)
    local ____coordinator_0 = coordinator
    local log = ____coordinator_0.log
    local tail = ____coordinator_0.tail
    local known = coordinator.last_received_at
    return log ~= nil and max(
        known,
        logs.last_received_at(log, tail)
    ) or known
end

--- Returns why the log cannot follow etcd; nil if no error is known.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@return resty.etcd.protocol.errors.EtcdError?
local function current_error(coordinator)
    local since = coordinator.without_writer_since
    if since ~= nil and now() - since > NO_WRITER_AFTER then
        return NO_WRITER
    end
    return coordinator.error
end

--- Checks which log is current, whether it has a writer, and whether this worker must take over.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function check(coordinator)
    local time = now()
    if time >= coordinator.next_registry_check_at then
        coordinator.next_registry_check_at = time + REGISTRY_CHECK_INTERVAL
        registry.note_used(coordinator.dict, coordinator.namespace)
        registry.remove_unused(coordinator.dict)
    end
    refresh_log(coordinator)
    local log = coordinator.log
    if log == nil then
        return
    end
    poll_head(coordinator)
    local writer = coordinator.writer
    if writer ~= nil then
        writers.heartbeat(writer)
    elseif logs.seconds_since_heartbeat(log, coordinator.tail) > WRITER_LEASE then
        try_take_over(coordinator, log)
    end
    note_contact(coordinator, log)
end

local function poll_and_check(coordinator, time)
    poll_head(coordinator)
    if time >= coordinator.next_check_at then
        coordinator.next_check_at = time + CHECK_INTERVAL * (1 + random.next() / 4)
        check(coordinator)
    end
end

--- Polls the log once. An error in it is logged and shown, and stops polling for a while.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function poll(coordinator)
    local time = now()
    if time < coordinator.paused_until then
        return
    end
    local ok, err = pcall(poll_and_check, coordinator, time)
    if not ok then
        coordinator.paused_until = time + ERROR_PAUSE
        if coordinator.error_value ~= tostring(err) then
            ngx.log(
                ngx.ERR,
                "shared watch log: ",
                printable.of(err)
            )
        end
        coordinator.without_writer_since = nil
        coordinator.error_value = tostring(err)
        coordinator.error = errors.local_error(
            "bad_reply",
            "shared watch log: " .. tostring(err)
        )
    end
end

--- Stops writing, so that another worker takes over immediately, and wakes the readers.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function resign(coordinator)
    local writer = coordinator.writer
    if writer ~= nil then
        coordinator.writer = nil
        writers.stop(writer, "resigned")
        writers.release(writer)
    end
    wake(coordinator)
end

--- Handles the end of the timer in which this worker has written the log.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param writer resty.etcd.shared_log.writer.Writer
local function on_writer_stopped(coordinator, writer)
    if coordinator.writer == writer then
        coordinator.writer = nil
    end
    if writer.stop_reason == "broken" then
        abandon_log(coordinator, writer.log, writer.stop_detail)
    else
        writers.release(writer)
    end
    wake(coordinator)
end

---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param signal table posted when there can be something new
local function add_reader(coordinator, signal)
    coordinator.readers[signal] = true
    coordinator.reader_count = coordinator.reader_count + 1
end

local function remove_reader(coordinator, signal)
    coordinator.readers[signal] = nil
    coordinator.reader_count = coordinator.reader_count - 1
end

--- Sets whether a timer polls the log. Without one, a worker that has no log yet must read from etcd itself.
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@param is_polled boolean
local function set_polled(coordinator, is_polled)
    coordinator.is_unavailable = not is_polled and coordinator.log == nil
end

--- Creates a worker's view of a log.
---@param dict table
---@param namespace string prefix of all keys in the dict
---@param range_key string first key of the range, for log lines
---@param open_source fun(from: number?, cluster_id: string?): resty.etcd.shared_log.writer.Source?, resty.etcd.protocol.errors.EtcdError?
---@param retry_after number seconds before an abandoned log is replaced
---@param start_writer fun(coordinator: resty.etcd.shared_log.coordinator.Coordinator, writer: resty.etcd.shared_log.writer.Writer): true?, string?
---@return resty.etcd.shared_log.coordinator.Coordinator
local function create(dict, namespace, range_key, open_source, retry_after, start_writer)
    return {
        dict = dict,
        namespace = namespace,
        range_key = range_key,
        open_source = open_source,
        retry_after = retry_after,
        start_writer = start_writer,
        log = nil,
        is_unavailable = false,
        tail = 0,
        head_key = "",
        head = nil,
        last_received_at = 0,
        error_value = writer_error.NONE,
        error = nil,
        without_writer_since = nil,
        writer = nil,
        readers = {},
        reader_count = 0,
        paused_until = 0,
        next_check_at = 0,
        next_registry_check_at = 0,
        next_create_at = 0
    }
end
_M.abandon_log = abandon_log
_M.add_reader = add_reader
_M.current_error = current_error
_M.last_received_at = last_received_at
_M.new = create
_M.on_writer_stopped = on_writer_stopped
_M.poll = poll
_M.remove_reader = remove_reader
_M.resign = resign
_M.set_polled = set_polled
_M.wake = wake

return _M
