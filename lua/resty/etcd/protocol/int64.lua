-- Generated from src/resty/etcd/protocol/int64.ts by TypeScriptToLua. Do not edit.
local _M = {}
local decimal = require("resty.etcd.base.decimal")
local format = string.format
local match = string.match
local floor = math.floor
local byte = string.byte
local EXACT = decimal.MAX

--- Digits of the least and of the greatest int64, both with 19 digits.
local MIN_DIGITS = "9223372036854775808"
local MAX_DIGITS = "9223372036854775807"

--- Digits of the greatest uint64.
local MAX_UNSIGNED_DIGITS = "18446744073709551615"

--- Length up to which digits are in the range of both types.
local SHORT = 18

--- Bytes of digits.
local ZERO = 48
local ONE = 49
local NINE = 57

--- Reports whether a number is at most a limit; both are digits without leading zeros.
---@param digits string
---@param limit string
---@return boolean
local function is_within(digits, limit)
    return #digits < #limit or #digits == #limit and digits <= limit
end

--- Reports whether a text of at most 20 characters consists of the digits of an int64, after an optional minus sign.
---@param text string
---@return boolean
local function is_int64(text)
    local sign, all_digits = match(text, "^(%-?)(%d+)$")
    if all_digits == nil then
        return false
    end
    local digits = match(all_digits, "^0*([1-9].*)$")
    if digits == nil then
        digits = "0"
    end
    return is_within(digits, sign == "-" and MIN_DIGITS or MAX_DIGITS)
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

--- Reports whether a text is a positive integer of at most `SHORT` digits without leading zeros. This runs for every key:
--- LuaJIT compiles the loop, but no function with a pattern.
---@param text string
---@return boolean
local function is_short(text)
    local first = byte(text, 1)
    if first == nil or first < ONE or first > NINE or #text > SHORT then
        return false
    end
    for i = 2, #text do
        local digit = byte(text, i)
        if digit < ZERO or digit > NINE then
            return false
        end
    end
    return true
end

--- As `read`, for text that is not short.
---@param text string
---@param is_signed boolean
---@return string?
local function read_long(text, is_signed)
    if #text > #MAX_UNSIGNED_DIGITS then
        return nil
    end
    local sign, digits = match(text, "^(%-?)([1-9]%d*)$")
    if digits == nil then
        return text == "0" and text or nil
    end
    if not is_signed then
        return sign == "" and is_within(digits, MAX_UNSIGNED_DIGITS) and text or nil
    end
    return is_within(digits, sign == "-" and MIN_DIGITS or MAX_DIGITS) and text or nil
end

--- Returns the decimal text of an integer that a server sent. Text must be in its shortest form, as etcd writes it, and in the
--- range of the type. Servers that imitate etcd send numbers, too: those must be exact.
---@param value any
---@param is_signed boolean int64, not uint64
---@return string? # nil for anything else
local function read(value, is_signed)
    if type(value) == "string" then
        return is_short(value) and value or read_long(value, is_signed)
    end
    local ____temp_0
    if type(value) == "number" then
        ____temp_0 = to_text(value)
    else
        ____temp_0 = nil
    end
    local text = ____temp_0
    local ____temp_1
    if text ~= nil then
        ____temp_1 = read_long(text, is_signed)
    else
        ____temp_1 = nil
    end
    return ____temp_1
end

--- Returns a revision, a count or a TTL of a server as a number.
---@param text any as the codecs return it: the text of an integer; nil if it is zero
---@return number? # nil if it is negative or not exact as a number: etcd sends no such one
local function to_number(text)
    local value = tonumber(text)
    return value ~= nil and floor(value) == value and value >= 0 and value <= EXACT and value or nil
end
_M.read = read
_M.to_number = to_number
_M.to_text = to_text

return _M
