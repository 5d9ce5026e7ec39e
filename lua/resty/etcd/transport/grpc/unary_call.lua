-- Generated from src/resty/etcd/transport/grpc/unary_call.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local exchanges = require("resty.etcd.transport.grpc.exchange")
local failures = require("resty.etcd.transport.failure")
local connection_ios = require("resty.etcd.transport.grpc.connection_io")
local grpc_messages = require("resty.etcd.transport.grpc.grpc_message")
local grpc_status = require("resty.etcd.transport.grpc.grpc_status")
local protobuf_codec = require("resty.etcd.transport.grpc.protobuf_codec")
local sessions = require("resty.etcd.transport.grpc.session")
local clock = require("resty.etcd.base.clock")
local now = clock.now
local sub = string.sub

--- Calls that are kept for later ones.
local MAX_KEPT = 256

--- Bytes that are kept of a response which is not of gRPC.
local MAX_PAGE = 4096

--- HTTP status of all responses of gRPC.
local OK = 200
local QUEUE_FULL = "too many requests wait to be sent"

---@class resty.etcd.transport.grpc.unary_call.UnaryCall: resty.etcd.transport.grpc.types.Exchange, resty.etcd.transport.grpc.types.StreamListener, resty.etcd.transport.grpc.grpc_message.MessageSink
---@field reader resty.etcd.transport.grpc.grpc_message.MessageReader
---@field rpc resty.etcd.protocol.rpc.Rpc
---@field deadline number
---@field headers table?
---@field trailers table?
---@field is_grpc boolean
---@field page string
---@field message table?
---@field bytes string? A long message, which the caller decodes.
---@field problem string? What is wrong with the response.
---@field bad_field string? The message is malformed: the name of the field.
---@field ending resty.etcd.transport.grpc.types.StreamEnd?
---@field received number
---@field kept_stream resty.etcd.transport.grpc.types.Stream? The object of the last stream, to be used again.

local kept = {}

local function on_headers(self, headers, is_trailers)
    if is_trailers then
        self.trailers = headers
    else
        self.headers = headers
        self.is_grpc = grpc_status.is_grpc(headers)
    end
end

local function on_data(self, s, from, last)
    local size = last - from + 1
    self.received = self.received + size
    sessions.consume(self.connection.session, self.stream, size)
    if self.is_grpc then
        self.problem = grpc_messages.feed(self.reader, s, from, last)
    elseif #self.page < MAX_PAGE then
        self.page = sub(
            self.page .. sub(s, from, last),
            1,
            MAX_PAGE
        )
    end
    return self.problem
end

local function on_message(self, s, from, last)
    if self.message ~= nil or self.bytes ~= nil then
        return "malformed reply: more than one message"
    end
    if last - from + 1 > protobuf_codec.LONG then
        self.bytes = sub(s, from, last)
    else
        local message, bad = protobuf_codec.decode_at(self.rpc.reply, s, from, last)
        self.message = message
        self.bad_field = bad
    end
    return nil
end

local function on_close(self, ending)
    self.ending = ending
    if self.is_waiting then
        self.signal:post(1)
    end
end

--- Also if the light thread that waits was killed: it has left the semaphore.
---@param self resty.etcd.transport.grpc.unary_call.UnaryCall
---@param time number
---@return boolean
local function is_obsolete(self, time)
    return time > self.deadline or self.is_waiting and self.signal:count() >= 0
end
local methods = {
    is_obsolete = is_obsolete,
    on_close = on_close,
    on_data = on_data,
    on_headers = on_headers,
    on_message = on_message
}
local mt = {__index = methods}

--- Returns the failure of a request that a connection does not accept.
---@param reason "full"|"draining"
---@return resty.etcd.transport.transport.LocalFailure
local function rejected(reason)
    return reason == "draining" and failures.local_failure("connect", "closed", false, true) or failures.local_failure("full", QUEUE_FULL, false)
end

--- Removes what belongs to a call, so that its object keeps no large message alive.
---@param call resty.etcd.transport.grpc.unary_call.UnaryCall
local function clear(call)
    call.headers = nil
    call.trailers = nil
    call.is_grpc = false
    call.page = ""
    call.message = nil
    call.bytes = nil
    call.problem = nil
    call.bad_field = nil
    call.ending = nil
    call.received = 0
end

--- Returns a call object; or nil and an error text.
---@return resty.etcd.transport.grpc.unary_call.UnaryCall? res
---@return string? err
local function take()
    local last = table.remove(kept)
    if last ~= nil then
        return last
    end
    local signal, err = semaphore.new(0)
    if signal == nil then
        return nil, err
    end
    local call = setmetatable({signal = signal, is_waiting = false}, mt)
    call.reader = grpc_messages.new(call)
    clear(call)
    return call
end

--- Keeps a call object, unless its semaphore or its stream can still be used by others.
---@param call resty.etcd.transport.grpc.unary_call.UnaryCall
local function give_back(call)
    if call.signal:count() == 0 and #kept < MAX_KEPT then
        call.kept_stream = sessions.recycle(call.stream)
        clear(call)
        grpc_messages.reset(call.reader)
        kept[#kept + 1] = call
    end
end

--- Waits for the end of a call. Returns a failure if it did not come.
---@param call resty.etcd.transport.grpc.unary_call.UnaryCall
---@param attempt resty.etcd.transport.transport.Attempt
---@return resty.etcd.transport.transport.LocalFailure?
local function wait(call, attempt)
    while call.ending == nil do
        local limit = exchanges.time_limit(call.connection, attempt)
        if now() >= limit then
            return exchanges.time_out(call, call.stream.has_ended)
        end
        local outcome, reason = exchanges.wait_until(call, limit)
        if outcome == "cannot_wait" then
            return exchanges.fail_in_phase(call, reason)
        end
    end
    return nil
end

--- Returns the failure of a response whose message is malformed.
---@param field string
---@return resty.etcd.transport.transport.LocalFailure
local function undecodable(field)
    return failures.undecodable("invalid response body: malformed " .. field, OK)
end

--- Returns the message of a call that has ended.
---@param call resty.etcd.transport.grpc.unary_call.UnaryCall
---@param attempt resty.etcd.transport.transport.Attempt
---@return table? res
---@return resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure? err
local function message_of(call, attempt)
    local ____call_0 = call
    local headers = ____call_0.headers
    local ending = ____call_0.ending
    if ending.kind ~= "complete" or headers == nil then
        return nil, exchanges.failure_of(call.connection, ending, call.stream.has_ended, call.problem)
    end
    if not grpc_status.is_ok(headers, call.trailers) then
        local secrets = grpc_status.secrets_of(call.rpc, attempt)
        return nil, grpc_status.failure_of(headers, call.trailers, call.page, secrets)
    end
    if grpc_messages.is_incomplete(call.reader) then
        return nil, failures.local_failure("malformed", "malformed reply: incomplete message", true)
    end
    local ____call_1 = call
    local message = ____call_1.message
    local bad_field = ____call_1.bad_field
    if call.bytes ~= nil then
        message, bad_field = protobuf_codec.decode(call.rpc.reply, call.bytes)
    end
    if bad_field ~= nil then
        return nil, undecodable(bad_field)
    end
    if message == nil then
        return nil, failures.local_failure("malformed", "malformed reply: no message", true)
    end
    return message
end

--- Makes a call on a connection.
---@param connection resty.etcd.transport.grpc.types.Connection
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param block string header block of the request
---@param body string the message with its prefix
---@param attempt resty.etcd.transport.transport.Attempt
---@return resty.etcd.transport.transport.Reply? res
---@return resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure? err
local function run(connection, rpc, block, body, attempt)
    local call, err = take()
    if call == nil then
        return nil, failures.local_failure("full", err, false)
    end
    call.rpc = rpc
    call.connection = connection
    call.deadline = exchanges.deadline_of(attempt)
    local ____connection_2 = connection
    local session = ____connection_2.session
    local stream, reason = sessions.open(session, block, call, call.kept_stream)
    if stream == nil then
        return nil, rejected(reason)
    end
    call.stream = stream
    call.kept_stream = nil
    if not sessions.send(session, stream, body, true) then
        sessions.cancel(session, stream)
        return nil, rejected("full")
    end
    connection_ios.wake_writer(connection)
    local failure = wait(call, attempt)
    attempt.received = call.received
    if failure ~= nil then
        return nil, failure
    end
    local message, bad = message_of(call, attempt)
    if message == nil then
        give_back(call)
        return nil, bad
    end
    local reply = {
        status = OK,
        headers = grpc_status.metadata_of(call.headers),
        body = message
    }
    give_back(call)
    return reply
end
_M.rejected = rejected
_M.run = run
_M.undecodable = undecodable

return _M
