-- Generated from src/resty/etcd/watch/shared_watch.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local backoffs = require("resty.etcd.base.backoff")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local key_range = require("resty.etcd.protocol.key_range")
local timers = require("resty.etcd.base.timers")
local subscribers = require("resty.etcd.watch.subscriber")
local now = clock.now
local max = math.max
local min = math.min

--- How long a timer may take to start: nginx drops timers when too many of them run.
local START_TIME = 1

--- The streams of a client.
---@param core resty.etcd.call.client_state.Core
---@return resty.etcd.watch.types.SharedWatch[]
local function watches_of(core)
    if core.shared_watches == nil then
        core.shared_watches = {}
    end
    return core.shared_watches
end

--- Wakes the hub's timer.
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function wake_timer(shared_watch)
    if not shared_watch.is_woken then
        shared_watch.is_woken = true
        shared_watch.wake:post(1)
    end
end

--- Starts the hub's timer.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param delay number
---@return true? res
---@return string? err
local function start(shared_watch, delay)
    local ok, err = timers.at(delay, shared_watch.run, shared_watch)
    if ok == nil then
        return nil, err
    end
    shared_watch.is_running = false
    shared_watch.start_deadline = now() + delay + START_TIME
    return true
end

--- Starts its timer once more if nginx has dropped it.
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function restart_if_lost(shared_watch)
    if not shared_watch.is_running and now() > shared_watch.start_deadline then
        start(shared_watch, 0)
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
---@param subscriber resty.etcd.watch.types.Subscriber
---@param next number?
---@param apart boolean
---@param run fun(premature: boolean, shared_watch: resty.etcd.watch.types.SharedWatch)
---@return resty.etcd.watch.types.SharedWatch? res
---@return string? err
local function create(core, subscriber, next, apart, run)
    local wake, err = semaphore.new(0)
    local room, room_err = semaphore.new(0)
    if wake == nil or room == nil then
        return nil, err or room_err or "no semaphore"
    end
    return {
        core = core,
        range = subscriber.shared_range,
        prev_kv = subscriber.prev_kv,
        filters = subscriber.filters,
        idle_timeout = subscriber.idle_timeout,
        run = run,
        wake = wake,
        is_woken = false,
        is_running = false,
        start_deadline = 0,
        subscribers = {},
        next_revision = next,
        unknown_before = subscriber.unknown_before,
        history = copy(subscriber.history),
        history_token = subscriber.history_token or ({lost = false}),
        is_catching_up = apart,
        stream = nil,
        is_connected = false,
        last_received_at = now(),
        is_blocked = false,
        resume_signal = room,
        open_count = 0,
        close_reasons = {},
        events = 0,
        dropped = 0,
        last_error = nil,
        backoff = backoffs.new(),
        last_immediate_reopen = 0,
        last_logged_at = {}
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
---@param subscriber resty.etcd.watch.types.Subscriber
local function unsubscribe(subscriber)
    local shared_watch = subscriber.shared_watch
    if shared_watch ~= nil then
        subscriber.shared_watch = nil
        shared_watch.subscribers = without(shared_watch.subscribers, subscriber)
        if #shared_watch.subscribers == 0 then
            shared_watch.core.shared_watches = without(
                watches_of(shared_watch.core),
                shared_watch
            )
        end
        wake_timer(shared_watch)
    end
end

--- From which revision etcd is asked for events: once more for the last one that is known. Before 3.4.36 and 3.5.18 a
--- deletion in the very revision of a compaction is gone, and etcd does not say so to whoever begins there.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@return number
local function request_revision(shared_watch)
    local next = shared_watch.next_revision
    return next == shared_watch.unknown_before and next or max(next - 1, 1)
end

--- Gives each consumer its part of a batch. All of them have room.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param batch resty.etcd.watch.feed.Batch
local function deliver(shared_watch, batch)
    local ____batch_0 = batch
    local revision = ____batch_0.revision
    shared_watch.next_revision = revision + 1
    shared_watch.history.revision = max(shared_watch.history.revision, revision)
    shared_watch.events = shared_watch.events + #batch.events
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        local events = key_range.filter_events(subscriber.range, batch.events)
        if events ~= nil then
            subscribers.offer(subscriber, events == batch.events and batch or ({revision = revision, events = events}))
        end
    end
end

--- All events up to `revision` have been delivered.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param revision number
local function progress(shared_watch, revision)
    if revision >= shared_watch.next_revision then
        shared_watch.next_revision = revision + 1
        shared_watch.history.revision = max(shared_watch.history.revision, revision)
        for ____, subscriber in ipairs(shared_watch.subscribers) do
            subscribers.advance(subscriber, revision)
        end
    end
end

--- Revisions are gone. Consumers that need them need a full state now, or have come to their end; those that stand
--- behind them go on.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param reason "compacted"|"restored"|"list"|"snapshot"
---@param err resty.etcd.protocol.errors.EtcdError
local function on_revisions_lost(shared_watch, reason, err)
    local oldest = err.compact_revision
    local next
    if oldest ~= nil and (shared_watch.next_revision == nil or oldest <= request_revision(shared_watch)) then
        oldest = nil
    end
    if oldest ~= nil then
        shared_watch.history.revision = max(shared_watch.history.revision, oldest)
    end
    if reason == "restored" then
        shared_watch.history_token.lost = true
        shared_watch.history_token = {lost = false}
    end
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        if oldest ~= nil and subscriber.next_revision > oldest then
            next = min(next or subscriber.next_revision, subscriber.next_revision)
        elseif subscriber.relist or subscribers.is_new(subscriber) then
            subscribers.require_full_state(subscriber, reason)
        else
            unsubscribe(subscriber)
            subscribers.fail(subscriber, err)
        end
    end
    if next ~= nil then
        next = min(next, shared_watch.history.revision + 1)
    end
    shared_watch.next_revision = next
end

--- Ends it, and all of its consumers with it.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param err resty.etcd.protocol.errors.EtcdError
local function ____end(shared_watch, err)
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        unsubscribe(subscriber)
        subscribers.fail(subscriber, err)
    end
end

--- Seconds since etcd was heard of last.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@return number
local function age(shared_watch)
    local stream = shared_watch.stream
    local heard_at = stream ~= nil and max(
        shared_watch.last_received_at,
        stream:last_received_at()
    ) or shared_watch.last_received_at
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
