-- Mirrors in several workers, with a watch in each worker or a shared log: the CPU use of idle workers, and the time from
-- before a put until each worker has the change. Needs a real etcd, and uses its keys below /bench/.
--   BENCH_ETCD=http://... RESTY_LUA_PATH="$PWD/?.lua" tools/resty-run bench/node.lua [WORKERS] [IDLE SECONDS] [PUTS] [MIRRORS]
local clock = require "resty.etcd.base.clock"
local etcd = require "resty.etcd"
local rigs = require "spec.support.multi_worker_nginx"

local workers, idle, puts = tonumber(arg[1]) or 4, tonumber(arg[2]) or 20, tonumber(arg[3]) or 1000
local mirrors = tonumber(arg[4]) or 1
local host = assert(os.getenv("BENCH_ETCD"), "BENCH_ETCD is not set")
local cli = assert(etcd.new { http_host = host, serializer = "raw" })
local prefix = "/bench/node/"

-- Returns the CPU time of a process in nanoseconds.
local function cpu(pid)
    local file = assert(io.open("/proc/" .. pid .. "/schedstat"))
    local ns = file:read("*n")
    file:close()
    return ns
end

local function part(sorted, share)
    return sorted[math.max(1, math.ceil(#sorted * share))] * 1000
end

for _, mode in ipairs { "worker", "shared" } do
    for i = 0, 49 do
        assert(cli:set(prefix .. "k" .. i, tostring(i)))
    end
    local rig = rigs.start {
        workers = workers, http_host = host, prefix = prefix, quiet = true, mirrors = mirrors,
        mirror = { mode = mode, shm_name = "watch_log" },
    }
    rig:wait_ready(workers)
    ngx.sleep(1)
    local before, shares, since = {}, {}, clock.now()
    for _, pid in ipairs(rig:workers()) do
        before[pid] = cpu(pid)
    end
    ngx.sleep(idle)
    local seconds = clock.now() - since
    for _, pid in ipairs(rig:workers()) do
        shares[#shares + 1] = ("%.2f %%"):format((cpu(pid) - before[pid]) / 1e7 / seconds)
    end
    print(("mode %s, %d workers, %d mirrors in each"):format(mode, workers, mirrors))
    print("  CPU of idle workers, of a core:  " .. table.concat(shares, ", "))

    local took = {}
    rig:latencies()
    for _ = 1, puts do
        local start = clock.now()
        assert(cli:set(prefix .. "clock", ("%.6f"):format(start)))
        took[#took + 1] = clock.now() - start
        ngx.sleep(0.005 + math.random() * 0.01)
    end
    ngx.sleep(0.5)
    local late = rig:latencies()
    table.sort(late)
    table.sort(took)
    print(("  from before the put until the change is applied: p50 %.1f ms, p99 %.1f ms, longest %.1f ms (%d of %d applied)"):format(
        part(late, 0.5), part(late, 0.99), part(late, 1), #late, puts * workers))
    print(("  the put itself: p50 %.1f ms, p99 %.1f ms"):format(part(took, 0.5), part(took, 0.99)))
    rig:stop()
end
