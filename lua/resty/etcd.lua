-- Generated from src/resty/etcd.ts by TypeScriptToLua. Do not edit.
local _M = {}
local client = require("resty.etcd.client.client")

--- Version of this module.
local VERSION = "2.0.0"
local create = client.new
_M._VERSION = VERSION
_M.new = create

return _M
