-- Generated from src/resty/etcd/base/unique_id.ts by TypeScriptToLua. Do not edit.
local _M = {}
local random = require("resty.etcd.base.random")
local byte = string.byte
local format = string.format

--- Returns random bytes of the system, or of a weaker generator where /dev/urandom is missing, as in a bare chroot.
---@param n number
---@return string
local function bytes(n)
    local file = io.open("/dev/urandom", "rb")
    if file ~= nil then
        local text = file:read(n)
        file:close()
        if text ~= nil and #text == n then
            return text
        end
    end
    local text = ""
    for _ = 1, n do
        text = text .. string.char(random.below(256))
    end
    return text
end

--- Returns a positive number of 52 random bits as decimal text: unique, and exact as a Lua number.
---@return string
local function id()
    local text = bytes(7)
    local value = byte(text, 1) % 16 + 1
    for i = 2, 7 do
        value = value * 256 + byte(text, i)
    end
    return format("%d", value)
end
_M.id = id

return _M
