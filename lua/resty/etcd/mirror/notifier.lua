-- Generated from src/resty/etcd/mirror/notifier.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local error_text = require("resty.etcd.base.error_text")
local gc_barrier = require("resty.etcd.base.gc_barrier")
local rate_limited_log = require("resty.etcd.base.rate_limited_log")
local time_slice = require("resty.etcd.base.time_slice")
local errors = require("resty.etcd.protocol.errors")
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

local function create(log)
    return {
        log = log,
        callbacks = {},
        pending = {},
        pending_count = 0,
        coalesce_at = MAX_PENDING,
        is_notifying = false,
        thread = nil,
        callback_started_at = nil,
        has_warned = false,
        is_stopped = false,
        error_count = 0,
        coalesced_count = 0
    }
end

--- Registers a function to be called after each change of the content, when all of the change is visible.
---@param self resty.etcd.mirror.types.State
---@param fn fun(changes: resty.etcd.mirror.types.Changes)
---@return fun()? res # a function that unregisters it
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function on_change(self, fn)
    if type(fn) ~= "function" then
        return errors.bad_request("callback must be function")
    end
    local notifications = self.notifications
    local added = {fn = fn, is_stopped = false}
    local all = {}
    for ____, callback in ipairs(notifications.callbacks) do
        all[#all + 1] = callback
    end
    all[#all + 1] = added
    notifications.callbacks = all
    return function()
        added.is_stopped = true
        local others = {}
        for ____, callback in ipairs(notifications.callbacks) do
            if callback ~= added then
                others[#others + 1] = callback
            end
        end
        notifications.callbacks = others
    end
end

--- Calls the callbacks that were registered at the time of the change and still are.
---@param notifications resty.etcd.mirror.types.Notifications
---@param item resty.etcd.mirror.types.PendingChanges
---@param slice resty.etcd.base.time_slice.TimeSlice
local function call_all(notifications, item, slice)
    local argument = {revision = item.revision, changes = item.changes}
    for ____, callback in ipairs(item.callbacks) do
        if notifications.is_stopped then
            return
        end
        if not callback.is_stopped then
            notifications.callback_started_at = now()
            local ok, err = pcall(callback.fn, argument)
            notifications.callback_started_at = nil
            notifications.has_warned = false
            if not ok then
                notifications.error_count = notifications.error_count + 1
                ngx.log(
                    ngx.WARN,
                    notifications.log.subject,
                    ": on_change: ",
                    error_text.of(err, "no reason")
                )
            end
            time_slice.yield_if_due(slice)
        end
    end
end

--- Delivers the pending changes.
---@param notifications resty.etcd.mirror.types.Notifications
local function deliver(notifications)
    local slice = time_slice.start()
    local item = remove(notifications.pending, 1)
    while item ~= nil do
        notifications.pending_count = notifications.pending_count - #item.changes
        call_all(notifications, item, slice)
        item = remove(notifications.pending, 1)
    end
end

--- No callback runs any more: it has returned, or the timer that it ran in has ended.
---@param notifications resty.etcd.mirror.types.Notifications
local function reset(notifications)
    notifications.is_notifying = false
    notifications.thread = nil
    notifications.callback_started_at = nil
    notifications.coalesce_at = MAX_PENDING
end

--- The light thread in which callbacks run.
---@param notifications resty.etcd.mirror.types.Notifications
local function run_thread(notifications)
    pcall(deliver, notifications)
    reset(notifications)
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
    if #changes > 0 then
        local ____notifications_pending_0 = notifications.pending
        ____notifications_pending_0[#____notifications_pending_0 + 1] = {revision = latest.revision, changes = changes, callbacks = latest.callbacks}
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
    local ____notifications_pending_1 = notifications.pending
    ____notifications_pending_1[#____notifications_pending_1 + 1] = {revision = revision, changes = changes, callbacks = callbacks}
    notifications.pending_count = notifications.pending_count + #changes
    if notifications.is_notifying and notifications.pending_count > notifications.coalesce_at then
        coalesce(notifications)
    end
    if not notifications.is_notifying and #notifications.pending > 0 then
        notifications.is_notifying = true
        local thread = ngx.thread.spawn(run_thread, notifications)
        if notifications.is_notifying then
            notifications.thread = thread
        end
    end
    while notifications.is_notifying and notifications.callback_started_at == nil do
        time_slice.yield_now()
    end
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
            if now() > deadline and notifications.thread ~= nil then
                ngx.thread.kill(notifications.thread)
                return
            end
        end
        ngx.sleep(POLL_INTERVAL)
    end
end
_M.new = create
_M.notify = notify
_M.on_change = on_change
_M.reset = reset
_M.stop = stop
_M.wait_for_callback = wait_for_callback
_M.warn_if_slow = warn_if_slow

return _M
