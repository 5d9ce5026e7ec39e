-- Generated from src/resty/etcd/mirror/run_loop.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoff = require("resty.etcd.base.backoff")
local clock = require("resty.etcd.base.clock")
local time_slice = require("resty.etcd.base.time_slice")
local timer_loop = require("resty.etcd.base.timer_loop")
local waits = require("resty.etcd.base.wait")
local errors = require("resty.etcd.protocol.errors")
local reopen_limit = require("resty.etcd.watch.reopen_limit")
local apply_batch = require("resty.etcd.mirror.apply_batch")
local build_index = require("resty.etcd.mirror.build_index")
local indexes = require("resty.etcd.mirror.indexes")
local notifier = require("resty.etcd.mirror.notifier")
local waiters = require("resty.etcd.mirror.waiters")
local now = clock.now
local max = math.max

--- Seconds between two checks for the end of the mirror or its worker.
local POLL_INTERVAL = 0.5

--- Seconds before a second feed is opened; doubles with each failure in a row. Each feed takes up to four calls.
local FIRST_DELAY = 0.5
local MAX_DELAY = 5

--- Seconds for which a feed that has delivered something must last, so that its end is no failure in a row.
local HEALTHY_AFTER = 10

--- Seconds between two checks while the loop keeps its timer for a callback that has not returned.
local CALLBACK_POLL_INTERVAL = 0.1

--- Seconds between two checks whether the loop has moved to another timer.
local MOVE_POLL_INTERVAL = 0.1

--- Creates a loop. `begin` adds its timer.
---@param source fun(): resty.etcd.watch.feed.Feed?, resty.etcd.protocol.errors.EtcdError?
---@return resty.etcd.mirror.types.Loop
local function create(source)
    local loop = {
        source = source,
        is_closed = false,
        feed = nil,
        feed_opened_at = 0,
        has_received = false,
        has_etcd_state = false,
        feed_revision = 0,
        confirmed_revision = 0,
        last_received_at = nil,
        last_error = nil,
        counters = {
            batches = 0,
            puts = 0,
            deletes = 0,
            full = {},
            failures = 0
        },
        has_user_functions = false,
        batch = nil,
        applied = nil,
        failures_in_a_row = 0,
        next_feed_at = 0,
        is_applying = false,
        successor = nil
    }
    return loop
end

local function is_over(loop)
    return loop.is_closed or ngx.worker.exiting()
end

--- Returns the error for something that this driver throws.
---@param thrown any
---@return resty.etcd.protocol.errors.EtcdError
local function unexpected_error(thrown)
    return errors.local_error(
        "bad_reply",
        tostring(thrown)
    )
end

--- Reports whether the turns call functions of users: `decode`, `validate`, `transform`, indexes, or callbacks.
---@param state resty.etcd.mirror.types.State
---@return boolean
local function calls_user_functions(state)
    return state.decoder.has_user_functions or notifier.is_used(state.notifications) or indexes.is_used(state.indexes)
end

--- Reports whether the loop must move to the timers of loops that call functions of users.
---@param state resty.etcd.mirror.types.State
---@return boolean
local function must_move(state)
    return not state.loop.has_user_functions and calls_user_functions(state)
end

--- Reports whether the turn must return. A callback that has not returned runs in this timer, and keeps it.
---@param state resty.etcd.mirror.types.State
---@return boolean
local function must_return(state)
    return not state.notifications.is_notifying and (must_move(state) or timer_loop.must_hand_over(state.loop.timer))
end

--- Does what was asked for since the last batch: it must be done before the content changes.
---@param state resty.etcd.mirror.types.State
local function do_pending(state)
    build_index.build_pending(state)
    notifier.announce_initial(state)
end

--- Applies the batches of a feed until the feed fails, the mirror ends, or the turn must return.
---@param state resty.etcd.mirror.types.State
---@param feed resty.etcd.watch.feed.Feed
---@return resty.etcd.protocol.errors.EtcdError? # an error only if the feed fails
local function follow(state, feed)
    local ____state_0 = state
    local loop = ____state_0.loop
    local notifications = ____state_0.notifications
    local store = ____state_0.store
    local slice = time_slice.start()
    while true do
        if must_return(state) then
            return nil
        end
        time_slice.yield_if_due(slice)
        do_pending(state)
        while loop.batch == nil do
            local since = now()
            local batch, err = feed:next(POLL_INTERVAL)
            time_slice.restart_after_wait(slice, since)
            notifier.warn_if_slow(notifications)
            if is_over(loop) then
                return nil
            end
            if batch == nil and err.name ~= "timeout" then
                return err
            end
            loop.batch = batch
            if must_return(state) then
                return nil
            end
            do_pending(state)
        end
        if must_return(state) or is_over(loop) then
            return nil
        end
        local batch = loop.batch
        local is_first = store.version == 0
        loop.is_applying = true
        local ok, result = pcall(apply_batch.apply_batch, state, batch)
        loop.is_applying = false
        loop.batch = nil
        if not ok then
            return unexpected_error(result)
        end
        local changes = result
        if changes == nil then
            return nil
        end
        loop.applied = {revision = store.revision, changes = changes, is_first = is_first}
        notifier.announce(state)
    end
end

local function drop_feed(loop)
    local feed = loop.feed
    if feed ~= nil then
        if loop.has_received then
            loop.last_received_at = now() - feed:age()
        end
        loop.has_received = false
        loop.batch = nil
        loop.feed = nil
        feed:close()
    end
end

--- Follows the open feed, or a new one.
---@param state resty.etcd.mirror.types.State
---@return resty.etcd.protocol.errors.EtcdError?
local function open_and_follow(state)
    local loop = state.loop
    if loop.feed == nil then
        local feed, err = loop.source()
        if feed == nil then
            return err
        end
        loop.feed = feed
        loop.feed_opened_at = now()
    end
    return follow(state, loop.feed)
end

--- Logs the failure of a feed, unless the previous failure had the same error.
---@param state resty.etcd.mirror.types.State
---@param err resty.etcd.protocol.errors.EtcdError
local function note_failure(state, err)
    local loop = state.loop
    local counters = loop.counters
    local last_error = loop.last_error
    counters.failures = counters.failures + 1
    if last_error == nil or last_error.message ~= err.message then
        ngx.log(
            ngx.WARN,
            state.log.subject,
            ": ",
            errors.to_text(err),
            "; retrying"
        )
    end
    loop.last_error = err
end

local function stop_successor(loop)
    local successor = loop.successor
    if successor ~= nil then
        loop.successor = nil
        timer_loop.stop(successor)
    end
end

--- Closes the mirror. Its content can still be read.
---@param state resty.etcd.mirror.types.State
local function finish(state)
    local loop = state.loop
    loop.is_closed = true
    notifier.stop(state.notifications)
    indexes.drop_pending(state.indexes)
    drop_feed(loop)
    waiters.wake_all(state.ready_waiters)
    waiters.wake_all(state.revision_waiters)
    timer_loop.stop(loop.timer)
    stop_successor(loop)
end

--- Closes the mirror immediately.
---@param self resty.etcd.mirror.types.State
---@return true
local function close(self)
    finish(self)
    return true
end

--- Follows one feed. Returns the seconds until the next turn.
---@param state resty.etcd.mirror.types.State
---@return number
local function follow_one(state)
    local loop = state.loop
    local wait = loop.next_feed_at - now()
    if wait > 0 then
        return wait
    end
    local ok, result = pcall(open_and_follow, state)
    local err = result
    if not ok then
        err = unexpected_error(result)
    end
    if err == nil or is_over(loop) then
        return 0
    end
    local is_healthy = loop.has_received and now() - loop.feed_opened_at > HEALTHY_AFTER
    local in_a_row = is_healthy and 1 or loop.failures_in_a_row + 1
    loop.failures_in_a_row = in_a_row
    drop_feed(loop)
    note_failure(state, err)
    local seconds = max(
        backoff.exponential(FIRST_DELAY, MAX_DELAY, in_a_row - 1),
        reopen_limit.delay(state.cli)
    )
    loop.next_feed_at = now() + seconds
    return seconds
end

--- Waits between two feeds in a turn that cannot return.
---@param state resty.etcd.mirror.types.State
---@param seconds number
local function pause(state, seconds)
    local deadline = now() + seconds
    while now() < deadline and state.notifications.is_notifying and not is_over(state.loop) do
        waits.sleep(CALLBACK_POLL_INTERVAL)
        build_index.build_pending(state)
        notifier.warn_if_slow(state.notifications)
    end
end

--- A turn: keeps the mirror up to date until it must hand over, a feed fails, or the mirror or its worker ends.
---@param state resty.etcd.mirror.types.State
---@return number?
local function turn(state)
    local loop = state.loop
    local seconds = 0
    notifier.announce(state)
    notifier.call_pending(state.notifications)
    build_index.build_pending(state)
    while not is_over(loop) do
        seconds = follow_one(state)
        if not state.notifications.is_notifying then
            break
        end
        pause(state, seconds)
    end
    if is_over(loop) then
        finish(state)
        notifier.wait_for_callback(state.notifications)
        return nil
    end
    notifier.end_thread(state.notifications)
    return seconds
end

--- Reports whether a function of the user has not returned: `decode`, `validate`, `transform`, an index or a callback.
---@param state resty.etcd.mirror.types.State
---@return boolean
local function is_calling(state)
    local is_in_apply = state.loop.is_applying and (state.decoder.is_calling or state.indexes.is_calling)
    return is_in_apply or state.notifications.callback_started_at ~= nil
end

--- Restores a consistent state after the timer was terminated. If a function of this mirror was running, the next turn
--- opens another feed, because that function can have used the old one. Otherwise the mirror continues where it was.
---@param state resty.etcd.mirror.types.State
---@return boolean # whether a function of this mirror was running
local function on_terminated(state)
    local loop = state.loop
    local feed = loop.feed
    local was_building = build_index.on_terminated(state)
    local was_calling = is_calling(state)
    if loop.is_applying then
        loop.is_applying = false
        state.decoder.is_calling = false
        state.indexes.is_calling = false
    end
    notifier.reset(state.notifications)
    if was_calling then
        drop_feed(loop)
        note_failure(
            state,
            errors.local_error("closed", "a callback terminated the mirror's timer")
        )
        loop.failures_in_a_row = 0
    elseif feed ~= nil and feed.survives_kill ~= true then
        drop_feed(loop)
    end
    return was_calling or was_building
end

local function new_timer(state, make_turn, has_user_functions)
    return timer_loop.new(
        state.log.subject,
        make_turn,
        {
            pool = has_user_functions and "user_functions" or "short",
            on_terminated = function() return on_terminated(state) end
        }
    )
end

--- A turn in the timer to which the loop moves.
---@param state resty.etcd.mirror.types.State
---@return number?
local function run_moved(state)
    local loop = state.loop
    local successor = loop.successor
    if successor ~= nil then
        timer_loop.stop(loop.timer)
        loop.timer = successor
        loop.successor = nil
        loop.has_user_functions = true
    end
    return turn(state)
end

--- Moves the loop to the timers of loops that call functions of users. If nginx has no such timer, the loop stays where it
--- is, and calls them there.
---@param state resty.etcd.mirror.types.State
---@return number? # the seconds until the next check whether it has moved; nil if it stays
local function move(state)
    local loop = state.loop
    local successor = loop.successor
    if successor == nil then
        successor = new_timer(
            state,
            function() return run_moved(state) end,
            true
        )
        loop.successor = successor
        timer_loop.start(successor, 0)
    end
    if successor.is_started and timer_loop.problem(successor) == nil then
        return MOVE_POLL_INTERVAL
    end
    stop_successor(loop)
    loop.has_user_functions = true
    return nil
end

--- A turn in the timer that the loop begins in, which can be one that must not call functions of users.
---@param state resty.etcd.mirror.types.State
---@return number?
local function run(state)
    if must_move(state) and not is_over(state.loop) then
        local seconds = move(state)
        if seconds ~= nil then
            return seconds
        end
    end
    stop_successor(state.loop)
    return turn(state)
end

--- Starts the loop.
---@param state resty.etcd.mirror.types.State
---@return true? res
---@return string? err
local function begin(state)
    local loop = state.loop
    loop.has_user_functions = calls_user_functions(state)
    loop.timer = new_timer(
        state,
        function() return run(state) end,
        loop.has_user_functions
    )
    return timer_loop.start(loop.timer, 0)
end
_M.begin = begin
_M.close = close
_M.new = create

return _M
