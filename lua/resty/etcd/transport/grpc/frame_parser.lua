-- Generated from src/resty/etcd/transport/grpc/frame_parser.ts by TypeScriptToLua. Do not edit.
local _M = {}
local frame_payloads = require("resty.etcd.transport.grpc.frame_payload")
local frames = require("resty.etcd.transport.grpc.frames")
local byte = string.byte
local concat = table.concat
local format = string.format
local frame_size_error = frame_payloads.frame_size_error
local has_flag = frame_payloads.has_flag
local parsers = frame_payloads.parsers
local protocol_error = frame_payloads.protocol_error
local read_uint32 = frames.read_uint32
local sub = string.sub
local HEADER_LENGTH = frames.HEADER_LENGTH
local MAX_FRAME_SIZE = frames.MIN_MAX_FRAME_SIZE

--- First byte of an alert of TLS, which is shorter than a frame. No frame that large is valid.
local TLS_ALERT = 21

local function create(handler)
    return {
        handler = handler,
        parts = {},
        buffered = 0,
        needed = HEADER_LENGTH,
        has_settings = false,
        block = nil,
        failure = nil
    }
end

--- Reports whether frames of a type belong to the connection (true), to a stream (false), or to either (nil).
local of_connection = {}
of_connection[4] = true
of_connection[6] = true
of_connection[7] = true
for ____, frame_type in ipairs({
    0,
    1,
    2,
    3,
    5,
    9
}) do
    of_connection[frame_type] = false
end

--- Returns an error if the frame cannot occur here.
---@param parser resty.etcd.transport.grpc.types.FrameParser
---@param frame_type number
---@param stream_id number
---@param flags number
---@return resty.etcd.transport.grpc.http2_error.ConnectionError?
local function check_header(parser, frame_type, stream_id, flags)
    if not parser.has_settings then
        if frame_type ~= 4 or has_flag(flags, frames.ACK) then
            return protocol_error("first frame is not SETTINGS")
        end
        parser.has_settings = true
    end
    local block = parser.block
    if block ~= nil and (frame_type ~= 9 or stream_id ~= block.stream_id) then
        return protocol_error("frame within a header block")
    end
    local belongs = of_connection[frame_type]
    if belongs ~= nil and belongs ~= (stream_id == 0) then
        return protocol_error(format("frame of type %d on stream %d", frame_type, stream_id))
    end
    if stream_id % 2 == 0 and stream_id > 0 and parsers[frame_type] ~= nil then
        return protocol_error("frame on a stream of the server")
    end
    return nil
end

--- Parses the frame at a position.
---@param parser resty.etcd.transport.grpc.types.FrameParser
---@param s string
---@param at number
---@return number? # the position after it, nil if it is incomplete or an error was found
local function parse_frame(parser, s, at)
    local available = #s - at + 1
    if not parser.has_settings and available > 0 and byte(s, at) == TLS_ALERT then
        parser.failure = protocol_error("the server answers in TLS")
        return nil
    end
    if available < HEADER_LENGTH then
        parser.needed = HEADER_LENGTH
        return nil
    end
    local length = byte(s, at) * 65536 + byte(s, at + 1) * 256 + byte(s, at + 2)
    if length > MAX_FRAME_SIZE then
        local is_http1 = not parser.has_settings and sub(s, at, at + 4) == "HTTP/"
        parser.failure = is_http1 and protocol_error("the server answers in HTTP/1") or frame_size_error("frame larger than the limit")
        return nil
    end
    if available < HEADER_LENGTH + length then
        parser.needed = HEADER_LENGTH + length
        return nil
    end
    local frame_type = byte(s, at + 3)
    local flags = byte(s, at + 4)
    local stream_id = read_uint32(s, at + 5) % 2 ^ 31
    local from = at + HEADER_LENGTH
    local last = from + length - 1
    local failure = check_header(parser, frame_type, stream_id, flags)
    if failure == nil then
        local parse = parsers[frame_type]
        if parse ~= nil then
            failure = parse(
                parser,
                s,
                from,
                last,
                flags,
                stream_id
            )
        end
    end
    parser.failure = failure
    return failure == nil and last + 1 or nil
end

--- Keeps the bytes of an incomplete frame. Returns the error that ended the parsing.
---@param parser resty.etcd.transport.grpc.types.FrameParser
---@param rest string
---@return resty.etcd.transport.grpc.http2_error.ConnectionError?
local function keep_rest(parser, rest)
    if rest ~= "" or parser.buffered > 0 then
        parser.parts = {rest}
    end
    parser.buffered = #rest
    return parser.failure
end

--- Parses the frames that are complete with the next bytes, and keeps the rest.
---@param parser resty.etcd.transport.grpc.types.FrameParser
---@param chunk string
---@return resty.etcd.transport.grpc.http2_error.ConnectionError? # an error of the connection, also at each later call
local function feed(parser, chunk)
    if parser.failure ~= nil then
        return parser.failure
    end
    local s = chunk
    if parser.buffered > 0 then
        local ____parser_parts_0 = parser.parts
        ____parser_parts_0[#____parser_parts_0 + 1] = chunk
        parser.buffered = parser.buffered + #chunk
        if parser.buffered < parser.needed then
            return nil
        end
        s = concat(parser.parts)
    end
    local at = 1
    while true do
        local next_at = parse_frame(parser, s, at)
        if next_at == nil then
            break
        end
        at = next_at
    end
    return keep_rest(
        parser,
        sub(s, at)
    )
end
_M.new = create
_M.feed = feed

return _M
