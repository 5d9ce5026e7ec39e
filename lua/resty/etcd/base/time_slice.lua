-- Generated from src/resty/etcd/base/time_slice.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local now = clock.now
local guard = pcall

--- Seconds of work after which others get their turn. Far less than the 10 ms that are not to be reached: LuaJIT now and
-- then doubles its table of strings in one go, which takes 7 ms where there are 260,000 of them, and nobody knows when.
local LONGEST = 0.001

--- A pause of 0 would be logged by an nginx without OpenResty's patches, each time.
local PAUSE = 0.001

--- A stretch of work that is not to hold up the worker.
---@class resty.etcd.base.time_slice.Slice
---@field since number

--- Seconds after which a call that may wait has surely done so.
local WAIT = 0.0005

local function begin()
    return {since = now()}
end

--- Whether there is anybody to let run: not while nginx starts, where programs may have put a blocking sleep.
---@return boolean
local function may_pause()
    local phase = ngx.get_phase()
    return phase ~= "init" and phase ~= "init_worker"
end

--- Lets others run, in phases that can wait.
local function pause()
    if may_pause() then
        guard(ngx.sleep, PAUSE)
    end
end

--- Begins one after a pause, for work that comes after other work of unknown length.
---@return resty.etcd.base.time_slice.Slice
local function begin_anew()
    pause()
    return begin()
end

--- Lets others run if the stretch has been long, in phases that can wait. To be called often.
---@param slice resty.etcd.base.time_slice.Slice
local function breathe(slice)
    if now() - slice.since > LONGEST then
        pause()
        slice.since = now()
    end
end

--- For work on what comes now and then: it begins anew if one has waited for it.
---@param slice resty.etcd.base.time_slice.Slice
---@param since number when one began to wait
local function go_on(slice, since)
    local time = now()
    if time - since > WAIT then
        slice.since = time
    end
end
_M.begin = begin
_M.begin_anew = begin_anew
_M.breathe = breathe
_M.go_on = go_on
_M.may_pause = may_pause
_M.pause = pause

return _M
