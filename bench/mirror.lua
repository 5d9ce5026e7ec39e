-- A mirror in one worker: its lookups compared with lua-resty-lrucache and a shared dict with JSON; and the longest time
-- that the event loop is blocked by the first sync of many keys, by readdir, and by a watch with many past events.
-- Needs a real etcd, and replaces its keys below /bench/.
--   BENCH_ETCD=http://... RESTY_HTTP_CONF="lua_shared_dict bench 128m;" tools/resty-run bench/mirror.lua [GETS] [ROUNDS] [KEYS...]
local cjson = require "cjson.safe"
local etcd = require "resty.etcd"
local ffi = require "ffi"
local lrucache = require "resty.lrucache"

local gets, rounds = tonumber(arg[1]) or 3000000, tonumber(arg[2]) or 5
local sizes = { tonumber(arg[3]) or 10000, tonumber(arg[4] or not arg[3] and 100000 or nil) }
local cli = assert(etcd.new { http_host = os.getenv("BENCH_ETCD"), timeout = 30 })

ffi.cdef 'int bench_clock(int, int64_t *) __asm__("clock_gettime");'
local time = ffi.new("int64_t[2]")
local function seconds_of(id)
    ffi.C.bench_clock(id, time)
    return tonumber(time[0]) + tonumber(time[1]) * 1e-9
end
local function now() return seconds_of(1) end
local function cpu() return seconds_of(2) end

local function median(list)
    table.sort(list)
    return list[math.floor(#list / 2) + 1]
end

local value = { uri = "/hello", upstream = { nodes = { ["127.0.0.1:1980"] = 1 }, type = "roundrobin" } }

-- Writes `n` keys. Returns the revision of the first.
local function load_keys(n)
    local first = assert(cli:rmdir("/bench/")).body.header.revision + 1
    for from = 1, n, 100 do
        local ops = {}
        for i = from, math.min(n, from + 99) do
            ops[#ops + 1] = { requestPut = { key = ("/bench/%06d"):format(i), value = value } }
        end
        assert(cli:txn({ { key = "/bench", target = "CREATE", result = "EQUAL", create_revision = 0 } }, ops))
    end
    return first
end

-- Samples the worker's CPU time each time that another light thread can run. The CPU time between two samples is a
-- stretch in which the event loop was blocked.
local function watch_stretches()
    local stretch = { longest = 0 }
    ngx.thread.spawn(function()
        while not stretch.stop do
            local before = cpu()
            ngx.sleep(0.001)
            stretch.longest = math.max(stretch.longest, cpu() - before)
        end
    end)
    return stretch
end

-- Runs a function in each round and prints the longest stretches. Compare them with the time that LuaJIT needs to double
-- its string table, which cannot be split.
local function bench_stretch(what, run)
    local took, took_cpu, longest = {}, {}, {}
    for round = 1, rounds do
        for _ = 1, 3 do
            collectgarbage()
        end
        ngx.sleep(0.2)
        local stretch, start, start_cpu = watch_stretches(), now(), cpu()
        run()
        took[round], took_cpu[round] = (now() - start) * 1000, (cpu() - start_cpu) * 1000
        stretch.stop = true
        longest[round] = ("%.1f"):format(stretch.longest * 1000)
    end
    print(("  %-34s %5.0f ms, of them %4.0f ms CPU; longest stretches %s ms"):format(
        what, median(took), median(took_cpu), table.concat(longest, " ")))
end

local function string_table(n)
    collectgarbage()
    collectgarbage("stop")
    local items, longest = {}, 0
    for i = 1, n do
        local before = cpu()
        local text = "one of many " .. i
        longest = math.max(longest, cpu() - before)
        items[i] = { text = text, a = 1, b = 2, c = 3, d = 4 } -- spreads the strings in memory as far as those of keys
    end
    collectgarbage("restart")
    print(("  creating one string among up to %d: at most %.1f ms"):format(#items, longest * 1000))
end

local function timed(what, run)
    local start = cpu()
    run()
    print(("  %-46s %8.2f ms"):format(what, (cpu() - start) * 1000))
end

local function sync(mode)
    local m = assert(cli:mirror("/bench/", {
        mode = mode, shm_name = "bench", index = { uri = function(route) return route.uri end },
    }))
    assert(m:wait_ready(60))
    return m
end

local function bench_sync(n)
    local first = load_keys(n)
    print(("%d keys, %d rounds"):format(n, rounds))
    string_table(2 * n)
    bench_stretch("readdir", function()
        assert(#assert(cli:readdir("/bench/")).body.kvs == n)
    end)
    bench_stretch("a watch of past puts", function()
        local watcher, count = assert(cli:watcher("/bench/", { prefix = true, start_revision = first })), 0
        while count < n do
            count = count + #assert(watcher:next(60)).events
        end
        watcher:close()
    end)
    bench_stretch("first sync, mode node", function()
        local m = sync("shared")
        m:close()
        ngx.sleep(1) -- until the worker has stopped writing the log
        ngx.shared.bench:flush_all()
        ngx.shared.bench:flush_expired()
    end)
    bench_stretch("first sync, mode worker", function()
        sync("worker"):close()
    end)
    local m = sync("worker")
    timed("all(), for the first time", function() m:all() end)
    timed("by() of an index that finds all of them", function() m:by("uri", "/hello") end)
    local res = assert(cli:set("/bench/new", value))
    while m:revision() < tonumber(res.body.header.revision) do
        ngx.sleep(0.001)
    end
    timed("all() after a new key", function() m:all() end)
    timed("prefix() of a tenth of them", function() m:prefix(("/bench/%06d"):format(n / 10):sub(1, 8)) end)
    return m
end

local m
for _, n in ipairs(sizes) do
    if m then
        m:close()
    end
    m = bench_sync(n)
end

local keys, cache, dict = {}, lrucache.new(1000), ngx.shared.test
for i = 1, 500 do
    keys[i] = ("/bench/%06d"):format(i)
    cache:set(keys[i], value)
    assert(dict:set(keys[i], cjson.encode(value)))
end

local cases = {
    { name = "mirror get", n = gets, run = function(key) return m:get(key) end },
    { name = "lrucache get", n = gets, run = function(key) return cache:get(key) end },
    { name = "shared dict get and cjson.decode", n = gets / 10, run = function(key) return cjson.decode((dict:get(key))) end },
}
for _, case in ipairs(cases) do
    -- a separate loop for each, so that they do not share traces
    case.measure = assert(loadstring [[
        local run, keys, n, cpu = ...
        local start, hits = cpu(), 0
        for _ = 1, n / 500 do
            for i = 1, 500 do
                if run(keys[i]) then hits = hits + 1 end
            end
        end
        assert(hits == math.floor(n / 500) * 500)
        return (cpu() - start) / hits * 1e9
    ]])
    case.measure(case.run, keys, case.n, cpu)
    case.ns = {}
end
for round = 1, rounds do
    for _, case in ipairs(cases) do
        case.ns[round] = case.measure(case.run, keys, case.n, cpu)
    end
end
print(("lookups of 500 keys, %d rounds, medians"):format(rounds))
for _, case in ipairs(cases) do
    local ratios = {}
    for round = 1, rounds do
        ratios[round] = case.ns[round] / cases[1].ns[round]
    end
    print(("  %-34s %8.1f ns   %6.2f times the mirror's"):format(case.name, median(case.ns), median(ratios)))
end

local function many()
    for _ = 1, 2000 do
        for i = 1, 500 do
            m:get(keys[i])
        end
    end
end
many()
collectgarbage()
collectgarbage("stop")
local before = collectgarbage("count")
many()
local bytes = (collectgarbage("count") - before) * 1024
collectgarbage("restart")
print(("  bytes allocated by 1000000 gets      %8d"):format(bytes))
m:close()
assert(cli:rmdir("/bench/"))
