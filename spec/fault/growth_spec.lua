-- Memory that remains after changes and probes.
local config = require "resty.etcd.config"
local memory_growth = require "spec.support.memory_growth"
local closer_lists = require "spec.support.closers"
local probes = require "resty.etcd.watch.probe"

-- Ended light threads of a host that has not been replaced yet, and its successor's: 1,000 of less than 300 bytes.
local SAWTOOTH = 600 * 1024
-- Bytes of a step that is made once a minute, the default of `idle_timeout`, if 64 KB remain each day.
local BOUND = 64 * 1024 / (86400 / 60)

describe("memory of watches", function()
    local objects = memory_growth.new_objects()
    local dir, keep = objects.dir, objects.keep
    local cli

    before_each(function()
        objects.open()
        cli = objects.new_client()
    end)
    after_each(objects.close)

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
        local closers = closer_lists.new()
        finally(closers.run)
        closers.add(memory_growth.steady())
        local gate = closers.add(memory_growth.gate(probes, "start", 300), "restore")
        for i = 1, 150 do
            keep(cli:watcher(dir .. "w" .. i, { idle_timeout = 1 }))
            keep(cli:mirror(dir .. "m" .. i .. "/", { idle_timeout = 1 }))
        end
        memory_growth.assert_below(BOUND, "probe", gate.make_steps, 300)
    end)
end)
