-- Generated from src/resty/etcd/endpoint/half_open.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphores = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local wait = require("resty.etcd.base.wait")
local now = clock.now

--- The half-open state of an endpoint after a ban, as in a circuit breaker: one call probes the endpoint, the others wait
--- for the outcome. It ends with the first response.
---@class resty.etcd.endpoint.half_open.HalfOpen
---@field ends_by number Time until which the current probe blocks other calls; 0 if no call probes.
---@field banned_at number Time at which the endpoint was last seen banned.

--- Seconds after which another call can probe: the first one can have been killed, or can have a long timeout.
local MAX_PROBE_TIME = 1

--- Shortest time in seconds between two probes, of any endpoints: many bans can end at the same time.
local MIN_PROBE_INTERVAL = 0.2

--- Seconds after the last ban after which an endpoint without further calls is removed.
local FORGET_AFTER = 3600

--- By host, for all clients of the worker, as the shared health check is.
local by_host = {}

--- Earliest time of the next probe, of any endpoint.
local next_probe_at = 0

--- Calls that wait for the end of any probe.
local waiting

local function forget_old(time)
    for host, half_open in pairs(by_host) do
        if time - half_open.banned_at > FORGET_AFTER then
            by_host[host] = nil
        end
    end
end

--- Records that an endpoint is banned.
---@param host string
local function note_ban(host)
    local time = now()
    local half_open = by_host[host]
    if half_open == nil then
        forget_old(time)
        by_host[host] = {ends_by = 0, banned_at = time}
    else
        half_open.banned_at = time
    end
end

--- Allows a call to use an endpoint that is not banned; in the half-open state only as its probe, which starts now.
---@param host string
---@return boolean
local function try_acquire(host)
    local half_open = by_host[host]
    if half_open == nil then
        return true
    end
    local time = now()
    if time < half_open.ends_by or time < next_probe_at then
        return false
    end
    half_open.ends_by = time + MAX_PROBE_TIME
    next_probe_at = time + MIN_PROBE_INTERVAL
    return true
end

local function wake_waiters()
    if waiting ~= nil then
        wait.wake_all(waiting)
    end
end

--- Ends a probe that failed, or that was not made.
---@param host string
local function on_failure(host)
    local half_open = by_host[host]
    if half_open ~= nil then
        half_open.ends_by = 0
        wake_waiters()
    end
end

--- Ends the half-open state after a response of the endpoint. Returns false if there was none.
---@param host string
---@return boolean
local function on_success(host)
    local half_open = by_host[host]
    if half_open == nil then
        return false
    end
    by_host[host] = nil
    next_probe_at = 0
    wake_waiters()
    return true
end

--- Ends all half-open states, because the health check was disabled.
local function forget_all()
    for host in pairs(by_host) do
        by_host[host] = nil
    end
    wake_waiters()
end

--- Waits until a probe ends, or until the next one can start.
---@param deadline number?
---@return boolean # true if an endpoint can be available now
local function wait_for_probe(deadline)
    local time = now()
    if deadline ~= nil and time >= deadline then
        return false
    end
    if waiting == nil then
        waiting = semaphores.new(0)
    end
    if waiting == nil then
        return false
    end
    local ____until = math.min(time + MAX_PROBE_TIME, deadline or math.huge)
    if next_probe_at > time then
        ____until = math.min(____until, next_probe_at)
    end
    for ____, half_open in pairs(by_host) do
        if half_open.ends_by > time then
            ____until = math.min(____until, half_open.ends_by)
        end
    end
    local outcome = wait.wait(
        waiting,
        math.max(0, ____until - time)
    )
    if outcome ~= "cannot_wait" then
        return true
    end
    local was_early = next_probe_at > time
    next_probe_at = 0
    return was_early
end
_M.note_ban = note_ban
_M.on_failure = on_failure
_M.forget_all = forget_all
_M.try_acquire = try_acquire
_M.on_success = on_success
_M.wait_for_probe = wait_for_probe

return _M
