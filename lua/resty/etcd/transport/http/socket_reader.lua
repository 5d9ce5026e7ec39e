-- Generated from src/resty/etcd/transport/http/socket_reader.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local faults = require("resty.etcd.transport.fault")
local time_slice = require("resty.etcd.base.time_slice")
local now = clock.now
local sub = string.sub
local find = string.find
local concat = table.concat
local max = math.max
local ceil = math.ceil

--- Largest number of bytes that one read takes.
local READ_SIZE = 65536

--- Seconds by which socket timeouts can be wrong before they are set again.
local DRIFT = 0.005

--- Longest line, and longest head of a response, in bytes.
local MAX_LINE = 65536

--- Bytes of which nginx's buffers are multiples.
local BUFFER_UNIT = 1024

--- Longest timeout that nginx accepts.
local MAX_TIMEOUT_MS = 2147483647

--- The receiving side of a connection, with the bytes that are not consumed yet.
---@class resty.etcd.transport.http.socket_reader.SocketReader
---@field sock table
---@field buffer string
---@field at number Index of the first byte not consumed.
---@field deadline number?
---@field timeouts_set_at number Time at which the socket timeouts were set.
---@field received number Bytes that have arrived.

--- Returns milliseconds for a socket, never 0, which means nginx's default.
---@param seconds number
---@return number
local function to_ms(seconds)
    return max(
        1,
        math.min(
            ceil(seconds * 1000),
            MAX_TIMEOUT_MS
        )
    )
end

--- Sets the timeouts of a socket, in seconds from now.
---@param sock table
---@param connect number
---@param rest number
local function set_timeouts(sock, connect, rest)
    if sock.settimeouts ~= nil then
        local ms = to_ms(rest)
        sock:settimeouts(
            to_ms(connect),
            ms,
            ms
        )
    else
        sock:settimeout(max(
            1,
            ceil(connect)
        ) * 1000)
    end
end

local function create(sock, deadline, timeouts_set_at)
    return {
        sock = sock,
        buffer = "",
        at = 1,
        deadline = deadline,
        timeouts_set_at = timeouts_set_at,
        received = 0
    }
end

--- Sets the socket timeouts to the time until the deadline. Returns a fault if the deadline has passed.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@return resty.etcd.transport.fault.Fault?
local function refresh_timeout(source)
    if source.deadline == nil then
        return nil
    end
    local time = now()
    local left = source.deadline - time
    if left <= 0 then
        return faults.TIMEOUT
    end
    if time - source.timeouts_set_at > DRIFT then
        set_timeouts(source.sock, left, left)
        source.timeouts_set_at = time
    end
    return nil
end

--- Returns the number of buffered bytes.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@return number
local function available(source)
    return #source.buffer - source.at + 1
end

--- Reports whether OpenSSL can have decrypted bytes that were not read. nginx passes on as many as its buffer takes
--- (`lua_socket_buffer_size`, usually a multiple of 1 KiB), and notices only those on an idle connection that are not decrypted
--- yet. If the buffer is not full, there are none.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@return boolean
local function can_have_hidden_bytes(source)
    return source.received % BUFFER_UNIT == 0
end

--- Consumes all buffered bytes.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@return string
local function take_all(source)
    local bytes = source.at == 1 and source.buffer or sub(source.buffer, source.at)
    source.buffer = ""
    source.at = 1
    return bytes
end

--- Consumes `n` buffered bytes.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@param n number
---@return string
local function take(source, n)
    local from = source.at
    source.at = from + n
    return sub(source.buffer, from, from + n - 1)
end

--- Waits for more bytes. Returns a fault, or nil when some have arrived.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@return resty.etcd.transport.fault.Fault?
local function read_more(source)
    local late = refresh_timeout(source)
    if late ~= nil then
        return late
    end
    local data, err = source.sock:receiveany(READ_SIZE)
    if data == nil then
        return faults.of_socket(err)
    end
    source.received = source.received + #data
    source.buffer = available(source) == 0 and data or take_all(source) .. data
    source.at = 1
    return nil
end

--- Reads a line or a number of bytes from a blocking socket replacement, which has no `receiveany`.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@param what number|"*l"
---@return string? res
---@return resty.etcd.transport.fault.Fault? err
local function receive_plain(source, what)
    local late = refresh_timeout(source)
    if late ~= nil then
        return nil, late
    end
    local data, err = source.sock:receive(what)
    if data == nil then
        return nil, faults.of_socket(err)
    end
    source.received = source.received + #data + 1
    return data
end

--- Returns the bytes before a delimiter, and consumes both.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@param delimiter string
---@return string? res
---@return resty.etcd.transport.fault.Fault? err
local function read_until(source, delimiter)
    local from = source.at
    while true do
        local start, stop = find(source.buffer, delimiter, from, true)
        if start ~= nil then
            local text = sub(source.buffer, source.at, start - 1)
            source.at = stop + 1
            return text
        end
        local seen = available(source)
        if seen > MAX_LINE then
            return nil, faults.make_fault("malformed", "malformed reply: line too long")
        end
        local err = read_more(source)
        if err ~= nil then
            return nil, err
        end
        from = max(1, seen - #delimiter + 2)
    end
end

--- Returns a line without its line break.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@return string? res
---@return resty.etcd.transport.fault.Fault? err
local function read_line(source)
    if source.sock.receiveany == nil then
        return receive_plain(source, "*l")
    end
    return read_until(source, "\r\n")
end

--- Returns the status line and the header fields, up to the empty line.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@return string? res
---@return resty.etcd.transport.fault.Fault? err
local function read_head(source)
    if source.sock.receiveany ~= nil then
        return read_until(source, "\r\n\r\n")
    end
    local lines = {}
    while true do
        local line, err = receive_plain(source, "*l")
        if line == nil then
            return nil, err
        end
        if line == "" then
            return concat(lines, "\r\n")
        end
        lines[#lines + 1] = line
        if #lines > 1000 then
            return nil, faults.make_fault("malformed", "malformed reply: too many header fields")
        end
    end
end

--- Returns exactly `n` bytes.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@param n number
---@return string? res
---@return resty.etcd.transport.fault.Fault? err
local function read_exact(source, n)
    if n == 0 then
        return ""
    end
    if source.sock.receiveany == nil then
        return receive_plain(source, n)
    end
    local got = available(source)
    if got >= n then
        return take(source, n)
    end
    local parts = {take_all(source)}
    local slice = time_slice.start()
    while true do
        local err = read_more(source)
        if err ~= nil then
            return nil, err
        end
        time_slice.yield_if_due(slice)
        local more = available(source)
        if got + more >= n then
            parts[#parts + 1] = take(source, n - got)
            return concat(parts)
        end
        got = got + more
        parts[#parts + 1] = take_all(source)
    end
end
_M.available = available
_M.can_have_hidden_bytes = can_have_hidden_bytes
_M.new = create
_M.read_more = read_more
_M.read_exact = read_exact
_M.read_head = read_head
_M.read_line = read_line
_M.refresh_timeout = refresh_timeout
_M.set_timeouts = set_timeouts
_M.take = take
_M.take_all = take_all

return _M
