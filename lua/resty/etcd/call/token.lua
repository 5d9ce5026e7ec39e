-- Generated from src/resty/etcd/call/token.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local log = require("resty.etcd.base.log")
local timers = require("resty.etcd.base.timers")
local now = clock.now
local find = string.find
local guard = pcall

--- How long the timer of a login may take to start: nginx drops timers when too many of them run.
local START_TIME = 1

--- Its owner hears why a login failed that had all of the owner's time.
local LAST_WORD = 0.02

--- Seconds within which all members that are well know a token of etcd's own, which travels through the log.
local SPREAD_TIME = 1

--- Ends the key that is in the shared dict while a token is new.
local NEW = "|new"

--- How long a login may take that has no deadline, before others stop counting on it.
local PATIENCE = 60

--- The same for one that is not in a timer: it may have been killed with the request that makes it.
local SHORT_PATIENCE = 2

--- The token of an etcd without authentication.
local NONE = ""

local function create(user, password, login, options)
    local ____options_0 = options
    local is_optional = ____options_0.is_optional
    local dict = ____options_0.dict
    local dict_key = ____options_0.dict_key
    return {
        user = user,
        password = password,
        login = login,
        is_optional = is_optional,
        dict = dict,
        dict_key = dict_key,
        token = nil,
        is_shared = false,
        new_until = 0,
        flight = nil
    }
end

--- Keeps a new token, for other workers too.
---@param auth resty.etcd.call.client_state.TokenCache
---@param fresh string
local function store(auth, fresh)
    auth.token = fresh
    auth.is_shared = false
    auth.new_until = now() + SPREAD_TIME
    local dict = auth.dict
    if dict ~= nil and fresh ~= NONE then
        dict:set(auth.dict_key .. NEW, fresh, SPREAD_TIME)
        dict:set(auth.dict_key, fresh)
    end
end

--- A token that another worker has found.
---@param auth resty.etcd.call.client_state.TokenCache
local function load_shared(auth)
    local dict = auth.dict
    if dict ~= nil and auth.token == nil then
        local shared = dict:get(auth.dict_key)
        local fresh = dict:get(auth.dict_key .. NEW)
        auth.token = shared
        auth.is_shared = shared ~= nil
        auth.new_until = fresh == shared and now() + SPREAD_TIME or 0
    end
end

--- Logs in and tells everyone who waits.
---@param auth resty.etcd.call.client_state.TokenCache
---@param core resty.etcd.call.client_state.Core
---@param flight resty.etcd.call.client_state.PendingLogin
---@param timeout number
---@param deadline number?
local function run_login(auth, core, flight, timeout, deadline)
    local ok, got, err = guard(
        auth.login,
        core,
        auth,
        timeout,
        deadline
    )
    if ok then
        flight.token = got
        flight.err = err
    else
        flight.err = errors.local_error(
            "login_failed",
            tostring(got)
        )
    end
    if flight.token ~= nil then
        store(auth, flight.token)
    end
    if auth.flight == flight then
        auth.flight = nil
    end
    for ____, waiter in ipairs(flight.waiters) do
        waiter:post(1)
    end
end

local function run_login_in_timer(_premature, auth, core, flight, timeout, deadline)
    flight.ends_by = (deadline or now() + PATIENCE) + START_TIME
    run_login(
        auth,
        core,
        flight,
        timeout,
        deadline
    )
end

--- Waits until the login ends, is lost, or the time is up; returns why there is no token, if that is known.
---@param flight resty.etcd.call.client_state.PendingLogin
---@param deadline? number
---@return resty.etcd.protocol.errors.EtcdError?
local function wait(flight, deadline)
    local waiter, create_err = semaphore.new(0)
    if waiter == nil then
        return errors.local_error("login_failed", create_err)
    end
    local waiters = flight.waiters
    waiters[#waiters + 1] = waiter
    while true do
        local time = now()
        if deadline ~= nil and time >= deadline then
            return errors.out_of_time("waiting for the login: timeout")
        end
        if time >= flight.ends_by then
            return nil
        end
        local left = math.min(deadline or flight.ends_by, flight.ends_by) - time
        local may_wait, ok, err = guard(waiter.wait, waiter, left)
        if not may_wait then
            return errors.local_error(
                "bad_request",
                "waiting for the login: " .. tostring(ok)
            )
        end
        if ok == true then
            return flight.err
        end
        if err ~= "timeout" then
            local text = tostring(err)
            local disabled = find(text, "API disabled", 1, true)
            local name = disabled ~= nil and "bad_request" or "login_failed"
            return errors.local_error(name, "waiting for the login: " .. text)
        end
    end
end

--- Here nothing may wait or run beside, and nothing does.
---@return boolean
local function must_be_inline()
    local phase = ngx.get_phase()
    return phase == "init" or phase == "init_worker"
end

--- Starts a login, in a timer of its own: whoever asked for it may be killed with its request, and the others
--- still get their answer. Where there is no timer to be had it has ended when this returns.
---@param auth resty.etcd.call.client_state.TokenCache
---@param core resty.etcd.call.client_state.Core
---@param timeout number
---@param deadline number?
---@return resty.etcd.call.client_state.PendingLogin
local function start_login(auth, core, timeout, deadline)
    local after_a_lost_one = auth.flight ~= nil
    local flight = {
        waiters = {},
        token = nil,
        err = nil,
        ends_by = now() + START_TIME
    }
    auth.flight = flight
    if not after_a_lost_one and not must_be_inline() then
        local ok = timers.at(
            0,
            run_login_in_timer,
            auth,
            core,
            flight,
            timeout,
            deadline
        )
        if ok ~= nil then
            return flight
        end
    end
    flight.ends_by = now() + SHORT_PATIENCE
    run_login(
        auth,
        core,
        flight,
        timeout,
        deadline
    )
    return flight
end

--- The token to send, after a login if there is none. All who come during a login share it.
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
        local flight = auth.flight
        if flight == nil or now() >= flight.ends_by then
            is_owner = true
            flight = start_login(auth, core, timeout, deadline)
        end
        local err = flight.err
        if auth.flight == flight then
            local wait_until = deadline
            if is_owner and deadline ~= nil then
                wait_until = deadline + LAST_WORD
            end
            err = wait(flight, wait_until)
        end
        if flight.token ~= nil then
            return flight.token
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

--- Whether a token is so new that a member may refuse it and know it a moment later. A JWT is known at once.
---@param auth resty.etcd.call.client_state.TokenCache
---@param old string
---@return boolean
local function may_be_unknown_to_members(auth, old)
    if old ~= auth.token or now() >= auth.new_until then
        return false
    end
    local simple = find(old, "^%a+%.%d+$")
    return simple ~= nil
end

--- Whether a refused token says nothing about a login of this worker: another worker's login gave it, and it may be as
--- old as the one before it; or another call has dropped it already.
---@param auth resty.etcd.call.client_state.TokenCache
---@param old string
---@return boolean
local function is_from_elsewhere(auth, old)
    return auth.is_shared or old ~= auth.token
end

--- Forgets a token that etcd does not take any more, unless a newer one is there already.
---@param auth resty.etcd.call.client_state.TokenCache
---@param old string
local function invalidate(auth, old)
    if auth.token == old then
        auth.token = nil
    end
    local dict = auth.dict
    if dict ~= nil then
        local shared = dict:get(auth.dict_key)
        if shared == old then
            dict:delete(auth.dict_key)
        end
    end
end
_M.new = create
_M.invalidate = invalidate
_M.may_be_unknown_to_members = may_be_unknown_to_members
_M.is_from_elsewhere = is_from_elsewhere
_M.NONE = NONE
_M.token = token

return _M
