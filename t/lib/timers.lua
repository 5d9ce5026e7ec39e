-- Uses up nginx's timers: nginx drops timers beyond lua_max_running_timers.
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

-- Starts one timer.
function _M.ask()
    is_over = false
    assert(ngx.timer.at(0, hold))
end

-- Starts `n` timers, and waits until they run: nginx can drop them while timers of the driver run.
function _M.take(n)
    return _M.eventually(function()
        if taken < n then
            local before = taken
            _M.ask()
            for _ = 1, 20 do
                if taken > before then
                    break
                end
                ngx.sleep(0.001)
            end
        end
        return taken == n
    end)
end

function _M.give_back()
    is_over = true
    return _M.eventually(function() return taken == 0 end)
end

return _M
