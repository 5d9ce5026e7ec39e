-- Compactions of revisions that watchers of a real etcd need. FAULT_SEED and SOAK: fault/settings.lua.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local recorder = require "spec.support.watch_recorder"
local reopening = require "spec.support.reopening"
local settings = require "fault.settings"
local tap = require "spec.support.watch_proxy"
local wire = require "spec.support.wire"

describe("watcher during compactions", function()
    local dir, direct, proxy, restore
    local watchers, clients = {}, {} -- a client for each watcher
    local random = settings.random("compact")

    setup(function()
        settings.announce("watcher compactions")
        restore = fake.never_ban()
    end)

    teardown(function()
        restore()
        settings.finish()
    end)

    before_each(function()
        dir = bed.key("watcher-compact")
        proxy = tap.new(bed.single.http)
        direct = assert(bed.new { timeout = 10 })
    end)

    after_each(function()
        for i = #watchers, 1, -1 do
            watchers[i]:close()
            watchers[i] = nil
        end
        proxy:close()
        assert(direct:rmdir(dir))
    end)

    local function watch(opts, like)
        opts.prefix = true
        local cli = like and clients[like] or assert(bed.new { http_host = proxy.http_host, timeout = 10 })
        local watcher, err = cli:watcher(dir, opts)
        assert.is_nil(err)
        watchers[#watchers + 1] = watcher
        clients[watcher] = cli
        return watcher
    end

    local function put(name, value)
        return tonumber(assert(direct:set(dir .. name, value)).body.header.revision)
    end

    local function compact(revision)
        local status, answer = wire.post(bed.single.http, "/v3/kv/compaction", { revision = revision, physical = true })
        assert(status == 200 or answer.message:find("compacted", 1, true), answer.message)
    end

    local function eventually(check) -- a compaction can take etcd long
        return fake.eventually(check) or fake.eventually(check) or fake.eventually(check) or fake.eventually(check)
    end

    -- Cuts the stream, and calls `change` while it cannot be reopened.
    local function while_disconnected(watcher, change)
        proxy.cut_after = function() return 0 end
        proxy:cut()
        assert(eventually(function() return not watcher:stats().connected end))
        change()
        proxy.cut_after = nil
    end

    local function described(batch)
        local events = {}
        for i, event in ipairs(batch.events) do
            local value = event.kv.value ~= nil and "=" .. tostring(event.kv.value) or ""
            events[i] = event.type .. " " .. event.kv.key:sub(#dir + 1) .. value
        end
        return events
    end

    it("stays on its stream when revisions of other keys are compacted, and probes the silent stream", function()
        local watcher = watch { idle_timeout = 0.5 }
        put("a", 1)
        assert(watcher:next(5))
        for i = 1, 3 do
            local other = bed.key("watcher-compact-other")
            compact(tonumber(assert(direct:set(other, i)).body.header.revision))
            ngx.sleep(1.5) -- longer than idle_timeout: the stream is probed
        end
        assert.equals(1, watcher:stats().opened)
        put("a", 2)
        local batch, err = watcher:next(5)
        assert.is_nil(err)
        assert.equals(2, batch.events[1].kv.value)
        assert.is_true(proxy.watches > 1)
    end)

    it("ends with the error compacted and the oldest revision when its start revision is compacted", function()
        local first = put("a", 1)
        put("a", 2)
        local last = put("a", 3)
        compact(last)
        local watcher = watch { start_revision = first }
        local batch, err, details = watcher:next(5)
        assert.is_nil(batch)
        assert.equals("compacted", details.name)
        assert.equals(last, details.compact_revision)
        assert.equals("etcdserver: mvcc: required revision has been compacted", err)
        assert.equals("failed", watcher:state())
        assert.equals("compacted", select(3, watcher:next(5)).name)
        assert.is_true(proxy.watches > 0)
        assert.is_true(eventually(function() return proxy.open == 0 end))
    end)

    it("delivers the queued batches before the error compacted", function()
        local watcher = watch {}
        put("a", 1)
        local last = put("a", 2)
        assert(eventually(function() return watcher:stats().queued == 2 end))
        while_disconnected(watcher, function()
            put("a", 3)
            last = put("a", 4)
            compact(last)
        end)
        assert.equals(1, watcher:next(10).events[1].kv.value)
        assert.equals(2, watcher:next(10).events[1].kv.value)
        local _, _, details = watcher:next(10)
        assert.equals("compacted", details.name)
        assert.equals(last, details.compact_revision)
    end)

    it("continues when no revision that it needs is compacted", function()
        local watcher = watch {}
        assert(eventually(function() return watcher:stats().connected end))
        ngx.sleep(0.3) -- etcd has sent all older events by then
        local first = put("a", 1)
        compact(first)
        assert.equals(1, watcher:next(5).events[1].kv.value)
        proxy:cut()
        put("a", 2)
        assert.equals(2, watcher:next(5).events[1].kv.value)
    end)

    -- etcd before 3.4.36 and 3.5.18 loses such a deletion, without an error for a watch that starts at its revision.
    for _, relist in ipairs { false, true } do
        it("misses no deletion in the revision of the compaction " .. (relist and "with" or "without") .. " relist", function()
            put("a", 1)
            local watcher = watch { relist = relist }
            put("b", 1)
            assert.same({ "PUT b=1" }, described(assert(watcher:next(5))))
            while_disconnected(watcher, function()
                local deleted = tonumber(assert(direct:delete(dir .. "a")).body.header.revision)
                put("b", 2)
                compact(deleted)
            end)
            local batch, err, details = watcher:next(10)
            if relist then
                assert.is_nil(err)
                assert.equals("compacted", batch.reason)
                local events = described(batch)
                table.sort(events)
                assert.same({ "DELETE a", "PUT b=2" }, events)
            else
                assert.equals("compacted", details.name)
            end
            put("b", 3)
            if relist then
                assert.same({ "PUT b=3" }, described(assert(watcher:next(10))))
            end
        end)
    end

    it("starts at start_revision even if that is the oldest revision that etcd has", function()
        put("a", 1)
        local last = put("a", 2)
        compact(last)
        local watcher = watch { start_revision = last }
        assert.same({ "PUT a=2" }, described(assert(watcher:next(5))))
        proxy:cut()
        put("a", 3)
        assert.same({ "PUT a=3" }, described(assert(watcher:next(5))))
        assert.equals(0, watcher:stats().dropped)
    end)

    describe("that shares a watch with one that needs compacted revisions", function()
        local function elsewhere(count)
            local last
            for i = 1, count do
                last = tonumber(assert(direct:set(bed.key("elsewhere"), i)).body.header.revision)
            end
            return last
        end

        for _, relist in ipairs { false, true } do
            it("continues" .. (relist and ", like the other one with relist" or " when the other one ends"), function()
                local old = watch { relist = relist }
                assert(eventually(function() return old:stats().connected and (not relist or old:stats().lists == 1) end))
                local last = elsewhere(5)
                local watcher = watch({}, old)
                local future = watch({ start_revision = last + 5 }, old)
                assert.equals(3, old:stats().subscribers)
                while_disconnected(old, function() compact(last) end)
                for i = 1, 4 do
                    put("a", i)
                    assert.same({ "PUT a=" .. i }, described(assert(watcher:next(10))))
                    if relist then
                        assert.same({ "PUT a=" .. i }, described(assert(old:next(10))))
                    end
                end
                assert.equals(relist and "watching" or "failed", old:state())
                put("a", 5)
                assert.same({ "PUT a=5" }, described(assert(future:next(10))))
            end)
        end

        it("receives its first full state although it has no relist", function()
            put("a", 1)
            local old = watch {}
            assert(eventually(function() return old:stats().connected end))
            local pages = require "resty.etcd.call.paged_range"
            local read_raw, hold = pages.read_raw, true
            pages.read_raw = function(...)
                local reply, err = read_raw(...)
                while hold do
                    ngx.sleep(0.01)
                end
                return reply, err
            end
            finally(function() pages.read_raw = read_raw end)
            local watcher = watch({ list = true }, old)
            assert(eventually(function() return watcher:state() == "listing" end))
            while_disconnected(old, function()
                put("b", 1)
                compact(put("b", 2))
            end)
            assert(eventually(function() return old:state() == "failed" end))
            hold = false
            assert.same({ "PUT a=1", "PUT b=2" }, described(assert(watcher:next(10))))
            put("c", 1)
            assert.same({ "PUT c=1" }, described(assert(watcher:next(10))))
        end)
    end)

    describe("with relist", function()
        it("delivers the difference to the state before the lost revisions", function()
            for _, name in ipairs { "changed", "deleted", "same", "untouched" } do
                put(name, 1)
            end
            local watcher = watch { relist = true }
            assert(eventually(function() return watcher:stats().lists == 1 end))
            put("same", 2)
            put("gone", 1)
            assert.same({ "PUT same=2" }, described(assert(watcher:next(5))))
            assert.same({ "PUT gone=1" }, described(assert(watcher:next(5))))
            local before
            while_disconnected(watcher, function()
                put("changed", 2)
                put("new", 1)
                put("passing", 1)
                assert(direct:delete(dir .. "passing"))
                assert(direct:delete(dir .. "gone"))
                assert(direct:delete(dir .. "deleted"))
                before = put("elsewhere", 1)
                compact(before)
            end)
            local batch = assert(watcher:next(15))
            assert.is_true(batch.synthetic)
            assert.equals("compacted", batch.reason)
            assert.is_true(batch.revision >= before)
            local events = described(batch)
            table.sort(events)
            assert.same({ "DELETE deleted", "DELETE gone", "PUT changed=2", "PUT elsewhere=1", "PUT new=1" }, events)
            put("a", 1)
            assert.same({ "PUT a=1" }, described(assert(watcher:next(5))))
        end)

        it("delivers nothing if no key has changed", function()
            for i = 1, 100 do
                put(i, 1)
            end
            local watcher = watch { relist = true, list = true }
            assert.equals(100, #assert(watcher:next(5)).events)
            while_disconnected(watcher, function()
                assert(direct:set(bed.key("elsewhere"), 1))
                compact(tonumber(assert(direct:set(bed.key("elsewhere"), 2)).body.header.revision))
            end)
            assert(eventually(function() return watcher:stats().lists == 2 end))
            put("a", 1)
            local batch = assert(watcher:next(5))
            assert.same({ "PUT a=1" }, described(batch))
            assert.is_nil(batch.synthetic)
        end)

        it("starts with all changes since start_revision if that is compacted", function()
            put("old", 1)
            local first = put("a", 1)
            put("b", 1)
            compact(put("b", 2))
            local watcher = watch { relist = true, start_revision = first }
            local batch = assert(watcher:next(5))
            assert.equals("compacted", batch.reason)
            assert.same({ "PUT a=1", "PUT b=2" }, described(batch))
        end)

        it("applies its filters to the difference", function()
            put("a", 1)
            put("b", 1)
            local puts = watch { relist = true, filters = "NODELETE" }
            local deletions = watch { relist = true, filters = "NOPUT" }
            assert(eventually(function() return puts:stats().connected and deletions:stats().connected end))
            put("c", 1)
            assert(eventually(function() return deletions:stats().queued == 1 end))
            assert.same({ "PUT c=1" }, described(assert(puts:next(5))))
            while_disconnected(puts, function()
                put("d", 1)
                assert(direct:delete(dir .. "a"))
                assert(direct:delete(dir .. "c"))
                compact(put("e", 1))
            end)
            assert.same({ "PUT d=1", "PUT e=1" }, described(assert(puts:next(15))))
            local events = described(assert(deletions:next(15)))
            table.sort(events)
            assert.same({ "DELETE a", "DELETE c" }, events)
        end)

        it("delivers the difference to the state at its start if no batch was taken", function()
            put("a", 1)
            put("b", 1)
            local watcher = watch { relist = true }
            assert(eventually(function() return watcher:stats().lists == 1 end))
            for i = 2, 3 do
                while_disconnected(watcher, function()
                    assert(direct:delete(dir .. "a"))
                    put("b", 0)
                    compact(put("b", i))
                end)
                assert(eventually(function() return watcher:stats().lists == i end))
            end
            assert.same({ "PUT b=3", "DELETE a" }, described(assert(watcher:next(5))))
            assert.is_nil((watcher:next(0.1)))
        end)

        it("reads the full state again when its revision is compacted meanwhile", function()
            for i = 1, 200 do
                put(("%03d"):format(i), 1)
            end
            local call = require "resty.etcd.call.call"
            local rpcs = require "resty.etcd.protocol.rpc"
            local unary, times = call.unary, 0
            call.unary = function(core, rpc, request, ...)
                if rpc == rpcs.range and request.limit and times < 3 then
                    times = times + 1
                    assert(direct:delete(("%s%03d"):format(dir, 190 + times)))
                    compact(put("x", times))
                end
                return unary(core, rpc, request, ...)
            end
            local watcher = watch { relist = true, list = true }
            local batch = assert(watcher:next(10))
            call.unary = unary
            assert.equals(3, times)
            local keys = {}
            recorder.apply(keys, batch)
            assert.same(recorder.read(direct, dir), keys)
            put("y", 1)
            assert.same({ "PUT y=1" }, described(assert(watcher:next(5))))
        end)
    end)

    it("delivers a consistent state under load while streams are cut and revisions compacted at random times", function()
        finally(reopening.without_limits(function() return random(30) / 1000 end))
        local done = false
        local synthetic, delivered = 0, 0
        local deadline = ngx.now() + 60
        local last = put("first", 1)
        local threads = {}
        for w = 1, 6 do
            threads[w] = ngx.thread.spawn(function()
                local cli = assert(bed.new { timeout = 10 })
                local i = 0
                while i < settings.scaled(200) or (synthetic < 5 and ngx.now() < deadline) do
                    i = i + 1
                    local key = ("%s%d/%d"):format(dir, w, random(20))
                    local res = random(4) == 1 and assert(cli:delete(key)) or assert(cli:set(key, w .. "-" .. i))
                    last = math.max(last, tonumber(res.body.header.revision))
                    ngx.sleep(0.005)
                end
            end)
        end
        local cutter = ngx.thread.spawn(function()
            while not done do
                ngx.sleep(random(100) / 1000)
                proxy:cut(random(2) == 1)
            end
        end)
        local compacter = ngx.thread.spawn(function()
            while not done do
                ngx.sleep(random(60) / 1000)
                compact(last)
            end
        end)
        local keys, revisions, at = {}, {}, 0
        local function take(batch)
            assert.is_true(batch.revision > at)
            at = batch.revision
            for _, event in ipairs(batch.events) do
                local kv = event.kv
                delivered = delivered + 1
                if event.type == "PUT" then
                    assert.are_not.equal(revisions[kv.key], kv.mod_revision)
                    revisions[kv.key] = kv.mod_revision
                    assert.is_true(tonumber(kv.mod_revision) <= batch.revision)
                else
                    assert.is_truthy(revisions[kv.key]) -- only existing keys are deleted
                    revisions[kv.key] = nil
                end
            end
            synthetic = synthetic + (batch.synthetic and 1 or 0)
            recorder.apply(keys, batch)
        end
        local watcher = watch { relist = true, list = true }
        local reader = ngx.thread.spawn(function()
            repeat
                local batch, err = watcher:next(30)
                assert.is_nil(err)
                take(batch)
            until keys[dir .. "last"]
        end)
        for w = 1, 6 do
            assert(ngx.thread.wait(threads[w]))
        end
        done = true
        assert(ngx.thread.wait(cutter))
        assert(ngx.thread.wait(compacter))
        put("last", 1)
        assert(ngx.thread.wait(reader))
        assert.same(recorder.read(direct, dir), keys)
        print(("%d events, %d lists"):format(delivered, synthetic))
        assert.is_true(synthetic > 3)
    end)
end)
