-- Generated from src/resty/etcd/watch/run_loop.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoffs = require("resty.etcd.base.backoff")
local balancer = require("resty.etcd.endpoint.balancer")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local liveness = require("resty.etcd.watch.liveness")
local subscriber = require("resty.etcd.watch.subscriber")
local lists = require("resty.etcd.watch.list")
local shared_watch = require("resty.etcd.watch.shared_watch")
local sharing = require("resty.etcd.watch.sharing")
local stream_reader = require("resty.etcd.watch.stream_reader")
local watch_errors = require("resty.etcd.watch.errors")
local now = clock.now
local max = math.max
local min = math.min
local guard = pcall

--- The timer looks up so often, in seconds: has the worker to go, is the stream silent?
local TICK = 0.5

--- A stream that stood for so many seconds was healthy.
local LIFE = 1

--- A stream that was well is opened anew without a pause, but not more often than after so many seconds.
local HURRY = 0.1

--- etcd tells of progress every 10 minutes at least: a stream that stands is not silent for so many seconds.
local PROGRESS = 660

--- Asking the health check once more costs no connection, so it is done this soon.
local NO_ENDPOINT = 1

--- One line in so many seconds about the same trouble.
local QUIET = 10

--- A light thread of this timer that reads a full state.
---@class resty.etcd.watch.run_loop.Reading
---@field thread table?
---@field over boolean

local function read_stream(hub, turn)
    local ok, outcome = guard(stream_reader.run, hub, turn)
    if turn.err == nil then
        turn.err = ok and outcome or errors.local_error(
            "bad_reply",
            tostring(outcome)
        )
    end
    turn.over = true
    shared_watch.wake_timer(hub)
end

local function read_list(consumer, hub, reading)
    local ok, outcome = guard(lists.read_for, consumer, hub.core)
    reading.over = true
    consumer.listing = false
    if not ok then
        shared_watch.unsubscribe(consumer)
        subscriber.fail(
            consumer,
            errors.local_error(
                "bad_reply",
                tostring(outcome)
            )
        )
    end
    shared_watch.wake_timer(hub)
end

--- Until then nginx keeps a thread that is over, too.
---@param lists_now table
---@param consumer resty.etcd.watch.types.Subscriber
---@param reading resty.etcd.watch.run_loop.Reading
local function end_reading(lists_now, consumer, reading)
    ngx.thread.kill(reading.thread)
    lists_now[consumer] = nil
end

--- Ends the threads of those who do not want their state any more, and frees what is left of those that are done.
---@param lists_now table
---@return boolean # whether some still read
local function sweep_lists(lists_now)
    local is_listing = false
    for consumer, reading in pairs(lists_now) do
        if reading.over then
            end_reading(lists_now, consumer, reading)
        elseif consumer.closed or consumer.err ~= nil then
            end_reading(lists_now, consumer, reading)
            consumer.listing = false
        else
            is_listing = true
        end
    end
    return is_listing
end

--- Reads full states for those who wait for one, once the stream has its place.
---@param hub resty.etcd.watch.types.SharedWatch
---@param lists_now table
local function start_lists(hub, lists_now)
    if hub.next == nil then
        return
    end
    for ____, consumer in ipairs(hub.consumers) do
        if consumer.needs ~= nil and not consumer.listing then
            consumer.listing = true
            local reading = {thread = nil, over = false}
            reading.thread = ngx.thread.spawn(read_list, consumer, hub, reading)
            lists_now[consumer] = reading
        end
    end
end

local function stop_lists(lists_now, err)
    for consumer, reading in pairs(lists_now) do
        end_reading(lists_now, consumer, reading)
        if not reading.over then
            consumer.listing = false
            subscriber.fail(consumer, err)
        end
    end
end

--- Waits for something to do; returns false when nobody wants the stream any more.
---@param hub resty.etcd.watch.types.SharedWatch
---@param lists_now table
---@param seconds number
---@return boolean
local function wait_for_work(hub, lists_now, seconds)
    sweep_lists(lists_now)
    start_lists(hub, lists_now)
    hub.wake:wait(seconds)
    hub.poked = false
    for ____, consumer in ipairs(hub.consumers) do
        if consumer.closed then
            shared_watch.unsubscribe(consumer)
        end
    end
    if ngx.worker.exiting() then
        shared_watch["end"](
            hub,
            shared_watch.exiting()
        )
        stop_lists(
            lists_now,
            shared_watch.exiting()
        )
        return false
    end
    return #hub.consumers > 0
end

--- The stream has been silent for so long that it may be dead; or it does not stand yet, whatever comes.
---@param hub resty.etcd.watch.types.SharedWatch
---@param turn resty.etcd.watch.stream_reader.StreamSession
---@return boolean
local function is_silent(hub, turn)
    if turn.stood_at ~= nil then
        return not hub.blocked and shared_watch.age(hub) > hub.silence
    end
    local timeout = hub.core.timeout
    if timeout <= 0 then
        return now() - turn.began_at > hub.silence
    end
    return turn.answered_at ~= nil and now() - turn.answered_at > timeout
end

--- Ends the check of a stream that was silent.
---@param turn resty.etcd.watch.stream_reader.StreamSession
local function end_check(turn)
    if turn.check ~= nil then
        liveness.stop(turn.check)
        turn.check = nil
    end
end

--- A silent stream that stands: is it idle, or dead? Returns whether to give it up.
---@param hub resty.etcd.watch.types.SharedWatch
---@param turn resty.etcd.watch.stream_reader.StreamSession
---@return boolean
local function is_dead(hub, turn)
    local stream = hub.stream
    local time = now()
    if turn.stood_at == nil or stream == nil or time - stream:heard_at() > PROGRESS then
        return true
    end
    if turn.check == nil then
        if time >= turn.next_check then
            turn.check = liveness.start(
                hub,
                stream,
                stream_reader.create_request(hub, hub.next)
            )
        end
        return false
    end
    local ____turn_check_0 = turn.check
    local stood_at = ____turn_check_0.stood_at
    local outcome = liveness.outcome(turn.check)
    if outcome ~= nil then
        end_check(turn)
        turn.next_check = time + hub.silence
        if outcome == "well" then
            hub.heard_at = max(hub.heard_at, stood_at or 0)
        end
    end
    return outcome == "dead"
end

--- Ends a stream from which nothing comes, or nothing of use.
---@param hub resty.etcd.watch.types.SharedWatch
---@param turn resty.etcd.watch.stream_reader.StreamSession
local function give_up(hub, turn)
    local text = "timeout: nothing has come for " .. tostring(hub.silence) .. " seconds"
    local stream = hub.stream
    if turn.stood_at == nil and stream ~= nil then
        text = "timeout: the watch does not stand"
        balancer.report_failure(hub.core, stream.endpoint)
    end
    turn.err = errors.local_error("timeout", text, stream and stream.endpoint)
    turn.over = true
end

--- Ends a stream at once, whoever reads from it.
---@param hub resty.etcd.watch.types.SharedWatch
---@param reader table
local function stop(hub, reader)
    local stream = hub.stream
    if stream ~= nil then
        hub.heard_at = max(
            hub.heard_at,
            stream:heard_at()
        )
        stream:close()
        hub.stream = nil
    end
    hub.connected = false
    hub.blocked = false
    ngx.thread.kill(reader)
end

--- Says what is the matter, now and then.
---@param hub resty.etcd.watch.types.SharedWatch
---@param err resty.etcd.protocol.errors.EtcdError
---@param delay number
local function log_reopen(hub, err, delay)
    local time = now()
    local said_at = hub.said_at[err.name]
    if delay > 0 and #hub.consumers > 0 and (said_at == nil or time - said_at > QUIET) then
        hub.said_at[err.name] = time
        local text = string.gsub(
            "watch of " .. hub.range.key .. ": " .. errors.to_text(err),
            "%c",
            "?"
        )
        ngx.log(ngx.WARN, text, ". Opening it again")
    end
end

--- Draws the conclusions from the end of a stream.
---@param hub resty.etcd.watch.types.SharedWatch
---@param turn resty.etcd.watch.stream_reader.StreamSession
---@return number? # seconds until it is to be opened again; nil if it is not
local function handle_stream_end(hub, turn)
    local err = turn.err or errors.local_error("closed", "closed")
    local name = err.name
    hub.last_error = err
    hub.ends[name] = (hub.ends[name] or 0) + 1
    watch_errors.drop_token(hub.core, err)
    if watch_errors.is_permanent(hub.core, err) then
        if watch_errors.is_forbidden(err) then
            sharing.split(hub)
        end
        shared_watch["end"](hub, err)
        return nil
    end
    local stood_at = turn.stood_at
    if turn.delivered or stood_at ~= nil and now() - stood_at > LIFE then
        backoffs.reset(hub.backoff)
    end
    local may_hurry = stood_at ~= nil and hub.backoff.seconds == 0
    local delay = backoffs.next(hub.backoff)
    if name == "compacted" then
        shared_watch.on_revisions_lost(hub, "compacted", err)
    elseif name == "no_endpoint" then
        delay = min(delay, NO_ENDPOINT)
    end
    if may_hurry and now() - hub.hurried_at > HURRY then
        delay = 0
        hub.hurried_at = now()
    end
    log_reopen(hub, err, delay)
    return delay
end

--- Lets the stream live once; returns seconds until it is to be opened again, nil if it is not.
---@param hub resty.etcd.watch.types.SharedWatch
---@param lists_now table
---@return number?
local function run_stream(hub, lists_now)
    local turn = {
        over = false,
        err = nil,
        began_at = now(),
        answered_at = nil,
        stood_at = nil,
        delivered = false,
        check = nil,
        next_check = 0
    }
    local reader = ngx.thread.spawn(read_stream, hub, turn)
    while not turn.over do
        if not wait_for_work(hub, lists_now, TICK) then
            end_check(turn)
            stop(hub, reader)
            return nil
        end
        if not is_silent(hub, turn) then
            end_check(turn)
        elseif turn.err == nil and is_dead(hub, turn) then
            give_up(hub, turn)
        end
    end
    end_check(turn)
    stop(hub, reader)
    return handle_stream_end(hub, turn)
end

--- Waits in this timer.
---@param hub resty.etcd.watch.types.SharedWatch
---@param lists_now table
---@param seconds number
local function wait_to_reopen(hub, lists_now, seconds)
    local until_time = now() + seconds
    local left = seconds
    while left > 0 and wait_for_work(
        hub,
        lists_now,
        min(left, TICK)
    ) do
        left = until_time - now()
    end
end

--- Keeps a hub's stream alive, for as long as it has consumers.
---@param premature boolean
---@param hub resty.etcd.watch.types.SharedWatch
local function run(premature, hub)
    if hub.running then
        return
    end
    hub.running = true
    if premature or ngx.worker.exiting() then
        shared_watch["end"](
            hub,
            shared_watch.exiting()
        )
        return
    end
    local lists_now = {}
    while #hub.consumers > 0 do
        local delay = run_stream(hub, lists_now)
        if delay ~= nil then
            if not sweep_lists(lists_now) and (shared_watch.start(hub, delay)) ~= nil then
                return
            end
            wait_to_reopen(hub, lists_now, delay)
        end
    end
    while sweep_lists(lists_now) do
        wait_for_work(hub, lists_now, TICK)
    end
end
_M.run = run

return _M
