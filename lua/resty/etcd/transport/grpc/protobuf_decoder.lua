-- Generated from src/resty/etcd/transport/grpc/protobuf_decoder.ts by TypeScriptToLua. Do not edit.
local _M = {}
local lua_sources = require("resty.etcd.transport.grpc.lua_source")
local varint = require("resty.etcd.transport.grpc.varint")
local add = lua_sources.add
local bind = lua_sources.bind
local byte = string.byte
local concat = table.concat
local format = string.format
local READERS = {int64 = "read_int64", uint64 = "read_uint64", bool = "read_bool"}

--- Lua literal of zero, for lists: a list contains its zeros.
local ZEROS = {int64 = "\"0\"", uint64 = "\"0\"", bool = "false"}

--- Bytes 1 to `tag.length` of a tag, as a condition.
---@param tag string
---@return string
local function tag_test(tag)
    local first = format(
        "tag == %d",
        byte(tag, 1)
    )
    return #tag == 1 and first or first .. " and byte(s, at + 1) == " .. format(
        "%d",
        byte(tag, 2)
    )
end

--- Reads a length, sets `at` to the first byte and `last` to the last one.
---@param source resty.etcd.transport.grpc.lua_source.LuaSource
---@param tag string
---@param name string
local function add_length(source, tag, name)
    add(
        source,
        "size = byte(s, at + " .. format("%d", #tag) .. ") or 128"
    )
    add(
        source,
        "at = at + " .. format("%d", #tag + 1)
    )
    add(source, "if size > 127 then size, at = read_number(s, at - 1) end")
    add(source, "last = at + size - 1 if last > stop then return nil, \"$1\" end", name)
end

--- Sets `value` to a varint at `at`.
---@param source resty.etcd.transport.grpc.lua_source.LuaSource
---@param field resty.etcd.transport.grpc.lua_source.NamedField
local function add_varint(source, field)
    local scalar = field.type.scalar
    if scalar == nil then
        add(source, "value, at = read_number(s, at) value = _$1_names[value]", field.name)
        add(source, "if value == nil then return nil, \"$1\" end value = value or nil", field.name)
    else
        add(source, "value, at = $1(s, at)", READERS[scalar])
    end
end

--- Names of an enum by number; false for zero.
---@param field resty.etcd.transport.grpc.lua_source.NamedField
---@return table
local function enum_names(field)
    local names = {}
    for name, n in pairs(field.type.values) do
        names[n] = n ~= 0 and name or false
    end
    return names
end

--- Lua literal of what a zero is in a list.
---@param field resty.etcd.transport.grpc.lua_source.NamedField
---@return string
local function zero_of(field)
    for name, n in pairs(field.type.values or ({})) do
        if n == 0 then
            return "\"" .. name .. "\""
        end
    end
    return ZEROS[field.type.scalar]
end

local function add_list(source, field, tag)
    local name = field.name
    if lua_sources.wire_type_of(field.type) == 0 then
        local packed = varint.encode_number(field.type.number * 8 + 2)
        add(
            source,
            "if " .. tag_test(packed) .. " then"
        )
        add_length(source, packed, name)
        add(source, "_$1 = _$1 or {}", name)
        add(source, "while at <= last do")
        add_varint(source, field)
        add(
            source,
            "_$1[#_$1 + 1] = value or $2 end",
            name,
            zero_of(field)
        )
        add(source, "if at ~= last + 1 then return nil, \"$1\" end", name)
        add(source, "tag = at <= stop and byte(s, at) end")
        add(
            source,
            "while " .. tag_test(tag) .. " do at = at + " .. format("%d", #tag)
        )
        add_varint(source, field)
        add(
            source,
            "_$1 = _$1 or {} _$1[#_$1 + 1] = value or $2",
            name,
            zero_of(field)
        )
    else
        add(
            source,
            "if " .. tag_test(tag) .. " then"
        )
        add(source, "local n = 0 if _$1 then n = #_$1 else _$1 = {} end", name)
        add(
            source,
            "while " .. tag_test(tag) .. " do"
        )
        add_length(source, tag, name)
        if field.type.message ~= nil then
            add(source, "value, bad = _$1_type.decode(s, at, last, depth + 1)", name)
            add(source, "if not value then return nil, bad or \"$1\" end", name)
        else
            add(source, "value = sub(s, at, last)")
        end
        add(source, "n = n + 1 _$1[n] = value at = last + 1 tag = at <= stop and byte(s, at) end", name)
        add(source, "end")
        return
    end
    add(source, "tag = at <= stop and byte(s, at) end")
end

local function add_single(source, field, tag)
    local name = field.name
    add(
        source,
        "if " .. tag_test(tag) .. " then"
    )
    if lua_sources.wire_type_of(field.type) == 0 then
        add(
            source,
            "at = at + " .. format("%d", #tag)
        )
        add_varint(source, field)
        add(source, "_$1 = value", name)
    else
        add_length(source, tag, name)
        if field.type.message ~= nil then
            add(source, "value, bad = _$1_type.decode(s, at, last, depth + 1, _$1)", name)
            add(source, "if not value then return nil, bad or \"$1\" end _$1 = value at = last + 1", name)
        else
            add(source, "_$1 = size > 0 and sub(s, at, last) or nil at = last + 1", name)
        end
    end
    add(source, "tag = at <= stop and byte(s, at) end")
end

--- Makes the decoder of a message type.
---@param message table
---@param codec_of fun(message: table): resty.etcd.transport.grpc.types.Codec
---@return fun(s: string, from: number, stop: number, depth: number, into?: table): table?, string?
local function make(message, codec_of)
    local fields = lua_sources.sorted_fields(message)
    local source = lua_sources.new()
    bind(source, "byte", byte)
    bind(source, "sub", string.sub)
    bind(source, "read_number", varint.read_number)
    bind(source, "read_int64", varint.read_int64)
    bind(source, "read_uint64", varint.read_uint64)
    bind(source, "read_bool", varint.read_bool)
    bind(source, "skip_field", varint.skip_field)
    bind(
        source,
        "this_type",
        codec_of(message)
    )
    local locals = {}
    local members = {}
    local entries = {}
    for ____, field in ipairs(fields) do
        locals[#locals + 1] = "_" .. field.name
        members[#members + 1] = "into." .. field.name
        entries[#entries + 1] = field.name .. " = _" .. field.name
        if field.type.message ~= nil then
            bind(
                source,
                "_" .. field.name .. "_type",
                codec_of(field.type.message)
            )
        elseif field.type.values ~= nil then
            bind(
                source,
                "_" .. field.name .. "_names",
                enum_names(field)
            )
        end
    end
    local names = concat(locals, ", ")
    add(source, "return function(s, at, stop, depth, into)")
    add(
        source,
        "if depth > " .. format("%d", lua_sources.MAX_DEPTH) .. " then return nil end"
    )
    add(source, "local from, tag, size, last, value, bad = at, at <= stop and byte(s, at)")
    if #fields > 0 then
        add(source, "local " .. names)
        add(
            source,
            "if into then " .. names .. " = " .. concat(members, ", ") .. " end"
        )
    end
    for ____, field in ipairs(fields) do
        local tag = varint.encode_number(field.type.number * 8 + lua_sources.wire_type_of(field.type))
        if field.type.repeated == true then
            add_list(source, field, tag)
        else
            add_single(source, field, tag)
        end
    end
    if #fields > 0 then
        add(
            source,
            "if into then " .. concat(members, ", ") .. " = " .. names
        )
        add(
            source,
            "else into = { " .. concat(entries, ", ") .. " } end"
        )
    else
        add(source, "into = into or {}")
    end
    add(source, "if at <= stop then")
    add(source, "if at == from then at = skip_field(s, at) end")
    add(source, "return this_type.decode(s, at, stop, depth, into) end")
    add(source, "if at ~= stop + 1 then return nil end")
    add(source, "return into end")
    return lua_sources.compile(source, "protobuf decoder")
end
_M.make = make

return _M
