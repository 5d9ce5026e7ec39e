-- Generated from src/resty/etcd/call/call.ts by TypeScriptToLua. Do not edit.
local _M = {}
local attempts = require("resty.etcd.call.attempt")
local tokens = require("resty.etcd.call.token")
local balancer = require("resty.etcd.endpoint.balancer")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local log = require("resty.etcd.base.log")
local call_metrics = require("resty.etcd.metrics.call_metrics")
local monotonic = require("resty.etcd.call.monotonic")
local retry_delay = require("resty.etcd.call.retry_delay")
local resolver = require("resty.etcd.endpoint.resolver")
local retry_policy = require("resty.etcd.protocol.retry_policy")
local rpcs = require("resty.etcd.protocol.rpc")
local now = clock.now
local min = math.min

--- A client that must not go back in time asks each endpoint so often before it gives up.
local STALE_TRIES = 5

--- So many tokens may be refused that are not of a login of the call's own, before it has one.
local SHARED_TRIES = 3

---@param last resty.etcd.protocol.errors.EtcdError? why an earlier try of the same call failed
---@return resty.etcd.protocol.errors.EtcdError
local function no_endpoint(last)
    local err = errors.local_error("no_endpoint", "has no healthy etcd endpoint available")
    err.retryable = true
    if last ~= nil then
        err.hint = errors.to_text(last)
    end
    return err
end

--- The endpoint is well, but not the one for this call: to ask another is no burden on a cluster in trouble.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_elsewhere(err)
    return err.name == "stale_reply" or retry_policy.is_learner_error(err)
end

--- A token for the next try; nil and nil where none is needed.
---@param call resty.etcd.call.attempt.Call
---@return string? token
---@return resty.etcd.protocol.errors.EtcdError? err
local function get_token(call)
    local core = call.core
    if core.auth == nil or call.rpc.anonymous == true then
        return nil
    end
    local deadline = call.deadline
    local token, err = tokens.token(core.auth, core, deadline, call.timeout)
    if token == nil then
        return nil, err
    end
    if deadline ~= nil and now() >= deadline then
        return nil, errors.out_of_time("timeout after the login")
    end
    return token
end

--- Whether a call may be sent again after its token was refused: with the same one a little later, or with another.
---@param call resty.etcd.call.attempt.Call
---@param token string
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_token_renewed(call, token, err)
    local own = call.core.auth
    if retry_policy.is_token_unknown(err) and tokens.may_be_unknown_to_members(own, token) and retry_delay.before_token(call.token_tries, call.deadline) then
        call.token_tries = call.token_tries + 1
        return true
    end
    if tokens.is_from_elsewhere(own, token) and call.shared_tries < SHARED_TRIES then
        call.shared_tries = call.shared_tries + 1
    elseif call.may_relogin then
        call.may_relogin = false
    else
        return false
    end
    tokens.invalidate(own, token)
    return true
end

--- Endpoints that may still be tried once, after the next one. A refused token says nothing of its endpoint.
---@param call resty.etcd.call.attempt.Call
---@param tries_left number
---@return number
local function others_left(call, tries_left)
    local refused = call.token_tries + call.shared_tries
    if not call.may_relogin then
        refused = refused + 1
    end
    return min(#call.core.endpoints - call.tries + refused, tries_left) - 1
end

--- Tries until there is a result, no sense in going on, or no time left.
---@param call resty.etcd.call.attempt.Call
---@return resty.etcd.transport.transport.Reply|resty.etcd.transport.transport.Stream? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? refusal
local function run(call)
    local core = call.core
    local deadline = call.deadline
    local order = core.revision_floor
    local stale_left = 0
    local tries_left = balancer.max_tries(core)
    if order ~= nil then
        stale_left = STALE_TRIES * #core.endpoints
    end
    local last
    while true do
        local token, login_err = get_token(call)
        if login_err ~= nil then
            return nil, login_err
        end
        local others = balancer.has_retry(core) and others_left(call, tries_left) or 0
        local attempt = attempts.prepare(call, others, token)
        if attempt == nil then
            return nil, no_endpoint(last)
        end
        if deadline ~= nil and attempt.started >= deadline then
            balancer.report_not_attempted(core, attempt.endpoint.http_host)
            return nil, last or errors.out_of_time("timeout")
        end
        call.tries = call.tries + 1
        call.endpoint = attempt.endpoint.http_host
        local result, err, refusal = attempts.run(call, attempt)
        attempts.report(call, attempt, err)
        if result ~= nil then
            return result
        end
        call.maybe_applied = call.maybe_applied or err.maybe_applied
        local is_refused = token ~= nil and retry_policy.is_token_error(err)
        if not is_refused or not is_token_renewed(call, token, err) then
            if err.name == "stale_reply" then
                stale_left = stale_left - 1
                if stale_left < 0 then
                    monotonic.accept_rollback(order, call.is_linearizable)
                end
            else
                tries_left = tries_left - 1
            end
            if tries_left < 1 or stale_left < 0 or not err.retryable then
                return nil, err, refusal
            end
            if not is_elsewhere(err) and not balancer.may_retry(core) then
                return nil, err, refusal
            end
            if not retry_delay.before_try(core, call.tries, deadline) then
                return nil, err, refusal
            end
            ngx.log(
                ngx.WARN,
                errors.to_text(err),
                ". Retrying"
            )
            attempts.avoid(call, attempt.endpoint)
            last = err
        end
    end
end

local function min_time(a, b)
    if a == nil or b == nil then
        return a or b
    end
    return min(a, b)
end

--- The line that users look for, once at the entry of each call.
---@param core resty.etcd.call.client_state.Core
---@param rpc resty.etcd.protocol.rpc.Rpc
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

--- Tells how a call has ended, to whoever wants to know.
---@param call resty.etcd.call.attempt.Call
---@param meter resty.etcd.metrics.call_metrics.Meter
---@param started number
---@param err resty.etcd.protocol.errors.EtcdError?
local function report(call, meter, started, err)
    local info = {
        rpc = rpcs.name_of(call.rpc),
        ms = (now() - started) * 1000,
        sent = #call.payload * call.tries,
        received = call.received,
        tries = call.tries,
        outcome = err and err.name or "ok"
    }
    if call.endpoint ~= nil then
        info.endpoint = call.endpoint
    end
    if err ~= nil then
        info.err = err
    end
    call_metrics.record(meter, info)
end

local function start(core, rpc, request, timeout, options, stream)
    local payload, wrong = core.transport:encode(rpc, request)
    if payload == nil then
        return nil, errors.local_error("bad_request", wrong)
    end
    local started = now()
    local deadline = min_time(timeout > 0 and started + timeout or nil, options and options.deadline)
    local is_current = request.serializable ~= true
    local call = {
        core = core,
        rpc = rpc,
        semantics = options and options.semantics or rpc.semantics,
        payload = payload,
        deadline = deadline,
        timeout = timeout,
        stream = stream,
        tries = 0,
        may_relogin = true,
        token_tries = 0,
        shared_tries = 0,
        is_linearizable = is_current,
        seen_revision = 0,
        seen_cluster = nil,
        received = 0,
        endpoint = nil,
        maybe_applied = false,
        tried = nil
    }
    if core.revision_floor ~= nil then
        call.seen_revision = core.revision_floor.revision
        call.seen_cluster = core.revision_floor.cluster_id
    end
    local plan = core.sync_plan
    if plan ~= nil and started >= plan.next then
        plan.next = started + plan.interval
        plan.start(core)
    end
    if core.dns ~= nil then
        resolver.before_call(core, core.dns, started, deadline)
    end
    local result, err, refusal = run(call)
    local outcome = err
    if err ~= nil and call.maybe_applied then
        outcome = errors.with_outcome(err, true)
    end
    if core.meter ~= nil then
        report(call, core.meter, started, outcome)
    end
    if result ~= nil then
        return result
    end
    return nil, outcome, refusal
end

--- Makes one RPC, from start to end: token, endpoint, transport, error and retries, within one deadline.
---@param core resty.etcd.call.client_state.Core
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param request table its message
---@param options? resty.etcd.call.attempt.CallOptions
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? refusal
local function unary(core, rpc, request, options)
    local timeout = options and options.timeout or core.timeout
    if (options and options.quiet) ~= true then
        log_entry(core, rpc, timeout, "request uri headers: ")
    end
    return start(
        core,
        rpc,
        request,
        timeout,
        options,
        nil
    )
end

--- Opens a stream. The deadline applies to the opening.
---@param core resty.etcd.call.client_state.Core
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param request table
---@param options resty.etcd.call.attempt.StreamOptions
---@return resty.etcd.transport.transport.Stream? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? refusal
local function open(core, rpc, request, options)
    local timeout = options.timeout or core.timeout
    log_entry(core, rpc, timeout, "request chunk headers: ")
    return start(
        core,
        rpc,
        request,
        timeout,
        nil,
        options
    )
end
_M.open = open
_M.unary = unary

return _M
