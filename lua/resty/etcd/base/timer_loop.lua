-- Generated from src/resty/etcd/base/timer_loop.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local printable = require("resty.etcd.base.printable")
local timer_host = require("resty.etcd.base.timer_host")
local timer_supervisor = require("resty.etcd.base.timer_supervisor")
local timer_turns = require("resty.etcd.base.timer_turns")
local wait = require("resty.etcd.base.wait")
local now = clock.now

--- Starts a loop: its first turn is due after some seconds. Does nothing if the loop is started already. If nginx has no
--- timer for it, it waits: see `problem`.
---@param loop resty.etcd.base.timer_types.TimerLoop
---@param seconds number
---@return true? res # true; or nil and why no timer can be created
---@return string? err
local function start(loop, seconds)
    if loop.is_started then
        return true
    end
    local ok, err = timer_supervisor.ensure()
    if ok == nil then
        return nil, err
    end
    loop.is_last_turn = false
    loop.starts = loop.starts + 1
    if loop.host == nil then
        loop.due = now() + (seconds == 0 and 0 or wait.bounded(seconds))
    end
    timer_turns.add(loop)
    timer_host.assign(loop.pool)
    return true
end

--- Makes the next turn due immediately, or as soon as the running turn ends.
---@param loop resty.etcd.base.timer_types.TimerLoop
local function wake(loop)
    loop.is_woken = loop.host ~= nil
    if loop.due ~= nil then
        loop.due = 0
        timer_turns.notify(loop.home)
    end
end

--- Stops a loop: the running turn continues until it returns, and no other turn follows.
---@param loop resty.etcd.base.timer_types.TimerLoop
local function stop(loop)
    timer_turns.remove(loop)
end

--- Stops a loop and kills its running turn. A turn cannot do that to itself.
---@param loop resty.etcd.base.timer_types.TimerLoop
local function kill(loop)
    timer_turns.remove(loop)
    timer_turns.kill(loop)
end

--- Counts light threads and connections that a turn has made, in addition to the turn itself.
---@param loop resty.etcd.base.timer_types.TimerLoop
---@param count number
local function note_leftovers(loop, count)
    local host = loop.host
    if host ~= nil then
        host.leftovers = host.leftovers + count
    end
end

--- Reports whether the running turn must return, because another host continues the loop.
---@param loop resty.etcd.base.timer_types.TimerLoop
---@return boolean
local function must_hand_over(loop)
    local host = loop.host
    local ____temp_1 = host ~= nil
    if ____temp_1 then
        local ____temp_0
        if loop.options.pool == "streams" then
            ____temp_0 = host.is_evicted
        else
            ____temp_0 = host.is_retired
        end
        ____temp_1 = ____temp_0
    end
    return ____temp_1
end

--- Returns why the next turn is late; nil if it is not.
---@param loop resty.etcd.base.timer_types.TimerLoop
---@return string?
local function problem(loop)
    return timer_supervisor.problem_of(loop)
end

--- Creates a loop. `start` starts it.
---@param name string what log lines begin with
---@param run fun(): number?
---@param options resty.etcd.base.timer_types.LoopOptions
---@return resty.etcd.base.timer_types.TimerLoop
local function create(name, run, options)
    return {
        name = printable.key(name),
        run = run,
        options = options,
        pool = timer_supervisor.pool_of(options.pool),
        home = nil,
        is_started = false,
        due = nil,
        host = nil,
        is_woken = false,
        is_last_turn = false,
        starts = 0
    }
end

--- Runs a function once, in a timer that loops share. It is not repeated if the timer is terminated.
---@param name string
---@param fn fun()
---@return resty.etcd.base.timer_types.TimerLoop? # the loop of its only turn; nil if nginx has no timer for it now
local function run_once(name, fn)
    local loop
    loop = create(
        name,
        function()
            fn()
            return nil
        end,
        {on_terminated = function()
            stop(loop)
            return false
        end}
    )
    local pool = loop.pool
    loop.starts = 1
    loop.due = now()
    timer_turns.add(loop)
    timer_host.assign(pool)
    if loop.home == nil and pool.requested == nil then
        stop(loop)
        return nil
    end
    return loop
end
_M.new = create
_M.kill = kill
_M.must_hand_over = must_hand_over
_M.note_leftovers = note_leftovers
_M.problem = problem
_M.run_once = run_once
_M.start = start
_M.stop = stop
_M.wake = wake

return _M
