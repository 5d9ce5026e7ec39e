-- Generated from src/resty/etcd/watch_list.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoffs = require("resty.etcd.backoff")
local ask = require("resty.etcd.watch_ask")
local consumers = require("resty.etcd.watch_consumer")
local hubs = require("resty.etcd.watch_hub")
local verdict = require("resty.etcd.watch_verdict")
local min = math.min

--- Nothing sleeps longer than so many seconds without a look around.
local LOOK = 0.5

--- Somebody still waits for the state.
---@param consumer resty.etcd.watch_consumer.Consumer
---@return boolean
local function is_wanted(consumer)
    return not consumer.closed and consumer.err == nil and consumer.needs ~= nil
end

local function pause(consumer, seconds)
    local left = seconds
    while left > 0 and is_wanted(consumer) and not ngx.worker.exiting() do
        ngx.sleep(min(left, LOOK))
        left = left - LOOK
    end
end

--- The state at the revision that it was to begin with is no more.
---@param consumer resty.etcd.watch_consumer.Consumer
local function lose_start(consumer)
    if consumer.relist then
        consumer.needs = "compacted"
        consumer.list_at = nil
    else
        hubs.leave(consumer)
        consumers.fail(
            consumer,
            verdict.compacted(nil, nil)
        )
    end
end

--- Reads the full state that a consumer of the hub waits for. The consumer is on the stream already, so nothing is
--- lost in between. Ends early when the stream has lost its place, and is called again when it has one.
---@param consumer resty.etcd.watch_consumer.Consumer
---@param hub resty.etcd.watch_hub.Hub
local function read_for(consumer, hub)
    local backoff = backoffs.new()
    while is_wanted(consumer) do
        local epoch = hub.epoch
        local kvs, outcome = ask.list(hub.core, consumer.range, consumer.list_at)
        if not is_wanted(consumer) then
            return
        end
        local is_alone = consumer.hub == nil
        if kvs ~= nil then
            if is_alone or hub.epoch == epoch then
                consumers.accept(consumer, kvs, outcome)
                return
            end
        elseif verdict.is_compacted(outcome) then
            lose_start(consumer)
        elseif verdict.is_final(hub.core, outcome) then
            hubs.leave(consumer)
            consumers.fail(consumer, outcome)
        else
            hub.last_error = outcome
            verdict.drop_token(hub.core, outcome)
            pause(
                consumer,
                backoffs.next(backoff)
            )
        end
        if hub.next == nil and not is_alone then
            return
        end
    end
end
_M.read_for = read_for

return _M
