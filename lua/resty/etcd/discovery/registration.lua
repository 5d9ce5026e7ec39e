-- Generated from src/resty/etcd/discovery/registration.ts by TypeScriptToLua. Do not edit.
local _M = {}
local random = require("resty.etcd.base.random")
local semaphore = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local errors = require("resty.etcd.protocol.errors")
local watchdog = require("resty.etcd.base.watchdog")
local registration_steps = require("resty.etcd.discovery.registration_steps")
local timers = require("resty.etcd.base.timers")
local now = clock.now
local max = math.max
local min = math.min

--- Longest delay in seconds before a failed step is repeated.
local MAX_DELAY = 2

--- Seconds between two checks, during a step, whether the worker is exiting.
local POLL_INTERVAL = 0.25

--- The state of a registration.
---@class resty.etcd.discovery.registration.Status
---@field registered boolean The key is in etcd, as of the last response, and its lease has not expired.
---@field lease string? nil before it is granted.
---@field expires_in number Seconds until the lease expires unless it is renewed, counted from when the last renewal was sent.
---@field renewals number
---@field losses number Times that the lease expired, or the key was deleted or overwritten.
---@field ttl number TTL in seconds, as etcd granted it.
---@field owner_lease string? The lease of another registration of the same id that owns the key; nil if there is none.
---@field err string? Why the latest step failed.

--- An instance of a service in etcd, for as long as this worker runs.
---@class resty.etcd.discovery.registration.Registration: resty.etcd.discovery.registration_steps.State
---@field close fun(self: resty.etcd.discovery.registration_steps.State): true
---@field state fun(self: resty.etcd.discovery.registration_steps.State): resty.etcd.discovery.registration.Status

local function note(reg, err)
    local is_failure = err ~= nil and err.name ~= "conflict"
    reg.failures = is_failure and reg.failures + 1 or 0
    if err ~= nil then
        local ____opt_0 = reg.err
        if (____opt_0 and ____opt_0.message) ~= err.message then
            ngx.log(
                ngx.WARN,
                "registration of ",
                reg.key,
                ": ",
                errors.to_text(err),
                "; retrying"
            )
        end
    end
    reg.err = err
end

--- Makes a step and notes its result.
---@param reg resty.etcd.discovery.registration_steps.State
local function advance(reg)
    local ok, failed = pcall(registration_steps.step, reg)
    local err = failed
    if not ok then
        err = errors.local_error(
            "bad_reply",
            tostring(failed)
        )
    end
    if not registration_steps.is_over(reg) then
        note(reg, err)
    end
end

--- Runs a step and posts `done`, even if the step throws.
---@param reg resty.etcd.discovery.registration_steps.State
---@param fn fun(reg: resty.etcd.discovery.registration_steps.State)
---@param done table
local function run(reg, fn, done)
    local ok, err = pcall(fn, reg)
    if not ok then
        ngx.log(
            ngx.WARN,
            "registration of ",
            reg.key,
            ": ",
            tostring(err)
        )
    end
    done:post(1)
end

--- Runs a step, which can wait for etcd. It is killed when the worker exits.
---@param reg resty.etcd.discovery.registration_steps.State
---@param fn fun(reg: resty.etcd.discovery.registration_steps.State)
---@param grace number seconds that it has from then on
local function run_within_life(reg, fn, grace)
    local done, err = semaphore.new(0)
    if done == nil then
        ngx.log(
            ngx.WARN,
            "registration of ",
            reg.key,
            ": ",
            err
        )
        ngx.sleep(POLL_INTERVAL)
        return
    end
    local thread = ngx.thread.spawn(run, reg, fn, done)
    local is_done = done:wait(POLL_INTERVAL)
    while is_done ~= true and not ngx.worker.exiting() do
        is_done = done:wait(POLL_INTERVAL)
    end
    if is_done ~= true and grace > 0 then
        is_done = done:wait(grace)
    end
    if is_done ~= true then
        ngx.thread.kill(thread)
    end
end

--- Revokes the lease. If an exiting worker cannot wait for etcd, the lease expires later.
---@param reg resty.etcd.discovery.registration_steps.State
local function leave(reg)
    run_within_life(reg, registration_steps.deregister, registration_steps.EXIT_CALL_TIME)
end

--- Returns the seconds until the next step: a third of the TTL after the last renewal.
---@param reg resty.etcd.discovery.registration_steps.State
---@return number
local function delay(reg)
    if reg.failures == 0 then
        return max(
            0,
            reg.expires_at - now() - reg.granted * 2 / 3
        )
    end
    return random.jittered(min(
        MAX_DELAY,
        reg.granted / 6,
        0.1 * 2 ^ min(reg.failures, 10)
    ))
end

--- Schedules the next step.
---@param timer fun(premature: boolean, reg: resty.etcd.discovery.registration_steps.State, id: number)
---@param reg resty.etcd.discovery.registration_steps.State
---@param seconds number
---@return true? res
---@return string? err
local function plan(timer, reg, seconds)
    local ok, err = timers.at(seconds, timer, reg, reg.timers + 1)
    if ok == nil then
        return nil, err
    end
    reg.timers = reg.timers + 1
    watchdog.expect_restart_in(reg.life, seconds)
    return true
end

--- Makes steps until a timer for the next one is created. nginx runs the timer immediately when the worker exits.
---@param premature boolean
---@param reg resty.etcd.discovery.registration_steps.State
---@param timer fun(premature: boolean, reg: resty.etcd.discovery.registration_steps.State, id: number)
local function work(premature, reg, timer)
    while not premature and not registration_steps.is_over(reg) do
        run_within_life(reg, advance, 0)
        if not registration_steps.is_over(reg) then
            local seconds = delay(reg)
            if (plan(timer, reg, seconds)) ~= nil then
                return
            end
            ngx.sleep(min(seconds, 0.5))
        end
    end
    watchdog.release(reg.life)
    leave(reg)
end

local function step(premature, reg, id)
    if id == reg.timers then
        local signs = watchdog.start_heartbeat(reg.life)
        work(premature, reg, step)
        ngx.thread.kill(signs)
    end
end

local function leave_in_timer(_premature, reg)
    leave(reg)
end

local function state_of(self)
    local ____opt_2 = self.err
    local err = ____opt_2 and ____opt_2.message
    return {
        registered = self.is_registered and now() < self.expires_at,
        lease = self.lease,
        expires_in = self.lease ~= nil and max(
            0,
            self.expires_at - now()
        ) or 0,
        renewals = self.renewals,
        losses = self.losses,
        ttl = self.granted,
        owner_lease = self.owner_lease,
        err = err
    }
end

--- Ends the registration: its lease is revoked in the background, which deletes the key.
---@param self resty.etcd.discovery.registration_steps.State
---@return true
local function close(self)
    if not self.is_closed then
        self.is_closed = true
        watchdog.release(self.life)
        timers.at(0, leave_in_timer, self)
    end
    return true
end
local methods = {close = close, state = state_of}
local mt = {__index = methods}

--- Keeps a key in etcd for as long as this worker runs.
---@param cli resty.etcd.call.client_state.ClientState
---@param key string as etcd stores it
---@param value string
---@param ttl number seconds after which it expires if the worker stops renewing its lease
---@return resty.etcd.discovery.registration.Registration? res
---@return string? err
local function create(cli, key, value, ttl)
    local state = {
        cli = cli,
        key = key,
        value = value,
        ttl = ttl,
        life = {running = false, missed = 0},
        timers = 0,
        granted = ttl,
        lease = nil,
        previous_lease = nil,
        is_new = true,
        is_registered = false,
        owner_lease = nil,
        expires_at = 0,
        is_closed = false,
        renewals = 0,
        losses = 0,
        failures = 0,
        err = nil
    }
    local kept, keep_err = watchdog.supervise(
        state.life,
        function()
            plan(step, state, 0)
        end
    )
    if kept == nil then
        return nil, keep_err
    end
    local ok, err = plan(step, state, 0)
    if ok == nil then
        watchdog.release(state.life)
        return nil, err
    end
    return setmetatable(state, mt)
end
_M.new = create

return _M
