-- How much is done in one go, while other light threads want their turn.
local clock = require "resty.etcd.base.clock"

local _M = {}

-- In one go there are two or three of `work`, which is half a millisecond; twice that where others are not due yet.
_M.FEW = 16

local done = 0

-- Takes half a millisecond, and returns its argument.
function _M.work(value)
    local stop = clock.now() + 0.0005
    while clock.now() < stop do end -- luacheck: ignore 542
    done = done + 1
    return value
end

-- Returns how often `work` was done at most between two turns of others, while `run` ran.
function _M.most(run)
    local most, stop = 0, false
    done = 0
    local thread = ngx.thread.spawn(function()
        while not stop do
            ngx.sleep(0.001)
            most = math.max(most, done)
            done = 0
        end
    end)
    run()
    stop = true
    ngx.thread.wait(thread)
    return most
end

return _M
