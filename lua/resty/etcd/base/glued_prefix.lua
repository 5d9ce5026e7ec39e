-- Generated from src/resty/etcd/base/glued_prefix.ts by TypeScriptToLua. Do not edit.
local _M = {}
local match = string.match

--- Prefixes that were logged.
local logged = {}

--- Logs, once per prefix and worker, that a prefix ends in a letter or a digit: names are appended to it as they are, so
--- that the prefix `/conf` and the name `limits` make the key `/conflimits`. The driver adds no separator, because keys
--- exist that were written in this way.
---@param subject string what the prefix belongs to
---@param prefix string
local function warn(subject, prefix)
    if (match(prefix, "%w$")) == nil or logged[prefix] == true then
        return
    end
    logged[prefix] = true
    ngx.log(
        ngx.WARN,
        subject,
        " of ",
        prefix,
        ": the prefix does not end with /: names are appended to it as they are, as in ",
        prefix,
        "name"
    )
end
_M.warn = warn

return _M
