-- Generated from src/resty/etcd/transport/grpc/frame_payload.ts by TypeScriptToLua. Do not edit.
local _M = {}
local frames = require("resty.etcd.transport.grpc.frames")
local http2_errors = require("resty.etcd.transport.grpc.http2_error")
local byte = string.byte
local concat = table.concat
local floor = math.floor
local read_uint32 = frames.read_uint32
local sub = string.sub
local MAX_FRAME_SIZE = frames.MIN_MAX_FRAME_SIZE
local MAX_31_BITS = frames.MAX_31_BITS

--- Bytes of a header block in all its frames.
local MAX_BLOCK_SIZE = 64 * 1024

--- CONTINUATION frames of a header block: a limit for those that are empty.
local MAX_CONTINUATIONS = 16

local function protocol_error(text)
    return http2_errors.new(1, text)
end

local function frame_size_error(text)
    return http2_errors.new(6, text)
end

local function has_flag(flags, flag)
    return floor(flags / flag) % 2 == 1
end

--- Returns the positions of a payload without its padding, or nil if the padding is too long.
---@param s string
---@param from number
---@param last number
---@param flags number
---@return number? start
---@return number stop
local function without_padding(s, from, last, flags)
    if not has_flag(flags, 8) then
        return from, last
    end
    if from > last then
        return nil, 0
    end
    local stop = last - byte(s, from)
    return stop >= from and from + 1 or nil, stop
end

local function parse_data(parser, s, from, last, flags, stream_id)
    local start, stop = without_padding(s, from, last, flags)
    if start == nil then
        return protocol_error("DATA frame with too much padding")
    end
    local is_end = has_flag(flags, 1)
    return parser.handler:on_data(
        stream_id,
        s,
        start,
        stop,
        last - from + 1,
        is_end
    )
end

--- Adds a piece to the open header block, and passes the block on if it is complete.
---@param parser resty.etcd.transport.grpc.types.FrameParser
---@param block resty.etcd.transport.grpc.types.OpenBlock
---@param piece string
---@param is_complete boolean
---@return resty.etcd.transport.grpc.http2_error.ConnectionError?
local function add_to_block(parser, block, piece, is_complete)
    local ____block_parts_0 = block.parts
    ____block_parts_0[#____block_parts_0 + 1] = piece
    block.size = block.size + #piece
    if block.size > MAX_BLOCK_SIZE or #block.parts > MAX_CONTINUATIONS + 1 then
        return http2_errors.new(11, "header block too long")
    end
    if not is_complete then
        parser.block = block
        return nil
    end
    parser.block = nil
    return parser.handler:on_headers(
        block.stream_id,
        concat(block.parts),
        block.is_end
    )
end

local function parse_headers(parser, s, from, last, flags, stream_id)
    local start, stop = without_padding(s, from, last, flags)
    if start == nil then
        return protocol_error("HEADERS frame with too much padding")
    end
    local first = has_flag(flags, 32) and start + 5 or start
    if first > stop + 1 then
        return frame_size_error("HEADERS frame without room for its priority")
    end
    local is_end = has_flag(flags, 1)
    if has_flag(flags, 4) then
        return parser.handler:on_headers(
            stream_id,
            sub(s, first, stop),
            is_end
        )
    end
    local block = {stream_id = stream_id, is_end = is_end, parts = {}, size = 0}
    return add_to_block(
        parser,
        block,
        sub(s, first, stop),
        false
    )
end

local function parse_continuation(parser, s, from, last, flags)
    local block = parser.block
    if block == nil then
        return protocol_error("CONTINUATION frame without header block")
    end
    local piece = sub(s, from, last)
    return add_to_block(
        parser,
        block,
        piece,
        has_flag(flags, 4)
    )
end

local function parse_priority(parser, _s, from, last, _flags, stream_id)
    if last - from + 1 ~= 5 then
        return parser.handler:on_stream_error(stream_id, 6)
    end
    return nil
end

local function parse_rst_stream(parser, s, from, last, _flags, stream_id)
    if last - from + 1 ~= 4 then
        return frame_size_error("RST_STREAM frame of wrong size")
    end
    return parser.handler:on_rst_stream(
        stream_id,
        read_uint32(s, from)
    )
end

--- Returns an error for a setting that a server must not send.
---@param setting number
---@param value number
---@return resty.etcd.transport.grpc.http2_error.ConnectionError?
local function check_setting(setting, value)
    if setting == 2 and value ~= 0 then
        return protocol_error("SETTINGS_ENABLE_PUSH from a server")
    end
    if setting == 4 and value > MAX_31_BITS then
        return http2_errors.new(3, "SETTINGS_INITIAL_WINDOW_SIZE too large")
    end
    local is_frame_size = value >= MAX_FRAME_SIZE and value <= frames.MAX_MAX_FRAME_SIZE
    if setting == 5 and not is_frame_size then
        return protocol_error("SETTINGS_MAX_FRAME_SIZE out of range")
    end
    return nil
end

local function parse_settings(parser, s, from, last, flags)
    local length = last - from + 1
    local is_ack = has_flag(flags, frames.ACK)
    if length % 6 ~= 0 or is_ack and length > 0 then
        return frame_size_error("SETTINGS frame of wrong size")
    end
    if is_ack then
        return parser.handler:on_settings_ack()
    end
    local values = {}
    for i = from, last, 6 do
        local setting = byte(s, i) * 256 + byte(s, i + 1)
        local value = read_uint32(s, i + 2)
        local failure = check_setting(setting, value)
        if failure ~= nil then
            return failure
        end
        values[setting] = value
    end
    return parser.handler:on_settings(values)
end

local function parse_push_promise()
    return protocol_error("PUSH_PROMISE frame although push is disabled")
end

local function parse_ping(parser, s, from, last, flags)
    if last - from + 1 ~= 8 then
        return frame_size_error("PING frame of wrong size")
    end
    local payload = sub(s, from, last)
    if has_flag(flags, frames.ACK) then
        return parser.handler:on_ping_ack(payload)
    end
    return parser.handler:on_ping(payload)
end

local function parse_goaway(parser, s, from, last)
    if last - from + 1 < 8 then
        return frame_size_error("GOAWAY frame of wrong size")
    end
    local last_stream_id = read_uint32(s, from) % 2 ^ 31
    local code = read_uint32(s, from + 4)
    return parser.handler:on_goaway(
        last_stream_id,
        code,
        sub(s, from + 8, last)
    )
end

local function parse_window_update(parser, s, from, last, _flags, stream_id)
    if last - from + 1 ~= 4 then
        return frame_size_error("WINDOW_UPDATE frame of wrong size")
    end
    local increment = read_uint32(s, from) % 2 ^ 31
    if increment > 0 then
        return parser.handler:on_window_update(stream_id, increment)
    end
    if stream_id == 0 then
        return protocol_error("WINDOW_UPDATE frame without increment")
    end
    return parser.handler:on_stream_error(stream_id, 1)
end
local parsers = {}
parsers[0] = parse_data
parsers[1] = parse_headers
parsers[2] = parse_priority
parsers[3] = parse_rst_stream
parsers[4] = parse_settings
parsers[5] = parse_push_promise
parsers[6] = parse_ping
parsers[7] = parse_goaway
parsers[8] = parse_window_update
parsers[9] = parse_continuation
_M.frame_size_error = frame_size_error
_M.has_flag = has_flag
_M.parsers = parsers
_M.protocol_error = protocol_error

return _M
