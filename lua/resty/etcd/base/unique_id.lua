-- Generated from src/resty/etcd/base/unique_id.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ffi = require("ffi")
local random = require("resty.etcd.base.random")
ffi.cdef("long resty_etcd_getrandom(void *buffer, size_t length, unsigned int flags) __asm__(\"getrandom\");")
local byte = string.byte
local format = string.format
local C = ffi.C

--- Returns EAGAIN instead of waiting for the kernel to collect entropy, which can take minutes after a boot.
local GRND_NONBLOCK = 1

--- Returns at most 16 random bytes of the kernel, or nil if it has none yet. Raises an error if the C library lacks the function.
---@param n number
---@return string?
local function from_kernel(n)
    local buffer = ffi.new("char[16]")
    local length = tonumber(C.resty_etcd_getrandom(buffer, n, GRND_NONBLOCK))
    return length == n and ffi.string(buffer, n) or nil
end

--- Returns random bytes of the system: of getrandom, which needs no file, as in a bare chroot; or of the device, where the C
--- library is older than glibc 2.25. Without either, returns those of a weaker generator.
---@param n number
---@return string
local function bytes(n)
    local ok, random_bytes = pcall(from_kernel, n)
    if ok and random_bytes ~= nil then
        return random_bytes
    end
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
