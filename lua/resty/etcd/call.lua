-- Generated from src/resty/etcd/call.ts by TypeScriptToLua. Do not edit.
local _M = {}
local auth = require("resty.etcd.auth")
local balancer = require("resty.etcd.balancer")
local clock = require("resty.etcd.clock")
local errors = require("resty.etcd.errors")
local log = require("resty.etcd.log")
local retry = require("resty.etcd.retry")
local now = clock.now
local max = math.max
local min = math.min

--- Where other endpoints may be tried, each has its share of the time, of so many seconds at least.
local MIN_SHARE = 1

local function no_endpoint()
    local err = errors.failure("no_endpoint", "has no healthy etcd endpoint available")
    err.retryable = true
    return err
end

--- One try with its share of the call's time.
---@param core resty.etcd.core.Core
---@param rpc resty.etcd.rpc.Rpc
---@param deadline number?
---@param others number endpoints that may be tried after this one: with none it has all the time
---@param token string?
---@param may_relogin boolean
---@return resty.etcd.transport.Attempt?
local function make_attempt(core, rpc, deadline, others, token, may_relogin)
    local endpoint = balancer.choose_endpoint(core)
    if endpoint == nil then
        return nil
    end
    local started = now()
    local connect_by = deadline
    local answer_by = deadline
    if deadline ~= nil and others > 0 then
        local left = max(0, deadline - started)
        connect_by = started + min(
            left,
            max(MIN_SHARE, left / (others + 1))
        )
        if rpc.write ~= true then
            answer_by = started + min(
                left,
                max(MIN_SHARE, left / 2)
            )
        end
    end
    return {
        endpoint = endpoint,
        token = token,
        may_relogin = may_relogin,
        via = core.unix_socket_proxy,
        started = started,
        deadline = answer_by,
        connect_by = connect_by
    }
end

--- The endpoint let the call down, as opposed to refusing it.
---@param err resty.etcd.errors.EtcdError
---@return boolean
local function is_endpoint_failure(err)
    if err.http_status ~= nil then
        return err.http_status >= 500
    end
    return err.name ~= "bad_request"
end

--- Tries until there is a result, no sense in going on, or no time left.
---@param core resty.etcd.core.Core
---@param rpc resty.etcd.rpc.Rpc
---@param payload string
---@param deadline number?
---@param timeout number
---@param attempt_at fun(core: resty.etcd.core.Core, rpc: resty.etcd.rpc.Rpc, payload: string, attempt: resty.etcd.transport.Attempt): resty.etcd.transport.Reply|resty.etcd.transport.Stream?, resty.etcd.errors.EtcdError?, resty.etcd.transport.Reply?
---@return resty.etcd.transport.Reply|resty.etcd.transport.Stream? result
---@return resty.etcd.errors.EtcdError? err
---@return resty.etcd.transport.Reply? refusal
local function run(core, rpc, payload, deadline, timeout, attempt_at)
    local user = core.auth
    if rpc.anonymous == true then
        user = nil
    end
    local tries_left = balancer.max_tries(core)
    local untried = #core.endpoints
    local may_relogin = user ~= nil
    while true do
        local token
        if user ~= nil then
            local got, login_err = auth.token(user, core, deadline, timeout)
            if got == nil then
                return nil, login_err
            end
            token = got
            if deadline ~= nil and now() >= deadline then
                return nil, errors.failure("timeout", "timeout after the login")
            end
        end
        untried = untried - 1
        local others = min(untried, tries_left - 1)
        local attempt = make_attempt(
            core,
            rpc,
            deadline,
            others,
            token,
            may_relogin
        )
        if attempt == nil then
            return nil, no_endpoint()
        end
        local result, err, refusal = attempt_at(core, rpc, payload, attempt)
        if result ~= nil then
            return result
        end
        if is_endpoint_failure(err) then
            balancer.report_failure(attempt.endpoint)
        end
        if token ~= nil and may_relogin and retry.is_token_trouble(err) then
            may_relogin = false
            auth.drop(user, token)
        else
            tries_left = tries_left - 1
            local late = deadline ~= nil and now() >= deadline
            if tries_left < 1 or late or not err.retryable or not is_endpoint_failure(err) then
                return nil, err, refusal
            end
            ngx.log(
                ngx.WARN,
                errors.text(err),
                ". Retrying"
            )
        end
    end
end

local function unary_at(core, rpc, payload, attempt)
    return core.transport:unary(rpc, payload, attempt)
end

local function open_at(core, rpc, payload, attempt)
    local stream, err, refusal = core.transport:open(rpc, payload, attempt)
    if stream == nil then
        return nil, err, refusal
    end
    if attempt.may_relogin then
        local deadline = attempt.deadline
        local first = stream:peek(deadline ~= nil and max(
            0,
            deadline - now()
        ) or nil)
        local refused = retry.token_trouble_of_watch(first, attempt.endpoint.http_host)
        if refused ~= nil then
            stream:close()
            return nil, refused
        end
    end
    return stream
end

local function min_time(a, b)
    if a == nil or b == nil then
        return a or b
    end
    return min(a, b)
end

--- The line that users look for, once at the entry of each call.
---@param core resty.etcd.core.Core
---@param rpc resty.etcd.rpc.Rpc
---@param timeout number
---@param label string
local function log_entry(core, rpc, timeout, label)
    if log.info_enabled() then
        ngx.log(
            ngx.INFO,
            "v3 request uri: ",
            rpc.path,
            ", timeout: ",
            timeout
        )
        if core.extra_json ~= nil then
            ngx.log(ngx.INFO, label, core.extra_json)
        end
    end
end

local function start(core, rpc, request, timeout, label, attempt_at, not_after)
    if label ~= nil then
        log_entry(core, rpc, timeout, label)
    end
    local payload, err = core.transport:encode(rpc, request)
    if payload == nil then
        return nil, errors.failure("bad_request", err)
    end
    local deadline = timeout > 0 and now() + timeout or nil
    return run(
        core,
        rpc,
        payload,
        min_time(deadline, not_after),
        timeout,
        attempt_at
    )
end

--- One RPC, start to end: token, endpoint, transport, error, retry, within one deadline.
---@param core resty.etcd.core.Core
---@param rpc resty.etcd.rpc.Rpc
---@param request table its message
---@param timeout? number seconds for all of it; the client's own if nil, 0 for no deadline
---@return resty.etcd.transport.Reply? result
---@return resty.etcd.errors.EtcdError? err
---@return resty.etcd.transport.Reply? refusal
local function unary(core, rpc, request, timeout)
    return start(
        core,
        rpc,
        request,
        timeout or core.timeout,
        "request uri headers: ",
        unary_at
    )
end

--- An RPC on behalf of a call whose time ends at `not_after`.
---@param core resty.etcd.core.Core
---@param rpc resty.etcd.rpc.Rpc
---@param request table
---@param timeout number
---@param not_after number?
---@return resty.etcd.transport.Reply? result
---@return resty.etcd.errors.EtcdError? err
---@return resty.etcd.transport.Reply? refusal
local function unary_until(core, rpc, request, timeout, not_after)
    return start(
        core,
        rpc,
        request,
        timeout,
        "request uri headers: ",
        unary_at,
        not_after
    )
end

--- One more RPC of a call that is under way: it has said already what it is about.
---@param core resty.etcd.core.Core
---@param rpc resty.etcd.rpc.Rpc
---@param request table
---@param timeout? number
---@return resty.etcd.transport.Reply? result
---@return resty.etcd.errors.EtcdError? err
---@return resty.etcd.transport.Reply? refusal
local function unary_within(core, rpc, request, timeout)
    return start(
        core,
        rpc,
        request,
        timeout or core.timeout,
        nil,
        unary_at
    )
end

--- Opens a stream; the deadline is for the opening.
---@param core resty.etcd.core.Core
---@param rpc resty.etcd.rpc.Rpc
---@param request table
---@param timeout? number seconds until the first answer; the client's own if nil, 0 for no deadline
---@return resty.etcd.transport.Stream? result
---@return resty.etcd.errors.EtcdError? err
---@return resty.etcd.transport.Reply? refusal
local function open(core, rpc, request, timeout)
    return start(
        core,
        rpc,
        request,
        timeout or core.timeout,
        "request chunk headers: ",
        open_at
    )
end
_M.open = open
_M.unary = unary
_M.unary_until = unary_until
_M.unary_within = unary_within

return _M
