-- Generated from src/resty/etcd/transport/grpc/protobuf_encoder.ts by TypeScriptToLua. Do not edit.
local _M = {}
local lua_sources = require("resty.etcd.transport.grpc.lua_source")
local varint = require("resty.etcd.transport.grpc.varint")
local enums = require("resty.etcd.protocol.enums")
local add = lua_sources.add
local bind = lua_sources.bind
local format = string.format
local literal = lua_sources.literal

--- Lua types of scalars, for errors.
local EXPECTED = {
    bytes = "string",
    string = "string",
    int64 = "integer",
    uint64 = "integer",
    bool = "boolean"
}

local function wrong_type(name, expected)
    return name .. " must be " .. expected
end

local function wrong_value(name, value)
    return name .. " has no such value: " .. tostring(value)
end

local function wrong_items(name)
    return name .. " must hold tables"
end

local function too_deep(name)
    return name .. " is nested too deeply"
end

--- Returns an error for the first field that a message type does not contain.
---@param message table
---@param fields table
---@return string?
local function unknown_field(message, fields)
    for name in pairs(fields) do
        if message[name] == nil then
            return "unknown field " .. tostring(name)
        end
    end
    return nil
end

--- Returns the number of an enum value in any spelling, or nil.
---@param values table<string, number>
---@param value any
---@return number?
local function enum_number(values, value)
    local name = enums.name_of(values, value)
    local ____temp_0
    if name ~= nil then
        ____temp_0 = values[name]
    else
        ____temp_0 = nil
    end
    return ____temp_0
end

--- Sets `bytes` to the encoded value of a scalar or an enum in `v`.
---@param source resty.etcd.transport.grpc.lua_source.LuaSource
---@param field resty.etcd.transport.grpc.lua_source.NamedField
---@param wrong string
local function add_scalar(source, field, wrong)
    local scalar = field.type.scalar
    if scalar == "bytes" or scalar == "string" then
        add(source, "bytes = v if type(v) ~= \"string\" then return nil, $1 end", wrong)
    elseif scalar == "bool" then
        add(source, "bytes = v and \"\\1\" or \"\" if type(v) ~= \"boolean\" then return nil, $1 end", wrong)
    elseif scalar == nil then
        add(source, "bytes = enum_number(_$1_values, v) if not bytes then return nil, $2 end", field.name, wrong)
        add(source, "bytes = bytes ~= 0 and encode_number(bytes) or \"\"")
    else
        add(
            source,
            "bytes = encode_integer(v, $1) if not bytes then return nil, $2 end",
            tostring(scalar == "int64"),
            wrong
        )
    end
end

--- Appends a tag and the message in `v`.
---@param source resty.etcd.transport.grpc.lua_source.LuaSource
---@param field resty.etcd.transport.grpc.lua_source.NamedField
---@param tag string
---@param wrong string
local function add_message(source, field, tag, wrong)
    add(source, "if type(v) ~= \"table\" then return nil, $1 end", wrong)
    add(
        source,
        "if depth >= $1 then return nil, too_deep(\"$2\") end",
        format("%d", lua_sources.MAX_DEPTH),
        field.name
    )
    add(source, "last, inner = _$1_type.encode(v, out, n + 2, depth + 1)", field.name)
    add(source, "if not last then return nil, inner end")
    add(source, "length = SHORT[inner] or encode_number(inner)")
    add(
        source,
        "out[n + 1], out[n + 2], n = $1, length, last",
        literal(tag)
    )
    add(
        source,
        "size = size + $1 + #length + inner",
        format("%d", #tag)
    )
end

--- Appends a tag and the scalar in `bytes`.
---@param source resty.etcd.transport.grpc.lua_source.LuaSource
---@param wire_type 0|2
---@param tag string
local function add_bytes(source, wire_type, tag)
    local tag_length = format("%d", #tag)
    if wire_type == 0 then
        add(
            source,
            "out[n + 1], out[n + 2], n = $1, bytes, n + 2",
            literal(tag)
        )
        add(source, "size = size + $1 + #bytes", tag_length)
    else
        add(source, "length = SHORT[#bytes] or encode_number(#bytes)")
        add(
            source,
            "out[n + 1], out[n + 2], out[n + 3], n = $1, length, bytes, n + 3",
            literal(tag)
        )
        add(source, "size = size + $1 + #length + #bytes", tag_length)
    end
end

local function add_list(source, field, tag)
    local name = field.name
    add(source, "if type(v) ~= \"table\" then return nil, wrong_type(\"$1\", \"table\") end", name)
    if field.type.message ~= nil then
        add(source, "for _, v in ipairs(v) do")
        add_message(source, field, tag, "wrong_items(\"" .. name .. "\")")
    elseif lua_sources.wire_type_of(field.type) == 2 then
        add(source, "for _, v in ipairs(v) do")
        add_scalar(source, field, "wrong_value(\"" .. name .. "\", v)")
        add_bytes(source, 2, tag)
    else
        local packed = varint.encode_number(field.type.number * 8 + 2)
        add(source, "local first, from = n + 3, size n = n + 2")
        add(source, "for _, v in ipairs(v) do")
        add_scalar(source, field, "wrong_value(\"" .. name .. "\", v)")
        add(source, "if bytes == \"\" then bytes = \"\\0\" end")
        add(source, "n = n + 1 out[n] = bytes size = size + #bytes end")
        add(source, "if n < first then n = n - 2 else")
        add(source, "length = encode_number(size - from)")
        add(
            source,
            "out[first - 2], out[first - 1] = $1, length",
            literal(packed)
        )
        add(
            source,
            "size = size + $1 + #length",
            format("%d", #packed)
        )
    end
    add(source, "end")
end

local function add_single(source, field, tag)
    local expected = EXPECTED[field.type.scalar or "bytes"]
    if field.type.message ~= nil then
        add_message(source, field, tag, "wrong_type(\"" .. field.name .. "\", \"table\")")
        return
    end
    local name = field.name
    local wrong = field.type.values ~= nil and "wrong_value(\"" .. name .. "\", v)" or "wrong_type(\"" .. name .. "\", \"" .. expected .. "\")"
    add_scalar(source, field, wrong)
    add(source, "if bytes ~= \"\" then")
    add_bytes(
        source,
        lua_sources.wire_type_of(field.type),
        tag
    )
    add(source, "end")
end

--- Makes the encoder of a message type.
---@param message table
---@param codec_of fun(message: table): resty.etcd.transport.grpc.types.Codec
---@return fun(fields: any, out: string[], n: number, depth: number): number?, number|string
local function make(message, codec_of)
    local fields = lua_sources.sorted_fields(message)
    local source = lua_sources.new()
    bind(source, "SHORT", varint.SHORT)
    bind(source, "encode_number", varint.encode_number)
    bind(source, "encode_integer", varint.encode_integer)
    bind(source, "enum_number", enum_number)
    bind(source, "wrong_type", wrong_type)
    bind(source, "wrong_value", wrong_value)
    bind(source, "wrong_items", wrong_items)
    bind(source, "too_deep", too_deep)
    bind(source, "unknown_field", unknown_field)
    bind(source, "message", message)
    for ____, field in ipairs(fields) do
        if field.type.message ~= nil then
            bind(
                source,
                "_" .. field.name .. "_type",
                codec_of(field.type.message)
            )
        elseif field.type.values ~= nil then
            bind(source, "_" .. field.name .. "_values", field.type.values)
        end
    end
    add(source, "return function(fields, out, n, depth)")
    add(source, "local size, known = 0, 0")
    add(source, "local v, bytes, length, last, inner")
    for ____, field in ipairs(fields) do
        local tag = varint.encode_number(field.type.number * 8 + lua_sources.wire_type_of(field.type))
        add(source, "v = fields.$1 if v ~= nil then known = known + 1", field.name)
        if field.type.repeated == true then
            add_list(source, field, tag)
        else
            add_single(source, field, tag)
        end
        add(source, "end")
    end
    add(source, "for _ in pairs(fields) do known = known - 1 end")
    add(source, "if known < 0 then return nil, unknown_field(message, fields) end")
    add(source, "return n, size end")
    return lua_sources.compile(source, "protobuf encoder")
end
_M.make = make

return _M
