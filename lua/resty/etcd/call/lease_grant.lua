-- Generated from src/resty/etcd/call/lease_grant.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local clock = require("resty.etcd.base.clock")
local unique_id = require("resty.etcd.base.unique_id")
local errors = require("resty.etcd.protocol.errors")
local rpcs = require("resty.etcd.protocol.rpc")

local function exists_already(err)
    return err.message == "etcdserver: lease already exists"
end

--- The lease was made by an earlier try whose answer was lost: this is what that would have said.
---@param core resty.etcd.call.client_state.Core
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param id string
---@param timeout number
---@param not_after number?
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? refusal
local function found(core, rpc, id, timeout, not_after)
    local reply, err = call.unary_within(
        core,
        rpcs.lease_time_to_live,
        {ID = id},
        timeout,
        not_after
    )
    if reply == nil then
        return nil, errors.with_outcome(err, rpc.write == true)
    end
    local body = {}
    body.header = reply.body.header
    body.ID = id
    body.TTL = reply.body.grantedTTL
    reply.body = body
    return reply
end

--- Makes a lease whose ID is chosen here, at random, so that it may be asked for again: there will be one of it.
---@param core resty.etcd.call.client_state.Core
---@param rpc resty.etcd.protocol.rpc.Rpc what it counts as
---@param ttl number seconds
---@param timeout number?
---@param not_after? number when the call that it is for must end; nil for one of its own
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? refusal
local function grant_chosen(core, rpc, ttl, timeout, not_after)
    local id = unique_id.id()
    local request = {TTL = ttl, ID = id}
    local time = timeout or core.timeout
    local ends_by = not_after
    if ends_by == nil and time > 0 then
        ends_by = clock.now() + time
    end
    local reply, err, refusal = call.unary_until(
        core,
        rpc,
        request,
        time,
        ends_by
    )
    if reply ~= nil then
        return reply
    end
    if exists_already(err) then
        return found(
            core,
            rpc,
            id,
            time,
            ends_by
        )
    end
    return nil, err, refusal
end
_M.grant_chosen = grant_chosen

return _M
