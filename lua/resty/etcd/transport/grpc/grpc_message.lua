-- Generated from src/resty/etcd/transport/grpc/grpc_message.ts by TypeScriptToLua. Do not edit.
local _M = {}
local frames = require("resty.etcd.transport.grpc.frames")
local byte = string.byte
local char = string.char
local concat = table.concat
local floor = math.floor
local read_uint32 = frames.read_uint32
local sub = string.sub

--- Bytes before each message: a flag, and the length of the message.
local PREFIX_LENGTH = 5

--- Largest message in bytes that is accepted, as on the gateway. The prefix can promise 4 GiB.
local MAX_SIZE = 512 * 1024 * 1024

--- Receives messages.
---@class resty.etcd.transport.grpc.grpc_message.MessageSink
---@field on_message fun(self: resty.etcd.transport.grpc.grpc_message.MessageSink, s: string, from: number, last: number): string? Receives a message, which is `s` from `from` to `last`. Must not yield.

--- The messages of one stream.
---@class resty.etcd.transport.grpc.grpc_message.MessageReader
---@field sink resty.etcd.transport.grpc.grpc_message.MessageSink
---@field parts string[]? Bytes of an incomplete message, with its prefix.
---@field buffered number
---@field needed number Buffered bytes at which reading can continue.

local function create(sink)
    return {sink = sink, parts = nil, buffered = 0, needed = PREFIX_LENGTH}
end

--- Makes a reader ready for another stream.
---@param reader resty.etcd.transport.grpc.grpc_message.MessageReader
local function reset(reader)
    reader.parts = nil
    reader.buffered = 0
    reader.needed = PREFIX_LENGTH
end

--- Returns a message with its prefix.
---@param message string
---@return string
local function encode(message)
    local size = #message
    local prefix = char(
        0,
        floor(size / 16777216),
        floor(size / 65536) % 256,
        floor(size / 256) % 256,
        size % 256
    )
    return prefix .. message
end

--- Reads the messages that are complete, and keeps the rest.
---@param reader resty.etcd.transport.grpc.grpc_message.MessageReader
---@param s string
---@param from number
---@param last number
---@return string?
local function read(reader, s, from, last)
    local at = from
    local needed = PREFIX_LENGTH
    while last - at + 1 >= PREFIX_LENGTH do
        if byte(s, at) ~= 0 then
            return "malformed reply: compressed message, although no compression was accepted"
        end
        local size = read_uint32(s, at + 1)
        if size > MAX_SIZE then
            return "malformed reply: message of " .. tostring(size) .. " bytes, more than " .. tostring(MAX_SIZE)
        end
        local stop = at + PREFIX_LENGTH + size - 1
        if stop > last then
            needed = PREFIX_LENGTH + size
            break
        end
        local problem = reader.sink:on_message(s, at + PREFIX_LENGTH, stop)
        if problem ~= nil then
            return problem
        end
        at = stop + 1
    end
    reader.needed = needed
    if at <= last then
        reader.parts = {sub(s, at, last)}
        reader.buffered = last - at + 1
    end
    return nil
end

--- Takes data, which are `s` from `from` to `last`, and passes the messages that are complete to the sink.
---@param reader resty.etcd.transport.grpc.grpc_message.MessageReader
---@param s string
---@param from number
---@param last number
---@return string? # what is wrong with the data; the reader must not be used again then
local function feed(reader, s, from, last)
    local parts = reader.parts
    if parts == nil then
        return read(reader, s, from, last)
    end
    parts[#parts + 1] = sub(s, from, last)
    reader.buffered = reader.buffered + last - from + 1
    if reader.buffered < reader.needed then
        return nil
    end
    local joined = concat(parts)
    reader.parts = nil
    reader.buffered = 0
    return read(reader, joined, 1, #joined)
end

--- Reports whether data have arrived that are no complete message.
---@param reader resty.etcd.transport.grpc.grpc_message.MessageReader
---@return boolean
local function is_incomplete(reader)
    return reader.buffered > 0
end
_M.new = create
_M.encode = encode
_M.feed = feed
_M.is_incomplete = is_incomplete
_M.reset = reset

return _M
