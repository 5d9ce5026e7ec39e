-- Generated from src/resty/etcd/discovery/registration_wait.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local wait_for = require("resty.etcd.base.wait")
local mirror_options = require("resty.etcd.mirror.options")
local errors = require("resty.etcd.protocol.errors")
local registration_steps = require("resty.etcd.discovery.registration_steps")
local now = clock.now
local min = math.min

--- Longest single wait in seconds.
local POLL_INTERVAL = 10

---@class resty.etcd.discovery.registration_wait.Waitable: resty.etcd.discovery.registration_steps.State
---@field waiters table

local function create()
    return setmetatable({}, {__mode = "k"})
end

--- Wakes all callers of `wait`: a step was made, or the registration has ended.
---@param waiters table
local function wake_all(waiters)
    for waiter in pairs(waiters) do
        waiter:post(1)
    end
end

--- Reports whether the key is in etcd, with the current instance.
---@param reg resty.etcd.discovery.registration_steps.State
---@return boolean
local function is_written(reg)
    return reg.is_registered and reg.written == reg.value and now() < reg.expires_at
end

local function timeout_error(reg)
    local suffix = reg.err ~= nil and ": " .. errors.to_text(reg.err) or ""
    return errors.out_of_time("the instance is not registered: timeout" .. suffix)
end

--- Waits until the key is in etcd, with the instance as registered or last updated.
---@param self resty.etcd.discovery.registration_wait.Waitable
---@param timeout? number seconds; nil waits without a limit
---@return true? res # true; nil, an error text and the details: etcd's error if it rejects the instance, or the name `timeout`, `closed`, or `not_in_phase` in a phase that cannot yield
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function wait(self, timeout)
    local problem = mirror_options.check_timeout(timeout)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local waiter, create_err = semaphore.new(0)
    if waiter == nil then
        return errors.bad_request(create_err)
    end
    self.waiters[waiter] = true
    local deadline = timeout ~= nil and now() + timeout or math.huge
    while not registration_steps.is_over(self) do
        if is_written(self) then
            return true
        end
        if self.rejection ~= nil then
            return errors.to_result(self.rejection)
        end
        local left = deadline - now()
        if left <= 0 then
            return errors.to_result(timeout_error(self))
        end
        local outcome, reason = wait_for.wait(
            waiter,
            min(left, POLL_INTERVAL)
        )
        if outcome == "cannot_wait" then
            return errors.to_result(errors.local_error(
                "not_in_phase",
                "waiting for the registration: " .. tostring(reason)
            ))
        end
    end
    return errors.to_result(errors.local_error("closed", "the registration is closed"))
end
_M.new = create
_M.wait = wait
_M.wake_all = wake_all

return _M
