-- Generated from src/resty/etcd/mirror/wait_ready.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local options = require("resty.etcd.mirror.options")
local lookups = require("resty.etcd.mirror.lookups")
local status = require("resty.etcd.mirror.status")
local now = clock.now
local min = math.min

--- Seconds of one wait among several.
local POLL_INTERVAL = 10

--- The time is over; and what has taken it, as far as that is known.
---@param state resty.etcd.mirror.types.State
---@return resty.etcd.protocol.errors.EtcdError
local function not_in_time(state)
    local trouble = status.current_error(state)
    local why = trouble ~= nil and ": " .. errors.to_text(trouble) or ""
    return errors.local_error("timeout", "the mirror is not ready: timeout" .. why)
end

--- Waits for the first full state.
---@param self resty.etcd.mirror.types.State
---@param timeout? number seconds; nil waits for ever
---@return true? res # true; nil and an error named `timeout` or `closed`, or `bad_request` where nothing can wait
---@return resty.etcd.protocol.errors.EtcdError? err
local function wait_ready(self, timeout)
    local wrong = options.check_timeout(timeout)
    if wrong ~= nil then
        return nil, errors.local_error("bad_request", wrong)
    end
    if lookups.ready(self) then
        return true
    end
    local waiter, create_err = semaphore.new(0)
    if waiter == nil then
        return nil, errors.local_error("bad_request", create_err)
    end
    self.waiters[waiter] = true
    local deadline = timeout ~= nil and now() + timeout or math.huge
    while not self.is_closed do
        local left = deadline - now()
        if left <= 0 then
            return nil, not_in_time(self)
        end
        local ran, ok, err = pcall(
            waiter.wait,
            waiter,
            min(left, POLL_INTERVAL)
        )
        if not ran or ok == nil and err ~= "timeout" then
            local why = ok
            if ran then
                why = err
            end
            return nil, errors.local_error(
                "bad_request",
                "waiting for the mirror: " .. tostring(why)
            )
        end
        if lookups.ready(self) then
            return true
        end
    end
    return nil, errors.local_error("closed", "the mirror is closed")
end
_M.wait_ready = wait_ready

return _M
