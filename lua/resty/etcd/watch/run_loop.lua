-- Generated from src/resty/etcd/watch/run_loop.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoffs = require("resty.etcd.base.backoff")
local balancer = require("resty.etcd.endpoint.balancer")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local liveness = require("resty.etcd.watch.liveness")
local subscribers = require("resty.etcd.watch.subscriber")
local lists = require("resty.etcd.watch.list")
local shared_watches = require("resty.etcd.watch.shared_watch")
local sharing = require("resty.etcd.watch.sharing")
local stream_reader = require("resty.etcd.watch.stream_reader")
local watch_errors = require("resty.etcd.watch.errors")
local now = clock.now
local max = math.max
local min = math.min

--- The timer looks up so often, in seconds: has the worker to go, is the stream silent?
local POLL_INTERVAL = 0.5

--- A stream that stood for so many seconds was healthy.
local HEALTHY_AFTER = 1

--- A stream that was well is opened anew without a pause, but not more often than after so many seconds.
local MIN_REOPEN_INTERVAL = 0.1

--- etcd tells of progress every 10 minutes at least: a stream that stands is not silent for so many seconds.
local MAX_PROGRESS_INTERVAL = 660

--- Asking the health check once more costs no connection, so it is done this soon.
local NO_ENDPOINT_DELAY = 1

--- One line in so many seconds about the same trouble.
local LOG_INTERVAL = 10

--- A light thread of this timer that reads a full state.
---@class resty.etcd.watch.run_loop.Reading
---@field thread table?
---@field is_over boolean

local function read_stream(shared_watch, session)
    local ok, outcome = pcall(stream_reader.run, shared_watch, session)
    if session.err == nil then
        session.err = ok and outcome or errors.local_error(
            "bad_reply",
            tostring(outcome)
        )
    end
    session.is_over = true
    shared_watches.wake_timer(shared_watch)
end

local function read_list(subscriber, shared_watch, reading)
    local ok, outcome = pcall(lists.read_for, subscriber, shared_watch.core)
    reading.is_over = true
    subscriber.is_listing = false
    if not ok then
        shared_watches.unsubscribe(subscriber)
        subscribers.fail(
            subscriber,
            errors.local_error(
                "bad_reply",
                tostring(outcome)
            )
        )
    end
    shared_watches.wake_timer(shared_watch)
end

--- Until then nginx keeps a thread that is over, too.
---@param lists_now table
---@param subscriber resty.etcd.watch.types.Subscriber
---@param reading resty.etcd.watch.run_loop.Reading
local function end_reading(lists_now, subscriber, reading)
    ngx.thread.kill(reading.thread)
    lists_now[subscriber] = nil
end

--- Ends the threads of those who do not want their state any more, and frees what is left of those that are done.
---@param lists_now table
---@return boolean # whether some still read
local function sweep_lists(lists_now)
    local is_listing = false
    for subscriber, reading in pairs(lists_now) do
        if reading.is_over then
            end_reading(lists_now, subscriber, reading)
        elseif subscriber.is_closed or subscriber.err ~= nil then
            end_reading(lists_now, subscriber, reading)
            subscriber.is_listing = false
        else
            is_listing = true
        end
    end
    return is_listing
end

--- Reads full states for those who wait for one, once the stream has its place.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param lists_now table
local function start_lists(shared_watch, lists_now)
    if shared_watch.next_revision == nil then
        return
    end
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        if subscriber.pending_state ~= nil and not subscriber.is_listing then
            subscriber.is_listing = true
            local reading = {thread = nil, is_over = false}
            reading.thread = ngx.thread.spawn(read_list, subscriber, shared_watch, reading)
            lists_now[subscriber] = reading
        end
    end
end

local function stop_lists(lists_now, err)
    for subscriber, reading in pairs(lists_now) do
        end_reading(lists_now, subscriber, reading)
        if not reading.is_over then
            subscriber.is_listing = false
            subscribers.fail(subscriber, err)
        end
    end
end

--- Waits for something to do; returns false when nobody wants the stream any more.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param lists_now table
---@param seconds number
---@return boolean
local function wait_for_work(shared_watch, lists_now, seconds)
    sweep_lists(lists_now)
    start_lists(shared_watch, lists_now)
    shared_watch.wake:wait(seconds)
    shared_watch.is_woken = false
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        if subscriber.is_closed then
            shared_watches.unsubscribe(subscriber)
        end
    end
    if ngx.worker.exiting() then
        shared_watches["end"](
            shared_watch,
            shared_watches.exiting()
        )
        stop_lists(
            lists_now,
            shared_watches.exiting()
        )
        return false
    end
    return #shared_watch.subscribers > 0
end

--- The stream has been silent for so long that it may be dead; or it does not stand yet, whatever comes.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
---@return boolean
local function is_silent(shared_watch, session)
    if session.created_at ~= nil then
        return not shared_watch.is_blocked and shared_watches.age(shared_watch) > shared_watch.idle_timeout
    end
    local timeout = shared_watch.core.timeout
    if timeout <= 0 then
        return now() - session.started_at > shared_watch.idle_timeout
    end
    return session.response_started_at ~= nil and now() - session.response_started_at > timeout
end

--- Ends the check of a stream that was silent.
---@param session resty.etcd.watch.stream_reader.StreamSession
local function end_check(session)
    if session.probe ~= nil then
        liveness.stop(session.probe)
        session.probe = nil
    end
end

--- A silent stream that stands: is it idle, or dead? Returns whether to give it up.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
---@return boolean
local function is_dead(shared_watch, session)
    local stream = shared_watch.stream
    local time = now()
    if session.created_at == nil or stream == nil or time - stream:last_received_at() > MAX_PROGRESS_INTERVAL then
        return true
    end
    if session.probe == nil then
        if time >= session.next_probe_at then
            session.probe = liveness.start(
                shared_watch,
                stream,
                stream_reader.create_request(shared_watch, shared_watch.next_revision)
            )
        end
        return false
    end
    local ____session_probe_0 = session.probe
    local stood_at = ____session_probe_0.created_at
    local outcome = liveness.outcome(session.probe)
    if outcome ~= nil then
        end_check(session)
        session.next_probe_at = time + shared_watch.idle_timeout
        if outcome == "well" then
            shared_watch.last_received_at = max(shared_watch.last_received_at, stood_at or 0)
        end
    end
    return outcome == "dead"
end

--- Ends a stream from which nothing comes, or nothing of use.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
local function give_up(shared_watch, session)
    local text = "timeout: nothing has come for " .. tostring(shared_watch.idle_timeout) .. " seconds"
    local stream = shared_watch.stream
    if session.created_at == nil and stream ~= nil then
        text = "timeout: the watch does not stand"
        balancer.report_failure(shared_watch.core, stream.endpoint)
    end
    session.err = errors.local_error("timeout", text, stream and stream.endpoint)
    session.is_over = true
end

--- Ends a stream at once, whoever reads from it.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param reader table
local function stop(shared_watch, reader)
    local stream = shared_watch.stream
    if stream ~= nil then
        shared_watch.last_received_at = max(
            shared_watch.last_received_at,
            stream:last_received_at()
        )
        stream:close()
        shared_watch.stream = nil
    end
    shared_watch.is_connected = false
    shared_watch.is_blocked = false
    ngx.thread.kill(reader)
end

--- Says what is the matter, now and then.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param err resty.etcd.protocol.errors.EtcdError
---@param delay number
local function log_reopen(shared_watch, err, delay)
    local time = now()
    local said_at = shared_watch.last_logged_at[err.name]
    if delay > 0 and #shared_watch.subscribers > 0 and (said_at == nil or time - said_at > LOG_INTERVAL) then
        shared_watch.last_logged_at[err.name] = time
        local text = string.gsub(
            "watch of " .. shared_watch.range.key .. ": " .. errors.to_text(err),
            "%c",
            "?"
        )
        ngx.log(ngx.WARN, text, ". Opening it again")
    end
end

--- Draws the conclusions from the end of a stream.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
---@return number? # seconds until it is to be opened again; nil if it is not
local function handle_stream_end(shared_watch, session)
    local err = session.err or errors.local_error("closed", "closed")
    local name = err.name
    shared_watch.last_error = err
    shared_watch.close_reasons[name] = (shared_watch.close_reasons[name] or 0) + 1
    watch_errors.drop_token(shared_watch.core, err)
    if watch_errors.is_permanent(shared_watch.core, err) then
        if watch_errors.is_forbidden(err) then
            sharing.split(shared_watch)
        end
        shared_watches["end"](shared_watch, err)
        return nil
    end
    local stood_at = session.created_at
    if session.has_delivered or stood_at ~= nil and now() - stood_at > HEALTHY_AFTER then
        backoffs.reset(shared_watch.backoff)
    end
    local may_hurry = stood_at ~= nil and shared_watch.backoff.seconds == 0
    local delay = backoffs.next(shared_watch.backoff)
    if name == "compacted" then
        shared_watches.on_revisions_lost(shared_watch, "compacted", err)
    elseif name == "no_endpoint" then
        delay = min(delay, NO_ENDPOINT_DELAY)
    end
    if may_hurry and now() - shared_watch.last_immediate_reopen > MIN_REOPEN_INTERVAL then
        delay = 0
        shared_watch.last_immediate_reopen = now()
    end
    log_reopen(shared_watch, err, delay)
    return delay
end

--- Lets the stream live once; returns seconds until it is to be opened again, nil if it is not.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param lists_now table
---@return number?
local function run_stream(shared_watch, lists_now)
    local session = {
        is_over = false,
        err = nil,
        started_at = now(),
        response_started_at = nil,
        created_at = nil,
        has_delivered = false,
        probe = nil,
        next_probe_at = 0
    }
    local reader = ngx.thread.spawn(read_stream, shared_watch, session)
    while not session.is_over do
        if not wait_for_work(shared_watch, lists_now, POLL_INTERVAL) then
            end_check(session)
            stop(shared_watch, reader)
            return nil
        end
        if not is_silent(shared_watch, session) then
            end_check(session)
        elseif session.err == nil and is_dead(shared_watch, session) then
            give_up(shared_watch, session)
        end
    end
    end_check(session)
    stop(shared_watch, reader)
    return handle_stream_end(shared_watch, session)
end

--- Waits in this timer.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param lists_now table
---@param seconds number
local function wait_to_reopen(shared_watch, lists_now, seconds)
    local until_time = now() + seconds
    local left = seconds
    while left > 0 and wait_for_work(
        shared_watch,
        lists_now,
        min(left, POLL_INTERVAL)
    ) do
        left = until_time - now()
    end
end

--- Keeps a hub's stream alive, for as long as it has consumers.
---@param premature boolean
---@param shared_watch resty.etcd.watch.types.SharedWatch
local function run(premature, shared_watch)
    if shared_watch.is_running then
        return
    end
    shared_watch.is_running = true
    if premature or ngx.worker.exiting() then
        shared_watches["end"](
            shared_watch,
            shared_watches.exiting()
        )
        return
    end
    local lists_now = {}
    while #shared_watch.subscribers > 0 do
        local delay = run_stream(shared_watch, lists_now)
        if delay ~= nil then
            if not sweep_lists(lists_now) and (shared_watches.start(shared_watch, delay)) ~= nil then
                return
            end
            wait_to_reopen(shared_watch, lists_now, delay)
        end
    end
    while sweep_lists(lists_now) do
        wait_for_work(shared_watch, lists_now, POLL_INTERVAL)
    end
end
_M.run = run

return _M
