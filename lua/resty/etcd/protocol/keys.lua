-- Generated from src/resty/etcd/protocol/keys.ts by TypeScriptToLua. Do not edit.
local _M = {}
local byte = string.byte
local sub = string.sub
local char = string.char

--- As `range_end`: no upper end. As `key`: the first key of the key space.
local ZERO = "\000"

--- Returns the first key after all keys that start with `prefix`, as etcd computes it: the last byte that is not 0xff is
--- incremented, and the bytes after it are dropped. For the empty prefix, and for one that consists of 0xff only, that is
--- the end of the key space.
---@param prefix string
---@return string
local function prefix_end(prefix)
    local last = #prefix
    while last > 0 and byte(prefix, last) == 255 do
        last = last - 1
    end
    return last == 0 and ZERO or sub(prefix, 1, last - 1) .. char(byte(prefix, last) + 1)
end

--- Returns `key` prepended with the client's `prefix`, without adding a separator.
---@param prefix string?
---@param key string
---@return string
local function with_prefix(prefix, key)
    return type(prefix) == "string" and prefix .. key or key
end

--- Converts a caller's `range_end`, which is relative to the client's prefix, to that of the request. "\0" means the end of
--- the keys below the prefix, "" a single key.
---@param prefix string
---@param range_end any
---@return any
local function real_range_end(prefix, range_end)
    if type(range_end) ~= "string" or range_end == "" or prefix == "" then
        return range_end
    end
    return range_end == ZERO and prefix_end(prefix) or with_prefix(prefix, range_end)
end

--- Returns `key` and `range_end` of the range of all keys that start with `dir`.
---@param prefix string
---@param dir string
---@return table
local function prefix_range(prefix, dir)
    local start = with_prefix(prefix, dir)
    local request = {}
    request.key = start == "" and ZERO or start
    request.range_end = prefix_end(start)
    return request
end
_M.ZERO = ZERO
_M.prefix_end = prefix_end
_M.prefix_range = prefix_range
_M.real_range_end = real_range_end
_M.with_prefix = with_prefix

return _M
