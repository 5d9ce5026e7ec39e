-- Generated from src/resty/etcd/call/lease_grant.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local clock = require("resty.etcd.base.clock")
local unique_id = require("resty.etcd.base.unique_id")
local errors = require("resty.etcd.protocol.errors")
local int64 = require("resty.etcd.protocol.int64")
local rpcs = require("resty.etcd.protocol.rpc")

--- The longest TTL of a lease, in seconds: etcd rejects a longer one.
local LONGEST_TTL = 9000000000

--- Returns the TTL of a lease in seconds, from a reply of etcd; nil if etcd grants no such lease.
---@param body table
---@return number?
local function ttl_of(body)
    local ttl = int64.to_number(body.TTL)
    return ttl ~= nil and ttl >= 1 and ttl <= LONGEST_TTL and ttl or nil
end

--- Returns the error of a reply with a TTL that etcd does not grant: renewals would follow immediately, or never.
---@param body table
---@param endpoint? string
---@return resty.etcd.protocol.errors.EtcdError
local function invalid_ttl(body, endpoint)
    return errors.local_error(
        "bad_reply",
        "malformed reply: TTL " .. tostring(body.TTL) .. " of a lease",
        endpoint
    )
end

local function exists_already(err)
    return err.message == "etcdserver: lease already exists"
end

--- Returns the reply of a grant, or an error if it has no lease or no TTL: whatever keeps the lease needs both.
---@param reply resty.etcd.transport.transport.Reply
---@param semantics "read"|"write"|"idempotent"
---@param endpoint string?
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function checked(reply, semantics, endpoint)
    local body = reply.body
    if body.ID ~= nil and ttl_of(body) ~= nil then
        return reply
    end
    local is_absent = body.ID == nil or body.TTL == nil
    local err = is_absent and errors.local_error("bad_reply", "malformed reply: lease without ID or TTL", endpoint) or invalid_ttl(body, endpoint)
    return nil, errors.with_outcome(err, semantics ~= "read")
end

--- Builds the reply of a grant whose own reply was lost, from what etcd says of the lease.
---@param core resty.etcd.call.client_state.Core
---@param id string
---@param semantics "read"|"write"|"idempotent"
---@param timeout number
---@param deadline number?
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function reply_of_existing(core, id, semantics, timeout, deadline)
    local options = {timeout = timeout, deadline = deadline, quiet = true}
    local reply, err = call.unary(core, rpcs.lease_time_to_live, {ID = id}, options)
    if reply == nil then
        return nil, errors.with_outcome(err, semantics ~= "read")
    end
    local body = {}
    body.header = reply.body.header
    body.ID = id
    body.TTL = reply.body.grantedTTL
    reply.body = body
    return checked(reply, semantics, options.answered_by)
end

--- Grants a lease with a random ID that is chosen here, so that the request can be sent again: there will be one lease.
---@param core resty.etcd.call.client_state.Core
---@param ttl number seconds
---@param options? resty.etcd.call.attempt.CallOptions `semantics` is "idempotent" if nil; `answered_by` is the endpoint that granted it
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function grant_with_random_id(core, ttl, options)
    local id = unique_id.id()
    local timeout = options and options.timeout or core.timeout
    local semantics = options and options.semantics or "idempotent"
    local deadline = options and options.deadline
    if deadline == nil and timeout > 0 then
        deadline = clock.now() + timeout
    end
    local request = {TTL = ttl, ID = id}
    local grant = {timeout = timeout, deadline = deadline, semantics = semantics, prefer = options and options.prefer}
    local reply, err, error_reply = call.unary(core, rpcs.lease_grant, request, grant)
    if options ~= nil then
        options.answered_by = grant.answered_by
    end
    if reply ~= nil then
        return checked(reply, semantics, grant.answered_by)
    end
    if exists_already(err) then
        return reply_of_existing(
            core,
            id,
            semantics,
            timeout,
            deadline
        )
    end
    return nil, err, error_reply
end
_M.LONGEST_TTL = LONGEST_TTL
_M.grant_with_random_id = grant_with_random_id
_M.invalid_ttl = invalid_ttl
_M.ttl_of = ttl_of

return _M
