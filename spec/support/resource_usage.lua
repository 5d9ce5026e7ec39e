-- What a run costs: CPU stalls of the worker, Lua memory, resident memory, open descriptors.
local clock = require "resty.etcd.base.clock"
local lfs = require "lfs"

local _M = { now = clock.now }
local TICK = 0.005

-- Starts to notice when this worker stands still: its own work, or a machine that is busy with others.
function _M.watch_stalls()
    local self = { total = 0, longest = 0 }
    local last, running, stalls = clock.now(), true, {}

    local function tick(premature)
        while running and not premature do
            last = clock.now()
            ngx.sleep(TICK)
            local stall = clock.now() - last - TICK
            self.total, self.longest = self.total + math.max(0, stall), math.max(self.longest, stall)
            if stall > 0.002 then
                stalls[#stalls + 1] = { from = last, to = clock.now(), time = stall }
                if #stalls == 4000 then -- more than any call can look back at
                    stalls = { unpack(stalls, 2001) }
                end
            end
        end
    end

    -- Seconds of standing still that touch the time since `from`.
    function self.since(_, from)
        local sum = math.max(0, clock.now() - last - TICK)
        for i = #stalls, 1, -1 do
            if stalls[i].to <= from then
                break
            end
            sum = sum + stalls[i].time
        end
        return sum
    end

    function self.stop()
        running = false
    end

    assert(ngx.timer.at(0, tick))
    return self
end

-- KiB that Lua holds once all garbage is gone.
function _M.lua_memory()
    local before
    repeat -- LuaJIT's own buffers shrink by half each time
        before = collectgarbage("count")
        collectgarbage()
    until collectgarbage("count") > before - 1
    return collectgarbage("count")
end

-- KiB of memory of the process.
function _M.resident()
    local file = assert(io.open("/proc/self/status"))
    local text = file:read("*a")
    file:close()
    return tonumber(text:match("VmRSS:%s*(%d+)"))
end

-- Open descriptors of the process.
function _M.descriptors()
    local n = 0
    for _ in lfs.dir("/proc/self/fd") do
        n = n + 1
    end
    return n
end

return _M
