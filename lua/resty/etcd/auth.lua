-- Generated from src/resty/etcd/auth.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.clock")
local errors = require("resty.etcd.errors")
local log = require("resty.etcd.log")
local now = clock.now
local guard = pcall

--- The longest that a semaphore can wait, in seconds.
local FOREVER = 2147483

--- A client's user and the token it holds.
---@class resty.etcd.auth.Auth
---@field user string
---@field password string
---@field login fun(core: resty.etcd.core.Core, auth: resty.etcd.auth.Auth, timeout: number): string?, resty.etcd.errors.EtcdError?
---@field token string?
---@field flight resty.etcd.auth.Flight? The login under way.

--- One login, and all who wait for it in the order in which they came.
---@class resty.etcd.auth.Flight
---@field waiters table[]
---@field token string?
---@field err resty.etcd.errors.EtcdError?

local function create(user, password, login)
    return {
        user = user,
        password = password,
        login = login,
        token = nil,
        flight = nil
    }
end

--- Logs in and tells everyone who waits.
---@param auth resty.etcd.auth.Auth
---@param core resty.etcd.core.Core
---@param flight resty.etcd.auth.Flight
---@param timeout number
local function fly(auth, core, flight, timeout)
    local ok, got, err = guard(auth.login, core, auth, timeout)
    if ok then
        flight.token = got
        flight.err = err
    else
        flight.err = errors.failure(
            "login_failed",
            tostring(got)
        )
    end
    auth.token = flight.token
    auth.flight = nil
    for ____, waiter in ipairs(flight.waiters) do
        waiter:post(1)
    end
end

local function fly_in_timer(_premature, auth, core, flight, timeout)
    fly(auth, core, flight, timeout)
end

local function wait(flight, deadline)
    local waiter, create_err = semaphore.new(0)
    if waiter == nil then
        return errors.failure("login_failed", create_err)
    end
    local ____flight_waiters_0 = flight.waiters
    ____flight_waiters_0[#____flight_waiters_0 + 1] = waiter
    local ok, err = waiter:wait(deadline ~= nil and math.max(
        0,
        deadline - now()
    ) or FOREVER)
    if ok == nil then
        return errors.failure(err == "timeout" and "timeout" or "login_failed", "waiting for the login: " .. err)
    end
    return flight.err
end

--- Here nothing may wait or run beside, and nothing does.
---@return boolean
local function must_be_inline()
    local phase = ngx.get_phase()
    return phase == "init" or phase == "init_worker"
end

--- The token to send, after a login if there is none. All who come during a login share it.
---
--- The login runs in a timer of its own: whoever asked for it may be killed with its request, and the others
--- still get their answer.
---@param auth resty.etcd.auth.Auth
---@param core resty.etcd.core.Core
---@param deadline number?
---@param timeout number
---@return string? res
---@return resty.etcd.errors.EtcdError? err
local function token(auth, core, deadline, timeout)
    if auth.token ~= nil then
        return auth.token
    end
    local flight = auth.flight
    local is_owner = flight == nil
    if flight == nil then
        flight = {waiters = {}, token = nil, err = nil}
        if must_be_inline() then
            fly(auth, core, flight, timeout)
        else
            auth.flight = flight
            local ok = ngx.timer.at(
                0,
                fly_in_timer,
                auth,
                core,
                flight,
                timeout
            )
            if ok == nil then
                fly(auth, core, flight, timeout)
            end
        end
    end
    local err = flight.err
    if auth.flight == flight then
        err = wait(flight, deadline)
    end
    if flight.token ~= nil then
        return flight.token
    end
    if err == nil then
        err = errors.failure("login_failed", "authenticate refresh token fail")
    end
    if not is_owner and log.info_enabled() then
        ngx.log(
            ngx.INFO,
            "v3 refresh jwt last err: ",
            errors.text(err)
        )
    end
    return nil, err
end

--- Forgets a token that etcd does not take any more, unless a newer one is there already.
---@param auth resty.etcd.auth.Auth
---@param old string
local function drop(auth, old)
    if auth.token == old then
        auth.token = nil
    end
end
_M.new = create
_M.drop = drop
_M.token = token

return _M
