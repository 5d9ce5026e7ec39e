-- Generated from src/resty/etcd/watch/errors.ts by TypeScriptToLua. Do not edit.
local _M = {}
local tokens = require("resty.etcd.call.token")
local errors = require("resty.etcd.protocol.errors")
local int64 = require("resty.etcd.protocol.int64")
local retry_policy = require("resty.etcd.protocol.retry_policy")
local find = string.find

--- gRPC codes by the names that etcd writes into `cancel_reason`, with the HTTP status that the gateway maps them to.
local CODES = {
    InvalidArgument = {3, 400},
    PermissionDenied = {7, 403},
    FailedPrecondition = {9, 400},
    Unimplemented = {12, 501},
    Unavailable = {14, 503},
    Unauthenticated = {16, 401}
}

local function has(text, part)
    local from = find(text, part, 1, true)
    return from ~= nil
end

--- Texts of nginx if it could not connect for a reason that has nothing to do with the server. The last one, of EINPROGRESS,
-- is what it says if `worker_connections` are not enough.
local LOCAL_TEXTS = {"could not be resolved", "no resolver defined", "operation now in progress"}

--- Reports whether nginx could not connect for a local reason: the DNS server does not respond, or no connection is
--- left. That says nothing about a server.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_local_failure(err)
    if err.name ~= "connect_failed" then
        return false
    end
    local message = string.lower(err.message)
    for ____, text in ipairs(LOCAL_TEXTS) do
        if has(message, text) then
            return true
        end
    end
    return false
end

--- Returns the error of a watch whose start revision was compacted.
---@param compact_revision number?
---@param endpoint string?
---@return resty.etcd.protocol.errors.EtcdError
local function compacted(compact_revision, endpoint)
    local text = "etcdserver: mvcc: required revision has been compacted"
    local err = errors.local_error("compacted", text, endpoint)
    if compact_revision ~= nil and compact_revision > 0 then
        err.compact_revision = compact_revision
    end
    return err
end

--- Returns the error of a watch whose etcd was restored from a backup.
---@param endpoint? string
---@return resty.etcd.protocol.errors.EtcdError
local function restored(endpoint)
    return errors.local_error("restored", "etcd was restored from a backup", endpoint)
end

--- Returns why etcd has canceled a watch. The reply has HTTP status 200: the cause is in its text.
---@param reply resty.etcd.watch.reassembly.WatchReply
---@param endpoint string?
---@return resty.etcd.protocol.errors.EtcdError
local function cancel_error(reply, endpoint)
    local reason = reply.cancel_reason or ""
    local compact_revision = int64.to_number(reply.compact_revision) or 0
    if compact_revision > 0 or has(reason, "required revision has been compacted") then
        return compacted(compact_revision, endpoint)
    end
    local name = string.match(reason, "code = (%a+)")
    local known = CODES[name or ""]
    if known == nil and has(reason, "watcher range is empty") then
        known = CODES.InvalidArgument
    end
    local message = string.gsub(reason, "^rpc error: code = %a+ desc = ", "")
    if known == nil then
        return errors.local_error("closed", message ~= "" and message or "closed: etcd has canceled the watch", endpoint)
    end
    return errors.server_error(known[2], known[1], message, endpoint)
end

--- Reports whether etcd has rejected user and password, rather than a token.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function are_credentials_rejected(err)
    return err.name == "login_failed" and err.code == 3
end

--- Reports whether the user lacks the permission to read some of the keys.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_forbidden(err)
    return err.code == 7
end

--- Reports whether repeating the watch cannot succeed, because etcd rejects the user or the request. All other errors are
--- transient, including a missing certificate: its file can appear.
---@param core resty.etcd.call.client_state.Core
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_permanent(core, err)
    if retry_policy.is_token_error(err) then
        return core.auth == nil
    end
    return are_credentials_rejected(err) or err.code == 3 or is_forbidden(err)
end

--- Reports whether the error counts as a failure of the endpoint in the health check.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_server_failure(err)
    return (err.http_status or 0) >= 500 or err.name == "bad_reply"
end

--- Reports whether an error shows that a server has answered, whatever it has answered.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_answer(err)
    return (err.http_status or 500) < 500 or err.name == "bad_reply"
end

--- Returns the error of subscribers that end because the worker is exiting.
---@return resty.etcd.protocol.errors.EtcdError
local function exiting()
    return errors.local_error("closed", "closed: the worker is exiting")
end

--- Invalidates the client's token if etcd has rejected it.
---@param core resty.etcd.call.client_state.Core
---@param err resty.etcd.protocol.errors.EtcdError
local function drop_token(core, err)
    local auth = core.auth
    if (auth and auth.token) ~= nil and retry_policy.is_token_error(err) then
        tokens.invalidate(auth, auth.token)
    end
end

--- Reports whether the revision of a list was compacted.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_compacted(err)
    return err.code == 11 and has(err.message, "has been compacted")
end
_M.cancel_error = cancel_error
_M.compacted = compacted
_M.drop_token = drop_token
_M.exiting = exiting
_M.is_answer = is_answer
_M.is_compacted = is_compacted
_M.is_forbidden = is_forbidden
_M.is_local_failure = is_local_failure
_M.is_permanent = is_permanent
_M.is_server_failure = is_server_failure
_M.restored = restored

return _M
