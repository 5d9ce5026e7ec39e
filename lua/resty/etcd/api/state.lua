-- Generated from src/resty/etcd/api/state.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- A client as its own methods see it.
---@class resty.etcd.api.state.State: resty.etcd.call.client_state.Core
---@field key_prefix string Put in front of every key.
---@field use_grpc boolean False until native gRPC is built.
---@field serializer resty.etcd.serializers.serializer.Serializer

return _M
