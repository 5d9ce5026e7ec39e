-- Generated from src/resty/etcd/shared_log/poll_timer.ts by TypeScriptToLua. Do not edit.
local _M = {}
local timer_loop = require("resty.etcd.base.timer_loop")
local waits = require("resty.etcd.base.wait")
local coordinators = require("resty.etcd.shared_log.coordinator")

--- Polls all logs of a worker in one loop: its wakeups are the cost, not the polls.
---@class resty.etcd.shared_log.poll_timer.PollTimer
---@field interval number Seconds between two rounds.
---@field loop resty.etcd.base.timer_types.TimerLoop
---@field coordinators resty.etcd.shared_log.coordinator.Coordinator[] Those that have readers, and those that have just lost the last one.
---@field is_polled table

--- Removes coordinators, which resign.
---@param poll_timer resty.etcd.shared_log.poll_timer.PollTimer
---@param removed resty.etcd.shared_log.coordinator.Coordinator[]
local function remove(poll_timer, removed)
    for ____, coordinator in ipairs(removed) do
        poll_timer.is_polled[coordinator] = nil
    end
    for ____, coordinator in ipairs(removed) do
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

--- Removes coordinators that have no readers any more.
---@param poll_timer resty.etcd.shared_log.poll_timer.PollTimer
local function remove_idle(poll_timer)
    local busy = {}
    local idle = {}
    for ____, coordinator in ipairs(poll_timer.coordinators) do
        if coordinator.reader_count > 0 then
            busy[#busy + 1] = coordinator
        else
            idle[#idle + 1] = coordinator
        end
    end
    poll_timer.coordinators = busy
    remove(poll_timer, idle)
end

--- Polls until there are no readers any more, or the worker is exiting: the coordinators then resign.
---@param poll_timer resty.etcd.shared_log.poll_timer.PollTimer
---@return number?
local function run(poll_timer)
    while #poll_timer.coordinators > 0 do
        if ngx.worker.exiting() then
            local all = poll_timer.coordinators
            poll_timer.coordinators = {}
            remove(poll_timer, all)
            return nil
        end
        if poll_all(poll_timer) then
            remove_idle(poll_timer)
        end
        if timer_loop.must_hand_over(poll_timer.loop) then
            return 0
        end
        waits.sleep(poll_timer.interval)
    end
    return nil
end

---@param interval number seconds between two rounds
---@return resty.etcd.shared_log.poll_timer.PollTimer
local function create(interval)
    local poll_timer
    poll_timer = {
        interval = interval,
        loop = timer_loop.new(
            "shared watch log",
            function() return run(poll_timer) end,
            {}
        ),
        coordinators = {},
        is_polled = {}
    }
    return poll_timer
end

--- Makes sure that a coordinator with readers is polled.
---@param poll_timer resty.etcd.shared_log.poll_timer.PollTimer
---@param coordinator resty.etcd.shared_log.coordinator.Coordinator
local function ensure(poll_timer, coordinator)
    if coordinator.reader_count == 0 or ngx.worker.exiting() then
        return
    end
    local is_polled = poll_timer.is_polled[coordinator] ~= nil
    if not is_polled then
        poll_timer.is_polled[coordinator] = true
        local all = poll_timer.coordinators
        all[#all + 1] = coordinator
    end
    if not poll_timer.loop.is_started then
        local ok = timer_loop.start(poll_timer.loop, 0)
        coordinators.set_polled(coordinator, ok ~= nil)
    end
end
_M.new = create
_M.ensure = ensure

return _M
