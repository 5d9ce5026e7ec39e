-- Generated from src/resty/etcd/api/lease.ts by TypeScriptToLua. Do not edit.
local _M = {}
local call = require("resty.etcd.call.call")
local errors = require("resty.etcd.protocol.errors")
local lease_grant = require("resty.etcd.call.lease_grant")
local rpcs = require("resty.etcd.protocol.rpc")
local method_options = require("resty.etcd.api.method_options")
local result = require("resty.etcd.api.result")
local warn_once = require("resty.etcd.base.warn_once")

--- Options of the calls about leases.
---@class resty.etcd.api.lease.LeaseOptions
---@field timeout? number Deadline of the call in seconds; default the client's.

---@class resty.etcd.api.lease.GrantBody
---@field header resty.etcd.protocol.message.Header
---@field ID string
---@field TTL string

---@class resty.etcd.api.lease.RevokeBody: resty.etcd.api.result.ErrorBody
---@field header resty.etcd.protocol.message.Header

---@class resty.etcd.api.lease.KeepaliveBody
---@field result table

---@class resty.etcd.api.lease.TimetoliveBody: resty.etcd.api.result.ErrorBody
---@field header resty.etcd.protocol.message.Header
---@field ID string
---@field TTL string Remaining time in seconds; "-1" if the lease does not exist.
---@field grantedTTL? string
---@field keys? string[]

---@class resty.etcd.api.lease.LeasesBody: resty.etcd.api.result.ErrorBody
---@field header resty.etcd.protocol.message.Header
---@field leases? table[]

--- Checks the arguments of a call about a lease. Returns an error text, or nil.
---@param command string
---@param id (string|number)?
---@param opts resty.etcd.api.lease.LeaseOptions?
---@return string?
local function check_id(command, id, opts)
    return id == nil and "lease " .. command .. " command needs ID argument" or method_options.check_timeout_only(command, opts)
end

--- Grants a lease.
---@param self resty.etcd.call.client_state.ClientState
---@param ttl number seconds; etcd raises it to its minimum
---@param id? (string|number) default: chosen at random by the driver, so that a grant without response can be retried
---@param opts? resty.etcd.api.lease.LeaseOptions
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function grant(self, ttl, id, opts)
    if ttl == nil then
        return errors.bad_request("lease grant command needs TTL argument")
    end
    if type(ttl) ~= "number" or math.floor(ttl) ~= ttl then
        return errors.bad_request("ttl must be integer")
    end
    local problem = method_options.check_timeout_only("grant", opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    if ttl < 1 then
        warn_once.warn(
            "grant",
            "ttl " .. tostring(ttl) .. ": etcd raises it to its minimum"
        )
    end
    local options = {timeout = opts and opts.timeout}
    if id == nil or tostring(id) == "0" then
        local reply, err = lease_grant.grant_with_random_id(self, ttl, options)
        return result.to_result(reply, err)
    end
    local reply, err = call.unary(self, rpcs.lease_grant, {TTL = ttl, ID = id}, options)
    return result.to_result(reply, err)
end

--- Revokes a lease; etcd deletes the keys attached to it.
---@param self resty.etcd.call.client_state.ClientState
---@param id string|number
---@param opts? resty.etcd.api.lease.LeaseOptions
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function revoke(self, id, opts)
    local problem = check_id("revoke", id, opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local options = {timeout = opts and opts.timeout}
    local reply, err, error_reply = call.unary(self, rpcs.lease_revoke, {ID = id}, options)
    return result.to_result_or_error_reply(reply, err, error_reply)
end

--- Renews a lease once.
---@param self resty.etcd.call.client_state.ClientState
---@param id string|number
---@param opts? resty.etcd.api.lease.LeaseOptions
---@return resty.etcd.api.result.Response? res # the response with the new TTL in `res.body.result.TTL`; an error if the lease does not exist
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function keepalive(self, id, opts)
    local problem = check_id("keepalive", id, opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local reply, err = call.unary(self, rpcs.lease_keep_alive, {ID = id}, {timeout = opts and opts.timeout})
    if reply == nil then
        return errors.to_result(err)
    end
    if reply.body.TTL == nil then
        return errors.to_result(errors.server_error(404, 5, "etcdserver: requested lease not found"))
    end
    local body = {result = reply.body}
    return {status = reply.status, headers = reply.headers, body = body}
end

--- Returns the remaining time of a lease.
---@param self resty.etcd.call.client_state.ClientState
---@param id string|number
---@param keys? boolean also return the keys attached to the lease
---@param opts? resty.etcd.api.lease.LeaseOptions
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function timetolive(self, id, keys, opts)
    local problem = check_id("timetolive", id, opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local request = {ID = id, keys = keys == true}
    local options = {timeout = opts and opts.timeout}
    local reply, err, error_reply = call.unary(self, rpcs.lease_time_to_live, request, options)
    return result.to_result_or_error_reply(reply, err, error_reply)
end

--- Returns the IDs of all leases.
---@param self resty.etcd.call.client_state.ClientState
---@param opts? resty.etcd.api.lease.LeaseOptions
---@return resty.etcd.api.result.Response? res
---@return string? err
---@return resty.etcd.protocol.errors.EtcdError? details
local function leases(self, opts)
    local problem = method_options.check_timeout_only("leases", opts)
    if problem ~= nil then
        return errors.bad_request(problem)
    end
    local reply, err, error_reply = call.unary(self, rpcs.lease_leases, {}, {timeout = opts and opts.timeout})
    return result.to_result_or_error_reply(reply, err, error_reply)
end
_M.grant = grant
_M.keepalive = keepalive
_M.leases = leases
_M.revoke = revoke
_M.timetolive = timetolive

return _M
