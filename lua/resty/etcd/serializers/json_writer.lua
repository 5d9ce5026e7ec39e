-- Generated from src/resty/etcd/serializers/json_writer.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("cjson.safe")
local json_limits = require("resty.etcd.serializers.json_limits")
local utf8 = require("resty.etcd.base.utf8")
local char = string.char
local concat = table.concat
local find = string.find
local floor = math.floor
local format = string.format
local gsub = string.gsub
local sort = table.sort
local MAX_DEPTH = json_limits.MAX_DEPTH
local MAX_EXACT = json_limits.MAX_EXACT

---@class resty.etcd.serializers.json_writer.Writer
---@field parts string[] The parts of the output.
---@field length number Number of parts.
---@field depth number Number of open tables.
---@field tables table[] The open tables, the outermost first. Above `depth` they are left over.
---@field keys (false|string[])[] The sorted keys of the open objects; false for arrays.
---@field written number[] How many values of each open table are written.
---@field counts number[] Number of values of each open table.
---@field places (string|number)[] Key or position of the value that is being written, in each open table.

local ESCAPES = {}
for code = 0, 31 do
    ESCAPES[char(code)] = format("\\u%04x", code)
end
ESCAPES["\b"] = "\\b"
ESCAPES["\f"] = "\\f"
ESCAPES["\n"] = "\\n"
ESCAPES["\r"] = "\\r"
ESCAPES["\t"] = "\\t"
ESCAPES["\""] = "\\\""
ESCAPES["\\"] = "\\\\"

--- Pattern of a byte that must be escaped, or is not ASCII.
local SPECIAL = "[^]-\127 !#-[]"

local function failure(writer, what)
    return json_limits.path_of(writer.places, writer.depth) .. ": " .. what
end

local function append(writer, part)
    writer.parts[writer.length + 1] = part
    writer.length = writer.length + 1
end

--- Returns a string in quotes; nil and a text if it is not UTF-8.
---@param value string
---@return string? res
---@return string? err
local function quoted(value)
    local special = find(value, SPECIAL)
    if special == nil then
        return "\"" .. value .. "\""
    end
    if utf8.find_invalid(value) ~= nil then
        return nil, "the string is not UTF-8"
    end
    local escaped = gsub(value, "[%z\001-\031\"\\]", ESCAPES)
    return "\"" .. escaped .. "\""
end

--- Returns the shortest digits that are read as the same number.
---@param value number
---@return string
local function digits_of(value)
    for precision = 14, 16 do
        local digits = format(
            "%." .. tostring(precision) .. "g",
            value
        )
        if tonumber(digits) == value then
            return digits
        end
    end
    return format("%.17g", value)
end

--- Returns a number as JSON; nil and a text if JSON cannot represent it, or it is not exact.
---@param value number
---@return string? res
---@return string? err
local function number_text(value)
    if value ~= value or value == math.huge or value == -math.huge then
        return nil, "NaN and infinite numbers have no form in JSON"
    end
    if value > MAX_EXACT or value < -MAX_EXACT then
        return nil, "the number is beyond 2^53, and not exact"
    end
    if floor(value) == value then
        return value == 0 and 1 / value < 0 and "-0" or format("%.0f", value)
    end
    return digits_of(value)
end

--- Returns the keys of an object in byte order; false for an array.
---@param value table
---@return false|string[]? res # nil and a text if the table is neither
---@return string? err
local function keys_of(value)
    local keys = {}
    local string_count = 0
    local position_count = 0
    local last = 0
    for key in pairs(value) do
        if type(key) == "string" then
            keys[string_count + 1] = key
            string_count = string_count + 1
        elseif type(key) == "number" and key >= 1 and floor(key) == key then
            position_count = position_count + 1
            last = key > last and key or last
        else
            return nil, "a key is neither a string nor a position"
        end
    end
    if string_count > 0 and position_count > 0 then
        return nil, "the table is both an array and an object"
    end
    if last > position_count then
        return nil, "the array has gaps"
    end
    if position_count > 0 or string_count == 0 and json_limits.is_marked_array(value) then
        return false
    end
    sort(keys)
    return keys
end

--- Reports whether a table is one of the open tables.
---@param writer resty.etcd.serializers.json_writer.Writer
---@param value table
---@return boolean
local function is_open(writer, value)
    for i = 1, writer.depth do
        if writer.tables[i] == value then
            return true
        end
    end
    return false
end

--- Writes the beginning of a table.
---@param writer resty.etcd.serializers.json_writer.Writer
---@param value table
---@return string?
local function open(writer, value)
    local depth = writer.depth
    if depth >= MAX_DEPTH then
        local what = is_open(writer, value) and "the table contains itself" or "nested more than " .. tostring(MAX_DEPTH) .. " levels deep"
        return failure(writer, what)
    end
    local keys, err = keys_of(value)
    if keys == nil then
        return failure(writer, err)
    end
    append(writer, keys == false and "[" or "{")
    writer.tables[depth + 1] = value
    writer.keys[depth + 1] = keys
    writer.counts[depth + 1] = keys == false and #value or #keys
    writer.written[depth + 1] = 0
    writer.depth = depth + 1
    return nil
end

--- Writes one value, or the beginning of a table.
---@param writer resty.etcd.serializers.json_writer.Writer
---@param value any
---@return string?
local function write_value(writer, value)
    if type(value) == "string" then
        local text, err = quoted(value)
        if text == nil then
            return failure(writer, err)
        end
        append(writer, text)
    elseif type(value) == "number" then
        local text, err = number_text(value)
        if text == nil then
            return failure(writer, err)
        end
        append(writer, text)
    elseif type(value) == "boolean" then
        append(writer, value and "true" or "false")
    elseif value == nil or value == cjson.null then
        append(writer, "null")
    elseif type(value) == "table" then
        return open(writer, value)
    elseif json_limits.is_empty_array(value) then
        append(writer, "[]")
    else
        return failure(
            writer,
            type(value) .. " has no form in JSON"
        )
    end
    return nil
end

--- Writes what is between two values of the innermost table, and the key of the second one. Returns that value.
---@param writer resty.etcd.serializers.json_writer.Writer
---@return any? res
---@return string? err
local function next_value(writer)
    local top = writer.depth - 1
    local index = writer.written[top + 1]
    local keys = writer.keys[top + 1]
    writer.written[top + 1] = index + 1
    if index > 0 then
        append(writer, ",")
    end
    local place = keys == false and index + 1 or keys[index + 1]
    writer.places[top + 1] = place
    if type(place) == "string" then
        local text, err = quoted(place)
        if text == nil then
            return nil, failure(writer, err)
        end
        append(writer, text)
        append(writer, ":")
    end
    return writer.tables[top + 1][place]
end

--- Encodes a value as JSON; nil becomes null.
---@param value any
---@return string? res # the bytes; nil and an error text, with the path of the value, if JSON cannot represent it exactly
---@return string? err
local function encode(value)
    local writer = {
        parts = {},
        length = 0,
        depth = 0,
        tables = {},
        keys = {},
        written = {},
        counts = {},
        places = {}
    }
    local err = write_value(writer, value)
    while err == nil and writer.depth > 0 do
        local top = writer.depth - 1
        if writer.written[top + 1] == writer.counts[top + 1] then
            append(writer, writer.keys[top + 1] == false and "]" or "}")
            writer.depth = top
        else
            local next, next_err = next_value(writer)
            err = next_err or write_value(writer, next)
        end
    end
    if err ~= nil then
        return nil, err
    end
    return concat(writer.parts)
end
_M.encode = encode

return _M
