-- Generated from src/resty/etcd/mirror/run_loop.ts by TypeScriptToLua. Do not edit.
local _M = {}
local random = require("resty.etcd.base.random")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local watchdog = require("resty.etcd.base.watchdog")
local time_slice = require("resty.etcd.base.time_slice")
local apply = require("resty.etcd.mirror.apply")
local notifier = require("resty.etcd.mirror.notifier")
local timers = require("resty.etcd.base.timers")
local now = clock.now
local min = math.min

--- Seconds after which it looks whether the worker is to end.
local POLL_INTERVAL = 0.5

--- Seconds before a second feed is tried; it doubles with each failure.
local FIRST_DELAY = 0.1
local MAX_DELAY = 5

--- After so many batches it goes on in a new timer: what nginx keeps for one is only freed when it ends.
local BATCHES_PER_TIMER = 10000

local function is_over(state)
    return state.is_closed or ngx.worker.exiting()
end

--- Gets the right to change the store, and to yield in between; false if the mirror ends.
---@param state resty.etcd.mirror.types.State
---@return boolean
local function acquire(state)
    while not is_over(state) do
        local ok = state.lock:wait(POLL_INTERVAL)
        if ok == true then
            return true
        end
    end
    return false
end

--- Lets all go on that wait for the first state, or for the end.
---@param state resty.etcd.mirror.types.State
local function wake_waiters(state)
    for waiter in pairs(state.waiters) do
        waiter:post(1)
    end
end

--- Takes in a full state, or a restart of history under which revisions have gone back.
---@param state resty.etcd.mirror.types.State
---@param batch resty.etcd.watch.feed.Batch
---@return resty.etcd.mirror.types.Change[]?
local function take_full(state, batch)
    local full = state.counters.full
    local reason = batch.reason or "list"
    full[reason] = (full[reason] or 0) + 1
    return apply.take_full(state, batch, reason == "restored" or batch.revision < state.at_revision)
end

local function count(state, batch)
    local counters = state.counters
    counters.batches = counters.batches + 1
    for ____, event in ipairs(batch.events) do
        if event.type == "PUT" then
            counters.puts = counters.puts + 1
        else
            counters.deletes = counters.deletes + 1
        end
    end
end

--- Takes in a batch; returns what is different now. Nothing waits between the change and the end of this.
---@param state resty.etcd.mirror.types.State
---@param batch resty.etcd.watch.feed.Batch
---@return resty.etcd.mirror.types.Change[]? # nil if the mirror was closed meanwhile: it is as it was
local function take(state, batch)
    local changes = {}
    count(state, batch)
    if batch.full ~= nil then
        changes = take_full(state, batch)
    elseif #batch.events > 0 then
        changes = apply.take_events(state, batch.events)
    end
    if changes == nil then
        return nil
    end
    state.at_revision = batch.revision
    state.has_received = true
    if batch.reason ~= "snapshot" then
        state.last_error = nil
    end
    if #changes > 0 or batch.full ~= nil and state.data_version == 0 then
        state.data_version = state.data_version + 1
    end
    if batch.full ~= nil and state.miss_reason ~= nil then
        state.miss_reason = nil
        wake_waiters(state)
    end
    return changes
end

--- What should not have happened.
---@param what any
---@return resty.etcd.protocol.errors.EtcdError
local function unexpected_error(what)
    return errors.local_error(
        "bad_reply",
        tostring(what)
    )
end

--- Takes in what a feed gives until it fails; an error only if it does.
---@param state resty.etcd.mirror.types.State
---@param feed resty.etcd.watch.feed.Feed
---@return resty.etcd.protocol.errors.EtcdError?
local function follow(state, feed)
    local slice = time_slice.start()
    for _ = 1, BATCHES_PER_TIMER do
        time_slice.yield_if_due(slice)
        local batch
        while batch == nil do
            local since = now()
            local got, err = feed:next(POLL_INTERVAL)
            time_slice.restart_after_wait(slice, since)
            notifier.warn_if_slow(state)
            if is_over(state) then
                return nil
            end
            if got == nil and err.name ~= "timeout" then
                return err
            end
            batch = got
        end
        if not acquire(state) then
            return nil
        end
        local is_first = state.data_version == 0
        state.is_applying = true
        local ok, made = pcall(take, state, batch)
        state.is_applying = false
        state.lock:post(1)
        if not ok then
            return unexpected_error(made)
        end
        local changes = made
        if changes == nil then
            return nil
        end
        if is_first and #state.callbacks > 0 then
            changes = apply.all_new(state)
        end
        notifier.notify(state, batch.revision, changes)
    end
    return nil
end

--- Waits before another feed is tried; ends early with the mirror.
---@param state resty.etcd.mirror.types.State
---@param failures number
local function pause(state, failures)
    local seconds = random.jittered(min(
        MAX_DELAY,
        FIRST_DELAY * 2 ^ min(failures, 10)
    ))
    local ends_at = now() + seconds
    local left = seconds
    while left > 0 and not is_over(state) do
        state.wake:wait(min(left, POLL_INTERVAL))
        left = ends_at - now()
    end
end

local function drop_feed(state)
    local feed = state.feed
    if feed ~= nil then
        if state.has_received then
            state.last_received_at = now() - feed:age()
        end
        state.has_received = false
        state.feed = nil
        feed:close()
    end
end

--- Follows the feed that there is, or a new one, for as long as it goes well.
---@param state resty.etcd.mirror.types.State
---@return resty.etcd.protocol.errors.EtcdError?
local function turn(state)
    if state.feed == nil then
        local feed, err = state.source()
        if feed == nil then
            return err
        end
        state.feed = feed
    end
    return follow(state, state.feed)
end

--- A feed that failed is logged once, and again only when it fails in another way.
---@param state resty.etcd.mirror.types.State
---@param err resty.etcd.protocol.errors.EtcdError
local function note_failure(state, err)
    local counters = state.counters
    counters.failures = counters.failures + 1
    if state.last_error == nil or state.last_error.message ~= err.message then
        ngx.log(
            ngx.WARN,
            "mirror of ",
            state.dir,
            ": ",
            errors.to_text(err),
            "; trying again"
        )
    end
    state.last_error = err
end

--- Ends the mirror, whoever asks for it.
---@param state resty.etcd.mirror.types.State
local function finish(state)
    state.is_closed = true
    drop_feed(state)
    wake_waiters(state)
    watchdog.release(state.life)
end

--- Follows one feed until that fails.
---@param state resty.etcd.mirror.types.State
---@param failures number of feeds in a row so far
---@return number # the same, now
local function follow_one(state, failures)
    local ok, failed = pcall(turn, state)
    local err = failed
    if not ok then
        err = unexpected_error(failed)
    end
    if err == nil then
        return 0
    end
    local in_a_row = state.has_received and 1 or failures + 1
    drop_feed(state)
    note_failure(state, err)
    pause(state, in_a_row - 1)
    return in_a_row
end

--- Goes on in a new timer.
---@param timer fun(premature: boolean, state: resty.etcd.mirror.types.State, failures: number, id: number)
---@param state resty.etcd.mirror.types.State
---@param failures number
---@return true? res
---@return string? err
local function start(timer, state, failures)
    local ok, err = timers.at(
        0,
        timer,
        state,
        failures,
        state.timers + 1
    )
    if ok == nil then
        return nil, err
    end
    state.timers = state.timers + 1
    state.life.running = false
    return true
end

--- Keeps the mirror up to date until it is closed or the worker ends.
---@param premature boolean
---@param state resty.etcd.mirror.types.State
---@param failures number
---@param timer fun(premature: boolean, state: resty.etcd.mirror.types.State, failures: number, id: number)
local function work(premature, state, failures, timer)
    local in_a_row = failures
    while not premature and not is_over(state) do
        in_a_row = follow_one(state, in_a_row)
        if not state.is_notifying and (start(timer, state, in_a_row)) ~= nil then
            return
        end
    end
    finish(state)
    if not premature then
        notifier.finish(state)
    end
end

--- A timer of the mirror; one that comes too late does nothing.
---@param premature boolean
---@param state resty.etcd.mirror.types.State
---@param failures number
---@param id number
local function run(premature, state, failures, id)
    if id == state.timers then
        local signs = watchdog.start_heartbeat(state.life)
        work(premature, state, failures, run)
        ngx.thread.kill(signs)
    end
end

--- Its timer is no more: what that was about is not known, so it begins with a new feed.
---@param state resty.etcd.mirror.types.State
---@param had_begun boolean
local function restart(state, had_begun)
    if state.is_applying then
        state.is_applying = false
        state.lock:post(1)
    end
    notifier.forget(state)
    if had_begun then
        drop_feed(state)
        note_failure(
            state,
            errors.local_error("closed", "a function of the mirror's has ended its timer")
        )
    end
    start(run, state, 0)
end

--- Starts it in a timer of this worker.
---@param state resty.etcd.mirror.types.State
---@return true? res
---@return string? err
local function begin(state)
    local kept, keep_err = watchdog.supervise(
        state.life,
        function(had_begun)
            restart(state, had_begun)
        end
    )
    if kept == nil then
        return nil, keep_err
    end
    local ok, err = start(run, state, 0)
    if ok == nil then
        watchdog.release(state.life)
        return nil, err
    end
    return true
end
_M.acquire = acquire
_M.begin = begin
_M.finish = finish

return _M
