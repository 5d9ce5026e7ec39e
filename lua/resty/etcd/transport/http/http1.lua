-- Generated from src/resty/etcd/transport/http/http1.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local faults = require("resty.etcd.transport.fault")
local socket_reader = require("resty.etcd.transport.http.socket_reader")
local byte = string.byte
local sub = string.sub
local find = string.find
local match = string.match
local lower = string.lower
local concat = table.concat
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

--- Longest body in bytes. etcd sends nothing that long.
local MAX_BODY = 512 * 1024 * 1024

---@class resty.etcd.transport.http.http1.Head
---@field status number
---@field headers table
---@field framing "length"|"chunked"|"close"
---@field length number Bytes of the body; only with framing "length".
---@field keepalive boolean The server accepts another request on this connection.

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

--- Parses the header fields after the status line. Returns nil if they are malformed.
---@param head string
---@param from number
---@return table?
local function parse_fields(head, from)
    local headers = {}
    local start = from
    while start <= #head do
        local stop = find(head, "\r\n", start, true)
        if stop == nil then
            stop = #head + 1
        end
        local colon = find(head, ":", start, true)
        if colon == nil or colon >= stop or colon == start then
            return nil
        end
        local value_at = colon + 1
        while byte(head, value_at) == 32 do
            value_at = value_at + 1
        end
        local name = sub(head, start, colon - 1)
        local value = sub(head, value_at, stop - 1)
        local earlier = headers[name]
        headers[name] = earlier ~= nil and earlier .. ", " .. value or value
        start = stop + 2
    end
    return headers
end

--- Returns a header field by its name in lower case; names are case-insensitive.
---@param headers table
---@param name string
---@return string?
local function field(headers, name)
    for key, value in pairs(headers) do
        if #key == #name and lower(key) == name then
            return value
        end
    end
    return nil
end

local function has_token(value, token)
    if value == nil then
        return false
    end
    local from = find(
        lower(value),
        token,
        1,
        true
    )
    return from ~= nil
end

--- Determines from the header fields how the body ends.
---@param status number
---@param headers table
---@param is_http11 boolean
---@return resty.etcd.transport.http.http1.Head? # the head; nil if the length of the body is invalid
local function make_head(status, headers, is_http11)
    local connection = field(headers, "connection")
    local keepalive = not has_token(connection, "close")
    if not is_http11 then
        keepalive = has_token(connection, "keep-alive")
    end
    if has_token(
        field(headers, "transfer-encoding"),
        "chunked"
    ) then
        return {
            status = status,
            headers = headers,
            framing = "chunked",
            length = 0,
            keepalive = keepalive
        }
    end
    if status == 204 or status == 304 then
        return {
            status = status,
            headers = headers,
            framing = "length",
            length = 0,
            keepalive = keepalive
        }
    end
    local length_text = field(headers, "content-length")
    if length_text == nil then
        return {
            status = status,
            headers = headers,
            framing = "close",
            length = 0,
            keepalive = false
        }
    end
    local digits = match(length_text, "^(%d+)%s*$")
    local length = tonumber(digits)
    if length == nil or length > MAX_BODY then
        return nil
    end
    return {
        status = status,
        headers = headers,
        framing = "length",
        length = length,
        keepalive = keepalive
    }
end

--- Parses status line and header fields.
---@param text string
---@return resty.etcd.transport.http.http1.Head? # the head; nil if it is malformed
local function parse_head(text)
    local digits = match(text, "^HTTP/1%.%d ([1-9]%d%d)")
    local status = tonumber(digits)
    if status == nil then
        return nil
    end
    local line_end = find(text, "\r\n", 10, true)
    local headers = parse_fields(text, line_end ~= nil and line_end + 2 or #text + 1)
    if headers == nil then
        return nil
    end
    return make_head(
        status,
        headers,
        byte(text, 8) == 49
    )
end

--- Parsed heads by text. The heads of a server differ only in length and, once per second, in the date.
local parsed_heads = {}
local parsed_count = 0

--- Heads that are cached before the cache is emptied.
local MAX_PARSED = 64

local function remember(text, head)
    if parsed_count >= MAX_PARSED then
        parsed_heads = {}
        parsed_count = 0
    end
    parsed_heads[text] = head
    parsed_count = parsed_count + 1
end

--- Returns a copy of the header fields, which the caller can change.
---@param head resty.etcd.transport.http.http1.Head
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
---@return resty.etcd.transport.http.http1.Head? res
---@return resty.etcd.transport.fault.Fault? err
local function read_head(source)
    while true do
        local text, err = socket_reader.read_head(source)
        if text == nil then
            return nil, err
        end
        local head = parsed_heads[text]
        if head == nil then
            head = parse_head(text)
            if head == nil then
                return nil, faults.make_fault("malformed", "malformed reply: bad HTTP head")
            end
            remember(text, head)
        end
        if head.status >= 200 then
            return head
        end
    end
end

--- Parses the first line of a chunk. Returns its size, or nil if the line is malformed.
---@param line string
---@return number?
local function parse_chunk_size(line)
    local digits = match(line, "^(%x+)%s*$")
    local hex = digits or (match(line, "^(%x+)%s*;"))
    if hex == nil or #hex > 8 then
        return nil
    end
    local size = tonumber(hex, 16)
    return size ~= nil and size <= MAX_BODY and size or nil
end

--- Skips trailer fields up to the empty line. Returns a fault or nil.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@return resty.etcd.transport.fault.Fault?
local function skip_trailers(source)
    for _ = 1, 100 do
        local line, err = read_line(source)
        if line == nil then
            return err
        end
        if line == "" then
            return nil
        end
    end
    return faults.make_fault("malformed", "malformed reply: too many trailers")
end

local function read_chunked(source)
    local parts = {}
    local total = 0
    while true do
        local line, err = read_line(source)
        if line == nil then
            return nil, err
        end
        local size = parse_chunk_size(line)
        if size == nil or total + size > MAX_BODY then
            return nil, faults.make_fault("malformed", "malformed reply: bad chunk size")
        end
        if size == 0 then
            local trailer_err = skip_trailers(source)
            if trailer_err ~= nil then
                return nil, trailer_err
            end
            return concat(parts)
        end
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
        parts[#parts + 1] = data
        total = total + size
    end
end

--- Reads a body that ends when the server closes the connection.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@return string? res
---@return resty.etcd.transport.fault.Fault? err
local function read_to_end(source)
    if source.sock.receiveany == nil then
        local text, read_err = source.sock:receive("*a")
        if text == nil then
            return nil, faults.of_socket(read_err)
        end
        return text
    end
    local parts = {socket_reader.take_all(source)}
    local total = #parts[1]
    while total <= MAX_BODY do
        local err = socket_reader.read_more(source)
        if (err and err.kind) == "closed" then
            return concat(parts)
        end
        if err ~= nil then
            return nil, err
        end
        total = total + socket_reader.available(source)
        parts[#parts + 1] = socket_reader.take_all(source)
    end
    return nil, faults.make_fault("malformed", "malformed reply: body too long")
end

--- Reads the complete body.
---@param source resty.etcd.transport.http.socket_reader.SocketReader
---@param head resty.etcd.transport.http.http1.Head
---@return string? res
---@return resty.etcd.transport.fault.Fault? err
local function read_body(source, head)
    if head.framing == "length" then
        return read_exact(source, head.length)
    end
    if head.framing == "chunked" then
        return read_chunked(source)
    end
    return read_to_end(source)
end
_M.field = field
_M.format_head = format_head
_M.format_request = format_request
_M.own_headers = own_headers
_M.parse_chunk_size = parse_chunk_size
_M.read_body = read_body
_M.read_head = read_head
_M.server_time = server_time

return _M
