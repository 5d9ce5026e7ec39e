-- Watchers of a real etcd, with nothing in the way.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local recorder = require "spec.support.watch_recorder"
local turns = require "spec.support.event_loop_probe"

local dir = bed.key("watcher")

local function write_some(cli, from, to)
    for i = from, to do
        assert(cli:set(dir .. "k" .. i % 7, { n = i }))
    end
end

local function next_event(watcher)
    local batch, err = watcher:next(5)
    assert.is_nil(err)
    assert.equals(1, #batch.events)
    return batch.events[1], batch
end

local function assert_silent(watcher)
    local batch, err = watcher:next(0.2)
    assert.is_nil(batch)
    assert.equals("timeout", err.name)
end

describe("a watcher", function()
    local cli
    local watchers = {}

    local function watch(key, opts, client)
        local watcher, err = (client or cli):watcher(key, opts)
        assert.is_nil(err)
        watchers[#watchers + 1] = watcher
        return watcher
    end

    before_each(function()
        cli = assert(bed.new { timeout = 5 })
    end)

    after_each(function()
        for i = #watchers, 1, -1 do
            watchers[i]:close()
            watchers[i] = nil
        end
        assert(cli:rmdir(dir))
    end)

    it("lets others have their turn when it catches up #alone", function()
        local first = assert(cli:set(dir .. "k", 0)).body.header.revision
        write_some(cli, 1, 200)
        local watcher = watch(dir, { prefix = true, start_revision = first }, assert(bed.new { serializer = { deserialize = turns.work } }))
        assert(watcher:next(5))
        ngx.sleep(0.2) -- by then all the rest has come
        local most = turns.most(function()
            for i = 1, 200 do
                assert.equals(('{"n":%d}'):format(i), next_event(watcher).kv.value)
            end
        end)
        assert.is_true(most > 0 and most <= turns.FEW, most .. " in one go")
    end)

    it("tells every change after the call that made it, with decoded values", function()
        local watcher = watch(dir, { prefix = true })
        assert(cli:set(dir .. "a", { x = 1 }))
        local event, batch = next_event(watcher)
        assert.equals("PUT", event.type)
        assert.equals(dir .. "a", event.kv.key)
        assert.same({ x = 1 }, event.kv.value)
        assert.equals("1", event.kv.version)
        assert.equals(batch.revision, tonumber(event.kv.mod_revision))
        assert.is_nil(event.prev_kv)
        assert.is_nil(batch.synthetic)
        assert.equals(batch.revision, watcher:revision())
        assert(cli:delete(dir .. "a"))
        local deletion = next_event(watcher)
        assert.equals("DELETE", deletion.type)
        assert.equals(dir .. "a", deletion.kv.key)
        assert.is_nil(deletion.kv.value)
        assert_silent(watcher)
        assert.equals("watching", watcher:state())
    end)

    it("of one key tells of no other", function()
        local watcher = watch(dir .. "a")
        assert(cli:set(dir .. "aa", 1))
        assert(cli:set(dir .. "a", 2))
        assert.equals(2, next_event(watcher).kv.value)
        assert_silent(watcher)
    end)

    it("leaves values as they are when told so", function()
        local watcher = watch(dir .. "a", { raw = true, prev_kv = true })
        assert(cli:set(dir .. "a", { 1 }))
        assert.equals("[1]", next_event(watcher).kv.value)
        assert(cli:set(dir .. "a", 2))
        assert.equals("[1]", next_event(watcher).prev_kv.value)
    end)

    it("tells what the keys were before, of deletions too", function()
        local watcher = watch(dir .. "a", { prev_kv = true })
        assert(cli:set(dir .. "a", 1))
        assert(cli:set(dir .. "a", 2))
        assert(cli:delete(dir .. "a"))
        assert.is_nil(next_event(watcher).prev_kv)
        assert.equals(1, next_event(watcher).prev_kv.value)
        local deletion = next_event(watcher)
        assert.equals(2, deletion.prev_kv.value)
        assert.equals("2", deletion.prev_kv.version)
    end)

    it("leaves out what its filters say", function()
        local puts = watch(dir, { prefix = true, filters = "NODELETE" })
        local deletions = watch(dir, { prefix = true, filters = { "NOPUT" } })
        assert(cli:set(dir .. "a", 1))
        assert(cli:delete(dir .. "a"))
        assert(cli:set(dir .. "a", 2))
        assert.equals(1, next_event(puts).kv.value)
        assert.equals(2, next_event(puts).kv.value)
        assert.equals("DELETE", next_event(deletions).type)
        assert_silent(deletions)
    end)

    it("with `list` begins with the present state, and goes on without a gap", function()
        write_some(cli, 1, 3)
        local watcher = watch(dir, { prefix = true, list = true })
        local batch = assert(watcher:next(5))
        assert.is_true(batch.synthetic)
        assert.equals("list", batch.reason)
        assert.equals(3, #batch.events)
        assert.same({ n = 2 }, batch.events[2].kv.value)
        write_some(cli, 4, 5)
        assert.same({ n = 4 }, next_event(watcher).kv.value)
        assert.same({ n = 5 }, next_event(watcher).kv.value)
    end)

    it("with `list` tells of a state without keys too", function()
        local watcher = watch(dir, { prefix = true, list = true })
        local batch = assert(watcher:next(5))
        assert.equals("list", batch.reason)
        assert.same({}, batch.events)
        assert.is_true(batch.revision > 0)
    end)

    it("loses nothing between the state and the events, however busy the keys are", function()
        local done = 0
        local writers = {}
        for w = 1, 4 do
            writers[w] = ngx.thread.spawn(function()
                local own = assert(bed.new())
                for i = 1, 150 do
                    assert(own:set(("%s%d/%d"):format(dir, w, i % 40), i))
                    done = done + 1
                end
            end)
        end
        while done < 100 do
            ngx.sleep(0.001)
        end
        local keys = {}
        local watcher = watch(dir, { prefix = true, list = true })
        recorder.apply(keys, assert(watcher:next(5)))
        for w = 1, 4 do
            assert(ngx.thread.wait(writers[w]))
        end
        assert(cli:set(dir .. "last", 0))
        for _, batch in ipairs(recorder.take(watcher, dir .. "last")) do
            recorder.apply(keys, batch)
        end
        assert.same(recorder.read(cli, dir), keys)
    end)

    it("replays history from the revision it is given, one batch per revision", function()
        local first = tonumber(assert(cli:set(dir .. "k0", 0)).body.header.revision)
        write_some(cli, 1, 30)
        assert(cli:rmdir(dir)) -- several events of one revision
        assert(cli:set(dir .. "last", 0))
        local watcher = watch(dir, { prefix = true, start_revision = first, prev_kv = true, raw = true })
        local batches = recorder.take(watcher, dir .. "last")
        recorder.assert_same(recorder.truth(bed.single.http, dir, first, dir .. "last"), batches)
        assert.equals(33, #batches)
        assert.equals(7, #batches[32].events)
    end)

    it("with `list` and a revision begins with the state just before that", function()
        assert(cli:set(dir .. "a", 1))
        local second = assert(cli:set(dir .. "a", 2)).body.header.revision
        assert(cli:set(dir .. "a", 3))
        local watcher = watch(dir, { prefix = true, list = true, start_revision = second })
        assert.equals(1, next_event(watcher).kv.value)
        assert.equals(2, next_event(watcher).kv.value)
        assert.equals(3, next_event(watcher).kv.value)
    end)

    it("from revision 1 on with `list` begins with nothing", function()
        local single = assert(bed.new { http_host = bed.cluster.http[1] })
        local watcher, err = single:watcher(dir, { prefix = true, list = true, start_revision = 1 })
        assert.is_nil(err)
        watchers[#watchers + 1] = watcher
        local batch = assert(watcher:next(5))
        assert.equals(0, batch.revision)
        assert.same({}, batch.events)
    end)

    it("waits for a revision in the future, and tells of nothing before it", function()
        local revision = tonumber(assert(cli:set(dir .. "a", 0)).body.header.revision)
        local watcher = watch(dir, { prefix = true, start_revision = revision + 3 })
        for i = 1, 5 do
            assert(cli:set(dir .. "a", i))
        end
        for i = 3, 5 do
            assert.equals(i, next_event(watcher).kv.value)
        end
    end)

    it("takes off the client's prefix from keys, and stays inside it", function()
        local inner = assert(bed.new { key_prefix = dir .. "in" })
        local some = watch("/s", { prefix = true, list = true }, inner)
        local all = watch("", { prefix = true, prev_kv = true }, inner)
        local from = watch("/s", { range_end = "\0" }, inner)
        assert.same({}, assert(some:next(5)).events)
        assert(cli:set(dir .. "j", "outside"))
        assert(inner:set("/sa", "inside"))
        assert(inner:set("/sa", "again"))
        for _, watcher in ipairs { some, all, from } do
            assert.equals("/sa", next_event(watcher).kv.key)
        end
        assert.equals("/sa", next_event(all).prev_kv.key)
    end)

    it("knows the edges of ranges: all keys, keys of 0xff, up to a key, from a key on", function()
        local all = watch("", { prefix = true })
        local high = watch(dir .. "\255", { prefix = true })
        local range = watch(dir .. "b", { range_end = dir .. "d" })
        local from = watch(dir .. "c", { range_end = "\0" })
        local names = { "a", "b", "bb", "c", "d", "\255", "\255\255", "\255a" }
        for _, name in ipairs(names) do
            assert(cli:set(dir .. name, name == "\255" and "ff" or 1))
        end
        local function assert_told(watcher, ...)
            for _, name in ipairs { ... } do
                assert.equals(dir .. name, next_event(watcher).kv.key)
            end
            assert_silent(watcher)
        end
        local told, batch = {}, all:next(5)
        while batch do -- among all keys there may be some that run out, which are none of this spec
            for _, event in ipairs(batch.events) do
                if event.kv.key:sub(1, #dir) == dir then
                    told[#told + 1] = event.kv.key:sub(#dir + 1)
                end
            end
            batch = all:next(0.2)
        end
        assert.same(names, told)
        assert_told(high, "\255", "\255\255", "\255a")
        assert_told(range, "b", "bb", "c")
        assert_told(from, "c", "d", "\255", "\255\255", "\255a")
    end)

    it("takes any bytes for a key", function()
        local key = dir .. "\0\r\n\"\\\128"
        local watcher = watch(key)
        assert(cli:set(key, 1))
        assert.equals(key, next_event(watcher).kv.key)
    end)

    it("gives batches in a loop until it is closed", function()
        local watcher = watch(dir, { prefix = true })
        write_some(cli, 1, 5)
        local seen = 0
        for batch in watcher:batches() do
            seen = seen + #batch.events
            if seen == 5 then
                watcher:close()
            end
        end
        assert.equals(5, seen)
        assert.equals("closed", watcher:state())
        assert.equals("closed", select(2, watcher:next()).name)
    end)

    it("goes on when its client is closed: it has a `close` of its own", function()
        local watcher = watch(dir, { prefix = true, idle_timeout = 1 })
        assert(fake.eventually(function() return watcher:state() == "watching" end))
        assert.is_true(cli:close())
        assert(cli:set(dir .. "a", 1))
        assert.equals(1, next_event(watcher).kv.value)
        ngx.sleep(1.6) -- it was silent, and looked after
        assert(cli:set(dir .. "a", 2))
        assert.equals(2, next_event(watcher).kv.value)
    end)

    it("that is closed wakes the one who waits", function()
        local watcher = watch(dir, { prefix = true })
        local thread = ngx.thread.spawn(function() return watcher:next() end)
        ngx.sleep(0.05)
        assert.is_true(watcher:close())
        local _, batch, err = ngx.thread.wait(thread)
        assert.is_nil(batch)
        assert.equals("closed", err.name)
    end)

    it("may be read from one light thread after the other", function()
        local watcher = watch(dir, { prefix = true })
        for i = 1, 3 do
            local thread = ngx.thread.spawn(function() return watcher:next(5) end)
            assert(cli:set(dir .. "a", i))
            local _, batch = ngx.thread.wait(thread)
            assert.equals(i, batch.events[1].kv.value)
        end
    end)

    it("loses nothing to a reader that is killed while it waits", function()
        local watcher = watch(dir, { prefix = true })
        local thread = ngx.thread.spawn(function() return watcher:next() end)
        ngx.sleep(0.05)
        assert(ngx.thread.kill(thread))
        assert(cli:set(dir .. "a", 1))
        assert.equals(1, next_event(watcher).kv.value)
    end)

    it("answers `timeout` and goes on", function()
        local watcher = watch(dir, { prefix = true })
        for _ = 1, 3 do
            local batch, err = watcher:next(0)
            assert.is_nil(batch)
            assert.equals("timeout", tostring(err))
        end
        assert(cli:set(dir .. "a", 1))
        assert.equals(1, next_event(watcher).kv.value)
    end)

    it("with `on_batch` calls back for each batch, and goes on when that throws", function()
        local seen = {}
        local watcher = watch(dir, { prefix = true, on_batch = function(batch)
            seen[#seen + 1] = batch.events[1].kv.value.n
            error("the callback's own mistake")
        end })
        write_some(cli, 1, 3)
        assert(fake.eventually(function() return #seen == 3 end))
        assert.same({ 1, 2, 3 }, seen)
        assert(fake.eventually(function() return watcher:stats().callback_errors == 3 end))
        assert.equals("watching", watcher:state())
    end)

    it("with `on_batch` calls back in order across timers", function()
        local seen, in_order = 0, true
        watch(dir, { prefix = true, on_batch = function(batch)
            seen = seen + 1
            in_order = in_order and batch.events[1].kv.value.n == seen
        end })
        local last = 0
        while last < 1100 do -- more than one timer calls back
            last = last + 1
            assert(cli:set(dir .. "k", { n = last }))
        end
        assert(fake.eventually(function() return seen == last end))
        assert.is_true(in_order)
    end)

    it("counts what it does", function()
        local watcher = watch(dir, { prefix = true, list = true })
        assert(watcher:next(5))
        write_some(cli, 1, 4)
        next_event(watcher)
        assert(fake.eventually(function() return watcher:stats().queued == 3 end))
        local stats = watcher:stats()
        assert.equals(2, stats.batches)
        assert.equals(1, stats.lists)
        assert.equals(4, stats.events)
        assert.equals(1, stats.opened)
        assert.is_true(stats.connected)
        assert.equals(bed.single.http, stats.endpoint)
        assert.same({}, stats.close_reasons)
    end)

    it("says at once what is wrong with a call", function()
        local function assert_wrong(text, ...)
            local watcher, err = cli:watcher(...)
            assert.is_nil(watcher)
            assert.equals("bad_request", err.name)
            assert.equals(text, tostring(err))
        end
        assert_wrong("key must be string", nil)
        assert_wrong("key should not be empty", "")
        assert_wrong("opts must be table", "a", 1)
        assert_wrong("opts.prefix and opts.range_end exclude each other", "a", { prefix = true, range_end = "b" })
        assert_wrong("opts.range_end must be string, not empty", "a", { range_end = "" })
        assert_wrong("opts.start_revision must be a positive integer", "a", { start_revision = 0 })
        assert_wrong("opts.start_revision must be a positive integer", "a", { start_revision = "x" })
        assert_wrong("opts.idle_timeout must be number of seconds", "a", { idle_timeout = 0 })
        assert_wrong("opts.max_queue must be a positive number", "a", { max_queue = 0 })
        assert_wrong("opts.max_queue_bytes must be a positive number", "a", { max_queue_bytes = "1" })
        assert_wrong("opts.shared_prefix must be string", "a", { shared_prefix = true })
        assert_wrong("opts.on_batch must be function", "a", { on_batch = 1 })
        assert_wrong('opts.filters must be "NOPUT", "NODELETE" or a list of them', "a", { filters = "NOTHING" })
        assert_wrong("opts.prefix must be boolean", "a", { prefix = 1 })
        assert_wrong("unknown option prefx; did you mean prefix?", "a", { prefx = true })
        assert_wrong("the range contains no key", "b", { range_end = "a" })
        assert_wrong("opts.shared_prefix must be a prefix of all watched keys", "/a/", { prefix = true, shared_prefix = "/a/b" })
    end)
end)
