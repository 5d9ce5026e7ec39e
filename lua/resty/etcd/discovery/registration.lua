-- Generated from src/resty/etcd/discovery/registration.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoff = require("resty.etcd.base.backoff")
local clock = require("resty.etcd.base.clock")
local timer_loop = require("resty.etcd.base.timer_loop")
local errors = require("resty.etcd.protocol.errors")
local registration_steps = require("resty.etcd.discovery.registration_steps")
local now = clock.now
local max = math.max
local min = math.min

--- Longest delay in seconds before a failed step is repeated.
local MAX_DELAY = 2

--- That delay after the first failure; doubles with each failure in a row.
local FIRST_DELAY = 0.1

--- The state of a registration.
---@class resty.etcd.discovery.registration.Status
---@field registered boolean The key is in etcd, as of the last response, and its lease has not expired.
---@field lease string? nil before it is granted.
---@field expires_in number Seconds until the lease expires unless it is renewed, counted from when the last renewal was sent.
---@field renewals number
---@field losses number Times that the lease expired, or the key was deleted or overwritten.
---@field ttl number TTL in seconds, as etcd granted it.
---@field owner_lease string? The lease of another registration of the same id that owns the key; nil if there is none.
---@field err string? Why the latest step failed.

---@class resty.etcd.discovery.registration.Background: resty.etcd.discovery.registration_steps.State
---@field loop resty.etcd.base.timer_types.TimerLoop Makes the steps.

--- An instance of a service in etcd, for as long as this worker runs.
---@class resty.etcd.discovery.registration.Registration: resty.etcd.discovery.registration.Background
---@field close fun(self: resty.etcd.discovery.registration.Background): true
---@field state fun(self: resty.etcd.discovery.registration.Background): resty.etcd.discovery.registration.Status

local function note(reg, err)
    local is_failure = err ~= nil and err.name ~= "conflict"
    reg.failures = is_failure and reg.failures + 1 or 0
    if err ~= nil then
        local ____opt_0 = reg.err
        if (____opt_0 and ____opt_0.message) ~= err.message then
            ngx.log(
                ngx.WARN,
                "registration of ",
                reg.key,
                ": ",
                errors.to_text(err),
                "; retrying"
            )
        end
    end
    reg.err = err
end

--- Makes a step and notes its result.
---@param reg resty.etcd.discovery.registration_steps.State
local function make_step(reg)
    local ok, result = pcall(registration_steps.step, reg)
    local err = result
    if not ok then
        err = errors.local_error(
            "bad_reply",
            tostring(result)
        )
    end
    if not registration_steps.is_over(reg) then
        note(reg, err)
    end
end

--- Returns the seconds until the next step: a third of the TTL after the last renewal.
---@param reg resty.etcd.discovery.registration_steps.State
---@return number
local function delay(reg)
    if reg.failures == 0 then
        return max(
            0,
            reg.expires_at - now() - reg.granted * 2 / 3
        )
    end
    return backoff.exponential(
        FIRST_DELAY,
        min(MAX_DELAY, reg.granted / 6),
        reg.failures
    )
end

--- A turn of the loop: makes a step, or revokes the lease if the registration has ended.
---@param reg resty.etcd.discovery.registration_steps.State
---@return number?
local function turn(reg)
    if not registration_steps.is_over(reg) then
        make_step(reg)
    end
    if not registration_steps.is_over(reg) then
        return delay(reg)
    end
    registration_steps.deregister(reg)
    return nil
end

local function state_of(self)
    local err = self.err ~= nil and errors.to_text_with_hint(self.err) or timer_loop.problem(self.loop)
    return {
        registered = self.is_registered and now() < self.expires_at,
        lease = self.lease,
        expires_in = self.lease ~= nil and max(
            0,
            self.expires_at - now()
        ) or 0,
        renewals = self.renewals,
        losses = self.losses,
        ttl = self.granted,
        owner_lease = self.owner_lease,
        err = err
    }
end

--- Ends the registration: its lease is revoked in the background, which deletes the key.
---@param self resty.etcd.discovery.registration.Background
---@return true
local function close(self)
    self.is_closed = true
    timer_loop.wake(self.loop)
    return true
end
local methods = {close = close, state = state_of}
local mt = {__index = methods}

--- Keeps a key in etcd for as long as this worker runs.
---@param cli resty.etcd.call.client_state.ClientState
---@param key string as etcd stores it
---@param value string
---@param ttl number seconds after which it expires if the worker stops renewing its lease
---@return resty.etcd.discovery.registration.Registration? res
---@return string? err
local function create(cli, key, value, ttl)
    local state = {
        cli = cli,
        key = key,
        value = value,
        ttl = ttl,
        granted = ttl,
        lease = nil,
        granted_by = nil,
        previous_lease = nil,
        is_new = true,
        is_registered = false,
        owner_lease = nil,
        expires_at = 0,
        is_closed = false,
        renewals = 0,
        losses = 0,
        failures = 0,
        err = nil
    }
    local loop = timer_loop.new(
        "registration of " .. key,
        function() return turn(state) end,
        {exit_grace = 0}
    )
    local reg = state
    reg.loop = loop
    local ok, err = timer_loop.start(loop, 0)
    if ok == nil then
        return nil, err
    end
    return setmetatable(reg, mt)
end
_M.new = create

return _M
