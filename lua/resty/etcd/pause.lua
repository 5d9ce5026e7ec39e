-- Generated from src/resty/etcd/pause.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.clock")
local health = require("resty.etcd.health")
local min = math.min
local guard = pcall

--- Seconds before a second round of tries; it doubles with each round.
local FIRST = 0.025
local LONGEST = 1

--- Lets some time pass before an endpoint is asked once more. A client under the health check that all share goes
--- on at once, as such clients always did.
---@param core resty.etcd.core.Core
---@param tries number how often the call was tried
---@param deadline number?
local function before_try(core, tries, deadline)
    local n = #core.endpoints
    if core.health == nil and core.order == nil then
        return
    end
    if tries < n then
        return
    end
    local round = math.floor(tries / n) - 1
    local seconds = health.jittered(min(
        LONGEST,
        FIRST * 2 ^ min(round, 10)
    ))
    if deadline ~= nil then
        seconds = min(
            seconds,
            deadline - clock.now()
        )
    end
    if seconds > 0 then
        guard(ngx.sleep, seconds)
    end
end
_M.before_try = before_try

return _M
