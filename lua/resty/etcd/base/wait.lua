-- Generated from src/resty/etcd/base/wait.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Shortest pause in seconds: semaphores drop fractions of a millisecond, and a loop that waits for 0 ms would spin.
local MIN_PAUSE = 0.001

--- Longest pause in seconds: nginx's timers count milliseconds in 32 bits, and a longer pause would end immediately.
local MAX_PAUSE = 2147483

--- Pause in seconds instead of NaN, which no comparison holds for. It is long enough for the loop not to spin.
local NAN_PAUSE = 1

--- Returns a time that nginx can wait for. All timers, sleeps and waits of the driver use it: whatever a server sends, and
--- whatever is computed from it, no loop spins and none waits forever.
---@param seconds number
---@return number
local function bounded(seconds)
    if seconds >= MIN_PAUSE and seconds <= MAX_PAUSE then
        return seconds
    end
    if seconds > MAX_PAUSE then
        return MAX_PAUSE
    end
    return seconds < MIN_PAUSE and MIN_PAUSE or NAN_PAUSE
end

--- Sleeps, at least for the shortest pause. Raises an error in phases that cannot yield, as `ngx.sleep` does.
---@param seconds number
local function sleep(seconds)
    ngx.sleep(bounded(seconds))
end

--- Waits for a post to a semaphore.
---@param semaphore table
---@param seconds number time limit; 0 or less tests the semaphore without yielding
---@return "posted"|"timeout"|"cannot_wait" outcome # the outcome; with `cannot_wait` also the error text
---@return string? reason
local function wait(semaphore, seconds)
    local limit = seconds <= 0 and 0 or bounded(seconds)
    local ok, posted, err = pcall(semaphore.wait, semaphore, limit)
    if not ok then
        return "cannot_wait", tostring(posted)
    end
    if posted == true then
        return "posted"
    end
    if err == "timeout" then
        return "timeout"
    end
    return "cannot_wait", tostring(err)
end

--- Wakes all light threads that wait for a semaphore.
---@param semaphore table
local function wake_all(semaphore)
    local waiting = -semaphore:count()
    if waiting > 0 then
        semaphore:post(waiting)
    end
end
_M.MIN_PAUSE = MIN_PAUSE
_M.bounded = bounded
_M.sleep = sleep
_M.wait = wait
_M.wake_all = wake_all

return _M
