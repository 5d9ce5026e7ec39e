-- Generated from src/resty/etcd/watch/subscriber.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local batch_queue = require("resty.etcd.watch.batch_queue")
local clock = require("resty.etcd.base.clock")
local max = math.max

local function create(wants, next, needs)
    local ready, err = semaphore.new(0)
    if ready == nil then
        return nil, err
    end
    local ____wants_0 = wants
    local range = ____wants_0.range
    local hub_range = ____wants_0.shared_range
    local relist = ____wants_0.relist
    local progress = ____wants_0.progress
    local prev_kv = ____wants_0.prev_kv
    local filters = ____wants_0.filters
    local idle_timeout = ____wants_0.idle_timeout
    local max_events = ____wants_0.max_events
    local max_bytes = ____wants_0.max_bytes
    return {
        range = range,
        shared_range = hub_range,
        relist = relist,
        progress = progress,
        prev_kv = prev_kv,
        filters = filters,
        idle_timeout = idle_timeout,
        max_events = max_events,
        max_bytes = max_bytes,
        queue = batch_queue.new(max_events, max_bytes),
        ready = ready,
        is_waiting = false,
        shared_watch = nil,
        history = nil,
        history_token = nil,
        next_revision = next,
        unknown_before = nil,
        pending_state = needs,
        buffered = {},
        list_revision = nil,
        epoch = 0,
        is_listing = false,
        delivered_revision = 0,
        err = nil,
        is_closed = false,
        last_received_at = clock.now(),
        batches = 0,
        lists = 0,
        overflows = 0,
        last_overflow_at = 0,
        isolated_until = 0
    }
end

--- Wakes the one who waits for batches.
---@param subscriber resty.etcd.watch.types.Subscriber
local function wake(subscriber)
    if subscriber.is_waiting then
        subscriber.is_waiting = false
        subscriber.ready:post(1)
    end
end

local function weigh_kv(kv)
    return kv == nil and 0 or #kv.key + #(kv.value or "") + 100
end

--- About how much memory the events take.
---@param batch resty.etcd.watch.feed.Batch
---@return number
local function weigh(batch)
    local bytes = 0
    for ____, event in ipairs(batch.events) do
        bytes = bytes + weigh_kv(event.kv) + weigh_kv(event.prev_kv)
    end
    return bytes
end

--- Puts a batch into the queue, unless it has been there.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param batch resty.etcd.watch.feed.Batch
local function put(subscriber, batch)
    if batch.revision >= subscriber.next_revision then
        subscriber.next_revision = batch.revision + 1
        batch_queue.push(
            subscriber.queue,
            batch,
            weigh(batch)
        )
        wake(subscriber)
    end
end

--- The state that it waits for will be read later, so it needs nothing of what comes now.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return boolean
local function ignores_events(subscriber)
    return subscriber.pending_state ~= nil and not subscriber.is_listing and subscriber.list_revision == nil
end

--- It waits for a first state, of whatever revision that will be: nothing that it has been told can be lost.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return boolean
local function is_new(subscriber)
    return subscriber.pending_state == "list" and subscriber.list_revision == nil
end

--- Takes a batch of events, into the queue or aside until the state before it is known.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param batch resty.etcd.watch.feed.Batch
local function offer(subscriber, batch)
    if subscriber.pending_state == nil then
        put(subscriber, batch)
    elseif not ignores_events(subscriber) and batch.revision >= subscriber.next_revision then
        local ____subscriber_buffered_1 = subscriber.buffered
        ____subscriber_buffered_1[#____subscriber_buffered_1 + 1] = batch
        subscriber.queue.events = subscriber.queue.events + #batch.events
        subscriber.queue.bytes = subscriber.queue.bytes + weigh(batch)
    end
end

--- Forgets what was put aside.
---@param subscriber resty.etcd.watch.types.Subscriber
local function drop_held(subscriber)
    for ____, batch in ipairs(subscriber.buffered) do
        subscriber.queue.events = subscriber.queue.events - #batch.events
        subscriber.queue.bytes = subscriber.queue.bytes - weigh(batch)
    end
    subscriber.buffered = {}
end

--- Notes how far etcd has come, where the consumer wants to know.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param revision number
local function advance(subscriber, revision)
    if subscriber.pending_state == nil and revision >= subscriber.next_revision then
        subscriber.next_revision = revision + 1
        if subscriber.progress then
            batch_queue.push_progress(subscriber.queue, revision)
            wake(subscriber)
        end
    end
end

--- Takes the full state that it has waited for, and what came in the meantime.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param full resty.etcd.protocol.message.RawKv[]
---@param revision number
local function accept_full_state(subscriber, full, revision)
    local reason = subscriber.pending_state or "list"
    local held = subscriber.buffered
    drop_held(subscriber)
    subscriber.pending_state = nil
    subscriber.list_revision = nil
    subscriber.last_received_at = clock.now()
    subscriber.lists = subscriber.lists + 1
    subscriber.next_revision = max(subscriber.next_revision, revision + 1)
    batch_queue.push_full(subscriber.queue, {revision = revision, events = {}, full = full, reason = reason})
    wake(subscriber)
    for ____, batch in ipairs(held) do
        put(subscriber, batch)
    end
end

--- Its revisions are gone: only a full state helps.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param reason "compacted"|"restored"|"list"|"snapshot"
local function require_full_state(subscriber, reason)
    drop_held(subscriber)
    subscriber.epoch = subscriber.epoch + 1
    local ____subscriber_2 = subscriber
    local needs = ____subscriber_2.pending_state
    local list_at = ____subscriber_2.list_revision
    if needs == nil or list_at ~= nil or needs == "compacted" and reason == "restored" then
        subscriber.pending_state = reason
    end
    subscriber.list_revision = nil
    subscriber.next_revision = 0
end

--- No more will come.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param err resty.etcd.protocol.errors.EtcdError
local function fail(subscriber, err)
    drop_held(subscriber)
    subscriber.shared_watch = nil
    if subscriber.err == nil then
        subscriber.err = err
    end
    wake(subscriber)
end
_M.accept_full_state = accept_full_state
_M.new = create
_M.drop_held = drop_held
_M.fail = fail
_M.offer = offer
_M.ignores_events = ignores_events
_M.is_new = is_new
_M.require_full_state = require_full_state
_M.advance = advance
_M.wake = wake

return _M
