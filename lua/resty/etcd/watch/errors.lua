-- Generated from src/resty/etcd/watch/errors.ts by TypeScriptToLua. Do not edit.
local _M = {}
local token = require("resty.etcd.call.token")
local errors = require("resty.etcd.protocol.errors")
local retry_policy = require("resty.etcd.protocol.retry_policy")
local find = string.find

--- gRPC codes as etcd spells them in the text of a refusal, with the HTTP status that goes with them.
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

--- The revisions that a watch wanted are gone.
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

--- etcd has gone back to another past.
---@param endpoint? string
---@return resty.etcd.protocol.errors.EtcdError
local function restored(endpoint)
    return errors.local_error("restored", "etcd was restored from a backup", endpoint)
end

--- Why etcd has ended a watch, in a reply of HTTP status 200.
---@param reply resty.etcd.watch.reassembly.WatchReply
---@param endpoint string?
---@return resty.etcd.protocol.errors.EtcdError
local function cancel_error(reply, endpoint)
    local reason = reply.cancel_reason or ""
    local compact_revision = tonumber(reply.compact_revision) or 0
    if compact_revision > 0 or has(reason, "required revision has been compacted") then
        return compacted(compact_revision, endpoint)
    end
    local name = string.match(reason, "code = (%a+)")
    local ____temp_0
    if name ~= nil then
        ____temp_0 = CODES[name]
    else
        ____temp_0 = nil
    end
    local known = ____temp_0
    if known == nil and has(reason, "watcher range is empty") then
        known = CODES.InvalidArgument
    end
    if known == nil then
        return errors.local_error("closed", reason ~= "" and reason or "closed: etcd has canceled the watch", endpoint)
    end
    return errors.server_error(known[2], known[1], reason, endpoint)
end

--- Etcd refuses user and password themselves.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function are_credentials_refused(err)
    return err.name == "login_failed" and err.code == 3
end

--- The user may not read all of the keys.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_forbidden(err)
    return err.code == 7
end

--- No later try can succeed by itself, as etcd does not want this user or this watch. All else may pass, a certificate
--- that is not there included: its file may come.
---@param core resty.etcd.call.client_state.Core
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_permanent(core, err)
    if retry_policy.is_token_error(err) then
        return core.auth == nil
    end
    return are_credentials_refused(err) or err.code == 3 or is_forbidden(err)
end

--- The endpoint has failed, rather than rejected the watch.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_server_failure(err)
    return (err.http_status or 0) >= 500 or err.name == "bad_reply"
end

--- The worker is exiting.
---@return resty.etcd.protocol.errors.EtcdError
local function exiting()
    return errors.local_error("closed", "closed: the worker is exiting")
end

--- Forgets a token that etcd does not take.
---@param core resty.etcd.call.client_state.Core
---@param err resty.etcd.protocol.errors.EtcdError
local function drop_token(core, err)
    local ____opt_1 = core.auth
    local held = ____opt_1 and ____opt_1.token
    if held ~= nil and retry_policy.is_token_error(err) then
        token.invalidate(core.auth, held)
    end
end

--- The range of a list is no more at the revision wanted.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_compacted(err)
    return err.code == 11 and has(err.message, "has been compacted")
end
_M.cancel_error = cancel_error
_M.compacted = compacted
_M.drop_token = drop_token
_M.exiting = exiting
_M.is_compacted = is_compacted
_M.is_forbidden = is_forbidden
_M.is_permanent = is_permanent
_M.is_server_failure = is_server_failure
_M.restored = restored

return _M
