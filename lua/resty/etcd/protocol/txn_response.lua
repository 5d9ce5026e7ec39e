-- Generated from src/resty/etcd/protocol/txn_response.ts by TypeScriptToLua. Do not edit.
local _M = {}

---@class resty.etcd.protocol.txn_response.Response
---@field response_range? table

--- Returns the key that the first operation of a transaction has read, or nil if it was no read or the key is absent.
---@param body table
---@return resty.etcd.protocol.message.RawKv?
local function of_txn(body)
    local responses = body.responses
    local ____opt_4 = responses and responses[1]
    local ____opt_2 = ____opt_4 and ____opt_4.response_range
    local ____opt_0 = ____opt_2 and ____opt_2.kvs
    return ____opt_0 and ____opt_0[1]
end
_M.of_txn = of_txn

return _M
