-- Generated from src/resty/etcd/transport/grpc/types.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- The functions of a message type. They are compiled at their first call.
---@class resty.etcd.transport.grpc.types.Codec
---@field message table
---@field decode fun(s: string, from: number, stop: number, depth: number, into?: table): table?, string?
---@field encode fun(fields: any, out: string[], n: number, depth: number): number?, number|string

return _M
