-- Generated from src/resty/etcd/watch/list.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoffs = require("resty.etcd.base.backoff")
local reads = require("resty.etcd.watch.reads")
local subscriber = require("resty.etcd.watch.subscriber")
local shared_watch = require("resty.etcd.watch.shared_watch")
local errors = require("resty.etcd.watch.errors")
local min = math.min

--- Nothing sleeps longer than so many seconds without a look around.
local LOOK = 0.5

--- Somebody still waits for the state.
---@param consumer resty.etcd.watch.types.Subscriber
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
---@param consumer resty.etcd.watch.types.Subscriber
local function lose_start(consumer)
    if consumer.relist then
        consumer.needs = "compacted"
        consumer.list_at = nil
    else
        shared_watch.unsubscribe(consumer)
        subscriber.fail(
            consumer,
            errors.compacted(nil, nil)
        )
    end
end

--- Its stream does not know where to go on, so a state read now could be too old.
---@param consumer resty.etcd.watch.types.Subscriber
---@return boolean
local function has_lost_its_place(consumer)
    return consumer.hub ~= nil and consumer.hub.next == nil
end

--- Reads the full state that a consumer waits for. The consumer is on the stream already, so nothing is lost in between;
--- or it was too slow even for that, has left, and will be back behind this state. Ends early when the stream has lost its
--- place, and is called again when it has one.
---@param consumer resty.etcd.watch.types.Subscriber
---@param core resty.etcd.call.client_state.Core
local function read_for(consumer, core)
    local backoff = backoffs.new()
    while is_wanted(consumer) and not has_lost_its_place(consumer) do
        local epoch = consumer.epoch
        local kvs, outcome = reads.list(core, consumer.range, consumer.list_at)
        if not is_wanted(consumer) then
            return
        end
        if kvs ~= nil then
            if consumer.epoch == epoch then
                subscriber.accept_full_state(consumer, kvs, outcome)
            end
        elseif errors.is_compacted(outcome) then
            lose_start(consumer)
        elseif errors.is_permanent(core, outcome) then
            shared_watch.unsubscribe(consumer)
            subscriber.fail(consumer, outcome)
        else
            if consumer.hub ~= nil then
                consumer.hub.last_error = outcome
            end
            errors.drop_token(core, outcome)
            pause(
                consumer,
                backoffs.next(backoff)
            )
        end
    end
end
_M.read_for = read_for

return _M
