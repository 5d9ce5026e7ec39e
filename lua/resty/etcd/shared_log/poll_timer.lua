-- Generated from src/resty/etcd/shared_log/poll_timer.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local coordinators = require("resty.etcd.shared_log.coordinator")
local timers = require("resty.etcd.base.timers")
local now = clock.now

--- Seconds after which a timer that has not been heard of is lost: nginx drops timers when there are too many.
local LOST_AFTER = 2

--- Seconds after which the work goes on in a new timer: what nginx keeps for one is only freed when it ends.
local TIMER_LIFETIME = 300

--- Seconds for which a hub rests that has thrown.
local ERROR_PAUSE = 1

--- Looks around for all hubs of a worker, in one timer: waking up is what costs, not what is looked at then.
---@class resty.etcd.shared_log.poll_timer.PollTimer
---@field interval number Seconds between two rounds.
---@field coordinators resty.etcd.shared_log.coordinator.Coordinator[] Those that have readers.
---@field turn number Of the timer at work; one of an earlier turn ends.
---@field is_running boolean
---@field last_polled_at number

local function create(interval)
    return {
        interval = interval,
        coordinators = {},
        turn = 0,
        is_running = false,
        last_polled_at = 0
    }
end

local function tick(coordinator)
    local time = now()
    if time < coordinator.paused_until then
        return
    end
    local ok, err = pcall(coordinators.poll, coordinator)
    if not ok then
        coordinator.paused_until = time + ERROR_PAUSE
        ngx.log(ngx.ERR, "shared log of watches: ", err)
    end
end

--- Lets those go that nobody reads from any more.
---@param poll_timer resty.etcd.shared_log.poll_timer.PollTimer
local function drop_idle(poll_timer)
    local busy = {}
    local idle = {}
    for ____, coordinator in ipairs(poll_timer.coordinators) do
        if coordinator.reader_count > 0 then
            busy[#busy + 1] = coordinator
        else
            coordinator.is_polled = false
            idle[#idle + 1] = coordinator
        end
    end
    poll_timer.coordinators = busy
    for ____, coordinator in ipairs(idle) do
        coordinators.leave(coordinator)
    end
end

--- One round; true if there is nothing to do any more for some.
---@param poll_timer resty.etcd.shared_log.poll_timer.PollTimer
---@return boolean
local function go_round(poll_timer)
    local is_idle = false
    for ____, coordinator in ipairs(poll_timer.coordinators) do
        if coordinator.reader_count > 0 then
            tick(coordinator)
        else
            is_idle = true
        end
    end
    return is_idle
end

local function stop(poll_timer)
    poll_timer.is_running = false
    local left = poll_timer.coordinators
    poll_timer.coordinators = {}
    for ____, coordinator in ipairs(left) do
        coordinator.is_polled = false
        coordinators.leave(coordinator)
    end
end

local function run(_premature, poll_timer, turn)
    local since = now()
    while poll_timer.turn == turn do
        if #poll_timer.coordinators == 0 or ngx.worker.exiting() then
            stop(poll_timer)
            return
        end
        poll_timer.last_polled_at = now()
        if go_round(poll_timer) then
            drop_idle(poll_timer)
        end
        if now() - since > TIMER_LIFETIME and (ngx.timer.at(0, run, poll_timer, turn)) ~= nil then
            return
        end
        ngx.sleep(poll_timer.interval)
    end
end

--- Sees to it that a hub with readers is ticking.
---@param poll_timer resty.etcd.shared_log.poll_timer.PollTimer
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function ensure(poll_timer, coordinator)
    local time = now()
    local is_running = poll_timer.is_running and time - poll_timer.last_polled_at < LOST_AFTER
    if is_running and coordinator.is_polled or coordinator.reader_count == 0 or ngx.worker.exiting() then
        return
    end
    if not coordinator.is_polled then
        coordinator.is_polled = true
        local all = poll_timer.coordinators
        all[#all + 1] = coordinator
    end
    if not is_running then
        poll_timer.turn = poll_timer.turn + 1
        poll_timer.last_polled_at = time
        local ok = timers.at(0, run, poll_timer, poll_timer.turn)
        poll_timer.is_running = ok ~= nil
        coordinator.is_alone = ok == nil and coordinator.log == nil
    end
end
_M.new = create
_M.ensure = ensure

return _M
