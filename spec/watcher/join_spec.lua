-- Watchers that join a shared watch, leave it, and join it again, at different positions.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local recorder = require "spec.support.watch_recorder"
local tap = require "spec.support.watch_proxy"

local dir = bed.key("watcher-join")

describe("watcher", function()
    local proxy, cli, direct
    local watchers = {}

    local function watch(key, opts)
        local watcher, err = cli:watcher(key, opts)
        assert.is_nil(err)
        watchers[#watchers + 1] = watcher
        return watcher
    end

    local function put(name, value)
        return tonumber(assert(direct:set(dir .. name, value)).body.header.revision)
    end

    local function values(batches)
        local all = {}
        for _, batch in ipairs(batches) do
            for _, event in ipairs(batch.events) do
                all[#all + 1] = event.kv.value
            end
        end
        return all
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

    for _, when in ipairs { "just opened", "created" } do
        it("delivers all events with list when another watcher, " .. when .. ", starts in the future", function()
            local now = put("first", 0)
            local future = watch(dir, { prefix = true, start_revision = now + 20 })
            if when == "created" then
                assert(fake.eventually(function() return future:stats().connected end))
            end
            local present = watch(dir, { prefix = true, list = true })
            assert.equals(now, assert(present:next(5)).revision)
            local expected, late = {}, {}
            for i = 1, 30 do
                expected[i] = i
                late[i - 19] = i >= 20 and i or nil
                put(i, i)
            end
            assert.same(expected, values(recorder.take(present, dir .. "30")))
            assert.same(late, values(recorder.take(future, dir .. "30")))
            assert(fake.eventually(function() return proxy.open == 1 or not put("x", 1) end))
        end)
    end

    it("receives no events that another watcher replays if it was opened in a phase that cannot wait", function()
        local first = put("a", 1)
        for i = 2, 6 do
            put("a", i)
        end
        local get_phase = ngx.get_phase
        finally(function() rawset(ngx, "get_phase", get_phase) end)
        local past = watch(dir, { prefix = true, start_revision = first })
        local present = {}
        rawset(ngx, "get_phase", function() return "init_worker" end)
        for i = 1, 3 do
            present[i] = watch(dir, { prefix = true })
        end
        rawset(ngx, "get_phase", get_phase)
        for i = 1, 3 do
            assert(fake.eventually(function() return present[i]:revision() > 0 end))
        end
        put("b", 7)
        assert.same({ 1, 2, 3, 4, 5, 6, 7 }, values(recorder.take(past, dir .. "b")))
        for i = 1, 3 do
            assert.same({ 7 }, values(recorder.take(present[i], dir .. "b")))
        end
    end)

    it("misses nothing when it changes watches while it reads the state before its start revision", function()
        local first = put("a", 1)
        put("a", 2)
        local live = watch(dir, { prefix = true })
        assert(fake.eventually(function() return live:stats().connected end))
        local pages = require "resty.etcd.call.paged_range"
        local read_raw, hold = pages.read_raw, true
        pages.read_raw = function(...)
            while hold do
                ngx.sleep(0.01)
            end
            return read_raw(...)
        end
        finally(function() pages.read_raw = read_raw end)
        local late = watch(dir, { prefix = true, list = true, start_revision = first + 1 })
        assert(fake.eventually(function() return late:stats().subscribers == 2 end))
        hold = false
        put("b", 3)
        assert.same({ 1, 2, 3 }, values(recorder.take(late, dir .. "b")))
    end)

    for _, company in ipairs { "alone", "with another watcher" } do
        it("receives its list and all later events with a small queue, " .. company .. ", while keys are written to", function()
            put("a", 0)
            if company ~= "alone" then
                watch(dir, { prefix = true })
            end
            local stop = false
            local writer = ngx.thread.spawn(function()
                local i = 0
                while not stop do
                    i = i + 1
                    put("a", i)
                end
            end)
            local watcher = watch(dir, { prefix = true, list = true, max_queue = 10 })
            local keys = {}
            local batch, err = watcher:next(10)
            stop = true
            assert(ngx.thread.wait(writer))
            assert.is_nil(err)
            assert.equals("list", batch.reason)
            recorder.apply(keys, batch)
            put("last", 1)
            local revision = batch.revision
            for _, later in ipairs(recorder.take(watcher, dir .. "last")) do
                assert.equals(revision + 1, later.revision)
                revision = later.revision
                recorder.apply(keys, later)
            end
            assert.same(recorder.read(direct, dir), keys)
        end)
    end

    it("changes watches rarely when it is too slow repeatedly, and returns to the shared one", function()
        local quick = watch(dir, { prefix = true })
        local slow = watch(dir, { prefix = true, max_queue = 2 })
        put("a", 0)
        recorder.take(quick, dir .. "a")
        recorder.take(slow, dir .. "a")
        for i = 1, 6 do
            proxy.frozen = true -- all of these arrive together
            for n = 1, 9 do
                put("a", n)
            end
            put(i, i)
            proxy.frozen = false
            assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, i }, values(recorder.take(slow, dir .. i)))
            recorder.take(quick, dir .. i)
            if i == 1 then
                assert(fake.eventually(function() return proxy.open == 1 or not put("b", 0) end))
                put("c", 0)
                recorder.take(quick, dir .. "c")
                recorder.take(slow, dir .. "c")
            end
        end
        assert.equals(2, slow:stats().overflows)
        assert.equals(3, proxy.watches)
        local deadline = ngx.now() + 10
        while proxy.open > 1 and ngx.now() < deadline do
            put("b", 0)
            assert(slow:next(5))
            ngx.sleep(0.05)
        end
        assert.equals(1, proxy.open)
    end)

    it("reports the revision of a batch only after next has returned it", function()
        local watcher, reported
        cli = assert(bed.new {
            timeout = 5,
            serializer = {
                serialize = tostring,
                deserialize = function(bytes)
                    reported = watcher:revision()
                    return bytes
                end,
            },
        })
        watcher = watch(dir, { prefix = true })
        for i = 1, 3 do
            local revision = put("a", i)
            assert.equals(revision, assert(watcher:next(5)).revision)
            assert.is_true(reported < revision)
            assert.equals(revision, watcher:revision())
        end
    end)

    it("never reports a lower revision when it joins a watch whose position is lower", function()
        local start = put("a", 0)
        local quiet = watch(dir, { prefix = true })
        assert(fake.eventually(function() return quiet:stats().connected end))
        for i = 1, 5 do
            assert(direct:set(bed.key("elsewhere"), i))
        end
        local get_phase = ngx.get_phase
        finally(function() rawset(ngx, "get_phase", get_phase) end)
        rawset(ngx, "get_phase", function() return "init_worker" end)
        local watcher = watch(dir, { prefix = true })
        rawset(ngx, "get_phase", get_phase)
        local deadline, reported = ngx.now() + 5, 0
        repeat
            local revision = watcher:revision()
            assert.is_true(revision >= reported)
            reported = revision
            ngx.sleep(0.001)
        until watcher:stats().subscribers == 2 or ngx.now() > deadline
        assert.equals(2, watcher:stats().subscribers)
        assert.is_true(watcher:revision() >= start + 5)
    end)

    it("queues at most max_queue_bytes when no batch is taken", function()
        local slow = watch(dir, { prefix = true, max_queue_bytes = 10000 })
        for i = 1, 30 do
            put(i, ("x"):rep(1000))
        end
        assert(fake.eventually(function() return slow:state() == "behind" end))
        assert.is_true(slow:stats().queued < 12)
        put("last", 0)
        assert.equals(31, #recorder.take(slow, dir .. "last"))
    end)
end)
