-- Streams of a real etcd that are silent, while etcd compacts the revisions after their position.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local fake = require "spec.support.scripted_server"
local tap = require "spec.support.watch_proxy"
local wire = require "spec.support.wire"

local IDLE_TIMEOUT = 1
local BOUND = IDLE_TIMEOUT + 3 -- seconds: docs/guarantees.md

describe("silent stream during compactions #alone", function()
    local dir, direct, proxy, restore, cli, writer, stopping
    local opened = {}

    setup(function()
        restore = fake.never_ban()
    end)

    teardown(function()
        restore()
    end)

    before_each(function()
        dir = bed.key("silent")
        proxy = tap.new(bed.single.http)
        direct = assert(bed.new { timeout = 10 })
        cli = assert(bed.new { http_host = proxy.http_host, timeout = 10 })
        stopping = false
        -- writes outside the prefix, and compactions of everything before them, ten times per second
        writer = ngx.thread.spawn(function()
            local other = bed.key("silent-other")
            local n = 0
            while not stopping do
                n = n + 1
                local revision = tonumber(assert(direct:set(other .. n % 5, n)).body.header.revision)
                local status, answer = wire.post(bed.single.http, "/v3/kv/compaction", { revision = revision })
                assert(status == 200 or answer.message:find("compacted", 1, true), answer.message)
                ngx.sleep(0.1)
            end
            direct:rmdir(other)
        end)
    end)

    after_each(function()
        stopping = true
        assert(ngx.thread.wait(writer))
        for i = #opened, 1, -1 do
            opened[i]:close()
            opened[i] = nil
        end
        proxy:close()
        assert(direct:rmdir(dir))
    end)

    local function mirror()
        local m = assert(cli:mirror(dir, { idle_timeout = IDLE_TIMEOUT }))
        opened[#opened + 1] = m
        assert(m:wait_ready(5))
        return m
    end

    -- Returns a watcher whose stream is established. One whose start revision is compacted before that is opened again.
    local function watch(opts)
        opts.prefix, opts.idle_timeout = true, IDLE_TIMEOUT
        for _ = 1, 20 do
            local watcher = assert(cli:watcher(dir, opts))
            opened[#opened + 1] = watcher
            assert(fake.eventually(function() return watcher:stats().connected or watcher:state() == "failed" end))
            ngx.sleep(0.3) -- etcd reports a compaction right after it has confirmed the watch
            if watcher:state() == "watching" then
                return watcher
            end
        end
        error("no watcher is established")
    end

    -- Drops what comes through the existing streams, silently, makes a change, and returns the seconds until it is seen.
    local function seconds_to_see(change, is_seen)
        ngx.sleep(0.3) -- compactions pass the position of the stream
        proxy.frozen_up_to = proxy.watches
        change()
        local changed = clock.now()
        while not is_seen() do
            assert(clock.now() < changed + 30, "the change is not seen")
            ngx.sleep(0.02)
        end
        return clock.now() - changed
    end

    it("is kept, and the age of its mirror stays small", function()
        assert(direct:set(dir .. "a", "1"))
        local m = mirror()
        local streams = m:stats().opened
        local oldest = 0
        local stop = clock.now() + 4 * BOUND
        while clock.now() < stop do
            oldest = math.max(oldest, m:age())
            ngx.sleep(0.05)
        end
        assert.is_true(oldest < BOUND, oldest .. " s")
        assert.equals(streams, m:stats().opened)
        assert(direct:set(dir .. "a", "2"))
        assert(fake.eventually(function() return m:get(dir .. "a") == "2" end))
        assert.equals(streams, m:stats().opened)
    end)

    for name, change in pairs {
        ["a put of a key"] = {
            make = function() assert(direct:set(dir .. "a", "2")) end,
            is_seen = function(m) return m:get(dir .. "a") == "2" end,
        },
        ["a new key"] = {
            make = function() assert(direct:set(dir .. "c", "2")) end,
            is_seen = function(m) return m:get(dir .. "c") == "2" end,
        },
        ["a deletion"] = {
            make = function() assert(direct:delete(dir .. "b")) end,
            is_seen = function(m) return m:get(dir .. "b") == nil end,
        },
        ["a deletion and a new key"] = {
            make = function()
                assert(direct:delete(dir .. "b"))
                assert(direct:set(dir .. "c", "2"))
            end,
            is_seen = function(m) return m:get(dir .. "b") == nil and m:get(dir .. "c") == "2" end,
        },
    } do
        it("is replaced within the bound, so that a mirror sees " .. name .. ", when its connection is dropped silently", function()
            assert(direct:set(dir .. "a", "1"))
            assert(direct:set(dir .. "b", "1"))
            local m = mirror()
            -- the keys that the stream itself reports count too
            assert(direct:set(dir .. "new", "1"))
            assert(direct:set(dir .. "gone", "1"))
            assert(direct:delete(dir .. "gone"))
            assert(fake.eventually(function() return m:get(dir .. "new") and not m:get(dir .. "gone") end))
            local took = seconds_to_see(change.make, function() return change.is_seen(m) end)
            assert.is_true(took < BOUND, took .. " s")
        end)
    end

    for _, filter in ipairs { "NOPUT", "NODELETE" } do
        it("is replaced within the bound with the filter " .. filter, function()
            for i = 1, 200 do
                assert(direct:set(dir .. i, "1"))
            end
            local watcher = watch { filters = filter }
            local n = 0
            local took = seconds_to_see(function() end, function()
                n = n + 1
                if filter == "NOPUT" then
                    direct:delete(dir .. n)
                else
                    direct:set(dir .. n, "2")
                end
                return watcher:state() == "failed" or watcher:stats().queued > 0
            end)
            assert.is_true(took < BOUND, took .. " s")
            watcher:close()
        end)
    end

    for name, change in pairs {
        ["a deletion is lost while keys are created"] = function()
            assert(direct:delete(dir .. "b"))
            assert(direct:set(dir .. "c", "1"))
            assert(direct:set(dir .. "d", "1"))
        end,
        ["the deletion of a key that exists again is lost"] = function()
            assert(direct:delete(dir .. "b"))
            assert(direct:set(dir .. "b", "2"))
        end,
    } do
        it("is replaced within the bound with the filter NOPUT, when " .. name, function()
            assert(direct:set(dir .. "a", "1"))
            assert(direct:set(dir .. "b", "1"))
            assert(direct:set(dir .. "gone", "1"))
            local watcher = watch { filters = "NOPUT" }
            assert(direct:delete(dir .. "gone"))
            assert(watcher:next(5))
            local took = seconds_to_see(change, function() return watcher:state() == "failed" end)
            assert.is_true(took < BOUND, took .. " s")
        end)
    end

    it("is replaced with the filter NOPUT after more keys were created than a probe reads", function()
        assert(direct:set(dir .. "a", "1"))
        local watcher = watch { filters = "NOPUT" }
        for i = 0, 10 do
            local puts = {}
            for j = 1, 100 do
                puts[j] = { requestPut = { key = dir .. "new" .. i * 100 + j, value = "1" } }
            end
            assert(direct:txn({ { key = dir, target = "VERSION", version = 0 } }, puts))
        end
        ngx.sleep(2 * IDLE_TIMEOUT + 1) -- the next probe counts the keys again
        assert.equals("watching", watcher:state())
        local took = seconds_to_see(function() assert(direct:delete(dir .. "new1")) end, function()
            return watcher:state() == "failed"
        end)
        assert.is_true(took < BOUND, took .. " s")
    end)

    it("is kept with the filter NOPUT while keys are created, written and deleted", function()
        assert(direct:set(dir .. "a", "1"))
        local watcher = watch { filters = "NOPUT" }
        local streams = watcher:stats().opened
        for i = 1, 4 do
            local stop = clock.now() + IDLE_TIMEOUT + 1.5 -- longer than a probe takes
            while clock.now() < stop do
                assert(direct:set(dir .. "a", "2"))
                assert(direct:set(dir .. "new" .. i, "1"))
                ngx.sleep(0.02)
            end
            assert(direct:delete(dir .. "new" .. i))
            local batch = assert(watcher:next(5))
            assert.equals(dir .. "new" .. i, batch.events[1].kv.key)
        end
        assert.equals("watching", watcher:state())
        assert.equals(streams, watcher:stats().opened)
    end)

    it("ends a watcher without relist with the error compacted when its connection is dropped silently", function()
        assert(direct:set(dir .. "a", "1"))
        local watcher = watch {}
        local took = seconds_to_see(function() assert(direct:delete(dir .. "a")) end, function()
            return watcher:state() == "failed"
        end)
        assert.is_true(took < BOUND, took .. " s")
        local _, _, details = watcher:next(0)
        assert.equals("compacted", details.name)
    end)
end)
