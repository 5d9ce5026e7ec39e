-- Generated from src/resty/etcd/base/timer_supervisor.ts by TypeScriptToLua. Do not edit.
local _M = {}
local clock = require("resty.etcd.base.clock")
local printable = require("resty.etcd.base.printable")
local timers = require("resty.etcd.base.timers")
local timer_host = require("resty.etcd.base.timer_host")
local timer_turns = require("resty.etcd.base.timer_turns")
local wait = require("resty.etcd.base.wait")
local now = clock.now

--- Seconds between two checks.
local CHECK_INTERVAL = 1

--- Seconds within which it ends when the worker is exiting, or no loop is left.
local POLL_INTERVAL = 0.5

--- Checks without a sign of a host's main thread after which the host counts as terminated.
local MAX_MISSED = 3

--- Seconds that a turn can wait for a timer before that is an error.
local LATE_AFTER = 2

--- Seconds between two attempts to start the supervisor of a module that lasts as long as the worker.
local REPEAT_INTERVAL = 5

--- Seconds after which the supervisor of any other module is started: nginx drops some of these timers if too many run.
local START_DELAYS = {0, 1, 5}

--- Seconds after which `ensure` asks again for a supervisor that has not started.
local START_TIME = 6
local LATE = "timer: not started: lua_max_running_timers, lua_max_pending_timers or worker_connections is reached"
local LOADED_IN = ngx.get_phase()
local LOADED_BY = ngx.worker.pid()

--- Turns that end soon, or hand over.
local short = timer_host.new_pool(4, 500, timer_host.MAX_AGE)

--- Streams stay in their hosts.
local streams = timer_host.new_pool(8, 250, math.huge)

--- Turns that call functions of users: as long as there are few of them, each has its own host.
local user_functions = timer_host.new_pool(8, 1, timer_host.MAX_AGE)

--- The same for loops whose functions have terminated a timer: they do not do that to others again.
local culprits = timer_host.new_pool(2, 1, timer_host.MAX_AGE)
local POOLS = {short, streams, user_functions, culprits}
local BY_NAME = {short = short, streams = streams, user_functions = user_functions}
local is_running = false
local is_repeated = false
local requested_at = -math.huge
local has_logged_late = false

--- Returns why the next turn of a loop is late; nil if it is not.
---@param loop resty.etcd.base.timer_types.TimerLoop
---@return string?
local function problem_of(loop)
    local due = loop.due
    local is_late = due ~= nil and loop.home == nil and now() - due > LATE_AFTER
    return is_late and LATE or nil
end

--- Logs, once, that turns are late, and when they no longer are.
local function log_late()
    local first
    local count = 0
    for ____, pool in ipairs(POOLS) do
        for ____, loop in ipairs(pool.waiting) do
            if problem_of(loop) ~= nil then
                if first == nil then
                    first = loop
                end
                count = count + 1
            end
        end
    end
    if first ~= nil and not has_logged_late then
        ngx.log(
            ngx.WARN,
            first.name,
            ": ",
            LATE,
            "; retrying (",
            count - 1,
            " others wait too)"
        )
    elseif first == nil and has_logged_late then
        ngx.log(ngx.NOTICE, "timers: nginx runs all of them again")
    end
    has_logged_late = first ~= nil
end

local function count_misses(hosts, terminated)
    for ____, host in ipairs(hosts) do
        host.missed = host.missed + 1
        if host.missed > MAX_MISSED then
            terminated[#terminated + 1] = host
        end
    end
end

local function check_pool(pool)
    local terminated = {}
    count_misses(pool.hosts, terminated)
    count_misses(pool.retired, terminated)
    for ____, host in ipairs(terminated) do
        timer_host.on_terminated(host, culprits)
    end
end

local function check()
    for ____, pool in ipairs(POOLS) do
        check_pool(pool)
    end
    for ____, pool in ipairs(POOLS) do
        timer_host.assign(pool)
    end
    log_late()
end

--- The supervisor. Ends immediately if another one runs.
---@param premature boolean
local function supervise(premature)
    if premature or is_running then
        return
    end
    is_running = true
    local check_at = now() + CHECK_INTERVAL
    while timer_turns.count_started() > 0 and not ngx.worker.exiting() do
        if now() >= check_at then
            check_at = now() + CHECK_INTERVAL
            local ok, err = pcall(check)
            if not ok then
                ngx.log(
                    ngx.ERR,
                    "timers: ",
                    printable.of(err)
                )
            end
        end
        wait.sleep(POLL_INTERVAL)
    end
    is_running = false
    requested_at = -math.huge
end

--- Reports whether this module lasts as long as the worker. With `lua_code_cache off` each request loads it again, and a
--- repeated timer would keep it in memory after that. It is certain if the module was loaded before the fork, or in
--- init_worker.
---@return boolean
local function is_permanent()
    return LOADED_IN == "init_worker" or ngx.get_phase() == "init_worker" or ngx.worker.pid() ~= LOADED_BY
end

--- Makes sure that a supervisor runs, or will run.
---@return true? res
---@return string? err
local function ensure()
    local time = now()
    if is_running or time - requested_at < START_TIME then
        return true
    end
    if is_permanent() then
        if not is_repeated then
            local ok, err = timers.every(REPEAT_INTERVAL, supervise)
            if ok == nil then
                return nil, err
            end
            is_repeated = true
        end
        timers.start(supervise)
    else
        for ____, seconds in ipairs(START_DELAYS) do
            local ok, err = timers.at(seconds, supervise)
            if ok == nil then
                return nil, err
            end
        end
    end
    requested_at = time
    return true
end

--- Returns the pool for the loops of one kind.
---@param name ("short"|"streams"|"user_functions")?
---@return resty.etcd.base.timer_types.HostPool
local function pool_of(name)
    return BY_NAME[name or "short"]
end
_M.ensure = ensure
_M.pool_of = pool_of
_M.problem_of = problem_of

return _M
