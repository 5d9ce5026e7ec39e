-- Generated from src/resty/etcd/shared_log/poll_timer.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local coordinators = require("resty.etcd.shared_log.coordinator")
local timers = require("resty.etcd.base.timers")
local now = clock.now

--- Seconds without a round after which the timer counts as dropped: nginx drops timers if too many are running.
local DROPPED_AFTER = 2

--- Seconds after which the work continues in a new timer: nginx frees what a timer has allocated only when it ends.
local TIMER_LIFETIME = 300

--- Polls all logs of a worker in one timer: the wakeups of a timer are the cost, not the polls.
---@class resty.etcd.shared_log.poll_timer.PollTimer
---@field interval number Seconds between two rounds.
---@field coordinators resty.etcd.shared_log.coordinator.Coordinator[] Those that have readers.
---@field is_polled table
---@field turn number Number of the current timer. An older one ends.
---@field is_running boolean
---@field last_polled_at number

local function create(interval)
    return {
        interval = interval,
        coordinators = {},
        is_polled = {},
        turn = 0,
        is_running = false,
        last_polled_at = 0
    }
end

--- Removes coordinators that have no readers any more.
---@param poll_timer resty.etcd.shared_log.poll_timer.PollTimer
local function remove_idle(poll_timer)
    local busy = {}
    local idle = {}
    for ____, coordinator in ipairs(poll_timer.coordinators) do
        if coordinator.reader_count > 0 then
            busy[#busy + 1] = coordinator
        else
            poll_timer.is_polled[coordinator] = nil
            idle[#idle + 1] = coordinator
        end
    end
    poll_timer.coordinators = busy
    for ____, coordinator in ipairs(idle) do
        coordinators.resign(coordinator)
    end
end

--- Polls all logs once. Reports whether a coordinator has no readers any more.
---@param poll_timer resty.etcd.shared_log.poll_timer.PollTimer
---@return boolean
local function poll_all(poll_timer)
    local has_idle = false
    for ____, coordinator in ipairs(poll_timer.coordinators) do
        if coordinator.reader_count > 0 then
            coordinators.poll(coordinator)
        else
            has_idle = true
        end
    end
    return has_idle
end

local function stop(poll_timer)
    poll_timer.is_running = false
    local rest = poll_timer.coordinators
    poll_timer.coordinators = {}
    for ____, coordinator in ipairs(rest) do
        poll_timer.is_polled[coordinator] = nil
        coordinators.resign(coordinator)
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
        if poll_all(poll_timer) then
            remove_idle(poll_timer)
        end
        if now() - since > TIMER_LIFETIME and (ngx.timer.at(0, run, poll_timer, turn)) ~= nil then
            return
        end
        ngx.sleep(poll_timer.interval)
    end
end

--- Makes sure that a coordinator with readers is polled.
---@param poll_timer resty.etcd.shared_log.poll_timer.PollTimer
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function ensure(poll_timer, coordinator)
    local time = now()
    local is_running = poll_timer.is_running and time - poll_timer.last_polled_at < DROPPED_AFTER
    local is_polled = poll_timer.is_polled[coordinator] ~= nil
    if is_running and is_polled or coordinator.reader_count == 0 or ngx.worker.exiting() then
        return
    end
    if not is_polled then
        poll_timer.is_polled[coordinator] = true
        local all = poll_timer.coordinators
        all[#all + 1] = coordinator
    end
    if not is_running then
        poll_timer.turn = poll_timer.turn + 1
        poll_timer.last_polled_at = time
        local ok = timers.at(0, run, poll_timer, poll_timer.turn)
        poll_timer.is_running = ok ~= nil
        coordinators.set_polled(coordinator, poll_timer.is_running)
    end
end
_M.new = create
_M.ensure = ensure

return _M
