-- Generated from src/resty/etcd/base/glued_prefix.ts by TypeScriptToLua. Do not edit.
local _M = {}
local warn_once = require("resty.etcd.base.warn_once")
local match = string.match

--- Logs, once per prefix and worker, that a prefix ends with a letter or a digit: names are appended to it as they are, so
--- that the prefix `/conf` and the name `limits` make the key `/conflimits`. The driver adds no separator, because keys
--- exist that were written in this way.
---@param subject string what the prefix belongs to
---@param prefix string
local function warn(subject, prefix)
    if (match(prefix, "%w$")) ~= nil then
        warn_once.warn(subject .. " of " .. prefix, "the prefix does not end with /: names are appended to it as they are, as in " .. prefix .. "name")
    end
end
_M.warn = warn

return _M
