-- Generated from src/resty/etcd/endpoint/half_open.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphores = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local wait = require("resty.etcd.base.wait")
local now = clock.now

--- Of an endpoint that was banned, until it answers again: one call tries it, the others wait for how that ends.
---@class resty.etcd.endpoint.half_open.HalfOpen
---@field ends_by number Until when the call that tries it now keeps others from it; 0 if there is none.
---@field banned_at number When the endpoint was seen banned last.

--- How long the others wait at most: the call may have been killed, or may have much time.
local MAX_PROBE_TIME = 1

--- Seconds between two tries, of whichever endpoints: many may come back at the same moment, or fail several times.
local MIN_PROBE_INTERVAL = 0.125

--- Seconds after which an endpoint that nobody has come back to is forgotten.
local FORGET_AFTER = 3600

--- By host: the health check that they belong to is one for all clients of a worker, too.
local by_host = {}

--- Until then no call tries another endpoint.
local next_try = 0

--- Calls that wait; for whichever trial ends first.
local waiting

local function forget_old(time)
    for host, half_open in pairs(by_host) do
        if time - half_open.banned_at > FORGET_AFTER then
            by_host[host] = nil
        end
    end
end

--- Notes that an endpoint is banned.
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

--- Whether a call may use an endpoint that is not banned; if it is on trial, that is now this call's.
---@param host string
---@return boolean
local function try_acquire(host)
    local half_open = by_host[host]
    if half_open == nil then
        return true
    end
    local time = now()
    if time < half_open.ends_by or time < next_try then
        return false
    end
    half_open.ends_by = time + MAX_PROBE_TIME
    next_try = time + MIN_PROBE_INTERVAL
    return true
end

local function wake_waiters()
    if waiting ~= nil then
        wait.wake_all(waiting)
    end
end

--- The endpoint has let a call down, or was not tried after all.
---@param host string
local function on_failure(host)
    local half_open = by_host[host]
    if half_open ~= nil then
        half_open.ends_by = 0
        wake_waiters()
    end
end

--- The endpoint has answered.
---@param host string
local function on_success(host)
    local half_open = by_host[host]
    if half_open ~= nil then
        by_host[host] = nil
        next_try = 0
        wake_waiters()
    end
end

--- There are no bans any more: all may go on.
local function forget_all()
    for host in pairs(by_host) do
        by_host[host] = nil
    end
    wake_waiters()
end

--- Waits until a trial has ended.
---@param deadline number?
---@return boolean # whether it is worth while to look for an endpoint again
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
    if next_try > time then
        ____until = math.min(____until, next_try)
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
    local is_early = next_try > time
    next_try = 0
    return is_early
end
_M.note_ban = note_ban
_M.on_failure = on_failure
_M.forget_all = forget_all
_M.try_acquire = try_acquire
_M.on_success = on_success
_M.wait_for_probe = wait_for_probe

return _M
