-- Generated from src/resty/etcd/base/time_slice.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local phase = require("resty.etcd.base.phase")
local wait = require("resty.etcd.base.wait")
local now = clock.now

--- Seconds of work after which a loop yields. The goal is to block the worker for less than 10 ms; at any time LuaJIT
-- can double its string table on top of that, which takes 7 ms for 260,000 strings.
local MAX_SLICE = 0.001

--- Work since the last yield.
---@class resty.etcd.base.time_slice.TimeSlice
---@field since number

--- Seconds after which a call that can wait is assumed to have waited, and thus yielded.
local MIN_WAIT = 0.0005

local function start()
    return {since = now()}
end

--- Yields to other requests, in phases that can wait.
local function yield_now()
    if phase.can_wait() then
        pcall(wait.sleep, wait.MIN_PAUSE)
    end
end

--- Yields and starts a slice, for work that follows other work of unknown length.
---@return resty.etcd.base.time_slice.TimeSlice
local function yield_and_start()
    yield_now()
    return start()
end

--- Yields if the time slice is used up. Call it in every loop over keys; it does nothing in phases that cannot wait.
---@param slice resty.etcd.base.time_slice.TimeSlice
local function yield_if_due(slice)
    if now() - slice.since > MAX_SLICE then
        yield_now()
        slice.since = now()
    end
end

--- Starts the slice again if the caller has waited, for work on input that arrives irregularly.
---@param slice resty.etcd.base.time_slice.TimeSlice
---@param since number time before the call that could wait
local function restart_after_wait(slice, since)
    local time = now()
    if time - since > MIN_WAIT then
        slice.since = time
    end
end
_M.start = start
_M.yield_and_start = yield_and_start
_M.yield_if_due = yield_if_due
_M.restart_after_wait = restart_after_wait

return _M
