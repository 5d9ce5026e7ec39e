-- Generated from src/resty/etcd/protocol/errors.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- What went wrong in a call. As a string it is its message.
---@class resty.etcd.protocol.errors.EtcdError
---@field code? number gRPC status code as etcd gave it; nil for trouble on the way to etcd and for misuse.
---@field name string Short stable name: the gRPC code's (`unavailable`) or that of the local trouble (`connect_failed`).
---@field message string
---@field http_status? number HTTP status of the answer; nil if there was none.
---@field endpoint? string The endpoint it happened at, as configured.
---@field retryable boolean The same call may be sent again, safely and with hope.
---@field maybe_applied boolean The call was a write and etcd may have applied it.
---@field compact_revision? number Oldest revision that a watch may begin at; only where etcd told it with `compacted`.
---@field revision? string Revision of what etcd has instead, 0 for nothing; only of `conflict` and `invalid` in the configuration centre.
---@field hint? string What may be the matter, where the text alone would mislead.

local NAMES = {}
NAMES[1] = "canceled"
NAMES[2] = "unknown"
NAMES[3] = "invalid_argument"
NAMES[4] = "deadline_exceeded"
NAMES[5] = "not_found"
NAMES[6] = "already_exists"
NAMES[7] = "permission_denied"
NAMES[8] = "resource_exhausted"
NAMES[9] = "failed_precondition"
NAMES[10] = "aborted"
NAMES[11] = "out_of_range"
NAMES[12] = "unimplemented"
NAMES[13] = "internal"
NAMES[14] = "unavailable"
NAMES[15] = "data_loss"
NAMES[16] = "unauthenticated"
local mt = {
    __tostring = function(self)
        return self.message
    end,
    __concat = function(self, other)
        return tostring(self) .. tostring(other)
    end
}

--- Trouble before, beside or instead of etcd's answer.
---@param name "timeout"|"connect_failed"|"connection_lost"|"bad_reply"|"no_endpoint"|"login_failed"|"stale_reply"|"bad_request"|"closed"|"invalid"|"conflict"|"compacted"|"restored"
---@param message string
---@param endpoint? string
---@return resty.etcd.protocol.errors.EtcdError
local function local_error(name, message, endpoint)
    local err = {name = name, message = message, retryable = false, maybe_applied = false}
    if endpoint ~= nil then
        err.endpoint = endpoint
    end
    return setmetatable(err, mt)
end

--- The time was up before anything of the call itself was sent.
---@param message string
---@return resty.etcd.protocol.errors.EtcdError
local function out_of_time(message)
    local err = local_error("timeout", message)
    err.retryable = true
    return err
end

--- An answer of etcd (or of what stands in front of it) that is an error.
---@param http_status number
---@param code number?
---@param message string
---@param endpoint? string
---@return resty.etcd.protocol.errors.EtcdError
local function server_error(http_status, code, message, endpoint)
    local err = {
        name = NAMES[code or 0] or "http_error",
        message = message,
        http_status = http_status,
        retryable = false,
        maybe_applied = false
    }
    if endpoint ~= nil then
        err.endpoint = endpoint
    end
    if code ~= nil then
        err.code = code
    end
    return setmetatable(err, mt)
end

--- The same error with another word on whether the write was applied; if it may have been, the caller cannot simply
--- repeat the call. Errors of logins are shared, so it is a copy.
---@param err resty.etcd.protocol.errors.EtcdError
---@param maybe_applied boolean
---@return resty.etcd.protocol.errors.EtcdError
local function with_outcome(err, maybe_applied)
    if err.maybe_applied == maybe_applied and not (maybe_applied and err.retryable) then
        return err
    end
    local copy = {}
    for name, value in pairs(err) do
        copy[name] = value
    end
    copy.maybe_applied = maybe_applied
    copy.retryable = err.retryable and not maybe_applied
    return setmetatable(copy, mt)
end

--- The error in one line: an answer of 500 and above says so first.
---@param err resty.etcd.protocol.errors.EtcdError
---@return string
local function to_text(err)
    local status = err.http_status
    return status ~= nil and status >= 500 and "invalid response code: " .. tostring(status) .. ", " .. err.message or err.message
end
_M.local_error = local_error
_M.out_of_time = out_of_time
_M.server_error = server_error
_M.to_text = to_text
_M.with_outcome = with_outcome

return _M
