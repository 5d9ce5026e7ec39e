-- Generated from src/resty/etcd/transport/http/http1.ts by TypeScriptToLua. Do not edit.
local _M = {}
local byte_parts = require("resty.etcd.base.byte_parts")
local clock = require("resty.etcd.base.clock")
local faults = require("resty.etcd.transport.fault")
local response_head = require("resty.etcd.transport.http.response_head")
local socket_reader = require("resty.etcd.transport.http.socket_reader")
local time_slice = require("resty.etcd.base.time_slice")
local match = string.match
local format = string.format
local floor = math.floor
local max = math.max
local min = math.min
local now = clock.now
local has_clone, table_clone = pcall(require, "table.clone")
local read_line = socket_reader.read_line
local read_exact = socket_reader.read_exact

--- Share of the time by which the deadline of the server precedes that of the call.
local HEAD_START = 0.1

--- Upper bound in seconds of that share.
local MAX_HEAD_START = 0.1

--- Interim responses that are skipped. etcd sends none, and proxies a few at most.
local MAX_INTERIM = 32

--- Longest line in front of a chunk in bytes, with its extensions. etcd sends none of these.
local MAX_CHUNK_LINE = 1024

--- Trailer fields that are skipped. etcd's gateway sends 3.
local MAX_TRAILERS = 100

--- Bytes of one read from a blocking socket replacement.
local READ_SIZE = 65536

--- Longest size of a chunk in hexadecimal digits.
local MAX_SIZE_DIGITS = 8

--- Longest timeout in milliseconds: gRPC allows 8 digits.
local MAX_SERVER_TIME = 99999999

--- Formats the beginning of all requests that share a template.
---@param method string
---@param path string
---@param target resty.etcd.endpoint.url.Target
---@param extra resty.etcd.transport.http.types.ExtraHeaders
---@return string
local function format_head(method, path, target, extra)
    return method .. " " .. path .. " HTTP/1.1\r\nHost: " .. (extra.host or target.authority) .. "\r\n" .. extra.block
end

--- Returns the timeout for the server in the format of gRPC, or nil if none is sent. It is a little shorter than the time
--- left, so that the error of the server arrives before the deadline.
---@param context resty.etcd.transport.transport.RequestContext
---@return string?
local function server_time(context)
    local deadline = context.deadline
    if deadline == nil or not context.send_timeout_header then
        return nil
    end
    local left = deadline - now()
    local rest = left - min(MAX_HEAD_START, left * HEAD_START)
    if rest * 1000 > MAX_SERVER_TIME then
        return nil
    end
    return format(
        "%dm",
        max(
            1,
            floor(rest * 1000)
        )
    )
end

--- Formats the header fields that differ between requests.
---@param context resty.etcd.transport.transport.RequestContext
---@return string
local function format_own_fields(context)
    local time = server_time(context)
    local fields = time ~= nil and "Grpc-Timeout: " .. time .. "\r\n" or ""
    if context.token ~= nil then
        fields = fields .. "Authorization: " .. context.token .. "\r\n"
    end
    if context.require_leader then
        fields = fields .. "Grpc-Metadata-hasleader: true\r\n"
    end
    return fields
end

--- Formats a request.
---@param template resty.etcd.transport.http.types.RequestTemplate
---@param context resty.etcd.transport.transport.RequestContext
---@param body string
---@return string
local function format_request(template, context, body)
    local fields = format_own_fields(context)
    if template.method == "GET" then
        return template.head .. fields .. "\r\n"
    end
    return template.head .. fields .. "Content-Length: " .. tostring(#body) .. "\r\n\r\n" .. body
end

--- Parsed heads by text. The heads of a server differ only in length and, once per second, in the date.
local parsed_heads = {}
local parsed_count = 0

--- Heads that are cached before the cache is emptied.
local MAX_PARSED = 64

--- Longest head in bytes that is cached.
local MAX_CACHED_LENGTH = 4096

local function remember(text, head)
    if #text > MAX_CACHED_LENGTH then
        return
    end
    if parsed_count >= MAX_PARSED then
        parsed_heads = {}
        parsed_count = 0
    end
    parsed_heads[text] = head
    parsed_count = parsed_count + 1
end

--- Returns a copy of the header fields, which the caller can change.
---@param head resty.etcd.transport.http.response_head.Head
---@return table
local function own_headers(head)
    if has_clone then
        return table_clone(head.headers)
    end
    local copy = {}
    for name, value in pairs(head.headers) do
        copy[name] = value
    end
    return copy
end

--- Reads the head of the final response and skips interim ones (1xx).
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@return resty.etcd.transport.http.response_head.Head? res
---@return resty.etcd.transport.fault.Fault? err
local function read_head(source)
    for _ = 0, MAX_INTERIM do
        local text, err = socket_reader.read_head(source)
        if text == nil then
            return nil, err
        end
        local head = parsed_heads[text]
        if head == nil then
            head = response_head.parse(text)
            if head == nil then
                return nil, faults.make_fault("malformed", "malformed reply: bad HTTP head")
            end
            remember(text, head)
        end
        if head.status >= 200 then
            return head
        end
    end
    return nil, faults.make_fault("malformed", "malformed reply: too many interim responses")
end

--- Parses the line in front of a chunk. Returns the size of the chunk, or nil if the line is malformed.
---@param line string
---@return number?
local function parse_chunk_size(line)
    if #line > MAX_CHUNK_LINE or response_head.has_control_characters(line) then
        return nil
    end
    local hex = match(line, "^%x+")
    if hex == nil or #hex > MAX_SIZE_DIGITS then
        return nil
    end
    local after = match(line, "^[ \t]*(.?)", #hex + 1)
    if after ~= "" and after ~= ";" then
        return nil
    end
    return tonumber(hex, 16)
end

--- Reports whether the trailer section ends with a line.
---@param line string
---@param count number of lines up to this one
---@return boolean? res # nil and a fault if there are too many lines, or if this one is malformed
---@return resty.etcd.transport.fault.Fault? err
local function ends_trailers(line, count)
    if count > MAX_TRAILERS then
        return nil, faults.make_fault("malformed", "malformed reply: too many trailers")
    end
    if response_head.has_control_characters(line) then
        return nil, faults.make_fault("malformed", "malformed reply: bad trailer")
    end
    return line == ""
end

--- Skips trailer fields up to the empty line. Returns a fault or nil.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@return resty.etcd.transport.fault.Fault?
local function skip_trailers(source)
    local count = 0
    while true do
        local line, err = read_line(source)
        if line == nil then
            return err
        end
        count = count + 1
        local is_end, bad = ends_trailers(line, count)
        if is_end == nil then
            return bad
        end
        if is_end then
            return nil
        end
    end
end

--- Reads a chunk and the line break after it.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@param size number
---@return string? res
---@return resty.etcd.transport.fault.Fault? err
local function read_chunk(source, size)
    local data, data_err = read_exact(source, size)
    if data == nil then
        return nil, data_err
    end
    local ____end, end_err = read_exact(source, 2)
    if ____end == nil then
        return nil, end_err
    end
    if ____end ~= "\r\n" then
        return nil, faults.make_fault("malformed", "malformed reply: bad chunk end")
    end
    return data
end

local function read_chunked(source, max_size)
    local bytes = byte_parts.new()
    local slice = time_slice.start()
    while true do
        local line, err = read_line(source)
        if line == nil then
            return nil, err
        end
        local size = parse_chunk_size(line)
        if size == nil then
            return nil, faults.make_fault("malformed", "malformed reply: bad chunk size")
        end
        if bytes.length + size > max_size then
            return nil, faults.too_large(max_size)
        end
        if size == 0 then
            local trailer_err = skip_trailers(source)
            if trailer_err ~= nil then
                return nil, trailer_err
            end
            return byte_parts.join(bytes)
        end
        local data, data_err = read_chunk(source, size)
        if data == nil then
            return nil, data_err
        end
        byte_parts.add(bytes, data)
        time_slice.yield_if_due(slice)
    end
end

--- As `read_to_end`, from a blocking socket replacement.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@param max_size number
---@return string? res
---@return resty.etcd.transport.fault.Fault? err
local function read_plain_to_end(source, max_size)
    local bytes = byte_parts.new()
    while bytes.length <= max_size do
        local data, err, partial = source.sock:receive(READ_SIZE)
        if data == nil and err ~= "closed" then
            return nil, faults.of_socket(err)
        end
        byte_parts.add(
            bytes,
            data or (type(partial) == "string" and partial or "")
        )
        if data == nil then
            break
        end
    end
    if bytes.length > max_size then
        return nil, faults.too_large(max_size)
    end
    return byte_parts.join(bytes)
end

--- Reads a body that ends when the server closes the connection.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@param max_size number
---@return string? res
---@return resty.etcd.transport.fault.Fault? err
local function read_to_end(source, max_size)
    if source.sock.receiveany == nil then
        return read_plain_to_end(source, max_size)
    end
    local bytes = byte_parts.new()
    local slice = time_slice.start()
    byte_parts.add(
        bytes,
        socket_reader.take_all(source)
    )
    while bytes.length <= max_size do
        local err = socket_reader.read_more(source)
        if (err and err.kind) == "closed" then
            return byte_parts.join(bytes)
        end
        if err ~= nil then
            return nil, err
        end
        byte_parts.add(
            bytes,
            socket_reader.take_all(source)
        )
        time_slice.yield_if_due(slice)
    end
    return nil, faults.too_large(max_size)
end

--- Reads the complete body.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@param head resty.etcd.transport.http.response_head.Head
---@param max_size number bytes of the longest body
---@return string? res
---@return resty.etcd.transport.fault.Fault? err
local function read_body(source, head, max_size)
    if head.framing == "length" then
        if head.length > max_size then
            return nil, faults.too_large(max_size)
        end
        return read_exact(source, head.length)
    end
    if head.framing == "chunked" then
        return read_chunked(source, max_size)
    end
    return read_to_end(source, max_size)
end
_M.ends_trailers = ends_trailers
_M.format_head = format_head
_M.format_request = format_request
_M.own_headers = own_headers
_M.parse_chunk_size = parse_chunk_size
_M.read_body = read_body
_M.read_head = read_head
_M.server_time = server_time

return _M
