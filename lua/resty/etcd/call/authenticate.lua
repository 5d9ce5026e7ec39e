-- Generated from src/resty/etcd/call/authenticate.ts by TypeScriptToLua. Do not edit.
local _M = {}
local tokens = require("resty.etcd.call.token")
local call = require("resty.etcd.call.call")
local cluster = require("resty.etcd.call.cluster")
local balancer = require("resty.etcd.endpoint.balancer")
local printable = require("resty.etcd.base.printable")
local errors = require("resty.etcd.protocol.errors")
local rpcs = require("resty.etcd.protocol.rpc")

--- Makes the error of a rejected login. Its text is always that of lua-resty-etcd 1.10; the reason is in `hint`.
---@param cause resty.etcd.protocol.errors.EtcdError?
---@return resty.etcd.protocol.errors.EtcdError
local function login_rejected(cause)
    local err = errors.local_error("login_failed", "authenticate refresh token fail", cause and cause.endpoint)
    if cause ~= nil then
        err.hint = cause.hint ~= nil and printable.of(cause.message .. "; " .. cause.hint) or cause.message
        if cause.code ~= nil then
            err.code = cause.code
        end
        if cause.http_status ~= nil then
            err.http_status = cause.http_status
        end
    end
    return err
end

--- Begins a login in the light thread of the call that needs it, so that its log lines follow the line of that call.
---@param core resty.etcd.call.client_state.Core
---@param timeout number
---@return resty.etcd.endpoint.balancer.Choice?
local function begin(core, timeout)
    call.log_unary(core, rpcs.authenticate, timeout)
    return balancer.choose_without_waiting(core)
end

--- Logs in with user and password.
---@param core resty.etcd.call.client_state.Core
---@param auth resty.etcd.call.client_state.TokenCache
---@param timeout number
---@param deadline number?
---@param first resty.etcd.endpoint.balancer.Choice?
---@return string? res # the token; errors of the connection and the server are returned unchanged
---@return resty.etcd.protocol.errors.EtcdError? err
local function finish(core, auth, timeout, deadline, first)
    local request = {name = auth.user, password = auth.password}
    local perform = core.cluster.id ~= nil and cluster.read or call.unary
    local reply, err = perform(core, rpcs.authenticate, request, {timeout = timeout, deadline = deadline, quiet = true, first = first})
    if reply ~= nil then
        local token = reply.body.token
        if tokens.is_token(token) then
            return token
        end
        return nil, login_rejected(nil)
    end
    if auth.is_optional and err.code == 9 and err.message == "etcdserver: authentication is not enabled" then
        ngx.log(
            ngx.WARN,
            printable.of(err.endpoint),
            ": authentication is not enabled, calls are made without token"
        )
        return tokens.NO_TOKEN
    end
    if err.http_status ~= nil and err.http_status < 500 then
        return nil, login_rejected(err)
    end
    return nil, err
end

--- How clients log in.
local LOGIN = {begin = begin, finish = finish}
_M.LOGIN = LOGIN

return _M
