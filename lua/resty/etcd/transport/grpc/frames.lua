-- Generated from src/resty/etcd/transport/grpc/frames.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Frames of HTTP/2 (RFC 9113): types, flags, settings, and the bytes of those that a client sends.
local byte = string.byte
local char = string.char
local concat = table.concat
local floor = math.floor
local min = math.min
local sub = string.sub

--- Flag of SETTINGS and PING; for other frames, this bit is `Flag.END_STREAM`.
local ACK = 1

--- Starts a connection, before the client's SETTINGS.
local PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

--- Bytes before each frame's payload.
local HEADER_LENGTH = 9

--- Largest payload in bytes that each peer must accept. The driver never raises it, so it bounds what is buffered.
local MIN_MAX_FRAME_SIZE = 16384

--- Largest payload in bytes that a peer can allow.
local MAX_MAX_FRAME_SIZE = 16777215

--- Bytes that both sides can send before the first WINDOW_UPDATE, unless a setting says otherwise.
local DEFAULT_WINDOW = 65535

--- Largest flow control window, increment and stream ID.
local MAX_31_BITS = 2 ^ 31 - 1

--- Returns the four bytes of an integer.
---@param n number
---@return string
local function encode_uint32(n)
    return char(
        floor(n / 16777216) % 256,
        floor(n / 65536) % 256,
        floor(n / 256) % 256,
        n % 256
    )
end

--- Reads an integer of four bytes.
---@param s string
---@param at number
---@return number
local function read_uint32(s, at)
    return byte(s, at) * 16777216 + byte(s, at + 1) * 65536 + byte(s, at + 2) * 256 + byte(s, at + 3)
end

--- Returns the header of a frame.
---@param length number
---@param frame_type 0|1|2|3|4|5|6|7|8|9
---@param flags number
---@param stream_id number
---@return string
local function encode_header(length, frame_type, flags, stream_id)
    return char(
        floor(length / 65536),
        floor(length / 256) % 256,
        length % 256,
        frame_type,
        flags,
        floor(stream_id / 16777216),
        floor(stream_id / 65536) % 256,
        floor(stream_id / 256) % 256,
        stream_id % 256
    )
end

---@param values table<number, number>[] pairs of a setting and its value
---@return string
local function settings(values)
    local parts = {}
    for ____, ____value in ipairs(values) do
        local setting = ____value[1]
        local value = ____value[2]
        parts[#parts + 1] = char(0, setting) .. encode_uint32(value)
    end
    return encode_header(#parts * 6, 4, 0, 0) .. concat(parts)
end
local SETTINGS_ACK = encode_header(0, 4, ACK, 0)

--- Returns the frames of a header block: HEADERS, and CONTINUATION for a block that is longer than a frame. Nothing else
--- can be sent in between.
---@param stream_id number
---@param block string
---@param is_end_of_stream boolean
---@return string
local function headers(stream_id, block, is_end_of_stream)
    local length = #block
    local end_stream = is_end_of_stream and 1 or 0
    if length <= MIN_MAX_FRAME_SIZE then
        return encode_header(length, 1, 4 + end_stream, stream_id) .. block
    end
    local parts = {}
    local at = 0
    while at < length do
        local size = min(length - at, MIN_MAX_FRAME_SIZE)
        local flags = (at == 0 and end_stream or 0) + (at + size == length and 4 or 0)
        local frame_type = at == 0 and 1 or 9
        parts[#parts + 1] = encode_header(size, frame_type, flags, stream_id) .. sub(block, at + 1, at + size)
        at = at + size
    end
    return concat(parts)
end

---@param stream_id number
---@param bytes string at most as many as the frame size and the windows of the peer allow
---@param is_end_of_stream boolean
---@return string
local function data(stream_id, bytes, is_end_of_stream)
    return encode_header(#bytes, 0, is_end_of_stream and 1 or 0, stream_id) .. bytes
end

local function rst_stream(stream_id, code)
    return encode_header(4, 3, 0, stream_id) .. encode_uint32(code)
end

---@param payload string 8 bytes
---@param is_ack boolean
---@return string
local function ping(payload, is_ack)
    return encode_header(8, 6, is_ack and ACK or 0, 0) .. payload
end

local function goaway(last_stream_id, code, text)
    local payload = encode_uint32(last_stream_id) .. encode_uint32(code) .. text
    return encode_header(#payload, 7, 0, 0) .. payload
end

---@param stream_id number 0 for the connection
---@param increment number
---@return string
local function window_update(stream_id, increment)
    return encode_header(4, 8, 0, stream_id) .. encode_uint32(increment)
end
_M.ACK = ACK
_M.DEFAULT_WINDOW = DEFAULT_WINDOW
_M.HEADER_LENGTH = HEADER_LENGTH
_M.MAX_31_BITS = MAX_31_BITS
_M.MAX_MAX_FRAME_SIZE = MAX_MAX_FRAME_SIZE
_M.MIN_MAX_FRAME_SIZE = MIN_MAX_FRAME_SIZE
_M.PREFACE = PREFACE
_M.SETTINGS_ACK = SETTINGS_ACK
_M.data = data
_M.goaway = goaway
_M.headers = headers
_M.ping = ping
_M.read_uint32 = read_uint32
_M.rst_stream = rst_stream
_M.settings = settings
_M.window_update = window_update

return _M
