-- Generated from src/resty/etcd/call/call.ts by TypeScriptToLua. Do not edit.
local _M = {}
local attempts = require("resty.etcd.call.attempt")
local tokens = require("resty.etcd.call.token")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local log = require("resty.etcd.base.log")
local printable = require("resty.etcd.base.printable")
local call_metrics = require("resty.etcd.metrics.call_metrics")
local retry_state = require("resty.etcd.call.retry_state")
local resolver = require("resty.etcd.endpoint.resolver")
local rpcs = require("resty.etcd.protocol.rpc")
local now = clock.now
local min = math.min

--- Returns a token for the next attempt; nil and nil if none is needed.
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

--- Logs that a call continues at another endpoint. Programs search for the line of calls without `on_retry`.
---@param call resty.etcd.call.attempt.Call
---@param err resty.etcd.protocol.errors.EtcdError
local function log_retry(call, err)
    local ____opt_0 = call.options
    local on_retry = ____opt_0 and ____opt_0.on_retry
    if on_retry ~= nil then
        on_retry(
            rpcs.name_of(call.rpc),
            err
        )
    else
        ngx.log(
            ngx.WARN,
            errors.to_text(err),
            ". Retrying"
        )
    end
end

--- Makes attempts until there is a result, or an error that no further attempt can change.
---@param call resty.etcd.call.attempt.Call
---@return resty.etcd.transport.transport.Reply|resty.etcd.transport.transport.Stream? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function run(call)
    local state = call.retry_state
    while true do
        local token, login_err = get_token(call)
        if login_err ~= nil then
            return nil, login_err
        end
        local attempt, prepare_err = attempts.prepare(call, token)
        if attempt == nil then
            return nil, prepare_err
        end
        local result, err, error_reply = attempts.run(call, attempt)
        if result ~= nil then
            return result
        end
        local next_step = retry_state.decide(state, token, err, attempt.endpoint.http_host)
        if next_step == "stop" then
            return nil, err, error_reply
        end
        if next_step == "new_token" then
            tokens.invalidate(call.core.auth, token)
        end
        retry_state.wait(state)
        if next_step == "next_endpoint" then
            log_retry(call, err)
        end
    end
end

local function min_time(a, b)
    if a == nil or b == nil then
        return a or b
    end
    return min(a, b)
end

--- Logs the line that lua-resty-etcd 1.10 logs at the entry of each call: programs search for it.
---@param core resty.etcd.call.client_state.Core
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param timeout number
---@param label "request uri headers: "|"request chunk headers: "
local function log_entry(core, rpc, timeout, label)
    if log.info_enabled() then
        ngx.log(
            ngx.INFO,
            "v3 request uri: ",
            printable.key(rpc.path),
            ", timeout: ",
            timeout
        )
        if core.extra_json ~= nil then
            ngx.log(ngx.INFO, label, core.extra_json)
        end
    end
end

local function log_unary(core, rpc, timeout)
    log_entry(core, rpc, timeout, "request uri headers: ")
end

--- Reports the end of a call to the metrics and to `on_call`.
---@param call resty.etcd.call.attempt.Call
---@param meter resty.etcd.metrics.call_metrics.Meter
---@param started number
---@param err resty.etcd.protocol.errors.EtcdError?
local function report(call, meter, started, err)
    local info = {
        rpc = rpcs.name_of(call.rpc),
        ms = (now() - started) * 1000,
        sent = #call.payload * call.retry_state.attempts,
        received = call.received,
        tries = call.retry_state.attempts,
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
    local payload, problem = core.transport:encode(rpc, request)
    if payload == nil then
        return nil, errors.local_error("bad_request", problem)
    end
    local started = now()
    local deadline = min_time(timeout > 0 and started + timeout or nil, options and options.deadline)
    local floor = core.revision_floor
    local seen_revision = floor and floor.revision or 0
    local seen_cluster = floor and floor.cluster_id
    local plan = core.sync_plan
    if plan ~= nil and started >= plan.next then
        plan.next = started + plan.interval
        plan.start(core)
    end
    local first = options and options.first
    if core.dns ~= nil and first == nil then
        resolver.before_call(core, core.dns, started, deadline)
    end
    local is_linearizable = request.serializable ~= true
    local at = options and options.at or stream and stream.at
    local call = {
        core = core,
        rpc = rpc,
        semantics = options and options.semantics or rpc.semantics,
        payload = payload,
        deadline = deadline,
        timeout = timeout,
        stream = stream,
        options = options or stream,
        first = first,
        at = at,
        max_response_size = options and options.max_response_size or core.max_response_size,
        retry_state = retry_state.new(core, deadline, is_linearizable, at ~= nil),
        seen_revision = seen_revision,
        seen_cluster = seen_cluster,
        received = 0,
        endpoint = nil
    }
    local result, err, error_reply = run(call)
    if stream ~= nil then
        stream.attempts = call.retry_state.attempts
    end
    if options ~= nil then
        options.attempts = call.retry_state.attempts
        options.answered_by = call.endpoint
        options.first = nil
    end
    local outcome = err
    if err ~= nil and call.retry_state.maybe_applied then
        outcome = errors.with_outcome(err, true)
    end
    if core.meter ~= nil then
        report(call, core.meter, started, outcome)
    end
    if result ~= nil then
        return result
    end
    return nil, outcome, error_reply
end

--- Makes one RPC, from start to end: token, endpoint, transport, error and retries, within one deadline.
---@param core resty.etcd.call.client_state.Core
---@param rpc resty.etcd.protocol.rpc.Rpc
---@param request table its message
---@param options? resty.etcd.call.attempt.CallOptions
---@return resty.etcd.transport.transport.Reply? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function unary(core, rpc, request, options)
    local timeout = options and options.timeout or core.timeout
    if (options and options.quiet) ~= true then
        log_unary(core, rpc, timeout)
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
---@return resty.etcd.transport.transport.Reply? error_reply
local function open(core, rpc, request, options)
    local timeout = options.timeout or core.timeout
    log_entry(core, rpc, timeout, "request chunk headers: ")
    local stream, err, error_reply = start(
        core,
        rpc,
        request,
        timeout,
        nil,
        options
    )
    if stream == nil then
        return nil, err, error_reply
    end
    local ____opt_24 = core.sync_plan
    if ____opt_24 ~= nil then
        ____opt_24.start_loop(core)
    end
    return stream
end
_M.log_unary = log_unary
_M.open = open
_M.unary = unary

return _M
