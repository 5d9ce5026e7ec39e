-- Generated from src/resty/etcd/watch/list.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoffs = require("resty.etcd.base.backoff")
local reads = require("resty.etcd.watch.reads")
local subscribers = require("resty.etcd.watch.subscriber")
local shared_watches = require("resty.etcd.watch.shared_watch")
local errors = require("resty.etcd.watch.errors")
local min = math.min

--- Nothing sleeps longer than so many seconds without a look around.
local POLL_INTERVAL = 0.5

--- Somebody still waits for the state.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return boolean
local function is_wanted(subscriber)
    return not subscriber.is_closed and subscriber.err == nil and subscriber.pending_state ~= nil
end

local function pause(subscriber, seconds)
    local left = seconds
    while left > 0 and is_wanted(subscriber) and not ngx.worker.exiting() do
        ngx.sleep(min(left, POLL_INTERVAL))
        left = left - POLL_INTERVAL
    end
end

--- The state at the revision that it was to begin with is no more.
---@param subscriber resty.etcd.watch.types.Subscriber
local function lose_start(subscriber)
    if subscriber.relist then
        subscriber.pending_state = "compacted"
        subscriber.list_revision = nil
    else
        shared_watches.unsubscribe(subscriber)
        subscribers.fail(
            subscriber,
            errors.compacted(nil, nil)
        )
    end
end

--- Its stream does not know where to go on, so a state read now could be too old.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return boolean
local function has_lost_its_place(subscriber)
    return subscriber.shared_watch ~= nil and subscriber.shared_watch.next_revision == nil
end

--- Reads the full state that a consumer waits for. The consumer is on the stream already, so nothing is lost in between;
--- or it was too slow even for that, has left, and will be back behind this state. Ends early when the stream has lost its
--- place, and is called again when it has one.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param core resty.etcd.call.client_state.Core
local function read_for(subscriber, core)
    local backoff = backoffs.new()
    while is_wanted(subscriber) and not has_lost_its_place(subscriber) do
        local epoch = subscriber.epoch
        local kvs, outcome = reads.list(core, subscriber.range, subscriber.list_revision)
        if not is_wanted(subscriber) then
            return
        end
        if kvs ~= nil then
            if subscriber.epoch == epoch then
                subscribers.accept_full_state(subscriber, kvs, outcome)
            end
        elseif errors.is_compacted(outcome) then
            lose_start(subscriber)
        elseif errors.is_permanent(core, outcome) then
            shared_watches.unsubscribe(subscriber)
            subscribers.fail(subscriber, outcome)
        else
            if subscriber.shared_watch ~= nil then
                subscriber.shared_watch.last_error = outcome
            end
            errors.drop_token(core, outcome)
            pause(
                subscriber,
                backoffs.next(backoff)
            )
        end
    end
end
_M.read_for = read_for

return _M
