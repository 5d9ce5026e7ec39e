-- Generated from src/resty/etcd/protocol/keys.ts by TypeScriptToLua. Do not edit.
local _M = {}
local byte = string.byte
local sub = string.sub
local char = string.char

--- As `range_end`: every key from `key` on. As `key`: the first key of all.
local ZERO = "\000"

--- The first key after all keys that start with `prefix`, as etcd computes it: the last byte that is
--- not 0xff is incremented and what follows it is dropped. A prefix of nothing but 0xff, and the empty
--- one, end at the end of the key space.
---@param prefix string
---@return string
local function prefix_end(prefix)
    local last = #prefix
    while last > 0 and byte(prefix, last) == 255 do
        last = last - 1
    end
    return last == 0 and ZERO or sub(prefix, 1, last - 1) .. char(byte(prefix, last) + 1)
end
_M.ZERO = ZERO
_M.prefix_end = prefix_end

return _M
