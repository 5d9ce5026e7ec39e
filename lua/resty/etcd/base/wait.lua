-- Generated from src/resty/etcd/base/wait.ts by TypeScriptToLua. Do not edit.
local _M = {}

--- Shortest wait in seconds: semaphores drop fractions of a millisecond, and a loop that waits for 0 ms would spin.
local MIN_WAIT = 0.001

--- Waits for a post to a semaphore.
---@param semaphore table
---@param seconds number time limit; 0 tests the semaphore without yielding
---@return "posted"|"timeout"|"cannot_wait" outcome # the outcome; with `cannot_wait` also the error text
---@return string? reason
local function wait(semaphore, seconds)
    local limit = seconds > 0 and math.max(seconds, MIN_WAIT) or 0
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
_M.wait = wait
_M.wake_all = wake_all

return _M
