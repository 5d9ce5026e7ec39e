-- Generated from src/resty/etcd/transport/gateway/error_body.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("cjson.safe")
local failures = require("resty.etcd.transport.failure")
local find = string.find
local sub = string.sub

--- HTTP status by gRPC code, as etcd's gateway maps them.
local HTTP_STATUS = {
    408,
    500,
    400,
    504,
    404,
    409,
    403,
    429,
    400,
    409,
    400,
    501,
    500,
    503,
    500,
    401
}

--- gRPC status code that some gateways send with HTTP status 500.
local CANCELED = 1

--- Beginning of etcd's own messages.
local ETCD_PREFIX = "etcdserver: "

--- Shortest token that is removed from texts: etcd's are longer, and a shorter one could be part of any message.
local MIN_TOKEN = 8

--- Characters of a token that are searched for.
local MAX_NEEDLE = 32

--- Characters of a text that are searched for tokens.
local MAX_SNIPPET = 65536

--- Body of an error response, written by any version of the gateway or by a proxy.
---@class resty.etcd.transport.gateway.error_body.ErrorBody
---@field error? any
---@field message? any
---@field code? any
---@field grpc_code? any
---@field http_code? any

--- Shortens text of a server to one line for an error message.
---@param text string
---@return string
local function snippet(text)
    local line = string.gsub(
        sub(text, 1, 200),
        "[%c%s]+",
        " "
    )
    local trimmed = string.match(line, "^ ?(.-) ?$")
    return #text > 200 and tostring(trimmed) .. "..." or (trimmed or "")
end

--- Removes the token from text of a server, because a server or a proxy can echo the request.
---@param text string
---@param token string? token of the request; nil if it had none
---@return string
local function redact_token(text, token)
    if token == nil or #token < MIN_TOKEN then
        return text
    end
    local beginning = sub(token, 1, MAX_NEEDLE)
    local from = find(text, beginning, 1, true)
    if from == nil then
        return text
    end
    local at = 1
    local parts = {}
    while from ~= nil and from <= MAX_SNIPPET do
        parts[#parts + 1] = sub(text, at, from - 1)
        at = from + #token
        from = find(text, beginning, at, true)
    end
    parts[#parts + 1] = sub(text, at)
    return table.concat(parts, "...")
end

--- Returns a JSON object, or an empty one instead of any other value.
---@param json any
---@return resty.etcd.transport.gateway.error_body.ErrorBody
local function as_table(json)
    if type(json) == "table" then
        return json
    end
    return {}
end

local function text_of(value)
    return type(value) == "string" and value ~= "" and value or nil
end

--- Returns a gRPC status code, or nil if the value is invalid. Proxies write an HTTP status or other numbers there: together
--- with an HTTP status of 500 and above, only codes for errors of the server count.
---@param value any
---@param status number
---@return number?
local function code_of(value, status)
    if type(value) ~= "number" then
        return nil
    end
    local expected = HTTP_STATUS[value]
    if expected == nil or status >= 500 and expected < 500 and value ~= CANCELED then
        return nil
    end
    return value
end

local function has(text, part)
    local from = find(text, part, 1, true)
    return from ~= nil
end

--- Reports whether a message can be shown although the request contained a secret. A server or a proxy can echo the request;
--- etcd's own messages do not.
---@param message string
---@param text string the complete response
---@param secret string
---@return boolean
local function is_safe(message, text, secret)
    if sub(message, 1, #ETCD_PREFIX) == ETCD_PREFIX then
        return true
    end
    local escaped = cjson.encode(secret)
    for ____, part in ipairs({
        "password",
        secret,
        sub(escaped or "", 2, -2),
        ngx.encode_base64(secret)
    }) do
        if part ~= "" and has(text, part) then
            return false
        end
    end
    return true
end

--- Parses an error response. Older gateways write `{error, message, code}`, newer ones `{message, code}`, proxies text.
---@param status number
---@param headers table
---@param text string
---@param secret string? password of the request; nil if it had none
---@return resty.etcd.transport.transport.StatusFailure # a failure whose reply has the form of lua-resty-etcd 1.10: `error` is always a string
local function from_answer(status, headers, text, secret)
    local json = cjson.decode(text)
    local body = as_table(json)
    local nothing = "HTTP status " .. tostring(status)
    local inner = as_table(body.error)
    local message = text_of(body.error) or text_of(body.message) or text_of(inner.message) or text_of(snippet(text)) or nothing
    if secret ~= nil and not is_safe(message, text, secret) then
        message = nothing
    end
    local code = code_of(body.code, status) or code_of(inner.grpc_code, status) or code_of(inner.code, status)
    body.error = message
    body.message = message
    return failures.status_failure(status, code, message, {status = status, headers = headers, body = body})
end

--- Parses the error object of a stream: `{grpc_code, http_code, http_status, message}` from older gateways,
--- `{code, message}` from newer ones.
---@param json any
---@param token string? token of the request; nil if it had none
---@return resty.etcd.transport.transport.StatusFailure
local function from_stream(json, token)
    local body = as_table(json)
    local code = code_of(body.grpc_code, 0) or code_of(body.code, 0)
    local http_code = body.http_code
    local status = type(http_code) == "number" and http_code or (HTTP_STATUS[code or 0] or 500)
    local message = text_of(body.message) or text_of(json) or "unknown error"
    return failures.status_failure(
        status,
        code,
        redact_token(message, token)
    )
end
_M.from_answer = from_answer
_M.from_stream = from_stream
_M.snippet = snippet
_M.redact_token = redact_token

return _M
