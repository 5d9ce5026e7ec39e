-- Generated from src/resty/etcd/transport/gateway/chunked_json.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("resty.etcd.base.private_cjson")
local clock = require("resty.etcd.base.clock")
local gc_barrier = require("resty.etcd.base.gc_barrier")
local time_slice = require("resty.etcd.base.time_slice")
local failures = require("resty.etcd.transport.failure")
local json_codec = require("resty.etcd.transport.gateway.json_codec")
local json_scan = require("resty.etcd.transport.gateway.json_scan")
local byte = string.byte
local concat = table.concat
local find = string.find
local now = clock.now
local sub = string.sub

--- Bytes of a text that is decoded in one call.
local LONG = json_scan.LONG

--- Nested arrays and objects that are decoded in parts. A reply has 6, and 3 for each transaction in a transaction.
local MAX_DEPTH = 32

--- Members of an object that is decoded in parts: LuaJIT moves all of them whenever their number doubles.
local MAX_MEMBERS = 1000

--- Longest string with escapes, in bytes: cjson decodes it in one call. base64 has none.
local MAX_ESCAPED = 4 * 1024 * 1024

--- Bytes of the longest response per value that a response can have, whatever its length: 2,097,152 values by default. kvs
-- have 35 bytes per value or more, unless keys and values are very short.
local BYTES_PER_VALUE = 32

--- Bytes of base64 that are decoded in one call, which takes 2 ms; a multiple of 4.
local BASE64_PIECE = 1024 * 1024

--- Bounds for decoding one text.
---@class resty.etcd.transport.gateway.chunked_json.Limits
---@field deadline number? Nil for none.
---@field max_response_size number Bytes of the longest response.

--- A long text that is being decoded.
---@class resty.etcd.transport.gateway.chunked_json.Reader
---@field text string
---@field slice resty.etcd.base.time_slice.TimeSlice
---@field deadline number?
---@field values_left number Values that the text can still have.
---@field bad string? Name of a malformed field.
---@field failure resty.etcd.transport.transport.LocalFailure? Why decoding was stopped, although the text can be valid.

--- What an array or object is in the schema: the type of an object, or a list in a field of a type.
---@class resty.etcd.transport.gateway.chunked_json.Shape
---@field message table?
---@field list string? Nil for an object.

--- An array or object that the schema does not contain.
local UNKNOWN = {message = nil, list = nil}

--- Counts values and yields. Reports whether decoding goes on.
---@param reader resty.etcd.transport.gateway.chunked_json.Reader
---@param count number
---@return boolean
local function proceed(reader, count)
    reader.values_left = reader.values_left - count
    if reader.values_left < 0 then
        reader.failure = failures.local_failure("too_large", "response with too many values", true)
        return false
    end
    time_slice.yield_if_due(reader.slice)
    if reader.deadline ~= nil and now() >= reader.deadline then
        reader.failure = failures.local_failure("timeout", "timeout", true)
        return false
    end
    return reader.bad == nil
end

--- Converts decoded JSON of a message in place, and notes a malformed field.
---@param reader resty.etcd.transport.gateway.chunked_json.Reader
---@param message table?
---@param json table
local function convert(reader, message, json)
    if message ~= nil then
        if reader.bad == nil then
            reader.bad = json_codec.decode(message, json)
        end
    end
end

--- Decodes long base64 in pieces. Returns nil if it is malformed or decoding was stopped.
---@param reader resty.etcd.transport.gateway.chunked_json.Reader
---@param text string
---@return string?
local function decode_bytes(reader, text)
    local pieces = {}
    for at = 1, #text, BASE64_PIECE do
        local piece = ngx.decode_base64(sub(text, at, at + BASE64_PIECE - 1))
        local is_last = at + BASE64_PIECE > #text
        if piece == nil or not is_last and #piece ~= BASE64_PIECE / 4 * 3 or not proceed(reader, 0) then
            return nil
        end
        pieces[#pieces + 1] = piece
    end
    return concat(pieces)
end

--- Converts a value as that of a field. Returns nil if the field is zero or malformed.
---@param reader resty.etcd.transport.gateway.chunked_json.Reader
---@param message table?
---@param name string
---@param value any
---@return any
local function convert_field(reader, message, name, value)
    local ____opt_0 = message and message[name]
    local is_bytes = (____opt_0 and ____opt_0.scalar) == "bytes"
    if is_bytes and type(value) == "string" and #value > BASE64_PIECE then
        local bytes = decode_bytes(reader, value)
        if bytes == nil then
            if reader.bad == nil then
                reader.bad = name
            end
        end
        return bytes
    end
    local fields = {}
    fields[name] = value
    convert(reader, message, fields)
    return fields[name]
end

--- Returns what the value of a field is in the schema, by its first character.
---@param message table?
---@param name string
---@param first number
---@return resty.etcd.transport.gateway.chunked_json.Shape? # nil if it is a scalar, or of another type than the field
local function shape_of(message, name, first)
    local field = message and message[name]
    if field == nil then
        return UNKNOWN
    end
    if field.repeated == true then
        return first == json_scan.OPEN_ARRAY and ({message = message, list = name}) or nil
    end
    return field.message ~= nil and first == json_scan.OPEN_OBJECT and ({message = field.message, list = nil}) or nil
end

--- As `shape_of`, for an item of an array.
---@param shape resty.etcd.transport.gateway.chunked_json.Shape
---@param first number
---@return resty.etcd.transport.gateway.chunked_json.Shape?
local function shape_of_item(shape, first)
    local ____shape_6 = shape
    local message = ____shape_6.message
    local list = ____shape_6.list
    if message == nil or list == nil then
        return UNKNOWN
    end
    local inner = message[list].message
    return inner ~= nil and first == json_scan.OPEN_OBJECT and ({message = inner, list = nil}) or nil
end

--- Reads a long string.
---@param reader resty.etcd.transport.gateway.chunked_json.Reader
---@param at number
---@return any? value
---@return number? next
local function read_string(reader, at)
    local text = reader.text
    local stop, next = json_scan.string_end(text, at + 1, at + LONG)
    while stop == nil do
        if next == nil or not proceed(reader, 0) then
            return nil
        end
        stop, next = json_scan.string_end(text, next, next + LONG)
    end
    local raw = json_scan.between(text, at, stop)
    time_slice.yield_if_due(reader.slice)
    local escape = find(raw, "\\", 1, true)
    local zero = find(raw, "\000", 1, true)
    time_slice.yield_if_due(reader.slice)
    if escape == nil and zero == nil then
        return raw, stop + 1
    end
    if #raw > MAX_ESCAPED then
        return nil
    end
    local decoded = cjson.decode("[\"" .. raw .. "\"]")
    return decoded and decoded[1], stop + 1
end

--- Adds the items of a part to an array. Returns their number; 0 if the part is malformed.
---@param reader resty.etcd.transport.gateway.chunked_json.Reader
---@param shape resty.etcd.transport.gateway.chunked_json.Shape
---@param part string
---@param items any[]
---@return number
local function add_items(reader, shape, part, items)
    local list = cjson.decode("[" .. part .. "]")
    if type(list) ~= "table" then
        return 0
    end
    if shape.list ~= nil then
        convert_field(reader, shape.message, shape.list, list)
    end
    for ____, item in ipairs(list) do
        items[#items + 1] = gc_barrier.mark_now(item)
    end
    return #list
end

--- Adds the members of a part to an object; those that it repeats are replaced. Returns their number; 0 if it is malformed.
---@param reader resty.etcd.transport.gateway.chunked_json.Reader
---@param shape resty.etcd.transport.gateway.chunked_json.Shape
---@param part string
---@param fields table
---@return number
local function add_members(reader, shape, part, fields)
    local json = cjson.decode("{" .. part .. "}")
    if type(json) ~= "table" then
        return 0
    end
    local members = json
    local count = 0
    for name in pairs(members) do
        fields[name] = nil
        count = count + 1
    end
    convert(reader, shape.message, members)
    for name, value in pairs(members) do
        fields[name] = value
    end
    return count
end

--- Adds a long item to an array, as `read_container` has read it with the shape `inner`.
---@param reader resty.etcd.transport.gateway.chunked_json.Reader
---@param shape resty.etcd.transport.gateway.chunked_json.Shape
---@param inner resty.etcd.transport.gateway.chunked_json.Shape?
---@param value any
---@param items any[]
local function add_item(reader, shape, inner, value, items)
    local item = value
    if inner == nil and shape.list ~= nil then
        local list = convert_field(reader, shape.message, shape.list, {value})
        item = list and list[1]
    end
    items[#items + 1] = gc_barrier.mark_now(item)
end

--- Reads the name of a member of an object. Returns it and the position of the value; nil if it is malformed.
---@param text string
---@param at number
---@return string? name
---@return number value_at
local function read_name(text, at)
    local stop = json_scan.string_end(text, at + 1, at + LONG)
    if byte(text, at) ~= json_scan.QUOTE or stop == nil then
        return nil, at
    end
    local colon = json_scan.skip_space(text, stop + 1)
    local decoded = cjson.decode("[" .. sub(text, at, stop) .. "]")
    if byte(text, colon) ~= json_scan.COLON or decoded == nil then
        return nil, at
    end
    return decoded[1], json_scan.skip_space(text, colon + 1)
end

--- Reads an array or object in parts. Items that are long are read in parts, too.
---@param reader resty.etcd.transport.gateway.chunked_json.Reader
---@param at number position of its opening bracket
---@param shape resty.etcd.transport.gateway.chunked_json.Shape
---@param depth number of the arrays and objects that contain it
---@return any? value
---@return number? next
local function read_container(reader, at, shape, depth)
    local text = reader.text
    local is_array = byte(text, at) == json_scan.OPEN_ARRAY
    local closing = is_array and json_scan.CLOSE_ARRAY or json_scan.CLOSE_OBJECT
    local values = {}
    local fields = values
    local members = 0
    local next = at + 1
    while true do
        local part_end, count = json_scan.part_end(text, next)
        if not proceed(reader, count) then
            return nil
        end
        local stop = part_end
        if stop ~= nil then
            local part = sub(text, next, stop - 1)
            local added = is_array and add_items(reader, shape, part, values) or add_members(reader, shape, part, fields)
            if added == 0 then
                return nil
            end
            members = members + added
        else
            local name = ""
            local value_at = json_scan.skip_space(text, next)
            if not is_array then
                local given, given_at = read_name(text, value_at)
                if given == nil then
                    return nil
                end
                name = given
                value_at = given_at
            end
            local first = byte(text, value_at)
            local ____is_array_11
            if is_array then
                ____is_array_11 = shape_of_item(shape, first)
            else
                ____is_array_11 = shape_of(shape.message, name, first)
            end
            local inner = ____is_array_11
            local value
            local after
            if first == json_scan.QUOTE then
                value, after = read_string(reader, value_at)
            elseif depth < MAX_DEPTH and (first == json_scan.OPEN_ARRAY or first == json_scan.OPEN_OBJECT) then
                value, after = read_container(reader, value_at, inner or UNKNOWN, depth + 1)
            end
            if after == nil then
                return nil
            end
            if is_array then
                add_item(
                    reader,
                    shape,
                    inner,
                    value,
                    values
                )
            else
                local ____name_13 = name
                local ____temp_12
                if inner == nil then
                    ____temp_12 = convert_field(reader, shape.message, name, value)
                else
                    ____temp_12 = value
                end
                fields[____name_13] = ____temp_12
                members = members + 1
            end
            stop = json_scan.skip_space(text, after)
        end
        local c = byte(text, stop)
        if c == closing then
            return values, stop + 1
        end
        if c ~= json_scan.COMMA or not is_array and members > MAX_MEMBERS then
            return nil
        end
        next = stop + 1
    end
end

--- Returns the message in decoded JSON.
---@param json any
---@param envelope string?
---@return any
local function inside(json, envelope)
    if envelope == nil or type(json) ~= "table" then
        return json
    end
    return json[envelope]
end

local function decode_in_parts(message, text, envelope, limits)
    local reader = {
        text = text,
        slice = time_slice.start(),
        deadline = limits.deadline,
        values_left = limits.max_response_size / BYTES_PER_VALUE,
        bad = nil,
        failure = nil
    }
    local shape = {message = message, list = nil}
    if envelope ~= nil then
        local outer = {}
        outer[envelope] = {number = 1, message = message}
        shape = {message = outer, list = nil}
    end
    local at = json_scan.skip_space(text, 1)
    local json
    local next
    if byte(text, at) == json_scan.OPEN_OBJECT then
        json, next = read_container(reader, at, shape, 1)
    end
    local is_whole = next ~= nil and json_scan.skip_space(text, next) > #text
    if not is_whole or type(inside(json, envelope)) ~= "table" then
        if reader.bad == nil then
            reader.bad = "body"
        end
    end
    local ____is_whole_14
    if is_whole then
        ____is_whole_14 = json
    else
        ____is_whole_14 = nil
    end
    return ____is_whole_14, reader.bad, reader.failure
end

--- Decodes JSON, and converts the message in it in place. A long text is decoded in parts with yields in between, so that it
--- does not occupy the worker; in phases that cannot yield, without a pause.
---@param message table
---@param text string
---@param envelope string? field that contains the message; nil if the JSON is the message
---@param limits resty.etcd.transport.gateway.chunked_json.Limits
---@return any json # the JSON, nil if the text is not JSON; the name of a malformed field of the message; and why decoding was stopped
---@return string? bad
---@return resty.etcd.transport.transport.LocalFailure? failure
local function decode(message, text, envelope, limits)
    if #text > LONG then
        return decode_in_parts(message, text, envelope, limits)
    end
    local json = cjson.decode(text)
    return json, json_codec.decode(
        message,
        inside(json, envelope)
    )
end
_M.LONG = LONG
_M.decode = decode

return _M
