-- Generated from src/resty/etcd/registration.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call")
local clock = require("resty.etcd.clock")
local errors = require("resty.etcd.errors")
local health = require("resty.etcd.health")
local leases = require("resty.etcd.leases")
local rpcs = require("resty.etcd.rpc")
local now = clock.now
local max = math.max
local min = math.min
local guard = pcall

--- Longest pause between two tries.
local LONGEST_PAUSE = 2

--- Longest time that one call may take.
local LONGEST_CALL = 5

--- gRPC code of a lease that is gone.
local NOT_FOUND = 5

--- A registration as others may see it.
---@class resty.etcd.registration.Status
---@field registered boolean The instance is to be found, as far as is known here.
---@field lease string? nil while there is none.
---@field expires_in number Seconds until the lease runs out, unless it is renewed; counted from when the last renewal was sent.
---@field renewals number
---@field losses number How often the lease was lost.
---@field err string? Why the latest step failed.

---@class resty.etcd.registration.State
---@field cli resty.etcd.dropin.state.State
---@field key string As etcd stores it.
---@field value string
---@field ttl number
---@field lease string?
---@field is_registered boolean
---@field expires_at number
---@field is_closed boolean
---@field renewals number
---@field losses number
---@field failures number Steps that failed in a row.
---@field err resty.etcd.errors.EtcdError?

--- An instance of a service that is to be found for as long as this worker lives.
---@class resty.etcd.registration.Registration: resty.etcd.registration.State
---@field close fun(self: resty.etcd.registration.State): true
---@field state fun(self: resty.etcd.registration.State): resty.etcd.registration.Status

local function call_time(reg)
    return max(
        0.5,
        min(LONGEST_CALL, reg.ttl / 3)
    )
end

--- The lease is gone, or nobody can know whether it is.
---@param reg resty.etcd.registration.State
local function lose(reg)
    if reg.is_registered then
        reg.losses = reg.losses + 1
    end
    reg.lease = nil
    reg.is_registered = false
end

--- The time that a lease has is counted from when it was asked for: etcd's own count ends later.
---@param reg resty.etcd.registration.State
---@param sent number
---@param granted any
local function keep_until(reg, sent, granted)
    reg.expires_at = sent + (tonumber(granted) or reg.ttl)
end

local function grant(reg)
    local sent = now()
    local reply, err = leases.grant_chosen(
        reg.cli,
        reg.ttl,
        call_time(reg)
    )
    if reply == nil then
        return err
    end
    reg.lease = reply.body.ID
    keep_until(reg, sent, reply.body.TTL)
    return nil
end

local function put(reg)
    local request = {key = reg.key, value = reg.value, lease = reg.lease}
    local reply, err = call.unary(
        reg.cli,
        rpcs.put,
        request,
        call_time(reg)
    )
    if reply == nil then
        if err.code == NOT_FOUND then
            lose(reg)
        end
        return err
    end
    reg.is_registered = true
    return nil
end

local function renew(reg)
    local sent = now()
    local reply, err = call.unary(
        reg.cli,
        rpcs.lease_keep_alive,
        {ID = reg.lease},
        call_time(reg)
    )
    if reply == nil then
        return err
    end
    local ttl = reply.body.TTL
    if ttl == nil then
        lose(reg)
        return errors.refusal(404, NOT_FOUND, "etcdserver: requested lease not found")
    end
    reg.renewals = reg.renewals + 1
    keep_until(reg, sent, ttl)
    return nil
end

local function has_lease(reg)
    return reg.lease ~= nil
end

--- It may have been closed while a call was under way.
---@param reg resty.etcd.registration.State
---@return boolean
local function is_over(reg)
    return reg.is_closed or ngx.worker.exiting()
end

--- Whatever is to be done next.
---@param reg resty.etcd.registration.State
---@return resty.etcd.errors.EtcdError?
local function advance(reg)
    if reg.lease ~= nil and now() >= reg.expires_at then
        lose(reg)
    end
    local err
    if reg.is_registered then
        err = renew(reg)
        if has_lease(reg) then
            return err
        end
    end
    if not has_lease(reg) and not is_over(reg) then
        err = grant(reg)
    end
    if not has_lease(reg) or is_over(reg) then
        return err
    end
    return put(reg)
end

--- Revokes the lease, which deletes the key.
---@param reg resty.etcd.registration.State
local function leave(reg)
    local lease = reg.lease
    reg.is_closed = true
    reg.lease = nil
    reg.is_registered = false
    if lease ~= nil then
        local reply, err = call.unary(
            reg.cli,
            rpcs.lease_revoke,
            {ID = lease},
            call_time(reg)
        )
        if reply == nil then
            ngx.log(
                ngx.WARN,
                "lease of ",
                reg.key,
                " not revoked: ",
                errors.text(err),
                "; it runs out by itself"
            )
        end
    end
end

local function note(reg, err)
    if err == nil then
        reg.failures = 0
    else
        reg.failures = reg.failures + 1
        local ____opt_0 = reg.err
        if (____opt_0 and ____opt_0.message) ~= err.message then
            ngx.log(
                ngx.WARN,
                "registration of ",
                reg.key,
                ": ",
                errors.text(err),
                "; trying again"
            )
        end
    end
    reg.err = err
end

--- Seconds until the next step.
---@param reg resty.etcd.registration.State
---@return number
local function delay(reg)
    if reg.failures == 0 then
        return max(
            0,
            reg.expires_at - now() - reg.ttl * 2 / 3
        )
    end
    return health.jittered(min(
        LONGEST_PAUSE,
        reg.ttl / 6,
        0.1 * 2 ^ min(reg.failures, 10)
    ))
end

--- One step, and the timer of the next. nginx calls it at once when the worker ends.
---@param premature boolean
---@param reg resty.etcd.registration.State
local function step(premature, reg)
    while not premature and not is_over(reg) do
        local ok, failed = guard(advance, reg)
        local err = failed
        if not ok then
            err = errors.failure(
                "bad_reply",
                tostring(failed)
            )
        end
        note(reg, err)
        local seconds = delay(reg)
        if not is_over(reg) then
            local started = ngx.timer.at(seconds, step, reg)
            if started ~= nil then
                return
            end
            ngx.sleep(min(seconds, 0.5))
        end
    end
    leave(reg)
end

local function leave_in_timer(_premature, reg)
    leave(reg)
end

--- How the registration is.
---@param self resty.etcd.registration.State
---@return resty.etcd.registration.Status
local function state_of(self)
    local ____opt_2 = self.err
    local err = ____opt_2 and ____opt_2.message
    return {
        registered = self.is_registered and now() < self.expires_at,
        lease = self.lease,
        expires_in = self.lease ~= nil and max(
            0,
            self.expires_at - now()
        ) or 0,
        renewals = self.renewals,
        losses = self.losses,
        err = err
    }
end

--- Ends the registration: the instance is not to be found any more.
---@param self resty.etcd.registration.State
---@return true
local function close(self)
    if not self.is_closed then
        self.is_closed = true
        ngx.timer.at(0, leave_in_timer, self)
    end
    return true
end
local methods = {close = close, state = state_of}
local mt = {__index = methods}

--- Keeps a key for as long as this worker lives.
---@param cli resty.etcd.dropin.state.State
---@param key string as etcd stores it
---@param value string
---@param ttl number seconds after which it is gone when the worker is
---@return resty.etcd.registration.Registration? res
---@return string? err
local function create(cli, key, value, ttl)
    local state = {
        cli = cli,
        key = key,
        value = value,
        ttl = ttl,
        lease = nil,
        is_registered = false,
        expires_at = 0,
        is_closed = false,
        renewals = 0,
        losses = 0,
        failures = 0,
        err = nil
    }
    local ok, err = ngx.timer.at(0, step, state)
    if ok == nil then
        return nil, err
    end
    return setmetatable(state, mt)
end
_M.new = create

return _M
