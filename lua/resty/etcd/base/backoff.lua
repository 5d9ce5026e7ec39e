-- Generated from src/resty/etcd/base/backoff.ts by TypeScriptToLua. Do not edit.
local _M = {}
local random = require("resty.etcd.base.random")
local min = math.min

--- Shortest delay in seconds.
local FIRST_DELAY = 0.07

--- Longest delay in seconds.
local MAX_DELAY = 10

--- Doublings after which the delay no longer grows; keeps 2 ** n finite.
local MAX_DOUBLINGS = 30

--- Returns the delay in seconds after the n-th failure in a row, counted from 0: `first`, doubled each time up to `max`.
--- It is jittered, so that workers that failed together do not return together.
---@param first number
---@param max number
---@param n number
---@return number
local function exponential(first, max, n)
    return random.jittered(min(
        max,
        first * 2 ^ min(n, MAX_DOUBLINGS)
    ))
end

--- State of a backoff whose delays each depend on the one before.
---@class resty.etcd.base.backoff.Backoff
---@field seconds number The last delay in seconds; 0 after a success.

local function create()
    return {seconds = 0}
end

--- Returns the next delay: random between the last one and twice the last one, so that workers that failed together do not
--- return together. None is shorter than the last one: with decorrelated jitter, where that is possible, delays grow by
--- 10 % per failure only, and 50 watches make twice as many attempts.
---@param backoff resty.etcd.base.backoff.Backoff
---@return number
local function next(backoff)
    local last = backoff.seconds == 0 and FIRST_DELAY or backoff.seconds
    backoff.seconds = min(
        MAX_DELAY,
        last * (1 + random.next())
    )
    return backoff.seconds
end

--- Resets the delay after a success.
---@param backoff resty.etcd.base.backoff.Backoff
local function reset(backoff)
    backoff.seconds = 0
end
_M.new = create
_M.exponential = exponential
_M.next = next
_M.reset = reset

return _M
