-- Watchers that share a watch, and how they affect each other.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local recorder = require "spec.support.watch_recorder"
local tap = require "spec.support.watch_proxy"

local dir = bed.key("watcher-share")

describe("watchers of one client", function()
    local proxy, cli, direct
    local watchers = {}

    local function watch(key, opts)
        local watcher, err = cli:watcher(key, opts)
        assert.is_nil(err)
        watchers[#watchers + 1] = watcher
        return watcher
    end

    local function next_key(watcher)
        local batch, err = watcher:next(5)
        assert.is_nil(err)
        return batch.events[1].kv.key
    end

    -- Waits until the watcher has received all events.
    local function settle(watcher)
        local key = dir .. "settle"
        assert(direct:set(key, 1))
        recorder.take(watcher, key)
    end

    local function fill(from, to)
        for i = from, to do
            assert(direct:set(dir .. "a/" .. i % 10, i))
        end
    end

    before_each(function()
        proxy = tap.new(bed.single.http)
        cli = assert(bed.new { http_host = proxy.http_host, timeout = 5 })
        direct = assert(bed.new())
    end)

    after_each(function()
        for i = #watchers, 1, -1 do
            watchers[i]:close()
            watchers[i] = nil
        end
        proxy:close()
        assert(direct:rmdir(dir))
    end)

    it("share one connection if they watch the same keys", function()
        local all = {}
        for i = 1, 20 do
            all[i] = watch(dir, { prefix = true, list = i % 2 == 0 })
        end
        for i = 2, 20, 2 do
            assert.equals("list", assert(all[i]:next(5)).reason)
        end
        assert(direct:set(dir .. "a", 1))
        for i = 1, 20 do
            assert.equals(dir .. "a", next_key(all[i]))
        end
        assert.equals(1, proxy.watches)
        assert.equals(20, all[1]:stats().subscribers)
    end)

    it("share the watch of the wider prefix, and receive only their own keys", function()
        local all = watch(dir, { prefix = true })
        local some = watch(dir .. "a/", { prefix = true })
        local one = watch(dir .. "a/1")
        for _, name in ipairs { "b", "a/2", "a/1" } do
            assert(direct:set(dir .. name, 1))
        end
        assert.equals(dir .. "a/1", next_key(one))
        assert.equals(dir .. "a/2", next_key(some))
        assert.equals(dir .. "a/1", next_key(some))
        assert.equals(dir .. "b", next_key(all))
        assert.equals(1, proxy.watches)
        assert.equals(all:revision() + 2, one:revision())
    end)

    it("share one watch if they have the same shared_prefix", function()
        local all = {}
        for i = 1, 5 do
            all[i] = watch(dir .. i .. "/", { prefix = true, shared_prefix = dir, list = true, relist = true })
            assert.equals("list", assert(all[i]:next(5)).reason)
        end
        for i = 5, 1, -1 do
            assert(direct:set(dir .. i .. "/x", 1))
            assert.equals(dir .. i .. "/x", next_key(all[i]))
        end
        assert.equals(1, proxy.watches)
    end)

    it("receive their part of a revision in one batch", function()
        local odd = watch(dir .. "odd/", { prefix = true, shared_prefix = dir })
        local even = watch(dir .. "even/", { prefix = true, shared_prefix = dir })
        for i = 1, 6 do
            assert(direct:set(dir .. (i % 2 == 0 and "even/" or "odd/") .. i, i))
            assert((i % 2 == 0 and even or odd):next(5))
        end
        assert(direct:rmdir(dir))
        for _, watcher in ipairs { odd, even } do
            local batch = assert(watcher:next(5))
            assert.equals(3, #batch.events)
            assert.equals("DELETE", batch.events[3].type)
        end
    end)

    it("do not share a watch that lacks an option of one of them", function()
        local plain = watch(dir, { prefix = true })
        local prev = watch(dir, { prefix = true, prev_kv = true })
        local puts = watch(dir, { prefix = true, filters = "NODELETE" })
        local eager = watch(dir, { prefix = true, idle_timeout = 5 })
        assert(direct:set(dir .. "a", 1))
        for _, watcher in ipairs { plain, prev, puts, eager } do
            assert.equals(dir .. "a", next_key(watcher))
        end
        assert.equals(4, proxy.watches)
        local either = watch(dir .. "a")
        assert(direct:set(dir .. "a", 2))
        next_key(either)
        assert.equals(4, proxy.watches)
    end)

    it("receive no previous values without prev_kv if they share the watch of one with it", function()
        local prev = watch(dir, { prefix = true, prev_kv = true })
        local plain = watch(dir, { prefix = true })
        assert(direct:set(dir .. "a", 1))
        assert(direct:set(dir .. "a", 2))
        assert(prev:next(5) and plain:next(5))
        assert.equals(1, prev:next(5).events[1].prev_kv.value)
        assert.is_nil(plain:next(5).events[1].prev_kv)
        assert.equals(1, proxy.watches)
    end)

    it("can modify the events that they receive", function()
        local first, second = watch(dir, { prefix = true }), watch(dir, { prefix = true })
        assert(direct:set(dir .. "a", 1))
        local batch = assert(first:next(5))
        batch.events[1].kv.key = "changed"
        batch.events[2] = {}
        assert.same({ dir .. "a" }, { next_key(second) })
    end)

    it("have a separate watch while they catch up from a start revision in the past", function()
        local first = tonumber(assert(direct:set(dir .. "a/0", 0)).body.header.revision)
        fill(1, 200)
        local live = watch(dir, { prefix = true })
        settle(live)
        local late = watch(dir .. "a/", { prefix = true, start_revision = first, prev_kv = false })
        for i = 0, 200 do
            assert.equals(i, late:next(5).events[1].kv.value)
        end
        assert.equals(2, proxy.watches)
        assert(fake.eventually(function() return proxy.open == 1 or not direct:set(dir .. "a/x", 1) end))
        assert.equals(2, late:stats().subscribers)
        assert.equals("watching", late:state())
        settle(live)
    end)

    it("lose nothing when others join while the stream is cut", function()
        local old = watch(dir, { prefix = true })
        local stop = false
        local writer = ngx.thread.spawn(function()
            local n = 0
            while not stop do
                n = n + 1
                assert(direct:set(dir .. "a/" .. n % 10, n))
            end
            assert(direct:set(dir .. "last", n))
        end)
        local restore = fake.never_ban()
        local joined = {}
        for i = 1, 10 do
            proxy:cut(i % 2 == 0)
            joined[i] = watch(dir, { prefix = true, list = true })
            ngx.sleep(0.05)
        end
        stop = true
        assert(ngx.thread.wait(writer))
        recorder.take(old, dir .. "last")
        local expected = recorder.read(direct, dir)
        for i = 1, 10 do
            local keys, revision = {}, 0
            for _, batch in ipairs(recorder.take(joined[i], dir .. "last")) do
                assert.is_true(batch.revision > revision)
                revision = batch.revision
                recorder.apply(keys, batch)
            end
            assert.same(expected, keys)
        end
        restore()
    end)

    describe("when one is closed", function()
        it("continue on the shared watch", function()
            local first, second = watch(dir, { prefix = true }), watch(dir, { prefix = true })
            assert(direct:set(dir .. "a", 1))
            next_key(first)
            first:close()
            assert.equals(dir .. "a", next_key(second))
            assert(direct:set(dir .. "b", 1))
            assert.equals(dir .. "b", next_key(second))
            assert.equals(1, proxy.watches)
        end)

        it("close the connection immediately when it was the last one", function()
            local first, second = watch(dir, { prefix = true }), watch(dir, { prefix = true })
            settle(first)
            first:close()
            ngx.sleep(0.05)
            assert.equals(1, proxy.open)
            second:close()
            ngx.sleep(0.05)
            assert.equals(0, proxy.open)
            assert.same({}, cli.shared_watches)
        end)

        it("close the connection when the last one is collected as garbage", function()
            local function unreferenced()
                local watcher = assert(cli:watcher(dir, { prefix = true }))
                local thread = ngx.thread.spawn(function() return watcher:next() end)
                assert(fake.eventually(function() return proxy.open == 1 end))
                ngx.thread.kill(thread) -- as nginx does at the end of a request
            end
            assert(ngx.thread.wait(ngx.thread.spawn(unreferenced)))
            assert.equals(1, proxy.open)
            assert(fake.eventually(function()
                collectgarbage()
                return proxy.open == 0
            end))
        end)
    end)

    describe("when one is too slow", function()
        it("do not stall, and the slow one loses nothing", function()
            local first = tonumber(assert(direct:set(dir .. "a/0", 0)).body.header.revision)
            local quick = watch(dir, { prefix = true })
            local slow = watch(dir, { prefix = true, max_queue = 10 })
            settle(quick)
            recorder.take(slow, dir .. "settle")
            first = first + 2
            fill(1, 100)
            settle(quick)
            assert.equals("behind", slow:state())
            assert.equals(1, slow:stats().overflows)
            assert.is_true(slow:stats().queued <= 10)
            assert.equals(1, proxy.watches)
            assert(direct:set(dir .. "last", 0))
            local batches = {}
            while not batches[1] or batches[#batches].events[1].kv.key ~= dir .. "last" do
                batches[#batches + 1] = assert(slow:next(5))
                ngx.sleep(0.001)
            end
            assert.equals(2, proxy.watches)
            local values = {}
            for _, batch in ipairs(batches) do
                values[#values + 1] = batch.events[1].kv.value
            end
            local expected = { 1 } -- of `settle(quick)`
            for i = 1, 100 do
                expected[i] = i
            end
            expected[101], expected[102] = 1, 0
            assert.same(expected, values)
            assert.equals(first, batches[1].revision)
            fill(1, 8) -- fewer than max_queue
            settle(quick)
            for _ = 1, 8 do
                assert(slow:next(5))
            end
            assert(fake.eventually(function() return proxy.open == 1 end))
        end)

        it("pause the stream if it is the only one, until it takes batches", function()
            local slow = watch(dir, { prefix = true, max_queue = 10 })
            fill(1, 300)
            assert(fake.eventually(function() return slow:state() == "behind" end))
            assert.is_true(slow:stats().queued <= 10)
            assert.equals(1, proxy.open)
            assert.equals(0, slow:stats().overflows)
            assert(direct:set(dir .. "last", 0))
            assert.equals(301, #recorder.take(slow, dir .. "last"))
            assert.equals(1, proxy.watches)
            assert.equals("watching", slow:state())
        end)

        it("do not stall if they were opened while it was the only one", function()
            local slow = watch(dir, { prefix = true, max_queue = 10 })
            fill(1, 100)
            assert(fake.eventually(function() return slow:state() == "behind" end))
            local quick = watch(dir, { prefix = true, list = true })
            assert.equals(10, #assert(quick:next(5)).events)
            assert(direct:set(dir .. "last", 0))
            assert.equals(dir .. "last", next_key(quick))
            assert.equals(101, #recorder.take(slow, dir .. "last"))
        end)

        it("limit the queued bytes too", function()
            local slow = watch(dir, { prefix = true })
            local value = ("x"):rep(1000000)
            for i = 1, 30 do
                assert(direct:set(dir .. i, value))
            end
            assert(fake.eventually(function() return slow:state() == "behind" end))
            assert.is_true(slow:stats().queued <= 17)
            assert(direct:set(dir .. "last", 0))
            assert.equals(31, #recorder.take(slow, dir .. "last"))
        end)

        for _, late in ipairs { "requested", "received" } do
            it("deliver the list and all later events to it if its list is " .. late .. " late", function()
                assert(direct:set(dir .. "a/0", 0))
                local quick = watch(dir, { prefix = true })
                local pages = require "resty.etcd.call.paged_range"
                local read_raw, hold, is_held = pages.read_raw, true, false
                local function delay()
                    while hold do
                        is_held = true
                        ngx.sleep(0.01)
                    end
                end
                pages.read_raw = function(...)
                    if late == "requested" then
                        delay()
                    end
                    local reply, err = read_raw(...)
                    delay()
                    return reply, err
                end
                finally(function() pages.read_raw = read_raw end)
                local slow = watch(dir, { prefix = true, list = true, max_queue = 10 })
                assert(fake.eventually(function() return is_held end))
                fill(1, 50)
                settle(quick)
                hold = false
                local keys = {}
                local batch = assert(slow:next(5))
                assert.equals("list", batch.reason)
                recorder.apply(keys, batch)
                assert.equals(1, slow:stats().overflows)
                assert(direct:set(dir .. "last", 0))
                local delivered = 0
                for _, later in ipairs(recorder.take(slow, dir .. "last")) do
                    recorder.apply(keys, later)
                    delivered = delivered + 1
                end
                assert.equals(late == "received" and 52 or 1, delivered)
                assert.same(recorder.read(direct, dir), keys)
            end)
        end
    end)
end)
