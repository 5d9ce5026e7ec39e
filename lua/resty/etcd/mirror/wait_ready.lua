-- Generated from src/resty/etcd/mirror/wait_ready.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local wait = require("resty.etcd.base.wait")
local errors = require("resty.etcd.protocol.errors")
local options = require("resty.etcd.mirror.options")
local lookups = require("resty.etcd.mirror.lookups")
local status = require("resty.etcd.mirror.status")
local now = clock.now
local min = math.min

--- Longest single wait in seconds.
local POLL_INTERVAL = 10

local function create()
    return setmetatable({}, {__mode = "k"})
end

--- Wakes all callers of `wait_ready`: the mirror is ready, or closed.
---@param waiters table
local function wake_all(waiters)
    for waiter in pairs(waiters) do
        waiter:post(1)
    end
end

--- Returns the error for a deadline that has passed, with its cause if that is known.
---@param state resty.etcd.mirror.types.State
---@return resty.etcd.protocol.errors.EtcdError
local function timeout_error(state)
    local cause = status.current_error(state)
    local suffix = cause ~= nil and ": " .. errors.to_text(cause) or ""
    return errors.out_of_time("the mirror is not ready: timeout" .. suffix)
end

--- Waits for the first full state.
---@param self resty.etcd.mirror.types.State
---@param timeout? number seconds; nil waits without a limit
---@return true? res # true; nil, an error text and the details with the name `timeout` or `closed`, or `not_in_phase` in a phase that cannot yield
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function wait_ready(self, timeout)
    local problem = options.check_timeout(timeout)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    if lookups.ready(self) then
        return true
    end
    local waiter, create_err = semaphore.new(0)
    if waiter == nil then
        return errors.bad_request(create_err)
    end
    self.waiters[waiter] = true
    local deadline = timeout ~= nil and now() + timeout or math.huge
    while not self.loop.is_closed do
        local left = deadline - now()
        if left <= 0 then
            return errors.to_result(timeout_error(self))
        end
        local outcome, reason = wait.wait(
            waiter,
            min(left, POLL_INTERVAL)
        )
        if outcome == "cannot_wait" then
            return errors.to_result(errors.local_error(
                "not_in_phase",
                "waiting for the mirror: " .. tostring(reason)
            ))
        end
        if lookups.ready(self) then
            return true
        end
    end
    return errors.to_result(errors.local_error("closed", "the mirror is closed"))
end
_M.new = create
_M.wait_ready = wait_ready
_M.wake_all = wake_all

return _M
