-- Resources of the process: stalls of the event loop, Lua memory, resident memory, open descriptors.
local clock = require "resty.etcd.base.clock"
local ffi = require "ffi"
local lfs = require "lfs"

local _M = { now = clock.now }
local TICK = 0.005

ffi.cdef [[
    struct resty_etcd_cpu_time { long sec; long nsec; };
    int resty_etcd_cpu_time(int, struct resty_etcd_cpu_time *) __asm__("clock_gettime");
]]
local cpu_time = ffi.new("struct resty_etcd_cpu_time")
local PROCESS_CPU_TIME = 2

-- Returns the seconds of CPU time that this process has used.
function _M.cpu()
    assert(ffi.C.resty_etcd_cpu_time(PROCESS_CPU_TIME, cpu_time) == 0)
    return tonumber(cpu_time.sec) + tonumber(cpu_time.nsec) / 1e9
end

-- Starts recording stalls of the event loop: caused by this worker's own work, or by other processes of the machine.
-- `longest_cpu`: the most CPU time in seconds between two runs of this recorder, which is only the worker's own work.
function _M.watch_stalls()
    local self = { total = 0, longest = 0, longest_cpu = 0 }
    local last, running, stalls = clock.now(), true, {}
    local last_cpu = _M.cpu()

    -- Does not count the CPU time since the last run: the caller has used it.
    function self.skip_cpu()
        last_cpu = _M.cpu()
    end

    local function tick(premature)
        while running and not premature do
            last = clock.now()
            ngx.sleep(TICK)
            local used = _M.cpu()
            self.longest_cpu, last_cpu = math.max(self.longest_cpu, used - last_cpu), used
            local stall = clock.now() - last - TICK
            self.total, self.longest = self.total + math.max(0, stall), math.max(self.longest, stall)
            if stall > 0.002 then
                stalls[#stalls + 1] = { from = last, to = clock.now(), time = stall }
                if #stalls == 4000 then -- more than any caller looks back
                    stalls = { unpack(stalls, 2001) }
                end
            end
        end
    end

    -- Returns the seconds of all stalls that ended after `from`.
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

-- Returns the KiB of live Lua objects, after full collections.
function _M.lua_memory()
    local before
    repeat -- LuaJIT halves its buffers in each collection
        before = collectgarbage("count")
        collectgarbage()
    until collectgarbage("count") > before - 1
    return collectgarbage("count")
end

-- Returns the resident memory of the process in KiB.
function _M.resident()
    local file = assert(io.open("/proc/self/status"))
    local text = file:read("*a")
    file:close()
    return tonumber(text:match("VmRSS:%s*(%d+)"))
end

-- Returns the number of open descriptors of the process.
function _M.descriptors()
    local n = 0
    for _ in lfs.dir("/proc/self/fd") do
        n = n + 1
    end
    return n
end

return _M
