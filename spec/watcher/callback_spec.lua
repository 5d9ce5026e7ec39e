-- Callbacks of watchers of a real etcd: errors, terminated timers, slow functions.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local fake = require "spec.support.scripted_server"

local dir = bed.key("watcher-push")

describe("watcher with on_batch", function()
    local cli, watcher

    before_each(function()
        cli = assert(bed.new { timeout = 5 })
    end)

    after_each(function()
        watcher:close()
        assert(cli:rmdir(dir))
    end)

    -- Writes three changes, for `callback` to receive.
    local function watch(callback)
        watcher = assert(cli:watcher(dir, { prefix = true, on_batch = callback }))
        for i = 1, 3 do
            assert(cli:set(dir .. "a", i))
        end
    end

    local ERRORS_WITHOUT_TEXT = {
        ["whose __tostring raises an error"] = function() error("no text") end,
        ["whose __tostring returns no string"] = function() return 1 end,
    }

    for name, text in pairs(ERRORS_WITHOUT_TEXT) do
        it("continues after an error " .. name, function()
            local seen = {}
            watch(function(batch)
                seen[#seen + 1] = batch.events[1].kv.value
                error(setmetatable({}, { __tostring = text }))
            end)
            assert(fake.eventually(function() return #seen == 3 end))
            assert(fake.eventually(function() return watcher:stats().callback_errors == 3 end))
            assert.same({ 1, 2, 3 }, seen)
            assert.equals("watching", watcher:state())
        end)
    end

    it("continues in another timer, without omitting a batch, when the callback terminates its timer", function()
        local seen = {}
        watch(function(batch)
            seen[#seen + 1] = batch.events[1].kv.value
            if #seen == 2 then
                ngx.exit(ngx.OK)
            end
        end)
        local deadline = clock.now() + 20
        while #seen < 3 and clock.now() < deadline do
            ngx.sleep(0.05)
        end
        assert.same({ 1, 2, 3 }, seen)
        assert.equals(1, watcher:stats().callback_errors)
    end)

    it("waits for a slow callback before it calls it again", function()
        local seen, running, most = 0, 0, 0
        watch(function()
            running = running + 1
            most = math.max(most, running)
            ngx.sleep(seen == 0 and 5 or 0.001) -- longer than the watchdog waits for a timer
            running, seen = running - 1, seen + 1
        end)
        local deadline = clock.now() + 20
        while seen < 3 and clock.now() < deadline do
            ngx.sleep(0.05)
        end
        assert.equals(3, seen)
        assert.equals(1, most)
        assert.equals(0, watcher:stats().callback_errors)
    end)
end)

describe("watcher whose timer is terminated", function()
    -- The user's on_call runs in the timer that shared watches share. The first call reads etcd's current revision, the
    -- second one the full state.
    for n, what in ipairs { "the current revision", "the full state" } do
        it("continues, and delivers its list, when that happens after a read of " .. what, function()
            local calls = 0
            local cli = assert(bed.new { timeout = 5, on_call = function()
                calls = calls + 1
                if calls == n then
                    ngx.exit(ngx.OK)
                end
            end })
            local direct = assert(bed.new())
            assert(direct:set(dir .. "a", 1))
            local watcher = assert(cli:watcher(dir, { prefix = true, list = true }))
            local batch, err = watcher:next(20)
            assert.is_nil(err)
            assert.equals(1, batch.events[1].kv.value)
            assert(direct:set(dir .. "a", 2))
            batch, err = watcher:next(5)
            assert.is_nil(err)
            assert.equals(2, batch.events[1].kv.value)
            assert.equals("watching", watcher:state())
            watcher:close()
            assert(direct:rmdir(dir))
        end)
    end
end)
