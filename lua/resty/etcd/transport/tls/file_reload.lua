-- Generated from src/resty/etcd/transport/tls/file_reload.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")

--- Files are not looked at more often, in seconds.
local RECHECK = 3

--- What was made of files.
---@class resty.etcd.transport.tls.file_reload.Reloadable
---@field source string What was in them.
---@field checked_at number When that was last read.

local function read_file(path)
    local file, err = io.open(path, "rb")
    if file == nil then
        return nil, err
    end
    local text = file:read("*a")
    file:close()
    if text == nil then
        return nil, path .. ": cannot be read"
    end
    return text
end

--- What was made of files, up to date. To be called at handshakes: files that have changed are noticed within `RECHECK`
--- seconds; while nothing can be made of them, as in the middle of their replacement, what there was serves.
---@generic T, From
---@param known T? what there is already
---@param load fun(from: From, known: T?): T?, string? makes it of `from`, or returns `known` if its source is the same
---@param from From
---@return T? res
---@return string? err
local function reload_if_changed(known, load, from)
    local time = clock.now()
    if known ~= nil and time - known.checked_at < RECHECK then
        return known
    end
    local made, err = load(from, known)
    if made ~= nil then
        made.checked_at = time
        return made
    end
    if known == nil then
        return nil, err
    end
    ngx.log(ngx.WARN, err, ": what was read before still serves")
    known.checked_at = time
    return known
end
_M.read_file = read_file
_M.reload_if_changed = reload_if_changed

return _M
