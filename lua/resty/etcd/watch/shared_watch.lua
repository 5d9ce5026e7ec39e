-- Generated from src/resty/etcd/watch/shared_watch.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local histories = require("resty.etcd.watch.history")
local key_range = require("resty.etcd.protocol.key_range")
local reopen_policy = require("resty.etcd.watch.reopen_policy")
local timer_loops = require("resty.etcd.base.timer_loop")
local waits = require("resty.etcd.base.wait")
local subscribers = require("resty.etcd.watch.subscriber")
local watch_log = require("resty.etcd.watch.watch_log")
local now = clock.now
local find = string.find
local max = math.max
local min = math.min

--- What a stream leaves in its timer: the light thread that reads it, and its connection.
local STREAM_LEFTOVERS = 2

--- Returns the shared watches of a client.
---@param core resty.etcd.call.client_state.Core
---@return resty.etcd.watch.types.SharedWatch[]
local function watches_of(core)
    return core.shared_watches or ({})
end

--- Wakes the turn that waits in `wait`.
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function wake(shared_watch)
    if not shared_watch.is_woken then
        shared_watch.is_woken = true
        shared_watch.signal:post(1)
    end
end

--- Waits until the turn is woken, or for some seconds.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param seconds number
local function wait(shared_watch, seconds)
    waits.wait(shared_watch.signal, seconds)
    shared_watch.is_woken = false
end

--- Creates a watch that can serve a subscriber.
---@param core resty.etcd.call.client_state.Core
---@param subscriber resty.etcd.watch.types.Subscriber
---@param range resty.etcd.protocol.key_range.KeyRange
---@param next_revision number? nil for etcd's current revision
---@param is_catching_up boolean
---@param run fun(shared_watch: resty.etcd.watch.types.SharedWatch): number?
---@return resty.etcd.watch.types.SharedWatch? res
---@return string? err
local function create(core, subscriber, range, next_revision, is_catching_up, run)
    local signal, err = semaphore.new(0)
    local resume_signal, resume_err = semaphore.new(0)
    if signal == nil or resume_signal == nil then
        return nil, err or resume_err or "no semaphore"
    end
    local ____subscriber_options_0 = subscriber.options
    local prev_kv = ____subscriber_options_0.prev_kv
    local filters = ____subscriber_options_0.filters
    local idle_timeout = ____subscriber_options_0.idle_timeout
    local shared_watch = {
        core = core,
        range = range,
        prev_kv = prev_kv,
        filters = filters,
        idle_timeout = idle_timeout,
        run = run,
        loop = nil,
        signal = signal,
        is_woken = false,
        list_threads = {},
        subscribers = {},
        next_revision = next_revision,
        unknown_before = subscriber.unknown_before,
        key_count = nil,
        counted_at = 0,
        history = histories.of_range(range, subscriber.history),
        history_token = subscriber.history_token or ({lost = false}),
        located_at = nil,
        is_catching_up = is_catching_up,
        is_streaming = false,
        stream = nil,
        is_connected = false,
        last_received_at = now(),
        is_paused = false,
        resume_signal = resume_signal,
        open_count = 0,
        close_reasons = {},
        events = 0,
        dropped = 0,
        last_error = nil,
        reopen_policy = reopen_policy.new(),
        log = watch_log.new(range.key)
    }
    shared_watch.loop = timer_loops.new(
        shared_watch.log.subject,
        function() return run(shared_watch) end,
        {pool = "streams"}
    )
    return shared_watch
end

--- Starts the loop of the watch.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@return true? res
---@return string? err
local function start(shared_watch)
    return timer_loops.start(shared_watch.loop, 0)
end

--- Adds the watch to those that new subscribers of the client can join.
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function publish(shared_watch)
    local core = shared_watch.core
    if core.shared_watches == nil then
        core.shared_watches = {}
    end
    local ____core_shared_watches_1 = core.shared_watches
    ____core_shared_watches_1[#____core_shared_watches_1 + 1] = shared_watch
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

--- Lets the watch serve a subscriber.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param subscriber resty.etcd.watch.types.Subscriber
local function subscribe(shared_watch, subscriber)
    subscribers.attach(subscriber, shared_watch)
    local ____shared_watch_subscribers_2 = shared_watch.subscribers
    ____shared_watch_subscribers_2[#____shared_watch_subscribers_2 + 1] = subscriber
    wake(shared_watch)
end

--- Removes a subscriber from its watch, if it has one. The watch ends with its last subscriber.
---@param subscriber resty.etcd.watch.types.Subscriber
local function unsubscribe(subscriber)
    local shared_watch = subscriber.shared_watch
    if shared_watch ~= nil then
        local core = shared_watch.core
        subscribers.detach(subscriber)
        shared_watch.subscribers = without(shared_watch.subscribers, subscriber)
        if #shared_watch.subscribers == 0 then
            core.shared_watches = without(
                watches_of(core),
                shared_watch
            )
        end
        wake(shared_watch)
    end
end

--- Removes a subscriber from its watch and ends it with an error.
---@param subscriber resty.etcd.watch.types.Subscriber
---@param err resty.etcd.protocol.errors.EtcdError
local function fail(subscriber, err)
    unsubscribe(subscriber)
    subscribers.fail(subscriber, err)
end

--- Ends all subscribers, and the watch with them.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param err resty.etcd.protocol.errors.EtcdError
local function fail_all(shared_watch, err)
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        fail(subscriber, err)
    end
end

--- Returns the start revision of the next watch request. It overlaps by one revision, because etcd before 3.4.36 and
--- 3.5.18 loses a deletion made in the same revision as a compaction.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@return number
local function request_revision(shared_watch)
    local next = shared_watch.next_revision
    return next == shared_watch.unknown_before and next or max(next - 1, 1)
end

--- Notes what an endpoint has said of etcd. A watch without a position starts behind the current revision.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param current resty.etcd.watch.types.HistoryPoint
---@param http_host string?
local function set_history(shared_watch, current, http_host)
    shared_watch.history = histories.locate(shared_watch.history, current)
    shared_watch.located_at = http_host
    if shared_watch.next_revision == nil then
        shared_watch.next_revision = current.revision + 1
        wake(shared_watch)
    end
end

--- Notes the number of keys in the range, in place of a known one. A watch that has delivered later revisions, or does not
--- receive deletions, cannot know the number later.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param revision number
---@param key_count number
local function replace_key_count(shared_watch, revision, key_count)
    local without_deletions = find(shared_watch.filters, "NODELETE", 1, true)
    if without_deletions == nil and shared_watch.next_revision <= revision + 1 then
        shared_watch.key_count = key_count
        shared_watch.counted_at = revision
    end
end

--- Notes the number of keys in the range, unless it is known for an earlier revision that was not delivered yet.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param revision number
---@param key_count number
local function set_key_count(shared_watch, revision, key_count)
    if shared_watch.key_count == nil or shared_watch.next_revision == revision + 1 then
        replace_key_count(shared_watch, revision, key_count)
    end
end

--- Notes the keys that the events of a revision create and delete.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param batch resty.etcd.watch.feed.Batch
local function update_key_count(shared_watch, batch)
    local key_count = shared_watch.key_count
    if key_count == nil or batch.revision <= shared_watch.counted_at then
        return
    end
    for ____, ____value in ipairs(batch.events) do
        local ____type = ____value.type
        local kv = ____value.kv
        if ____type == "DELETE" then
            key_count = key_count - 1
        elseif kv.create_revision == kv.mod_revision then
            key_count = key_count + 1
        end
    end
    shared_watch.key_count = key_count
end

--- Notes a response from etcd.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param time number
local function note_response(shared_watch, time)
    shared_watch.last_received_at = max(shared_watch.last_received_at, time)
end

--- Notes that a stream is being opened.
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function start_streaming(shared_watch)
    shared_watch.is_streaming = true
    timer_loops.note_leftovers(shared_watch.loop, STREAM_LEFTOVERS)
end

--- Notes that the stream was opened.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param stream resty.etcd.transport.transport.Stream
local function set_stream(shared_watch, stream)
    shared_watch.stream = stream
end

--- Notes that etcd has confirmed the watch.
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function mark_connected(shared_watch)
    shared_watch.is_connected = true
    shared_watch.open_count = shared_watch.open_count + 1
end

--- Notes that no stream is opened or read any more, and closes it.
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function stop_streaming(shared_watch)
    local stream = shared_watch.stream
    if stream ~= nil then
        note_response(
            shared_watch,
            stream:last_received_at()
        )
        stream:close()
        shared_watch.stream = nil
    end
    shared_watch.is_streaming = false
    shared_watch.is_connected = false
    shared_watch.is_paused = false
end

--- Waits until `resume`, or for some seconds, because the queue of the only subscriber is full.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param seconds number
local function pause(shared_watch, seconds)
    shared_watch.is_paused = true
    waits.wait(shared_watch.resume_signal, seconds)
    shared_watch.is_paused = false
    note_response(
        shared_watch,
        now()
    )
end

--- Ends a pause.
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function resume(shared_watch)
    if shared_watch.is_paused then
        shared_watch.is_paused = false
        shared_watch.resume_signal:post(1)
    end
end

--- Notes why etcd cannot be followed at the moment.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param err resty.etcd.protocol.errors.EtcdError
local function set_error(shared_watch, err)
    shared_watch.last_error = err
end

--- Notes why a stream has ended.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param err resty.etcd.protocol.errors.EtcdError
local function note_stream_end(shared_watch, err)
    local reasons = shared_watch.close_reasons
    reasons[err.name] = (reasons[err.name] or 0) + 1
    shared_watch.last_error = err
end

--- Counts events that were discarded.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param events number
local function count_dropped(shared_watch, events)
    shared_watch.dropped = shared_watch.dropped + events
end

--- Delivers a batch: to each subscriber the events in its range. All of them have room.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param batch resty.etcd.watch.feed.Batch
local function deliver(shared_watch, batch)
    local revision = batch.revision
    shared_watch.next_revision = revision + 1
    shared_watch.events = shared_watch.events + #batch.events
    histories.note_revision(shared_watch.history, revision)
    histories.note_events(shared_watch.history, batch)
    update_key_count(shared_watch, batch)
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        local events = key_range.filter_events(subscriber.options.range, batch.events)
        if events ~= nil then
            subscribers.offer(subscriber, events == batch.events and batch or ({revision = revision, events = events}))
        end
    end
end

--- Notes that all events up to a revision have been delivered.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param revision number
local function advance(shared_watch, revision)
    if revision >= shared_watch.next_revision then
        shared_watch.next_revision = revision + 1
        histories.note_revision(shared_watch.history, revision)
        if shared_watch.filters == "" then
            histories.note_progress(shared_watch.history, revision)
        end
        for ____, subscriber in ipairs(shared_watch.subscribers) do
            subscribers.advance(subscriber, revision)
        end
    end
end

--- Returns the oldest revision that etcd still has, as far as its error says; nil if that is unknown.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param err resty.etcd.protocol.errors.EtcdError
---@return number?
local function oldest_revision(shared_watch, err)
    local oldest = err.compact_revision
    if oldest == nil or shared_watch.next_revision == nil or oldest <= request_revision(shared_watch) then
        return nil
    end
    return oldest
end

--- Handles revisions that etcd does not have any more. Subscribers whose position is behind the lost revisions continue.
--- Those that need the lost revisions wait for a full state, or end with the error.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param reason "compacted"|"restored"|"list"|"snapshot"
---@param err resty.etcd.protocol.errors.EtcdError
local function on_revisions_lost(shared_watch, reason, err)
    local oldest = oldest_revision(shared_watch, err)
    local next
    if oldest ~= nil then
        histories.note_revision(shared_watch.history, oldest)
    end
    if reason == "restored" then
        local token = shared_watch.history_token
        token.lost = true
        shared_watch.history_token = {lost = false}
    end
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        if oldest ~= nil and subscriber.next_revision > oldest then
            next = min(next or subscriber.next_revision, subscriber.next_revision)
        elseif subscriber.options.relist or subscribers.is_new(subscriber) then
            subscribers.require_full_state(subscriber, reason)
        else
            fail(subscriber, err)
        end
    end
    if next ~= nil then
        next = min(next, shared_watch.history.revision + 1)
    end
    shared_watch.next_revision = next
    shared_watch.key_count = nil
    histories.forget_event(shared_watch.history)
end

--- Returns the seconds since the last response from etcd.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@return number
local function age(shared_watch)
    local ____shared_watch_3 = shared_watch
    local stream = ____shared_watch_3.stream
    local last_received_at = ____shared_watch_3.last_received_at
    return now() - (stream ~= nil and max(
        last_received_at,
        stream:last_received_at()
    ) or last_received_at)
end
_M.advance = advance
_M.age = age
_M.count_dropped = count_dropped
_M.new = create
_M.deliver = deliver
_M.fail = fail
_M.fail_all = fail_all
_M.mark_connected = mark_connected
_M.note_response = note_response
_M.note_stream_end = note_stream_end
_M.on_revisions_lost = on_revisions_lost
_M.pause = pause
_M.publish = publish
_M.replace_key_count = replace_key_count
_M.request_revision = request_revision
_M.resume = resume
_M.set_error = set_error
_M.set_history = set_history
_M.set_key_count = set_key_count
_M.set_stream = set_stream
_M.start = start
_M.start_streaming = start_streaming
_M.stop_streaming = stop_streaming
_M.subscribe = subscribe
_M.unsubscribe = unsubscribe
_M.wait = wait
_M.wake = wake
_M.watches_of = watches_of

return _M
