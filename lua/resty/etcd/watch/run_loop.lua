-- Generated from src/resty/etcd/watch/run_loop.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local lists = require("resty.etcd.watch.list")
local liveness_checks = require("resty.etcd.watch.liveness")
local reopen_limit = require("resty.etcd.watch.reopen_limit")
local reopen_policy = require("resty.etcd.watch.reopen_policy")
local shared_watches = require("resty.etcd.watch.shared_watch")
local sharing = require("resty.etcd.watch.sharing")
local stream_reader = require("resty.etcd.watch.stream_reader")
local timer_loops = require("resty.etcd.base.timer_loop")
local watch_errors = require("resty.etcd.watch.errors")
local watch_log = require("resty.etcd.watch.watch_log")
local now = clock.now
local max = math.max
local min = math.min

--- Maximum seconds of a wait, so that the worker's exit is noticed.
local POLL_INTERVAL = 0.5

--- Waits for something to do. Returns false if the watch has no subscribers any more.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param seconds number
---@return boolean
local function wait_for_work(shared_watch, seconds)
    lists.sweep(shared_watch)
    lists.start(shared_watch)
    shared_watches.wait(shared_watch, seconds)
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        if subscriber.is_closed then
            shared_watches.unsubscribe(subscriber)
        end
    end
    if ngx.worker.exiting() then
        shared_watches.fail_all(
            shared_watch,
            watch_errors.exiting()
        )
        lists.fail_all(
            shared_watch,
            watch_errors.exiting()
        )
        return false
    end
    return #shared_watch.subscribers > 0
end

--- Reports whether a subscriber needs a full state.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@return boolean
local function reads_state(shared_watch)
    for ____, subscriber in ipairs(shared_watch.subscribers) do
        if subscriber.pending_state ~= nil then
            return true
        end
    end
    return false
end

--- Handles the end of a stream.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param session resty.etcd.watch.stream_reader.StreamSession
---@return number? # the delay in seconds before the next stream; nil if the watch has ended with an error
local function handle_stream_end(shared_watch, session)
    local err = session.err
    local core = shared_watch.core
    shared_watches.note_stream_end(shared_watch, err)
    watch_errors.drop_token(core, err)
    if watch_errors.is_permanent(core, err) then
        if watch_errors.is_forbidden(err) then
            sharing.split(shared_watch)
        end
        shared_watches.fail_all(shared_watch, err)
        return nil
    end
    local ____end = {
        err = err,
        connected_at = session.created_at,
        has_delivered = session.has_delivered,
        is_answered = session.is_located or watch_errors.is_answer(err),
        attempts = session.attempts
    }
    local delay = reopen_policy.next_delay(shared_watch.reopen_policy, ____end)
    if reopen_policy.is_limited_by_client(____end) then
        delay = max(
            delay,
            reopen_limit.delay(core)
        )
    end
    if err.name == "compacted" then
        shared_watches.on_revisions_lost(shared_watch, "compacted", err)
    end
    if #shared_watch.subscribers > 0 then
        if err.name == "compacted" then
            watch_log.compacted(
                shared_watch.log,
                reads_state(shared_watch)
            )
        elseif delay > 0 then
            watch_log.reopening(shared_watch.log, err)
        end
    end
    return delay
end

--- Reports whether the turn must end, because too many timers have only a few streams left.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@return boolean
local function must_move(shared_watch)
    return timer_loops.must_hand_over(shared_watch.loop) and not lists.sweep(shared_watch)
end

--- Opens a stream and stays with it until it ends.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@return number? # the delay in seconds before the next stream; nil if the watch has ended
local function run_stream(shared_watch)
    local session = stream_reader.start(shared_watch)
    local liveness = liveness_checks.new()
    local is_wanted = true
    while is_wanted and not stream_reader.is_over(session) and not must_move(shared_watch) do
        is_wanted = wait_for_work(
            shared_watch,
            liveness_checks.poll_interval(liveness, shared_watch)
        )
        if is_wanted and not stream_reader.is_over(session) then
            local err = liveness_checks.check(liveness, shared_watch, session)
            if err ~= nil then
                stream_reader.finish(session, err)
            end
        end
    end
    liveness_checks.stop(liveness)
    stream_reader.stop(shared_watch, session)
    if not is_wanted then
        return nil
    end
    if not stream_reader.is_over(session) then
        return 0
    end
    return handle_stream_end(shared_watch, session)
end

--- Waits in this turn before the next stream.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@param seconds number
local function wait_to_reopen(shared_watch, seconds)
    local until_time = now() + seconds
    local left = seconds
    while left > 0 and wait_for_work(
        shared_watch,
        min(left, POLL_INTERVAL)
    ) do
        left = until_time - now()
    end
end

--- Makes one turn of a shared watch: opens a stream and stays with it until it ends. Full states that are being read keep
--- the turn, because its light threads read them.
---@param shared_watch resty.etcd.watch.types.SharedWatch
---@return number? # the delay in seconds before the next turn; nil if the watch has ended
local function run(shared_watch)
    shared_watches.stop_streaming(shared_watch)
    lists.stop(shared_watch)
    if ngx.worker.exiting() then
        shared_watches.fail_all(
            shared_watch,
            watch_errors.exiting()
        )
    end
    while #shared_watch.subscribers > 0 do
        local delay = run_stream(shared_watch)
        if delay ~= nil then
            if not lists.sweep(shared_watch) then
                return delay
            end
            wait_to_reopen(shared_watch, delay)
        end
    end
    while lists.sweep(shared_watch) do
        wait_for_work(shared_watch, POLL_INTERVAL)
    end
    return nil
end
_M.run = run

return _M
