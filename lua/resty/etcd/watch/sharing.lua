-- Generated from src/resty/etcd/watch/sharing.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local key_range = require("resty.etcd.protocol.key_range")
local subscribers = require("resty.etcd.watch.subscriber")
local shared_watches = require("resty.etcd.watch.shared_watch")
local batch_queue = require("resty.etcd.watch.batch_queue")
local now = clock.now
local max = math.max

--- A consumer that is too slow twice within so many seconds keeps a stream of its own for as long.
local ISOLATION_TIME = 5

--- The consumer takes along what its stream has learnt of etcd.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function carry_history(subscriber, shared_watch)
    subscriber.history = shared_watches.copy_known(shared_watch.history)
    subscriber.history_token = shared_watch.history_token
end

--- The consumer is too slow for the others: it goes on later, on a stream of its own.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param subscriber resty.etcd.watch.types.Subscriber
---@param revision number
local function detach(shared_watch, subscriber, revision)
    local time = now()
    if subscriber.overflows > 0 and time - subscriber.last_overflow_at < ISOLATION_TIME then
        subscriber.isolated_until = time + ISOLATION_TIME
    end
    subscriber.last_overflow_at = time
    subscriber.overflows = subscriber.overflows + 1
    if subscriber.pending_state == nil then
        subscriber.next_revision = max(subscriber.next_revision, revision)
    else
        subscribers.drop_held(subscriber)
    end
    carry_history(subscriber, shared_watch)
    shared_watches.unsubscribe(subscriber)
end

--- Parts with consumers that have no room, unless one is alone.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param revision number
---@return resty.etcd.watch.types.Subscriber? # that one
local function detach_slow(shared_watch, revision)
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        if batch_queue.is_full(subscriber.queue) and not subscribers.ignores_events(subscriber) then
            if #shared_watch.subscribers == 1 and subscriber.pending_state == nil then
                return subscriber
            end
            detach(shared_watch, subscriber, revision)
        end
    end
    return nil
end

--- Streams of the hub's kind can serve the consumer.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param wants resty.etcd.watch.types.SubscriberOptions
---@return boolean
local function is_compatible(shared_watch, wants)
    return key_range.contains(shared_watch.range, wants.shared_range) and shared_watch.filters == wants.filters and (shared_watch.prev_kv or not wants.prev_kv) and shared_watch.idle_timeout <= wants.idle_timeout
end

--- What the consumer takes along from another stream is true of this one too, as far as is known.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param subscriber resty.etcd.watch.types.Subscriber
---@return boolean
local function has_past_of(shared_watch, subscriber)
    if subscriber.history_token ~= nil then
        return subscriber.history_token == shared_watch.history_token
    end
    local ____opt_0 = subscriber.history
    local cluster_id = ____opt_0 and ____opt_0.cluster_id
    local other_id = shared_watch.history.cluster_id
    return cluster_id == nil or other_id == nil or cluster_id == other_id
end

--- The stream is where the consumer can join it.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param subscriber resty.etcd.watch.types.Subscriber
---@param from number?
---@return boolean
local function can_join(shared_watch, subscriber, from)
    local next = shared_watch.next_revision
    if from ~= nil then
        return next ~= nil and next <= from
    end
    if subscriber.pending_state == nil then
        return next == nil and not shared_watch.is_running and shared_watch.history.cluster_id == nil
    end
    return not shared_watch.is_catching_up and (next == nil or next <= shared_watch.history.revision + 1)
end

--- The stream that may serve the consumer and has come furthest.
---@param core resty.etcd.call.client_state.Core
---@param subscriber resty.etcd.watch.types.Subscriber
---@param from number?
---@return resty.etcd.watch.types.SharedWatch?
local function find(core, subscriber, from)
    local best
    if now() < subscriber.isolated_until then
        return nil
    end
    for ____, shared_watch in ipairs(shared_watches.watches_of(core)) do
        local may_serve = is_compatible(shared_watch, subscriber) and has_past_of(shared_watch, subscriber) and can_join(shared_watch, subscriber, from)
        if may_serve and (best == nil or (shared_watch.next_revision or 0) > (best.next_revision or 0)) then
            best = shared_watch
        end
    end
    return best
end

local function add(shared_watch, subscriber)
    subscriber.shared_watch = shared_watch
    local ____shared_watch_subscribers_2 = shared_watch.subscribers
    ____shared_watch_subscribers_2[#____shared_watch_subscribers_2 + 1] = subscriber
    shared_watches.wake_timer(shared_watch)
end

--- Lets a new stream serve the consumer from revision `next` on.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param core resty.etcd.call.client_state.Core
---@param next number?
---@param run fun(premature: boolean, shared_watch: resty.etcd.watch.types.SharedWatch)
---@return resty.etcd.watch.types.SharedWatch? res
---@return string? err
local function open_for(subscriber, core, next, run)
    local apart = false
    for ____, other in ipairs(shared_watches.watches_of(core)) do
        apart = apart or not other.is_catching_up and is_compatible(other, subscriber)
    end
    local shared_watch, err = shared_watches.new(
        core,
        subscriber,
        next,
        apart,
        run
    )
    if shared_watch == nil then
        return nil, err
    end
    local ok, start_err = shared_watches.start(shared_watch, 0)
    if ok == nil then
        return nil, start_err
    end
    local ____shared_watches_watches_of_result_3 = shared_watches.watches_of(core)
    ____shared_watches_watches_of_result_3[#____shared_watches_watches_of_result_3 + 1] = shared_watch
    add(shared_watch, subscriber)
    return shared_watch
end

--- Lets a stream serve the consumer: one that runs, if there is one that has not passed revision `from`.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param core resty.etcd.call.client_state.Core
---@param from number? nil if the consumer begins now, or with the state as it will be read
---@param run fun(premature: boolean, shared_watch: resty.etcd.watch.types.SharedWatch)
---@return resty.etcd.watch.types.SharedWatch? res
---@return string? err
local function join(subscriber, core, from, run)
    local shared_watch = find(core, subscriber, from)
    if shared_watch == nil then
        return open_for(subscriber, core, from, run)
    end
    add(shared_watch, subscriber)
    return shared_watch
end

--- The other stream may take over the consumers of this one, which has begun apart.
---@param other resty.etcd.watch.types.SharedWatch
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@return boolean
local function may_take_over(other, shared_watch)
    return other ~= shared_watch and not other.is_catching_up and other.next_revision ~= nil and other.next_revision <= shared_watch.next_revision and other.history.cluster_id == shared_watch.history.cluster_id and not shared_watch.history_token.lost
end

--- Hands the consumers of a stream that began apart to the one that it has caught up with.
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function merge(shared_watch)
    if not shared_watch.is_catching_up then
        return
    end
    local time = now()
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        for ____, other in ipairs(shared_watches.watches_of(shared_watch.core)) do
            if time >= subscriber.isolated_until and may_take_over(other, shared_watch) and is_compatible(other, subscriber) then
                if subscriber.pending_state == nil then
                    subscriber.next_revision = max(subscriber.next_revision, shared_watch.next_revision)
                end
                shared_watches.unsubscribe(subscriber)
                add(other, subscriber)
                break
            end
        end
    end
end

--- Gives each consumer of a narrower range than the stream's a stream of its own, which goes on where that stands.
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function split(shared_watch)
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        if not key_range.contains(subscriber.shared_range, shared_watch.range) then
            carry_history(subscriber, shared_watch)
            shared_watches.unsubscribe(subscriber)
            local next = max(subscriber.next_revision, shared_watch.next_revision or 0)
            if subscriber.pending_state == nil then
                subscriber.next_revision = next
            end
            local own = open_for(subscriber, shared_watch.core, next > 0 and next or nil, shared_watch.run)
            if own == nil then
                subscribers.drop_held(subscriber)
            end
        end
    end
end
_M.join = join
_M.detach_slow = detach_slow
_M.merge = merge
_M.open_for = open_for
_M.split = split

return _M
