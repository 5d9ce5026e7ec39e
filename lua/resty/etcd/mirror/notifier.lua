-- Generated from src/resty/etcd/mirror/notifier.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local gc_barrier = require("resty.etcd.base.gc_barrier")
local time_slice = require("resty.etcd.base.time_slice")
local error_text = require("resty.etcd.base.error_text")
local rate_limited_log = require("resty.etcd.base.rate_limited_log")
local now = clock.now
local max = math.max
local remove = table.remove

--- So many changes wait for a slow function as they were.
local MAX_PENDING = 1024

--- Seconds after which a function that has not returned is complained of.
local SLOW_AFTER = 1

--- Seconds that a function has to return when the worker ends.
local EXIT_GRACE = 0.5
local POLL_INTERVAL = 0.1

--- Calls all that were there when the changes came, and are still.
---@param state resty.etcd.mirror.types.State
---@param item resty.etcd.mirror.types.PendingChanges
---@param slice resty.etcd.base.time_slice.TimeSlice
local function call_all(state, item, slice)
    local told = {revision = item.revision, changes = item.changes}
    for ____, callback in ipairs(item.callbacks) do
        if state.is_closed then
            return
        end
        if not callback.is_stopped then
            state.callback_started_at = now()
            local ok, err = pcall(callback.fn, told)
            state.callback_started_at = nil
            state.has_warned = false
            if not ok then
                local counters = state.counters
                counters.callback_errors = counters.callback_errors + 1
                local text = error_text.of(err, "no reason")
                ngx.log(
                    ngx.WARN,
                    "mirror of ",
                    state.dir,
                    ": on_change: ",
                    text
                )
            end
            time_slice.yield_if_due(slice)
        end
    end
end

--- Tells what there is.
---@param state resty.etcd.mirror.types.State
local function tell_what_waits(state)
    local slice = time_slice.start()
    local item = remove(state.pending_changes, 1)
    while item ~= nil do
        state.pending_count = state.pending_count - #item.changes
        call_all(state, item, slice)
        item = remove(state.pending_changes, 1)
    end
end

--- The same, in a light thread.
---@param state resty.etcd.mirror.types.State
local function drain(state)
    pcall(tell_what_waits, state)
    state.coalesce_at = MAX_PENDING
    state.is_notifying = false
    state.notifier_thread = nil
    state.callback_started_at = nil
end

--- A change after another one of the same key.
---@param before resty.etcd.mirror.types.Change
---@param after resty.etcd.mirror.types.Change
---@return resty.etcd.mirror.types.Change
local function join(before, after)
    return gc_barrier.mark_now({type = after.type, key = after.key, kv = after.kv, old = before.old})
end

--- Makes one difference of all that waits for a function that is slow, so that it takes no more memory than keys do,
--- and nothing is lost.
---@param state resty.etcd.mirror.types.State
local function coalesce(state)
    local waiting = state.pending_changes
    local latest = waiting[#waiting]
    local count = state.pending_count
    state.pending_changes = {}
    state.pending_count = 0
    local slice = time_slice.start()
    local by_key = {}
    local keys = {}
    for ____, item in ipairs(waiting) do
        for ____, change in ipairs(item.changes) do
            time_slice.yield_if_due(slice)
            local key = change.key
            local before = by_key[key]
            if before == nil then
                keys[#keys + 1] = key
                by_key[key] = change
            else
                by_key[key] = join(before, change)
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
        local ____state_pending_changes_0 = state.pending_changes
        ____state_pending_changes_0[#____state_pending_changes_0 + 1] = {revision = latest.revision, changes = changes, callbacks = latest.callbacks}
    end
    state.pending_count = #changes
    state.coalesce_at = max(MAX_PENDING, 2 * #changes)
    state.counters.coalesced = state.counters.coalesced + 1
    rate_limited_log.warn(
        state.log,
        "on_change is slow: " .. tostring(count) .. " changes that waited for it are one difference now"
    )
end

--- Says once of each call that it takes long.
---@param state resty.etcd.mirror.types.State
local function warn_if_slow(state)
    local called_at = state.callback_started_at
    if called_at ~= nil and not state.has_warned and now() - called_at > SLOW_AFTER then
        state.has_warned = true
        rate_limited_log.warn(
            state.log,
            "on_change: a function has not returned for " .. tostring(SLOW_AFTER) .. " s; what follows waits for it"
        )
    end
end

--- Tells those who want to hear of changes, which they can all see already. Functions that do not wait have returned
--- when this does; others are left to themselves, and what follows is told after them. Only one light thread may do this.
---@param state resty.etcd.mirror.types.State
---@param revision number
---@param changes resty.etcd.mirror.types.Change[]
local function notify(state, revision, changes)
    local callbacks = state.callbacks
    if #changes == 0 or #callbacks == 0 then
        return
    end
    local ____state_pending_changes_1 = state.pending_changes
    ____state_pending_changes_1[#____state_pending_changes_1 + 1] = {revision = revision, changes = changes, callbacks = callbacks}
    state.pending_count = state.pending_count + #changes
    if state.is_notifying and state.pending_count > state.coalesce_at then
        coalesce(state)
    end
    if not state.is_notifying and #state.pending_changes > 0 then
        state.is_notifying = true
        local thread = ngx.thread.spawn(drain, state)
        if state.is_notifying then
            state.notifier_thread = thread
        end
    end
    while state.is_notifying and state.callback_started_at == nil do
        time_slice.yield_now()
    end
end

--- The timer that the functions ran in is no more.
---@param state resty.etcd.mirror.types.State
local function forget(state)
    state.is_notifying = false
    state.notifier_thread = nil
    state.callback_started_at = nil
    state.coalesce_at = MAX_PENDING
end

--- Waits in the timer that the functions run in until they have returned; a worker that ends waits for none for long.
---@param state resty.etcd.mirror.types.State
local function finish(state)
    state.pending_changes = {}
    local ends_at
    while state.is_notifying do
        if ngx.worker.exiting() then
            if ends_at == nil then
                ends_at = now() + EXIT_GRACE
            end
            if now() > ends_at and state.notifier_thread ~= nil then
                ngx.thread.kill(state.notifier_thread)
                return
            end
        end
        ngx.sleep(POLL_INTERVAL)
    end
end
_M.MAX_PENDING = MAX_PENDING
_M.finish = finish
_M.forget = forget
_M.warn_if_slow = warn_if_slow
_M.notify = notify

return _M
