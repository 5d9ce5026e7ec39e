-- Generated from src/resty/etcd/base/log.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errlog = require("ngx.errlog")
local level = errlog.get_sys_filter_level
local INFO = ngx.INFO

--- Reports whether nginx writes lines of level info. Check it before a line is built, which costs time.
---@return boolean
local function info_enabled()
    return level() >= INFO
end
_M.info_enabled = info_enabled

return _M
