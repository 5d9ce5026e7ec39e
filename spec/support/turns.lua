-- How often other light threads have their turn while something works for long.
local clock = require "resty.etcd.clock"

local _M = {}

-- A value of half a millisecond's work: less than a slice.
function _M.work(value)
    local stop = clock.now() + 0.0005
    while clock.now() < stop do end -- luacheck: ignore 542
    return value
end

-- Returns how many turns others had while `run` did.
function _M.count(run)
    local turns, stop = 0, false
    ngx.thread.spawn(function()
        while not stop do
            turns = turns + 1
            ngx.sleep(0.001)
        end
    end)
    run()
    stop = true
    return turns
end

return _M
