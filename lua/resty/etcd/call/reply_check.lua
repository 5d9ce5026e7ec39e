-- Generated from src/resty/etcd/call/reply_check.ts by TypeScriptToLua. Do not edit.
local _M = {}
local time_slice = require("resty.etcd.base.time_slice")
local completeness = require("resty.etcd.protocol.completeness")
local rpcs = require("resty.etcd.protocol.rpc")

---@class resty.etcd.call.reply_check.RangeReply
---@field kvs? table[]

---@class resty.etcd.call.reply_check.PutReply
---@field prev_kv? table

---@class resty.etcd.call.reply_check.DeleteReply
---@field prev_kvs? table[]

---@class resty.etcd.call.reply_check.TxnReply
---@field responses? table[]

local function lacks_key(kv)
    return kv ~= nil and not completeness.has_key(kv)
end

local function has_kv_without_key(kvs, slice)
    if kvs == nil then
        return false
    end
    for ____, kv in ipairs(kvs) do
        if lacks_key(kv) then
            return true
        end
        time_slice.yield_if_due(slice)
    end
    return false
end

--- Reports whether a response to an operation of a transaction has a kv without key, at any depth.
---@param txn resty.etcd.call.reply_check.TxnReply
---@param slice resty.etcd.base.time_slice.TimeSlice
---@return boolean
local function has_response_without_key(txn, slice)
    for ____, ____value in ipairs(txn.responses or ({})) do
        local response_range = ____value.response_range
        local response_put = ____value.response_put
        local response_delete_range = ____value.response_delete_range
        local response_txn = ____value.response_txn
        if has_kv_without_key(response_range and response_range.kvs, slice) or lacks_key(response_put and response_put.prev_kv) or has_kv_without_key(response_delete_range and response_delete_range.prev_kvs, slice) or response_txn ~= nil and has_response_without_key(response_txn, slice) then
            return true
        end
    end
    return false
end

--- Reports whether a kv in a reply has no key. Fields that the schema of the reply does not contain are not looked at.
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param body any
---@return boolean
local function has_incomplete_kv(rpc, body)
    if rpc == rpcs.put then
        return lacks_key(body.prev_kv)
    end
    local slice = time_slice.start()
    if rpc == rpcs.range then
        return has_kv_without_key(body.kvs, slice)
    end
    if rpc == rpcs.delete_range then
        return has_kv_without_key(body.prev_kvs, slice)
    end
    return rpc == rpcs.txn and has_response_without_key(body, slice)
end

local function has_revision(body)
    local header = body.header
    return completeness.is_counted(header and header.revision)
end

--- Reports whether a reply without a header is a read nevertheless, because it holds keys or their number: programs test
--- with such replies, and other servers do not send them by accident.
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param body table
---@return boolean
local function is_read_without_header(rpc, body)
    return rpc == rpcs.range and (body.kvs ~= nil or body.count ~= nil)
end

--- Returns what is wrong with a reply to an RPC; nil if it is complete. Yields while it handles many keys.
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param body table
---@return string?
local function problem_of(rpc, body)
    if rpc.has_revision ~= true then
        return nil
    end
    if not has_revision(body) and not is_read_without_header(rpc, body) then
        return "malformed reply: response header without revision"
    end
    if has_incomplete_kv(rpc, body) then
        return "malformed reply: key-value pair without key"
    end
    return nil
end
_M.problem_of = problem_of

return _M
