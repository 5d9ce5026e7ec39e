-- Connections of watchers that are cut, wherever that may be. FAULT_SEED and SOAK: fault/settings.lua.
local backoff = require "resty.etcd.base.backoff"
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local recorder = require "spec.support.watch_recorder"
local settings = require "fault.settings"
local tap = require "spec.support.watch_proxy"

local LANES = 8 -- watchers at a time

describe("a watcher whose connection is cut", function()
    local direct, restore, next_wait, dir
    local random = settings.random("cut")
    local lines = {}

    setup(function()
        settings.announce("watcher cuts")
        next_wait = backoff.next
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
        backoff.next = next_wait
        for i = #lines, 1, -1 do
            lines[i]:close()
            lines[i] = nil
        end
        assert(direct:rmdir(dir))
    end)

    local function new_line()
        lines[#lines + 1] = tap.new(bed.single.http)
        return lines[#lines]
    end

    local function watch(line, opts)
        opts.prefix, opts.raw = true, true
        local cli = assert(bed.new { http_host = line.http_host, timeout = 10 })
        return assert(cli:watcher(dir, opts))
    end

    local function revision_of(res, err)
        assert.is_nil(err)
        return tonumber(res.body.header.revision)
    end

    -- Puts, deletions and transactions of all sizes, from several light threads; each does `count` of them.
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

        it("after any byte of a reply loses nothing and repeats nothing" .. how, function()
            backoff.next = function() return 0.001 end
            local first = revision_of(direct:set(dir .. "a", 1))
            assert(direct:set(dir .. "b", 1))
            assert(direct:rmdir(dir))
            assert(direct:set(dir .. "last", 0))
            local truth = recorder.truth(bed.single.http, dir, first, dir .. "last")
            local step = math.max(1, math.floor(8 / settings.soak))
            local at, ends, threads = random(step) - step, 0, {}
            for lane = 1, LANES do
                local line = new_line()
                threads[lane] = ngx.thread.spawn(function()
                    local hit
                    repeat
                        at = at + step
                        local bytes, before = at, line.watches
                        line.reset = reset
                        line.cut_after = function(n)
                            return n == before + 1 and bytes or nil
                        end
                        local watcher = watch(line, { start_revision = first, prev_kv = true })
                        recorder.assert_same(truth, recorder.take(watcher, dir .. "last"))
                        ngx.sleep(0.002)
                        hit = line.watches > before + 1 or line.open == 0
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

    it("every 50 ms while events of 10,000 old revisions come loses nothing and repeats nothing", function()
        backoff.next = function() return random(10) / 1000 end
        local first = revision_of(direct:set(dir .. "a", 1))
        write(20, settings.scaled(500), 0)
        local truth = recorder.truth(bed.single.http, dir, first, dir .. "last")
        local line = new_line()
        line.pause = 0.001 -- all of it takes many times 50 ms, however quick the machine is
        local watcher = watch(line, { start_revision = first, prev_kv = true })
        local done = false
        local cutter = ngx.thread.spawn(function()
            while not done do
                local before = watcher:revision()
                repeat -- the first events of a stream may take longer than that
                    ngx.sleep(0.05)
                until done or watcher:revision() > before
                line:cut(random(2) == 1)
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

    it("at random moments under load loses nothing and repeats nothing, nor does who lists first", function()
        backoff.next = function() return random(10) / 1000 end
        local first = revision_of(direct:set(dir .. "a", 1))
        local line = new_line()
        local watcher = watch(line, { prev_kv = true })
        local watchers = {}
        local done = false
        local cutter = ngx.thread.spawn(function()
            while not done do
                ngx.sleep(random(60) / 1000)
                line:cut(random(2) == 1)
                if #watchers < 10 then
                    watchers[#watchers + 1] = watch(line, { list = true })
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

    it("again and again opens it at once after it has lived, and waits longer and longer when it has not", function()
        finally(fake.even_pauses())
        local line = new_line()
        local watcher = watch(line, { list = true })
        assert(watcher:next(5))
        assert.is_true(fake.eventually(function() return watcher:stats().connected end))
        ngx.sleep(1.1)
        backoff.next = function() return 60 end
        line:cut()
        assert.is_true(fake.eventually(function() return line.watches == 2 end))
        local pauses = {}
        backoff.next = function(state)
            pauses[#pauses + 1] = next_wait(state)
            return pauses[#pauses]
        end
        line.cut_after = function() return 100 end
        line:cut()
        local started = ngx.now()
        while ngx.now() < started + 3 do
            ngx.sleep(0.1)
        end
        assert.is_true(line.watches >= 4)
        for i = 2, #pauses do
            assert.is_true(pauses[i] > pauses[i - 1])
        end
        assert.is_true(#pauses >= 2 and pauses[#pauses] <= 3)
        assert.is_true(line.watches <= 2 + 3 * 5, line.watches .. " connections in 3 seconds")
        line.cut_after = nil
        assert(direct:set(dir .. "a", 1))
        assert(watcher:next(15))
        watcher:close()
    end)
end)
