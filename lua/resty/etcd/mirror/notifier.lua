-- Generated from src/resty/etcd/mirror/notifier.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local gc_barrier = require("resty.etcd.base.gc_barrier")
local time_slice = require("resty.etcd.base.time_slice")
local rate_limited_log = require("resty.etcd.mirror.rate_limited_log")
local now = clock.now
local max = math.max
local guard = pcall
local remove = table.remove

--- So many changes wait for a slow function as they were.
local MANY = 1024

--- Seconds after which a function that has not returned is complained of.
local SLOW = 1

--- Seconds that a function has to return when the worker ends.
local GRACE = 0.5
local LOOK = 0.1

--- Calls all that were there when the changes came, and are still.
---@param state resty.etcd.mirror.types.State
---@param item resty.etcd.mirror.types.Untold
---@param slice resty.etcd.base.time_slice.TimeSlice
local function call_all(state, item, slice)
    local told = {revision = item.revision, changes = item.changes}
    for ____, callback in ipairs(item.callbacks) do
        if state.is_closed then
            return
        end
        if not callback.is_stopped then
            state.called_at = now()
            local ok, err = guard(callback.fn, told)
            state.called_at = nil
            state.is_complained = false
            if not ok then
                local counters = state.counters
                counters.callback_errors = counters.callback_errors + 1
                local text = rate_limited_log.text_of(err, "no reason")
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
    local item = remove(state.untold, 1)
    while item ~= nil do
        state.untold_count = state.untold_count - #item.changes
        call_all(state, item, slice)
        item = remove(state.untold, 1)
    end
end

--- The same, in a light thread.
---@param state resty.etcd.mirror.types.State
local function drain(state)
    guard(tell_what_waits, state)
    state.merge_at = MANY
    state.is_telling = false
    state.teller = nil
    state.called_at = nil
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
local function merge(state)
    local waiting = state.untold
    local latest = waiting[#waiting]
    local count = state.untold_count
    state.untold = {}
    state.untold_count = 0
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
        local ____state_untold_0 = state.untold
        ____state_untold_0[#____state_untold_0 + 1] = {revision = latest.revision, changes = changes, callbacks = latest.callbacks}
    end
    state.untold_count = #changes
    state.merge_at = max(MANY, 2 * #changes)
    state.counters.merged = state.counters.merged + 1
    rate_limited_log.warn(
        state,
        "on_change is slow: " .. tostring(count) .. " changes that waited for it are one difference now"
    )
end

--- Says once of each call that it takes long.
---@param state resty.etcd.mirror.types.State
local function warn_if_slow(state)
    local called_at = state.called_at
    if called_at ~= nil and not state.is_complained and now() - called_at > SLOW then
        state.is_complained = true
        rate_limited_log.warn(
            state,
            "on_change: a function has not returned for " .. tostring(SLOW) .. " s; what follows waits for it"
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
    local ____state_untold_1 = state.untold
    ____state_untold_1[#____state_untold_1 + 1] = {revision = revision, changes = changes, callbacks = callbacks}
    state.untold_count = state.untold_count + #changes
    if state.is_telling and state.untold_count > state.merge_at then
        merge(state)
    end
    if not state.is_telling and #state.untold > 0 then
        state.is_telling = true
        local thread = ngx.thread.spawn(drain, state)
        if state.is_telling then
            state.teller = thread
        end
    end
    while state.is_telling and state.called_at == nil do
        time_slice.yield_now()
    end
end

--- The timer that the functions ran in is no more.
---@param state resty.etcd.mirror.types.State
local function forget(state)
    state.is_telling = false
    state.teller = nil
    state.called_at = nil
    state.merge_at = MANY
end

--- Waits in the timer that the functions run in until they have returned; a worker that ends waits for none for long.
---@param state resty.etcd.mirror.types.State
local function finish(state)
    state.untold = {}
    local ends_at
    while state.is_telling do
        if ngx.worker.exiting() then
            if ends_at == nil then
                ends_at = now() + GRACE
            end
            if now() > ends_at and state.teller ~= nil then
                ngx.thread.kill(state.teller)
                return
            end
        end
        ngx.sleep(LOOK)
    end
end
_M.MANY = MANY
_M.finish = finish
_M.forget = forget
_M.warn_if_slow = warn_if_slow
_M.notify = notify

return _M
