-- Generated from src/resty/etcd/base/time_slice.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local phase = require("resty.etcd.base.phase")
local now = clock.now

--- Seconds of work after which others get their turn. Far less than the 10 ms that are not to be reached: LuaJIT now and
-- then doubles its table of strings in one go, which takes 7 ms where there are 260,000 of them, and nobody knows when.
local MAX_SLICE = 0.001

--- A pause of 0 would be logged by an nginx without OpenResty's patches, each time.
local YIELD_TIME = 0.001

--- A stretch of work that is not to hold up the worker.
---@class resty.etcd.base.time_slice.TimeSlice
---@field since number

--- Seconds after which a call that may wait has surely done so.
local MIN_WAIT = 0.0005

local function start()
    return {since = now()}
end

--- Lets others run, in phases that can wait.
local function yield_now()
    if phase.can_wait() then
        pcall(ngx.sleep, YIELD_TIME)
    end
end

--- Begins one after a pause, for work that comes after other work of unknown length.
---@return resty.etcd.base.time_slice.TimeSlice
local function yield_and_start()
    yield_now()
    return start()
end

--- Lets others run if the stretch has been long, in phases that can wait. To be called often.
---@param slice resty.etcd.base.time_slice.TimeSlice
local function yield_if_due(slice)
    if now() - slice.since > MAX_SLICE then
        yield_now()
        slice.since = now()
    end
end

--- For work on what comes now and then: it begins anew if one has waited for it.
---@param slice resty.etcd.base.time_slice.TimeSlice
---@param since number when one began to wait
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
_M.yield_now = yield_now

return _M
