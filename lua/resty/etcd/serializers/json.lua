-- Generated from src/resty/etcd/serializers/json.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("cjson.safe")

--- Encodes a Lua value as JSON.
local serialize = cjson.encode

--- Decodes JSON. Returns nil and an error text if the bytes are not JSON.
local deserialize = cjson.decode
_M.deserialize = deserialize
_M.serialize = serialize

return _M
