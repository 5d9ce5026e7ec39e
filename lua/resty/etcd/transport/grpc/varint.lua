-- Generated from src/resty/etcd/transport/grpc/varint.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ____bit = require("bit")
local int64 = require("resty.etcd.protocol.int64")
local band = ____bit.band
local bor = ____bit.bor
local lshift = ____bit.lshift
local byte = string.byte
local char = string.char
local floor = math.floor
local format = string.format
local max = math.max
local sub = string.sub

--- A position that no input has.
local NOWHERE = math.huge

--- Bytes of the longest varint.
local MAX_LENGTH = 10

--- Characters of the longest text of an int64, its sign included, and of a uint64.
local MAX_DIGITS = 20

--- The character `-`.
local MINUS = 45

--- Values below this one have at most 15 digits and are exact as Lua numbers.
local EXACT = 1000000000000000

--- Texts of integers above 2^49 that are kept. The IDs of cluster, member and lease in each response are such integers,
-- and converting one costs 20 times as much as finding its text here.
local MAX_TEXTS = 1024
local TWO_TO_48 = 2 ^ 48

---@class resty.etcd.transport.grpc.varint.Texts
---@field by_bytes table
---@field count number

--- The same bytes have different texts as int64 and as uint64.
local signed_texts = {by_bytes = {}, count = 0}
local unsigned_texts = {by_bytes = {}, count = 0}

--- The varints of 0 to 127.
local SHORT = {}
for i = 0, 127 do
    SHORT[i] = char(i)
end

--- Reads a varint as a number, which is exact below 2^53.
---@param s string
---@param from number
---@return number value # the number, and the position after it
---@return number next
local function read_number(s, from)
    local a = byte(s, from) or 0
    if a < 128 then
        return a, from + 1
    end
    local b = byte(s, from + 1) or 0
    if b < 128 then
        return bor(
            band(a, 127),
            lshift(b, 7)
        ), from + 2
    end
    local c = byte(s, from + 2) or 0
    if c < 128 then
        return bor(
            band(a, 127),
            lshift(
                band(b, 127),
                7
            ),
            lshift(c, 14)
        ), from + 3
    end
    local d = byte(s, from + 3) or 0
    local low = bor(
        band(a, 127),
        lshift(
            band(b, 127),
            7
        ),
        lshift(
            band(c, 127),
            14
        ),
        lshift(
            band(d, 127),
            21
        )
    )
    if d < 128 then
        return low, from + 4
    end
    local value = low
    local scale = 2 ^ 28
    for i = from + 4, from + MAX_LENGTH - 1 do
        local e = byte(s, i) or 0
        if e < 128 then
            local overflows = i == from + MAX_LENGTH - 1 and e > 1
            return value + e * scale, overflows and NOWHERE or i + 1
        end
        value = value + (e - 128) * scale
        scale = scale * 128
    end
    return 0, NOWHERE
end

--- Returns the decimal text of a 64-bit integer.
---@param high number
---@param low number
---@return string
local function to_decimal(high, low)
    local quotient = floor(high / 10000000000)
    local rest = (high - quotient * 10000000000) * 65536 + low
    local carry = floor(rest / 10000000000)
    local upper = quotient * 65536 + carry
    local lower = rest - carry * 10000000000
    return upper > 0 and format("%d%010d", upper, lower) or format("%d", lower)
end

--- Returns -x in two's complement.
---@param high number
---@param low number
---@return number high
---@return number low
local function negate(high, low)
    if low == 0 then
        return high == 0 and 0 or TWO_TO_48 - high, 0
    end
    return TWO_TO_48 - 1 - high, 65536 - low
end

--- Returns the decimal text of a varint of 8 to 10 bytes.
---@param bytes string
---@param signed boolean
---@return string
local function long_text(bytes, signed)
    local low = 0
    local scale = 1
    for i = 1, 4 do
        low = low + band(
            byte(bytes, i),
            127
        ) * scale
        scale = scale * 128
    end
    local upper = 0
    scale = 1
    for i = 5, #bytes do
        upper = upper + band(
            byte(bytes, i),
            127
        ) * scale
        scale = scale * 128
    end
    local high = upper * 4096 + floor(low / 65536)
    low = low % 65536
    if signed and high >= TWO_TO_48 / 2 then
        local positive_high, positive_low = negate(high, low)
        return "-" .. to_decimal(positive_high, positive_low)
    end
    return to_decimal(high, low)
end

--- Returns the text of a varint of 8 to 10 bytes, from the kept texts if possible.
---@param texts resty.etcd.transport.grpc.varint.Texts
---@param bytes string
---@param signed boolean
---@return string
local function kept_text(texts, bytes, signed)
    local text = texts.by_bytes[bytes]
    if text == nil then
        text = long_text(bytes, signed)
        if texts.count >= MAX_TEXTS then
            texts.by_bytes = {}
            texts.count = 0
        end
        texts.by_bytes[bytes] = text
        texts.count = texts.count + 1
    end
    return text
end

--- Reads a varint that has more than four bytes, or is zero.
---@param s string
---@param from number
---@param signed boolean
---@return string? text
---@return number next
local function read_long_text(s, from, signed)
    local value, next_at = read_number(s, from)
    if value == 0 or next_at == NOWHERE then
        return nil, next_at
    end
    if next_at - from <= 7 then
        return format("%d", value), next_at
    end
    local texts = signed and signed_texts or unsigned_texts
    return kept_text(
        texts,
        sub(s, from, next_at - 1),
        signed
    ), next_at
end

--- Reads an int64 as decimal text.
---@param s string
---@param from number
---@return string? text # the text, nil if it is zero; and the position after it
---@return number next
local function read_int64(s, from)
    local value, next_at = read_number(s, from)
    if next_at - from <= 4 and value ~= 0 then
        return tostring(value), next_at
    end
    return read_long_text(s, from, true)
end

--- Reads a uint64 as decimal text, as `read_int64` does.
---@param s string
---@param from number
---@return string? text
---@return number next
local function read_uint64(s, from)
    local value, next_at = read_number(s, from)
    if next_at - from <= 4 and value ~= 0 then
        return tostring(value), next_at
    end
    return read_long_text(s, from, false)
end

--- Reads a bool: true, or nil for false.
---@param s string
---@param from number
---@return true? value
---@return number next
local function read_bool(s, from)
    local value, next_at = read_number(s, from)
    if value ~= 0 then
        return true, next_at
    end
    return nil, next_at
end

--- Returns the varint of an integer from 0 to 2^53.
---@param n number
---@return string
local function encode_number(n)
    if n < 128 then
        return SHORT[n]
    end
    if n < 16384 then
        return char(
            128 + n % 128,
            floor(n / 128)
        )
    end
    if n < 2097152 then
        return char(
            128 + n % 128,
            128 + floor(n / 128) % 128,
            floor(n / 16384)
        )
    end
    if n < 268435456 then
        return char(
            128 + n % 128,
            128 + floor(n / 128) % 128,
            128 + floor(n / 16384) % 128,
            floor(n / 2097152)
        )
    end
    return char(
        128 + n % 128,
        128 + floor(n / 128) % 128,
        128 + floor(n / 16384) % 128,
        128 + floor(n / 2097152) % 128
    ) .. encode_number(floor(n / 268435456))
end

--- Returns the varint of a 64-bit integer, empty for zero.
---@param high number
---@param low number
---@return string
local function encode_parts(high, low)
    if high < 2 ^ 32 then
        local value = high * 65536 + low
        return value > 0 and encode_number(value) or ""
    end
    local n = high % 4096 * 65536 + low
    return char(
        128 + n % 128,
        128 + floor(n / 128) % 128,
        128 + floor(n / 16384) % 128,
        128 + floor(n / 2097152)
    ) .. encode_number(floor(high / 4096))
end

--- Returns the value of at most 15 decimal digits, or nil for other characters. LuaJIT does not compile patterns.
---@param text string
---@param from number
---@param stop number
---@return number?
local function parse_digits(text, from, stop)
    local value = 0
    for i = from, stop do
        local digit = byte(text, i) - 48
        if digit < 0 or digit > 9 then
            return nil
        end
        value = value * 10 + digit
    end
    return value
end

--- Returns the varint of the decimal text of an integer, empty for zero; nil for any other text.
---@param text string
---@param signed boolean
---@return string?
local function encode_text(text, signed)
    local length = #text
    local is_negative = byte(text, 1) == MINUS
    local first = is_negative and 2 or 1
    if length < first or length > MAX_DIGITS then
        return nil
    end
    local split = max(length - 10, first - 1)
    local upper = parse_digits(text, first, split)
    local lower = parse_digits(text, split + 1, length)
    if upper == nil or lower == nil then
        return nil
    end
    local rest = upper % 65536 * 10000000000 + lower
    local high = floor(upper / 65536) * 10000000000 + floor(rest / 65536)
    local low = rest % 65536
    local limit = signed and TWO_TO_48 / 2 or TWO_TO_48
    if not is_negative then
        return high < limit and encode_parts(high, low) or nil
    end
    if high + low == 0 then
        return ""
    end
    if not signed or high > limit or high == limit and low > 0 then
        return nil
    end
    local negative_high, negative_low = negate(high, low)
    return encode_parts(negative_high, negative_low)
end

--- Returns the varint of an integer that is given as number, decimal text or cdata.
---@param value any
---@param signed boolean
---@return string? # the varint, empty for zero; nil if the value is no integer, or out of range
local function encode_integer(value, signed)
    if type(value) == "number" and value > 0 and value < EXACT and value % 1 == 0 then
        return encode_number(value)
    end
    local text = type(value) == "string" and value or int64.to_text(value)
    local ____temp_0
    if text ~= nil then
        ____temp_0 = encode_text(text, signed)
    else
        ____temp_0 = nil
    end
    return ____temp_0
end

--- Returns the position after a field that the schema does not contain, whose tag is at `from`.
---@param s string
---@param from number
---@return number # `NOWHERE` for a malformed tag and for groups, which etcd does not use
local function skip_field(s, from)
    local tag, at = read_number(s, from)
    if at == NOWHERE or tag < 8 or tag >= 2 ^ 32 or #encode_number(tag) ~= at - from then
        return NOWHERE
    end
    local wire_type = tag % 8
    if wire_type == 0 then
        local ____, next_at = read_number(s, at)
        return next_at
    end
    if wire_type == 1 then
        return at + 8
    end
    if wire_type == 2 then
        local length, next_at = read_number(s, at)
        return next_at + length
    end
    return wire_type == 5 and at + 4 or NOWHERE
end
_M.SHORT = SHORT
_M.encode_integer = encode_integer
_M.encode_number = encode_number
_M.read_bool = read_bool
_M.read_int64 = read_int64
_M.read_number = read_number
_M.read_uint64 = read_uint64
_M.skip_field = skip_field

return _M
