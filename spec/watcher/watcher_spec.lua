-- Watchers of a real etcd, without faults.
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
    local batch, _, details = watcher:next(0.2)
    assert.is_nil(batch)
    assert.equals("timeout", details.name)
end

describe("watcher", function()
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

    it("yields to other light threads while it catches up #alone", function()
        local first = assert(cli:set(dir .. "k", 0)).body.header.revision
        write_some(cli, 1, 200)
        local watcher = watch(dir, { prefix = true, start_revision = first }, assert(bed.new { serializer = { deserialize = turns.work } }))
        assert(watcher:next(5))
        ngx.sleep(0.2) -- all other batches are queued by then
        local most = turns.most(function()
            for i = 1, 200 do
                assert.equals(('{"n":%d}'):format(i), next_event(watcher).kv.value)
            end
        end)
        assert.is_true(most > 0 and most <= turns.FEW, most .. " without a yield")
    end)

    it("delivers every change after the call that created it, with decoded values", function()
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

    it("delivers no other keys if it watches one key", function()
        local watcher = watch(dir .. "a")
        assert(cli:set(dir .. "aa", 1))
        assert(cli:set(dir .. "a", 2))
        assert.equals(2, next_event(watcher).kv.value)
        assert_silent(watcher)
    end)

    it("keeps values as etcd stores them if raw is set", function()
        local watcher = watch(dir .. "a", { raw = true, prev_kv = true })
        assert(cli:set(dir .. "a", { 1 }))
        assert.equals("[1]", next_event(watcher).kv.value)
        assert(cli:set(dir .. "a", 2))
        assert.equals("[1]", next_event(watcher).prev_kv.value)
    end)

    it("delivers the previous values, also of deleted keys, if prev_kv is set", function()
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

    it("leaves out puts or deletions if filters are set", function()
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

    it("starts with the current state and continues without a gap if list is set", function()
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

    it("starts with an empty state if list is set and there are no keys", function()
        local watcher = watch(dir, { prefix = true, list = true })
        local batch = assert(watcher:next(5))
        assert.equals("list", batch.reason)
        assert.same({}, batch.events)
        assert.is_true(batch.revision > 0)
    end)

    it("loses nothing between the state and the events while the keys are written to", function()
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

    it("replays the history from start_revision on, one batch per revision", function()
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

    it("starts with the state before start_revision if list is set too", function()
        assert(cli:set(dir .. "a", 1))
        local second = assert(cli:set(dir .. "a", 2)).body.header.revision
        assert(cli:set(dir .. "a", 3))
        local watcher = watch(dir, { prefix = true, list = true, start_revision = second })
        assert.equals(1, next_event(watcher).kv.value)
        assert.equals(2, next_event(watcher).kv.value)
        assert.equals(3, next_event(watcher).kv.value)
    end)

    it("starts with an empty state if list is set and start_revision is 1", function()
        local single = assert(bed.new { http_host = bed.cluster.http[1] })
        local watcher, err = single:watcher(dir, { prefix = true, list = true, start_revision = 1 })
        assert.is_nil(err)
        watchers[#watchers + 1] = watcher
        local batch = assert(watcher:next(5))
        assert.equals(0, batch.revision)
        assert.same({}, batch.events)
    end)

    it("delivers nothing before start_revision if that is in the future", function()
        local revision = tonumber(assert(cli:set(dir .. "a", 0)).body.header.revision)
        local watcher = watch(dir, { prefix = true, start_revision = revision + 3 })
        for i = 1, 5 do
            assert(cli:set(dir .. "a", i))
        end
        for i = 3, 5 do
            assert.equals(i, next_event(watcher).kv.value)
        end
    end)

    it("removes the client's key_prefix from keys, and watches no keys without it", function()
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

    it("watches all keys, keys of 0xff bytes, keys up to a key, and keys from a key on", function()
        local all = watch("", { prefix = true })
        local high = watch(dir .. "\255", { prefix = true })
        local range = watch(dir .. "b", { range_end = dir .. "d" })
        local from = watch(dir .. "c", { range_end = "\0" })
        local names = { "a", "b", "bb", "c", "d", "\255", "\255\255", "\255a" }
        for _, name in ipairs(names) do
            assert(cli:set(dir .. name, name == "\255" and "ff" or 1))
        end
        local function assert_delivered(watcher, ...)
            for _, name in ipairs { ... } do
                assert.equals(dir .. name, next_event(watcher).kv.key)
            end
            assert_silent(watcher)
        end
        local keys, batch = {}, all:next(5)
        while batch do -- among all keys, leases of other specs can expire
            for _, event in ipairs(batch.events) do
                if event.kv.key:sub(1, #dir) == dir then
                    keys[#keys + 1] = event.kv.key:sub(#dir + 1)
                end
            end
            batch = all:next(0.2)
        end
        assert.same(names, keys)
        assert_delivered(high, "\255", "\255\255", "\255a")
        assert_delivered(range, "b", "bb", "c")
        assert_delivered(from, "c", "d", "\255", "\255\255", "\255a")
    end)

    it("accepts binary keys", function()
        local key = dir .. "\0\r\n\"\\\128"
        local watcher = watch(key)
        assert(cli:set(key, 1))
        assert.equals(key, next_event(watcher).kv.key)
    end)

    it("iterates over batches until it is closed", function()
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
        assert.equals("closed", select(3, watcher:next()).name)
    end)

    it("continues when its client is closed", function()
        local watcher = watch(dir, { prefix = true, idle_timeout = 1 })
        assert(fake.eventually(function() return watcher:state() == "watching" end))
        assert.is_true(cli:close())
        assert(cli:set(dir .. "a", 1))
        assert.equals(1, next_event(watcher).kv.value)
        ngx.sleep(1.6) -- longer than idle_timeout: the stream is probed
        assert(cli:set(dir .. "a", 2))
        assert.equals(2, next_event(watcher).kv.value)
    end)

    it("wakes a waiting next when it is closed", function()
        local watcher = watch(dir, { prefix = true })
        local thread = ngx.thread.spawn(function() return watcher:next() end)
        ngx.sleep(0.05)
        assert.is_true(watcher:close())
        local _, batch, _, details = ngx.thread.wait(thread)
        assert.is_nil(batch)
        assert.equals("closed", details.name)
    end)

    it("can be read from several light threads, one after the other", function()
        local watcher = watch(dir, { prefix = true })
        for i = 1, 3 do
            local thread = ngx.thread.spawn(function() return watcher:next(5) end)
            assert(cli:set(dir .. "a", i))
            local _, batch = ngx.thread.wait(thread)
            assert.equals(i, batch.events[1].kv.value)
        end
    end)

    it("loses nothing when a light thread that waits in next is killed", function()
        local watcher = watch(dir, { prefix = true })
        local thread = ngx.thread.spawn(function() return watcher:next() end)
        ngx.sleep(0.05)
        assert(ngx.thread.kill(thread))
        assert(cli:set(dir .. "a", 1))
        assert.equals(1, next_event(watcher).kv.value)
    end)

    it("continues after next has returned timeout", function()
        local watcher = watch(dir, { prefix = true })
        for _ = 1, 3 do
            local batch, err = watcher:next(0)
            assert.is_nil(batch)
            assert.equals("timeout", err)
        end
        assert(cli:set(dir .. "a", 1))
        assert.equals(1, next_event(watcher).kv.value)
    end)

    it("calls on_batch for each batch, and continues when it raises an error", function()
        local seen = {}
        local watcher = watch(dir, { prefix = true, on_batch = function(batch)
            seen[#seen + 1] = batch.events[1].kv.value.n
            error("error of the callback")
        end })
        write_some(cli, 1, 3)
        assert(fake.eventually(function() return #seen == 3 end))
        assert.same({ 1, 2, 3 }, seen)
        assert(fake.eventually(function() return watcher:stats().callback_errors == 3 end))
        assert.equals("watching", watcher:state())
    end)

    it("calls on_batch in order across timers", function()
        local seen, in_order = 0, true
        watch(dir, { prefix = true, on_batch = function(batch)
            seen = seen + 1
            in_order = in_order and batch.events[1].kv.value.n == seen
        end })
        local last = 0
        while last < 1100 do -- a timer makes about 1000 calls
            last = last + 1
            assert(cli:set(dir .. "k", { n = last }))
        end
        assert(fake.eventually(function() return seen == last end))
        assert.is_true(in_order)
    end)

    it("counts batches, events and streams", function()
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

    it("rejects invalid arguments", function()
        local function assert_rejected(text, ...)
            local watcher, err, details = cli:watcher(...)
            assert.is_nil(watcher)
            assert.equals("bad_request", details.name)
            assert.equals(text, err)
        end
        assert_rejected("key must be string", nil)
        assert_rejected("key should not be empty", "")
        assert_rejected("opts must be table", "a", 1)
        assert_rejected("opts.prefix and opts.range_end exclude each other", "a", { prefix = true, range_end = "b" })
        assert_rejected("opts.range_end must be string, not empty", "a", { range_end = "" })
        assert_rejected("opts.start_revision must be a positive integer", "a", { start_revision = 0 })
        assert_rejected("opts.start_revision must be a positive integer", "a", { start_revision = "x" })
        assert_rejected("opts.idle_timeout must be number of seconds", "a", { idle_timeout = 0 })
        assert_rejected("opts.max_queue must be a positive number", "a", { max_queue = 0 })
        assert_rejected("opts.max_queue_bytes must be a positive number", "a", { max_queue_bytes = "1" })
        assert_rejected("opts.shared_prefix must be string", "a", { shared_prefix = true })
        assert_rejected("opts.on_batch must be function", "a", { on_batch = 1 })
        assert_rejected('opts.filters must be "NOPUT", "NODELETE" or a list of them', "a", { filters = "NOTHING" })
        assert_rejected("opts.prefix must be boolean", "a", { prefix = 1 })
        assert_rejected("unknown option prefx; did you mean prefix?", "a", { prefx = true })
        assert_rejected("the range contains no key", "b", { range_end = "a" })
        assert_rejected("opts.shared_prefix must be a prefix of all watched keys", "/a/", { prefix = true, shared_prefix = "/a/b" })
    end)
end)
