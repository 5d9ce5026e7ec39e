-- Generated from src/resty/etcd/mirror/notifier.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local error_text = require("resty.etcd.base.error_text")
local gc_barrier = require("resty.etcd.base.gc_barrier")
local rate_limited_log = require("resty.etcd.base.rate_limited_log")
local time_slice = require("resty.etcd.base.time_slice")
local wait = require("resty.etcd.base.wait")
local errors = require("resty.etcd.protocol.errors")
local timer_loop = require("resty.etcd.base.timer_loop")
local printable = require("resty.etcd.base.printable")
local apply = require("resty.etcd.mirror.apply")
local options = require("resty.etcd.mirror.options")
local now = clock.now
local max = math.max
local remove = table.remove

--- Changes that can wait for a slow callback before they are coalesced.
local MAX_PENDING = 1024

--- Seconds after which a callback that has not returned is logged.
local SLOW_AFTER = 1

--- Seconds that a callback has to return when the worker exits.
local EXIT_GRACE = 0.5
local POLL_INTERVAL = 0.1

--- Seconds of a wait for changes, which has no limit.
local IDLE_INTERVAL = 3600

local function create(log)
    local wake_signal, err = semaphore.new(0)
    local done_signal, done_err = semaphore.new(0)
    if wake_signal == nil or done_signal == nil then
        return nil, err or done_err or "no semaphore"
    end
    return {
        log = log,
        callbacks = {},
        joining = {},
        pending = {},
        coalescing = {},
        current = nil,
        called = 0,
        pending_count = 0,
        coalesce_at = MAX_PENDING,
        is_notifying = false,
        thread = nil,
        wake_signal = wake_signal,
        done_signal = done_signal,
        callback_started_at = nil,
        has_warned = false,
        is_stopped = false,
        error_count = 0,
        coalesced_count = 0
    }
end

local function with_callback(list, added)
    local all = {}
    for ____, callback in ipairs(list) do
        all[#all + 1] = callback
    end
    all[#all + 1] = added
    return all
end

local function without_callback(list, removed)
    local others = {}
    for ____, callback in ipairs(list) do
        if callback ~= removed then
            others[#others + 1] = callback
        end
    end
    return others
end

--- Registers a function to be called after each change of the content, when all of the change is visible.
---@param self resty.etcd.mirror.types.State
---@param fn fun(changes: resty.etcd.mirror.types.Changes)
---@param opts? resty.etcd.mirror.types.OnChangeOptions
---@return fun()? res # a function that unregisters it; nil, an error text and the details for invalid arguments
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function on_change(self, fn, opts)
    local problem = options.check_on_change(fn, opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local notifications = self.notifications
    local added = {fn = fn, is_stopped = false}
    if (opts and opts.initial) == true then
        notifications.joining = with_callback(notifications.joining, added)
    else
        notifications.callbacks = with_callback(notifications.callbacks, added)
    end
    return function()
        added.is_stopped = true
        notifications.callbacks = without_callback(notifications.callbacks, added)
        notifications.joining = without_callback(notifications.joining, added)
    end
end

--- Calls the callbacks that were registered at the time of the change and still are.
---@param notifications resty.etcd.mirror.types.Notifications
---@param item resty.etcd.mirror.types.PendingChanges
---@param slice resty.etcd.base.time_slice.TimeSlice
local function call_all(notifications, item, slice)
    local argument = {revision = item.revision, changes = item.changes, initial = item.initial}
    local callbacks = item.callbacks
    while notifications.called < #callbacks do
        if notifications.is_stopped then
            return
        end
        local callback = callbacks[notifications.called + 1]
        notifications.called = notifications.called + 1
        if not callback.is_stopped then
            notifications.callback_started_at = now()
            local ok, err = pcall(callback.fn, argument)
            notifications.callback_started_at = nil
            notifications.has_warned = false
            if not ok then
                notifications.error_count = notifications.error_count + 1
                local text = printable.of(error_text.of(err, "no reason"))
                ngx.log(ngx.WARN, notifications.log.subject, ": on_change: ", text)
            end
            time_slice.yield_if_due(slice)
        end
    end
end

--- Delivers the pending changes.
---@param notifications resty.etcd.mirror.types.Notifications
local function deliver(notifications)
    local slice = time_slice.start()
    while true do
        if notifications.current == nil then
            local item = remove(notifications.pending, 1)
            if item == nil then
                return
            end
            notifications.pending_count = notifications.pending_count - #item.changes
            notifications.current = item
            notifications.called = 0
        end
        call_all(notifications, notifications.current, slice)
        notifications.current = nil
    end
end

--- No callback runs any more.
---@param notifications resty.etcd.mirror.types.Notifications
local function end_notifying(notifications)
    notifications.is_notifying = false
    notifications.callback_started_at = nil
    notifications.coalesce_at = MAX_PENDING
end

--- The light thread in which callbacks run. It lasts, because nginx keeps the context of each light thread until the timer
--- ends.
---@param notifications resty.etcd.mirror.types.Notifications
local function run_thread(notifications)
    while true do
        pcall(deliver, notifications)
        end_notifying(notifications)
        wait.wake_all(notifications.done_signal)
        wait.wait(notifications.wake_signal, IDLE_INTERVAL)
    end
end

--- Calls the callbacks with what is pending. Those that do not wait for anything have returned when this function does.
---@param notifications resty.etcd.mirror.types.Notifications
local function call_pending(notifications)
    local has_pending = notifications.current ~= nil or #notifications.pending > 0
    if not notifications.is_notifying and has_pending and not notifications.is_stopped then
        notifications.is_notifying = true
        if notifications.thread == nil then
            notifications.thread = ngx.thread.spawn(run_thread, notifications)
        else
            notifications.wake_signal:post(1)
        end
    end
    while notifications.is_notifying and notifications.callback_started_at == nil do
        wait.wait(notifications.done_signal, wait.MIN_PAUSE)
    end
end

--- Ends the light thread, which waits for changes. The light thread that has called `notify` must do this.
---@param notifications resty.etcd.mirror.types.Notifications
local function end_thread(notifications)
    local thread = notifications.thread
    if thread ~= nil then
        notifications.thread = nil
        ngx.thread.kill(thread)
    end
end

--- Restores a consistent state after the timer was terminated. Callbacks that had not been called with the last changes
--- are called after `notify` or `call_pending`.
---@param notifications resty.etcd.mirror.types.Notifications
local function reset(notifications)
    end_notifying(notifications)
    notifications.thread = nil
    local ____notifications_2 = notifications
    local coalescing = ____notifications_2.coalescing
    local pending = ____notifications_2.pending
    if #coalescing > 0 then
        notifications.coalescing = {}
        for ____, item in ipairs(pending) do
            coalescing[#coalescing + 1] = item
        end
        notifications.pending = coalescing
        notifications.pending_count = 0
        for ____, item in ipairs(coalescing) do
            notifications.pending_count = notifications.pending_count + #item.changes
        end
    end
end

--- Merges two changes of the same key.
---@param before resty.etcd.mirror.types.Change
---@param after resty.etcd.mirror.types.Change
---@return resty.etcd.mirror.types.Change
local function merge(before, after)
    return gc_barrier.mark_now({type = after.type, key = after.key, kv = after.kv, old = before.old})
end

--- Merges all pending changes into one difference. A slow callback then holds back no more memory than the keys take,
--- and no change is lost.
---@param notifications resty.etcd.mirror.types.Notifications
local function coalesce(notifications)
    local pending = notifications.pending
    local latest = pending[#pending]
    local count = notifications.pending_count
    notifications.coalescing = pending
    notifications.pending = {}
    notifications.pending_count = 0
    local slice = time_slice.start()
    local by_key = {}
    local keys = {}
    for ____, item in ipairs(pending) do
        for ____, change in ipairs(item.changes) do
            time_slice.yield_if_due(slice)
            local key = change.key
            local before = by_key[key]
            if before == nil then
                keys[#keys + 1] = key
                by_key[key] = change
            else
                by_key[key] = merge(before, change)
            end
        end
    end
    local changes = {}
    for ____, key in ipairs(keys) do
        time_slice.yield_if_due(slice)
        local change = by_key[key]
        if change.kv ~= nil or change.old ~= nil then
            changes[#changes + 1] = change
        end
    end
    notifications.coalescing = {}
    if #changes > 0 then
        local ____notifications_pending_3 = notifications.pending
        ____notifications_pending_3[#____notifications_pending_3 + 1] = {revision = latest.revision, changes = changes, callbacks = latest.callbacks}
    end
    notifications.pending_count = #changes
    notifications.coalesce_at = max(MAX_PENDING, 2 * #changes)
    notifications.coalesced_count = notifications.coalesced_count + 1
    rate_limited_log.warn(
        notifications.log,
        "on_change: slow callback: merged " .. tostring(count) .. " pending changes into one difference"
    )
end

--- Logs, once per call, a callback that has not returned.
---@param notifications resty.etcd.mirror.types.Notifications
local function warn_if_slow(notifications)
    local started_at = notifications.callback_started_at
    if started_at ~= nil and not notifications.has_warned and now() - started_at > SLOW_AFTER then
        notifications.has_warned = true
        rate_limited_log.warn(
            notifications.log,
            "on_change: a callback has not returned for " .. tostring(SLOW_AFTER) .. " s; later changes wait for it"
        )
    end
end

--- Notifies the callbacks of changes that are already visible. Callbacks that do not wait for anything have returned
--- when this function does. Others run on, and receive what follows after that. Only one light thread can call this.
---@param notifications resty.etcd.mirror.types.Notifications
---@param revision number
---@param changes resty.etcd.mirror.types.Change[]
local function notify(notifications, revision, changes)
    local callbacks = notifications.callbacks
    if #changes == 0 or #callbacks == 0 then
        return
    end
    local ____notifications_pending_4 = notifications.pending
    ____notifications_pending_4[#____notifications_pending_4 + 1] = {revision = revision, changes = changes, callbacks = callbacks}
    notifications.pending_count = notifications.pending_count + #changes
    if notifications.is_notifying and notifications.pending_count > notifications.coalesce_at then
        coalesce(notifications)
    end
    call_pending(notifications)
end

--- Notifies the callbacks of the batch that was applied. Returns after those that do not wait for anything.
---@param state resty.etcd.mirror.types.State
local function announce(state)
    local ____state_5 = state
    local loop = ____state_5.loop
    local notifications = ____state_5.notifications
    local ____loop_6 = loop
    local applied = ____loop_6.applied
    if applied ~= nil then
        local ____applied_7 = applied
        local is_first = ____applied_7.is_first
        local revision = ____applied_7.revision
        local is_all = is_first and #notifications.callbacks > 0
        local changes = is_all and apply.all_as_changes(state) or applied.changes
        loop.applied = nil
        notify(notifications, revision, changes)
    end
    if notifications.thread ~= nil then
        timer_loop.note_leftovers(loop.timer, 1)
    end
end

--- Reports whether there is any callback.
---@param notifications resty.etcd.mirror.types.Notifications
---@return boolean
local function is_used(notifications)
    return #notifications.callbacks > 0 or #notifications.joining > 0
end

--- Delivers the whole content to the callbacks that have asked for it, unless another callback delays them. From then on
--- they receive changes. Only the loop of the mirror calls this: the content does not change meanwhile.
---@param state resty.etcd.mirror.types.State
local function announce_initial(state)
    local ____state_8 = state
    local notifications = ____state_8.notifications
    local store = ____state_8.store
    if #notifications.joining == 0 or notifications.is_notifying or not store.is_ready then
        return
    end
    local changes = apply.all_as_changes(state)
    local joining = notifications.joining
    notifications.joining = {}
    for ____, callback in ipairs(joining) do
        notifications.callbacks = with_callback(notifications.callbacks, callback)
    end
    local ____notifications_pending_9 = notifications.pending
    ____notifications_pending_9[#____notifications_pending_9 + 1] = {revision = store.revision, changes = changes, callbacks = joining, initial = true}
    notifications.pending_count = notifications.pending_count + #changes
    call_pending(notifications)
end

--- Calls no callback any more, except to the end of the one that runs.
---@param notifications resty.etcd.mirror.types.Notifications
local function stop(notifications)
    notifications.is_stopped = true
end

--- Waits until the running callback has returned. An exiting worker waits no longer than `EXIT_GRACE`.
---@param notifications resty.etcd.mirror.types.Notifications
local function wait_for_callback(notifications)
    notifications.pending = {}
    local deadline
    while notifications.is_notifying do
        if ngx.worker.exiting() then
            if deadline == nil then
                deadline = now() + EXIT_GRACE
            end
            if now() > deadline then
                break
            end
        end
        wait.sleep(POLL_INTERVAL)
    end
    end_thread(notifications)
end
_M.announce = announce
_M.announce_initial = announce_initial
_M.call_pending = call_pending
_M.end_thread = end_thread
_M.is_used = is_used
_M.new = create
_M.on_change = on_change
_M.reset = reset
_M.stop = stop
_M.wait_for_callback = wait_for_callback
_M.warn_if_slow = warn_if_slow

return _M
