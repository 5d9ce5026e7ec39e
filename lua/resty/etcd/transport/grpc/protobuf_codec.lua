-- Generated from src/resty/etcd/transport/grpc/protobuf_codec.ts by TypeScriptToLua. Do not edit.
local _M = {}
local gc_barrier = require("resty.etcd.base.gc_barrier")
local time_slice = require("resty.etcd.base.time_slice")
local protobuf_decoder = require("resty.etcd.transport.grpc.protobuf_decoder")
local protobuf_encoder = require("resty.etcd.transport.grpc.protobuf_encoder")
local varint = require("resty.etcd.transport.grpc.varint")
local byte = string.byte
local concat = table.concat
local sub = string.sub

--- Bytes that are decoded in one call, which takes less than a millisecond.
local LONG = 64 * 1024

--- Bytes of a list's items between two tests whether a time slice is used up.
local PART = 8 * 1024

--- Pieces that are kept for the next message. The array of a longer message is garbage.
local MAX_PIECES = 256

--- The pieces of the message that is being encoded. Encoding never yields, so one array serves all calls.
local pieces = {}
local codecs = {}

--- Returns the codec of a message type, which compiles each function at its first call.
---@param message table
---@return resty.etcd.transport.grpc.types.Codec
local function codec_of(message)
    local codec = codecs[message]
    if codec == nil then
        local created
        created = {
            message = message,
            decode = function(s, from, stop, depth, into)
                created.decode = protobuf_decoder.make(message, codec_of)
                return created.decode(
                    s,
                    from,
                    stop,
                    depth,
                    into
                )
            end,
            encode = function(fields, out, n, depth)
                created.encode = protobuf_encoder.make(message, codec_of)
                return created.encode(fields, out, n, depth)
            end
        }
        codecs[message] = created
        codec = created
    end
    return codec
end

--- Encodes a message.
---@param message table
---@param fields table the message; a field of a wrong type is an error
---@return string? res
---@return string? err
local function encode(message, fields)
    local out = pieces
    local n, size_or_problem = codec_of(message).encode(fields, out, 0, 0)
    if n == nil then
        pieces = {}
        return nil, size_or_problem
    end
    local bytes = concat(out, "", 1, n)
    if n > MAX_PIECES then
        pieces = {}
    else
        for i = 1, n do
            out[i] = ""
        end
    end
    return bytes
end

--- Returns the repeated field whose items can be many, if the message type has one.
---@param message table
---@return string? name
---@return resty.etcd.protocol.schema.FieldType? type
local function list_of(message)
    for name, field in pairs(message) do
        if field.repeated == true and field.values == nil then
            return name, field
        end
    end
    return nil
end

--- Decodes a long message: the items of its list one by one, with pauses, and then the other fields together.
---@param codec resty.etcd.transport.grpc.types.Codec
---@param s string
---@param name string
---@param item resty.etcd.transport.grpc.types.Codec?
---@param tag number tag of the list
---@return table? message # the message, and the name of a malformed field
---@return string? bad
local function decode_in_parts(codec, s, name, item, tag)
    local slice = time_slice.start()
    local stop = #s
    local items = {}
    local others = {}
    local n = 0
    local at = 1
    local next_test = PART
    while at <= stop do
        local from = at
        if byte(s, at) == tag then
            local size, first = varint.read_number(s, at + 1)
            at = first + size
            if at > stop + 1 then
                return nil, name
            end
            local value
            if item ~= nil then
                local message, bad = item.decode(s, first, at - 1, 1)
                if message == nil then
                    return nil, bad or name
                end
                value = message
            else
                value = sub(s, first, at - 1)
            end
            items[n + 1] = gc_barrier.mark_now(value)
            n = n + 1
        else
            at = varint.skip_field(s, at)
            if at > stop + 1 then
                return nil
            end
            others[#others + 1] = sub(s, from, at - 1)
        end
        if at > next_test then
            next_test = at + PART
            time_slice.yield_if_due(slice)
        end
    end
    local rest = concat(others)
    local message, bad = codec.decode(rest, 1, #rest, 0)
    if message ~= nil and n > 0 then
        message[name] = items
    end
    return message, bad
end

--- Decodes a message, which is `s` from `from` to `last`, in one call. The result is as that of `decode`.
---@param message table
---@param s string
---@param from number
---@param last number
---@return table? message
---@return string? bad
local function decode_at(message, s, from, last)
    local decoded, bad = codec_of(message).decode(s, from, last, 0)
    return decoded, decoded == nil and (bad or "body") or nil
end

--- Decodes a message. A long one is decoded in parts, so that it does not occupy the worker; in phases that cannot yield,
--- without a pause.
---@param message table
---@param s string
---@return table? message # the message; or nil and the name of the malformed field
---@return string? bad
local function decode(message, s)
    if #s > LONG then
        local name, field = list_of(message)
        if name ~= nil then
            local item = field.message ~= nil and codec_of(field.message) or nil
            local decoded, bad = decode_in_parts(
                codec_of(message),
                s,
                name,
                item,
                field.number * 8 + 2
            )
            return decoded, decoded == nil and (bad or "body") or nil
        end
    end
    return decode_at(message, s, 1, #s)
end
_M.LONG = LONG
_M.decode = decode
_M.decode_at = decode_at
_M.encode = encode

return _M
