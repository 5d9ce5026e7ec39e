-- Generated from src/resty/etcd/protocol/message.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- A key as etcd stores it. Its value is raw bytes, nil for none; int64 values are decimal strings.
---@class resty.etcd.protocol.message.RawKv
---@field key string
---@field value? string
---@field create_revision string
---@field mod_revision string
---@field version string
---@field lease? string

--- A change of one key.
---@class resty.etcd.protocol.message.RawEvent
---@field type "PUT"|"DELETE"
---@field kv resty.etcd.protocol.message.RawKv For a deletion only `key` and `mod_revision`.
---@field prev_kv? resty.etcd.protocol.message.RawKv

--- In every answer; int64 values are decimal strings.
---@class resty.etcd.protocol.message.Header
---@field cluster_id string
---@field member_id string
---@field revision string
---@field raft_term string

--- A key as it is stored; int64 values are decimal strings.
---@class resty.etcd.protocol.message.KeyValue
---@field key string
---@field value? any Through the serializer; nil for bytes it does not understand.
---@field create_revision string
---@field mod_revision string
---@field version string
---@field lease? string

return _M
