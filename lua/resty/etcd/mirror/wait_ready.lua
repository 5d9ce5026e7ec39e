-- Generated from src/resty/etcd/mirror/wait_ready.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")
local lookups = require("resty.etcd.mirror.lookups")
local options = require("resty.etcd.mirror.options")
local waiters = require("resty.etcd.mirror.waiters")

--- Longest single wait in seconds.
local POLL_INTERVAL = 10

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
    local waiter, create_err = waiters.add(self.ready_waiters)
    if waiter == nil then
        return errors.bad_request(create_err)
    end
    local deadline = waiters.deadline_of(timeout)
    while not lookups.ready(self) do
        local err = waiters.pause(
            self,
            waiter,
            deadline,
            POLL_INTERVAL,
            "the mirror is not ready"
        )
        if err ~= nil then
            return errors.to_result(err)
        end
    end
    return true
end
_M.wait_ready = wait_ready

return _M
