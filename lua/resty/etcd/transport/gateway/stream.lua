-- Generated from src/resty/etcd/transport/gateway/stream.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("resty.etcd.base.private_cjson")
local byte_parts = require("resty.etcd.base.byte_parts")
local clock = require("resty.etcd.base.clock")
local failures = require("resty.etcd.transport.failure")
local faults = require("resty.etcd.transport.fault")
local error_body = require("resty.etcd.transport.gateway.error_body")
local response_texts = require("resty.etcd.transport.response_text")
local chunked_json = require("resty.etcd.transport.gateway.chunked_json")
local time_slice = require("resty.etcd.base.time_slice")
local now = clock.now
local find = string.find
local sub = string.sub

--- Bytes of a response that are looked at for an error text.
local MAX_SHOWN = 65536

--- The stream ended, or was closed by its user.
local CLOSED = failures.local_failure("closed", "closed", true)

---@class resty.etcd.transport.gateway.stream.Fields
---@field rpc resty.etcd.protocol.rpc.Rpc
---@field endpoint string
---@field body resty.etcd.transport.http.types.Body
---@field token string? Token of the request; removed from error texts.
---@field text string Bytes of the body; those before `at` are consumed.
---@field at number
---@field parts resty.etcd.base.byte_parts.ByteParts Beginning of a line whose end has not arrived.
---@field max_response_size number Bytes of the longest line, which is one message.
---@field deadline number? Time by which the message that is being received must be complete; nil for none. Read as `Limits` of the decoder.
---@field undecoded string? A long line that is being decoded. Kept here, because the light thread that decodes it can be killed.
---@field ended (resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure)? Why the stream has ended; nil while it is open.
---@field ahead (resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure)? Failure found by `peek` or `try_recv`, not yet returned.
---@field peeked table? Message returned by `peek`, not yet by `recv`.
---@field slice resty.etcd.base.time_slice.TimeSlice Work since the stream has waited for bytes, in all calls: a server that always sends must not occupy the worker.

---@class resty.etcd.transport.gateway.stream.GatewayStream: resty.etcd.transport.gateway.stream.Fields
---@field allow_cancel fun(self: resty.etcd.transport.gateway.stream.GatewayStream)
---@field close fun(self: resty.etcd.transport.gateway.stream.GatewayStream)
---@field end_at_exit fun(self: resty.etcd.transport.gateway.stream.GatewayStream)
---@field last_received_at fun(self: resty.etcd.transport.gateway.stream.GatewayStream): number
---@field peek fun(self: resty.etcd.transport.gateway.stream.GatewayStream, timeout: number?): table?
---@field recv fun(self: resty.etcd.transport.gateway.stream.GatewayStream, timeout: number?): table?, resty.etcd.protocol.errors.EtcdError?
---@field try_recv fun(self: resty.etcd.transport.gateway.stream.GatewayStream): table?

--- Returns the next complete line without its line break, or nil if it has not arrived.
---@param stream resty.etcd.transport.gateway.stream.Fields
---@return string?
local function take_line(stream)
    local undecoded = stream.undecoded
    if undecoded ~= nil then
        return undecoded
    end
    local stop = find(stream.text, "\n", stream.at, true)
    if stop == nil then
        if stream.at <= #stream.text then
            local rest = sub(stream.text, stream.at)
            byte_parts.add(stream.parts, rest)
            stream.text = ""
            stream.at = 1
        end
        return nil
    end
    local line = sub(stream.text, stream.at, stop - 1)
    stream.at = stop + 1
    if stream.parts.length > 0 then
        byte_parts.add(stream.parts, line)
        line = byte_parts.join(stream.parts)
        stream.parts = byte_parts.new()
    end
    return line
end

local function add(stream, bytes)
    stream.text = bytes
    stream.at = 1
end

--- Returns the failure of a response with status 200, or of a line of it, that etcd does not send.
---@param text_of_body string
---@param token string? token of the request; nil if it had none
---@param is_shown boolean the failure shows its beginning
---@return resty.etcd.transport.transport.LocalFailure
local function invalid_body(text_of_body, token, is_shown)
    local body = sub(text_of_body, 1, MAX_SHOWN)
    local redacted = response_texts.redact_token(body, token)
    local text = "invalid response body: " .. (is_shown and response_texts.snippet(redacted) or "not shown")
    if response_texts.is_markup(body) then
        text = response_texts.foreign_text(
            200,
            is_shown and response_texts.page_text(redacted) or "not shown"
        )
    end
    return failures.local_failure("undecodable", text, true)
end

--- Decodes a line. Returns nil and nil for an empty one.
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param line string
---@param token string? token of the request; nil if it had none
---@param limits resty.etcd.transport.gateway.chunked_json.Limits bounds of a long line
---@return table? message
---@return (resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure)? failure
local function decode_line(rpc, line, token, limits)
    if #line <= chunked_json.LONG and (find(line, "^%s*$")) ~= nil then
        return nil
    end
    local json, bad, stopped = chunked_json.decode(rpc.reply, line, "result", limits)
    if stopped ~= nil then
        return nil, stopped
    end
    if type(json) ~= "table" then
        return nil, invalid_body(line, token, true)
    end
    local envelope = json
    if envelope.error ~= nil and envelope.error ~= cjson.null then
        return nil, error_body.from_stream(envelope.error, token)
    end
    local result = envelope.result
    if result == nil or bad ~= nil then
        return nil, invalid_body(line, token, true)
    end
    return result
end

local function end_with(stream, failure)
    stream.ended = failure
    stream.body:close()
end

--- Ends the stream after a failure. After an error from the server, later calls return `closed`.
---@param stream resty.etcd.transport.gateway.stream.Fields
---@param failure resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure
---@return resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure
local function failed(stream, failure)
    end_with(stream, failure.kind == "status" and CLOSED or failure)
    return failure
end

local function take_peeked(stream)
    local message = stream.peeked
    stream.peeked = nil
    return message
end

local function try_recv(self)
    local peeked = take_peeked(self)
    if peeked ~= nil then
        return peeked
    end
    self.deadline = nil
    while self.ended == nil and self.ahead == nil do
        local line = take_line(self)
        if line == nil then
            local bytes = self.body:peek()
            if bytes == nil then
                return nil
            end
            add(self, bytes)
        elseif #line > chunked_json.LONG then
            self.undecoded = line
            return nil
        else
            local message, err = decode_line(self.rpc, line, self.token, self)
            if message ~= nil then
                return message
            end
            self.ahead = err
        end
    end
    return nil
end

--- Ends the stream with the body. Old gateways write the last error without a line break, so an open line is decoded.
---@param stream resty.etcd.transport.gateway.stream.Fields
---@return table? message
---@return (resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure)? failure
local function finish(stream)
    local rest = byte_parts.join(stream.parts)
    stream.parts = byte_parts.new()
    end_with(stream, CLOSED)
    return decode_line(stream.rpc, rest, stream.token, stream)
end

--- Returns the next message.
---@param stream resty.etcd.transport.gateway.stream.Fields
---@param timeout number? seconds without a byte
---@param deadline number? of the complete message
---@return table? res
---@return resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure? err
local function receive(stream, timeout, deadline)
    local peeked = take_peeked(stream)
    if peeked ~= nil then
        return peeked
    end
    stream.deadline = deadline
    while true do
        if stream.ahead ~= nil then
            local err = stream.ahead
            stream.ahead = nil
            return nil, stream.ended == nil and failed(stream, err) or err
        end
        if stream.ended ~= nil then
            return nil, stream.ended
        end
        local line = take_line(stream)
        if line ~= nil then
            stream.undecoded = line
            local message, err = decode_line(stream.rpc, line, stream.token, stream)
            stream.undecoded = nil
            if message ~= nil then
                return message
            end
            if err ~= nil then
                return nil, failed(stream, err)
            end
        elseif stream.parts.length > stream.max_response_size then
            end_with(
                stream,
                faults.to_failure(
                    faults.too_large(stream.max_response_size),
                    true
                )
            )
        else
            local time = now()
            local bytes, fault = stream.body:read(deadline ~= nil and deadline - time or timeout)
            if bytes == nil then
                end_with(
                    stream,
                    fault.kind == "closed" and CLOSED or faults.to_failure(fault, true)
                )
            elseif bytes ~= "" then
                add(stream, bytes)
                time_slice.restart_after_wait(stream.slice, time)
                time_slice.yield_if_due(stream.slice)
            else
                local message, err = finish(stream)
                if message ~= nil then
                    return message
                end
                if err ~= nil then
                    return nil, err
                end
            end
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
    local message, err = receive(
        self,
        nil,
        timeout ~= nil and now() + timeout or nil
    )
    self.peeked = message
    self.ahead = err
    return message
end

local function last_received_at(self)
    return self.body:last_received_at()
end

local function allow_cancel(self)
    self.body:allow_cancel()
end

local function end_at_exit(self)
    self.body:end_at_exit()
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

--- Creates a stream of messages over a response body.
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param endpoint string
---@param body resty.etcd.transport.http.types.Body
---@param context resty.etcd.transport.transport.RequestContext
---@return resty.etcd.transport.transport.Stream
local function create(rpc, endpoint, body, context)
    local fields = {
        rpc = rpc,
        endpoint = endpoint,
        body = body,
        token = context.token,
        text = "",
        at = 1,
        parts = byte_parts.new(),
        max_response_size = context.max_response_size,
        deadline = nil,
        undecoded = nil,
        ended = nil,
        ahead = nil,
        peeked = nil,
        slice = time_slice.start()
    }
    return setmetatable(fields, mt)
end
_M.new = create
_M.decode_line = decode_line
_M.invalid_body = invalid_body

return _M
