-- Generated from src/resty/etcd/serializers/json.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("cjson.safe")

--- Values are Lua values, stored as JSON.
local serialize = cjson.encode

--- `nil, err` for what is not JSON.
local deserialize = cjson.decode
_M.deserialize = deserialize
_M.serialize = serialize

return _M
