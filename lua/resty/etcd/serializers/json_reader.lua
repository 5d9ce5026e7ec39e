-- Generated from src/resty/etcd/serializers/json_reader.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("cjson.safe")
local json_limits = require("resty.etcd.serializers.json_limits")
local utf8 = require("resty.etcd.base.utf8")
local byte = string.byte
local find = string.find
local sub = string.sub
local MAX_DEPTH = json_limits.MAX_DEPTH
local MAX_EXACT = json_limits.MAX_EXACT

---@class resty.etcd.serializers.json_reader.Reader
---@field text string
---@field at number Position of the next byte.
---@field depth number Number of open arrays and objects.
---@field containers table[] The open arrays and objects, the outermost first. Above `depth` they are left over.
---@field places (string|number)[] Where in each of them the next value belongs: a key, or a position.

local QUOTE = 34
local COMMA = 44
local DOT = 46
local DIGIT_9 = 57
local UPPER_E = 69
local LOWER_E = 101
local COLON = 58
local BACKSLASH = 92
local OPEN_ARRAY = 91
local CLOSE_ARRAY = 93
local OPEN_OBJECT = 123
local CLOSE_OBJECT = 125

--- What a character after a backslash stands for.
local ESCAPED = {
    ["\""] = "\"",
    ["\\"] = "\\",
    ["/"] = "/",
    b = "\b",
    f = "\f",
    n = "\n",
    r = "\r",
    t = "\t"
}

local function syntax_error(at, what)
    return "invalid JSON at byte " .. tostring(at) .. ": " .. what
end

local function value_error(reader, what)
    return json_limits.path_of(reader.places, reader.depth) .. ": " .. what
end

--- Returns the first byte at or after the position that is not white space, and moves the position there.
---@param reader resty.etcd.serializers.json_reader.Reader
---@return number?
local function next_byte(reader)
    local c = byte(reader.text, reader.at)
    if c == nil or c > 32 then
        return c
    end
    local at = find(reader.text, "[^ \t\r\n]", reader.at)
    reader.at = at or #reader.text + 1
    return byte(reader.text, reader.at)
end

--- Returns the number of four hexadecimal digits, or nil.
---@param text string
---@param at number
---@return number?
local function hex_at(text, at)
    local from = find(text, "^%x%x%x%x", at)
    local ____temp_0
    if from ~= nil then
        ____temp_0 = tonumber(
            sub(text, at, at + 3),
            16
        )
    else
        ____temp_0 = nil
    end
    return ____temp_0
end

--- Reads what follows a backslash.
---@param text string
---@param at number position of the character after the backslash
---@return string? chars # the characters and the position after them, or nil
---@return number? after
local function read_escape(text, at)
    local name = sub(text, at, at)
    if name ~= "u" then
        return ESCAPED[name], at + 1
    end
    local code = hex_at(text, at + 1)
    if code == nil or code >= 56320 and code <= 57343 then
        return
    end
    if code < 55296 or code > 57343 then
        return utf8.encode(code), at + 5
    end
    local ____temp_1
    if sub(text, at + 5, at + 6) == "\\u" then
        ____temp_1 = hex_at(text, at + 7)
    else
        ____temp_1 = nil
    end
    local low = ____temp_1
    if low == nil or low < 56320 or low > 57343 then
        return
    end
    return utf8.encode(65536 + (code - 55296) * 1024 + (low - 56320)), at + 11
end

--- Reads the rest of a string from its first escape on.
---@param reader resty.etcd.serializers.json_reader.Reader
---@param from number
---@param escape_at number
---@return string? res
---@return string? err
local function read_escaped(reader, from, escape_at)
    local text = reader.text
    local parts = {}
    local start = from
    local at = escape_at
    while at ~= nil and byte(text, at) == BACKSLASH do
        local chars, after = read_escape(text, at + 1)
        if chars == nil then
            return nil, syntax_error(at, "invalid escape")
        end
        parts[#parts + 1] = sub(text, start, at - 1)
        parts[#parts + 1] = chars
        start = after
        at = find(text, "[%z\001-\031\"\\]", start)
    end
    if at == nil or byte(text, at) ~= QUOTE then
        return nil, syntax_error(at or #text + 1, "unterminated string")
    end
    parts[#parts + 1] = sub(text, start, at - 1)
    reader.at = at + 1
    return table.concat(parts)
end

--- Reads a string, whose quote is at the position.
---@param reader resty.etcd.serializers.json_reader.Reader
---@return string? res
---@return string? err
local function read_string(reader)
    local text = reader.text
    local from = reader.at + 1
    local at = find(text, "[%z\001-\031\"\\]", from)
    if at ~= nil then
        local c = byte(text, at)
        if c == QUOTE then
            reader.at = at + 1
            return sub(text, from, at - 1)
        end
        if c == BACKSLASH then
            return read_escaped(reader, from, at)
        end
    end
    return nil, syntax_error(at or #text + 1, "unterminated string")
end

--- Returns the position of the last byte of a number whose integer part ends at a position.
---@param text string
---@param integer_end number
---@return number
local function number_end(text, integer_end)
    local c = byte(text, integer_end + 1)
    if c ~= DOT and c ~= LOWER_E and c ~= UPPER_E then
        return integer_end
    end
    local ____, fraction_end = find(text, "^%.%d+", integer_end + 1)
    local mantissa_end = fraction_end or integer_end
    local ____, exponent_end = find(text, "^[eE][+-]?%d+", mantissa_end + 1)
    return exponent_end or mantissa_end
end

--- Reads a number.
---@param reader resty.etcd.serializers.json_reader.Reader
---@return number? res
---@return string? err
local function read_number(reader)
    local ____reader_2 = reader
    local text = ____reader_2.text
    local at = ____reader_2.at
    local ____, integer_end = find(text, "^-?%d+", at)
    if integer_end == nil then
        return nil, syntax_error(at, "unexpected character")
    end
    local leading_zero = find(text, "^-?0%d", at)
    if leading_zero ~= nil then
        return nil, syntax_error(at, "leading zero")
    end
    local last = number_end(text, integer_end)
    local digits = sub(text, at, last)
    local value = tonumber(digits)
    if value == nil then
        return nil, value_error(reader, "the exponent has too many digits")
    end
    if value >= MAX_EXACT or value <= -MAX_EXACT then
        local is_exact = digits == "9007199254740992" or digits == "-9007199254740992"
        if not is_exact then
            return nil, value_error(reader, "the number is beyond 2^53, and not exact")
        end
    end
    reader.at = last + 1
    return value
end

--- Reads `true`, `false`, `null`, or a number, which begins with the byte `c`.
---@param reader resty.etcd.serializers.json_reader.Reader
---@param c number
---@return any value
---@return string? err
local function read_simple(reader, c)
    local ____reader_3 = reader
    local text = ____reader_3.text
    local at = ____reader_3.at
    if c <= DIGIT_9 then
        return read_number(reader)
    end
    if sub(text, at, at + 3) == "true" then
        reader.at = at + 4
        return true
    end
    if sub(text, at, at + 4) == "false" then
        reader.at = at + 5
        return false
    end
    if sub(text, at, at + 3) == "null" then
        reader.at = at + 4
        return cjson.null
    end
    return nil, syntax_error(at, "unexpected character")
end

--- Reads a key and its colon, which becomes the place of the next value in the innermost object.
---@param reader resty.etcd.serializers.json_reader.Reader
---@return string?
local function read_key(reader)
    if next_byte(reader) ~= QUOTE then
        return syntax_error(reader.at, "expected a key")
    end
    local key, err = read_string(reader)
    if key == nil then
        return err
    end
    reader.places[reader.depth] = key
    if reader.containers[reader.depth][key] ~= nil then
        return value_error(reader, "the key occurs twice")
    end
    if next_byte(reader) ~= COLON then
        return syntax_error(reader.at, "expected a colon")
    end
    reader.at = reader.at + 1
    return nil
end

--- Puts a value into the innermost open array or object.
---@param reader resty.etcd.serializers.json_reader.Reader
---@param value any
local function attach(reader, value)
    local depth = reader.depth
    if depth > 0 then
        reader.containers[depth][reader.places[depth]] = value
    end
end

--- Reads the beginning of an array or an object, up to its first value.
---@param reader resty.etcd.serializers.json_reader.Reader
---@param c number
---@return table? empty # the container if it is empty; nil; nil and an error text
---@return string? err
local function open(reader, c)
    local container = {}
    local is_array = c == OPEN_ARRAY
    if is_array then
        setmetatable(container, json_limits.array_mt)
    end
    reader.at = reader.at + 1
    if next_byte(reader) == (is_array and CLOSE_ARRAY or CLOSE_OBJECT) then
        reader.at = reader.at + 1
        return container
    end
    if reader.depth >= MAX_DEPTH then
        return nil, value_error(
            reader,
            "nested more than " .. tostring(MAX_DEPTH) .. " levels deep"
        )
    end
    attach(reader, container)
    reader.containers[reader.depth + 1] = container
    reader.places[reader.depth + 1] = 1
    reader.depth = reader.depth + 1
    local ____is_array_4
    if is_array then
        ____is_array_4 = nil
    else
        ____is_array_4 = read_key(reader)
    end
    return nil, ____is_array_4
end

--- Reads what follows a value, up to the next one: closes arrays and objects, or reads a comma and a key.
---@param reader resty.etcd.serializers.json_reader.Reader
---@return boolean? res # whether the text has ended; nil and an error text
---@return string? err
local function advance(reader)
    while reader.depth > 0 do
        local c = next_byte(reader)
        local place = reader.places[reader.depth]
        local is_array = type(place) == "number"
        if c == COMMA then
            reader.at = reader.at + 1
            if type(place) == "number" then
                reader.places[reader.depth] = place + 1
                return false
            end
            local err = read_key(reader)
            if err ~= nil then
                return nil, err
            end
            return false
        end
        if c ~= (is_array and CLOSE_ARRAY or CLOSE_OBJECT) then
            return nil, syntax_error(reader.at, "expected a comma or the end of the array or object")
        end
        reader.at = reader.at + 1
        reader.depth = reader.depth - 1
    end
    if next_byte(reader) ~= nil then
        return nil, syntax_error(reader.at, "unexpected text after the value")
    end
    return true
end

--- Reads the value at the position, or the beginning of an array or object: then nil without an error.
---@param reader resty.etcd.serializers.json_reader.Reader
---@return any value
---@return string? err
local function read_value(reader)
    local c = next_byte(reader)
    if c == QUOTE then
        return read_string(reader)
    end
    if c == OPEN_OBJECT or c == OPEN_ARRAY then
        return open(reader, c)
    end
    if c == nil then
        return nil, syntax_error(reader.at, "unexpected end")
    end
    return read_simple(reader, c)
end

--- Decodes JSON.
---@param text string
---@return any value # the value, with `cjson.null` for null; nil and an error text if the bytes are not JSON, or have a value that cannot be written back: an integer beyond 2^53, or a key that occurs twice
---@return string? err
local function decode(text)
    if type(text) ~= "string" then
        return nil, "invalid JSON: " .. type(text) .. " instead of string"
    end
    local invalid_at = utf8.find_invalid(text)
    if invalid_at ~= nil then
        return nil, syntax_error(invalid_at, "invalid UTF-8")
    end
    local reader = {
        text = text,
        at = 1,
        depth = 0,
        containers = {},
        places = {}
    }
    local root
    while true do
        local value, err = read_value(reader)
        if err ~= nil then
            return nil, err
        end
        if value ~= nil then
            attach(reader, value)
            if root == nil then
                root = value
            end
            local has_ended, advance_err = advance(reader)
            if advance_err ~= nil then
                return nil, advance_err
            end
            if has_ended then
                return reader.containers[1] or root
            end
        end
    end
end
_M.decode = decode

return _M
