-- Generated from src/resty/etcd/call/attempt.ts by TypeScriptToLua. Do not edit.
local _M = {}
local tokens = require("resty.etcd.call.token")
local balancer = require("resty.etcd.endpoint.balancer")
local clock = require("resty.etcd.base.clock")
local monotonic = require("resty.etcd.call.monotonic")
local retry_delay = require("resty.etcd.call.retry_delay")
local retry_policy = require("resty.etcd.protocol.retry_policy")
local rpcs = require("resty.etcd.protocol.rpc")
local now = clock.now
local max = math.max
local min = math.min

--- Where others may be tried, a connection stands within so many seconds, or somewhere else.
local LONGEST_CONNECT = 1

--- A TLS session is made of the share of the time; up to half of it, while that is below so many seconds.
local MIN_SHARE = 1

--- Options of a call with a single reply.
---@class resty.etcd.call.attempt.CallOptions
---@field timeout? number Seconds for the whole call, retries included: the client's own if nil, 0 for no deadline.
---@field deadline? number Latest end of the call, by `clock.now`, if it is one step of a longer operation.
---@field quiet? boolean Suppresses the log line at the entry, for a call that is one step of a call already logged.
---@field semantics? ("read"|"write"|"idempotent") The RPC's own if nil.

--- Options of a stream.
---@class resty.etcd.call.attempt.StreamOptions
---@field timeout? number Seconds until the first reply: the client's own if nil, 0 for no deadline.
---@field require_leader? boolean The server ends the stream when its member has no leader.
---@field at? resty.etcd.endpoint.endpoint.Endpoint The only endpoint to open it at.

--- A call under way.
---@class resty.etcd.call.attempt.Call
---@field core resty.etcd.call.client_state.Core
---@field rpc resty.etcd.protocol.rpc.Rpc
---@field semantics "read"|"write"|"idempotent"
---@field payload string
---@field deadline number? Nil for none.
---@field timeout number As the caller gave it.
---@field stream resty.etcd.call.attempt.StreamOptions? Nil for a call with a single answer.
---@field tries number
---@field may_relogin boolean A refused token may be replaced by another one.
---@field token_tries number How often it was sent again with a new token, for a member that had not heard of it.
---@field shared_tries number How often a token of another worker was refused.
---@field is_linearizable boolean A member that serves it must be up to date with the others.
---@field seen_revision number The revision that the client had seen when the call began, and the cluster it was of.
---@field seen_cluster any
---@field received number
---@field endpoint string?
---@field maybe_applied boolean A try of a write has left it open whether it was applied.
---@field tried table? Endpoints that let the call down; nil if none has.

--- The token is worth another try, should the member not know it.
---@param call resty.etcd.call.attempt.Call
---@param token string
---@return boolean
local function may_become_known(call, token)
    return call.token_tries < retry_delay.TOKEN_TRIES and tokens.may_be_unknown_to_members(call.core.auth, token)
end

--- One try with its share of the call's time.
---@param call resty.etcd.call.attempt.Call
---@param others number endpoints that may be tried after this one: with none it has all the time
---@param token string?
---@return resty.etcd.transport.transport.Attempt?
local function prepare(call, others, token)
    local core = call.core
    local deadline = call.deadline
    local ____opt_0 = call.stream
    local endpoint = ____opt_0 and ____opt_0.at or balancer.choose_endpoint(core, call.tried, deadline)
    if endpoint == nil then
        return nil
    end
    local started = now()
    local is_repeatable = rpcs.is_repeatable(call.semantics)
    local connect_by = deadline
    local session_by = deadline
    local answer_by = deadline
    if deadline ~= nil and others > 0 then
        local left = max(0, deadline - started)
        local share = max(
            left / (others + 1),
            min(MIN_SHARE, left / 2)
        )
        connect_by = started + min(share, LONGEST_CONNECT)
        session_by = started + share
        if is_repeatable then
            answer_by = started + left / 2
        end
    end
    local sent = token
    if sent == tokens.NO_TOKEN then
        sent = nil
    end
    local stream = call.stream
    local via = core.unix_socket_proxy
    return {
        endpoint = endpoint,
        semantics = call.semantics,
        is_repeatable = is_repeatable,
        token = sent,
        may_relogin = token ~= nil and (call.may_relogin or may_become_known(call, token)),
        unix_proxy = via,
        started = started,
        deadline = answer_by,
        connect_deadline = connect_by,
        handshake_deadline = session_by,
        send_timeout_header = stream == nil,
        require_leader = stream ~= nil and stream.require_leader == true,
        received = 0
    }
end

--- The endpoint let the call down, as opposed to refusing it.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_endpoint_failure(err)
    if err.http_status ~= nil then
        return err.http_status >= 500
    end
    return err.name ~= "bad_request" and err.name ~= "stale_reply"
end

--- Counts the try for or against its endpoint.
---@param call resty.etcd.call.attempt.Call
---@param attempt resty.etcd.transport.transport.Attempt
---@param err resty.etcd.protocol.errors.EtcdError?
local function report(call, attempt, err)
    local core = call.core
    local host = attempt.endpoint.http_host
    if err == nil then
        balancer.report_success(
            core,
            host,
            call.stream == nil and now() - attempt.started or nil
        )
    elseif is_endpoint_failure(err) then
        balancer.report_failure(core, host)
    else
        balancer.report_inconclusive(core, host, err)
    end
end

--- Lets the next try of the call go elsewhere.
---@param call resty.etcd.call.attempt.Call
---@param endpoint resty.etcd.endpoint.endpoint.Endpoint
local function avoid(call, endpoint)
    if call.core.health ~= nil then
        if call.tried == nil then
            call.tried = {}
        end
        call.tried[endpoint.http_host] = true
    end
end

local function unary_at(call, attempt)
    local core = call.core
    local reply, err, refusal = core.transport:unary(call.rpc, call.payload, attempt)
    call.received = call.received + attempt.received
    if reply == nil then
        return nil, err, refusal
    end
    local order = core.revision_floor
    if order ~= nil and call.rpc.page ~= true then
        local not_before = call.semantics == "read" and call.seen_revision or 0
        local stale = monotonic.check(
            order,
            not_before,
            call.seen_cluster,
            reply.body,
            attempt.endpoint.http_host
        )
        if stale ~= nil then
            return nil, stale
        end
    end
    return reply
end

local function open_at(call, attempt)
    local stream, err, refusal = call.core.transport:open(call.rpc, call.payload, attempt)
    if stream == nil then
        return nil, err, refusal
    end
    if attempt.may_relogin then
        local deadline = attempt.deadline
        local first = stream:peek(deadline ~= nil and max(
            0,
            deadline - now()
        ) or nil)
        local refused = retry_policy.watch_token_error(first, attempt.endpoint.http_host)
        if refused ~= nil then
            stream:close()
            return nil, refused
        end
    end
    return stream
end

--- Makes the try.
---@param call resty.etcd.call.attempt.Call
---@param attempt resty.etcd.transport.transport.Attempt
---@return resty.etcd.transport.transport.Reply|resty.etcd.transport.transport.Stream? result
---@return resty.etcd.protocol.errors.EtcdError? err
---@return resty.etcd.transport.transport.Reply? refusal
local function run(call, attempt)
    if call.stream ~= nil then
        return open_at(call, attempt)
    end
    return unary_at(call, attempt)
end
_M.avoid = avoid
_M.run = run
_M.prepare = prepare
_M.report = report

return _M
