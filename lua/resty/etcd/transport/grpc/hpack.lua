-- Generated from src/resty/etcd/transport/grpc/hpack.ts by TypeScriptToLua. Do not edit.
local _M = {}
local http2_errors = require("resty.etcd.transport.grpc.http2_error")
local hpack_tables = require("resty.etcd.transport.grpc.hpack_table")
local huffman = require("resty.etcd.transport.grpc.huffman")
local byte = string.byte
local char = string.char
local find = string.find
local floor = math.floor
local sub = string.sub

--- Size in bytes of the dynamic table that the peer can use until it has received the settings (section 4.2).
local INITIAL_CAPACITY = 4096

--- Size in bytes of a header list, as SETTINGS_MAX_HEADER_LIST_SIZE counts it. It also bounds what a few bytes can expand
-- to that refer to the same large field again and again. gRPC's other implementations accept 16 KiB.
local MAX_LIST_SIZE = 64 * 1024

--- Integers up to this one are accepted: no length or index is larger.
local MAX_INTEGER = 2 ^ 24

--- Decoded blocks that are kept, and the length of the longest in bytes. The text of each error is another block.
local MAX_KEPT = 64
local MAX_KEPT_LENGTH = 1024

--- Fields that belong to a connection of HTTP/1 and must not occur (RFC 9113, section 8.2.2).
local FORBIDDEN = {
    connection = true,
    ["keep-alive"] = true,
    ["proxy-connection"] = true,
    ["transfer-encoding"] = true,
    upgrade = true
}

--- A decoded header block.
---@class resty.etcd.transport.grpc.hpack.HeaderBlock
---@field headers table Fields by name, `:status` included. The values of a repeated field are joined by `, `.
---@field is_malformed boolean The block violates a rule for responses: its stream is in error, the connection is not.

--- What is known of the peer's blocks.
---@class resty.etcd.transport.grpc.hpack.Decoder
---@field dynamic resty.etcd.transport.grpc.hpack_table.DynamicTable
---@field max_capacity number The largest capacity of the dynamic table that the peer can choose.
---@field kept table Decoded blocks by their bytes. They are used while the dynamic table has no capacity: a block then stands for itself.
---@field kept_count number

--- A block while it is decoded.
---@class resty.etcd.transport.grpc.hpack.Work
---@field block string
---@field at number
---@field list_size number
---@field has_regular_field boolean
---@field is_malformed boolean
---@field headers table

local function create()
    return {
        dynamic = hpack_tables.new(INITIAL_CAPACITY),
        max_capacity = INITIAL_CAPACITY,
        kept = {},
        kept_count = 0
    }
end

--- Limits the dynamic table to SETTINGS_HEADER_TABLE_SIZE, once the peer has acknowledged the setting.
---@param decoder resty.etcd.transport.grpc.hpack.Decoder
---@param max_capacity number
local function limit_capacity(decoder, max_capacity)
    decoder.max_capacity = max_capacity
end

local function malformed(text)
    return http2_errors.new(9, "malformed header block: " .. text)
end

--- Reads an integer (section 5.1).
---@param work resty.etcd.transport.grpc.hpack.Work
---@param limit number 2^n - 1 for a prefix of n bits
---@return number? # the integer, or nil if it is malformed or too large
local function read_integer(work, limit)
    local block = work.block
    local first = byte(block, work.at)
    if first == nil then
        return nil
    end
    local value = first % (limit + 1)
    work.at = work.at + 1
    if value < limit then
        return value
    end
    local scale = 1
    while true do
        local next_byte = byte(block, work.at)
        if next_byte == nil or scale > MAX_INTEGER then
            return nil
        end
        value = value + next_byte % 128 * scale
        scale = scale * 128
        work.at = work.at + 1
        if next_byte < 128 then
            return value <= MAX_INTEGER and value or nil
        end
    end
end

--- Reads a string (section 5.2), or returns nil if it is malformed.
---@param work resty.etcd.transport.grpc.hpack.Work
---@return string?
local function read_string(work)
    local is_huffman = (byte(work.block, work.at) or 0) >= 128
    local length = read_integer(work, 127)
    if length == nil or work.at + length - 1 > #work.block then
        return nil
    end
    local text = sub(work.block, work.at, work.at + length - 1)
    work.at = work.at + length
    local ____is_huffman_0
    if is_huffman then
        ____is_huffman_0 = huffman.decode(text)
    else
        ____is_huffman_0 = text
    end
    return ____is_huffman_0
end

--- Reports whether a field can occur in a response at this place (RFC 9113, sections 8.2 and 8.3).
---@param work resty.etcd.transport.grpc.hpack.Work
---@param field resty.etcd.transport.grpc.hpack_table.HeaderField
---@return boolean
local function is_valid(work, field)
    local is_pseudo = find(field.name, "^:")
    if is_pseudo ~= nil then
        local is_number = find(field.value, "^%d%d%d$")
        local is_first = not work.has_regular_field and work.headers[":status"] == nil
        return field.name == ":status" and is_first and is_number ~= nil
    end
    work.has_regular_field = true
    local bad_character = find(field.name, "[^!-9;-@[-~]")
    local bad_value = find(field.value, "[%z\r\n]")
    return field.name ~= "" and bad_character == nil and bad_value == nil and FORBIDDEN[field.name] == nil
end

--- Adds a field to the decoded block. Returns an error if the list becomes too large.
---@param work resty.etcd.transport.grpc.hpack.Work
---@param field resty.etcd.transport.grpc.hpack_table.HeaderField
---@return resty.etcd.transport.grpc.http2_error.ConnectionError?
local function add_field(work, field)
    work.list_size = work.list_size + #field.name + #field.value + hpack_tables.OVERHEAD
    if work.list_size > MAX_LIST_SIZE then
        return http2_errors.new(11, "header list too large")
    end
    if not is_valid(work, field) then
        work.is_malformed = true
        return nil
    end
    local before = work.headers[field.name]
    work.headers[field.name] = before ~= nil and before .. ", " .. field.value or field.value
    return nil
end

--- Decodes a literal field (section 6.2), and adds it to the dynamic table if it is to be indexed.
---@param decoder resty.etcd.transport.grpc.hpack.Decoder
---@param work resty.etcd.transport.grpc.hpack.Work
---@param limit number
---@param is_indexed boolean
---@return resty.etcd.transport.grpc.http2_error.ConnectionError?
local function decode_literal(decoder, work, limit, is_indexed)
    local index = read_integer(work, limit)
    if index == nil then
        return malformed("integer")
    end
    local name
    if index == 0 then
        name = read_string(work)
    else
        local field = hpack_tables.get(decoder.dynamic, index)
        if field == nil then
            return malformed("index")
        end
        name = field.name
    end
    if name == nil then
        return malformed("name")
    end
    local value = read_string(work)
    if value == nil then
        return malformed("value")
    end
    local field = {name = name, value = value}
    if is_indexed then
        hpack_tables.add(decoder.dynamic, field)
    end
    return add_field(work, field)
end

local function decode_indexed(decoder, work)
    local index = read_integer(work, 127)
    local field
    if index ~= nil then
        field = hpack_tables.get(decoder.dynamic, index)
    end
    if field == nil then
        return malformed("index")
    end
    return add_field(work, field)
end

--- Decodes a change of the dynamic table's capacity, which must come before all fields (section 4.2).
---@param decoder resty.etcd.transport.grpc.hpack.Decoder
---@param work resty.etcd.transport.grpc.hpack.Work
---@return resty.etcd.transport.grpc.http2_error.ConnectionError?
local function decode_capacity(decoder, work)
    local capacity = read_integer(work, 31)
    if capacity == nil or capacity > decoder.max_capacity or work.list_size > 0 then
        return malformed("table size")
    end
    hpack_tables.resize(decoder.dynamic, capacity)
    return nil
end

--- Decodes the field, or the change of the table, at the position.
---@param decoder resty.etcd.transport.grpc.hpack.Decoder
---@param work resty.etcd.transport.grpc.hpack.Work
---@return resty.etcd.transport.grpc.http2_error.ConnectionError?
local function decode_next(decoder, work)
    local first = byte(work.block, work.at)
    if first >= 128 then
        return decode_indexed(decoder, work)
    end
    if first >= 64 then
        return decode_literal(decoder, work, 63, true)
    end
    if first >= 32 then
        return decode_capacity(decoder, work)
    end
    return decode_literal(decoder, work, 15, false)
end

local function keep(decoder, block, decoded)
    if decoder.kept_count >= MAX_KEPT then
        decoder.kept = {}
        decoder.kept_count = 0
    end
    decoder.kept[block] = decoded
    decoder.kept_count = decoder.kept_count + 1
end

--- Decodes the header block of a response. Each block must be decoded, in the order of arrival, because it can change the
--- state. The result can be shared: it must not be changed.
---@param decoder resty.etcd.transport.grpc.hpack.Decoder
---@param block string
---@return resty.etcd.transport.grpc.hpack.HeaderBlock? res # the block; or nil and an error of the connection
---@return resty.etcd.transport.grpc.http2_error.ConnectionError? err
local function decode(decoder, block)
    local is_stateless = decoder.dynamic.capacity == 0
    if is_stateless then
        local decoded = decoder.kept[block]
        if decoded ~= nil then
            return decoded
        end
    end
    local work = {
        block = block,
        at = 1,
        list_size = 0,
        has_regular_field = false,
        is_malformed = false,
        headers = {}
    }
    while work.at <= #block do
        local failure = decode_next(decoder, work)
        if failure ~= nil then
            return nil, failure
        end
    end
    local decoded = {headers = work.headers, is_malformed = work.is_malformed}
    if is_stateless and decoder.dynamic.capacity == 0 and #block <= MAX_KEPT_LENGTH then
        keep(decoder, block, decoded)
    end
    return decoded
end

--- Returns an integer behind a prefix whose other bits are in `first`.
---@param first number
---@param limit number
---@param value number
---@return string
local function encode_integer(first, limit, value)
    if value < limit then
        return char(first + value)
    end
    local out = char(first + limit)
    local rest = value - limit
    while rest >= 128 do
        out = out .. char(128 + rest % 128)
        rest = floor(rest / 128)
    end
    return out .. char(rest)
end

local function encode_string(text)
    return encode_integer(0, 127, #text) .. text
end

--- Returns a field of a request that no peer keeps.
---@param name string
---@param value string
---@param is_secret boolean intermediaries must not keep it either
---@return string
local function encode_field(name, value, is_secret)
    return char(is_secret and 16 or 0) .. encode_string(name) .. encode_string(value)
end

--- Returns the header block of a gRPC request. It depends on nothing else, so a caller can use it again for all requests
--- with the same method, token and metadata.
---@param path string name of the method, with its leading slash
---@param authority string
---@param metadata string further fields, as `encode_field` returns them
---@return string
local function encode_request(path, authority, metadata)
    local pseudo = char(131, 134, 4) .. encode_string(path) .. char(1) .. encode_string(authority)
    local content_type = char(15, 16) .. encode_string("application/grpc")
    return pseudo .. content_type .. encode_field("te", "trailers", false) .. metadata
end
_M.MAX_LIST_SIZE = MAX_LIST_SIZE
_M.new = create
_M.decode = decode
_M.encode_field = encode_field
_M.encode_request = encode_request
_M.limit_capacity = limit_capacity

return _M
