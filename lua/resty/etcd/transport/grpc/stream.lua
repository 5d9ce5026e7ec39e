-- Generated from src/resty/etcd/transport/grpc/stream.ts by TypeScriptToLua. Do not edit.
local _M = {}
local frames = require("resty.etcd.transport.grpc.frames")
local queues = require("resty.etcd.transport.grpc.queue")
local send_queue = require("resty.etcd.transport.grpc.send_queue")

--- Ends a stream.
---@param session resty.etcd.transport.grpc.types.Session
---@param stream resty.etcd.transport.grpc.types.Stream
---@param ending resty.etcd.transport.grpc.types.StreamEnd
local function close(session, stream, ending)
    if stream.is_closed then
        return
    end
    send_queue.drop(session, stream)
    stream.is_closed = true
    if stream.id > 0 then
        session.streams[stream.id] = nil
        session.active = session.active - 1
    else
        session.waiting_count = session.waiting_count - 1
    end
    stream.listener:on_close(ending)
end

--- Ends a stream with RST_STREAM.
---@param session resty.etcd.transport.grpc.types.Session
---@param stream resty.etcd.transport.grpc.types.Stream
---@param kind "lost"|"canceled"|"complete"|"malformed"|"reset"
---@param code number
local function abort(session, stream, kind, code)
    if stream.id > 0 and not stream.is_closed then
        send_queue.add_frame(
            session,
            frames.rst_stream(stream.id, code)
        )
    end
    close(session, stream, {kind = kind, code = code, is_unprocessed = stream.id == 0})
end

--- Ends the streams that wait for their ID.
---@param session resty.etcd.transport.grpc.types.Session
---@param code number
local function close_waiting(session, code)
    while true do
        local stream = queues.pop(session.waiting)
        if stream == nil then
            return
        end
        close(session, stream, {kind = "lost", code = code, is_unprocessed = true})
    end
end
_M.abort = abort
_M.close = close
_M.close_waiting = close_waiting

return _M
