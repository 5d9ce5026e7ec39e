-- Generated from src/resty/etcd/shared_log/log_feed.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local time_slice = require("resty.etcd.base.time_slice")
local logs = require("resty.etcd.shared_log.log")
local cursors = require("resty.etcd.shared_log.cursor")
local coordinators = require("resty.etcd.shared_log.coordinator")
local writer_loop = require("resty.etcd.shared_log.writer_loop")
local poll_timers = require("resty.etcd.shared_log.poll_timer")
local epoch_header = require("resty.etcd.shared_log.epoch_header")
local writers = require("resty.etcd.shared_log.writer")
local now = clock.now
local max = math.max
local min = math.min

--- Seconds after which something that is missing will not come any more.
local LOST = 1

--- Seconds between two looks after which they say nothing about each other.
local STALL = 0.5

--- Seconds within which a worker that died is followed by another one, surely.
local UNDECIDED = 10

--- Seconds after which it looks again for what is missing.
local REJOIN_INTERVAL = 0.02

--- Seconds for which it waits at most, before it looks around.
local PATIENCE = 1

--- How often a log that is behind is looked at again, before it is believed.
local TRIES = 10

---@class resty.etcd.shared_log.log_feed.Fields
---@field coordinator resty.etcd.shared_log.coordinator.Coordinator
---@field poll_timer resty.etcd.shared_log.poll_timer.PollTimer
---@field signal table
---@field cursor resty.etcd.shared_log.cursor.Cursor? Where it stands in the log, or stood at last.
---@field is_following boolean It goes on from there; else it has to join.
---@field own resty.etcd.shared_log.writer.Source? A feed of its own, while there is no log.
---@field revision number Everything up to it was delivered.
---@field cluster_id string?
---@field lost_since number? Since when something has been missing in the log.
---@field missed_at number When that was seen last.
---@field next_join number
---@field tries number
---@field since number
---@field slice resty.etcd.base.time_slice.TimeSlice Since it has waited last.
---@field is_closed boolean

--- A feed out of the log that one worker writes for all.
---@class resty.etcd.shared_log.log_feed.LogFeed: resty.etcd.shared_log.log_feed.Fields
---@field age fun(self: resty.etcd.shared_log.log_feed.LogFeed): number
---@field close fun(self: resty.etcd.shared_log.log_feed.LogFeed)
---@field next fun(self: resty.etcd.shared_log.log_feed.LogFeed, timeout: number?): resty.etcd.watch.feed.Batch?, resty.etcd.protocol.errors.EtcdError?

--- Something is missing in the log. A reader that was slow starts again; if it stays away the log is given up.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@param log resty.etcd.shared_log.log.Log
---@param finding ("lost"|"end"|"reset"|"record"|"between")?
local function note_loss(feed, log, finding)
    if finding ~= "lost" and finding ~= "between" then
        feed.lost_since = nil
        return
    end
    local time = now()
    if feed.lost_since == nil or time - feed.missed_at > STALL then
        feed.lost_since = time
    end
    feed.missed_at = time
    if finding == "lost" then
        feed.is_following = false
    end
    if time - feed.lost_since > (finding == "lost" and LOST or UNDECIDED) then
        feed.lost_since = nil
        coordinators.give_up(feed.coordinator, log, nil)
    end
end

--- True if etcd was restored from a backup since the reader was told anything, or if that cannot be known.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@param cursor resty.etcd.shared_log.cursor.Cursor
---@param cluster_id string?
---@return boolean
local function is_other_history(feed, cursor, cluster_id)
    if feed.own ~= nil then
        return cluster_id ~= (feed.own:cluster_id() or feed.cluster_id)
    end
    local stood = feed.cursor
    return stood == nil or stood.log.name ~= cursor.log.name or cursor.history > stood.epoch
end

--- Reads the state of the log from its base on; nil if it is of no use yet.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@param log resty.etcd.shared_log.log.Log
---@return resty.etcd.watch.feed.Batch?
local function join(feed, log)
    local cursor = cursors.new(log)
    local batch, finding = cursors.join_root(cursor)
    note_loss(feed, log, finding)
    if batch == nil then
        return nil
    end
    local start = epoch_header.read(log, cursor.epoch)
    local cluster_id = feed.cluster_id
    if start ~= nil then
        cluster_id = start.cluster_id
    end
    if feed.revision > 0 and is_other_history(feed, cursor, cluster_id) then
        batch.reason = "restored"
    end
    feed.tries = 0
    feed.cursor = cursor
    feed.is_following = true
    feed.cluster_id = cluster_id
    if feed.own ~= nil then
        feed.own:close()
        feed.own = nil
    end
    return batch
end

--- What was delivered so far was another log's, or etcd's own: this log may be behind, often only by a moment. Then
--- the reader stays where it is; one that has etcd itself for as long as it takes.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@param log resty.etcd.shared_log.log.Log
---@return boolean
local function may_join(feed, log)
    local time = now()
    if feed.revision == 0 then
        return true
    end
    if time < feed.next_join then
        return false
    end
    local tail = feed.coordinator.tail
    local at = logs.head(log, tail)
    local start = at ~= nil and writers.start_after(log, tail, at)
    if start == false or start == nil or start.revision >= feed.revision then
        return true
    end
    feed.tries = feed.tries + 1
    if feed.tries > TRIES then
        feed.tries = 0
        feed.next_join = time + PATIENCE
        return feed.own == nil
    end
    return false
end

--- What the log has for the reader now; nil for nothing.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@param log resty.etcd.shared_log.log.Log
---@return resty.etcd.watch.feed.Batch?
local function read(feed, log)
    local cursor = feed.cursor
    if cursor == nil or not feed.is_following or cursor.log.name ~= log.name then
        if not may_join(feed, log) then
            return nil
        end
        return join(feed, log)
    end
    local batch, finding = cursors.next(cursor)
    note_loss(feed, log, finding)
    return batch
end

--- Waits for etcd itself, or for something new in the log.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@param seconds number
---@return resty.etcd.watch.feed.Batch? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function wait(feed, seconds)
    if feed.own ~= nil and feed.tries == 0 then
        return feed.own:next(seconds)
    end
    feed.signal:wait(seconds)
    return nil, errors.local_error("timeout", "timeout")
end

--- Goes on without a log.
---@param feed resty.etcd.shared_log.log_feed.Fields
---@return resty.etcd.protocol.errors.EtcdError?
local function go_alone(feed)
    feed.is_following = false
    local from = feed.revision > 0 and feed.revision + 1 or nil
    local own, err = feed.coordinator.open_source(from, feed.cluster_id)
    feed.own = own
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
            self.tries = 0
            if coordinator.is_alone and self.own == nil then
                local err = go_alone(self)
                if err ~= nil then
                    return nil, err
                end
            end
        end
        if batch == nil then
            local left = deadline ~= nil and deadline - now() or PATIENCE
            local longest = (self.lost_since ~= nil or self.tries > 0) and REJOIN_INTERVAL or PATIENCE
            local own_batch, err = wait(
                self,
                max(
                    0,
                    min(left, longest)
                )
            )
            self.slice.since = now()
            local is_late = deadline ~= nil and now() >= deadline
            if own_batch == nil and (is_late or err.name ~= "timeout") then
                return nil, err
            end
            batch = own_batch
        end
        if batch ~= nil then
            self.revision = batch.revision
            return batch
        end
    end
    return nil, errors.local_error("closed", "closed")
end

local function age(self)
    if self.own ~= nil then
        return self.own:age()
    end
    local coordinator = self.coordinator
    local contact = 0
    if coordinator.log ~= nil then
        contact = logs.number_at(
            coordinator.log,
            tostring(coordinator.tail) .. "c"
        ) or 0
    end
    return now() - (contact > 0 and contact or self.since)
end

local function close(self)
    if self.is_closed then
        return
    end
    self.is_closed = true
    local coordinator = self.coordinator
    coordinator.readers[self.signal] = nil
    coordinator.reader_count = coordinator.reader_count - 1
    self.signal:post(1)
    if self.own ~= nil then
        self.own:close()
    end
end
local methods = {age = age, close = close, next = next}
local mt = {__index = methods}

--- Makes what one worker has of a log.
---@param dict table
---@param base string
---@param open_source fun(from: number?, cluster_id: string?): resty.etcd.shared_log.writer.Source?, resty.etcd.protocol.errors.EtcdError?
---@param retry number
---@return resty.etcd.shared_log.coordinator.Coordinator
local function new_coordinator(dict, base, open_source, retry)
    return coordinators.new(
        dict,
        base,
        open_source,
        retry,
        writer_loop.lead
    )
end

--- One more reader of a worker.
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
        own = nil,
        revision = 0,
        cluster_id = nil,
        lost_since = nil,
        missed_at = 0,
        next_join = 0,
        tries = 0,
        since = now(),
        slice = time_slice.start(),
        is_closed = false
    }
    coordinator.readers[signal] = true
    coordinator.reader_count = coordinator.reader_count + 1
    poll_timers.ensure(poll_timer, coordinator)
    return setmetatable(fields, mt)
end
_M.attach = attach
_M.new_coordinator = new_coordinator

return _M
