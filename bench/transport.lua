-- The driver's get and set compared with the lower bound of bench/floor.lua, in one run: each round measures all four one
-- after another, so that other load on the machine affects all of them. Prints the median of the rounds and the ratio.
--   BENCH_PORT=PORT tools/resty-run bench/transport.lua [SECONDS] [THREADS] [ROUNDS]
local floor = require "bench.floor"
local etcd = require "resty.etcd"

local seconds = tonumber(arg[1]) or 1
local threads = tonumber(arg[2]) or 16
local rounds = tonumber(arg[3]) or 5
local host, port = "127.0.0.1", tonumber(os.getenv("BENCH_PORT"))
local cli = assert(etcd.new { http_host = "http://" .. host .. ":" .. port, transport = "cosocket", keepalive_pool = 64 })
local value = { uri = "/hello", upstream = { nodes = { ["127.0.0.1:1980"] = 1 }, type = "roundrobin" } }

local cases = {
    { name = "floor get", run = function() return floor.get(host, port, "/routes/1") end },
    { name = "driver get", run = function() return assert(cli:get("/routes/1")) end },
    { name = "floor set", run = function() return floor.set(host, port, "/routes/1", value) end },
    { name = "driver set", run = function() return assert(cli:set("/routes/1", value)) end },
}

local function now()
    ngx.update_time()
    return ngx.now()
end

local function measure(run)
    local count, stop = 0, now() + seconds
    local function work()
        repeat
            for _ = 1, 50 do
                run()
            end
            count = count + 50
        until now() >= stop
    end
    local start, cpu = now(), os.clock()
    local running = {}
    for i = 1, threads do
        running[i] = ngx.thread.spawn(work)
    end
    for i = 1, threads do
        assert(ngx.thread.wait(running[i]))
    end
    return count / (now() - start), (os.clock() - cpu) / count * 1e6
end

local function median(list)
    table.sort(list)
    return list[math.floor(#list / 2) + 1]
end

for _, case in ipairs(cases) do
    measure(case.run) -- warm the traces and the pool
    case.rps, case.cpu, case.ratios = {}, {}, {}
end
for round = 1, rounds do
    for i, case in ipairs(cases) do
        case.rps[round], case.cpu[round] = measure(case.run)
        if i % 2 == 0 then
            case.ratios[round] = case.rps[round] / cases[i - 1].rps[round]
        end
    end
end
print(("%d light threads, %d rounds of %g s, medians"):format(threads, rounds, seconds))
for i, case in ipairs(cases) do
    local ratio = i % 2 == 0 and ("   ratio to the floor %.2f"):format(median(case.ratios)) or ""
    print(("%-11s %8.0f requests/s %6.1f us CPU each%s"):format(case.name, median(case.rps), median(case.cpu), ratio))
end
