-- Generated from src/resty/etcd/transport/grpc/session.ts by TypeScriptToLua. Do not edit.
local _M = {}
local frame_parser = require("resty.etcd.transport.grpc.frame_parser")
local frames = require("resty.etcd.transport.grpc.frames")
local hpack = require("resty.etcd.transport.grpc.hpack")
local queues = require("resty.etcd.transport.grpc.queue")
local send_queue = require("resty.etcd.transport.grpc.send_queue")
local session_handlers = require("resty.etcd.transport.grpc.session_handler")
local streams = require("resty.etcd.transport.grpc.stream")
local sub = string.sub
local CONNECTION_WINDOW = session_handlers.CONNECTION_WINDOW

--- Bytes that the server can send on a stream before its owner has consumed them.
local STREAM_WINDOW = 1024 * 1024

--- Blocks and bodies in bytes that can wait to be sent, and streams that can wait to be opened.
local MAX_QUEUED_BYTES = 32 * 1024 * 1024
local MAX_WAITING = 8192

--- Stream ID after which the connection is replaced. IDs end at 2^31.
local MAX_STREAM_ID = 2 ^ 30
local metatable = {__index = session_handlers.methods}

local function new_stream(listener)
    return {
        listener = listener,
        block = "",
        id = 0,
        is_closed = false,
        has_headers = false,
        pending = "",
        pending_at = 1,
        is_ending = false,
        has_ended = false,
        is_queued = false,
        send_window = 0,
        receive_window = 0,
        consumed = 0
    }
end

--- Makes the object of a stream that has ended ready for another one of the same listener.
---@param stream resty.etcd.transport.grpc.types.Stream
---@return resty.etcd.transport.grpc.types.Stream? # nil if the session still refers to it
local function recycle(stream)
    if stream.id == 0 or not stream.is_closed or stream.is_queued then
        return nil
    end
    stream.id = 0
    stream.is_closed = false
    stream.has_headers = false
    stream.is_ending = false
    stream.has_ended = false
    stream.send_window = 0
    stream.consumed = 0
    return stream
end

--- Opens a stream. Its headers are in the next output, or later if the server's limit of concurrent streams is reached.
---@param session resty.etcd.transport.grpc.types.Session
---@param block string header block, as `hpack.encode_request` returns it
---@param listener resty.etcd.transport.grpc.types.StreamListener
---@param kept? resty.etcd.transport.grpc.types.Stream an object of the same listener, as `recycle` returns it
---@return resty.etcd.transport.grpc.types.Stream? res # the stream; or nil if the connection accepts none (`draining`), or too much waits to be sent (`full`)
---@return "full"|"draining"? err
local function open(session, block, listener, kept)
    if session.next_id > MAX_STREAM_ID then
        session.is_draining = true
    end
    if session.is_draining then
        return nil, "draining"
    end
    if session.waiting_count >= MAX_WAITING or session.queued_bytes + #block > MAX_QUEUED_BYTES then
        return nil, "full"
    end
    local stream = kept or new_stream(listener)
    stream.block = block
    stream.receive_window = STREAM_WINDOW
    session.queued_bytes = session.queued_bytes + #block
    session.waiting_count = session.waiting_count + 1
    send_queue.add_waiting(session, stream)
    return stream
end

--- Appends to the body of a request.
---@param session resty.etcd.transport.grpc.types.Session
---@param stream resty.etcd.transport.grpc.types.Stream
---@param bytes string
---@param is_end boolean nothing follows
---@return boolean # false if too much waits to be sent; the body is then unchanged
local function send(session, stream, bytes, is_end)
    if stream.is_closed then
        return true
    end
    if session.queued_bytes + #bytes > MAX_QUEUED_BYTES then
        return false
    end
    session.queued_bytes = session.queued_bytes + #bytes
    stream.pending = stream.pending == "" and bytes or sub(stream.pending, stream.pending_at) .. bytes
    stream.pending_at = 1
    stream.is_ending = is_end
    send_queue.enqueue(session, stream)
    return true
end

--- Grants the server bytes that the owner of a stream has consumed, when they are half of the stream's window.
---@param session resty.etcd.transport.grpc.types.Session
---@param stream resty.etcd.transport.grpc.types.Stream
---@param size number
local function consume(session, stream, size)
    stream.consumed = stream.consumed + size
    if stream.consumed > STREAM_WINDOW / 2 and not stream.is_closed then
        send_queue.add_frame(
            session,
            frames.window_update(stream.id, stream.consumed)
        )
        stream.receive_window = stream.receive_window + stream.consumed
        stream.consumed = 0
    end
end

--- Cancels a stream whose owner needs it no longer.
---@param session resty.etcd.transport.grpc.types.Session
---@param stream resty.etcd.transport.grpc.types.Stream
local function cancel(session, stream)
    streams.abort(session, stream, "canceled", 8)
end

--- Cancels the streams whose users no longer exist. The arguments are those of `is_obsolete`.
---@param session resty.etcd.transport.grpc.types.Session
---@param time number
---@param is_exiting boolean
---@param is_moving boolean
local function cancel_obsolete(session, time, is_exiting, is_moving)
    local ____session_0 = session
    local waiting = ____session_0.waiting
    local obsolete = {}
    for ____, stream in pairs(session.streams) do
        if stream.listener:is_obsolete(time, is_exiting, is_moving) then
            obsolete[#obsolete + 1] = stream
        end
    end
    for i = waiting.first, waiting.last do
        local stream = waiting.items[i]
        if not stream.is_closed and stream.listener:is_obsolete(time, is_exiting, is_moving) then
            obsolete[#obsolete + 1] = stream
        end
    end
    for ____, stream in ipairs(obsolete) do
        cancel(session, stream)
    end
end

--- Sends a PING. `session.pings` counts those without an answer.
---@param session resty.etcd.transport.grpc.types.Session
local function ping(session)
    session.pings = session.pings + 1
    send_queue.add_frame(
        session,
        frames.ping("etcd-lua", false)
    )
end

--- Takes the bytes that have arrived.
---@param session resty.etcd.transport.grpc.types.Session
---@param chunk string
---@return resty.etcd.transport.grpc.http2_error.ConnectionError? # an error after which the connection must be closed; the output then ends with GOAWAY
local function receive(session, chunk)
    local failure = frame_parser.feed(session.parser, chunk)
    if failure ~= nil and not session.is_draining then
        session.is_draining = true
        send_queue.add_frame(
            session,
            frames.goaway(0, failure.code, "")
        )
    end
    return failure
end

--- Ends all streams, because the connection has ended. Requests whose headers have not left can be sent again.
---@param session resty.etcd.transport.grpc.types.Session
local function fail(session)
    session.is_draining = true
    local open_streams = {}
    for ____, stream in pairs(session.streams) do
        open_streams[#open_streams + 1] = stream
    end
    for ____, stream in ipairs(open_streams) do
        streams.close(session, stream, {kind = "lost", code = 0, is_unprocessed = false})
    end
    streams.close_waiting(session, 0)
end

--- Creates a session. Its first output starts the connection; streams follow when the server has sent its settings.
---@return resty.etcd.transport.grpc.types.Session
local function create()
    local settings = frames.settings({{1, 0}, {2, 0}, {4, STREAM_WINDOW}, {6, hpack.MAX_LIST_SIZE}})
    local grant = frames.window_update(0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW)
    local session = setmetatable(
        {
            decoder = hpack.new(),
            streams = {},
            active = 0,
            next_id = 1,
            out = {frames.PREFACE, settings, grant},
            out_size = #frames.PREFACE + #settings + #grant,
            waiting = queues.new(),
            waiting_count = 0,
            small = queues.new(),
            large = queues.new(),
            small_in_a_row = 0,
            queued_bytes = 0,
            is_ready = false,
            is_draining = false,
            goaway_code = nil,
            max_streams = math.huge,
            initial_send_window = frames.DEFAULT_WINDOW,
            send_window = frames.DEFAULT_WINDOW,
            receive_window = CONNECTION_WINDOW,
            pings = 0
        },
        metatable
    )
    session.parser = frame_parser.new(session)
    return session
end
_M.cancel = cancel
_M.cancel_obsolete = cancel_obsolete
_M.consume = consume
_M.new = create
_M.fail = fail
_M.open = open
_M.ping = ping
_M.receive = receive
_M.recycle = recycle
_M.send = send

return _M
