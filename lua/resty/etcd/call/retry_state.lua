-- Generated from src/resty/etcd/call/retry_state.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoff = require("resty.etcd.base.backoff")
local clock = require("resty.etcd.base.clock")
local retry_budget = require("resty.etcd.endpoint.retry_budget")
local monotonic = require("resty.etcd.call.monotonic")
local retry_policy = require("resty.etcd.protocol.retry_policy")
local phase = require("resty.etcd.base.phase")
local tokens = require("resty.etcd.call.token")
local waits = require("resty.etcd.base.wait")
local shared_health = require("resty.etcd.endpoint.shared_health")
local now = clock.now
local min = math.min
local floor = math.floor

--- With `monotonic`: attempts per endpoint before a stale reply is returned as an error.
local STALE_ATTEMPTS = 5

--- Tokens from other workers or concurrent calls that etcd can reject before this call logs in itself.
local MAX_SHARED_TOKENS = 3

--- Seconds before the second round over the endpoints; doubled with each further round.
local FIRST_DELAY = 0.025

--- Upper bound in seconds of that delay.
local MAX_DELAY = 1

--- Seconds before a new token is sent again to members that do not know it yet; doubled with each rejection.
local FIRST_TOKEN_DELAY = 0.01

--- Times that the same token is sent again: within 0.63 s every healthy member has applied the login.
local MAX_TOKEN_REPEATS = 6

--- The state that decides whether a call makes another attempt.
---@class resty.etcd.call.retry_state.RetryState
---@field core resty.etcd.call.client_state.Core
---@field deadline number? Nil for none.
---@field is_linearizable boolean Only a member that is up to date with its leader answers the call.
---@field attempts number Attempts made.
---@field attempts_left number Attempts that can still be made, apart from those repeated for a token or a stale reply.
---@field stale_left number Stale replies that can still be dropped; negative once there was one too many.
---@field token_repeats number Times that a rejected token was sent again unchanged.
---@field shared_tokens number Rejected tokens that were not from a login of this call.
---@field can_relogin boolean The next rejected token can be replaced by a login.
---@field tried table? Endpoints that failed this call; nil if none did, or under the shared health check.
---@field last_error resty.etcd.protocol.errors.EtcdError? Error of the last attempt that was followed by another one.
---@field maybe_applied boolean An attempt at a write left open whether it was applied.
---@field delay number Seconds until the next attempt.

--- Returns how many attempts a call can make. With the client's own health check, each call adds to the retry budget.
---@param core resty.etcd.call.client_state.Core
---@return number
local function max_attempts(core)
    local n = #core.endpoints
    local own = core.health
    if own ~= nil then
        retry_budget.credit(own.budget)
        return own.retry and 2 * n + 1 or 1
    end
    local conf = shared_health.conf
    if (conf and conf.retry) ~= true or shared_health.get_check_mode() == shared_health.DISABLED_MODE then
        return 1
    end
    return n * conf.max_fails + 1
end

---@param core resty.etcd.call.client_state.Core
---@param deadline number?
---@param is_linearizable boolean
---@param is_pinned boolean the call is for a single endpoint, so another attempt would repeat the same
---@return resty.etcd.call.retry_state.RetryState
local function create(core, deadline, is_linearizable, is_pinned)
    return {
        core = core,
        deadline = deadline,
        is_linearizable = is_linearizable,
        attempts = 0,
        attempts_left = is_pinned and 1 or max_attempts(core),
        stale_left = core.revision_floor ~= nil and STALE_ATTEMPTS * #core.endpoints or 0,
        token_repeats = 0,
        shared_tokens = 0,
        can_relogin = true,
        tried = nil,
        last_error = nil,
        maybe_applied = false,
        delay = 0
    }
end

--- Reports whether a rejected token is likely to be accepted if it is sent again.
---@param state resty.etcd.call.retry_state.RetryState
---@param token string
---@return boolean
local function can_repeat_token(state, token)
    return state.token_repeats < MAX_TOKEN_REPEATS and tokens.can_be_unknown_to_members(state.core.auth, token)
end

--- Reports whether the call goes on if etcd rejects the token of the next attempt.
---@param state resty.etcd.call.retry_state.RetryState
---@param token string
---@return boolean
local function can_survive_rejection(state, token)
    return state.can_relogin or can_repeat_token(state, token)
end

--- Returns how many more endpoints can be tried after the next attempt. A rejected token says nothing about its endpoint.
---@param state resty.etcd.call.retry_state.RetryState
---@return number
local function endpoints_left(state)
    local core = state.core
    if core.health ~= nil and not retry_budget.has_retry(core.health.budget) then
        return 0
    end
    local rejected = state.token_repeats + state.shared_tokens
    if not state.can_relogin then
        rejected = rejected + 1
    end
    return min(#core.endpoints - state.attempts + rejected, state.attempts_left) - 1
end

--- Sets the delay before the next attempt. Returns false if the deadline passes before its end.
---@param state resty.etcd.call.retry_state.RetryState
---@param seconds number
---@return boolean
local function set_delay(state, seconds)
    state.delay = seconds
    return state.deadline == nil or now() + seconds < state.deadline
end

--- Decides what to do about a rejected token.
---@param state resty.etcd.call.retry_state.RetryState
---@param token string
---@param err resty.etcd.protocol.errors.EtcdError
---@return ("same_token"|"new_token"|"next_endpoint"|"stop")?
local function step_after_rejection(state, token, err)
    local auth = state.core.auth
    if retry_policy.is_token_unknown(err) and can_repeat_token(state, token) and set_delay(state, FIRST_TOKEN_DELAY * 2 ^ state.token_repeats) and phase.can_wait() then
        state.token_repeats = state.token_repeats + 1
        return "same_token"
    end
    state.delay = 0
    if tokens.is_from_elsewhere(auth, token) and state.shared_tokens < MAX_SHARED_TOKENS then
        state.shared_tokens = state.shared_tokens + 1
        return "new_token"
    end
    if state.can_relogin then
        state.can_relogin = false
        return "new_token"
    end
    return nil
end

--- Returns the seconds to wait before the next endpoint: none within the first round over the endpoints. With only the
--- shared health check there is never a wait, because there was none in lua-resty-etcd 1.10.
---@param state resty.etcd.call.retry_state.RetryState
---@return number
local function endpoint_delay(state)
    local core = state.core
    local n = #core.endpoints
    if state.attempts < n or core.health == nil and core.revision_floor == nil then
        return 0
    end
    local round = floor(state.attempts / n) - 1
    return backoff.exponential(FIRST_DELAY, MAX_DELAY, round)
end

--- Counts a stale reply.
---@param state resty.etcd.call.retry_state.RetryState
local function count_stale_reply(state)
    state.stale_left = state.stale_left - 1
    if state.stale_left < 0 then
        monotonic.accept_rollback(state.core.revision_floor, state.is_linearizable)
    end
end

--- Reports whether another member can serve the call although this one works. Such a retry adds no load to a failing cluster.
---@param err resty.etcd.protocol.errors.EtcdError
---@return boolean
local function is_wrong_member(err)
    return err.name == "stale_reply" or retry_policy.is_learner_error(err)
end

--- Excludes an endpoint from the next attempts of the call. The bans of the shared health check do that for all calls.
---@param state resty.etcd.call.retry_state.RetryState
---@param http_host string
local function avoid(state, http_host)
    if state.core.health ~= nil then
        if state.tried == nil then
            state.tried = {}
        end
        state.tried[http_host] = true
    end
end

--- Counts a failed attempt and decides what the call does next.
---@param state resty.etcd.call.retry_state.RetryState
---@param token string? that was sent; nil for none
---@param err resty.etcd.protocol.errors.EtcdError
---@param http_host string endpoint of the attempt
---@return "same_token"|"new_token"|"next_endpoint"|"stop"
local function decide(state, token, err, http_host)
    state.maybe_applied = state.maybe_applied or err.maybe_applied
    if token ~= nil and retry_policy.is_token_error(err) then
        local step = step_after_rejection(state, token, err)
        if step ~= nil then
            return step
        end
    end
    if err.name == "stale_reply" then
        count_stale_reply(state)
    else
        state.attempts_left = state.attempts_left - 1
    end
    if not err.retryable or state.attempts_left < 1 or state.stale_left < 0 then
        return "stop"
    end
    local own = state.core.health
    if own ~= nil and not is_wrong_member(err) and not retry_budget.spend(own.budget) then
        return "stop"
    end
    if not set_delay(
        state,
        endpoint_delay(state)
    ) then
        return "stop"
    end
    avoid(state, http_host)
    state.last_error = err
    return "next_endpoint"
end

--- Waits until the next attempt is due. Does nothing in phases that cannot yield.
---@param state resty.etcd.call.retry_state.RetryState
local function wait(state)
    if state.delay > 0 and phase.can_wait() then
        pcall(waits.sleep, state.delay)
    end
end
_M.can_survive_rejection = can_survive_rejection
_M.new = create
_M.decide = decide
_M.endpoints_left = endpoints_left
_M.wait = wait

return _M
