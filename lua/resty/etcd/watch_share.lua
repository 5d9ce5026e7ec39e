-- Generated from src/resty/etcd/watch_share.ts by TypeScriptToLua. Do not edit.
local _M = {}
local key_range = require("resty.etcd.key_range")
local hubs = require("resty.etcd.watch_hub")
local max = math.max

--- Streams of the hub's kind can serve the consumer.
---@param hub resty.etcd.watch_hub.Hub
---@param wants resty.etcd.watch_consumer.Wants
---@return boolean
local function suits(hub, wants)
    return key_range.contains(hub.range, wants.hub_range) and hub.filters == wants.filters and (hub.prev_kv or not wants.prev_kv) and hub.silence <= wants.silence
end

--- The stream is where the consumer can join it.
---@param hub resty.etcd.watch_hub.Hub
---@param consumer resty.etcd.watch_consumer.Consumer
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
---@param core resty.etcd.core.Core
---@param consumer resty.etcd.watch_consumer.Consumer
---@param from number?
---@return resty.etcd.watch_hub.Hub?
local function find(core, consumer, from)
    local best
    for ____, hub in ipairs(hubs.hubs_of(core)) do
        local may_serve = suits(hub, consumer) and fits(hub, consumer, from)
        if may_serve and (best == nil or (hub.next or 0) > (best.next or 0)) then
            best = hub
        end
    end
    return best
end

local function add(hub, consumer)
    consumer.hub = hub
    local ____hub_consumers_0 = hub.consumers
    ____hub_consumers_0[#____hub_consumers_0 + 1] = consumer
    hubs.poke(hub)
end

--- Lets a new stream serve the consumer from revision `next` on.
---@param consumer resty.etcd.watch_consumer.Consumer
---@param core resty.etcd.core.Core
---@param next number?
---@param run fun(premature: boolean, hub: resty.etcd.watch_hub.Hub)
---@return resty.etcd.watch_hub.Hub? res
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
    local ____hubs_hubs_of_result_1 = hubs.hubs_of(core)
    ____hubs_hubs_of_result_1[#____hubs_hubs_of_result_1 + 1] = hub
    add(hub, consumer)
    return hub
end

--- Lets a stream serve the consumer: one that runs, if there is one that has not passed revision `from`.
---@param consumer resty.etcd.watch_consumer.Consumer
---@param core resty.etcd.core.Core
---@param from number? nil if the consumer begins now, or with the state as it will be read
---@param run fun(premature: boolean, hub: resty.etcd.watch_hub.Hub)
---@return resty.etcd.watch_hub.Hub? res
---@return string? err
local function join(consumer, core, from, run)
    local hub = find(core, consumer, from)
    if hub == nil then
        return open_for(consumer, core, from, run)
    end
    add(hub, consumer)
    return hub
end

--- Hands the consumers of a stream that began apart to the one that it has caught up with.
---@param hub resty.etcd.watch_hub.Hub
local function merge(hub)
    if not hub.apart then
        return
    end
    for ____, consumer in ipairs(hub.consumers) do
        for ____, other in ipairs(hubs.hubs_of(hub.core)) do
            local fits = other ~= hub and not other.apart and other.next ~= nil and other.next <= hub.next
            if fits and suits(other, consumer) then
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
_M.join = join
_M.merge = merge
_M.open_for = open_for

return _M
