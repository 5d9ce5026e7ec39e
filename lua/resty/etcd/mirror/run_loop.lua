-- Generated from src/resty/etcd/mirror/run_loop.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local random = require("resty.etcd.base.random")
local time_slice = require("resty.etcd.base.time_slice")
local timers = require("resty.etcd.base.timers")
local watchdog = require("resty.etcd.base.watchdog")
local errors = require("resty.etcd.protocol.errors")
local apply = require("resty.etcd.mirror.apply")
local notifier = require("resty.etcd.mirror.notifier")
local stores = require("resty.etcd.mirror.store")
local wait_ready = require("resty.etcd.mirror.wait_ready")
local now = clock.now
local min = math.min

--- Seconds between two checks for the end of the mirror or its worker.
local POLL_INTERVAL = 0.5

--- Seconds before a second feed is opened; doubles with each failure in a row.
local FIRST_DELAY = 0.1
local MAX_DELAY = 5

--- Batches after which the loop moves to a new timer: nginx frees what a timer has allocated only when it ends.
local BATCHES_PER_TIMER = 10000

local function create(source)
    local lock, lock_err = semaphore.new(1)
    if lock == nil then
        return nil, lock_err
    end
    local wake, wake_err = semaphore.new(0)
    if wake == nil then
        return nil, wake_err
    end
    return {
        source = source,
        is_closed = false,
        feed = nil,
        has_received = false,
        last_received_at = nil,
        last_error = nil,
        counters = {
            batches = 0,
            puts = 0,
            deletes = 0,
            full = {},
            failures = 0
        },
        heartbeat = {running = false, missed = 0},
        timers = 0,
        is_applying = false,
        lock = lock,
        wake = wake
    }
end

local function is_over(loop)
    return loop.is_closed or ngx.worker.exiting()
end

--- Waits for the lock of the store: its holder can change the store, and yield in between.
---@param loop resty.etcd.mirror.types.Loop
---@return boolean # false if the mirror ends
local function acquire(loop)
    while not is_over(loop) do
        local ok = loop.lock:wait(POLL_INTERVAL)
        if ok == true then
            return true
        end
    end
    return false
end

local function release(loop)
    loop.lock:post(1)
end

--- Applies a full state. History has also diverged if revisions go backwards: a new feed cannot know.
---@param state resty.etcd.mirror.types.State
---@param batch resty.etcd.watch.feed.Batch
---@return resty.etcd.mirror.types.Change[]?
local function apply_full_state(state, batch)
    local full = state.loop.counters.full
    local reason = batch.reason or "list"
    full[reason] = (full[reason] or 0) + 1
    return apply.apply_full_state(state, batch, reason == "restored" or batch.revision < state.store.revision)
end

local function count(loop, batch)
    local counters = loop.counters
    counters.batches = counters.batches + 1
    for ____, event in ipairs(batch.events) do
        if event.type == "PUT" then
            counters.puts = counters.puts + 1
        else
            counters.deletes = counters.deletes + 1
        end
    end
end

--- Applies a batch. Nothing yields between the change of the store and the end of this function.
---@param state resty.etcd.mirror.types.State
---@param batch resty.etcd.watch.feed.Batch
---@return resty.etcd.mirror.types.Change[]? # the changes of the content; nil if the mirror was closed meanwhile: nothing has changed then
local function apply_batch(state, batch)
    local ____state_0 = state
    local loop = ____state_0.loop
    local store = ____state_0.store
    local changes = {}
    count(loop, batch)
    if batch.full ~= nil then
        changes = apply_full_state(state, batch)
    elseif #batch.events > 0 then
        changes = apply.apply_events(state, batch.events)
    end
    if changes == nil then
        return nil
    end
    local is_first = batch.full ~= nil and store.version == 0
    stores.advance(store, batch.revision, #changes > 0 or is_first)
    loop.has_received = true
    if batch.reason ~= "snapshot" then
        loop.last_error = nil
    end
    if batch.full ~= nil and store.miss_reason ~= nil then
        stores.mark_ready(store)
        wait_ready.wake_all(state.waiters)
    end
    return changes
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

--- Applies the batches of a feed until the feed fails, the mirror ends, or the timer is due to be replaced.
---@param state resty.etcd.mirror.types.State
---@param feed resty.etcd.watch.feed.Feed
---@return resty.etcd.protocol.errors.EtcdError? # an error only if the feed fails
local function follow(state, feed)
    local ____state_1 = state
    local loop = ____state_1.loop
    local notifications = ____state_1.notifications
    local store = ____state_1.store
    local slice = time_slice.start()
    for _ = 1, BATCHES_PER_TIMER do
        time_slice.yield_if_due(slice)
        local batch
        while batch == nil do
            local since = now()
            local next_batch, err = feed:next(POLL_INTERVAL)
            time_slice.restart_after_wait(slice, since)
            notifier.warn_if_slow(notifications)
            if is_over(loop) then
                return nil
            end
            if next_batch == nil and err.name ~= "timeout" then
                return err
            end
            batch = next_batch
        end
        if not acquire(loop) then
            return nil
        end
        local is_first = store.version == 0
        loop.is_applying = true
        local ok, result = pcall(apply_batch, state, batch)
        loop.is_applying = false
        release(loop)
        if not ok then
            return unexpected_error(result)
        end
        local changes = result
        if changes == nil then
            return nil
        end
        if is_first and #notifications.callbacks > 0 then
            changes = apply.all_as_changes(state)
        end
        notifier.notify(notifications, batch.revision, changes)
    end
    return nil
end

--- Waits before the next feed is opened; ends early with the mirror.
---@param loop resty.etcd.mirror.types.Loop
---@param failures number
local function pause(loop, failures)
    local seconds = random.jittered(min(
        MAX_DELAY,
        FIRST_DELAY * 2 ^ min(failures, 10)
    ))
    local ends_at = now() + seconds
    local left = seconds
    while left > 0 and not is_over(loop) do
        loop.wake:wait(min(left, POLL_INTERVAL))
        left = ends_at - now()
    end
end

local function drop_feed(loop)
    local feed = loop.feed
    if feed ~= nil then
        if loop.has_received then
            loop.last_received_at = now() - feed:age()
        end
        loop.has_received = false
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

--- Closes the mirror. Its content can still be read.
---@param state resty.etcd.mirror.types.State
local function finish(state)
    local loop = state.loop
    loop.is_closed = true
    notifier.stop(state.notifications)
    drop_feed(loop)
    wait_ready.wake_all(state.waiters)
    watchdog.release(loop.heartbeat)
end

--- Closes the mirror immediately.
---@param self resty.etcd.mirror.types.State
---@return true
local function close(self)
    self.loop.wake:post(1)
    finish(self)
    return true
end

--- Follows one feed until it fails, and waits before the next one.
---@param state resty.etcd.mirror.types.State
---@param failures number number of feeds that failed in a row so far
---@return number # that number after this feed
local function follow_one(state, failures)
    local ok, result = pcall(open_and_follow, state)
    local err = result
    if not ok then
        err = unexpected_error(result)
    end
    if err == nil then
        return 0
    end
    local in_a_row = state.loop.has_received and 1 or failures + 1
    drop_feed(state.loop)
    note_failure(state, err)
    pause(state.loop, in_a_row - 1)
    return in_a_row
end

--- Starts the next timer.
---@param timer fun(premature: boolean, state: resty.etcd.mirror.types.State, failures: number, id: number)
---@param state resty.etcd.mirror.types.State
---@param failures number
---@return true? res
---@return string? err
local function start(timer, state, failures)
    local loop = state.loop
    local ok, err = timers.at(
        0,
        timer,
        state,
        failures,
        loop.timers + 1
    )
    if ok == nil then
        return nil, err
    end
    loop.timers = loop.timers + 1
    loop.heartbeat.running = false
    return true
end

--- Keeps the mirror up to date until it is closed or the worker exits.
---@param premature boolean
---@param state resty.etcd.mirror.types.State
---@param failures number
---@param timer fun(premature: boolean, state: resty.etcd.mirror.types.State, failures: number, id: number)
local function work(premature, state, failures, timer)
    local in_a_row = failures
    while not premature and not is_over(state.loop) do
        in_a_row = follow_one(state, in_a_row)
        if not state.notifications.is_notifying and (start(timer, state, in_a_row)) ~= nil then
            return
        end
    end
    finish(state)
    if not premature then
        notifier.wait_for_callback(state.notifications)
    end
end

--- Runs the loop in a timer. A timer that is not the latest one does nothing.
---@param premature boolean
---@param state resty.etcd.mirror.types.State
---@param failures number
---@param id number
local function run(premature, state, failures, id)
    local loop = state.loop
    if id == loop.timers then
        local thread = watchdog.start_heartbeat(loop.heartbeat)
        work(premature, state, failures, run)
        ngx.thread.kill(thread)
    end
end

--- Starts again after the timer has ended, with a new feed: the old one can be in any state.
---@param state resty.etcd.mirror.types.State
---@param had_begun boolean
local function restart(state, had_begun)
    local loop = state.loop
    if loop.is_applying then
        loop.is_applying = false
        release(loop)
    end
    notifier.reset(state.notifications)
    if had_begun then
        drop_feed(loop)
        note_failure(
            state,
            errors.local_error("closed", "a callback terminated the mirror's timer")
        )
    end
    start(run, state, 0)
end

--- Starts the loop in a timer of this worker.
---@param state resty.etcd.mirror.types.State
---@return true? res
---@return string? err
local function begin(state)
    local heartbeat = state.loop.heartbeat
    local supervised, supervise_err = watchdog.supervise(
        heartbeat,
        function(had_begun)
            restart(state, had_begun)
        end
    )
    if supervised == nil then
        return nil, supervise_err
    end
    local ok, err = start(run, state, 0)
    if ok == nil then
        watchdog.release(heartbeat)
        return nil, err
    end
    return true
end
_M.acquire = acquire
_M.begin = begin
_M.close = close
_M.new = create
_M.release = release

return _M
