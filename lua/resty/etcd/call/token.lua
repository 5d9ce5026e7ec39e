-- Generated from src/resty/etcd/call/token.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local dict_values = require("resty.etcd.base.dict_values")
local errors = require("resty.etcd.protocol.errors")
local log = require("resty.etcd.base.log")
local phase = require("resty.etcd.base.phase")
local single_flight = require("resty.etcd.base.single_flight")
local timer_loop = require("resty.etcd.base.timer_loop")
local min = math.min
local now = clock.now
local find = string.find

--- Seconds in which the timer of a login must start. nginx drops timers when too many of them run.
local START_TIME = 1

--- Extra seconds that the call which started a login waits past its deadline, so that it returns the login's error
-- instead of a bare timeout.
local ERROR_GRACE = 0.02

--- Seconds in which all healthy members learn of a simple token, which is replicated through the raft log.
local SPREAD_TIME = 1

--- Longest accepted token in bytes. Simple tokens have some 20, a JWT about 1000.
local MAX_TOKEN = 16384

--- Longest time in front of a new token, in bytes.
local MAX_TIME_LENGTH = 32

--- Suffix of the shared dict key that exists while a token is new.
local NEW_SUFFIX = "|new"

--- Seconds after which a login without a deadline counts as lost.
local LOGIN_TIMEOUT = 60

--- The same for a login that does not run in a timer, because it can be killed with its request.
local INLINE_LOGIN_TIMEOUT = 2

--- Token of an etcd without authentication; never sent.
local NO_TOKEN = ""

--- A login that has begun.
---@class resty.etcd.call.token.PendingLogin
---@field auth resty.etcd.call.client_state.TokenCache
---@field core resty.etcd.call.client_state.Core
---@field run resty.etcd.base.single_flight.Run
---@field timeout number
---@field deadline number?
---@field first resty.etcd.endpoint.balancer.Choice? Nil if the login chooses its first endpoint when it continues.

---@param user string
---@param password string
---@param login resty.etcd.call.client_state.Login
---@param is_optional boolean see `TokenCache`
---@return resty.etcd.call.client_state.TokenCache
local function create(user, password, login, is_optional)
    return {
        user = user,
        password = password,
        login = login,
        is_optional = is_optional,
        dict = nil,
        dict_key = "",
        token = nil,
        is_shared = false,
        new_until = 0,
        logins = single_flight.new()
    }
end

--- Shares the token with the clients of the same identity, in all workers.
---@param auth resty.etcd.call.client_state.TokenCache
---@param dict table
---@param identity string of `identity.of_client`
local function share(auth, dict, identity)
    auth.dict = dict
    auth.dict_key = "resty.etcd|token|" .. identity
end

--- Stores a new token, in the shared dict too.
---@param auth resty.etcd.call.client_state.TokenCache
---@param fresh string
local function store(auth, fresh)
    auth.token = fresh
    auth.is_shared = false
    auth.new_until = now() + SPREAD_TIME
    local dict = auth.dict
    if dict ~= nil and fresh ~= NO_TOKEN then
        dict:safe_set(
            auth.dict_key .. NEW_SUFFIX,
            string.format("%.3f %s", auth.new_until, fresh),
            SPREAD_TIME
        )
        dict:safe_set(auth.dict_key, fresh)
    end
end

--- Reports whether a value can be a token. It is sent as a header field: a line break in it would let others inject headers.
---@param value any
---@return boolean
local function is_token(value)
    if type(value) ~= "string" or #value > MAX_TOKEN then
        return false
    end
    local from = find(value, "^[!-~]+$")
    return from ~= nil
end

--- Returns the token in a shared dict; nil if there is none. Another program can have written something else there.
---@param dict table
---@param key string
---@return string?
local function read_token(dict, key)
    local value = dict_values.get_line(dict, key, MAX_TOKEN)
    return is_token(value) and value or nil
end

--- Loads the token of another worker from the shared dict, if this worker has none.
---@param auth resty.etcd.call.client_state.TokenCache
local function load_shared(auth)
    local dict = auth.dict
    if dict ~= nil and auth.token == nil then
        local shared = read_token(dict, auth.dict_key)
        local fresh = dict_values.get_line(dict, auth.dict_key .. NEW_SUFFIX, MAX_TOKEN + MAX_TIME_LENGTH)
        local new_until, fresh_token = string.match(fresh or "", "^(%d+%.%d%d%d) (%S+)$")
        auth.token = shared
        auth.is_shared = shared ~= nil
        auth.new_until = fresh_token == shared and min(
            tonumber(new_until) or 0,
            now() + SPREAD_TIME
        ) or 0
    end
end

--- Returns the result of a login that raised an error, so that the calls that wait for it do not time out.
---@param text any
---@return resty.etcd.call.client_state.LoginResult
local function raised(text)
    return {
        token = nil,
        err = errors.local_error(
            "login_failed",
            tostring(text)
        )
    }
end

--- Finishes a login that has begun, and passes the result to all calls that wait for it.
---@param pending resty.etcd.call.token.PendingLogin
local function finish_login(pending)
    local ____pending_0 = pending
    local auth = ____pending_0.auth
    local core = ____pending_0.core
    local run = ____pending_0.run
    local timeout = ____pending_0.timeout
    local deadline = ____pending_0.deadline
    local first = ____pending_0.first
    local ok, token_or_error, err = pcall(
        auth.login.finish,
        core,
        auth,
        timeout,
        deadline,
        first
    )
    local result
    if ok then
        result = {token = token_or_error, err = err}
    else
        result = raised(token_or_error)
    end
    if result.token ~= nil then
        store(auth, result.token)
    end
    single_flight.finish(auth.logins, run, result)
end

local function finish_in_timer(pending)
    local ____pending_1 = pending
    local auth = ____pending_1.auth
    local run = ____pending_1.run
    local deadline = ____pending_1.deadline
    if auth.logins.latest ~= run then
        return
    end
    local seconds = deadline ~= nil and deadline - now() or LOGIN_TIMEOUT
    single_flight.extend(run, seconds + START_TIME)
    finish_login(pending)
end

--- Waits until the login ends, is lost, or the deadline passes. Returns why there is no token, or nil if the login is lost.
---@param run resty.etcd.base.single_flight.Run
---@param deadline number?
---@return resty.etcd.protocol.errors.EtcdError?
local function wait(run, deadline)
    local outcome, reason = single_flight.wait_for(run, deadline)
    if outcome == "released" then
        local ____opt_2 = run.result
        return ____opt_2 and ____opt_2.err
    end
    if outcome == "lost" then
        return nil
    end
    if outcome == "timeout" then
        return errors.out_of_time("waiting for the login: timeout")
    end
    local name = phase.can_wait() and "login_failed" or "not_in_phase"
    return errors.local_error(
        name,
        "waiting for the login: " .. tostring(reason)
    )
end

--- Starts a login. Its log lines are written immediately, so that they follow the line of the call that needs the login.
--- What waits runs in a timer of the driver, so that it survives if that call is killed with its request. Without a timer,
--- or without an endpoint, the login runs inline and has ended when this returns.
---@param auth resty.etcd.call.client_state.TokenCache
---@param core resty.etcd.call.client_state.Core
---@param timeout number
---@param deadline number?
---@return resty.etcd.base.single_flight.Run
local function start_login(auth, core, timeout, deadline)
    local replaces_lost_login = auth.logins.latest ~= nil
    local run = single_flight.start(auth.logins, START_TIME)
    local ok, choice_or_error = pcall(auth.login.begin, core, timeout)
    if not ok then
        single_flight.finish(
            auth.logins,
            run,
            raised(choice_or_error)
        )
        return run
    end
    local first = choice_or_error
    local pending = {
        auth = auth,
        core = core,
        run = run,
        timeout = timeout,
        deadline = deadline,
        first = first
    }
    local must_wait = first == nil or first.endpoint ~= nil
    if must_wait and not replaces_lost_login and not phase.is_starting() then
        local loop = timer_loop.run_once(
            "login",
            function()
                finish_in_timer(pending)
            end
        )
        if loop ~= nil then
            return run
        end
    end
    single_flight.extend(run, INLINE_LOGIN_TIMEOUT)
    finish_login(pending)
    return run
end

--- Returns the token to send, after a login if there is none. Concurrent calls share one login.
---@param auth resty.etcd.call.client_state.TokenCache
---@param core resty.etcd.call.client_state.Core
---@param deadline number?
---@param timeout number
---@return string? res
---@return resty.etcd.protocol.errors.EtcdError? err
local function token(auth, core, deadline, timeout)
    local is_owner = false
    load_shared(auth)
    while auth.token == nil do
        local run = single_flight.running(auth.logins)
        if run == nil then
            is_owner = true
            run = start_login(auth, core, timeout, deadline)
        end
        local wait_until = is_owner and deadline ~= nil and deadline + ERROR_GRACE or deadline
        local err = wait(run, wait_until)
        local ____opt_4 = run.result
        local fresh = ____opt_4 and ____opt_4.token
        if fresh ~= nil then
            return fresh
        end
        if err ~= nil then
            if not is_owner and log.info_enabled() then
                ngx.log(
                    ngx.INFO,
                    "v3 refresh jwt last err: ",
                    errors.to_text(err)
                )
            end
            return nil, err
        end
    end
    return auth.token
end

--- Reports whether a token is so new that a member can reject it and accept it a moment later. This applies to simple
--- tokens only: every member accepts a JWT immediately.
---@param auth resty.etcd.call.client_state.TokenCache
---@param old string
---@return boolean
local function can_be_unknown_to_members(auth, old)
    if old ~= auth.token or now() >= auth.new_until then
        return false
    end
    local simple = find(old, "^%a+%.%d+$")
    return simple ~= nil
end

--- Reports whether a rejected token is not from this worker's latest login. Either another worker logged in, and its token
--- can be as old as the one before; or a concurrent call has dropped the token already.
---@param auth resty.etcd.call.client_state.TokenCache
---@param old string
---@return boolean
local function is_from_elsewhere(auth, old)
    return auth.is_shared or old ~= auth.token
end

--- Drops a token that etcd rejects, unless it was replaced by a newer one.
---@param auth resty.etcd.call.client_state.TokenCache
---@param old string
local function invalidate(auth, old)
    if auth.token == old then
        auth.token = nil
    end
    local dict = auth.dict
    if dict ~= nil then
        if read_token(dict, auth.dict_key) == old then
            dict:delete(auth.dict_key)
        end
    end
end
_M.new = create
_M.invalidate = invalidate
_M.can_be_unknown_to_members = can_be_unknown_to_members
_M.is_from_elsewhere = is_from_elsewhere
_M.is_token = is_token
_M.NO_TOKEN = NO_TOKEN
_M.share = share
_M.token = token

return _M
