-- Generated from src/resty/etcd/protocol/message.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- A key-value pair with raw bytes as value; nil if the value is empty. int64 fields are decimal strings.
---@class resty.etcd.protocol.message.RawKv
---@field key string
---@field value? string
---@field create_revision string
---@field mod_revision string
---@field version string
---@field lease? string

--- A watch event: the change of one key.
---@class resty.etcd.protocol.message.RawEvent
---@field type "PUT"|"DELETE"
---@field kv resty.etcd.protocol.message.RawKv Of a deletion, only `key` and `mod_revision` are set.
---@field prev_kv? resty.etcd.protocol.message.RawKv

--- The header of each response. int64 fields are decimal strings.
---@class resty.etcd.protocol.message.Header
---@field cluster_id string
---@field member_id string
---@field revision string
---@field raft_term string

--- A key-value pair with the deserialized value. int64 fields are decimal strings.
---@class resty.etcd.protocol.message.KeyValue
---@field key string
---@field value? any Deserialized; nil if the serializer rejects the bytes.
---@field create_revision string
---@field mod_revision string
---@field version string
---@field lease? string

return _M
