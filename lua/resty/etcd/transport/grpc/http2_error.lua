-- Generated from src/resty/etcd/transport/grpc/http2_error.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- A violation of the protocol after which the connection cannot be used any more.
---@class resty.etcd.transport.grpc.http2_error.ConnectionError
---@field code 0|1|2|3|4|5|6|7|8|9|10|11|12|13 The code for GOAWAY.
---@field text string

local function create(code, text)
    return {code = code, text = text}
end
_M.new = create

return _M
