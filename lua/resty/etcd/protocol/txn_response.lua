-- Generated from src/resty/etcd/protocol/txn_response.ts by TypeScriptToLua. Do not edit.
local _M = {}
local completeness = require("resty.etcd.protocol.completeness")

---@class resty.etcd.protocol.txn_response.Response
---@field response_range? table

--- Returns the kv that the first operation of a transaction has read. With `keys_only`, etcd 3.7 omits more than the value,
--- so only its key and `mod_revision` are checked.
---@param body table
---@param key string that the operation was to read
---@return resty.etcd.protocol.message.RawKv? kv # the kv, nil if the key does not exist; or nil and an error text if the reply does not contain that read
---@return string? problem
local function read_of(body, key)
    local responses = body.responses
    local ____opt_0 = responses and responses[1]
    local range = ____opt_0 and ____opt_0.response_range
    local ____opt_4 = range and range.kvs
    local kv = ____opt_4 and ____opt_4[1]
    local is_wrong = kv ~= nil and (kv.key ~= key or not completeness.is_counted(kv.mod_revision))
    if range == nil or is_wrong then
        return nil, "malformed reply: transaction without the key that it was to read"
    end
    return kv
end
_M.read_of = read_of

return _M
