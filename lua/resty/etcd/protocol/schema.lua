-- Generated from src/resty/etcd/protocol/schema.ts by TypeScriptToLua. Do not edit.
local _M = {}

---@class resty.etcd.protocol.schema.FieldType
---@field number number Field number on the protobuf wire.
---@field scalar? ("string"|"bytes"|"int64"|"uint64"|"bool")
---@field values? table<string, number>
---@field message? table
---@field repeated? boolean

local function of(number, scalar)
    return {number = number, scalar = scalar}
end

local function one_of(number, values)
    return {number = number, values = values}
end

local function sub(number, inner)
    return {number = number, message = inner}
end

local function list(number, inner)
    return {number = number, message = inner, repeated = true}
end

local function message(fields)
    return fields
end
local SORT_ORDER = {NONE = 0, ASCEND = 1, DESCEND = 2}
local SORT_TARGET = {
    KEY = 0,
    VERSION = 1,
    CREATE = 2,
    MOD = 3,
    VALUE = 4
}
local COMPARE_RESULT = {EQUAL = 0, GREATER = 1, LESS = 2, NOT_EQUAL = 3}
local compare_target = {
    VERSION = 0,
    CREATE = 1,
    MOD = 2,
    VALUE = 3,
    LEASE = 4
}
local EVENT_TYPE = {PUT = 0, DELETE = 1}
local WATCH_FILTER = {NOPUT = 0, NODELETE = 1}
local header = message({
    cluster_id = of(1, "uint64"),
    member_id = of(2, "uint64"),
    revision = of(3, "int64"),
    raft_term = of(4, "uint64")
})
local key_value = message({
    key = of(1, "bytes"),
    create_revision = of(2, "int64"),
    mod_revision = of(3, "int64"),
    version = of(4, "int64"),
    value = of(5, "bytes"),
    lease = of(6, "int64")
})
local event = message({
    type = one_of(1, EVENT_TYPE),
    kv = sub(2, key_value),
    prev_kv = sub(3, key_value)
})
local range_request = message({
    key = of(1, "bytes"),
    range_end = of(2, "bytes"),
    limit = of(3, "int64"),
    revision = of(4, "int64"),
    sort_order = one_of(5, SORT_ORDER),
    sort_target = one_of(6, SORT_TARGET),
    serializable = of(7, "bool"),
    keys_only = of(8, "bool"),
    count_only = of(9, "bool"),
    min_mod_revision = of(10, "int64"),
    max_mod_revision = of(11, "int64"),
    min_create_revision = of(12, "int64"),
    max_create_revision = of(13, "int64")
})
local range_response = message({
    header = sub(1, header),
    kvs = list(2, key_value),
    more = of(3, "bool"),
    count = of(4, "int64")
})
local put_request = message({
    key = of(1, "bytes"),
    value = of(2, "bytes"),
    lease = of(3, "int64"),
    prev_kv = of(4, "bool"),
    ignore_value = of(5, "bool"),
    ignore_lease = of(6, "bool")
})
local put_response = message({
    header = sub(1, header),
    prev_kv = sub(2, key_value)
})
local delete_range_request = message({
    key = of(1, "bytes"),
    range_end = of(2, "bytes"),
    prev_kv = of(3, "bool")
})
local delete_range_response = message({
    header = sub(1, header),
    deleted = of(2, "int64"),
    prev_kvs = list(3, key_value)
})
local compare = message({
    result = one_of(1, COMPARE_RESULT),
    target = one_of(2, compare_target),
    key = of(3, "bytes"),
    version = of(4, "int64"),
    create_revision = of(5, "int64"),
    mod_revision = of(6, "int64"),
    value = of(7, "bytes"),
    lease = of(8, "int64"),
    range_end = of(64, "bytes")
})
local request_op = message({
    request_range = sub(1, range_request),
    request_put = sub(2, put_request),
    request_delete_range = sub(3, delete_range_request)
})
local txn_request = message({
    compare = list(1, compare),
    success = list(2, request_op),
    failure = list(3, request_op)
})
request_op.request_txn = sub(4, txn_request)
local response_op = message({
    response_range = sub(1, range_response),
    response_put = sub(2, put_response),
    response_delete_range = sub(3, delete_range_response)
})
local txn_response = message({
    header = sub(1, header),
    succeeded = of(2, "bool"),
    responses = list(3, response_op)
})
response_op.response_txn = sub(4, txn_response)
local watch_request = message({
    create_request = sub(
        1,
        message({
            key = of(1, "bytes"),
            range_end = of(2, "bytes"),
            start_revision = of(3, "int64"),
            progress_notify = of(4, "bool"),
            filters = {number = 5, values = WATCH_FILTER, repeated = true},
            prev_kv = of(6, "bool"),
            watch_id = of(7, "int64"),
            fragment = of(8, "bool")
        })
    ),
    cancel_request = sub(
        2,
        message({watch_id = of(1, "int64")})
    ),
    progress_request = sub(
        3,
        message({})
    )
})
local watch_response = message({
    header = sub(1, header),
    watch_id = of(2, "int64"),
    created = of(3, "bool"),
    canceled = of(4, "bool"),
    compact_revision = of(5, "int64"),
    cancel_reason = of(6, "string"),
    fragment = of(7, "bool"),
    events = list(11, event)
})
local lease_grant_request = message({
    TTL = of(1, "int64"),
    ID = of(2, "int64")
})
local lease_grant_response = message({
    header = sub(1, header),
    ID = of(2, "int64"),
    TTL = of(3, "int64"),
    error = of(4, "string")
})
local lease_revoke_request = message({ID = of(1, "int64")})
local lease_revoke_response = message({header = sub(1, header)})
local lease_keep_alive_request = message({ID = of(1, "int64")})
local lease_keep_alive_response = message({
    header = sub(1, header),
    ID = of(2, "int64"),
    TTL = of(3, "int64")
})
local lease_time_to_live_request = message({
    ID = of(1, "int64"),
    keys = of(2, "bool")
})
local lease_time_to_live_response = message({
    header = sub(1, header),
    ID = of(2, "int64"),
    TTL = of(3, "int64"),
    grantedTTL = of(4, "int64"),
    keys = {number = 5, scalar = "bytes", repeated = true}
})
local lease_leases_request = message({})
local lease_leases_response = message({
    header = sub(1, header),
    leases = list(
        2,
        message({ID = of(1, "int64")})
    )
})
local member = message({
    ID = of(1, "uint64"),
    name = of(2, "string"),
    peerURLs = {number = 3, scalar = "string", repeated = true},
    clientURLs = {number = 4, scalar = "string", repeated = true},
    isLearner = of(5, "bool")
})
local member_list_request = message({linearizable = of(1, "bool")})
local member_list_response = message({
    header = sub(1, header),
    members = list(2, member)
})
local authenticate_request = message({
    name = of(1, "string"),
    password = of(2, "string")
})
local authenticate_response = message({
    header = sub(1, header),
    token = of(2, "string")
})
local status_request = message({})

--- The part that the driver reads.
local status_response = message({header = sub(1, header)})

--- Body of the `/version` endpoint, which is plain JSON and no RPC, but is decoded like a message.
local version_response = message({
    etcdserver = of(1, "string"),
    etcdcluster = of(2, "string"),
    storage = of(3, "string")
})
_M.authenticate_request = authenticate_request
_M.authenticate_response = authenticate_response
_M.compare_target = compare_target
_M.delete_range_request = delete_range_request
_M.delete_range_response = delete_range_response
_M.lease_grant_request = lease_grant_request
_M.lease_grant_response = lease_grant_response
_M.lease_keep_alive_request = lease_keep_alive_request
_M.lease_keep_alive_response = lease_keep_alive_response
_M.lease_leases_request = lease_leases_request
_M.lease_leases_response = lease_leases_response
_M.lease_revoke_request = lease_revoke_request
_M.lease_revoke_response = lease_revoke_response
_M.lease_time_to_live_request = lease_time_to_live_request
_M.lease_time_to_live_response = lease_time_to_live_response
_M.member_list_request = member_list_request
_M.member_list_response = member_list_response
_M.put_request = put_request
_M.put_response = put_response
_M.range_request = range_request
_M.range_response = range_response
_M.status_request = status_request
_M.status_response = status_response
_M.txn_request = txn_request
_M.txn_response = txn_response
_M.version_response = version_response
_M.watch_request = watch_request
_M.watch_response = watch_response

return _M
