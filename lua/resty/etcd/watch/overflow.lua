-- Generated from src/resty/etcd/watch/overflow.ts by TypeScriptToLua. Do not edit.
local _M = {}
local batch_queue = require("resty.etcd.watch.batch_queue")
local clock = require("resty.etcd.base.clock")
local consumers = require("resty.etcd.watch.subscriber")
local hubs = require("resty.etcd.watch.shared_watch")
local now = clock.now
local max = math.max

--- A consumer that is too slow twice within so many seconds keeps a stream of its own for as long.
local APART = 5

--- The consumer takes along what its stream has learnt of etcd.
---@param consumer resty.etcd.watch.subscriber.Consumer
---@param hub resty.etcd.watch.shared_watch.Hub
local function take_along(consumer, hub)
    consumer.known = hubs.copy_known(hub.known)
    consumer.past = hub.past
end

--- The consumer is too slow for the others: it goes on later, on a stream of its own.
---@param hub resty.etcd.watch.shared_watch.Hub
---@param consumer resty.etcd.watch.subscriber.Consumer
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
---@param hub resty.etcd.watch.shared_watch.Hub
---@param revision number
---@return resty.etcd.watch.subscriber.Consumer? # that one
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
_M.make_room = make_room
_M.take_along = take_along

return _M
