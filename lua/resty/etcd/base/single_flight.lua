-- Generated from src/resty/etcd/base/single_flight.ts by TypeScriptToLua. Do not edit.
local _M = {}
local semaphores = require("ngx.semaphore")
local clock = require("resty.etcd.base.clock")
local wait = require("resty.etcd.base.wait")
local now = clock.now

--- One run of the work, and the calls that wait for it.
---@class resty.etcd.base.single_flight.Run
---@field ends_by number Time from which waiters no longer count on the run: its light thread can be killed with its request.
---@field is_released boolean Set when waiters are released; the work itself can take longer.
---@field result any? Set together with `is_released`.
---@field waiters table? Created by the first waiter.

--- Work that runs at most once at a time per worker, for all calls that need it. There is no lock to release: a run
--- that was killed loses its claim when its time limit passes, and the next call starts another.
---@class resty.etcd.base.single_flight.SingleFlight
---@field latest resty.etcd.base.single_flight.Run? The run started last; nil after it has finished.

local function create()
    return {latest = nil}
end

--- Returns the run that is in progress, or nil if there is none or its time limit has passed.
---@generic R
---@param flight resty.etcd.base.single_flight.SingleFlight
---@return resty.etcd.base.single_flight.Run?
local function running(flight)
    local run = flight.latest
    return run ~= nil and now() < run.ends_by and run or nil
end

--- Starts a run, instead of the latest one if that did not finish. The caller must do the work and call `finish`.
---@generic R
---@param flight resty.etcd.base.single_flight.SingleFlight
---@param seconds number time limit, after which the run counts as lost
---@return resty.etcd.base.single_flight.Run
local function start(flight, seconds)
    local run = {
        ends_by = now() + seconds,
        is_released = false,
        result = nil,
        waiters = nil
    }
    flight.latest = run
    return run
end

--- Sets another time limit, counted from now.
---@generic R
---@param run resty.etcd.base.single_flight.Run
---@param seconds number
local function extend(run, seconds)
    run.ends_by = now() + seconds
end

--- Passes the result to the waiters while the work continues. Only the first result of a run counts.
---@generic R
---@param run resty.etcd.base.single_flight.Run
---@param result R
local function release(run, result)
    if run.is_released then
        return
    end
    run.is_released = true
    run.result = result
    if run.waiters ~= nil then
        wait.wake_all(run.waiters)
    end
end

--- Ends a run. A run that was replaced passes its result to its own waiters and does not affect its successor.
---@generic R
---@param flight resty.etcd.base.single_flight.SingleFlight
---@param run resty.etcd.base.single_flight.Run
---@param result R
local function finish(flight, run, result)
    if flight.latest == run then
        flight.latest = nil
    end
    release(run, result)
end

--- Waits for a post, the run's time limit or the deadline, whichever comes first.
---@generic R
---@param run resty.etcd.base.single_flight.Run
---@param seconds number
---@return "posted"|"timeout"|"cannot_wait" outcome
---@return string? reason
local function wait_once(run, seconds)
    if run.waiters == nil then
        local waiters, err = semaphores.new(0)
        if waiters == nil then
            return "cannot_wait", err
        end
        run.waiters = waiters
    end
    return wait.wait(run.waiters, seconds)
end

--- Waits until the result of a run is there.
---@generic R
---@param run resty.etcd.base.single_flight.Run
---@param deadline number? of the caller; nil for none
---@return "timeout"|"cannot_wait"|"released"|"lost" outcome # `released`; `lost` if the run's time limit passed, so that the caller can start another; `timeout` if the deadline passed; or `cannot_wait` and the error text
---@return string? reason
local function wait_for(run, deadline)
    while not run.is_released do
        local time = now()
        if deadline ~= nil and time >= deadline then
            return "timeout"
        end
        if time >= run.ends_by then
            return "lost"
        end
        local outcome, reason = wait_once(
            run,
            math.min(deadline or math.huge, run.ends_by) - time
        )
        if outcome == "cannot_wait" then
            return "cannot_wait", reason
        end
    end
    return "released"
end
_M.new = create
_M.extend = extend
_M.finish = finish
_M.release = release
_M.running = running
_M.start = start
_M.wait_for = wait_for

return _M
