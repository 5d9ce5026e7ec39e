-- Generated from src/resty/etcd/protocol/retry_policy.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")
local rpcs = require("resty.etcd.protocol.rpc")
local find = string.find

local function has(text, part)
    local from = find(text, part, 1, true)
    return from ~= nil
end

--- Reports whether the member does not know the token, because it has expired or has not been replicated to it yet.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_token_unknown(err)
    return err.code == 16 and has(err.message, "invalid auth token")
end

--- Reports whether etcd rejected the call because of its token. The call was not applied; a new login can help.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_token_error(err)
    local message = err.message
    return is_token_unknown(err) or err.code == 3 and (has(message, "user name is empty") or has(message, "revision of auth store is old"))
end

--- Returns the error of a watch that etcd rejected because of its token, or nil for any other message. etcd sends that as a
--- canceled watch with HTTP status 200; the gRPC code follows from the text.
---@param reply table?
---@param endpoint string
---@return resty.etcd.protocol.errors.EtcdError?
local function watch_token_error(reply, endpoint)
    local reason = reply and reply.cancel_reason
    if type(reason) ~= "string" or (reply and reply.canceled) ~= true then
        return nil
    end
    local is_unknown = has(reason, "invalid auth token")
    local code = is_unknown and 16 or 3
    local err = errors.server_error(is_unknown and 401 or 400, code, reason, endpoint)
    return is_token_error(err) and err or nil
end

--- Reports whether the member is a learner, which does not serve the call. Other members do.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_learner_error(err)
    return has(err.message, "rpc not supported for learner")
end

--- Reports whether etcd rejected the call before it proposed a write to the raft log.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_rejected_before_proposal(err)
    return is_learner_error(err) or err.code == 8 and has(err.message, "etcdserver: too many requests")
end

--- Reports whether a size limit was exceeded: that of the database, or that of a gRPC message. It leaves open whether a write
--- was applied: etcd checks the database size before the proposal and again when it applies the write, and the limit can
--- also concern the response.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_size_exceeded(err)
    return err.code == 8 and (has(err.message, "space exceeded") or has(err.message, "larger than max"))
end

--- HTTP status with which a proxy limits the rate of requests.
local TOO_MANY_REQUESTS = 429

--- HTTP statuses below 500 of proxies that have waited too long, or whose client has closed its connection meanwhile: 460 is
-- of load balancers of AWS, 499 of nginx. Another attempt can succeed.
local TRANSIENT_STATUSES = {[408] = true, [460] = true, [499] = true}

--- HTTP statuses that mean without a gRPC code that the request was not processed: redirects, and rejections of the request
-- itself. A proxy can send any other status after it has passed the request on.
local UNPROCESSED_STATUSES = {
    [301] = true,
    [302] = true,
    [307] = true,
    [308] = true,
    [400] = true,
    [401] = true,
    [403] = true,
    [404] = true,
    [405] = true,
    [411] = true,
    [413] = true,
    [414] = true,
    [417] = true,
    [429] = true,
    [431] = true
}

--- Reports whether the error leaves open if the call was applied.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_inconclusive(err)
    local code = err.code
    if code ~= nil then
        return code == 14 or code == 4 or code == 2 or code == 1 or code == 13
    end
    return UNPROCESSED_STATUSES[err.http_status or 0] ~= true
end

--- Reports whether repeating the call after an inconclusive error can succeed.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_transient(err)
    local status = err.http_status or 0
    return err.code ~= nil or status >= 500 or TRANSIENT_STATUSES[status] == true
end

--- Sets `retryable` and `maybe_applied` of an error response.
---@param semantics "read"|"write"|"idempotent"
---@param err resty.etcd.protocol.errors.EtcdError
---@return resty.etcd.protocol.errors.EtcdError
local function classify_server_error(semantics, err)
    local is_rate_limited = err.code == nil and err.http_status == TOO_MANY_REQUESTS
    if is_rejected_before_proposal(err) or is_rate_limited then
        err.retryable = true
    elseif is_inconclusive(err) then
        err.retryable = is_transient(err) and rpcs.is_repeatable(semantics)
        err.maybe_applied = semantics ~= "read"
    elseif is_size_exceeded(err) then
        err.maybe_applied = semantics ~= "read"
    end
    return err
end

--- Sets `retryable` and `maybe_applied` of a connection error.
---@param semantics "read"|"write"|"idempotent"
---@param err resty.etcd.protocol.errors.EtcdError
---@param sent boolean true if a part of the request can have reached the server
---@return resty.etcd.protocol.errors.EtcdError
local function classify_transport_error(semantics, err, sent)
    local unknown = sent and semantics ~= "read"
    err.retryable = not unknown or rpcs.is_repeatable(semantics)
    err.maybe_applied = unknown
    return err
end
_M.is_learner_error = is_learner_error
_M.is_token_error = is_token_error
_M.is_token_unknown = is_token_unknown
_M.classify_transport_error = classify_transport_error
_M.classify_server_error = classify_server_error
_M.watch_token_error = watch_token_error

return _M
