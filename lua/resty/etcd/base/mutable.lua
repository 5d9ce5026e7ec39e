-- Generated from src/resty/etcd/base/mutable.ts by TypeScriptToLua. Do not edit.
local _M = {}

return _M
