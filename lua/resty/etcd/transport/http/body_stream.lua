-- Generated from src/resty/etcd/transport/http/body_stream.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local faults = require("resty.etcd.transport.fault")
local http1 = require("resty.etcd.transport.http.http1")
local socket_reader = require("resty.etcd.transport.http.socket_reader")
local now = clock.now
local find = string.find
local sub = string.sub
local min = math.min

--- Longest time in seconds before a canceled read notices it.
local CANCEL_INTERVAL = 0.5

--- Longest time in seconds before a read notices that the worker is exiting. nginx logs each socket timeout, unless
-- `lua_socket_log_errors` is off, so that shorter intervals would fill the log.
local EXIT_INTERVAL = 5

--- Seconds; longer than any socket timeout.
local FOREVER = 1000000000

--- The user closed the stream; unlike `closed` by the server, this is never the end of a body.
local CANCELED = faults.make_fault("closed", "closed")

---@class resty.etcd.transport.http.body_stream.Fields
---@field source resty.etcd.transport.http.socket_reader.SocketReader
---@field chunked boolean
---@field state "done"|"data"|"size"|"gap"|"trailer"
---@field left number? Bytes left of the chunk or the body; nil if the body ends with the connection.
---@field trailers number Lines of the trailer section.
---@field malformed resty.etcd.transport.fault.Fault? An error in the framing: the bytes behind it have no meaning.
---@field closed boolean
---@field check_interval number Longest time in seconds before a read notices that it has ended without the server.
---@field next_check_at number
---@field ends_at_exit boolean
---@field received_at number

---@class resty.etcd.transport.http.body_stream.BodyStream: resty.etcd.transport.http.body_stream.Fields
---@field allow_cancel fun(self: resty.etcd.transport.http.body_stream.BodyStream)
---@field close fun(self: resty.etcd.transport.http.body_stream.BodyStream)
---@field end_at_exit fun(self: resty.etcd.transport.http.body_stream.BodyStream)
---@field last_received_at fun(self: resty.etcd.transport.http.body_stream.BodyStream): number
---@field peek fun(self: resty.etcd.transport.http.body_stream.BodyStream): string?
---@field read fun(self: resty.etcd.transport.http.body_stream.BodyStream, timeout: number?): string?, resty.etcd.transport.fault.Fault?

--- Returns a complete line, or nil if it has not arrived.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@return string?
local function buffered_line(source)
    local start, stop = find(source.buffer, "\r\n", source.at, true)
    if start == nil then
        return nil
    end
    local line = sub(source.buffer, source.at, start - 1)
    source.at = stop + 1
    return line
end

--- Decodes the bytes that have arrived.
---@param body resty.etcd.transport.http.body_stream.Fields
---@return string? # bytes of the body, "" at its end; nil if more bytes must arrive, or if the framing is malformed
local function decode(body)
    local source = body.source
    while body.malformed == nil do
        if body.state == "done" then
            return ""
        end
        local waiting = socket_reader.available(source)
        if body.state == "data" then
            if waiting == 0 then
                return nil
            end
            if body.left == nil then
                return socket_reader.take_all(source)
            end
            local bytes = socket_reader.take(
                source,
                min(waiting, body.left)
            )
            body.left = body.left - #bytes
            if body.left == 0 then
                body.state = body.chunked and "gap" or "done"
            end
            return bytes
        end
        local line = buffered_line(source)
        if line == nil then
            if waiting > 65536 then
                body.malformed = faults.make_fault("malformed", "malformed reply: line too long")
            end
            return nil
        end
        if body.state == "gap" then
            if line ~= "" then
                body.malformed = faults.make_fault("malformed", "malformed reply: bad chunk end")
            end
            body.state = "size"
        elseif body.state == "size" then
            local size = http1.parse_chunk_size(line)
            if size == nil then
                body.malformed = faults.make_fault("malformed", "malformed reply: bad chunk size")
            else
                body.left = size
                body.state = size == 0 and "trailer" or "data"
            end
        else
            body.trailers = body.trailers + 1
            local is_end, bad = http1.ends_trailers(line, body.trailers)
            body.malformed = bad
            if is_end == true then
                body.state = "done"
            end
        end
    end
    return nil
end

--- Checks whether the worker is exiting, at most once in `check_interval`, so that a stream opened after that lives as long.
---@param body resty.etcd.transport.http.body_stream.Fields
---@return boolean
local function is_ended_by_exit(body)
    local time = now()
    if time < body.next_check_at then
        return false
    end
    body.next_check_at = time + body.check_interval
    return body.ends_at_exit and ngx.worker.exiting()
end

--- Waits for more bytes until `deadline`, and checks every `check_interval` whether the stream has ended meanwhile.
---@param body resty.etcd.transport.http.body_stream.Fields
---@param deadline number?
---@return resty.etcd.transport.fault.Fault?
local function wait(body, deadline)
    local source = body.source
    while true do
        if is_ended_by_exit(body) then
            return CANCELED
        end
        local wait_until = body.next_check_at
        if deadline ~= nil then
            wait_until = min(wait_until, deadline)
        end
        source.deadline = wait_until
        source.timeouts_set_at = 0
        local ok, result = pcall(socket_reader.read_more, source)
        if body.closed then
            return CANCELED
        end
        if not ok then
            return faults.of_socket(tostring(result))
        end
        local fault = result
        if fault == nil then
            body.received_at = now()
            return nil
        end
        if fault.kind ~= "timeout" or deadline ~= nil and now() >= deadline then
            return fault
        end
    end
end

local function peek(self)
    local bytes = decode(self)
    if bytes == "" then
        return nil
    end
    return bytes
end

local function last_received_at(self)
    return self.received_at
end

local function set_check_interval(body, seconds)
    body.check_interval = min(body.check_interval, seconds)
    body.next_check_at = now() + body.check_interval
end

local function allow_cancel(self)
    set_check_interval(self, CANCEL_INTERVAL)
end

local function end_at_exit(self)
    self.ends_at_exit = true
    set_check_interval(self, EXIT_INTERVAL)
end

local function close(self)
    self.closed = true
    local sock = self.source.sock
    pcall(sock.close, sock)
end

local function read(self, timeout)
    local deadline = timeout ~= nil and now() + timeout or nil
    while true do
        if self.closed then
            return nil, CANCELED
        end
        local bytes = decode(self)
        if bytes ~= nil then
            return bytes
        end
        local fault = self.malformed or wait(self, deadline)
        if fault ~= nil then
            local ends_body = self.state == "data" and self.left == nil
            if ends_body and fault.kind == "closed" and fault ~= CANCELED then
                self.state = "done"
            else
                self:close()
                return nil, fault
            end
        end
    end
end
local methods = {
    allow_cancel = allow_cancel,
    close = close,
    end_at_exit = end_at_exit,
    last_received_at = last_received_at,
    peek = peek,
    read = read
}
local mt = {__index = methods}

--- Creates a body that is read as it arrives.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@param head resty.etcd.transport.http.response_head.Head
---@return resty.etcd.transport.http.types.Body
local function create(source, head)
    local chunked = head.framing == "chunked"
    local fields = {
        source = source,
        chunked = chunked,
        state = chunked and "size" or "data",
        left = head.framing == "length" and head.length or nil,
        trailers = 0,
        malformed = nil,
        closed = false,
        check_interval = FOREVER,
        next_check_at = FOREVER,
        ends_at_exit = false,
        received_at = now()
    }
    if fields.left == 0 then
        fields.state = "done"
    end
    return setmetatable(fields, mt)
end
_M.new = create

return _M
