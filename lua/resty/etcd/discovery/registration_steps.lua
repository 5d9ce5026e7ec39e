-- Generated from src/resty/etcd/discovery/registration_steps.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoff = require("resty.etcd.base.backoff")
local call = require("resty.etcd.call.call")
local cluster = require("resty.etcd.call.cluster")
local clock = require("resty.etcd.base.clock")
local printable = require("resty.etcd.base.printable")
local errors = require("resty.etcd.protocol.errors")
local txn_response = require("resty.etcd.protocol.txn_response")
local lease_grant = require("resty.etcd.call.lease_grant")
local rpcs = require("resty.etcd.protocol.rpc")
local now = clock.now
local max = math.max
local min = math.min

--- Longest timeout of a call, in seconds.
local MAX_CALL_TIME = 5

--- Seconds before the next attempt after the first final error; doubles with each one in a row.
local FIRST_FINAL_DELAY = 1

--- Longest such time. A rejected value can be 2 MB long, and etcd rejects it each time.
local MAX_FINAL_DELAY = 120

--- Longest TTL in seconds that etcd grants instead of a shorter one that was requested: 1.5 times its election timeout, which is
-- 50 s at most. A server that grants more would end the renewals for years.
local LONGEST_RAISED_TTL = 75

--- Timeout of the call that revokes the lease when the worker exits, in seconds.
local EXIT_CALL_TIME = 1

---@class resty.etcd.discovery.registration_steps.State
---@field cli resty.etcd.call.client_state.ClientState
---@field key string As etcd stores it.
---@field value string As requested: `update` replaces it.
---@field written string? The value that etcd has accepted last; nil before the first one.
---@field rejection resty.etcd.protocol.errors.EtcdError? Why etcd will not accept `value`: it is sent again at `retry_at`.
---@field rejections number How often etcd has rejected `value`.
---@field retry_at number
---@field ttl number As requested.
---@field granted number TTL as granted: etcd raises one that is shorter than its election timeout.
---@field lease string?
---@field granted_by string? The endpoint that granted it, for the calls that follow: the lease is unknown to members of another cluster.
---@field previous_lease string? The lease before `lease`: a key that is still attached to it belongs to this registration.
---@field is_new boolean The key has not been written yet.
---@field is_registered boolean
---@field owner_lease string? The lease of another registration that owns the key.
---@field expires_at number When the lease expires unless it is renewed.
---@field is_closed boolean
---@field renewals number
---@field losses number
---@field failures number Number of steps that failed in a row.
---@field err resty.etcd.protocol.errors.EtcdError?
---@field has_warned boolean A warning was logged since the registration was well.

--- Reports whether a step fails again until someone changes something: the instance, the user's roles, etcd's space. An
--- absent lease is replaced instead, and a conflict ends with the other registration. After an exceeded size limit a write
--- counts as possibly applied, because the limit can concern the response.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_final(err)
    if err.retryable or err.name == "not_found" or err.name == "conflict" then
        return false
    end
    return not err.maybe_applied or err.code == 8
end

--- Returns the seconds before the next attempt after a number of final errors in a row.
---@param count number
---@return number
local function final_delay(count)
    return backoff.exponential(FIRST_FINAL_DELAY, MAX_FINAL_DELAY, count)
end

--- Returns the value to write. While etcd rejects the current one, that is the one that it has accepted.
---@param reg resty.etcd.discovery.registration_steps.State
---@return string
local function value_to_write(reg)
    local ____reg_0 = reg
    local rejection = ____reg_0.rejection
    local retry_at = ____reg_0.retry_at
    local value = ____reg_0.value
    local written = ____reg_0.written
    return rejection ~= nil and now() < retry_at and (written or value) or value
end

local function forget_rejection(reg)
    reg.rejection = nil
    reg.rejections = 0
    reg.retry_at = 0
end

local function call_time(reg)
    return max(
        0.5,
        min(MAX_CALL_TIME, reg.granted / 3)
    )
end

--- Returns the options of a call that needs the lease.
---@param reg resty.etcd.discovery.registration_steps.State
---@return resty.etcd.call.attempt.CallOptions
local function call_options(reg)
    return {
        timeout = call_time(reg),
        prefer = reg.granted_by
    }
end

--- Reports whether the registration has ended, which can happen during each call.
---@param reg resty.etcd.discovery.registration_steps.State
---@return boolean
local function is_over(reg)
    return reg.is_closed or ngx.worker.exiting()
end

--- Notes that the key is gone, or attached to another lease.
---@param reg resty.etcd.discovery.registration_steps.State
local function mark_lost(reg)
    if reg.is_registered then
        reg.losses = reg.losses + 1
    end
    reg.is_registered = false
end

--- Forgets the lease: it has expired, in etcd or by this clock.
---@param reg resty.etcd.discovery.registration_steps.State
local function drop_lease(reg)
    mark_lost(reg)
    reg.previous_lease = reg.lease
    reg.lease = nil
    reg.owner_lease = nil
end

--- Sets the expiry. It counts from when the request was sent, so that it is never later than in etcd.
---@param reg resty.etcd.discovery.registration_steps.State
---@param sent number
---@param granted number
local function keep_until(reg, sent, granted)
    reg.granted = min(
        granted,
        max(reg.ttl, LONGEST_RAISED_TTL)
    )
    reg.expires_at = sent + reg.granted
end

local function grant(reg)
    local sent = now()
    local options = {
        timeout = call_time(reg),
        prefer = reg.granted_by
    }
    local reply, err = lease_grant.grant_with_random_id(reg.cli, reg.ttl, options)
    if reply == nil then
        return err
    end
    if not cluster.accepts_reply(reg.cli, reply, options) then
        reg.granted_by = reg.cli.cluster.member
        return cluster.error_of(reg.cli, reply, options)
    end
    reg.granted_by = options.answered_by
    reg.lease = reply.body.ID
    keep_until(
        reg,
        sent,
        lease_grant.ttl_of(reply.body)
    )
    return nil
end

local function renew(reg)
    local sent = now()
    local reply, err = cluster.read(
        reg.cli,
        rpcs.lease_keep_alive,
        {ID = reg.lease},
        call_options(reg)
    )
    if reply == nil then
        return err
    end
    if reply.body.TTL == nil then
        drop_lease(reg)
        return errors.server_error(404, 5, "etcdserver: requested lease not found")
    end
    local ttl = lease_grant.ttl_of(reply.body)
    if ttl == nil then
        return lease_grant.invalid_ttl(reply.body)
    end
    reg.renewals = reg.renewals + 1
    keep_until(reg, sent, ttl)
    return nil
end

local function mark_registered(reg)
    reg.is_new = false
    reg.is_registered = true
    reg.owner_lease = nil
end

--- Notes that the key has a value. The program can have replaced it while the call waited for etcd.
---@param reg resty.etcd.discovery.registration_steps.State
---@param value string
local function mark_written(reg, value)
    reg.written = value
    if value == reg.value then
        forget_rejection(reg)
    end
    mark_registered(reg)
end

--- Leaves the key to another registration. If both kept writing it, it would alternate between them.
---@param reg resty.etcd.discovery.registration_steps.State
---@param lease string
---@return resty.etcd.protocol.errors.EtcdError
local function cede_to(reg, lease)
    reg.is_registered = false
    reg.owner_lease = lease
    return errors.local_error("conflict", "the key is owned by another registration, with lease " .. lease)
end

--- Notes why a value was not written.
---@param reg resty.etcd.discovery.registration_steps.State
---@param value string
---@param err resty.etcd.protocol.errors.EtcdError
---@param options resty.etcd.call.attempt.CallOptions of the call that has failed
---@return resty.etcd.protocol.errors.EtcdError
local function on_put_error(reg, value, err, options)
    if err.code == 5 then
        if cluster.is_stray(reg.cli, options.answered_by) then
            reg.granted_by = reg.cli.cluster.member
        else
            drop_lease(reg)
        end
    elseif is_final(err) and value == reg.value then
        reg.rejections = reg.rejections + 1
        reg.rejection = err
        reg.retry_at = now() + final_delay(reg.rejections)
    end
    return err
end

--- Writes the key for the first time, unconditionally: a new worker takes it over from an old one without a gap.
---@param reg resty.etcd.discovery.registration_steps.State
---@return resty.etcd.protocol.errors.EtcdError?
local function put(reg)
    local value = reg.value
    local request = {key = reg.key, value = value, lease = reg.lease}
    local options = call_options(reg)
    local reply, err = call.unary(reg.cli, rpcs.put, request, options)
    if reply == nil then
        return on_put_error(reg, value, err, options)
    end
    mark_written(reg, value)
    return nil
end

--- Writes the key again, unless it was changed after it was read.
---@param reg resty.etcd.discovery.registration_steps.State
---@param mod_revision string
---@return resty.etcd.protocol.errors.EtcdError?
local function put_again(reg, mod_revision)
    local key = reg.key
    local value = value_to_write(reg)
    local request = {compare = {{key = key, target = "MOD", result = "EQUAL", mod_revision = mod_revision}}, success = {{request_put = {key = key, value = value, lease = reg.lease}}}, failure = {{request_range = {key = key}}}}
    local options = call_options(reg)
    local reply, err = call.unary(reg.cli, rpcs.txn, request, options)
    if reply == nil then
        return on_put_error(reg, value, err, options)
    end
    if not cluster.accepts_reply(reg.cli, reply, options) then
        reg.granted_by = reg.cli.cluster.member
        return cluster.error_of(reg.cli, reply, options)
    end
    if reply.body.succeeded ~= true then
        local kv, problem = txn_response.read_of(reply.body, key)
        if problem ~= nil then
            return errors.local_error("bad_reply", problem, options.answered_by)
        end
        local owner = kv and kv.lease
        if owner == nil then
            return errors.local_error("conflict", "the key was changed concurrently")
        end
        return cede_to(reg, owner)
    end
    mark_written(reg, value)
    return nil
end

--- Logs that etcd rejects a new value of a key that remains registered.
---@param reg resty.etcd.discovery.registration_steps.State
---@param err resty.etcd.protocol.errors.EtcdError
local function log_rejection(reg, err)
    if reg.rejections == 1 then
        reg.has_warned = true
        local key = printable.key(reg.key)
        ngx.log(
            ngx.WARN,
            "registration of ",
            key,
            ": ",
            errors.to_text(err),
            "; keeping the previous instance"
        )
    end
end

--- Replaces the value of the key, which is attached to the lease.
---@param reg resty.etcd.discovery.registration_steps.State
---@param value string
---@return resty.etcd.protocol.errors.EtcdError?
local function write_update(reg, value)
    local ____reg_3 = reg
    local key = ____reg_3.key
    local lease = ____reg_3.lease
    local request = {compare = {{key = key, target = "LEASE", result = "EQUAL", lease = lease}}, success = {{request_put = {key = key, value = value, lease = lease}}}}
    local options = call_options(reg)
    local reply, err = call.unary(reg.cli, rpcs.txn, request, options)
    if reply == nil then
        on_put_error(reg, value, err, options)
        if reg.rejection ~= err then
            return err
        end
        log_rejection(reg, err)
        return nil
    end
    if not cluster.accepts_reply(reg.cli, reply, options) then
        reg.granted_by = reg.cli.cluster.member
        return cluster.error_of(reg.cli, reply, options)
    end
    if reply.body.succeeded ~= true then
        return errors.local_error("conflict", "the key was changed concurrently")
    end
    mark_written(reg, value)
    return nil
end

--- Checks that the key is attached to the lease, and then writes a new value. Writes the key again if it is absent or
--- attached to no other lease.
---@param reg resty.etcd.discovery.registration_steps.State
---@return resty.etcd.protocol.errors.EtcdError?
local function check_key(reg)
    local key = reg.key
    local request = {compare = {{key = key, target = "LEASE", result = "EQUAL", lease = reg.lease}}, failure = {{request_range = {key = key}}}}
    local options = call_options(reg)
    options.semantics = "read"
    local reply, err = cluster.read(reg.cli, rpcs.txn, request, options)
    if reply == nil then
        return err
    end
    if reply.body.succeeded == true then
        mark_registered(reg)
        local value = value_to_write(reg)
        local ____temp_4
        if value ~= reg.written then
            ____temp_4 = write_update(reg, value)
        else
            ____temp_4 = nil
        end
        return ____temp_4
    end
    local kv, problem = txn_response.read_of(reply.body, key)
    if problem ~= nil then
        return errors.local_error("bad_reply", problem, options.answered_by)
    end
    local owner = kv and kv.lease
    if owner ~= nil and owner ~= reg.previous_lease then
        return cede_to(reg, owner)
    end
    if reg.is_registered then
        reg.has_warned = true
        local name = printable.key(key)
        ngx.log(ngx.WARN, "registration of ", name, ": the key was deleted or overwritten; writing it again")
    end
    mark_lost(reg)
    if is_over(reg) then
        return nil
    end
    return put_again(reg, kv and kv.mod_revision or "0")
end

--- A function, because TypeScript does not see that steps change `reg`.
---@param reg resty.etcd.discovery.registration_steps.State
---@return boolean
local function has_lease(reg)
    return reg.lease ~= nil
end

--- Makes the next step: renews or grants the lease, then writes or checks the key.
---@param reg resty.etcd.discovery.registration_steps.State
---@return resty.etcd.protocol.errors.EtcdError?
local function step(reg)
    if has_lease(reg) and now() >= reg.expires_at then
        drop_lease(reg)
    end
    local err
    if has_lease(reg) and not reg.is_new then
        err = renew(reg)
        if err ~= nil and has_lease(reg) then
            return err
        end
    end
    if not has_lease(reg) and not is_over(reg) then
        err = grant(reg)
    end
    if not has_lease(reg) or is_over(reg) then
        return err
    end
    if reg.is_new then
        return put(reg)
    end
    return check_key(reg)
end

--- Revokes the lease, which deletes the key if it is attached to it.
---@param reg resty.etcd.discovery.registration_steps.State
local function deregister(reg)
    local lease = reg.lease
    reg.is_closed = true
    reg.lease = nil
    reg.is_registered = false
    reg.owner_lease = nil
    if lease ~= nil then
        local timeout = ngx.worker.exiting() and EXIT_CALL_TIME or call_time(reg)
        local options = {timeout = timeout, prefer = reg.granted_by}
        local reply, err = call.unary(reg.cli, rpcs.lease_revoke, {ID = lease}, options)
        if reply == nil and not ngx.worker.exiting() then
            ngx.log(
                ngx.WARN,
                "registration of ",
                printable.key(reg.key),
                ": lease not revoked, it expires later: ",
                errors.to_text(err)
            )
        end
    end
end
_M.deregister = deregister
_M.final_delay = final_delay
_M.forget_rejection = forget_rejection
_M.is_final = is_final
_M.is_over = is_over
_M.step = step

return _M
