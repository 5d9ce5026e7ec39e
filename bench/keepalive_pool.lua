-- The default of `keepalive_pool` compared with smaller pools at a real etcd: waves of concurrent gets, each in a light
-- thread, as a worker makes them for requests that arrive together. Each round measures all pools one after another, so
-- that other load on the machine affects all of them. Prints medians, and ratios to the first pool.
--   BENCH_ETCD=URL tools/resty-run bench/keepalive_pool.lua [SECONDS] [ROUNDS]
local etcd = require "resty.etcd"

local seconds = tonumber(arg[1]) or 1
local rounds = tonumber(arg[2]) or 5
local LEVELS = { 32, 128, 512 }
local pools = { { name = "32", size = 32 }, { name = "default" } }

local dials = 0
local new_socket = ngx.socket.tcp

local function reused_times(sock)
    local times, err = getmetatable(sock).__index.getreusedtimes(sock)
    if times == 0 then
        dials = dials + 1
    end
    return times, err
end

-- The driver reads this function for each call, and asks each connection whether it is a reused one.
rawset(ngx.socket, "tcp", function()
    local sock, err = new_socket()
    if sock then
        sock.getreusedtimes = reused_times
    end
    return sock, err
end)

local function now()
    ngx.update_time()
    return ngx.now()
end

local function wave(cli, concurrent)
    local running = {}
    for i = 1, concurrent do
        running[i] = ngx.thread.spawn(cli.get, cli, "/bench/pool")
    end
    for i = 1, concurrent do
        local ok, res, err = ngx.thread.wait(running[i])
        assert(ok and res, err)
    end
end

-- Returns requests/s, dials per call, and microseconds of CPU per call.
local function measure(cli, concurrent)
    local calls, dials_before, start, cpu = 0, dials, now(), os.clock()
    repeat
        wave(cli, concurrent)
        calls = calls + concurrent
    until now() - start >= seconds
    return calls / (now() - start), (dials - dials_before) / calls, (os.clock() - cpu) / calls * 1e6
end

local function median(list)
    table.sort(list)
    return list[math.floor(#list / 2) + 1]
end

for _, pool in ipairs(pools) do
    pool.cli = assert(etcd.new {
        http_host = os.getenv("BENCH_ETCD"), transport = "cosocket", keepalive_pool = pool.size, timeout = 30,
    })
end
assert(pools[1].cli:set("/bench/pool", { uri = "/hello" }))
print(("keepalive_pool: waves of concurrent gets at etcd, %d rounds of %g s, medians"):format(rounds, seconds))
for _, concurrent in ipairs(LEVELS) do
    for _, pool in ipairs(pools) do
        measure(pool.cli, concurrent) -- warm the traces and the pool
        pool.rps, pool.dials, pool.cpu, pool.rps_ratios, pool.cpu_ratios = {}, {}, {}, {}, {}
    end
    for round = 1, rounds do
        for _, pool in ipairs(pools) do
            pool.rps[round], pool.dials[round], pool.cpu[round] = measure(pool.cli, concurrent)
            pool.rps_ratios[round] = pool.rps[round] / pools[1].rps[round]
            pool.cpu_ratios[round] = pool.cpu[round] / pools[1].cpu[round]
        end
    end
    for _, pool in ipairs(pools) do
        print(("%3d calls, pool %-7s %7.0f requests/s (%.2f) %6.3f dials per call %6.1f us CPU each (%.2f)"):format(
            concurrent, pool.name, median(pool.rps), median(pool.rps_ratios), median(pool.dials),
            median(pool.cpu), median(pool.cpu_ratios)))
    end
end
