-- Generated from src/resty/etcd/base/timer_host.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local error_text = require("resty.etcd.base.error_text")
local timers = require("resty.etcd.base.timers")
local semaphore = require("ngx.semaphore")
local now = clock.now
local min = math.min
local max = math.max

---@class resty.etcd.base.timer_host.LoopOptions
---@field is_private? boolean The turns call functions of users, which can terminate the timer: no other loop shares it.
---@field on_terminated? (fun()) Called if a turn was terminated together with its timer, before the next turn.
---@field exit_grace? number Seconds that a running turn has to return after the worker began to exit; then it is killed. Default: no limit. The last turn, which follows, is not killed: it must limit the time that it takes.

---@class resty.etcd.base.timer_host.TimerLoop
---@field name string What log lines begin with, like `watch of /routes/`.
---@field run fun(): number?
---@field options resty.etcd.base.timer_host.LoopOptions
---@field group resty.etcd.base.timer_host.Group The loops that it shares hosts with.
---@field is_started boolean It is part of its group: more turns will come.
---@field due number? When the next turn is due; nil while one is running.
---@field host resty.etcd.base.timer_host.Host? The host of the turn that is running.
---@field is_woken boolean It was woken during its turn: the next one follows immediately.
---@field is_last_turn boolean The last turn, of a worker that is exiting, has begun.
---@field starts number Times that it was started: tells a turn of before a stop from those after it.

--- Loops that share hosts.
---@class resty.etcd.base.timer_host.Group
---@field run_host fun(premature: boolean, host: resty.etcd.base.timer_host.Host) The function of its hosts' timers.
---@field loops resty.etcd.base.timer_host.TimerLoop[]
---@field current resty.etcd.base.timer_host.Host? The host that new turns run in.
---@field requested resty.etcd.base.timer_host.Host? A host whose timer nginx has not run yet, and might have dropped.

---@class resty.etcd.base.timer_host.RunningTurn
---@field loop resty.etcd.base.timer_host.TimerLoop
---@field start number What `starts` of the loop was.
---@field thread table?
---@field is_over boolean

--- A timer that turns run in.
---@class resty.etcd.base.timer_host.Host
---@field group resty.etcd.base.timer_host.Group
---@field signal table Wakes its main thread.
---@field is_notified boolean The main thread has something to look for.
---@field created_at number
---@field work number Turns and other units of work so far.
---@field turns resty.etcd.base.timer_host.RunningTurn[]
---@field missed number Checks of the watchdog since its main thread last ran.

--- Seconds within which a host notices that the worker is exiting.
local POLL_INTERVAL = 0.5

--- Seconds after which a host is replaced.
local MAX_AGE = 300

--- Units of work after which a host is replaced: a batch of events leaves some 100 bytes in nginx's pool.
local MAX_WORK = 10000

--- Seconds after which a timer that has not started counts as dropped.
local START_TIME = 1

--- Seconds between two checks of the watchdog.
local CHECK_INTERVAL = 1

--- Checks without a sign of a host's main thread after which the host counts as terminated.
local MAX_MISSED = 3

--- The shortest wait in seconds: nginx without OpenResty's patches logs each wait of 0.
local YIELD_TIME = 0.001

--- Seconds before the next turn after one that raised an error.
local ERROR_DELAY = 1

--- Groups with loops, for the watchdog.
local groups = {}

--- Hosts that run, including those that were replaced and still have turns.
local hosts = {}
local has_watchdog = false

--- Wakes the main thread of a host, which starts turns that are due and frees those that are over.
---@param host resty.etcd.base.timer_host.Host?
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

local function remove(loop)
    local group = loop.group
    if loop.is_started then
        loop.is_started = false
        loop.due = nil
        group.loops = without(group.loops, loop)
        if #group.loops == 0 then
            groups[group] = nil
        end
    end
end

--- Notes the end of a turn.
---@param turn resty.etcd.base.timer_host.RunningTurn
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
        loop.due = now() + (loop.is_woken and 0 or seconds)
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
            error_text.of(result, "an error without text")
        )
        seconds = ERROR_DELAY
    end
    end_turn(turn, seconds)
    notify(host)
    notify(loop.group.current)
end

--- Starts a turn, which runs until it waits for something.
---@param host resty.etcd.base.timer_host.Host
---@param loop resty.etcd.base.timer_host.TimerLoop
---@param is_last boolean
local function start_turn(host, loop, is_last)
    local turn = {loop = loop, start = loop.starts, thread = nil, is_over = false}
    loop.due = nil
    loop.is_woken = false
    loop.host = host
    loop.is_last_turn = is_last
    host.work = host.work + 1
    local ____host_turns_0 = host.turns
    ____host_turns_0[#____host_turns_0 + 1] = turn
    turn.thread = ngx.thread.spawn(run_turn, host, turn)
end

--- Starts all turns that are due. Returns the seconds until the next one is.
---@param host resty.etcd.base.timer_host.Host
---@param is_exiting boolean
---@return number
local function start_due_turns(host, is_exiting)
    local time = now()
    local wait = POLL_INTERVAL
    for ____, loop in ipairs(host.group.loops) do
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
---@param host resty.etcd.base.timer_host.Host
local function reap(host)
    local running = {}
    for ____, turn in ipairs(host.turns) do
        if turn.is_over then
            ngx.thread.kill(turn.thread)
        else
            running[#running + 1] = turn
        end
    end
    host.turns = running
end

--- Kills turns that have not returned although the worker is exiting. Their loops make the last turn after that.
---@param host resty.etcd.base.timer_host.Host
---@param exiting_for number
local function kill_late_turns(host, exiting_for)
    for ____, turn in ipairs(host.turns) do
        local grace = turn.loop.options.exit_grace
        if not turn.is_over and not turn.loop.is_last_turn and grace ~= nil and exiting_for >= grace then
            end_turn(turn, 0)
        end
    end
end

--- Requests a host, unless a request is pending.
---@param group resty.etcd.base.timer_host.Group
---@return true? res
---@return string? err
local function request_host(group)
    local time = now()
    local requested = group.requested
    if requested ~= nil and time - requested.created_at < START_TIME then
        return true
    end
    local signal, err = semaphore.new(0)
    if signal == nil then
        return nil, err
    end
    local host = {
        group = group,
        signal = signal,
        is_notified = false,
        created_at = time,
        work = 0,
        turns = {},
        missed = 0
    }
    local ok, timer_err = timers.at(0, group.run_host, host)
    if ok == nil then
        return nil, timer_err
    end
    group.requested = host
    return true
end

--- Reports whether a host can end: no turn is running, and a successor runs or the group has no loops.
---@param host resty.etcd.base.timer_host.Host
---@return boolean
local function is_done(host)
    local group = host.group
    return #host.turns == 0 and (group.current ~= host or #group.loops == 0)
end

--- A function, because TypeScript does not see that the turns change the field.
---@param host resty.etcd.base.timer_host.Host
---@return boolean
local function is_notified(host)
    return host.is_notified
end

--- The main thread of a host.
---@param _premature boolean
---@param host resty.etcd.base.timer_host.Host
local function run_host(_premature, host)
    local group = host.group
    if group.requested ~= host then
        return
    end
    group.requested = nil
    notify(group.current)
    group.current = host
    host.created_at = now()
    hosts[host] = true
    local exiting_since
    while true do
        host.missed = 0
        if ngx.worker.exiting() then
            if exiting_since == nil then
                exiting_since = now()
            end
            kill_late_turns(
                host,
                now() - exiting_since
            )
        end
        local wait = POLL_INTERVAL
        host.is_notified = false
        if group.current == host then
            wait = start_due_turns(host, exiting_since ~= nil)
            if exiting_since == nil and (host.work >= MAX_WORK or now() - host.created_at >= MAX_AGE) then
                request_host(group)
            end
        end
        reap(host)
        if is_done(host) then
            break
        end
        host.signal:wait(is_notified(host) and YIELD_TIME or max(YIELD_TIME, wait))
    end
    hosts[host] = nil
    if group.current == host then
        group.current = nil
    end
end

local function new_group()
    return {run_host = run_host, loops = {}, current = nil, requested = nil}
end

--- The group of all loops that are not private.
local shared_group = new_group()

--- Makes the turns of a terminated host due again, in another host.
---@param host resty.etcd.base.timer_host.Host
local function on_host_terminated(host)
    local group = host.group
    hosts[host] = nil
    if group.current == host then
        group.current = nil
    end
    for ____, turn in ipairs(host.turns) do
        local loop = turn.loop
        if not turn.is_over then
            end_turn(turn, 0)
            if loop.options.on_terminated ~= nil then
                loop.options.on_terminated()
            end
        end
    end
end

local function check_hosts(premature)
    if premature then
        return
    end
    local terminated = {}
    for host in pairs(hosts) do
        host.missed = host.missed + 1
        if host.missed > MAX_MISSED then
            terminated[#terminated + 1] = host
        end
    end
    for ____, host in ipairs(terminated) do
        on_host_terminated(host)
    end
    for group in pairs(groups) do
        if group.current == nil then
            request_host(group)
        end
    end
end

--- Starts the watchdog of this worker. nginx repeats `ngx.timer.every` even where it has dropped one run.
---@return true? res
---@return string? err
local function ensure_watchdog()
    if not has_watchdog then
        local started, err = timers.every(CHECK_INTERVAL, check_hosts)
        if started == nil then
            return nil, err
        end
        has_watchdog = true
    end
    return true
end

--- Makes the watchdog request a host for a group that has none.
---@param group resty.etcd.base.timer_host.Group
local function watch_group(group)
    groups[group] = true
end
_M.ensure_watchdog = ensure_watchdog
_M.new_group = new_group
_M.notify = notify
_M.remove = remove
_M.request_host = request_host
_M.shared_group = shared_group
_M.watch_group = watch_group

return _M
