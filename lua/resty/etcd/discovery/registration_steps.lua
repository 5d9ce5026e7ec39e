-- Generated from src/resty/etcd/discovery/registration_steps.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local txn_response = require("resty.etcd.protocol.txn_response")
local lease_grant = require("resty.etcd.call.lease_grant")
local rpcs = require("resty.etcd.protocol.rpc")
local now = clock.now
local max = math.max
local min = math.min

--- Longest time that one call may take.
local MAX_CALL_TIME = 5

--- The same while the worker ends.
local EXIT_CALL_TIME = 1

--- gRPC code of a lease that is gone.
local NOT_FOUND = 5

---@class resty.etcd.discovery.registration_steps.State
---@field cli resty.etcd.call.client_state.ClientState
---@field key string As etcd stores it.
---@field value string
---@field ttl number As asked for.
---@field life resty.etcd.base.watchdog.Heartbeat Of the timers that it runs in.
---@field timers number Timers so far: the last one is the one that may run.
---@field granted number As granted: etcd raises what is too short for it.
---@field lease string?
---@field previous_lease string? The lease before: what it still holds is nobody else's.
---@field is_new boolean The key has not been written yet.
---@field is_registered boolean
---@field owner_lease string? The lease of another registration that has the key.
---@field expires_at number
---@field is_closed boolean
---@field renewals number
---@field losses number
---@field failures number Steps that failed in a row.
---@field err resty.etcd.protocol.errors.EtcdError?

local function call_time(reg)
    return max(
        0.5,
        min(MAX_CALL_TIME, reg.granted / 3)
    )
end

--- It may have been closed while a call was under way.
---@param reg resty.etcd.discovery.registration_steps.State
---@return boolean
local function is_over(reg)
    return reg.is_closed or ngx.worker.exiting()
end

--- The instance is not to be found any more.
---@param reg resty.etcd.discovery.registration_steps.State
local function mark_lost(reg)
    if reg.is_registered then
        reg.losses = reg.losses + 1
    end
    reg.is_registered = false
end

--- The lease is gone, or nobody can know whether it is.
---@param reg resty.etcd.discovery.registration_steps.State
local function drop_lease(reg)
    mark_lost(reg)
    reg.previous_lease = reg.lease
    reg.lease = nil
    reg.owner_lease = nil
end

--- The time that a lease has is counted from when it was asked for: etcd's own count ends later.
---@param reg resty.etcd.discovery.registration_steps.State
---@param sent number
---@param granted any
local function keep_until(reg, sent, granted)
    reg.granted = tonumber(granted) or reg.granted
    reg.expires_at = sent + reg.granted
end

local function grant(reg)
    local sent = now()
    local reply, err = lease_grant.grant_with_random_id(
        reg.cli,
        reg.ttl,
        {timeout = call_time(reg)}
    )
    if reply == nil then
        return err
    end
    reg.lease = reply.body.ID
    keep_until(reg, sent, reply.body.TTL)
    return nil
end

local function renew(reg)
    local sent = now()
    local reply, err = call.unary(
        reg.cli,
        rpcs.lease_keep_alive,
        {ID = reg.lease},
        {timeout = call_time(reg)}
    )
    if reply == nil then
        return err
    end
    local ttl = reply.body.TTL
    if ttl == nil then
        drop_lease(reg)
        return errors.server_error(404, NOT_FOUND, "etcdserver: requested lease not found")
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

--- Another registration has the key: to write it again and again would help nobody.
---@param reg resty.etcd.discovery.registration_steps.State
---@param lease string
---@return resty.etcd.protocol.errors.EtcdError
local function cede_to(reg, lease)
    reg.is_registered = false
    reg.owner_lease = lease
    return errors.local_error("conflict", "the key is taken by another registration, of lease " .. lease)
end

local function judge_put(reg, err)
    if err.code == NOT_FOUND then
        drop_lease(reg)
    end
    return err
end

--- The first time: the latest registration has the key, so that a new worker follows an old one without a gap.
---@param reg resty.etcd.discovery.registration_steps.State
---@return resty.etcd.protocol.errors.EtcdError?
local function put(reg)
    local request = {key = reg.key, value = reg.value, lease = reg.lease}
    local reply, err = call.unary(
        reg.cli,
        rpcs.put,
        request,
        {timeout = call_time(reg)}
    )
    if reply == nil then
        return judge_put(reg, err)
    end
    mark_registered(reg)
    return nil
end

--- Writes the key anew, unless somebody was faster.
---@param reg resty.etcd.discovery.registration_steps.State
---@param mod_revision string
---@return resty.etcd.protocol.errors.EtcdError?
local function put_again(reg, mod_revision)
    local key = reg.key
    local request = {compare = {{key = key, target = "MOD", result = "EQUAL", mod_revision = mod_revision}}, success = {{request_put = {key = key, value = reg.value, lease = reg.lease}}}, failure = {{request_range = {key = key}}}}
    local reply, err = call.unary(
        reg.cli,
        rpcs.txn,
        request,
        {timeout = call_time(reg)}
    )
    if reply == nil then
        return judge_put(reg, err)
    end
    if reply.body.succeeded ~= true then
        local kv = txn_response.of_txn(reply.body)
        local holder = kv and kv.lease
        if holder == nil then
            return errors.local_error("conflict", "the key was changed meanwhile")
        end
        return cede_to(reg, holder)
    end
    mark_registered(reg)
    return nil
end

--- Looks whether the key is there and belongs to the lease, and writes it if it is nobody's.
---@param reg resty.etcd.discovery.registration_steps.State
---@return resty.etcd.protocol.errors.EtcdError?
local function check_key(reg)
    local key = reg.key
    local request = {compare = {{key = key, target = "LEASE", result = "EQUAL", lease = reg.lease}}, failure = {{request_range = {key = key}}}}
    local reply, err = call.unary(
        reg.cli,
        rpcs.txn,
        request,
        {
            timeout = call_time(reg),
            semantics = "read"
        }
    )
    if reply == nil then
        return err
    end
    if reply.body.succeeded == true then
        mark_registered(reg)
        return nil
    end
    local kv = txn_response.of_txn(reply.body)
    local holder = kv and kv.lease
    if holder ~= nil and holder ~= reg.previous_lease then
        return cede_to(reg, holder)
    end
    if reg.is_registered then
        ngx.log(ngx.WARN, "registration of ", key, ": the key was deleted or overwritten; writing it again")
    end
    mark_lost(reg)
    if is_over(reg) then
        return nil
    end
    return put_again(reg, kv and kv.mod_revision or "0")
end

--- Functions, as the steps change what is known of it.
---@param reg resty.etcd.discovery.registration_steps.State
---@return boolean
local function has_lease(reg)
    return reg.lease ~= nil
end

--- Whatever is to be done next.
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

--- Revokes the lease, which deletes the key if that belongs to it.
---@param reg resty.etcd.discovery.registration_steps.State
local function deregister(reg)
    local lease = reg.lease
    reg.is_closed = true
    reg.lease = nil
    reg.is_registered = false
    reg.owner_lease = nil
    if lease ~= nil then
        local timeout = ngx.worker.exiting() and EXIT_CALL_TIME or call_time(reg)
        local reply, err = call.unary(reg.cli, rpcs.lease_revoke, {ID = lease}, {timeout = timeout})
        if reply == nil and not ngx.worker.exiting() then
            ngx.log(
                ngx.WARN,
                "lease of ",
                reg.key,
                " not revoked: ",
                errors.to_text(err),
                "; it runs out by itself"
            )
        end
    end
end
_M.EXIT_CALL_TIME = EXIT_CALL_TIME
_M.step = step
_M.is_over = is_over
_M.deregister = deregister

return _M
