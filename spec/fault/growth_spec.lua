-- Memory that remains after changes and probes.
local bed = require "spec.support.bed"
local config = require "resty.etcd.config"
local memory_growth = require "spec.support.memory_growth"
local probes = require "resty.etcd.watch.probe"
local timer_supervisor = require "resty.etcd.base.timer_supervisor"

-- Ended light threads of a host that has not been replaced yet, and its successor's: 1,000 of less than 300 bytes.
local SAWTOOTH = 600 * 1024
local DAY = 86400

describe("memory of watches", function()
    local dir = bed.key("growth")
    local cli, objects

    local function keep(object)
        objects[#objects + 1] = assert(object)
        return object
    end

    before_each(function()
        -- one slow response of a busy etcd must not ban the only endpoint
        cli = assert(bed.new { timeout = 10, health = { max_fails = 1e6 } })
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
                memory_growth.wait_for(60, function() return received[name] >= calls + n end)
            end
        end
        write(5000)
        local lua, malloc = memory_growth.memory()
        write(20000)
        local lua_after, malloc_after = memory_growth.memory()
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
        local pool = timer_supervisor.pool_of("short")
        local max_leftovers = pool.max_leftovers
        pool.max_leftovers = 20 -- what the timers hold before they are replaced is less than what the test has to find
        jit.off() -- compiled code is memory, too, and does not stay the same
        jit.flush()
        finally(function()
            probes.start, pool.max_leftovers = start, max_leftovers
            jit.on()
        end)
        -- the pool of idle connections grows with the most calls at a time, which follow from the load of the machine
        cli = assert(bed.new { timeout = 10, keepalive_pool = 1, health = { max_fails = 1e6 } })
        for i = 1, 150 do
            keep(cli:watcher(dir .. "w" .. i, { idle_timeout = 1 }))
            keep(cli:mirror(dir .. "m" .. i .. "/", { idle_timeout = 1 }))
        end
        local lua, malloc = memory_growth.per_step(function() return count end, 1500)
        print(("growth per probe: %.1f bytes of Lua, %.1f of malloc"):format(lua, malloc))
        local probes_per_day = DAY / 60 -- the default of idle_timeout
        assert.is_true(lua * probes_per_day < 64 * 1024)
        assert.is_true(malloc * probes_per_day < 64 * 1024)
    end)
end)
