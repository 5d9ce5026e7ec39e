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
    local hub_range = ____wants_0.hub_range
    local relist = ____wants_0.relist
    local progress = ____wants_0.progress
    local prev_kv = ____wants_0.prev_kv
    local filters = ____wants_0.filters
    local silence = ____wants_0.silence
    local max_events = ____wants_0.max_events
    local max_bytes = ____wants_0.max_bytes
    return {
        range = range,
        hub_range = hub_range,
        relist = relist,
        progress = progress,
        prev_kv = prev_kv,
        filters = filters,
        silence = silence,
        max_events = max_events,
        max_bytes = max_bytes,
        queue = batch_queue.new(max_events, max_bytes),
        ready = ready,
        waiting = false,
        hub = nil,
        known = nil,
        past = nil,
        next = next,
        unknown_before = nil,
        needs = needs,
        held = {},
        list_at = nil,
        epoch = 0,
        listing = false,
        delivered = 0,
        err = nil,
        closed = false,
        heard_at = clock.now(),
        batches = 0,
        lists = 0,
        times_behind = 0,
        behind_at = 0,
        apart_until = 0
    }
end

--- Wakes the one who waits for batches.
---@param consumer resty.etcd.watch.types.Subscriber
local function wake(consumer)
    if consumer.waiting then
        consumer.waiting = false
        consumer.ready:post(1)
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
---@param consumer resty.etcd.watch.types.Subscriber
---@param batch resty.etcd.watch.feed.Batch
local function put(consumer, batch)
    if batch.revision >= consumer.next then
        consumer.next = batch.revision + 1
        batch_queue.push(
            consumer.queue,
            batch,
            weigh(batch)
        )
        wake(consumer)
    end
end

--- The state that it waits for will be read later, so it needs nothing of what comes now.
---@param consumer resty.etcd.watch.types.Subscriber
---@return boolean
local function ignores_events(consumer)
    return consumer.needs ~= nil and not consumer.listing and consumer.list_at == nil
end

--- It waits for a first state, of whatever revision that will be: nothing that it has been told can be lost.
---@param consumer resty.etcd.watch.types.Subscriber
---@return boolean
local function is_new(consumer)
    return consumer.needs == "list" and consumer.list_at == nil
end

--- Takes a batch of events, into the queue or aside until the state before it is known.
---@param consumer resty.etcd.watch.types.Subscriber
---@param batch resty.etcd.watch.feed.Batch
local function offer(consumer, batch)
    if consumer.needs == nil then
        put(consumer, batch)
    elseif not ignores_events(consumer) and batch.revision >= consumer.next then
        local ____consumer_held_1 = consumer.held
        ____consumer_held_1[#____consumer_held_1 + 1] = batch
        consumer.queue.events = consumer.queue.events + #batch.events
        consumer.queue.bytes = consumer.queue.bytes + weigh(batch)
    end
end

--- Forgets what was put aside.
---@param consumer resty.etcd.watch.types.Subscriber
local function drop_held(consumer)
    for ____, batch in ipairs(consumer.held) do
        consumer.queue.events = consumer.queue.events - #batch.events
        consumer.queue.bytes = consumer.queue.bytes - weigh(batch)
    end
    consumer.held = {}
end

--- Notes how far etcd has come, where the consumer wants to know.
---@param consumer resty.etcd.watch.types.Subscriber
---@param revision number
local function advance(consumer, revision)
    if consumer.needs == nil and revision >= consumer.next then
        consumer.next = revision + 1
        if consumer.progress then
            batch_queue.push_progress(consumer.queue, revision)
            wake(consumer)
        end
    end
end

--- Takes the full state that it has waited for, and what came in the meantime.
---@param consumer resty.etcd.watch.types.Subscriber
---@param full resty.etcd.protocol.message.RawKv[]
---@param revision number
local function accept_full_state(consumer, full, revision)
    local reason = consumer.needs or "list"
    local held = consumer.held
    drop_held(consumer)
    consumer.needs = nil
    consumer.list_at = nil
    consumer.heard_at = clock.now()
    consumer.lists = consumer.lists + 1
    consumer.next = max(consumer.next, revision + 1)
    batch_queue.push_full(consumer.queue, {revision = revision, events = {}, full = full, reason = reason})
    wake(consumer)
    for ____, batch in ipairs(held) do
        put(consumer, batch)
    end
end

--- Its revisions are gone: only a full state helps.
---@param consumer resty.etcd.watch.types.Subscriber
---@param reason "compacted"|"restored"|"list"|"snapshot"
local function require_full_state(consumer, reason)
    drop_held(consumer)
    consumer.epoch = consumer.epoch + 1
    local ____consumer_2 = consumer
    local needs = ____consumer_2.needs
    local list_at = ____consumer_2.list_at
    if needs == nil or list_at ~= nil or needs == "compacted" and reason == "restored" then
        consumer.needs = reason
    end
    consumer.list_at = nil
    consumer.next = 0
end

--- No more will come.
---@param consumer resty.etcd.watch.types.Subscriber
---@param err resty.etcd.protocol.errors.EtcdError
local function fail(consumer, err)
    drop_held(consumer)
    consumer.hub = nil
    if consumer.err == nil then
        consumer.err = err
    end
    wake(consumer)
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
