-- Generated from src/resty/etcd/base/utf8.ts by TypeScriptToLua. Do not edit.
local _M = {}
local byte = string.byte
local char = string.char
local find = string.find
local floor = math.floor

--- Pattern of a byte of a character that is not ASCII.
local NOT_ASCII = "[^%z\001-\127]"

--- Reports whether a byte continues a character.
---@param value number?
---@return boolean
local function is_continuation(value)
    return value ~= nil and value >= 128 and value <= 191
end

--- Returns the length of a character of several bytes; 0 if it is not valid: overlong, a surrogate, beyond U+10FFFF, or
--- incomplete.
---@param a number its first byte; b, c and d are those that follow
---@param b number?
---@param c number?
---@param d number?
---@return number
local function length_of(a, b, c, d)
    if a < 194 or a > 244 or b == nil or not is_continuation(b) then
        return 0
    end
    if a < 224 then
        return 2
    end
    if not is_continuation(c) then
        return 0
    end
    if a < 240 then
        local is_overlong = a == 224 and b < 160
        local is_surrogate = a == 237 and b > 159
        return (is_overlong or is_surrogate) and 0 or 3
    end
    local is_overlong = a == 240 and b < 144
    local is_too_large = a == 244 and b > 143
    return (is_overlong or is_too_large or not is_continuation(d)) and 0 or 4
end

--- Returns the position of the first byte that is not part of valid UTF-8, or nil.
---@param text string
---@return number?
local function find_invalid(text)
    local at = find(text, NOT_ASCII)
    while at ~= nil do
        local a, b, c, d = byte(text, at, at + 3)
        local length = length_of(a, b, c, d)
        if length == 0 then
            return at
        end
        at = at + length
        local next = byte(text, at)
        if next == nil or next < 128 then
            at = find(text, NOT_ASCII, at)
        end
    end
    return nil
end

--- Returns the byte that continues a character: its six bits that begin at `unit`.
---@param code number
---@param unit number
---@return number
local function continuation(code, unit)
    return 128 + floor(code / unit) % 64
end

--- Returns the UTF-8 of a code point up to U+10FFFF.
---@param code number
---@return string
local function encode(code)
    if code < 128 then
        return char(code)
    end
    if code < 2048 then
        return char(
            192 + floor(code / 64),
            continuation(code, 1)
        )
    end
    if code < 65536 then
        return char(
            224 + floor(code / 4096),
            continuation(code, 64),
            continuation(code, 1)
        )
    end
    return char(
        240 + floor(code / 262144),
        continuation(code, 4096),
        continuation(code, 64),
        continuation(code, 1)
    )
end
_M.encode = encode
_M.find_invalid = find_invalid
_M.length_of = length_of

return _M
