-- Generated from src/resty/etcd/transport/tls/file_reload.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local printable = require("resty.etcd.base.printable")

--- Seconds between two checks of a file.
local CHECK_INTERVAL = 3

--- A value loaded from files.
---@class resty.etcd.transport.tls.file_reload.Reloadable
---@field source string Content of the files.
---@field checked_at number Time at which the files were last read.

--- Returns a value loaded from files, and reloads it if they have changed; checks at most every `CHECK_INTERVAL` seconds. If
--- loading fails, as while a file is being replaced, the previous value is kept.
---@generic T, From
---@param known T? the previous value; nil if there is none
---@param load fun(from: From, known: T?): T?, string? loads the value from `from`, or returns `known` if the content is the same
---@param from From
---@return T? res
---@return string? err
local function reload_if_changed(known, load, from)
    local time = clock.now()
    if known ~= nil and time - known.checked_at < CHECK_INTERVAL then
        return known
    end
    local value, err = load(from, known)
    if value ~= nil then
        value.checked_at = time
        return value
    end
    if known == nil then
        return nil, err
    end
    ngx.log(
        ngx.WARN,
        printable.of(err),
        "; keeping the previously loaded file"
    )
    known.checked_at = time
    return known
end
_M.reload_if_changed = reload_if_changed

return _M
