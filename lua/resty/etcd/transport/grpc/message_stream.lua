-- Generated from src/resty/etcd/transport/grpc/message_stream.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local connection_ios = require("resty.etcd.transport.grpc.connection_io")
local exchanges = require("resty.etcd.transport.grpc.exchange")
local failures = require("resty.etcd.transport.failure")
local grpc_status = require("resty.etcd.transport.grpc.grpc_status")
local protobuf_codec = require("resty.etcd.transport.grpc.protobuf_codec")
local receivers = require("resty.etcd.transport.grpc.receiver")
local sessions = require("resty.etcd.transport.grpc.session")
local unary_calls = require("resty.etcd.transport.grpc.unary_call")
local now = clock.now
local max = math.max

--- Seconds of a wait without a limit.
local MAX_WAIT = 3600

--- The stream ended, or was closed by its user.
local CLOSED = failures.local_failure("closed", "closed", true)

---@class resty.etcd.transport.grpc.message_stream.Fields
---@field rpc resty.etcd.protocol.rpc.Rpc
---@field endpoint string
---@field receiver resty.etcd.transport.grpc.receiver.Receiver
---@field secrets resty.etcd.transport.grpc.grpc_status.Secrets
---@field guard table Ends the stream when the object is collected as garbage.
---@field undecoded string? A message that is being decoded. Kept here, because the light thread that decodes it can be killed.
---@field ended (resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure)? Why the stream has ended; nil while it is open.
---@field ahead (resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure)? Failure found by `peek` or `try_recv`, not yet returned.
---@field peeked table? Message returned by `peek`, not yet by `recv`.

---@class resty.etcd.transport.grpc.message_stream.MessageStream: resty.etcd.transport.grpc.message_stream.Fields
---@field allow_cancel fun(self: resty.etcd.transport.grpc.message_stream.MessageStream)
---@field close fun(self: resty.etcd.transport.grpc.message_stream.MessageStream)
---@field end_at_exit fun(self: resty.etcd.transport.grpc.message_stream.MessageStream)
---@field last_received_at fun(self: resty.etcd.transport.grpc.message_stream.MessageStream): number
---@field peek fun(self: resty.etcd.transport.grpc.message_stream.MessageStream, timeout: number?): table?
---@field recv fun(self: resty.etcd.transport.grpc.message_stream.MessageStream, timeout: number?): table?, resty.etcd.protocol.errors.EtcdError?
---@field try_recv fun(self: resty.etcd.transport.grpc.message_stream.MessageStream): table?

--- Takes the next message that has arrived, or returns nil.
---@param stream resty.etcd.transport.grpc.message_stream.Fields
---@return string?
local function take(stream)
    local ____stream_0 = stream
    local receiver = ____stream_0.receiver
    local undecoded = ____stream_0.undecoded
    if undecoded ~= nil then
        return undecoded
    end
    return receivers.take(receiver)
end

--- Ends the stream after a failure. After an error from the server, later calls return `closed`.
---@param stream resty.etcd.transport.grpc.message_stream.Fields
---@param failure resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure
---@return resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure
local function end_with(stream, failure)
    stream.ended = failure.kind == "status" and CLOSED or failure
    exchanges.cancel(stream.receiver)
    return failure
end

local function decode(stream, bytes)
    stream.undecoded = bytes
    local message, bad = protobuf_codec.decode(stream.rpc.reply, bytes)
    stream.undecoded = nil
    if message == nil then
        return nil, unary_calls.undecodable(bad)
    end
    return message
end

local function take_peeked(stream)
    local message = stream.peeked
    stream.peeked = nil
    return message
end

--- Returns what has arrived: a message, or why the stream has ended; nil and nil if there is nothing.
---@param stream resty.etcd.transport.grpc.message_stream.Fields
---@return table? message
---@return (resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure)? failure
local function arrived(stream)
    local peeked = take_peeked(stream)
    if peeked ~= nil then
        return peeked
    end
    local ahead = stream.ahead
    if ahead ~= nil then
        stream.ahead = nil
        return nil, stream.ended == nil and end_with(stream, ahead) or ahead
    end
    if stream.ended ~= nil then
        return nil, stream.ended
    end
    local bytes = take(stream)
    if bytes ~= nil then
        local message, failure = decode(stream, bytes)
        return message, failure ~= nil and end_with(stream, failure) or nil
    end
    local ____stream_1 = stream
    local receiver = ____stream_1.receiver
    if receiver.ending ~= nil then
        return nil, end_with(
            stream,
            receivers.failure_of(receiver, stream.secrets) or CLOSED
        )
    end
    return nil
end

--- Returns the next message.
---@param stream resty.etcd.transport.grpc.message_stream.Fields
---@param timeout number? seconds without a byte
---@param deadline number? of the complete message
---@return table? res
---@return resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure? err
local function receive(stream, timeout, deadline)
    local ____stream_2 = stream
    local receiver = ____stream_2.receiver
    local started = now()
    while true do
        local message, failure = arrived(stream)
        if message ~= nil then
            return message
        end
        if failure ~= nil then
            return nil, failure
        end
        local limit = deadline or now() + MAX_WAIT
        if timeout ~= nil then
            limit = max(started, receiver.received_at) + timeout
        end
        if limit <= now() then
            return nil, end_with(
                stream,
                failures.local_failure("timeout", "timeout", true)
            )
        end
        local outcome, reason = exchanges.wait_until(receiver, limit)
        if outcome == "cannot_wait" then
            return nil, failures.local_failure(
                "phase",
                "not in this phase: " .. tostring(reason),
                true
            )
        end
    end
end

local function recv(self, timeout)
    local message, failure = receive(self, timeout, nil)
    if message == nil then
        return nil, failures.stream_error(failure, self.endpoint)
    end
    return message
end

local function peek(self, timeout)
    local message, failure = receive(
        self,
        nil,
        timeout ~= nil and now() + timeout or nil
    )
    self.peeked = message
    self.ahead = failure
    return message
end

local function try_recv(self)
    local peeked = take_peeked(self)
    if peeked ~= nil then
        return peeked
    end
    if self.ended ~= nil or self.ahead ~= nil then
        return nil
    end
    local bytes = take(self)
    if bytes == nil then
        return nil
    end
    if #bytes > protobuf_codec.LONG then
        self.undecoded = bytes
        return nil
    end
    local message, failure = decode(self, bytes)
    self.ahead = failure
    return message
end

local function last_received_at(self)
    return self.receiver.received_at
end

--- Does nothing: `close` wakes the light thread that waits.
---@param self resty.etcd.transport.grpc.message_stream.MessageStream
local function allow_cancel(self)
end

local function end_at_exit(self)
    self.receiver.ends_at_exit = true
end

local function close(self)
    if self.ended == nil then
        end_with(self, CLOSED)
    end
end
local methods = {
    allow_cancel = allow_cancel,
    close = close,
    end_at_exit = end_at_exit,
    last_received_at = last_received_at,
    peek = peek,
    recv = recv,
    try_recv = try_recv
}
local mt = {__index = methods}

--- Marks the receiver when the returned object is collected as garbage. The connection's owner ends the stream.
---@param receiver resty.etcd.transport.grpc.receiver.Receiver
---@return table
local function make_guard(receiver)
    local proxy = newproxy(true)
    local proxy_mt = getmetatable(proxy)
    proxy_mt.__gc = function()
        receiver.is_abandoned = true
    end
    return proxy
end

--- Opens a stream on a connection, and waits for the beginning of the response.
---@param connection resty.etcd.transport.grpc.types.Connection
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param block string header block of the request
---@param body string the first message with its prefix
---@param attempt resty.etcd.transport.transport.Attempt
---@return resty.etcd.transport.transport.Stream? res
---@return resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure? err
local function open(connection, rpc, block, body, attempt)
    local receiver, err = receivers.new(connection)
    if receiver == nil then
        return nil, failures.local_failure("full", err, false)
    end
    local secrets = grpc_status.secrets_of(rpc, attempt)
    local ____connection_3 = connection
    local session = ____connection_3.session
    local opened, reason = sessions.open(session, block, receiver)
    if opened == nil then
        return nil, unary_calls.rejected(reason)
    end
    receiver.stream = opened
    if not sessions.send(session, opened, body, false) then
        sessions.cancel(session, opened)
        return nil, unary_calls.rejected("full")
    end
    connection_ios.wake_writer(connection)
    local failure = receivers.wait_for_response(receiver, attempt)
    if failure ~= nil then
        return nil, failure
    end
    if receiver.ending ~= nil and not receivers.has_messages(receiver) then
        local ended = receivers.failure_of(receiver, secrets)
        if ended ~= nil then
            return nil, ended
        end
    end
    local fields = {
        rpc = rpc,
        endpoint = attempt.endpoint.http_host,
        receiver = receiver,
        secrets = secrets,
        guard = make_guard(receiver),
        undecoded = nil,
        ended = nil,
        ahead = nil,
        peeked = nil
    }
    return setmetatable(fields, mt)
end
_M.open = open

return _M
