-- Generated from src/resty/etcd/transport/grpc/send_queue.ts by TypeScriptToLua. Do not edit.
local _M = {}
local frames = require("resty.etcd.transport.grpc.frames")
local queues = require("resty.etcd.transport.grpc.queue")
local concat = table.concat
local min = math.min
local sub = string.sub

--- Frames of small bodies that can precede a frame of a large one.
local MAX_SMALL_IN_A_ROW = 4

--- Bytes of a body in a frame. Servers can allow more, but then a large body would delay the others for longer.
local MAX_FRAME_SIZE = frames.MIN_MAX_FRAME_SIZE

--- Frames for which the array of an output is used again.
local MAX_KEPT_FRAMES = 256

--- Closed streams that can be in a queue, in addition to as many as there are open ones.
local MAX_CLOSED = 64

--- Appends a stream to a queue that has `count` open streams, and removes the closed ones if they are many.
---@param queue resty.etcd.transport.grpc.types.Queue
---@param stream resty.etcd.transport.grpc.types.Stream
---@param count number
local function push(queue, stream, count)
    queues.push(queue, stream)
    local length = queue.last - queue.first + 1
    if length <= 2 * count + MAX_CLOSED then
        return
    end
    for _ = 1, length do
        local first = queues.pop(queue)
        if not first.is_closed then
            queues.push(queue, first)
        end
    end
end

--- Lets a stream wait until it can be started.
---@param session resty.etcd.transport.grpc.types.Session
---@param stream resty.etcd.transport.grpc.types.Stream
local function add_waiting(session, stream)
    push(session.waiting, stream, session.waiting_count)
end

--- Appends a frame to the output.
---@param session resty.etcd.transport.grpc.types.Session
---@param frame string
local function add_frame(session, frame)
    local ____session_out_0 = session.out
    ____session_out_0[#____session_out_0 + 1] = frame
    session.out_size = session.out_size + #frame
end

--- Bytes of the body that are not in the output.
local function pending_bytes(stream)
    return #stream.pending - stream.pending_at + 1
end

--- Puts a stream into the queue for its body, if it has something to send.
---@param session resty.etcd.transport.grpc.types.Session
---@param stream resty.etcd.transport.grpc.types.Stream
local function enqueue(session, stream)
    local bytes = pending_bytes(stream)
    local has_work = bytes > 0 or stream.is_ending and not stream.has_ended
    if stream.id > 0 and has_work and not stream.is_queued and not stream.is_closed then
        stream.is_queued = true
        push(bytes <= MAX_FRAME_SIZE and session.small or session.large, stream, session.active)
    end
end

--- Puts the headers of a stream into the output.
---@param session resty.etcd.transport.grpc.types.Session
---@param stream resty.etcd.transport.grpc.types.Stream
local function start(session, stream)
    stream.id = session.next_id
    session.next_id = stream.id + 2
    session.streams[stream.id] = stream
    session.active = session.active + 1
    session.waiting_count = session.waiting_count - 1
    session.queued_bytes = session.queued_bytes - #stream.block
    stream.send_window = session.initial_send_window
    stream.has_ended = stream.is_ending and pending_bytes(stream) == 0
    add_frame(
        session,
        frames.headers(stream.id, stream.block, stream.has_ended)
    )
    enqueue(session, stream)
end

--- Starts streams that wait, as many as the server allows, but none before its settings: it could be no HTTP/2 server.
---@param session resty.etcd.transport.grpc.types.Session
local function start_waiting(session)
    while session.is_ready and session.active < session.max_streams and not session.is_draining do
        local stream = queues.pop(session.waiting)
        if stream == nil then
            return
        end
        if not stream.is_closed then
            start(session, stream)
        end
    end
end

--- Removes the body of a stream that is closed.
---@param session resty.etcd.transport.grpc.types.Session
---@param stream resty.etcd.transport.grpc.types.Stream
local function drop(session, stream)
    local block_size = stream.id == 0 and #stream.block or 0
    session.queued_bytes = session.queued_bytes - pending_bytes(stream) - block_size
    stream.pending = ""
    stream.pending_at = 1
end

--- Takes the next stream from a queue that is able to send. Streams without a window leave the queue until it grows.
---@param session resty.etcd.transport.grpc.types.Session
---@param queue resty.etcd.transport.grpc.types.Queue
---@return resty.etcd.transport.grpc.types.Stream?
local function next_of(session, queue)
    while true do
        local stream = queues.peek(queue)
        if stream == nil then
            return nil
        end
        local is_empty = pending_bytes(stream) == 0
        if not stream.is_closed and (is_empty or stream.send_window > 0) then
            return (is_empty or session.send_window > 0) and stream or nil
        end
        queues.pop(queue)
        stream.is_queued = false
    end
end

--- Puts one frame of a body into the output. Returns false if none can be sent.
---@param session resty.etcd.transport.grpc.types.Session
---@return boolean
local function add_data(session)
    local queue = session.small
    local stream
    if session.small_in_a_row < MAX_SMALL_IN_A_ROW then
        stream = next_of(session, queue)
    end
    if stream == nil then
        queue = session.large
        stream = next_of(session, queue)
        session.small_in_a_row = 0
        if stream == nil then
            queue = session.small
            stream = next_of(session, queue)
        end
    end
    if stream == nil then
        return false
    end
    queues.pop(queue)
    stream.is_queued = false
    if queue == session.small then
        session.small_in_a_row = session.small_in_a_row + 1
    end
    local size = min(
        pending_bytes(stream),
        stream.send_window,
        session.send_window,
        MAX_FRAME_SIZE
    )
    local bytes = size > 0 and sub(stream.pending, stream.pending_at, stream.pending_at + size - 1) or ""
    stream.pending_at = stream.pending_at + #bytes
    stream.send_window = stream.send_window - #bytes
    session.send_window = session.send_window - #bytes
    session.queued_bytes = session.queued_bytes - #bytes
    stream.has_ended = stream.is_ending and pending_bytes(stream) == 0
    add_frame(
        session,
        frames.data(stream.id, bytes, stream.has_ended)
    )
    enqueue(session, stream)
    return true
end

--- Reports whether `take_output` can return something.
---@param session resty.etcd.transport.grpc.types.Session
---@return boolean
local function has_output(session)
    local ____session_1 = session
    local small = ____session_1.small
    local large = ____session_1.large
    local can_start = session.is_ready and session.waiting_count > 0 and session.active < session.max_streams
    return session.out_size > 0 or can_start or small.first <= small.last or large.first <= large.last
end

--- Returns all that can be sent now, empty if that is nothing.
---@param session resty.etcd.transport.grpc.types.Session
---@return string
local function take_output(session)
    start_waiting(session)
    while add_data(session) do
    end
    local out = session.out
    local n = #out
    local bytes = concat(session.out)
    if n > MAX_KEPT_FRAMES then
        session.out = {}
    else
        for i = 1, n do
            out[i] = nil
        end
    end
    session.out_size = 0
    return bytes
end
_M.add_frame = add_frame
_M.add_waiting = add_waiting
_M.drop = drop
_M.enqueue = enqueue
_M.has_output = has_output
_M.take_output = take_output

return _M
