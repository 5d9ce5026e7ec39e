-- Generated from src/resty/etcd/turns.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.clock")
local now = clock.now
local guard = pcall

--- Seconds of work after which others get their turn.
local SLICE = 0.004

--- How long they have it at least: nginx without OpenResty's patches warns of 0.
local PAUSE = 0.001

--- To be called again and again in long work: lets others have their turn once it is due.
---@param since number when the work began or went on
---@return number # since when it goes on
local function give_way(since)
    if now() - since < SLICE then
        return since
    end
    guard(ngx.sleep, PAUSE)
    return now()
end
_M.give_way = give_way

return _M
