-- Generated from src/resty/etcd/health_check.ts by TypeScriptToLua. Do not edit.
local shared_health = require("resty.etcd.endpoint.shared_health")
local _M = shared_health

return _M
