-- Takes timers away from the driver: nginx has as many as lua_max_running_timers says, and drops what is beyond.
local _M = {}
local taken, is_over = 0, false

function _M.eventually(check)
    for _ = 1, 2000 do
        if check() then
            return true
        end
        ngx.sleep(0.01)
    end
    return false
end

local function hold()
    taken = taken + 1
    while not is_over do
        ngx.sleep(0.01)
    end
    taken = taken - 1
end

-- Takes so many, once there are as many.
function _M.take(n)
    is_over = false
    for _ = 1, n do
        assert(ngx.timer.at(0, hold))
    end
end

-- Waits until so many are taken.
function _M.have_taken(n)
    return _M.eventually(function() return taken == n end)
end

function _M.give_back()
    is_over = true
    return _M.have_taken(0)
end

return _M
