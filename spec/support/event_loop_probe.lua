-- How much work is done between two runs of the event loop.
local clock = require "resty.etcd.base.clock"

local _M = {}

-- Greatest number of `work` calls between two runs. A time slice of 1 ms holds two or three, twice that if no other light
-- thread is due; the rest is a margin for slow machines.
_M.FEW = 16

local done = 0

-- Uses 0.5 ms of CPU time, and returns its argument.
function _M.work(value)
    local stop = clock.now() + 0.0005
    while clock.now() < stop do end -- luacheck: ignore 542
    done = done + 1
    return value
end

-- Returns the greatest number of `work` calls between two runs of another light thread, during `run`.
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
