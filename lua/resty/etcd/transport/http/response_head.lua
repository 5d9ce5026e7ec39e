-- Generated from src/resty/etcd/transport/http/response_head.ts by TypeScriptToLua. Do not edit.
local _M = {}
local byte = string.byte
local find = string.find
local lower = string.lower
local match = string.match
local sub = string.sub

--- Largest number of header fields. etcd sends 10, and proxies add some.
local MAX_FIELDS = 256

--- Digits of a Content-Length that can be exact numbers of Lua.
local MAX_DIGITS = 15
local TAB = 9
local BLANK = 32

--- Position of the last digit of the status.
local STATUS_END = 12

--- A name, in a Lua pattern (RFC 9110, 5.6.2).
local NAME = "^[%w!#$%%&'*+%-.^_`|~]+$"

--- A control character other than a tab, in a Lua pattern.
local CONTROL = "[^%C\t]"

---@class resty.etcd.transport.http.response_head.Head
---@field status number
---@field headers table
---@field framing "length"|"chunked"|"close"
---@field length number Bytes of the body; only with framing "length".
---@field keepalive boolean The server accepts another request on this connection.

--- The header fields of a response.
---@class resty.etcd.transport.http.response_head.Fields
---@field headers table By name, as received.
---@field folded table By name in lower case: the spellings of a name are one field.

local function is_blank(char)
    return char == BLANK or char == TAB
end

--- Reports whether a text contains control characters other than tabs.
---@param text string
---@return boolean
local function has_control_characters(text)
    local at = find(text, CONTROL)
    return at ~= nil
end

--- Returns a part of a text without blanks and tabs around it.
---@param text string
---@param from number
---@param to number
---@return string
local function trimmed(text, from, to)
    while from <= to and is_blank(byte(text, from)) do
        from = from + 1
    end
    while to >= from and is_blank(byte(text, to)) do
        to = to - 1
    end
    return sub(text, from, to)
end

local function add_value(fields, name, value)
    local earlier = fields[name]
    fields[name] = earlier ~= nil and earlier .. ", " .. value or value
end

--- Parses a header field and adds it to `fields`. Returns false if it is malformed.
---@param fields resty.etcd.transport.http.response_head.Fields
---@param line string
---@return boolean
local function add_field(fields, line)
    local colon = find(line, ":", 1, true)
    if colon == nil or has_control_characters(line) then
        return false
    end
    local name = sub(line, 1, colon - 1)
    local is_name = find(name, NAME)
    if is_name == nil then
        return false
    end
    local value = trimmed(line, colon + 1, #line)
    add_value(fields.headers, name, value)
    add_value(
        fields.folded,
        lower(name),
        value
    )
    return true
end

--- Parses the header fields after the status line. Returns nil if they are malformed.
---@param head string
---@param from number
---@return resty.etcd.transport.http.response_head.Fields?
local function parse_fields(head, from)
    local fields = {headers = {}, folded = {}}
    local start = from
    local count = 0
    while start <= #head do
        local found = find(head, "\r\n", start, true)
        local stop = found or #head + 1
        count = count + 1
        if count > MAX_FIELDS or not add_field(
            fields,
            sub(head, start, stop - 1)
        ) then
            return nil
        end
        start = stop + 2
    end
    return fields
end

--- Reports whether a list of options contains one.
---@param list string?
---@param option string
---@return boolean
local function has_option(list, option)
    for each in string.gmatch(
        lower(list or ""),
        "[^, \t]+"
    ) do
        if each == option then
            return true
        end
    end
    return false
end

--- Returns the number that a Content-Length contains, or nil if it is invalid or too large.
---@param text string
---@return number?
local function parse_length(text)
    local digits = match(text, "^%d+$")
    if digits == nil or #digits > MAX_DIGITS then
        return nil
    end
    return tonumber(digits)
end

--- Determines from the header fields how the body ends.
---@param status number
---@param is_http11 boolean
---@param fields resty.etcd.transport.http.response_head.Fields
---@return resty.etcd.transport.http.response_head.Head? # the head; nil if that is unclear
local function make_head(status, is_http11, fields)
    local ____fields_0 = fields
    local headers = ____fields_0.headers
    local folded = ____fields_0.folded
    local connection = folded.connection
    local coding = folded["transfer-encoding"]
    local length_text = folded["content-length"]
    local keepalive = not has_option(connection, "close") and (is_http11 or has_option(connection, "keep-alive"))
    local length
    if length_text ~= nil then
        length = parse_length(length_text)
        if length == nil then
            return nil
        end
    end
    if coding ~= nil and (length ~= nil or not is_http11 or lower(coding) ~= "chunked") then
        return nil
    end
    if status < 200 or status == 204 or status == 304 then
        keepalive = keepalive and coding == nil and (status == 304 or (length or 0) == 0)
        return {
            status = status,
            headers = headers,
            framing = "length",
            length = 0,
            keepalive = keepalive
        }
    end
    if coding ~= nil then
        return {
            status = status,
            headers = headers,
            framing = "chunked",
            length = 0,
            keepalive = keepalive
        }
    end
    if length == nil then
        return {
            status = status,
            headers = headers,
            framing = "close",
            length = 0,
            keepalive = false
        }
    end
    return {
        status = status,
        headers = headers,
        framing = "length",
        length = length,
        keepalive = keepalive
    }
end

--- Parses the status line and the header fields of a response.
---@param text string without the empty line at its end
---@return resty.etcd.transport.http.response_head.Head? # the head; nil if it is malformed
local function parse(text)
    local found = find(text, "\r\n", 1, true)
    local stop = found or #text + 1
    local line = sub(text, 1, stop - 1)
    local minor, digits = match(line, "^HTTP/1%.([01]) ([1-9]%d%d)")
    local after = byte(line, STATUS_END + 1)
    if digits == nil or after ~= nil and after ~= BLANK or has_control_characters(line) then
        return nil
    end
    local status = tonumber(digits)
    local fields = parse_fields(text, stop + 2)
    if fields == nil or status == 101 then
        return nil
    end
    return make_head(status, minor == "1", fields)
end
_M.has_control_characters = has_control_characters
_M.parse = parse

return _M
