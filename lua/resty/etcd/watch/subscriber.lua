-- Generated from src/resty/etcd/watch/subscriber.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local backoffs = require("resty.etcd.base.backoff")
local batch_queue = require("resty.etcd.watch.batch_queue")
local clock = require("resty.etcd.base.clock")
local waits = require("resty.etcd.base.wait")
local errors = require("resty.etcd.protocol.errors")
local now = clock.now
local max = math.max

--- Seconds. A subscriber that is too slow twice within this time does not share a watch for the same time.
local ISOLATION_TIME = 5

--- Where a subscriber starts. See `Subscriber` for the fields.
---@class resty.etcd.watch.subscriber.StartPosition
---@field next_revision number
---@field unknown_before number?
---@field pending_state ("compacted"|"restored"|"list"|"snapshot")?
---@field list_revision number?
---@field history resty.etcd.watch.types.HistoryPoint?

local function create(options, start)
    local ready, err = semaphore.new(0)
    if ready == nil then
        return nil, err
    end
    return {
        options = options,
        queue = batch_queue.new(options.max_events, options.max_bytes),
        ready = ready,
        is_waiting = false,
        shared_watch = nil,
        history = start.history,
        history_token = nil,
        next_revision = start.next_revision,
        unknown_before = start.unknown_before,
        pending_state = start.pending_state,
        list_revision = start.list_revision,
        epoch = 0,
        is_listing = false,
        list_backoff = backoffs.new(),
        delivered_revision = 0,
        err = nil,
        is_closed = false,
        last_received_at = now(),
        batches = 0,
        lists = 0,
        overflows = 0,
        last_overflow_at = 0,
        isolated_until = 0
    }
end

--- Wakes the light thread that waits in `wait`.
---@param subscriber resty.etcd.watch.types.Subscriber
local function wake(subscriber)
    if subscriber.is_waiting then
        subscriber.is_waiting = false
        subscriber.ready:post(1)
    end
end

--- Waits until there can be a batch.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param seconds number
---@return resty.etcd.protocol.errors.EtcdError? # nil; or an error if the phase cannot wait
local function wait(subscriber, seconds)
    subscriber.is_waiting = true
    local outcome, reason = waits.wait(subscriber.ready, seconds)
    subscriber.is_waiting = false
    if outcome == "cannot_wait" then
        return errors.local_error(
            "not_in_phase",
            "waiting for events: " .. tostring(reason)
        )
    end
    return nil
end

--- Sets the watch that serves the subscriber from now on.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function attach(subscriber, shared_watch)
    subscriber.shared_watch = shared_watch
end

--- The watch does not serve the subscriber any more.
---@param subscriber resty.etcd.watch.types.Subscriber
local function detach(subscriber)
    subscriber.shared_watch = nil
end

--- Reports whether the full state that it waits for will be read later: nothing that arrives before that is needed.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return boolean
local function ignores_events(subscriber)
    return subscriber.pending_state ~= nil and not subscriber.is_listing and subscriber.list_revision == nil
end

--- Reports whether it waits for its first full state, of any revision: no revision before that can be lost.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return boolean
local function is_new(subscriber)
    return subscriber.pending_state == "list" and subscriber.list_revision == nil
end

--- Reports whether it does not share a watch for the time being.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return boolean
local function is_isolated(subscriber)
    return now() < subscriber.isolated_until
end

--- Returns the revision at which a watch must start to serve the subscriber; nil for any, because it waits for a full
--- state that will be read.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return number?
local function start_revision(subscriber)
    if subscriber.pending_state ~= nil and subscriber.list_revision == nil then
        return nil
    end
    return subscriber.next_revision
end

--- Accepts a batch of events: queued, or buffered until the full state before it has been read.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param batch resty.etcd.watch.feed.Batch
local function offer(subscriber, batch)
    if batch.revision < subscriber.next_revision then
        return
    end
    if subscriber.pending_state == nil then
        subscriber.next_revision = batch.revision + 1
        batch_queue.push(subscriber.queue, batch)
        wake(subscriber)
    elseif not ignores_events(subscriber) then
        batch_queue.buffer(subscriber.queue, batch)
    end
end

--- Notes that there are no events for the subscriber up to a revision.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param next_revision number
local function skip_to(subscriber, next_revision)
    if subscriber.pending_state == nil then
        subscriber.next_revision = max(subscriber.next_revision, next_revision)
    end
end

--- Notes etcd's current revision, and reports it if the subscriber has asked for that.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param revision number
local function advance(subscriber, revision)
    if subscriber.pending_state == nil and revision >= subscriber.next_revision then
        subscriber.next_revision = revision + 1
        if subscriber.options.progress then
            batch_queue.push_progress(subscriber.queue, revision)
            wake(subscriber)
        end
    end
end

--- A light thread has begun to read the full state.
---@param subscriber resty.etcd.watch.types.Subscriber
local function start_list(subscriber)
    subscriber.is_listing = true
end

--- The light thread that read the full state has ended.
---@param subscriber resty.etcd.watch.types.Subscriber
local function end_list(subscriber)
    subscriber.is_listing = false
end

--- Discards the batches that wait for the full state.
---@param subscriber resty.etcd.watch.types.Subscriber
local function drop_buffered(subscriber)
    batch_queue.take_buffered(subscriber.queue)
end

--- The state at `list_revision` was compacted away: the current one is read instead.
---@param subscriber resty.etcd.watch.types.Subscriber
local function drop_list_revision(subscriber)
    subscriber.pending_state = "compacted"
    subscriber.list_revision = nil
end

--- Queues the full state that the subscriber has waited for, and the batches that were buffered meanwhile.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param full resty.etcd.protocol.message.RawKv[]
---@param revision number
local function accept_full_state(subscriber, full, revision)
    local reason = subscriber.pending_state or "list"
    local buffered = batch_queue.take_buffered(subscriber.queue)
    subscriber.pending_state = nil
    subscriber.list_revision = nil
    backoffs.reset(subscriber.list_backoff)
    subscriber.last_received_at = now()
    subscriber.lists = subscriber.lists + 1
    subscriber.next_revision = max(subscriber.next_revision, revision + 1)
    batch_queue.push_full(subscriber.queue, {revision = revision, events = {}, full = full, reason = reason})
    wake(subscriber)
    for ____, item in ipairs(buffered) do
        local batch = item.batch
        if batch.revision >= subscriber.next_revision then
            subscriber.next_revision = batch.revision + 1
            batch_queue.append(subscriber.queue, item)
        end
    end
end

--- The revisions that the subscriber needs are lost: it waits for a full state now.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param reason "compacted"|"restored"|"list"|"snapshot"
local function require_full_state(subscriber, reason)
    drop_buffered(subscriber)
    subscriber.epoch = subscriber.epoch + 1
    local ____subscriber_0 = subscriber
    local pending_state = ____subscriber_0.pending_state
    local list_revision = ____subscriber_0.list_revision
    if pending_state == nil or list_revision ~= nil or pending_state == "compacted" and reason == "restored" then
        subscriber.pending_state = reason
    end
    subscriber.list_revision = nil
    subscriber.next_revision = 0
end

--- The queue was too full for a shared watch.
---@param subscriber resty.etcd.watch.types.Subscriber
local function note_overflow(subscriber)
    local time = now()
    if subscriber.overflows > 0 and time - subscriber.last_overflow_at < ISOLATION_TIME then
        subscriber.isolated_until = time + ISOLATION_TIME
    end
    subscriber.last_overflow_at = time
    subscriber.overflows = subscriber.overflows + 1
end

--- Sets what the subscriber knows of etcd when it joins its next watch.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param history resty.etcd.watch.types.HistoryPoint
---@param token resty.etcd.watch.types.HistoryToken
local function set_history(subscriber, history, token)
    subscriber.history = history
    subscriber.history_token = token
end

--- Removes the oldest batch from the queue and returns it; nil if there is none.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return resty.etcd.watch.feed.Batch?
local function take(subscriber)
    local batch = batch_queue.pop(subscriber.queue)
    if batch ~= nil then
        subscriber.delivered_revision = batch.full ~= nil and batch.revision or max(subscriber.delivered_revision, batch.revision)
        subscriber.batches = subscriber.batches + 1
    end
    return batch
end

--- Ends the subscriber: after the batches in its queue comes the error.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param err resty.etcd.protocol.errors.EtcdError
local function fail(subscriber, err)
    drop_buffered(subscriber)
    if subscriber.err == nil then
        subscriber.err = err
    end
    wake(subscriber)
end

--- Marks the subscriber as closed; its watch removes it at its next check. Safe in a finalizer.
---@param subscriber resty.etcd.watch.types.Subscriber
local function mark_closed(subscriber)
    subscriber.is_closed = true
end

--- Ends the subscriber and discards its queue.
---@param subscriber resty.etcd.watch.types.Subscriber
local function close(subscriber)
    subscriber.is_closed = true
    batch_queue.clear(subscriber.queue)
    wake(subscriber)
end
_M.accept_full_state = accept_full_state
_M.advance = advance
_M.attach = attach
_M.close = close
_M.new = create
_M.detach = detach
_M.drop_buffered = drop_buffered
_M.drop_list_revision = drop_list_revision
_M.end_list = end_list
_M.fail = fail
_M.ignores_events = ignores_events
_M.is_isolated = is_isolated
_M.is_new = is_new
_M.mark_closed = mark_closed
_M.note_overflow = note_overflow
_M.offer = offer
_M.require_full_state = require_full_state
_M.set_history = set_history
_M.skip_to = skip_to
_M.start_list = start_list
_M.start_revision = start_revision
_M.take = take
_M.wait = wait

return _M
