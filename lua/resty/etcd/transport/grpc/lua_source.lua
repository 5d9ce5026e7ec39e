-- Generated from src/resty/etcd/transport/grpc/lua_source.ts by TypeScriptToLua. Do not edit.
local _M = {}
local concat = table.concat
local sort = table.sort
local format = string.format

--- Messages within messages, beyond which a message is malformed: the 100 nested transactions that `txn` accepts, which are two
-- messages each, and their operations.
local MAX_DEPTH = 210

--- A field with its name.
---@class resty.etcd.transport.grpc.lua_source.NamedField
---@field name string
---@field type resty.etcd.protocol.schema.FieldType

--- Lua source in the making, with the values that it uses as upvalues.
---@class resty.etcd.transport.grpc.lua_source.LuaSource
---@field lines string[]
---@field names string[]
---@field values any[]

local function create()
    return {lines = {}, names = {}, values = {}}
end

--- Gives the source a value under a name.
---@param source resty.etcd.transport.grpc.lua_source.LuaSource
---@param name string
---@param value any
local function bind(source, name, value)
    local ____source_names_0 = source.names
    ____source_names_0[#____source_names_0 + 1] = name
    local ____source_values_1 = source.values
    ____source_values_1[#____source_values_1 + 1] = value
end

--- Appends a line in which `$1`, `$2` and `$3` are replaced.
---@param source resty.etcd.transport.grpc.lua_source.LuaSource
---@param template string
---@param a? string
---@param b? string
---@param c? string
local function add(source, template, a, b, c)
    local replacements = {["1"] = a, ["2"] = b, ["3"] = c}
    local line = string.gsub(template, "%$(%d)", replacements)
    local ____source_lines_2 = source.lines
    ____source_lines_2[#____source_lines_2 + 1] = line
end

--- Compiles the source, which returns one function.
---@generic F
---@param source resty.etcd.transport.grpc.lua_source.LuaSource
---@param name string
---@return F
local function compile(source, name)
    local names = concat(source.names, ", ")
    local text = "local " .. names .. " = ...\n" .. concat(source.lines, "\n") .. "\n"
    local chunk = loadstring(text, "=" .. name)
    local make = chunk
    return make(unpack(source.values))
end

--- Returns the fields of a message type in the order of their numbers, in which all implementations encode them.
---@param message table
---@return resty.etcd.transport.grpc.lua_source.NamedField[]
local function sorted_fields(message)
    local fields = {}
    for name, field in pairs(message) do
        fields[#fields + 1] = {name = name, type = field}
    end
    sort(
        fields,
        function(a, b) return a.type.number < b.type.number end
    )
    return fields
end

--- Returns the wire type of single values of a field: 0 for a varint, 2 for bytes with a length.
---@param field resty.etcd.protocol.schema.FieldType
---@return 0|2
local function wire_type_of(field)
    local scalar = field.scalar
    return (field.message ~= nil or scalar == "bytes" or scalar == "string") and 2 or 0
end

--- Returns the Lua literal of a string of any bytes.
---@param bytes string
---@return string
local function literal(bytes)
    local parts = {}
    for i = 1, #bytes do
        parts[#parts + 1] = format(
            "\\%03d",
            string.byte(bytes, i)
        )
    end
    return "\"" .. concat(parts) .. "\""
end
_M.MAX_DEPTH = MAX_DEPTH
_M.add = add
_M.bind = bind
_M.compile = compile
_M.new = create
_M.literal = literal
_M.sorted_fields = sorted_fields
_M.wire_type_of = wire_type_of

return _M
