-- Generated from src/resty/etcd/transport/failure.ts by TypeScriptToLua. Do not edit.
local _M = {}
local printable = require("resty.etcd.base.printable")
local masked_url = require("resty.etcd.endpoint.masked_url")
local errors = require("resty.etcd.protocol.errors")
local error_hints = require("resty.etcd.transport.error_hints")
local NAMES = {
    connect = "connect_failed",
    timeout = "timeout",
    lost = "connection_lost",
    closed = "closed",
    malformed = "bad_reply",
    undecodable = "bad_reply",
    too_large = "response_too_large",
    config = "bad_request",
    url = "bad_request",
    phase = "not_in_phase",
    full = "resource_exhausted"
}

--- Creates the failure of an exchange that ended without an error of the server.
---@param kind "full"|"timeout"|"lost"|"closed"|"url"|"connect"|"malformed"|"undecodable"|"too_large"|"config"|"phase"
---@param text string
---@param sent boolean
---@param is_closed_by_server? boolean
---@return resty.etcd.transport.transport.LocalFailure
local function local_failure(kind, text, sent, is_closed_by_server)
    return {kind = kind, text = text, sent = sent, is_closed_by_server = is_closed_by_server == true}
end

--- Creates the failure for a complete response that is no reply to the RPC.
---@param text string
---@param http_status number
---@return resty.etcd.transport.transport.LocalFailure
local function undecodable(text, http_status)
    local failure = local_failure("undecodable", text, true)
    failure.http_status = http_status
    return failure
end

--- Creates the failure of a call that the server rejected.
---@param http_status number
---@param code number?
---@param text string
---@param reply? resty.etcd.transport.transport.Reply
---@return resty.etcd.transport.transport.StatusFailure
local function status_failure(http_status, code, text, reply)
    return {
        kind = "status",
        http_status = http_status,
        code = code,
        text = text,
        reply = reply
    }
end

--- Returns the error of a stream that was open. Programs compare its text, which is that of the socket.
---@param failure resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure
---@param endpoint string
---@return resty.etcd.protocol.errors.EtcdError
local function stream_error(failure, endpoint)
    local shown = masked_url.mask(endpoint)
    if failure.kind == "status" then
        return errors.server_error(failure.http_status, failure.code, failure.text, shown)
    end
    return errors.local_error(NAMES[failure.kind], failure.text, shown)
end

--- Returns the error of a failed attempt at a call. Whether it can be retried is not set yet.
---@param failure resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure
---@param endpoint string
---@return resty.etcd.protocol.errors.EtcdError
local function call_error(failure, endpoint)
    local kind = failure.kind
    local err = stream_error(failure, endpoint)
    if kind == "url" then
        return err
    end
    local is_closed_by_server = false
    if kind == "undecodable" then
        err.http_status = failure.http_status
    elseif kind ~= "status" then
        if failure.http_status ~= nil then
            err.http_status = failure.http_status
        end
        err.message = printable.of(masked_url.mask(endpoint) .. ": " .. failure.text)
        is_closed_by_server = failure.is_closed_by_server
    end
    local hint = error_hints.hint_for(err.message, is_closed_by_server)
    if kind ~= "status" and failure.is_ca_ignored == true then
        hint = error_hints.with_ignored_ca(hint, err.message)
    end
    if hint ~= nil then
        err.hint = printable.of(hint)
    end
    return err
end
_M.call_error = call_error
_M.local_failure = local_failure
_M.status_failure = status_failure
_M.stream_error = stream_error
_M.undecodable = undecodable

return _M
