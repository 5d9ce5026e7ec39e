-- What callbacks of watchers may do, of a real etcd.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local fake = require "spec.support.scripted_server"

local dir = bed.key("watcher-push")

describe("a watcher with `on_batch`", function()
    local cli, watcher

    before_each(function()
        cli = assert(bed.new { timeout = 5 })
    end)

    after_each(function()
        watcher:close()
        assert(cli:rmdir(dir))
    end)

    -- Tells `callback` of three changes.
    local function watch(callback)
        watcher = assert(cli:watcher(dir, { prefix = true, on_batch = callback }))
        for i = 1, 3 do
            assert(cli:set(dir .. "a", i))
        end
    end

    local WITHOUT_TEXT = {
        ["has a text that throws"] = function() error("no text") end,
        ["has a text that is none"] = function() return 1 end,
    }

    for name, text in pairs(WITHOUT_TEXT) do
        it("goes on after an error that " .. name, function()
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

    it("goes on in another timer after a callback that ends its own, and leaves nothing out", function()
        local seen = {}
        watch(function(batch)
            seen[#seen + 1] = batch.events[1].kv.value
            if #seen == 2 then
                ngx.exit(ngx.OK)
            end
        end)
        local give_up = clock.now() + 20
        while #seen < 3 and clock.now() < give_up do
            ngx.sleep(0.05)
        end
        assert.same({ 1, 2, 3 }, seen)
        assert.equals(1, watcher:stats().callback_errors)
    end)

    it("waits for a callback that takes long, and tells it nothing meanwhile", function()
        local seen, at_once, most = 0, 0, 0
        watch(function()
            at_once = at_once + 1
            most = math.max(most, at_once)
            ngx.sleep(seen == 0 and 5 or 0.001) -- longer than a timer may be without a sign of life
            at_once, seen = at_once - 1, seen + 1
        end)
        local give_up = clock.now() + 20
        while seen < 3 and clock.now() < give_up do
            ngx.sleep(0.05)
        end
        assert.equals(3, seen)
        assert.equals(1, most)
        assert.equals(0, watcher:stats().callback_errors)
    end)
end)
