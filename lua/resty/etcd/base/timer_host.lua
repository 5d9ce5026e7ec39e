-- Generated from src/resty/etcd/base/timer_host.ts by TypeScriptToLua. Do not edit.
local _M = {}
local backoff = require("resty.etcd.base.backoff")
local clock = require("resty.etcd.base.clock")
local timers = require("resty.etcd.base.timers")
local timer_turns = require("resty.etcd.base.timer_turns")
local waits = require("resty.etcd.base.wait")
local semaphore = require("ngx.semaphore")
local now = clock.now
local max = math.max
local notify = timer_turns.notify

--- Seconds within which a host notices that the worker is exiting.
local POLL_INTERVAL = 0.5

--- Seconds after which a host of turns that hand over is replaced, whatever they have left behind.
local MAX_AGE = 300

--- Ended light threads and connections after which a host is replaced: nginx frees the 260 to 290 bytes of each only with
-- the timer, and searches their list whenever a light thread is started or killed.
local MAX_LEFTOVERS = 1000

--- Retired hosts of streams with fewer running turns than that are emptied when there are too many hosts.
local FEW_TURNS = 250

--- Seconds after which a timer that has not started counts as dropped.
local START_TIME = 1

--- Seconds before the next request after one that nginx refused or dropped; doubles with each in a row.
local FIRST_DELAY = 0.5

--- Longest such delay in seconds: nginx logs an alert for each timer that it drops.
local MAX_DELAY = 5

local function is_retired(host)
    return host.is_retired
end

--- A function, because TypeScript does not see that the turns change the field.
---@param host resty.etcd.base.timer_types.Host
---@return boolean
local function is_notified(host)
    return host.is_notified
end

--- Counts a request that nginx refused or dropped.
---@param pool resty.etcd.base.timer_types.HostPool
local function note_failed_request(pool)
    pool.requested = nil
    pool.next_request_at = now() + backoff.exponential(FIRST_DELAY, MAX_DELAY, pool.failed_requests)
    pool.failed_requests = pool.failed_requests + 1
end

--- Requests a host, unless a request is pending. Reports whether one can be expected.
---@param pool resty.etcd.base.timer_types.HostPool
---@param replaces resty.etcd.base.timer_types.Host?
---@return boolean
local function request(pool, replaces)
    local time = now()
    local requested = pool.requested
    if requested ~= nil then
        if time - requested.created_at < START_TIME then
            return true
        end
        note_failed_request(pool)
    end
    if time < pool.next_request_at then
        return false
    end
    local signal = semaphore.new(0)
    if signal == nil then
        return false
    end
    local host = {
        pool = pool,
        replaces = replaces,
        signal = signal,
        is_notified = false,
        created_at = time,
        leftovers = 0,
        loops = {},
        turns = {},
        is_retired = false,
        is_evicted = false,
        missed = 0
    }
    local ok = timers.start(pool.run_host, host)
    if ok == nil then
        note_failed_request(pool)
        return false
    end
    pool.requested = host
    return true
end

--- Returns the host with the fewest loops; nil if none runs.
---@param pool resty.etcd.base.timer_types.HostPool
---@return resty.etcd.base.timer_types.Host?
local function least_used(pool)
    local chosen
    for ____, host in ipairs(pool.hosts) do
        if chosen == nil or #host.loops < #chosen.loops then
            chosen = host
        end
    end
    return chosen
end

--- Gives hosts to the loops that wait for one. While hosts have as many loops as they should, and the pool can have more
--- hosts, the loops wait for another one; if nginx has no timer for it, they share those that run.
---@param pool resty.etcd.base.timer_types.HostPool
local function assign(pool)
    local waiting = pool.waiting
    local count = 0
    while count < #waiting do
        local host = least_used(pool)
        local wants_another = host == nil or #host.loops >= pool.loops_per_host
        if wants_another and #pool.hosts < pool.max_hosts and request(pool, nil) then
            break
        end
        if host == nil then
            break
        end
        timer_turns.move_to(host, waiting[count + 1])
        count = count + 1
        notify(host)
    end
    if count > 0 then
        local rest = {}
        for i = count + 1, #waiting do
            rest[#rest + 1] = waiting[i]
        end
        pool.waiting = rest
    end
end

--- Lets a host take the loops of another one, which ends with the last of its turns, unless it has ended already.
---@param host resty.etcd.base.timer_types.Host
---@param old resty.etcd.base.timer_types.Host
local function take_over(host, old)
    local pool = host.pool
    local others = timer_turns.without(pool.hosts, old)
    if #others == #pool.hosts then
        return
    end
    pool.hosts = others
    local ____pool_retired_0 = pool.retired
    ____pool_retired_0[#____pool_retired_0 + 1] = old
    old.is_retired = true
    host.loops = old.loops
    old.loops = {}
    for ____, loop in ipairs(host.loops) do
        loop.home = host
    end
    notify(old)
end

--- Empties the retired host with the fewest turns, if these are few: its streams are opened again in another host.
---@param pool resty.etcd.base.timer_types.HostPool
local function evict(pool)
    local chosen
    for ____, host in ipairs(pool.retired) do
        if chosen == nil or #host.turns < #chosen.turns then
            chosen = host
        end
    end
    if chosen ~= nil and #chosen.turns < FEW_TURNS then
        chosen.is_evicted = true
    end
end

--- Requests a successor of a host that has lasted long enough.
---@param host resty.etcd.base.timer_types.Host
local function replace_if_worn(host)
    local pool = host.pool
    if host.leftovers < pool.max_leftovers and now() - host.created_at < pool.max_age then
        return
    end
    if #pool.retired < pool.max_hosts then
        request(pool, host)
    else
        evict(pool)
    end
end

--- Reports whether a host can end: no turn is running, and no loop will start one.
---@param host resty.etcd.base.timer_types.Host
---@return boolean
local function is_done(host)
    return #host.turns == 0 and (host.is_retired or #host.loops == 0)
end

--- Removes a host that has ended. Its loops wait for another one.
---@param host resty.etcd.base.timer_types.Host
local function forget(host)
    local pool = host.pool
    pool.hosts = timer_turns.without(pool.hosts, host)
    pool.retired = timer_turns.without(pool.retired, host)
    local waiting = pool.waiting
    local time = now()
    for ____, loop in ipairs(host.loops) do
        loop.home = nil
        if loop.due ~= nil then
            loop.due = max(loop.due, time)
        end
        waiting[#waiting + 1] = loop
    end
    host.loops = {}
end

--- The main thread of a host.
---@param _premature boolean
---@param host resty.etcd.base.timer_types.Host
local function run_host(_premature, host)
    local ____host_1 = host
    local pool = ____host_1.pool
    local replaces = ____host_1.replaces
    if pool.requested ~= host then
        return
    end
    pool.requested = nil
    pool.failed_requests = 0
    pool.next_request_at = 0
    host.created_at = now()
    local ____pool_hosts_2 = pool.hosts
    ____pool_hosts_2[#____pool_hosts_2 + 1] = host
    if replaces ~= nil then
        take_over(host, replaces)
    end
    assign(pool)
    local exiting_since
    while true do
        host.missed = 0
        if ngx.worker.exiting() then
            if exiting_since == nil then
                exiting_since = now()
            end
            timer_turns.kill_late(
                host,
                now() - exiting_since
            )
        end
        host.is_notified = false
        local wait = timer_turns.start_due(host, exiting_since ~= nil, POLL_INTERVAL)
        if exiting_since == nil and not is_retired(host) then
            replace_if_worn(host)
        end
        timer_turns.reap(host)
        if is_done(host) then
            break
        end
        waits.wait(
            host.signal,
            is_notified(host) and waits.MIN_PAUSE or max(waits.MIN_PAUSE, wait)
        )
    end
    forget(host)
end

--- Makes the turns of a terminated host due again, in another host.
---@param host resty.etcd.base.timer_types.Host
---@param next_pool resty.etcd.base.timer_types.HostPool where loops continue whose functions have terminated it
local function on_terminated(host, next_pool)
    forget(host)
    for ____, turn in ipairs(host.turns) do
        local loop = turn.loop
        if not turn.is_over then
            timer_turns.end_turn(turn, 0)
            local ____loop_options_3 = loop.options
            local callback = ____loop_options_3.on_terminated
            if callback ~= nil and callback() and loop.is_started then
                timer_turns.change_pool(loop, next_pool)
            end
        end
    end
end

local function new_pool(max_hosts, loops_per_host, max_age)
    return {
        run_host = run_host,
        max_hosts = max_hosts,
        loops_per_host = loops_per_host,
        max_age = max_age,
        max_leftovers = MAX_LEFTOVERS,
        hosts = {},
        retired = {},
        waiting = {},
        requested = nil,
        failed_requests = 0,
        next_request_at = 0
    }
end
_M.MAX_AGE = MAX_AGE
_M.assign = assign
_M.new_pool = new_pool
_M.on_terminated = on_terminated

return _M
