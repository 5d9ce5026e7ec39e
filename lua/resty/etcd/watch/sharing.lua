-- Generated from src/resty/etcd/watch/sharing.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local key_range = require("resty.etcd.protocol.key_range")
local subscriber = require("resty.etcd.watch.subscriber")
local shared_watch = require("resty.etcd.watch.shared_watch")
local batch_queue = require("resty.etcd.watch.batch_queue")
local now = clock.now
local max = math.max

--- A consumer that is too slow twice within so many seconds keeps a stream of its own for as long.
local APART = 5

--- The consumer takes along what its stream has learnt of etcd.
---@param consumer resty.etcd.watch.types.Subscriber
---@param hub resty.etcd.watch.types.SharedWatch
local function carry_history(consumer, hub)
    consumer.known = shared_watch.copy_known(hub.known)
    consumer.past = hub.past
end

--- The consumer is too slow for the others: it goes on later, on a stream of its own.
---@param hub resty.etcd.watch.types.SharedWatch
---@param consumer resty.etcd.watch.types.Subscriber
---@param revision number
local function detach(hub, consumer, revision)
    local time = now()
    if consumer.times_behind > 0 and time - consumer.behind_at < APART then
        consumer.apart_until = time + APART
    end
    consumer.behind_at = time
    consumer.times_behind = consumer.times_behind + 1
    if consumer.needs == nil then
        consumer.next = max(consumer.next, revision)
    else
        subscriber.drop_held(consumer)
    end
    carry_history(consumer, hub)
    shared_watch.unsubscribe(consumer)
end

--- Parts with consumers that have no room, unless one is alone.
---@param hub resty.etcd.watch.types.SharedWatch
---@param revision number
---@return resty.etcd.watch.types.Subscriber? # that one
local function detach_slow(hub, revision)
    for ____, consumer in ipairs(hub.consumers) do
        if batch_queue.is_full(consumer.queue) and not subscriber.ignores_events(consumer) then
            if #hub.consumers == 1 and consumer.needs == nil then
                return consumer
            end
            detach(hub, consumer, revision)
        end
    end
    return nil
end

--- Streams of the hub's kind can serve the consumer.
---@param hub resty.etcd.watch.types.SharedWatch
---@param wants resty.etcd.watch.types.SubscriberOptions
---@return boolean
local function is_compatible(hub, wants)
    return key_range.contains(hub.range, wants.hub_range) and hub.filters == wants.filters and (hub.prev_kv or not wants.prev_kv) and hub.silence <= wants.silence
end

--- What the consumer takes along from another stream is true of this one too, as far as is known.
---@param hub resty.etcd.watch.types.SharedWatch
---@param consumer resty.etcd.watch.types.Subscriber
---@return boolean
local function has_past_of(hub, consumer)
    if consumer.past ~= nil then
        return consumer.past == hub.past
    end
    local ____opt_0 = consumer.known
    local cluster_id = ____opt_0 and ____opt_0.cluster_id
    local other_id = hub.known.cluster_id
    return cluster_id == nil or other_id == nil or cluster_id == other_id
end

--- The stream is where the consumer can join it.
---@param hub resty.etcd.watch.types.SharedWatch
---@param consumer resty.etcd.watch.types.Subscriber
---@param from number?
---@return boolean
local function can_join(hub, consumer, from)
    local next = hub.next
    if from ~= nil then
        return next ~= nil and next <= from
    end
    if consumer.needs == nil then
        return next == nil and not hub.running and hub.known.cluster_id == nil
    end
    return not hub.apart and (next == nil or next <= hub.known.revision + 1)
end

--- The stream that may serve the consumer and has come furthest.
---@param core resty.etcd.call.client_state.Core
---@param consumer resty.etcd.watch.types.Subscriber
---@param from number?
---@return resty.etcd.watch.types.SharedWatch?
local function find(core, consumer, from)
    local best
    if now() < consumer.apart_until then
        return nil
    end
    for ____, hub in ipairs(shared_watch.watches_of(core)) do
        local may_serve = is_compatible(hub, consumer) and has_past_of(hub, consumer) and can_join(hub, consumer, from)
        if may_serve and (best == nil or (hub.next or 0) > (best.next or 0)) then
            best = hub
        end
    end
    return best
end

local function add(hub, consumer)
    consumer.hub = hub
    local ____hub_consumers_2 = hub.consumers
    ____hub_consumers_2[#____hub_consumers_2 + 1] = consumer
    shared_watch.wake_timer(hub)
end

--- Lets a new stream serve the consumer from revision `next` on.
---@param consumer resty.etcd.watch.types.Subscriber
---@param core resty.etcd.call.client_state.Core
---@param next number?
---@param run fun(premature: boolean, hub: resty.etcd.watch.types.SharedWatch)
---@return resty.etcd.watch.types.SharedWatch? res
---@return string? err
local function open_for(consumer, core, next, run)
    local apart = false
    for ____, other in ipairs(shared_watch.watches_of(core)) do
        apart = apart or not other.apart and is_compatible(other, consumer)
    end
    local hub, err = shared_watch.new(
        core,
        consumer,
        next,
        apart,
        run
    )
    if hub == nil then
        return nil, err
    end
    local ok, start_err = shared_watch.start(hub, 0)
    if ok == nil then
        return nil, start_err
    end
    local ____shared_watch_watches_of_result_3 = shared_watch.watches_of(core)
    ____shared_watch_watches_of_result_3[#____shared_watch_watches_of_result_3 + 1] = hub
    add(hub, consumer)
    return hub
end

--- Lets a stream serve the consumer: one that runs, if there is one that has not passed revision `from`.
---@param consumer resty.etcd.watch.types.Subscriber
---@param core resty.etcd.call.client_state.Core
---@param from number? nil if the consumer begins now, or with the state as it will be read
---@param run fun(premature: boolean, hub: resty.etcd.watch.types.SharedWatch)
---@return resty.etcd.watch.types.SharedWatch? res
---@return string? err
local function join(consumer, core, from, run)
    local hub = find(core, consumer, from)
    if hub == nil then
        return open_for(consumer, core, from, run)
    end
    add(hub, consumer)
    return hub
end

--- The other stream may take over the consumers of this one, which has begun apart.
---@param other resty.etcd.watch.types.SharedWatch
---@param hub resty.etcd.watch.types.SharedWatch
---@return boolean
local function may_take_over(other, hub)
    return other ~= hub and not other.apart and other.next ~= nil and other.next <= hub.next and other.known.cluster_id == hub.known.cluster_id and not hub.past.lost
end

--- Hands the consumers of a stream that began apart to the one that it has caught up with.
---@param hub resty.etcd.watch.types.SharedWatch
local function merge(hub)
    if not hub.apart then
        return
    end
    local time = now()
    for ____, consumer in ipairs(hub.consumers) do
        for ____, other in ipairs(shared_watch.watches_of(hub.core)) do
            if time >= consumer.apart_until and may_take_over(other, hub) and is_compatible(other, consumer) then
                if consumer.needs == nil then
                    consumer.next = max(consumer.next, hub.next)
                end
                shared_watch.unsubscribe(consumer)
                add(other, consumer)
                break
            end
        end
    end
end

--- Gives each consumer of a narrower range than the stream's a stream of its own, which goes on where that stands.
---@param hub resty.etcd.watch.types.SharedWatch
local function split(hub)
    for ____, consumer in ipairs(hub.consumers) do
        if not key_range.contains(consumer.hub_range, hub.range) then
            carry_history(consumer, hub)
            shared_watch.unsubscribe(consumer)
            local next = max(consumer.next, hub.next or 0)
            if consumer.needs == nil then
                consumer.next = next
            end
            local own = open_for(consumer, hub.core, next > 0 and next or nil, hub.run)
            if own == nil then
                subscriber.drop_held(consumer)
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
