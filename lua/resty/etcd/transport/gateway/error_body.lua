-- Generated from src/resty/etcd/transport/gateway/error_body.ts by TypeScriptToLua. Do not edit.
local _M = {}
local printable = require("resty.etcd.base.printable")
local masked_url = require("resty.etcd.endpoint.masked_url")
local cjson = require("resty.etcd.base.private_cjson")
local failures = require("resty.etcd.transport.failure")
local response_texts = require("resty.etcd.transport.response_text")
local find = string.find
local sub = string.sub
local foreign_text = response_texts.foreign_text
local page_text = response_texts.page_text
local redact_token = response_texts.redact_token
local snippet = response_texts.snippet

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

--- Other HTTP statuses by gRPC code, of older and newer gateways: CANCELED, FAILED_PRECONDITION.
local OTHER_HTTP_STATUS = {[1] = 499, [9] = 412}

--- gRPC codes of errors that leave open whether a write was applied: they count with any HTTP status.
local INCONCLUSIVE = {
    [1] = true,
    [2] = true,
    [4] = true,
    [13] = true,
    [14] = true
}

--- Beginning of etcd's own messages.
local ETCD_PREFIX = "etcdserver: "

--- Beginnings of texts that etcd sends outside its gateway, and without a gRPC code.
local ETCD_TEXTS = {
    ETCD_PREFIX,
    "404 page not found",
    "CommonName of client",
    "Client sent an HTTP request to an HTTPS server",
    "etcd received your request, but the Host header was unrecognized"
}

--- Such texts that are complete: longer ones are of proxies. etcd 3.4 sends the first for unknown paths of its gateway.
local COMPLETE_ETCD_TEXTS = {"Not Found", "Method Not Allowed"}

--- Body of an error response, written by any version of the gateway or by a proxy.
---@class resty.etcd.transport.gateway.error_body.ErrorBody
---@field error? any
---@field message? any
---@field code? any
---@field grpc_code? any
---@field http_code? any

--- Reports whether a message is one that etcd sends without a gRPC code.
---@param message string
---@return boolean
local function is_text_of_etcd(message)
    for ____, beginning in ipairs(ETCD_TEXTS) do
        if sub(message, 1, #beginning) == beginning then
            return true
        end
    end
    return message == COMPLETE_ETCD_TEXTS[1] or message == COMPLETE_ETCD_TEXTS[2]
end

--- Returns the URL that a redirect names, or nil.
---@param headers table
---@return string?
local function location_of(headers)
    for name, value in pairs(headers) do
        if string.lower(name) == "location" then
            return snippet(tostring(value))
        end
    end
    return nil
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

--- Returns a gRPC status code, or nil if the value is invalid. Proxies write an HTTP status or other numbers there, so a code
--- counts only together with the HTTP status that a gateway sends with it, or if it says less than the status.
---@param value any
---@param status number HTTP status; 0 if the code is in a message of a stream
---@return number?
local function code_of(value, status)
    if type(value) ~= "number" then
        return nil
    end
    local expected = HTTP_STATUS[value]
    if expected == nil then
        return nil
    end
    local is_of_gateway = status == 0 or status == expected or status == OTHER_HTTP_STATUS[value]
    return (is_of_gateway or INCONCLUSIVE[value] == true) and value or nil
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

--- Parses an error response. Older gateways write `{error, message, code}`, newer ones `{message, code}`, proxies text. Below
--- 500, the message of a response that is not etcd's says so; from 500 on, programs compare it.
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
    local own_text = text_of(body.error) or text_of(body.message) or text_of(inner.message)
    local message = own_text or text_of(snippet(text)) or nothing
    local ____temp_0
    if status < 400 then
        ____temp_0 = location_of(headers)
    else
        ____temp_0 = nil
    end
    local location = ____temp_0
    local is_shown = secret == nil or is_safe(message, text .. (location or ""), secret)
    local code = code_of(body.code, status) or code_of(inner.grpc_code, status) or code_of(inner.code, status)
    if code == nil and status < 500 and not is_text_of_etcd(message) then
        local shown = location ~= nil and "Location: " .. masked_url.mask(location) or (own_text or page_text(text))
        message = foreign_text(status, is_shown and shown or "not shown")
    elseif not is_shown then
        message = nothing
    end
    message = printable.of(message)
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

return _M
