-- Generated from src/resty/etcd/call/retry_delay.ts by TypeScriptToLua. Do not edit.
local _M = {}
local random = require("resty.etcd.base.random")
local clock = require("resty.etcd.base.clock")
local phase = require("resty.etcd.base.phase")
local min = math.min

--- Seconds before a second round of tries; it doubles with each round.
local FIRST_DELAY = 0.025
local MAX_DELAY = 1

--- Seconds that a member is given to hear of a token; they double with each refusal.
local FIRST_TOKEN_DELAY = 0.01

--- How often it is asked again.
local TOKEN_TRIES = 6

--- Lets some time pass before an endpoint is asked once more. A client under the health check that all share goes
--- on at once, as such clients always did.
---@param core resty.etcd.call.client_state.Core
---@param tries number how often the call was tried
---@param deadline number?
---@return boolean # false if there is no time for another try
local function before_try(core, tries, deadline)
    local n = #core.endpoints
    local seconds = 0
    if tries >= n and (core.health ~= nil or core.revision_floor ~= nil) then
        local round = math.floor(tries / n) - 1
        seconds = random.jittered(min(
            MAX_DELAY,
            FIRST_DELAY * 2 ^ min(round, 10)
        ))
    end
    if deadline ~= nil and clock.now() + seconds >= deadline then
        return false
    end
    if seconds > 0 and phase.can_wait() then
        pcall(ngx.sleep, seconds)
    end
    return true
end

--- Lets some time pass before a token is sent again that the other members may not have heard of.
---@param tries number how often that was done
---@param deadline number?
---@return boolean # false if it is no use to go on
local function before_token(tries, deadline)
    local seconds = FIRST_TOKEN_DELAY * 2 ^ tries
    if tries >= TOKEN_TRIES or deadline ~= nil and clock.now() + seconds >= deadline then
        return false
    end
    if not phase.can_wait() then
        return false
    end
    local ok = pcall(ngx.sleep, seconds)
    return ok
end
_M.before_token = before_token
_M.before_try = before_try
_M.TOKEN_TRIES = TOKEN_TRIES

return _M
