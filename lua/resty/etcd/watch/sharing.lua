-- Generated from src/resty/etcd/watch/sharing.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local key_range = require("resty.etcd.protocol.key_range")
local consumers = require("resty.etcd.watch.subscriber")
local hubs = require("resty.etcd.watch.shared_watch")
local batch_queue = require("resty.etcd.watch.batch_queue")
local now = clock.now
local max = math.max

--- A consumer that is too slow twice within so many seconds keeps a stream of its own for as long.
local APART = 5

--- The consumer takes along what its stream has learnt of etcd.
---@param consumer resty.etcd.watch.types.Consumer
---@param hub resty.etcd.watch.types.Hub
local function take_along(consumer, hub)
    consumer.known = hubs.copy_known(hub.known)
    consumer.past = hub.past
end

--- The consumer is too slow for the others: it goes on later, on a stream of its own.
---@param hub resty.etcd.watch.types.Hub
---@param consumer resty.etcd.watch.types.Consumer
---@param revision number
local function part(hub, consumer, revision)
    local time = now()
    if consumer.times_behind > 0 and time - consumer.behind_at < APART then
        consumer.apart_until = time + APART
    end
    consumer.behind_at = time
    consumer.times_behind = consumer.times_behind + 1
    if consumer.needs == nil then
        consumer.next = max(consumer.next, revision)
    else
        consumers.drop_held(consumer)
    end
    take_along(consumer, hub)
    hubs.leave(consumer)
end

--- Parts with consumers that have no room, unless one is alone.
---@param hub resty.etcd.watch.types.Hub
---@param revision number
---@return resty.etcd.watch.types.Consumer? # that one
local function make_room(hub, revision)
    for ____, consumer in ipairs(hub.consumers) do
        if batch_queue.is_full(consumer.queue) and not consumers.is_idle(consumer) then
            if #hub.consumers == 1 and consumer.needs == nil then
                return consumer
            end
            part(hub, consumer, revision)
        end
    end
    return nil
end

--- Streams of the hub's kind can serve the consumer.
---@param hub resty.etcd.watch.types.Hub
---@param wants resty.etcd.watch.types.Wants
---@return boolean
local function suits(hub, wants)
    return key_range.contains(hub.range, wants.hub_range) and hub.filters == wants.filters and (hub.prev_kv or not wants.prev_kv) and hub.silence <= wants.silence
end

--- What the consumer takes along from another stream is true of this one too, as far as is known.
---@param hub resty.etcd.watch.types.Hub
---@param consumer resty.etcd.watch.types.Consumer
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
---@param hub resty.etcd.watch.types.Hub
---@param consumer resty.etcd.watch.types.Consumer
---@param from number?
---@return boolean
local function fits(hub, consumer, from)
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
---@param consumer resty.etcd.watch.types.Consumer
---@param from number?
---@return resty.etcd.watch.types.Hub?
local function find(core, consumer, from)
    local best
    if now() < consumer.apart_until then
        return nil
    end
    for ____, hub in ipairs(hubs.hubs_of(core)) do
        local may_serve = suits(hub, consumer) and has_past_of(hub, consumer) and fits(hub, consumer, from)
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
    hubs.poke(hub)
end

--- Lets a new stream serve the consumer from revision `next` on.
---@param consumer resty.etcd.watch.types.Consumer
---@param core resty.etcd.call.client_state.Core
---@param next number?
---@param run fun(premature: boolean, hub: resty.etcd.watch.types.Hub)
---@return resty.etcd.watch.types.Hub? res
---@return string? err
local function open_for(consumer, core, next, run)
    local apart = false
    for ____, other in ipairs(hubs.hubs_of(core)) do
        apart = apart or not other.apart and suits(other, consumer)
    end
    local hub, err = hubs.new(
        core,
        consumer,
        next,
        apart,
        run
    )
    if hub == nil then
        return nil, err
    end
    local ok, start_err = hubs.start(hub, 0)
    if ok == nil then
        return nil, start_err
    end
    local ____hubs_hubs_of_result_3 = hubs.hubs_of(core)
    ____hubs_hubs_of_result_3[#____hubs_hubs_of_result_3 + 1] = hub
    add(hub, consumer)
    return hub
end

--- Lets a stream serve the consumer: one that runs, if there is one that has not passed revision `from`.
---@param consumer resty.etcd.watch.types.Consumer
---@param core resty.etcd.call.client_state.Core
---@param from number? nil if the consumer begins now, or with the state as it will be read
---@param run fun(premature: boolean, hub: resty.etcd.watch.types.Hub)
---@return resty.etcd.watch.types.Hub? res
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
---@param other resty.etcd.watch.types.Hub
---@param hub resty.etcd.watch.types.Hub
---@return boolean
local function may_take_over(other, hub)
    return other ~= hub and not other.apart and other.next ~= nil and other.next <= hub.next and other.known.cluster_id == hub.known.cluster_id and not hub.past.lost
end

--- Hands the consumers of a stream that began apart to the one that it has caught up with.
---@param hub resty.etcd.watch.types.Hub
local function merge(hub)
    if not hub.apart then
        return
    end
    local time = now()
    for ____, consumer in ipairs(hub.consumers) do
        for ____, other in ipairs(hubs.hubs_of(hub.core)) do
            if time >= consumer.apart_until and may_take_over(other, hub) and suits(other, consumer) then
                if consumer.needs == nil then
                    consumer.next = max(consumer.next, hub.next)
                end
                hubs.leave(consumer)
                add(other, consumer)
                break
            end
        end
    end
end

--- Gives each consumer of a narrower range than the stream's a stream of its own, which goes on where that stands.
---@param hub resty.etcd.watch.types.Hub
local function split(hub)
    for ____, consumer in ipairs(hub.consumers) do
        if not key_range.contains(consumer.hub_range, hub.range) then
            take_along(consumer, hub)
            hubs.leave(consumer)
            local next = max(consumer.next, hub.next or 0)
            if consumer.needs == nil then
                consumer.next = next
            end
            local own = open_for(consumer, hub.core, next > 0 and next or nil, hub.run)
            if own == nil then
                consumers.drop_held(consumer)
            end
        end
    end
end
_M.join = join
_M.make_room = make_room
_M.merge = merge
_M.open_for = open_for
_M.split = split

return _M
