-- Generated from src/resty/etcd/protocol/retry_policy.ts by TypeScriptToLua. Do not edit.
local _M = {}
local errors = require("resty.etcd.protocol.errors")
local rpcs = require("resty.etcd.protocol.rpc")
local find = string.find

local function has(text, part)
    local from = find(text, part, 1, true)
    return from ~= nil
end

--- The member knows nothing of the token: it is not valid any more, or not yet.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_token_unknown(err)
    return err.code == 16 and has(err.message, "invalid auth token")
end

--- etcd refused the call because of its token, so it was not applied; a new login may help.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_token_error(err)
    local message = err.message
    return is_token_unknown(err) or err.code == 3 and (has(message, "user name is empty") or has(message, "revision of auth store is old"))
end

--- etcd refuses a watch for its token with a reply of HTTP status 200; the code stands in the text.
---@param reply table?
---@param endpoint string
---@return resty.etcd.protocol.errors.EtcdError? # the refusal as an error, nil for any other reply
local function watch_token_error(reply, endpoint)
    local reason = reply and reply.cancel_reason
    if type(reason) ~= "string" or (reply and reply.canceled) ~= true then
        return nil
    end
    local code = has(reason, "invalid auth token") and 16 or 3
    local err = errors.server_error(code == 16 and 401 or 400, code, reason, endpoint)
    return is_token_error(err) and err or nil
end

--- The member is a learner, which does not serve the call; others do.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_learner_error(err)
    return has(err.message, "rpc not supported for learner")
end

--- The answer proves that the call was turned away before it reached the log.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_refused_up_front(err)
    return is_learner_error(err) or err.code == 8 and has(err.message, "etcdserver: too many requests")
end

--- There was no room: in the database, or for the answer in a message. etcd finds that out before it proposes a write,
--- and once more when the write has been applied.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_out_of_room(err)
    return err.code == 8 and (has(err.message, "space exceeded") or has(err.message, "larger than max"))
end

--- Codes after which nobody knows: cancelled, unknown, deadline exceeded, internal, unavailable.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_inconclusive(err)
    local code = err.code
    if code ~= nil then
        return code == 14 or code == 4 or code == 2 or code == 1 or code == 13
    end
    return (err.http_status or 0) >= 500
end

--- Marks an answer of the server: may the call be sent again, may it have been applied?
---@param semantics "read"|"write"|"idempotent"
---@param err resty.etcd.protocol.errors.EtcdError
---@return resty.etcd.protocol.errors.EtcdError
local function classify_server_error(semantics, err)
    if is_refused_up_front(err) then
        err.retryable = true
    elseif is_inconclusive(err) then
        err.retryable = rpcs.is_repeatable(semantics)
        err.maybe_applied = semantics ~= "read"
    elseif is_out_of_room(err) then
        err.maybe_applied = semantics ~= "read"
    end
    return err
end

--- Marks trouble on the connection.
---@param semantics "read"|"write"|"idempotent"
---@param err resty.etcd.protocol.errors.EtcdError
---@param sent boolean some of the request may have left
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
