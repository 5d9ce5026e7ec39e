-- Generated from src/resty/etcd/transport/grpc/session_handler.ts by TypeScriptToLua. Do not edit.
local _M = {}
local frames = require("resty.etcd.transport.grpc.frames")
local hpack = require("resty.etcd.transport.grpc.hpack")
local http2_errors = require("resty.etcd.transport.grpc.http2_error")
local send_queue = require("resty.etcd.transport.grpc.send_queue")
local streams = require("resty.etcd.transport.grpc.stream")
local find = string.find
local MAX_31_BITS = frames.MAX_31_BITS

--- Bytes that the server can send on the connection. They are granted again on arrival: the streams' windows bound memory.
local CONNECTION_WINDOW = 16 * 1024 * 1024

--- Bytes of answers to PING, SETTINGS and the like that can wait for a server that does not read.
local MAX_OUTPUT = 4 * 1024 * 1024

--- Returns the stream of a frame, nil if it has ended; and an error if there has never been one.
---@param session resty.etcd.transport.grpc.types.Session
---@param stream_id number
---@return resty.etcd.transport.grpc.types.Stream? stream
---@return resty.etcd.transport.grpc.http2_error.ConnectionError? failure
local function stream_of(session, stream_id)
    if stream_id >= session.next_id then
        return nil, http2_errors.new(1, "frame on an idle stream")
    end
    return session.streams[stream_id], nil
end

--- Grants the bytes that have arrived on the connection again, when they are half of its window.
---@param session resty.etcd.transport.grpc.types.Session
local function grant_connection(session)
    local used = CONNECTION_WINDOW - session.receive_window
    if used > CONNECTION_WINDOW / 2 then
        send_queue.add_frame(
            session,
            frames.window_update(0, used)
        )
        session.receive_window = CONNECTION_WINDOW
    end
end

--- The end of streams whose response is complete.
local COMPLETE = {kind = "complete", code = 0, is_unprocessed = false}

--- Ends a stream whose response is complete.
---@param session resty.etcd.transport.grpc.types.Session
---@param stream resty.etcd.transport.grpc.types.Stream
local function complete(session, stream)
    if not stream.has_ended and not stream.is_closed then
        send_queue.add_frame(
            session,
            frames.rst_stream(stream.id, 0)
        )
    end
    streams.close(session, stream, COMPLETE)
end

local function on_data(self, stream_id, s, from, last, flow_size, is_end)
    local stream, failure = stream_of(self, stream_id)
    if failure ~= nil then
        return failure
    end
    self.receive_window = self.receive_window - flow_size
    if self.receive_window < 0 then
        return http2_errors.new(3, "more data than the connection's window")
    end
    grant_connection(self)
    if stream == nil then
        return nil
    end
    stream.receive_window = stream.receive_window - flow_size
    if stream.receive_window < 0 then
        streams.abort(self, stream, "malformed", 3)
        return nil
    end
    if not stream.has_headers then
        streams.abort(self, stream, "malformed", 1)
        return nil
    end
    stream.consumed = stream.consumed + flow_size - (last - from + 1)
    if last >= from and stream.listener:on_data(s, from, last) ~= nil then
        streams.abort(self, stream, "malformed", 8)
    elseif is_end then
        complete(self, stream)
    end
    return nil
end

local function on_headers(self, stream_id, bytes, is_end)
    local block, ____error = hpack.decode(self.decoder, bytes)
    if block == nil then
        return ____error
    end
    local stream, failure = stream_of(self, stream_id)
    if stream == nil then
        return failure
    end
    local is_trailers = stream.has_headers
    local is_interim = find(block.headers[":status"] or "", "^1")
    if is_interim ~= nil and not is_trailers and not is_end and not block.is_malformed then
        return nil
    end
    local has_status = block.headers[":status"] ~= nil
    if block.is_malformed or has_status == is_trailers or is_trailers and not is_end or is_interim ~= nil then
        streams.abort(self, stream, "malformed", 1)
        return nil
    end
    stream.has_headers = true
    stream.listener:on_headers(block.headers, is_trailers)
    if is_end then
        complete(self, stream)
    end
    return nil
end

local function on_rst_stream(self, stream_id, code)
    local stream, failure = stream_of(self, stream_id)
    if stream ~= nil then
        streams.close(self, stream, {kind = "reset", code = code, is_unprocessed = code == 7})
    end
    return failure
end

local function on_stream_error(self, stream_id, code)
    local stream, failure = stream_of(self, stream_id)
    if stream ~= nil then
        streams.abort(self, stream, "malformed", code)
    end
    return failure
end

--- Changes the windows of all streams by the difference to the former setting (RFC 9113, section 6.9.2).
---@param session resty.etcd.transport.grpc.types.Session
---@param window number
---@return resty.etcd.transport.grpc.http2_error.ConnectionError?
local function set_initial_window(session, window)
    local difference = window - session.initial_send_window
    session.initial_send_window = window
    for ____, stream in pairs(session.streams) do
        stream.send_window = stream.send_window + difference
        if stream.send_window > MAX_31_BITS then
            return http2_errors.new(3, "SETTINGS_INITIAL_WINDOW_SIZE too large")
        end
        send_queue.enqueue(session, stream)
    end
    return nil
end

--- Adds the answer to a frame. A server that lets too many wait ends its connection.
---@param session resty.etcd.transport.grpc.types.Session
---@param frame string
---@return resty.etcd.transport.grpc.http2_error.ConnectionError?
local function answer(session, frame)
    if session.out_size > MAX_OUTPUT then
        return http2_errors.new(11, "too many frames that need an answer")
    end
    send_queue.add_frame(session, frame)
    return nil
end

local function on_settings(self, values)
    self.is_ready = true
    self.max_streams = values[3] or self.max_streams
    local window = values[4]
    local ____temp_0
    if window ~= nil then
        ____temp_0 = set_initial_window(self, window)
    else
        ____temp_0 = nil
    end
    local failure = ____temp_0
    return failure or answer(self, frames.SETTINGS_ACK)
end

local function on_settings_ack(self)
    hpack.limit_capacity(self.decoder, 0)
    return nil
end

local function on_ping(self, payload)
    return answer(
        self,
        frames.ping(payload, true)
    )
end

local function on_ping_ack(self)
    self.pings = 0
    return nil
end

local function on_window_update(self, stream_id, increment)
    if stream_id == 0 then
        self.send_window = self.send_window + increment
        return self.send_window > MAX_31_BITS and http2_errors.new(3, "the connection's window is too large") or nil
    end
    local stream, failure = stream_of(self, stream_id)
    if stream ~= nil then
        stream.send_window = stream.send_window + increment
        if stream.send_window > MAX_31_BITS then
            streams.abort(self, stream, "reset", 3)
        else
            send_queue.enqueue(self, stream)
        end
    end
    return failure
end

--- Ends the streams that the server does not process, and those that wait. The others go on.
---@param self resty.etcd.transport.grpc.types.Session
---@param last_stream_id number
---@param code number
---@return resty.etcd.transport.grpc.http2_error.ConnectionError?
local function on_goaway(self, last_stream_id, code)
    self.is_draining = true
    self.goaway_code = code
    local refused = {}
    for stream_id, stream in pairs(self.streams) do
        if stream_id > last_stream_id then
            refused[#refused + 1] = stream
        end
    end
    for ____, stream in ipairs(refused) do
        streams.close(self, stream, {kind = "lost", code = code, is_unprocessed = true})
    end
    streams.close_waiting(self, code)
    return nil
end
local methods = {
    on_data = on_data,
    on_headers = on_headers,
    on_rst_stream = on_rst_stream,
    on_stream_error = on_stream_error,
    on_settings = on_settings,
    on_settings_ack = on_settings_ack,
    on_ping = on_ping,
    on_ping_ack = on_ping_ack,
    on_window_update = on_window_update,
    on_goaway = on_goaway
}
_M.CONNECTION_WINDOW = CONNECTION_WINDOW
_M.methods = methods

return _M
