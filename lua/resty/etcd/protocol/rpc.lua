-- Generated from src/resty/etcd/protocol/rpc.ts by TypeScriptToLua. Do not edit.
local _M = {}
local schema = require("resty.etcd.protocol.schema")

--- Description of an RPC, for the call path and all transports.
---@class resty.etcd.protocol.rpc.Rpc
---@field method string Full gRPC method name.
---@field path string Path below the gateway's API prefix.
---@field request table
---@field reply table
---@field semantics "read"|"write"|"idempotent" Applies to calls that do not say otherwise.
---@field stream? boolean The response is a stream of messages; the gateway sends each as one line `{"result":…}`.
---@field page? boolean A plain GET request outside the API prefix, without token: no RPC.
---@field anonymous? boolean The request is sent without token.
---@field secret? boolean The response contains a secret and must not be quoted in errors.
---@field has_revision? boolean etcd states its revision in the header of each reply: a reply without it is not etcd's.

local range = {
    method = "/etcdserverpb.KV/Range",
    path = "/kv/range",
    request = schema.range_request,
    reply = schema.range_response,
    semantics = "read",
    has_revision = true
}
local put = {
    method = "/etcdserverpb.KV/Put",
    path = "/kv/put",
    request = schema.put_request,
    reply = schema.put_response,
    semantics = "write",
    has_revision = true
}
local delete_range = {
    method = "/etcdserverpb.KV/DeleteRange",
    path = "/kv/deleterange",
    request = schema.delete_range_request,
    reply = schema.delete_range_response,
    semantics = "write",
    has_revision = true
}
local txn = {
    method = "/etcdserverpb.KV/Txn",
    path = "/kv/txn",
    request = schema.txn_request,
    reply = schema.txn_response,
    semantics = "write",
    has_revision = true
}
local watch = {
    method = "/etcdserverpb.Watch/Watch",
    path = "/watch",
    request = schema.watch_request,
    reply = schema.watch_response,
    semantics = "read",
    stream = true
}
local lease_grant = {
    method = "/etcdserverpb.Lease/LeaseGrant",
    path = "/lease/grant",
    request = schema.lease_grant_request,
    reply = schema.lease_grant_response,
    semantics = "write",
    has_revision = true
}
local lease_revoke = {
    method = "/etcdserverpb.Lease/LeaseRevoke",
    path = "/lease/revoke",
    request = schema.lease_revoke_request,
    reply = schema.lease_revoke_response,
    semantics = "write",
    has_revision = true
}
local lease_keep_alive = {
    method = "/etcdserverpb.Lease/LeaseKeepAlive",
    path = "/lease/keepalive",
    request = schema.lease_keep_alive_request,
    reply = schema.lease_keep_alive_response,
    semantics = "read",
    stream = true,
    has_revision = true
}
local lease_time_to_live = {
    method = "/etcdserverpb.Lease/LeaseTimeToLive",
    path = "/lease/timetolive",
    request = schema.lease_time_to_live_request,
    reply = schema.lease_time_to_live_response,
    semantics = "read",
    has_revision = true
}
local lease_leases = {
    method = "/etcdserverpb.Lease/LeaseLeases",
    path = "/lease/leases",
    request = schema.lease_leases_request,
    reply = schema.lease_leases_response,
    semantics = "read",
    has_revision = true
}
local authenticate = {
    method = "/etcdserverpb.Auth/Authenticate",
    path = "/auth/authenticate",
    request = schema.authenticate_request,
    reply = schema.authenticate_response,
    semantics = "read",
    anonymous = true,
    secret = true
}
local member_list = {
    method = "/etcdserverpb.Cluster/MemberList",
    path = "/cluster/member/list",
    request = schema.member_list_request,
    reply = schema.member_list_response,
    semantics = "read"
}
local status = {
    method = "/etcdserverpb.Maintenance/Status",
    path = "/maintenance/status",
    request = schema.status_request,
    reply = schema.status_response,
    semantics = "read",
    anonymous = true
}
local version = {
    method = "/etcdserverpb.Maintenance/Status",
    path = "/version",
    request = schema.lease_leases_request,
    reply = schema.version_response,
    semantics = "read",
    page = true,
    anonymous = true
}

--- Cache of `name_of`, by method.
local names = {}

--- Returns the last part of the method name, as it appears in metrics.
---@param rpc resty.etcd.protocol.rpc.Rpc
---@return string
local function name_of(rpc)
    if rpc.page == true then
        return "Version"
    end
    local name = names[rpc.method]
    if name == nil then
        name = string.match(rpc.method, "^/[^/]*/([^/]+)$")
        if name == nil then
            name = rpc.method
        end
        names[rpc.method] = name
    end
    return name
end

--- Reports whether a request can be sent again although the first one was possibly applied.
---@param semantics "read"|"write"|"idempotent"
---@return boolean
local function is_repeatable(semantics)
    return semantics ~= "write"
end
_M.authenticate = authenticate
_M.delete_range = delete_range
_M.is_repeatable = is_repeatable
_M.lease_grant = lease_grant
_M.lease_keep_alive = lease_keep_alive
_M.lease_leases = lease_leases
_M.lease_revoke = lease_revoke
_M.lease_time_to_live = lease_time_to_live
_M.member_list = member_list
_M.name_of = name_of
_M.put = put
_M.range = range
_M.status = status
_M.txn = txn
_M.version = version
_M.watch = watch

return _M
