-- Generated from src/resty/etcd/call/attempt.ts by TypeScriptToLua. Do not edit.
local _M = {}
local tokens = require("resty.etcd.call.token")
local balancer = require("resty.etcd.endpoint.balancer")
local clock = require("resty.etcd.base.clock")
local printable = require("resty.etcd.base.printable")
local errors = require("resty.etcd.protocol.errors")
local monotonic = require("resty.etcd.call.monotonic")
local reply_check = require("resty.etcd.call.reply_check")
local retry_state = require("resty.etcd.call.retry_state")
local retry_policy = require("resty.etcd.protocol.retry_policy")
local rpcs = require("resty.etcd.protocol.rpc")
local error_hints = require("resty.etcd.transport.error_hints")
local failures = require("resty.etcd.transport.failure")
local now = clock.now
local max = math.max
local min = math.min

--- Connect timeout in seconds while other endpoints remain to be tried.
local MAX_CONNECT_TIME = 1

--- Least time in seconds for connecting and the TLS handshake together, but never more than half of what is left.
local MIN_CONNECT_SHARE = 1

--- Options of a call with a single reply.
---@class resty.etcd.call.attempt.CallOptions
---@field timeout? number Seconds for the whole call, retries included: the client's own if nil, 0 for no deadline.
---@field deadline? number Latest end of the call, by `clock.now`, if it is one step of a longer operation.
---@field quiet? boolean Suppresses the log line at the entry, for a call that is one step of a call already logged.
---@field semantics? ("read"|"write"|"idempotent") The RPC's own if nil.
---@field prefer? string Host of the endpoint for the first attempt, if the health check allows that: the next one of the ring if nil.
---@field first? resty.etcd.endpoint.balancer.Choice The choice for the first attempt, if it was made before the call. The call removes it from the options.
---@field at? resty.etcd.endpoint.endpoint.Endpoint The only endpoint to call, in a single attempt, whatever its health.
---@field max_response_size? number Bytes of the longest response, if that is less than for other calls.
---@field on_retry? (fun(rpc: string, err: resty.etcd.protocol.errors.EtcdError)) Called before another attempt, instead of logging `<err>. Retrying`: that line does not say what the call is for.
---@field progress? resty.etcd.transport.transport.AttemptProgress Set by the transport during the last attempt.
---@field answered_by? string Set by the call: host of the endpoint of the last attempt.
---@field attempts? number Set by the call: number of its attempts.

--- Options of a stream.
---@class resty.etcd.call.attempt.StreamOptions
---@field timeout? number Seconds until the first reply: the client's own if nil, 0 for no deadline.
---@field require_leader? boolean The server ends the stream when its member has no leader.
---@field at? resty.etcd.endpoint.endpoint.Endpoint The only endpoint to open it at, in a single attempt, whatever its health.
---@field on_retry? (fun(rpc: string, err: resty.etcd.protocol.errors.EtcdError)) As for other calls.
---@field progress? resty.etcd.transport.transport.AttemptProgress As for `CallOptions`.
---@field prefer? string As for `CallOptions`.
---@field attempts? number As for `CallOptions`.

--- A call in progress.
---@class resty.etcd.call.attempt.Call
---@field core resty.etcd.call.client_state.Core
---@field rpc resty.etcd.protocol.rpc.Rpc
---@field semantics "read"|"write"|"idempotent"
---@field payload string
---@field deadline number? Nil for none.
---@field timeout number Seconds, as the caller gave it.
---@field stream resty.etcd.call.attempt.StreamOptions? Nil for a call with a single reply.
---@field options (resty.etcd.call.attempt.CallOptions|resty.etcd.call.attempt.StreamOptions)? As the caller gave them. Fields of them are not copied: with more than 16 fields, the table of a call is twice as large.
---@field first resty.etcd.endpoint.balancer.Choice?
---@field at resty.etcd.endpoint.endpoint.Endpoint? The only endpoint of the call; nil if the balancer chooses one for each attempt.
---@field max_response_size number
---@field retry_state resty.etcd.call.retry_state.RetryState
---@field seen_revision number With `monotonic`: the revision that the client had seen when the call began, and its cluster.
---@field seen_cluster string?
---@field received number Bytes of all response bodies.
---@field endpoint string? Endpoint of the latest attempt; nil before the first.

--- Returns the error of a call that finds no endpoint. Its hint says why each endpoint failed last.
---@param core resty.etcd.call.client_state.Core
---@return resty.etcd.protocol.errors.EtcdError
local function no_endpoint(core)
    local err = errors.local_error("no_endpoint", "has no healthy etcd endpoint available")
    err.retryable = true
    local failures_text = balancer.last_failures_of(core)
    if failures_text ~= nil then
        err.hint = printable.of(failures_text)
    end
    return err
end

--- Divides the time budget of an attempt among connecting, the TLS handshake and the response.
---@param call resty.etcd.call.attempt.Call
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
---@param token string?
---@param started number
---@param others number endpoints that can be tried after this one: with none, the attempt gets the whole time budget
---@return resty.etcd.transport.transport.Attempt
local function new_attempt(call, endpoint, token, started, others)
    local deadline = call.deadline
    local stream = call.stream
    local is_repeatable = rpcs.is_repeatable(call.semantics)
    local connect_deadline = deadline
    local handshake_deadline = deadline
    local response_deadline = deadline
    if deadline ~= nil and others > 0 then
        local left = max(0, deadline - started)
        local share = max(
            left / (others + 1),
            min(MIN_CONNECT_SHARE, left / 2)
        )
        connect_deadline = started + min(share, MAX_CONNECT_TIME)
        handshake_deadline = started + share
        if is_repeatable then
            response_deadline = started + left / 2
        end
    end
    local ____endpoint_3 = endpoint
    local ____is_repeatable_4 = is_repeatable
    local ____temp_0
    if token ~= tokens.NO_TOKEN then
        ____temp_0 = token
    else
        ____temp_0 = nil
    end
    local ____temp_5 = token ~= nil and retry_state.can_survive_rejection(call.retry_state, token)
    local ____call_core_unix_socket_proxy_6 = call.core.unix_socket_proxy
    local ____started_7 = started
    local ____response_deadline_8 = response_deadline
    local ____connect_deadline_9 = connect_deadline
    local ____handshake_deadline_10 = handshake_deadline
    local ____call_max_response_size_11 = call.max_response_size
    local ____temp_12 = stream == nil
    local ____temp_13 = stream ~= nil and stream.require_leader == true
    local ____opt_1 = call.options
    return {
        endpoint = ____endpoint_3,
        is_repeatable = ____is_repeatable_4,
        token = ____temp_0,
        can_survive_rejection = ____temp_5,
        unix_proxy = ____call_core_unix_socket_proxy_6,
        started = ____started_7,
        deadline = ____response_deadline_8,
        connect_deadline = ____connect_deadline_9,
        handshake_deadline = ____handshake_deadline_10,
        max_response_size = ____call_max_response_size_11,
        send_timeout_header = ____temp_12,
        require_leader = ____temp_13,
        progress = ____opt_1 and ____opt_1.progress,
        received = 0
    }
end

--- Returns the endpoint of the next attempt, or nil if none is available.
---@param call resty.etcd.call.attempt.Call
---@return resty.etcd.endpoint.endpoint.Endpoint?
local function next_endpoint(call)
    local ____call_14 = call
    local at = ____call_14.at
    local first = ____call_14.first
    local state = ____call_14.retry_state
    if at ~= nil then
        return at
    end
    if first ~= nil and state.attempts == 0 then
        return first.endpoint
    end
    local ____temp_17
    if state.last_error == nil then
        local ____opt_15 = call.options
        ____temp_17 = ____opt_15 and ____opt_15.prefer
    else
        ____temp_17 = nil
    end
    local prefer = ____temp_17
    local endpoint = balancer.choose_endpoint(call.core, state.tried, call.deadline, prefer)
    return endpoint
end

--- Chooses the endpoint of the next attempt and how long the attempt can take.
---@param call resty.etcd.call.attempt.Call
---@param token string?
---@return resty.etcd.transport.transport.Attempt? res # the attempt; or nil and an error if no endpoint or no time is left
---@return resty.etcd.protocol.errors.EtcdError? err
local function prepare(call, token)
    local core = call.core
    local state = call.retry_state
    local deadline = call.deadline
    local others = retry_state.endpoints_left(state)
    local endpoint = next_endpoint(call)
    if endpoint == nil then
        return nil, no_endpoint(core)
    end
    local started = now()
    local http_host = endpoint.http_host
    if deadline ~= nil and started >= deadline then
        balancer.report(core, http_host, "not_attempted")
        return nil, state.last_error or errors.out_of_time("timeout")
    end
    local attempt = new_attempt(
        call,
        endpoint,
        token,
        started,
        others
    )
    state.attempts = state.attempts + 1
    call.endpoint = http_host
    return attempt
end

--- Returns what an error of an attempt says about its endpoint.
---@param err resty.etcd.protocol.errors.EtcdError
---@param failure (resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure)?
---@return "bad_reply"|"failure"|"success"|"tls_failure"|"not_attempted"
local function outcome_of(err, failure)
    if err.name == "bad_request" or err.name == "not_in_phase" then
        return "not_attempted"
    end
    local status = err.http_status
    if failure ~= nil and failure.kind ~= "status" and failure.is_tls == true then
        return "tls_failure"
    end
    if status == nil then
        return err.name == "stale_reply" and "success" or "failure"
    end
    if status >= 500 then
        return "failure"
    end
    return err.name == "bad_reply" and "bad_reply" or "success"
end

--- Reports an attempt to the health check.
---@param call resty.etcd.call.attempt.Call
---@param attempt resty.etcd.transport.transport.Attempt
---@param err resty.etcd.protocol.errors.EtcdError?
local function report(call, attempt, err)
    local http_host = attempt.endpoint.http_host
    if call.rpc == rpcs.status then
        return
    end
    if err ~= nil then
        local outcome = outcome_of(err, attempt.failure)
        balancer.report(call.core, http_host, outcome)
        if outcome == "failure" or outcome == "bad_reply" or outcome == "tls_failure" then
            local text = errors.to_text(err)
            balancer.note_failure(call.core, http_host, err.hint ~= nil and text .. " (" .. err.hint .. ")" or text)
        end
    else
        local seconds = call.stream == nil and now() - attempt.started or nil
        balancer.report(call.core, http_host, "success", seconds)
    end
end

--- Returns the error of a failed attempt, with `retryable` and `maybe_applied`.
---@param call resty.etcd.call.attempt.Call
---@param attempt resty.etcd.transport.transport.Attempt
---@param failure resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure
---@return resty.etcd.protocol.errors.EtcdError
local function error_of(call, attempt, failure)
    local semantics = call.semantics
    local kind = failure.kind
    local err = failures.call_error(failure, attempt.endpoint.http_host)
    if kind == "status" then
        return retry_policy.classify_server_error(semantics, err)
    end
    if kind == "undecodable" or kind == "too_large" then
        err.maybe_applied = semantics ~= "read"
        return err
    end
    if kind == "config" or kind == "url" or kind == "phase" then
        return err
    end
    return retry_policy.classify_transport_error(semantics, err, failure.sent)
end

--- Returns the result of a failed attempt: its error, and the error response of the server if there was one.
---@param call resty.etcd.call.attempt.Call
---@param attempt resty.etcd.transport.transport.Attempt
---@param failure resty.etcd.transport.transport.LocalFailure|resty.etcd.transport.transport.StatusFailure
---@return nil result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function failed(call, attempt, failure)
    attempt.failure = failure
    local err = error_of(call, attempt, failure)
    if call.stream ~= nil and failure.kind == "timeout" and failure.sent then
        err.hint = printable.of(error_hints.SILENT_WATCH)
    end
    if failure.kind == "status" then
        return nil, err, failure.reply
    end
    return nil, err
end

local function unary_at(call, attempt)
    local core = call.core
    local reply, failure = core.transport:unary(call.rpc, call.payload, attempt)
    call.received = call.received + attempt.received
    if reply == nil then
        return failed(call, attempt, failure)
    end
    local problem = reply_check.problem_of(call.rpc, reply.body)
    if problem ~= nil then
        return failed(
            call,
            attempt,
            failures.undecodable(problem, reply.status)
        )
    end
    local floor = core.revision_floor
    if floor ~= nil and call.rpc.method ~= rpcs.status.method then
        local is_read = call.semantics == "read"
        local ____call_18 = call
        local seen_revision = ____call_18.seen_revision
        local seen_cluster = ____call_18.seen_cluster
        local http_host = attempt.endpoint.http_host
        local stale = monotonic.check(
            floor,
            is_read,
            seen_revision,
            seen_cluster,
            reply.body,
            http_host
        )
        if stale ~= nil then
            return nil, stale
        end
    end
    return reply
end

local function open_at(call, attempt)
    local stream, failure = call.core.transport:open(call.rpc, call.payload, attempt)
    if stream == nil then
        return failed(call, attempt, failure)
    end
    if attempt.can_survive_rejection then
        local deadline = attempt.deadline
        local first = stream:peek(deadline ~= nil and max(
            0,
            deadline - now()
        ) or nil)
        local rejection = retry_policy.watch_token_error(first, attempt.endpoint.http_host)
        if rejection ~= nil then
            stream:close()
            return nil, rejection
        end
    end
    return stream
end

--- Makes an attempt and reports its outcome to the health check.
---@param call resty.etcd.call.attempt.Call
---@param attempt resty.etcd.transport.transport.Attempt
---@return resty.etcd.transport.transport.Reply|resty.etcd.transport.transport.Stream? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? error_reply
local function run(call, attempt)
    local send_at = call.stream ~= nil and open_at or unary_at
    local result, err, error_reply = send_at(call, attempt)
    report(call, attempt, err)
    if result == nil then
        return nil, err, error_reply
    end
    return result
end
_M.prepare = prepare
_M.run = run

return _M
