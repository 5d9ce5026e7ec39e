-- Generated from src/resty/etcd/watch/shared_watch.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local backoffs = require("resty.etcd.base.backoff")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local key_range = require("resty.etcd.protocol.key_range")
local timers = require("resty.etcd.base.timers")
local subscriber = require("resty.etcd.watch.subscriber")
local now = clock.now
local max = math.max
local min = math.min

--- How long a timer may take to start: nginx drops timers when too many of them run.
local START_TIME = 1

--- The streams of a client.
---@param core resty.etcd.call.client_state.Core
---@return resty.etcd.watch.types.SharedWatch[]
local function watches_of(core)
    if core.hubs == nil then
        core.hubs = {}
    end
    return core.hubs
end

--- Wakes the hub's timer.
---@param hub resty.etcd.watch.types.SharedWatch
local function wake_timer(hub)
    if not hub.poked then
        hub.poked = true
        hub.wake:post(1)
    end
end

--- Starts the hub's timer.
---@param hub resty.etcd.watch.types.SharedWatch
---@param delay number
---@return true? res
---@return string? err
local function start(hub, delay)
    local ok, err = timers.at(delay, hub.run, hub)
    if ok == nil then
        return nil, err
    end
    hub.running = false
    hub.due = now() + delay + START_TIME
    return true
end

--- Starts its timer once more if nginx has dropped it.
---@param hub resty.etcd.watch.types.SharedWatch
local function restart_if_lost(hub)
    if not hub.running and now() > hub.due then
        start(hub, 0)
    end
end

local function copy(known)
    if known == nil then
        return {cluster_id = nil, raft_term = 0, revision = 0}
    end
    return {cluster_id = known.cluster_id, raft_term = known.raft_term, revision = known.revision}
end

--- A stream of the consumer's kind that begins at `next`.
---@param core resty.etcd.call.client_state.Core
---@param consumer resty.etcd.watch.types.Subscriber
---@param next number?
---@param apart boolean
---@param run fun(premature: boolean, hub: resty.etcd.watch.types.SharedWatch)
---@return resty.etcd.watch.types.SharedWatch? res
---@return string? err
local function create(core, consumer, next, apart, run)
    local wake, err = semaphore.new(0)
    local room, room_err = semaphore.new(0)
    if wake == nil or room == nil then
        return nil, err or room_err or "no semaphore"
    end
    return {
        core = core,
        range = consumer.hub_range,
        prev_kv = consumer.prev_kv,
        filters = consumer.filters,
        silence = consumer.silence,
        run = run,
        wake = wake,
        poked = false,
        running = false,
        due = 0,
        consumers = {},
        next = next,
        unknown_before = consumer.unknown_before,
        known = copy(consumer.known),
        past = consumer.past or ({lost = false}),
        apart = apart,
        stream = nil,
        connected = false,
        heard_at = now(),
        blocked = false,
        room = room,
        opened = 0,
        ends = {},
        events = 0,
        dropped = 0,
        last_error = nil,
        backoff = backoffs.new(),
        hurried_at = 0,
        said_at = {}
    }
end

local function without(list, item)
    local rest = {}
    for ____, other in ipairs(list) do
        if other ~= item then
            rest[#rest + 1] = other
        end
    end
    return rest
end

--- The stream does not serve the consumer any more. The last one to leave ends it.
---@param consumer resty.etcd.watch.types.Subscriber
local function unsubscribe(consumer)
    local hub = consumer.hub
    if hub ~= nil then
        consumer.hub = nil
        hub.consumers = without(hub.consumers, consumer)
        if #hub.consumers == 0 then
            hub.core.hubs = without(
                watches_of(hub.core),
                hub
            )
        end
        wake_timer(hub)
    end
end

--- From which revision etcd is asked for events: once more for the last one that is known. Before 3.4.36 and 3.5.18 a
--- deletion in the very revision of a compaction is gone, and etcd does not say so to whoever begins there.
---@param hub resty.etcd.watch.types.SharedWatch
---@return number
local function request_revision(hub)
    local next = hub.next
    return next == hub.unknown_before and next or max(next - 1, 1)
end

--- Gives each consumer its part of a batch. All of them have room.
---@param hub resty.etcd.watch.types.SharedWatch
---@param batch resty.etcd.watch.feed.Batch
local function deliver(hub, batch)
    local ____batch_0 = batch
    local revision = ____batch_0.revision
    hub.next = revision + 1
    hub.known.revision = max(hub.known.revision, revision)
    hub.events = hub.events + #batch.events
    for ____, consumer in ipairs(hub.consumers) do
        local events = key_range.filter_events(consumer.range, batch.events)
        if events ~= nil then
            subscriber.offer(consumer, events == batch.events and batch or ({revision = revision, events = events}))
        end
    end
end

--- All events up to `revision` have been delivered.
---@param hub resty.etcd.watch.types.SharedWatch
---@param revision number
local function progress(hub, revision)
    if revision >= hub.next then
        hub.next = revision + 1
        hub.known.revision = max(hub.known.revision, revision)
        for ____, consumer in ipairs(hub.consumers) do
            subscriber.advance(consumer, revision)
        end
    end
end

--- Revisions are gone. Consumers that need them need a full state now, or have come to their end; those that stand
--- behind them go on.
---@param hub resty.etcd.watch.types.SharedWatch
---@param reason "compacted"|"restored"|"list"|"snapshot"
---@param err resty.etcd.protocol.errors.EtcdError
local function on_revisions_lost(hub, reason, err)
    local oldest = err.compact_revision
    local next
    if oldest ~= nil and (hub.next == nil or oldest <= request_revision(hub)) then
        oldest = nil
    end
    if oldest ~= nil then
        hub.known.revision = max(hub.known.revision, oldest)
    end
    if reason == "restored" then
        hub.past.lost = true
        hub.past = {lost = false}
    end
    for ____, consumer in ipairs(hub.consumers) do
        if oldest ~= nil and consumer.next > oldest then
            next = min(next or consumer.next, consumer.next)
        elseif consumer.relist or subscriber.is_new(consumer) then
            subscriber.require_full_state(consumer, reason)
        else
            unsubscribe(consumer)
            subscriber.fail(consumer, err)
        end
    end
    if next ~= nil then
        next = min(next, hub.known.revision + 1)
    end
    hub.next = next
end

--- Ends it, and all of its consumers with it.
---@param hub resty.etcd.watch.types.SharedWatch
---@param err resty.etcd.protocol.errors.EtcdError
local function ____end(hub, err)
    for ____, consumer in ipairs(hub.consumers) do
        unsubscribe(consumer)
        subscriber.fail(consumer, err)
    end
end

--- Seconds since etcd was heard of last.
---@param hub resty.etcd.watch.types.SharedWatch
---@return number
local function age(hub)
    local stream = hub.stream
    local heard_at = stream ~= nil and max(
        hub.heard_at,
        stream:heard_at()
    ) or hub.heard_at
    return now() - heard_at
end

--- For consumers whose program ends.
---@return resty.etcd.protocol.errors.EtcdError
local function exiting()
    return errors.local_error("closed", "closed: the worker is exiting")
end
_M.age = age
_M.request_revision = request_revision
_M.copy_known = copy
_M.new = create
_M.deliver = deliver
_M["end"] = ____end
_M.exiting = exiting
_M.watches_of = watches_of
_M.unsubscribe = unsubscribe
_M.on_revisions_lost = on_revisions_lost
_M.wake_timer = wake_timer
_M.progress = progress
_M.restart_if_lost = restart_if_lost
_M.start = start

return _M
