-- Generated from src/resty/etcd/shared_log/log_feed.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local waits = require("resty.etcd.base.wait")
local errors = require("resty.etcd.protocol.errors")
local time_slice = require("resty.etcd.base.time_slice")
local logs = require("resty.etcd.shared_log.log")
local cursors = require("resty.etcd.shared_log.cursor")
local coordinators = require("resty.etcd.shared_log.coordinator")
local writer_loop = require("resty.etcd.shared_log.writer_loop")
local poll_timers = require("resty.etcd.shared_log.poll_timer")
local epoch_header = require("resty.etcd.shared_log.epoch_header")
local now = clock.now
local max = math.max
local min = math.min

--- Seconds after which a missing key counts as lost. A reader that was left behind only needs to join again.
local MISSING_TIMEOUT = 1

--- Seconds after which a sealed epoch without link counts as damaged: several workers in a row can die in a takeover.
local UNLINKED_TIMEOUT = 10

--- Seconds between two reads of the log after which they say nothing about the time between: the worker stood still.
local MAX_READ_GAP = 0.5

--- Seconds between two reads of a log in which something is missing, or that is behind.
local RETRY_INTERVAL = 0.02

--- Maximum seconds of a wait. The timer that polls is checked after each.
local MAX_WAIT = 1

--- Reads of a log that is behind the reader, before it counts as behind for long.
local MAX_BEHIND_READS = 10

---@class resty.etcd.shared_log.log_feed.Fields
---@field coordinator resty.etcd.shared_log.coordinator.Coordinator
---@field poll_timer resty.etcd.shared_log.poll_timer.PollTimer
---@field signal table
---@field cursor resty.etcd.shared_log.cursor.Cursor? Current or last position in the log.
---@field is_following boolean Reading continues at the cursor. Otherwise the reader must join the log again.
---@field direct resty.etcd.shared_log.writer.Source? Feed straight from etcd, while no log is usable.
---@field direct_opened_at number
---@field revision number Last revision that was returned.
---@field cluster_id_of_log string? ID of the cluster that the last batch from the log was from.
---@field missing_since number? Since when something has been missing in the log.
---@field missing_noticed_at number When that was last noticed.
---@field next_join_at number
---@field behind_reads number Reads so far of a log that is behind.
---@field created_at number
---@field slice resty.etcd.base.time_slice.TimeSlice Restarted by each wait.
---@field is_closed boolean

--- A feed from the log.
---@class resty.etcd.shared_log.log_feed.LogFeed: resty.etcd.shared_log.log_feed.Fields
---@field age fun(self: resty.etcd.shared_log.log_feed.LogFeed): number
---@field close fun(self: resty.etcd.shared_log.log_feed.LogFeed)
---@field cluster_id fun(self: resty.etcd.shared_log.log_feed.LogFeed): string?
---@field current_error fun(self: resty.etcd.shared_log.log_feed.LogFeed): resty.etcd.protocol.errors.EtcdError?
---@field next fun(self: resty.etcd.shared_log.log_feed.LogFeed, timeout: number?): resty.etcd.watch.feed.Batch?, resty.etcd.protocol.errors.EtcdError?

--- Tracks for how long something has been missing. A reader joins again first; if that does not help, it abandons the log.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@param log resty.etcd.shared_log.log.Log
---@param outcome ("reset"|"end"|"record"|"unlinked"|"missing")?
local function track_missing(feed, log, outcome)
    if outcome ~= "missing" and outcome ~= "unlinked" then
        feed.missing_since = nil
        return
    end
    local time = now()
    if feed.missing_since == nil or time - feed.missing_noticed_at > MAX_READ_GAP then
        feed.missing_since = time
    end
    feed.missing_noticed_at = time
    if outcome == "missing" then
        feed.is_following = false
    end
    if time - feed.missing_since > (outcome == "missing" and MISSING_TIMEOUT or UNLINKED_TIMEOUT) then
        feed.missing_since = nil
        coordinators.abandon_log(feed.coordinator, log, nil)
    end
end

--- Reports whether etcd's history has diverged since the last batch that the reader returned, as far as can be known.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@param log_cluster_id string?
---@return boolean
local function has_diverged(feed, cursor, log_cluster_id)
    if feed.direct ~= nil then
        return log_cluster_id ~= (feed.direct:cluster_id() or feed.cluster_id_of_log)
    end
    local last = feed.cursor
    return last == nil or last.log.name ~= cursor.log.name or cursor.history > last.epoch
end

--- Returns the ID of the cluster that the state behind a cursor is from.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@return string?
local function cluster_of(feed, cursor)
    local header = epoch_header.read(cursor.log, cursor.epoch)
    local ____temp_0
    if header ~= nil then
        ____temp_0 = header.cluster_id
    else
        ____temp_0 = feed.cluster_id_of_log
    end
    return ____temp_0
end

--- Reads the full state from the log and continues from there; nil if it cannot be read yet.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@param log resty.etcd.shared_log.log.Log
---@return resty.etcd.watch.feed.Batch?
local function join(feed, log)
    local cursor = cursors.new(log)
    local batch, outcome = cursors.join_root(cursor)
    track_missing(feed, log, outcome)
    if batch == nil then
        return nil
    end
    local log_cluster_id = cluster_of(feed, cursor)
    if feed.revision > 0 and has_diverged(feed, cursor, log_cluster_id) then
        batch.reason = "restored"
    end
    feed.behind_reads = 0
    feed.cursor = cursor
    feed.is_following = true
    feed.cluster_id_of_log = log_cluster_id
    if feed.direct ~= nil then
        feed.direct:close()
        feed.direct = nil
    end
    return batch
end

--- Reports whether the reader can join the log. If its last batch came from another log, or from etcd, this log can be
--- behind it, usually for a moment only. A reader with a feed straight from etcd then waits for as long as it takes.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@param log resty.etcd.shared_log.log.Log
---@return boolean
local function can_join(feed, log)
    local time = now()
    if feed.revision == 0 then
        return true
    end
    if time < feed.next_join_at then
        return false
    end
    local tail = feed.coordinator.tail
    local at = logs.head(log, tail)
    local ____temp_1
    if at ~= nil then
        ____temp_1 = epoch_header.of_successor(log, tail, at)
    else
        ____temp_1 = nil
    end
    local ____end = ____temp_1
    if ____end == nil or ____end.revision >= feed.revision then
        return true
    end
    feed.behind_reads = feed.behind_reads + 1
    if feed.behind_reads > MAX_BEHIND_READS then
        feed.behind_reads = 0
        feed.next_join_at = time + MAX_WAIT
        return feed.direct == nil
    end
    return false
end

--- Returns the log's next batch, or nil if there is none for the reader now.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@param log resty.etcd.shared_log.log.Log
---@return resty.etcd.watch.feed.Batch?
local function read(feed, log)
    local cursor = feed.cursor
    if cursor == nil or not feed.is_following or cursor.log.name ~= log.name then
        if not can_join(feed, log) then
            return nil
        end
        return join(feed, log)
    end
    local batch, outcome = cursors.next(cursor)
    track_missing(feed, log, outcome)
    if (batch and batch.full) ~= nil then
        feed.cluster_id_of_log = cluster_of(feed, cursor)
    end
    return batch
end

--- Waits for a batch straight from etcd, or until there can be something new in the log.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@param seconds number
---@return resty.etcd.watch.feed.Batch? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function wait(feed, seconds)
    local since = now()
    local batch
    local err
    if feed.direct ~= nil and feed.behind_reads == 0 then
        batch, err = feed.direct:next(seconds)
    else
        waits.wait(feed.signal, seconds)
        err = errors.local_error("timeout", "timeout")
    end
    time_slice.restart_after_wait(feed.slice, since)
    if batch == nil then
        return nil, err
    end
    return batch
end

--- Opens a feed straight from etcd that continues after the last batch.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@return resty.etcd.protocol.errors.EtcdError?
local function open_direct(feed)
    feed.is_following = false
    local from = feed.revision > 0 and feed.revision + 1 or nil
    local direct, err = feed.coordinator.open_source(from, feed.cluster_id_of_log)
    feed.direct = direct
    feed.direct_opened_at = now()
    return err
end

local function next(self, timeout)
    local coordinator = self.coordinator
    local deadline = timeout ~= nil and now() + timeout or nil
    while not self.is_closed and not ngx.worker.exiting() do
        poll_timers.ensure(self.poll_timer, coordinator)
        local log = coordinator.log
        local batch
        if log ~= nil then
            time_slice.yield_if_due(self.slice)
            batch = read(self, log)
        else
            self.behind_reads = 0
            if coordinator.is_unavailable and self.direct == nil then
                local err = open_direct(self)
                if err ~= nil then
                    return nil, err
                end
            end
        end
        if batch == nil then
            local left = deadline ~= nil and deadline - now() or MAX_WAIT
            local longest = (self.missing_since ~= nil or self.behind_reads > 0) and RETRY_INTERVAL or MAX_WAIT
            local direct_batch, err = wait(
                self,
                max(
                    0,
                    min(left, longest)
                )
            )
            local is_late = deadline ~= nil and now() >= deadline
            if direct_batch == nil and (is_late or err.name ~= "timeout") then
                return nil, err
            end
            batch = direct_batch
        end
        if batch ~= nil then
            self.revision = batch.revision
            return batch
        end
    end
    return nil, errors.local_error("closed", "closed")
end

--- Returns when the feed straight from etcd last received a response; nil if it has none, or has received none yet.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@return number?
local function direct_received_at(feed)
    if feed.direct == nil then
        return nil
    end
    local received_at = now() - feed.direct:age()
    return received_at > feed.direct_opened_at and received_at or nil
end

--- Implements `Feed.age`. A feed that was just opened has received nothing: the last response to the log counts then.
---@param self resty.etcd.shared_log.log_feed.LogFeed
---@return number
local function age(self)
    local received_at = direct_received_at(self) or coordinators.last_received_at(self.coordinator)
    return now() - (received_at > 0 and received_at or self.created_at)
end

--- Implements `Feed.current_error`: that of the feed straight from etcd, or of the worker that writes the log.
---@param self resty.etcd.shared_log.log_feed.LogFeed
---@return resty.etcd.protocol.errors.EtcdError?
local function current_error(self)
    local direct = self.direct
    if direct ~= nil then
        local ____temp_4
        if direct.current_error ~= nil then
            ____temp_4 = direct:current_error()
        else
            ____temp_4 = nil
        end
        local err = ____temp_4
        if err ~= nil or direct_received_at(self) ~= nil then
            return err
        end
    end
    return coordinators.current_error(self.coordinator)
end

local function cluster_id(self)
    local ____temp_5
    if self.direct ~= nil then
        ____temp_5 = self.direct:cluster_id()
    else
        ____temp_5 = self.cluster_id_of_log
    end
    return ____temp_5
end

local function close(self)
    if self.is_closed then
        return
    end
    self.is_closed = true
    coordinators.remove_reader(self.coordinator, self.signal)
    self.signal:post(1)
    if self.direct ~= nil then
        self.direct:close()
    end
end
local methods = {
    age = age,
    close = close,
    cluster_id = cluster_id,
    current_error = current_error,
    next = next
}
local mt = {__index = methods}

--- Creates a worker's view of a log.
---@param dict table
---@param namespace string
---@param range_key string
---@param open_source fun(from: number?, cluster_id: string?): resty.etcd.shared_log.writer.Source?, resty.etcd.protocol.errors.EtcdError?
---@param retry_after number
---@return resty.etcd.shared_log.coordinator.Coordinator
local function new_coordinator(dict, namespace, range_key, open_source, retry_after)
    return coordinators.new(
        dict,
        namespace,
        range_key,
        open_source,
        retry_after,
        writer_loop.start
    )
end

--- Adds a reader to a worker's view of a log.
---@param poll_timer resty.etcd.shared_log.poll_timer.PollTimer
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
---@return resty.etcd.watch.feed.Feed? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function attach(poll_timer, coordinator)
    local signal, err = semaphore.new(0)
    if signal == nil then
        return nil, errors.local_error("bad_request", err)
    end
    local fields = {
        coordinator = coordinator,
        poll_timer = poll_timer,
        signal = signal,
        cursor = nil,
        is_following = false,
        direct = nil,
        direct_opened_at = 0,
        revision = 0,
        cluster_id_of_log = nil,
        missing_since = nil,
        missing_noticed_at = 0,
        next_join_at = 0,
        behind_reads = 0,
        created_at = now(),
        slice = time_slice.start(),
        is_closed = false
    }
    coordinators.add_reader(coordinator, signal)
    poll_timers.ensure(poll_timer, coordinator)
    return setmetatable(fields, mt)
end
_M.attach = attach
_M.new_coordinator = new_coordinator

return _M
