-- Generated from src/resty/etcd/serializers/json_exact.ts by TypeScriptToLua. Do not edit.
local _M = {}
local json_limits = require("resty.etcd.serializers.json_limits")
local json_reader = require("resty.etcd.serializers.json_reader")
local json_writer = require("resty.etcd.serializers.json_writer")

--- Encodes a Lua value as JSON. Returns nil and an error text with the path of a value that JSON cannot keep exactly.
local serialize = json_writer.encode

--- Decodes JSON. Returns nil and an error text if the bytes are not JSON, or cannot be written back unchanged.
local deserialize = json_reader.decode

--- The metatable of decoded arrays. An empty table that has it is encoded as `[]`.
local array_mt = json_limits.array_mt
_M.array_mt = array_mt
_M.deserialize = deserialize
_M.serialize = serialize

return _M
