-- Generated from src/resty/etcd/dropin/state.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- A client as its own methods see it.
---@class resty.etcd.dropin.state.State: resty.etcd.core.Core
---@field key_prefix string Put in front of every key.
---@field use_grpc boolean False until native gRPC is built.
---@field serializer resty.etcd.serializer.Serializer

return _M
