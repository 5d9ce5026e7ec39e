-- Generated from src/resty/etcd/base/watchdog.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Work that goes on in a timer for long.
---@class resty.etcd.base.watchdog.Heartbeat
---@field running boolean Its timer has started.
---@field missed number Looks of the keeper since its last sign of life.

--- The keeper looks after all timers of this worker so often, in seconds; they give signs of life twice as often.
local CHECK_INTERVAL = 1

--- So many looks without a sign of life, and the timer is no more.
local MAX_MISSED = 3
local lives = {}
local is_kept = false

local function check_all(premature)
    if premature then
        return
    end
    local lost = {}
    for life in pairs(lives) do
        life.missed = life.missed + 1
        if life.missed >= MAX_MISSED then
            lost[#lost + 1] = life
        end
    end
    for ____, life in ipairs(lost) do
        local on_lost = lives[life]
        if on_lost ~= nil then
            local had_begun = life.running
            life.running = false
            life.missed = 0
            on_lost(had_begun)
        end
    end
end

--- Looks after work in a timer: nginx drops timers when too many run, which it says to nobody, and a user's function may
--- end the one that it is called in.
---@param life resty.etcd.base.watchdog.Heartbeat
---@param on_lost fun(had_begun: boolean)
---@return true? res
---@return string? err
local function supervise(life, on_lost)
    if not is_kept then
        local kept, err = ngx.timer.every(CHECK_INTERVAL, check_all)
        if kept == nil then
            return nil, err
        end
        is_kept = true
    end
    lives[life] = on_lost
    return true
end

--- It has come to its end by itself.
---@param life resty.etcd.base.watchdog.Heartbeat
local function release(life)
    lives[life] = nil
end

local function beat(life)
    while true do
        life.missed = 0
        ngx.sleep(CHECK_INTERVAL / 2)
    end
end

--- To be called by the work's timer. Gives signs of life in a light thread, which must be killed at the end.
---@param life resty.etcd.base.watchdog.Heartbeat
---@return table
local function start_heartbeat(life)
    life.running = true
    return ngx.thread.spawn(beat, life)
end

--- Its next timer comes in so many seconds: until then there are no signs of life.
---@param life resty.etcd.base.watchdog.Heartbeat
---@param seconds number
local function expect_restart_in(life, seconds)
    life.running = false
    life.missed = -math.ceil(seconds / CHECK_INTERVAL)
end
_M.start_heartbeat = start_heartbeat
_M.supervise = supervise
_M.release = release
_M.expect_restart_in = expect_restart_in

return _M
