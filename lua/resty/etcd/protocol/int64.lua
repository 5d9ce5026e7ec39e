-- Generated from src/resty/etcd/protocol/int64.ts by TypeScriptToLua. Do not edit.
local _M = {}
local format = string.format
local match = string.match
local floor = math.floor
local byte = string.byte

--- The greatest integer that is exact as a Lua number: 2^53 is also what 2^53 + 1 is rounded to.
local EXACT = 2 ^ 53 - 1

--- Digits of the least and of the greatest int64, both with 19 digits.
local MIN_DIGITS = "9223372036854775808"
local MAX_DIGITS = "9223372036854775807"

--- Reports whether a text of at most 20 characters consists of the digits of an int64, after an optional minus sign.
---@param text string
---@return boolean
local function is_int64(text)
    local sign, digits = match(text, "^(%-?)0*(%d+)$")
    if digits == nil then
        return false
    end
    local limit = sign == "-" and MIN_DIGITS or MAX_DIGITS
    return #digits < #limit or #digits == #limit and digits <= limit
end

--- Returns the decimal text of an int64 that a caller passed as string, number or cdata. Returns nil for anything else, for
--- numbers that could have been rounded, and for integers out of the range of int64.
---@param value any
---@return string?
local function to_text(value)
    if type(value) == "number" then
        return floor(value) == value and value >= -EXACT and value <= EXACT and format("%d", value) or nil
    end
    local text
    if type(value) == "string" then
        text = value
    elseif type(value) == "cdata" then
        text = string.gsub(
            tostring(value),
            "U?LL$",
            ""
        )
    else
        return nil
    end
    return #text <= 20 and is_int64(text) and text or nil
end

--- Reports whether text from the server can be an int64, by its first byte and its length. This runs for every key.
---@param text string
---@return boolean
local function is_plausible(text)
    local first = byte(text, 1)
    return first ~= nil and first <= 57 and (first >= 48 or first == 45) and #text <= 20
end
_M.is_plausible = is_plausible
_M.to_text = to_text

return _M
