-- Generated from src/resty/etcd/transport/grpc/grpc_status.ts by TypeScriptToLua. Do not edit.
local _M = {}
local failures = require("resty.etcd.transport.failure")
local response_texts = require("resty.etcd.transport.response_text")
local char = string.char
local find = string.find
local sub = string.sub

--- HTTP status by gRPC code, as etcd's gateway maps them.
local HTTP_STATUS = {
    499,
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

--- gRPC code of an error that the server gives no code of this list.
local UNKNOWN = 2

--- Beginning of etcd's own messages.
local ETCD_PREFIX = "etcdserver: "

--- What belongs to the request.
---@class resty.etcd.transport.grpc.grpc_status.Secrets
---@field token string? Removed from error texts.
---@field is_secret boolean The request contains a password: only messages of etcd are shown.

--- Returns what belongs to a request.
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param attempt resty.etcd.transport.transport.Attempt
---@return resty.etcd.transport.grpc.grpc_status.Secrets
local function secrets_of(rpc, attempt)
    return {token = attempt.token, is_secret = rpc.secret == true}
end

--- Returns a text whose bytes are encoded as in URLs (gRPC's HTTP/2 mapping). An invalid `%` stays as it is.
---@param text string
---@return string
local function decode_message(text)
    local escape = find(text, "%", 1, true)
    if escape == nil then
        return text
    end
    local decoded = string.gsub(
        text,
        "%%(%x%x)",
        function(digits) return char(tonumber(digits, 16)) end
    )
    return decoded
end

--- Reports whether a response is of gRPC. Something else answers with its own status and type.
---@param headers table
---@return boolean
local function is_grpc(headers)
    local from = find(headers["content-type"] or "", "^application/grpc")
    return headers[":status"] == "200" and from ~= nil
end

--- Returns the response's header fields without those of HTTP/2, in a table that the caller can change.
---@param headers table
---@return table
local function metadata_of(headers)
    local metadata = {}
    for name, value in pairs(headers) do
        if name ~= ":status" then
            metadata[name] = value
        end
    end
    return metadata
end

--- Returns the reply of an error, in the form of the gateway's: `error` is always a string.
---@param status number
---@param headers table
---@param text string
---@param code number?
---@return resty.etcd.transport.transport.Reply
local function error_reply(status, headers, text, code)
    local body = {}
    body.error = text
    body.message = text
    body.code = code
    return {
        status = status,
        headers = metadata_of(headers),
        body = body
    }
end

--- Returns the failure of a response that is not of gRPC.
---@param headers table
---@param page string
---@param secrets resty.etcd.transport.grpc.grpc_status.Secrets
---@return resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure
local function foreign_failure(headers, page, secrets)
    local status = tonumber(headers[":status"]) or 0
    local shown = secrets.is_secret and "not shown" or response_texts.page_text(response_texts.redact_token(page, secrets.token))
    local text = response_texts.foreign_text(status, shown)
    if status < 300 then
        return failures.undecodable(text, status)
    end
    return failures.status_failure(
        status,
        nil,
        text,
        error_reply(status, headers, text, nil)
    )
end

--- Returns the failure for a status other than 0.
---@param headers table
---@param status table
---@param code number
---@param secrets resty.etcd.transport.grpc.grpc_status.Secrets
---@return resty.etcd.transport.transport.StatusFailure
local function status_failure(headers, status, code, secrets)
    local decoded = decode_message(status["grpc-message"] or "")
    local message = response_texts.redact_token(decoded, secrets.token)
    local is_shown = message ~= "" and (not secrets.is_secret or sub(message, 1, #ETCD_PREFIX) == ETCD_PREFIX)
    local text = is_shown and message or "gRPC status " .. tostring(code)
    local http_status = HTTP_STATUS[code]
    return failures.status_failure(
        http_status,
        code,
        text,
        error_reply(http_status, headers, text, code)
    )
end

--- Reports whether a response that is complete is of gRPC, and its status is OK.
---@param headers table
---@param trailers table?
---@return boolean
local function is_ok(headers, trailers)
    return (trailers or headers)["grpc-status"] == "0"
end

--- Returns the failure of a response that is complete; nil if its status is OK.
---@param headers table of the response
---@param trailers table? nil if the response had none: the headers then contain the status
---@param page string beginning of the body, if the response is not of gRPC
---@param secrets resty.etcd.transport.grpc.grpc_status.Secrets
---@return (resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure)?
local function failure_of(headers, trailers, page, secrets)
    if is_ok(headers, trailers) then
        return nil
    end
    local status = trailers or headers
    local text = status["grpc-status"]
    if text == nil and not is_grpc(headers) then
        return foreign_failure(headers, page, secrets)
    end
    if text == nil then
        return failures.local_failure("malformed", "malformed reply: no grpc-status", true)
    end
    local digits = find(text, "^%d%d?$")
    local code = digits ~= nil and tonumber(text) or UNKNOWN
    return status_failure(headers, status, HTTP_STATUS[code] ~= nil and code or UNKNOWN, secrets)
end
_M.failure_of = failure_of
_M.is_grpc = is_grpc
_M.is_ok = is_ok
_M.metadata_of = metadata_of
_M.secrets_of = secrets_of

return _M
