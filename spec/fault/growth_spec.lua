-- Memory that remains after each change, probe, renewal and login: Lua objects after full collections, and what malloc has
-- given out, which includes the pools of nginx's timers.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local config = require "resty.etcd.config"
local ffi = require "ffi"
local probes = require "resty.etcd.watch.probe"
local registrations = require "resty.etcd.discovery.registration"
local resource_usage = require "spec.support.resource_usage"
local timer_loop = require "resty.etcd.base.timer_loop"

ffi.cdef [[
    struct resty_etcd_mallinfo2 {
        size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
    };
    struct resty_etcd_mallinfo2 resty_etcd_mallinfo2(void) __asm__("mallinfo2");
]]

-- Ended light threads of a host that has not been replaced yet, and its successor's: 1,000 of less than 300 bytes.
local SAWTOOTH = 600 * 1024
local DAY = 86400

-- Returns the bytes of live Lua objects, and those that malloc has given out.
local function memory()
    local lua = resource_usage.lua_memory() * 1024
    local info = ffi.C.resty_etcd_mallinfo2()
    return lua, tonumber(info.uordblks) + tonumber(info.hblkhd)
end

local function wait_for(seconds, condition)
    local stop = clock.now() + seconds
    while not condition() do
        assert(clock.now() < stop, "the condition did not hold in time")
        ngx.sleep(0.02)
    end
end

-- Returns the least memory while a counter advances by `count`: timers are replaced several times meanwhile.
local function least_memory(counter, count)
    local last = counter() + count
    local least_lua, least_malloc = math.huge, math.huge
    while counter() < last do
        ngx.sleep(0.05)
        local lua, malloc = memory()
        least_lua, least_malloc = math.min(least_lua, lua), math.min(least_malloc, malloc)
    end
    return least_lua, least_malloc
end

-- Returns the bytes that remain after each step that `counter` counts: of Lua objects, and of malloc.
local function growth(counter, count)
    least_memory(counter, count)
    local lua, malloc = least_memory(counter, count)
    local from = counter()
    least_memory(counter, count)
    local lua_after, malloc_after = least_memory(counter, count)
    local steps = counter() - from
    return (lua_after - lua) / steps, (malloc_after - malloc) / steps
end

describe("memory (#alone)", function()
    local dir = bed.key("growth")
    local cli, objects

    local function keep(object)
        objects[#objects + 1] = assert(object)
        return object
    end

    before_each(function()
        cli = assert(bed.new { timeout = 10 })
        objects = {}
    end)

    after_each(function()
        for _, object in ipairs(objects) do
            object:close()
        end
        assert(cli:rmdir(dir))
    end)

    it("does not grow with the changes that on_change, conf:watch and on_batch receive", function()
        local received = {}
        local function count(name)
            received[name] = 0
            return function() received[name] = received[name] + 1 end
        end
        local worker = keep(cli:mirror(dir))
        local shared = keep(cli:mirror(dir, { mode = "shared", shm_name = "watch_log" }))
        local conf = keep(config.new(cli, dir))
        assert(cli:set(dir .. "a", { 0 }))
        for _, object in ipairs { worker, shared, conf } do
            assert(object:wait_ready(20))
        end
        worker:on_change(count("mirror"))
        shared:on_change(count("shared"))
        conf:watch("a", count("document"))
        keep(cli:watcher(dir, { prefix = true, on_batch = count("batch") }))
        -- Writes changes, and waits until each function has been called with them.
        local function write(n)
            local before = {}
            for name, calls in pairs(received) do
                before[name] = calls
            end
            for i = 1, n do
                assert(cli:set(dir .. "a", { i }))
            end
            for name, calls in pairs(before) do
                wait_for(60, function() return received[name] >= calls + n end)
            end
        end
        write(5000)
        local lua, malloc = memory()
        write(20000)
        local lua_after, malloc_after = memory()
        print(("growth in 20,000 changes: %d bytes of Lua, %d of malloc"):format(lua_after - lua, malloc_after - malloc))
        assert.is_true(lua_after - lua < 20000 * 64) -- a light thread that is kept is more than 500 bytes
        assert.is_true(malloc_after - malloc < 4 * SAWTOOTH) -- one for each change is more than 5 MB
    end)

    it("does not grow by more than 64 KB a day with the probes of idle streams", function()
        local count, start = 0, probes.start
        probes.start = function(...)
            count = count + 1
            return start(...)
        end
        finally(function() probes.start = start end)
        for i = 1, 150 do
            keep(cli:watcher(dir .. "w" .. i, { idle_timeout = 1 }))
            keep(cli:mirror(dir .. "m" .. i .. "/", { idle_timeout = 1 }))
        end
        local lua, malloc = growth(function() return count end, 700)
        print(("growth per probe: %.1f bytes of Lua, %.1f of malloc"):format(lua, malloc))
        local probes_per_day = DAY / 20 -- the default of idle_timeout is longer
        assert.is_true(lua * probes_per_day < 64 * 1024)
        assert.is_true(malloc * probes_per_day < 64 * 1024)
    end)

    it("does not grow by more than 64 KB a day with the renewals of registrations", function()
        local regs = {}
        for i = 1, 200 do
            regs[i] = keep(registrations.new(cli, dir .. "reg/" .. i, "x", 1))
        end
        local function renewals()
            local sum = 0
            for _, reg in ipairs(regs) do
                sum = sum + reg:state().renewals
            end
            return sum
        end
        local lua, malloc = growth(renewals, 6000)
        print(("growth per renewal: %.1f bytes of Lua, %.1f of malloc"):format(lua, malloc))
        local renewals_per_day = DAY / 10 -- with a TTL of 30 s
        assert.is_true(lua * renewals_per_day < 64 * 1024)
        assert.is_true(malloc * renewals_per_day < 64 * 1024)
    end)

    it("does not grow by more than 64 KB a day with the logins of a client that watches", function()
        keep(cli:watcher(dir .. "idle", {}))
        local count, is_over = 0, false
        finally(function() is_over = true end)
        local thread = ngx.thread.spawn(function()
            while not is_over do
                local done = false
                assert(timer_loop.run_once("login", function()
                    cli:version() -- a call on a connection of the pool, as a login is
                    count, done = count + 1, true
                end))
                wait_for(10, function() return done end)
            end
        end)
        local lua, malloc = growth(function() return count end, 150)
        is_over = true
        ngx.thread.wait(thread)
        print(("growth per login: %.1f bytes of Lua, %.1f of malloc"):format(lua, malloc))
        local logins_per_day = DAY / 300 -- etcd's simple tokens last for 5 minutes
        assert.is_true(lua * logins_per_day < 64 * 1024)
        assert.is_true(malloc * logins_per_day < 64 * 1024)
    end)
end)
