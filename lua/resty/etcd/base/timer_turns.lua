-- Generated from src/resty/etcd/base/timer_turns.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local printable = require("resty.etcd.base.printable")
local error_text = require("resty.etcd.base.error_text")
local wait_bounds = require("resty.etcd.base.wait")
local now = clock.now
local min = math.min

--- Seconds before the next turn after one that raised an error.
local ERROR_DELAY = 1

--- Number of loops that are started.
local started = 0

local function count_started()
    return started
end

--- Wakes the main thread of a host, which starts turns that are due and frees those that are over.
---@param host resty.etcd.base.timer_types.Host?
local function notify(host)
    if host ~= nil and not host.is_notified then
        host.is_notified = true
        if host.signal:count() < 0 then
            host.signal:post(1)
        end
    end
end

local function without(list, item)
    local rest = {}
    for ____, other in ipairs(list) do
        if other ~= item then
            rest[#rest + 1] = other
        end
    end
    return rest
end

--- Notes that a loop is started: it waits for a host.
---@param loop resty.etcd.base.timer_types.TimerLoop
local function add(loop)
    local waiting = loop.pool.waiting
    loop.is_started = true
    loop.home = nil
    waiting[#waiting + 1] = loop
    started = started + 1
end

--- Makes a host run the next turns of a loop.
---@param host resty.etcd.base.timer_types.Host
---@param loop resty.etcd.base.timer_types.TimerLoop
local function move_to(host, loop)
    local loops = host.loops
    loops[#loops + 1] = loop
    loop.home = host
end

--- Takes a loop from the host of its next turns, or from the loops that wait for a host.
---@param loop resty.etcd.base.timer_types.TimerLoop
local function detach(loop)
    local ____loop_0 = loop
    local home = ____loop_0.home
    local pool = ____loop_0.pool
    if home ~= nil then
        loop.home = nil
        home.loops = without(home.loops, loop)
        notify(home)
    else
        pool.waiting = without(pool.waiting, loop)
    end
end

local function remove(loop)
    if loop.is_started then
        loop.is_started = false
        loop.due = nil
        started = started - 1
        detach(loop)
    end
end

--- Makes the hosts of another pool run the next turns of a loop that is started.
---@param loop resty.etcd.base.timer_types.TimerLoop
---@param pool resty.etcd.base.timer_types.HostPool
local function change_pool(loop, pool)
    detach(loop)
    loop.pool = pool
    local waiting = pool.waiting
    waiting[#waiting + 1] = loop
end

--- Notes the end of a turn.
---@param turn resty.etcd.base.timer_types.RunningTurn
---@param seconds number?
local function end_turn(turn, seconds)
    local loop = turn.loop
    turn.is_over = true
    loop.host = nil
    if not loop.is_started then
        return
    end
    if loop.starts ~= turn.start then
        loop.due = now()
    elseif loop.is_last_turn or seconds == nil and not loop.is_woken then
        remove(loop)
    else
        loop.due = now() + (loop.is_woken and 0 or wait_bounds.bounded(seconds))
    end
end

local function run_turn(host, turn)
    local loop = turn.loop
    local ok, result = pcall(loop.run)
    local seconds = result
    if not ok then
        ngx.log(
            ngx.ERR,
            loop.name,
            ": ",
            printable.of(error_text.of(result, "an error without text"))
        )
        seconds = ERROR_DELAY
    end
    end_turn(turn, seconds)
    notify(host)
    notify(loop.home)
end

--- Starts a turn, which runs until it waits for something.
---@param host resty.etcd.base.timer_types.Host
---@param loop resty.etcd.base.timer_types.TimerLoop
---@param is_last boolean
local function start_turn(host, loop, is_last)
    local turn = {loop = loop, start = loop.starts, thread = nil, is_over = false}
    loop.due = nil
    loop.is_woken = false
    loop.host = host
    loop.is_last_turn = is_last
    local ____host_turns_1 = host.turns
    ____host_turns_1[#____host_turns_1 + 1] = turn
    turn.thread = ngx.thread.spawn(run_turn, host, turn)
end

--- Starts all turns that are due. Returns the seconds until the next one is, at most `longest`.
---@param host resty.etcd.base.timer_types.Host
---@param is_exiting boolean
---@param longest number
---@return number
local function start_due(host, is_exiting, longest)
    local time = now()
    local wait = longest
    for ____, loop in ipairs(host.loops) do
        local due = loop.due
        if due ~= nil then
            if due <= time or is_exiting then
                start_turn(host, loop, is_exiting)
            else
                wait = min(wait, due - time)
            end
        end
    end
    return wait
end

--- Frees the light threads of turns that are over: nginx keeps them until their parent has killed or joined them.
---@param host resty.etcd.base.timer_types.Host
local function reap(host)
    local running = {}
    for ____, turn in ipairs(host.turns) do
        if turn.is_over then
            ngx.thread.kill(turn.thread)
            host.leftovers = host.leftovers + 1
        else
            running[#running + 1] = turn
        end
    end
    host.turns = running
end

--- Kills turns that have not returned although the worker is exiting. Their loops make the last turn after that.
---@param host resty.etcd.base.timer_types.Host
---@param exiting_for number
local function kill_late(host, exiting_for)
    for ____, turn in ipairs(host.turns) do
        local grace = turn.loop.options.exit_grace
        if not turn.is_over and not turn.loop.is_last_turn and grace ~= nil and exiting_for >= grace then
            end_turn(turn, 0)
        end
    end
end

--- Kills the running turn of a loop that was removed.
---@param loop resty.etcd.base.timer_types.TimerLoop
local function kill(loop)
    local host = loop.host
    if host ~= nil then
        for ____, turn in ipairs(host.turns) do
            if turn.loop == loop and not turn.is_over then
                end_turn(turn, nil)
            end
        end
        notify(host)
    end
end
_M.add = add
_M.change_pool = change_pool
_M.count_started = count_started
_M.end_turn = end_turn
_M.kill = kill
_M.kill_late = kill_late
_M.move_to = move_to
_M.notify = notify
_M.reap = reap
_M.remove = remove
_M.start_due = start_due
_M.without = without

return _M
