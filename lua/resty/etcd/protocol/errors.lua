-- Generated from src/resty/etcd/protocol/errors.ts by TypeScriptToLua. Do not edit.
local _M = {}
local printable = require("resty.etcd.base.printable")

--- The error of a call. `tostring` returns its message. Texts of servers in it are cleaned and cut when it is created.
---@class resty.etcd.protocol.errors.EtcdError
---@field code? number gRPC status code that etcd sent; nil for errors of the connection and of the arguments.
---@field name string Stable name of the cause: that of the gRPC code (`unavailable`) or of a local error (`connect_failed`).
---@field message string
---@field http_status? number HTTP status of the response; nil if there was none.
---@field endpoint? string The endpoint of the failed attempt, as configured.
---@field retryable boolean Repeating the call is safe and can succeed.
---@field maybe_applied boolean The call was a write, and it is unknown whether etcd applied it.
---@field compact_revision? number With `compacted`, the oldest revision that a watch can start at, if etcd sent it.
---@field revision? string With `conflict` and `invalid` of the configuration store, the revision of the document in etcd, or "0".
---@field hint? string Probable cause, if the message alone is misleading.

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

--- Creates an error that is not a response of etcd.
---@param name "timeout"|"connect_failed"|"connection_lost"|"bad_reply"|"response_too_large"|"no_endpoint"|"login_failed"|"stale_reply"|"other_cluster"|"bad_request"|"not_in_phase"|"resource_exhausted"|"no_timer"|"not_ready"|"closed"|"invalid"|"conflict"|"compacted"|"restored"
---@param message string
---@param endpoint? string
---@return resty.etcd.protocol.errors.EtcdError
local function local_error(name, message, endpoint)
    local err = {
        name = name,
        message = printable.of(message),
        retryable = false,
        maybe_applied = false
    }
    if endpoint ~= nil then
        err.endpoint = endpoint
    end
    return setmetatable(err, mt)
end

--- Creates the error of a reply that is of another cluster than the one that the client follows.
---@param cluster_id string
---@param http_host string
---@param followed table ID and endpoint of that cluster
---@return resty.etcd.protocol.errors.EtcdError
local function other_cluster(cluster_id, http_host, followed)
    local other = "cluster " .. (followed.id or "unknown") .. " of " .. (followed.member or "no endpoint")
    local err = local_error("other_cluster", http_host .. ": is of cluster " .. cluster_id .. ", not of " .. other, http_host)
    err.retryable = true
    return err
end

--- Returns the error for a timer that nginx does not run; nil for nil.
---@param problem string?
---@return resty.etcd.protocol.errors.EtcdError?
local function of_timer(problem)
    return problem ~= nil and local_error("no_timer", problem) or nil
end

--- Creates the error of a call whose deadline passed before anything was sent.
---@param message string
---@return resty.etcd.protocol.errors.EtcdError
local function out_of_time(message)
    local err = local_error("timeout", message)
    err.retryable = true
    return err
end

--- Creates the error of an error response, from etcd or from a proxy.
---@param http_status number
---@param code number?
---@param message string
---@param endpoint? string
---@return resty.etcd.protocol.errors.EtcdError
local function server_error(http_status, code, message, endpoint)
    local err = {
        name = NAMES[code or 0] or "http_error",
        message = printable.of(message),
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

--- Returns the error with another value of `maybe_applied`; if that is true, `retryable` becomes false, because repeating
--- the call is not safe. The result is a copy: the error of a login is shared by all calls that waited for it.
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

--- Returns the text of an error. Error responses with a status of 500 and above start with the status.
---@param err resty.etcd.protocol.errors.EtcdError
---@return string
local function to_text(err)
    local status = err.http_status
    local text = status ~= nil and status >= 500 and "invalid response code: " .. tostring(status) .. ", " .. err.message or err.message
    return printable.of(text)
end

--- Returns the text of an error and its hint, for states that are shown to people.
---@param err resty.etcd.protocol.errors.EtcdError
---@return string
local function to_text_with_hint(err)
    local hint = err.hint
    return hint ~= nil and err.message .. ": " .. hint or err.message
end

--- Returns an error in the form of all public methods.
---@param err resty.etcd.protocol.errors.EtcdError
---@return nil res
---@return string err
---@return resty.etcd.protocol.errors.EtcdError details
local function to_result(err)
    return nil, to_text(err), err
end

--- Returns the error for an invalid argument in the form of all public methods.
---@param message string
---@param hint? string what to write instead
---@return nil res
---@return string err
---@return resty.etcd.protocol.errors.EtcdError details
local function bad_request(message, hint)
    local err = local_error("bad_request", message)
    if hint ~= nil then
        err.hint = printable.of(hint)
    end
    return nil, err.message, err
end
_M.bad_request = bad_request
_M.local_error = local_error
_M.of_timer = of_timer
_M.other_cluster = other_cluster
_M.out_of_time = out_of_time
_M.server_error = server_error
_M.to_result = to_result
_M.to_text = to_text
_M.to_text_with_hint = to_text_with_hint
_M.with_outcome = with_outcome

return _M
