-- Generated from src/resty/etcd/slice.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.clock")
local now = clock.now

--- Seconds of work after which others get their turn: 4 ms, so that with what comes before it 10 are not reached.
local LONGEST = 0.004

--- A pause of 0 would be logged by an nginx without OpenResty's patches, each time.
local PAUSE = 0.001

--- A stretch of work that is not to hold up the worker.
---@class resty.etcd.slice.Slice
---@field since number

local function begin()
    return {since = now()}
end

--- Begins one after a pause, for work that comes after other work of unknown length.
---@return resty.etcd.slice.Slice
local function begin_anew()
    ngx.sleep(PAUSE)
    return begin()
end

--- Lets others run if the stretch has been long. To be called often, and only where waiting is possible.
---@param slice resty.etcd.slice.Slice
local function breathe(slice)
    if now() - slice.since > LONGEST then
        ngx.sleep(PAUSE)
        slice.since = now()
    end
end
_M.begin = begin
_M.begin_anew = begin_anew
_M.breathe = breathe

return _M
