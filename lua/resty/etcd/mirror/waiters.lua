-- Generated from src/resty/etcd/mirror/waiters.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local wait = require("resty.etcd.base.wait")
local errors = require("resty.etcd.protocol.errors")
local status = require("resty.etcd.mirror.status")
local now = clock.now
local min = math.min

local function create()
    return setmetatable({}, {__mode = "k"})
end

--- Wakes all callers that wait.
---@param waiters table
local function wake_all(waiters)
    for waiter in pairs(waiters) do
        waiter:post(1)
    end
end

--- Adds a caller that waits. It is removed when its semaphore is collected as garbage.
---@param waiters table
---@return table? res
---@return string? err
local function add(waiters)
    local waiter, err = semaphore.new(0)
    if waiter == nil then
        return nil, err
    end
    waiters[waiter] = true
    return waiter
end

--- Returns the time at which a wait ends.
---@param timeout number?
---@return number
local function deadline_of(timeout)
    return timeout ~= nil and now() + timeout or math.huge
end

--- Waits until the caller is woken, or for some seconds.
---@param state resty.etcd.mirror.types.State
---@param waiter table
---@param deadline number
---@param seconds number
---@param goal string what has not happened if the deadline passes: the beginning of the error text
---@return resty.etcd.protocol.errors.EtcdError? # why the wait ends without success: the mirror is closed, the deadline has passed, or the phase cannot yield
local function pause(state, waiter, deadline, seconds, goal)
    if state.loop.is_closed then
        return errors.local_error("closed", "the mirror is closed")
    end
    local left = deadline - now()
    if left <= 0 then
        local cause = status.current_error(state)
        local suffix = cause ~= nil and ": " .. errors.to_text_with_hint(cause) or ""
        return errors.out_of_time(goal .. ": timeout" .. suffix)
    end
    local outcome, reason = wait.wait(
        waiter,
        min(left, seconds)
    )
    if outcome == "cannot_wait" then
        return errors.local_error(
            "not_in_phase",
            "waiting for the mirror: " .. tostring(reason)
        )
    end
    return nil
end
_M.add = add
_M.deadline_of = deadline_of
_M.new = create
_M.pause = pause
_M.wake_all = wake_all

return _M
