-- Connections of watchers that are cut after any byte. FAULT_SEED and SOAK: fault/settings.lua.
local backoff = require "resty.etcd.base.backoff"
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local recorder = require "spec.support.watch_recorder"
local reopening = require "spec.support.reopening"
local settings = require "fault.settings"
local tap = require "spec.support.watch_proxy"

local LANES = 8 -- concurrent watchers

describe("watcher", function()
    local direct, restore, next_delay, dir
    local random = settings.random("cut")
    local proxies = {}

    setup(function()
        settings.announce("watcher cuts")
        next_delay = backoff.next
        restore = fake.never_ban()
    end)

    teardown(function()
        restore()
        settings.finish()
    end)

    before_each(function()
        dir = bed.key("watcher-cut")
        direct = assert(bed.new { timeout = 10 })
    end)

    after_each(function()
        backoff.next = next_delay
        for i = #proxies, 1, -1 do
            proxies[i]:close()
            proxies[i] = nil
        end
        assert(direct:rmdir(dir))
    end)

    local function new_proxy()
        proxies[#proxies + 1] = tap.new(bed.single.http)
        return proxies[#proxies]
    end

    local function watch(proxy, opts)
        opts.prefix, opts.raw = true, true
        local cli = assert(bed.new { http_host = proxy.http_host, timeout = 10 })
        return assert(cli:watcher(dir, opts))
    end

    local function revision_of(res, err)
        assert.is_nil(err)
        return tonumber(res.body.header.revision)
    end

    -- Runs light threads that each make `count` puts and deletions, of one key or many.
    local function write(writers, count, pause)
        local threads = {}
        for w = 1, writers do
            threads[w] = ngx.thread.spawn(function()
                local cli = assert(bed.new { timeout = 10 })
                for i = 1, count do
                    local key = ("%s%d/%d"):format(dir, w, random(10))
                    local what = random(10)
                    if what == 1 then
                        assert(cli:delete(key))
                    elseif what == 2 then
                        assert(cli:rmdir(dir .. w .. "/"))
                    else
                        assert(cli:set(key, ("x"):rep(random(30)) .. i))
                    end
                    ngx.sleep(pause)
                end
            end)
        end
        for w = 1, writers do
            assert(ngx.thread.wait(threads[w]))
        end
        assert(direct:set(dir .. "last", 0))
    end

    for _, reset in ipairs { false, true } do
        local how = reset and " (RST)" or " (FIN)"

        it("loses and repeats no event when its connection is cut after any byte of a reply" .. how, function()
            finally(reopening.without_limits(function() return 0.001 end))
            local first = revision_of(direct:set(dir .. "a", 1))
            assert(direct:set(dir .. "b", 1))
            assert(direct:rmdir(dir))
            assert(direct:set(dir .. "last", 0))
            local truth = recorder.truth(bed.single.http, dir, first, dir .. "last")
            local step = math.max(1, math.floor(8 / settings.soak))
            local at, ends, threads = random(step) - step, 0, {}
            for lane = 1, LANES do
                local proxy = new_proxy()
                threads[lane] = ngx.thread.spawn(function()
                    local hit
                    repeat
                        at = at + step
                        local bytes, before = at, proxy.watches
                        proxy.reset = reset
                        proxy.cut_after = function(n)
                            return n == before + 1 and bytes or nil
                        end
                        local watcher = watch(proxy, { start_revision = first, prev_kv = true })
                        recorder.assert_same(truth, recorder.take(watcher, dir .. "last"))
                        ngx.sleep(0.002)
                        hit = proxy.watches > before + 1 or proxy.open == 0
                        watcher:close()
                        ends = ends + 1
                    until not hit
                end)
            end
            for lane = 1, LANES do
                assert(ngx.thread.wait(threads[lane]))
            end
            print(("%d cuts, one each %d bytes"):format(ends, step))
            assert.is_true(ends * step > 1000)
        end)
    end

    it("loses and repeats no event when its connection is cut every 50 ms while it replays 10,000 revisions", function()
        finally(reopening.without_limits(function() return random(10) / 1000 end))
        local first = revision_of(direct:set(dir .. "a", 1))
        write(20, settings.scaled(500), 0)
        local truth = recorder.truth(bed.single.http, dir, first, dir .. "last")
        local proxy = new_proxy()
        proxy.pause = 0.001 -- so that the replay takes many times 50 ms on any machine
        local watcher = watch(proxy, { start_revision = first, prev_kv = true })
        local done = false
        local cutter = ngx.thread.spawn(function()
            while not done do
                local before = watcher:revision()
                repeat -- the first events of a stream can take longer than that
                    ngx.sleep(0.05)
                until done or watcher:revision() > before
                proxy:cut(random(2) == 1)
            end
        end)
        local batches = recorder.take(watcher, dir .. "last", settings.scaled(60))
        done = true
        assert(ngx.thread.wait(cutter))
        recorder.assert_same(truth, batches)
        local stats = watcher:stats()
        print(("%d revisions, %d streams"):format(#batches, stats.opened))
        assert.is_true(stats.opened > 5)
        watcher:close()
    end)

    it("loses and repeats no event under load, with and without list, when its connection is cut at random times", function()
        finally(reopening.without_limits(function() return random(10) / 1000 end))
        local first = revision_of(direct:set(dir .. "a", 1))
        local proxy = new_proxy()
        local watcher = watch(proxy, { prev_kv = true })
        local watchers = {}
        local done = false
        local cutter = ngx.thread.spawn(function()
            while not done do
                ngx.sleep(random(60) / 1000)
                proxy:cut(random(2) == 1)
                if #watchers < 10 then
                    watchers[#watchers + 1] = watch(proxy, { list = true })
                end
            end
        end)
        write(8, settings.scaled(150), 0.005)
        done = true
        assert(ngx.thread.wait(cutter))
        local batches = recorder.take(watcher, dir .. "last")
        recorder.assert_same(recorder.truth(bed.single.http, dir, first + 1, dir .. "last"), batches)
        local expected = recorder.read(assert(bed.new { serializer = "raw" }), dir)
        for _, other in ipairs(watchers) do
            local keys, revision = {}, 0
            for _, batch in ipairs(recorder.take(other, dir .. "last")) do
                assert.is_true(batch.revision > revision)
                revision = batch.revision
                recorder.apply(keys, batch)
            end
            assert.same(expected, keys)
            other:close()
        end
        print(("%d revisions, %d streams"):format(#batches, watcher:stats().opened))
        assert.is_true(watcher:stats().opened > 5 and #watchers == 10)
        watcher:close()
    end)

    it("reopens a healthy stream immediately, and one that fails early after growing delays", function()
        finally(fake.even_pauses())
        local proxy = new_proxy()
        local watcher = watch(proxy, { list = true })
        assert(watcher:next(5))
        assert.is_true(fake.eventually(function() return watcher:stats().connected end))
        ngx.sleep(1.1)
        backoff.next = function() return 60 end
        proxy:cut()
        assert.is_true(fake.eventually(function() return proxy.watches == 2 end))
        local delays = {}
        backoff.next = function(state)
            delays[#delays + 1] = next_delay(state)
            return delays[#delays]
        end
        proxy.cut_after = function() return 100 end
        proxy:cut()
        local started = ngx.now()
        repeat
            ngx.sleep(0.1)
        until #delays >= 4 and ngx.now() >= started + 3 or ngx.now() > started + 30
        assert.is_true(#delays >= 4)
        for i = 2, #delays do
            assert.is_true(delays[i] > delays[i - 1])
        end
        -- three in a burst, then one per second, each with up to three connections
        local seconds = ngx.now() - started
        assert.is_true(proxy.watches <= 2 + 3 + seconds, proxy.watches .. " watches in " .. seconds .. " seconds")
        proxy.cut_after = nil
        assert(direct:set(dir .. "a", 1))
        assert(watcher:next(15))
        watcher:close()
    end)
end)
