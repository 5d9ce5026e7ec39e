-- Generated from src/resty/etcd/gateway_error.ts by TypeScriptToLua. Do not edit.
local _M = {}
local cjson = require("cjson.safe")
local errors = require("resty.etcd.errors")
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

--- The body of an error answer, whichever gateway wrote it, or whatever stands in front of etcd.
---@class resty.etcd.gateway_error.ErrorBody
---@field error? any
---@field message? any
---@field code? any
---@field grpc_code? any
---@field http_code? any

--- A short piece of foreign text that fits into a message.
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

--- The body, or an empty one in the place of what is none.
---@param json any
---@return resty.etcd.gateway_error.ErrorBody
local function as_table(json)
    if type(json) == "table" then
        return json
    end
    return {}
end

local function text_of(value)
    return type(value) == "string" and value ~= "" and value or nil
end

local function number_of(value)
    return type(value) == "number" and value or nil
end

--- Reads an error answer. Older gateways write `{error, message, code}`, newer ones `{message, code}`, proxies
--- write text.
---@param status number
---@param text string
---@param endpoint string
---@param secret boolean the request held a password, which some servers would say back
---@return resty.etcd.errors.EtcdError err # the error, and the body as users of the HTTP shape know it: `error` is always a string
---@return table body
local function from_answer(status, text, endpoint, secret)
    local json = cjson.decode(text)
    local body = as_table(json)
    local plain = snippet(text)
    if secret then
        local says_it_back = find(text, "password", 1, true)
        if says_it_back ~= nil then
            plain = ""
        end
    end
    local message = text_of(body.error) or text_of(body.message) or (plain ~= "" and plain or "HTTP status " .. tostring(status))
    body.error = message
    body.message = message
    return errors.refusal(
        status,
        number_of(body.code),
        message,
        endpoint
    ), body
end

--- Reads the error object of a stream: `{grpc_code, http_code, http_status, message}` from older gateways,
--- `{code, message}` from newer ones.
---@param json any
---@param endpoint string
---@return resty.etcd.errors.EtcdError
local function from_stream(json, endpoint)
    local body = as_table(json)
    local code = number_of(body.grpc_code) or number_of(body.code)
    local status = number_of(body.http_code) or HTTP_STATUS[code or 0] or 500
    return errors.refusal(
        status,
        code,
        text_of(body.message) or text_of(json) or "unknown error",
        endpoint
    )
end
_M.from_answer = from_answer
_M.from_stream = from_stream
_M.snippet = snippet

return _M
