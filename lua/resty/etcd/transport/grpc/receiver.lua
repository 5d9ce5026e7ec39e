-- Generated from src/resty/etcd/transport/grpc/receiver.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local connection_ios = require("resty.etcd.transport.grpc.connection_io")
local exchanges = require("resty.etcd.transport.grpc.exchange")
local failures = require("resty.etcd.transport.failure")
local grpc_messages = require("resty.etcd.transport.grpc.grpc_message")
local grpc_status = require("resty.etcd.transport.grpc.grpc_status")
local queues = require("resty.etcd.transport.grpc.queue")
local sessions = require("resty.etcd.transport.grpc.session")
local now = clock.now
local sub = string.sub

--- Bytes that are kept of a response which is not of gRPC.
local MAX_PAGE = 4096

--- What arrives on a stream.
---@class resty.etcd.transport.grpc.receiver.Receiver: resty.etcd.transport.grpc.types.Exchange, resty.etcd.transport.grpc.types.StreamListener, resty.etcd.transport.grpc.grpc_message.MessageSink
---@field reader resty.etcd.transport.grpc.grpc_message.MessageReader
---@field inbox resty.etcd.transport.grpc.types.Queue Messages that `recv` has not taken.
---@field held number Bytes that the server cannot send again yet, because the user has not taken those messages.
---@field headers table?
---@field trailers table?
---@field is_grpc boolean
---@field page string
---@field problem string?
---@field ending resty.etcd.transport.grpc.types.StreamEnd?
---@field received_at number
---@field ends_at_exit boolean
---@field is_abandoned boolean The stream is garbage.

local function wake(receiver)
    if receiver.signal:count() < 0 then
        receiver.signal:post(1)
    end
end

local function has_messages(receiver)
    return receiver.inbox.first <= receiver.inbox.last
end

local function on_headers(self, headers, is_trailers)
    if is_trailers then
        self.trailers = headers
    else
        self.headers = headers
        self.is_grpc = grpc_status.is_grpc(headers)
    end
    self.received_at = now()
    wake(self)
end

--- Lets the server send on, unless messages wait for the user. What is incomplete is needed to go on.
---@param receiver resty.etcd.transport.grpc.receiver.Receiver
local function grant(receiver)
    if receiver.held > 0 and not has_messages(receiver) then
        sessions.consume(receiver.connection.session, receiver.stream, receiver.held)
        receiver.held = 0
        connection_ios.flush(receiver.connection)
    end
end

local function on_data(self, s, from, last)
    self.received_at = now()
    self.held = self.held + last - from + 1
    if self.is_grpc then
        self.problem = grpc_messages.feed(self.reader, s, from, last)
    elseif #self.page < MAX_PAGE then
        self.page = sub(
            self.page .. sub(s, from, last),
            1,
            MAX_PAGE
        )
    end
    grant(self)
    return self.problem
end

local function on_message(self, s, from, last)
    queues.push(
        self.inbox,
        sub(s, from, last)
    )
    wake(self)
    return nil
end

local function on_close(self, ending)
    self.ending = ending
    wake(self)
end

local function is_obsolete(self, _time, is_exiting, is_moving)
    return self.is_abandoned or is_moving or is_exiting and self.ends_at_exit
end
local methods = {
    is_obsolete = is_obsolete,
    on_close = on_close,
    on_data = on_data,
    on_headers = on_headers,
    on_message = on_message
}
local mt = {__index = methods}

--- Takes the next message that has arrived, or returns nil.
---@param receiver resty.etcd.transport.grpc.receiver.Receiver
---@return string?
local function take(receiver)
    local bytes = queues.pop(receiver.inbox)
    if bytes ~= nil then
        grant(receiver)
    end
    return bytes
end

--- Returns why a receiver has ended; nil if it ended without an error.
---@param receiver resty.etcd.transport.grpc.receiver.Receiver
---@param secrets resty.etcd.transport.grpc.grpc_status.Secrets
---@return (resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure)?
local function failure_of(receiver, secrets)
    local ____receiver_0 = receiver
    local headers = ____receiver_0.headers
    local ending = ____receiver_0.ending
    if ending.kind == "complete" and headers ~= nil then
        if grpc_status.is_ok(headers, receiver.trailers) and grpc_messages.is_incomplete(receiver.reader) then
            return failures.local_failure("malformed", "malformed reply: incomplete message", true)
        end
        return grpc_status.failure_of(headers, receiver.trailers, receiver.page, secrets)
    end
    local failure = exchanges.failure_of(receiver.connection, ending, receiver.stream.id > 0, receiver.problem)
    local ____temp_1
    if failure.text == "closed" then
        ____temp_1 = nil
    else
        ____temp_1 = failure
    end
    return ____temp_1
end

local function create(connection)
    local signal, err = semaphore.new(0)
    if signal == nil then
        return nil, err
    end
    local receiver = setmetatable(
        {
            connection = connection,
            signal = signal,
            is_waiting = false,
            inbox = queues.new(),
            held = 0,
            headers = nil,
            trailers = nil,
            is_grpc = false,
            page = "",
            problem = nil,
            ending = nil,
            received_at = now(),
            ends_at_exit = false,
            is_abandoned = false
        },
        mt
    )
    receiver.reader = grpc_messages.new(receiver)
    return receiver
end

--- Waits for the beginning of the response. Returns a failure if it did not come.
---@param receiver resty.etcd.transport.grpc.receiver.Receiver
---@param attempt resty.etcd.transport.transport.Attempt
---@return resty.etcd.transport.transport.LocalFailure?
local function wait_for_response(receiver, attempt)
    while receiver.ending == nil and not (receiver.headers ~= nil and receiver.is_grpc) do
        local limit = exchanges.time_limit(receiver.connection, attempt)
        if now() >= limit then
            return exchanges.time_out(receiver, receiver.stream.id > 0)
        end
        local outcome, reason = exchanges.wait_until(receiver, limit)
        if outcome == "cannot_wait" then
            return exchanges.fail_in_phase(receiver, reason)
        end
    end
    return nil
end
_M.new = create
_M.failure_of = failure_of
_M.has_messages = has_messages
_M.take = take
_M.wait_for_response = wait_for_response

return _M
