-- Generated from src/resty/etcd/base/timer_loop.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local timer_hosts = require("resty.etcd.base.timer_host")
local now = clock.now

--- Starts a loop: its first turn is due after some seconds. Does nothing if the loop is started already.
---@param loop resty.etcd.base.timer_host.TimerLoop
---@param seconds number
---@return true? res # true; or nil and why no timer can be created
---@return string? err
local function start(loop, seconds)
    if loop.is_started then
        return true
    end
    local group = loop.group
    local watched, err = timer_hosts.ensure_watchdog()
    if watched == nil then
        return nil, err
    end
    if group.current == nil then
        local requested, request_err = timer_hosts.request_host(group)
        if requested == nil then
            return nil, request_err
        end
    end
    loop.is_started = true
    loop.is_last_turn = false
    loop.starts = loop.starts + 1
    if loop.host == nil then
        loop.due = now() + seconds
    end
    local loops = group.loops
    loops[#loops + 1] = loop
    timer_hosts.watch_group(group)
    timer_hosts.notify(group.current)
    return true
end

--- Makes the next turn due immediately, or as soon as the running turn ends.
---@param loop resty.etcd.base.timer_host.TimerLoop
local function wake(loop)
    loop.is_woken = loop.host ~= nil
    if loop.due ~= nil then
        loop.due = 0
        timer_hosts.notify(loop.group.current)
    end
end

--- Stops a loop: the running turn continues until it returns, and no other turn follows.
---@param loop resty.etcd.base.timer_host.TimerLoop
local function stop(loop)
    timer_hosts.remove(loop)
    timer_hosts.notify(loop.group.current)
end

--- Counts units of work that a turn has done. The turn itself counts as one.
---@param loop resty.etcd.base.timer_host.TimerLoop
---@param units number
local function note_work(loop, units)
    local host = loop.host
    if host ~= nil then
        host.work = host.work + units
    end
end

--- Reports whether the running turn must return, because a new host runs that continues the loop.
---@param loop resty.etcd.base.timer_host.TimerLoop
---@return boolean
local function must_hand_over(loop)
    local current = loop.group.current
    return current ~= nil and current ~= loop.host
end

--- Creates a loop. `start` starts it.
---@param name string what log lines begin with
---@param run fun(): number?
---@param options resty.etcd.base.timer_host.LoopOptions
---@return resty.etcd.base.timer_host.TimerLoop
local function create(name, run, options)
    return {
        name = name,
        run = run,
        options = options,
        group = options.is_private == true and timer_hosts.new_group() or timer_hosts.shared_group,
        is_started = false,
        due = nil,
        host = nil,
        is_woken = false,
        is_last_turn = false,
        starts = 0
    }
end
_M.new = create
_M.must_hand_over = must_hand_over
_M.note_work = note_work
_M.start = start
_M.stop = stop
_M.wake = wake

return _M
