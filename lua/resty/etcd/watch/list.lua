-- Generated from src/resty/etcd/watch/list.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoffs = require("resty.etcd.base.backoff")
local errors = require("resty.etcd.protocol.errors")
local histories = require("resty.etcd.watch.history")
local reads = require("resty.etcd.watch.reads")
local shared_watches = require("resty.etcd.watch.shared_watch")
local subscribers = require("resty.etcd.watch.subscriber")
local timer_loops = require("resty.etcd.base.timer_loop")
local waits = require("resty.etcd.base.wait")
local watch_errors = require("resty.etcd.watch.errors")
local max = math.max
local min = math.min

--- Maximum seconds of a sleep, so that a subscriber's end or the worker's exit is noticed.
local POLL_INTERVAL = 0.5

--- Least seconds before the next attempt if etcd has answered the last one, so that there is no outage to end.
local MIN_PAUSE_AFTER_ANSWER = 1

--- The same if pages were compacted again and again: such an attempt takes eleven calls.
local MIN_PAUSE_AFTER_COMPACTION = 2.5

--- Reports whether the subscriber still waits for a full state.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return boolean
local function is_wanted(subscriber)
    return not subscriber.is_closed and subscriber.err == nil and subscriber.pending_state ~= nil
end

--- Returns the number of streams that the watch of the subscriber has had.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return number
local function open_count_of(subscriber)
    local ____opt_0 = subscriber.shared_watch
    return ____opt_0 and ____opt_0.open_count or 0
end

--- Waits before the next attempt.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param seconds number
---@param until_open boolean wait no longer when etcd confirms the watch: the outage is over then
local function pause(subscriber, seconds, until_open)
    local open_count = open_count_of(subscriber)
    local function is_outage()
        return not until_open or open_count_of(subscriber) == open_count
    end
    local left = seconds
    while left > 0 and is_wanted(subscriber) and not ngx.worker.exiting() and is_outage() do
        waits.sleep(min(left, POLL_INTERVAL))
        left = left - POLL_INTERVAL
    end
end

--- Handles that the state at the start revision was compacted away.
---@param subscriber resty.etcd.watch.types.Subscriber
local function on_start_compacted(subscriber)
    if subscriber.options.relist then
        subscribers.drop_list_revision(subscriber)
    else
        shared_watches.fail(
            subscriber,
            watch_errors.compacted(nil, nil)
        )
    end
end

--- Reports whether the watch has no position at the moment: a state that is read now could be too old for the next one.
---@param subscriber resty.etcd.watch.types.Subscriber
---@return boolean
local function has_lost_position(subscriber)
    return subscriber.shared_watch ~= nil and subscriber.shared_watch.next_revision == nil
end

--- Returns where the events of the subscriber are from: its full state must be of the same cluster.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param log resty.etcd.watch.watch_log.WatchLog
---@return resty.etcd.call.paged_range.PageSource
local function source_of(subscriber, log)
    local ____subscriber_2 = subscriber
    local shared_watch = ____subscriber_2.shared_watch
    local history = ____subscriber_2.history
    if shared_watch == nil then
        return {cluster_id = history and history.cluster_id, http_host = nil, on_retry = log.on_retry}
    end
    local ____opt_5 = shared_watch.stream
    local http_host = ____opt_5 and ____opt_5.endpoint or shared_watch.located_at
    return {cluster_id = shared_watch.history.cluster_id, http_host = http_host, on_retry = log.on_retry}
end

--- Notes a transient error, and waits before the next attempt.
---@param core resty.etcd.call.client_state.Core
---@param subscriber resty.etcd.watch.types.Subscriber
---@param err resty.etcd.protocol.errors.EtcdError
local function wait_to_retry(core, subscriber, err)
    if subscriber.shared_watch ~= nil then
        shared_watches.set_error(subscriber.shared_watch, err)
    end
    watch_errors.drop_token(core, err)
    local is_answer = watch_errors.is_answer(err)
    local seconds = backoffs.next(subscriber.list_backoff)
    if is_answer then
        local least = watch_errors.is_compacted(err) and MIN_PAUSE_AFTER_COMPACTION or MIN_PAUSE_AFTER_ANSWER
        seconds = max(seconds, least)
    end
    pause(subscriber, seconds, not is_answer)
end

--- Reads the full state for a subscriber, and retries after errors. The subscriber is on its watch already, so that no
--- event after the state is lost; or it was too slow for a watch and joins one after the state was read. Returns early
--- when the watch has lost its position, and is called again when that is known.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param core resty.etcd.call.client_state.Core
---@param log resty.etcd.watch.watch_log.WatchLog
local function read_for(subscriber, core, log)
    while is_wanted(subscriber) and not has_lost_position(subscriber) do
        local epoch = subscriber.epoch
        local kvs, outcome = reads.list(
            core,
            subscriber.options.range,
            subscriber.list_revision,
            source_of(subscriber, log)
        )
        if not is_wanted(subscriber) then
            return
        end
        if kvs ~= nil then
            local latest = histories.latest_of(kvs)
            if subscriber.epoch == epoch then
                if subscriber.shared_watch ~= nil then
                    histories.note_latest(subscriber.shared_watch.history, latest, outcome)
                end
                subscribers.accept_full_state(subscriber, kvs, outcome)
            end
        elseif watch_errors.is_compacted(outcome) and subscriber.list_revision ~= nil then
            on_start_compacted(subscriber)
        elseif watch_errors.is_permanent(core, outcome) then
            shared_watches.fail(subscriber, outcome)
        else
            wait_to_retry(core, subscriber, outcome)
        end
    end
end

local function run(subscriber, shared_watch, list_thread)
    local ok, problem = pcall(read_for, subscriber, shared_watch.core, shared_watch.log)
    list_thread.is_over = true
    subscribers.end_list(subscriber)
    if not ok then
        shared_watches.fail(
            subscriber,
            errors.local_error(
                "bad_reply",
                tostring(problem)
            )
        )
    end
    shared_watches.wake(shared_watch)
end

--- Frees the thread: nginx keeps it, even if it is over, until its parent has killed or joined it.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param subscriber resty.etcd.watch.types.Subscriber
---@param list_thread resty.etcd.watch.types.ListThread
local function end_thread(shared_watch, subscriber, list_thread)
    ngx.thread.kill(list_thread.thread)
    timer_loops.note_leftovers(shared_watch.loop, 1)
    shared_watch.list_threads[subscriber] = nil
    if not list_thread.is_over then
        subscribers.end_list(subscriber)
    end
end

--- Starts a thread for each subscriber that waits for a full state, once the watch has a position.
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function start(shared_watch)
    if shared_watch.next_revision == nil then
        return
    end
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        if subscriber.pending_state ~= nil and not subscriber.is_listing then
            subscribers.start_list(subscriber)
            local list_thread = {thread = nil, is_over = false}
            list_thread.thread = ngx.thread.spawn(run, subscriber, shared_watch, list_thread)
            shared_watch.list_threads[subscriber] = list_thread
        end
    end
end

--- Ends the threads that are over, and those whose subscribers have ended.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@return boolean # whether some threads still read
local function sweep(shared_watch)
    local is_listing = false
    for subscriber, list_thread in pairs(shared_watch.list_threads) do
        if list_thread.is_over or subscriber.is_closed or subscriber.err ~= nil then
            end_thread(shared_watch, subscriber, list_thread)
        else
            is_listing = true
        end
    end
    return is_listing
end

--- Ends all threads, and the subscribers of those that still read with an error.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param err resty.etcd.protocol.errors.EtcdError
local function fail_all(shared_watch, err)
    for subscriber, list_thread in pairs(shared_watch.list_threads) do
        end_thread(shared_watch, subscriber, list_thread)
        if not list_thread.is_over then
            shared_watches.fail(subscriber, err)
        end
    end
end

--- Ends all threads; their subscribers still wait for a full state.
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function stop(shared_watch)
    for subscriber, list_thread in pairs(shared_watch.list_threads) do
        end_thread(shared_watch, subscriber, list_thread)
    end
end
_M.fail_all = fail_all
_M.start = start
_M.stop = stop
_M.sweep = sweep

return _M
