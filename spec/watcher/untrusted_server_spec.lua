-- Watchers and servers that do not behave like etcd, from a scripted server.
local cjson = require "cjson.safe"
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local fake = require "spec.support.scripted_server"
local replies = require "spec.support.etcd_replies"

local put, created, events = replies.put, replies.created, replies.events

describe("watcher", function()
    local server, restore, cli
    local read, watch -- return the server's responses
    local watches -- number of watch requests
    local watchers = {}

    local function answer(request)
        if request.path == "/v3/kv/range" then
            return { read(cjson.decode(request.body)) }
        end
        watches = watches + 1
        return watch(watches)
    end

    before_each(function()
        restore = fake.never_ban()
        replies.forget()
        server = fake.new(answer)
        watches = 0
        read = function() return replies.read(10) end
        cli = assert(bed.new { http_host = server.http_host, timeout = 1 })
    end)

    after_each(function()
        for i = #watchers, 1, -1 do
            watchers[i]:close()
            watchers[i] = nil
        end
        server.close()
        restore()
    end)

    local function open(opts)
        local watcher, err = cli:watcher("k", opts)
        assert.is_nil(err)
        watchers[#watchers + 1] = watcher
        return watcher
    end

    describe("with responses without a header", function()
        local HEADLESS = {
            ["no header"] = {},
            ["no cluster_id"] = { header = { raft_term = "2", revision = "10" } },
            ["no revision"] = { header = { cluster_id = "7", raft_term = "2" } },
            ["no raft_term"] = { header = { cluster_id = "7", revision = "10" } },
        }

        for name, body in pairs(HEADLESS) do
            it("does not conclude that etcd was restored: " .. name, function()
                local state = { put(5, "k").kv }
                read = function(asked) return replies.read(10, not asked.count_only and state or nil) end
                local is_cut = false
                local function wait_for_cut()
                    fake.eventually(function() return is_cut end)
                end
                watch = function(n)
                    return n == 1 and { created(10), wait_for_cut, fake.CLOSE } or { created(10), events(11, put(11, "k")) }
                end
                local relist = open { prefix = true, list = true, relist = true }
                local plain = open { prefix = true, list = true }
                assert.equals(1, #assert(relist:next(5)).events)
                assert.equals(1, #assert(plain:next(5)).events)
                local healthy = read
                read = function() return fake.reply(cjson.encode(body)) end
                is_cut = true
                assert(fake.eventually(function() return (relist:stats().close_reasons.bad_reply or 0) > 1 end))
                assert.equals("timeout", select(3, relist:next(0)).name)
                assert.equals("timeout", select(3, plain:next(0)).name)
                read = healthy
                for _, watcher in ipairs { relist, plain } do
                    local batch = assert(watcher:next(5))
                    assert.is_nil(batch.synthetic)
                    assert.equals(11, batch.revision)
                end
            end)
        end

        it("does not accept them as the full state", function()
            local is_complete = false
            read = function(asked)
                return asked.count_only and replies.read(10) or is_complete and replies.read(10, { put(5, "k").kv }) or fake.reply "{}"
            end
            watch = function() return { created(10) } end
            local watcher = open { prefix = true, list = true }
            local batch, _, details = watcher:next(1)
            assert.is_nil(batch)
            assert.equals("timeout", details.name)
            is_complete = true
            assert.equals(1, #assert(watcher:next(5)).events)
        end)

        it("returns bad_reply when it is opened, if it reads the current revision", function()
            read = function() return fake.reply "{}" end
            local watcher, _, details = cli:watcher("k")
            assert.is_nil(watcher)
            assert.equals("bad_reply", details.name)
        end)
    end)

    it("reads its state as soon as the watch has its start revision, before the next poll", function()
        read = function(asked) return replies.read(10, not asked.count_only and { put(5, "k").kv } or nil) end
        watch = function() return { created(10) } end
        local immediate = 0
        for _ = 1, 5 do -- the run loop polls every 0.5 s; a busy machine can be slow occasionally
            immediate = immediate + (open { prefix = true, list = true }:next(0.3) and 1 or 0)
            watchers[#watchers]:close()
        end
        assert.is_true(immediate >= 1)
    end)

    describe("while it reads its state", function()
        local pages

        before_each(function()
            pages = 0
            watch = function() return { created(10) } end
            read = function(asked)
                if asked.count_only then
                    return replies.read(10)
                end
                pages = pages + 1
                local kvs = {}
                for i = 1, 64 do
                    kvs[i] = put(5, ("k%05d%02d"):format(pages, i)).kv
                end
                return 0.05, fake.reply(cjson.encode { header = replies.header(10), kvs = kvs, count = "1000000" })
            end
            open { prefix = true } -- keeps the watch
        end)

        local CLOSINGS = {
            ["is closed"] = function(all) table.remove(all):close() end,
            ["is collected as garbage"] = function(all)
                all[#all] = nil
                collectgarbage()
                collectgarbage()
            end,
        }

        for name, close in pairs(CLOSINGS) do
            it("stops reading when it " .. name, function()
                assert.is_nil(open { prefix = true, list = true }:next(0))
                assert(fake.eventually(function() return pages > 3 end))
                local before = server.open
                close(watchers)
                ngx.sleep(0.6) -- the run loop looks for closed subscribers every 0.5 s
                local pages_before = pages
                ngx.sleep(0.3)
                assert.equals(pages_before, pages)
                collectgarbage()
                collectgarbage()
                assert(fake.eventually(function() return server.open < before end))
                assert.equals("watching", watchers[1]:state())
            end)
        end
    end)

    it("frees the light threads that have read a full state", function()
        read = function(asked) return replies.read(10, not asked.count_only and { put(5, "k").kv } or nil) end
        watch = function() return { created(10) } end
        local keep = open { prefix = true }
        assert(fake.eventually(function() return keep:state() == "watching" end))
        local threads = setmetatable({}, { __mode = "k" })
        local real = ngx.thread.spawn
        finally(function() rawset(ngx.thread, "spawn", real) end)
        rawset(ngx.thread, "spawn", function(...)
            local thread = real(...)
            threads[thread] = true
            return thread
        end)
        for _ = 1, 20 do
            local watcher = open { prefix = true, list = true }
            assert(watcher:next(5))
            watcher:close()
            watchers[#watchers] = nil
        end
        assert(fake.eventually(function()
            collectgarbage()
            collectgarbage()
            local left = 0
            for _ in pairs(threads) do
                left = left + 1
            end
            return left <= 2
        end))
        assert.equals(1, keep:stats().opened)
    end)

    it("closes a stream that etcd does not confirm in time, although bytes arrive, and reports the endpoint", function()
        watch = function(n)
            local script = { fake.CHUNKED }
            for i = 1, n == 1 and 100 or 0 do
                script[i * 2] = fake.chunk("\n")
                script[i * 2 + 1] = 0.2
            end
            return n == 1 and script or { created(10), events(11, put(11, "k")) }
        end
        local watcher = open { prefix = true }
        assert.equals(11, assert(watcher:next(10)).revision)
        assert.same({ timeout = 1 }, watcher:stats().close_reasons)
        assert.equals(1, fake.reports(server.http_host))
    end)

    it("reopens streams that break after each event immediately, but at a limited rate #alone", function()
        local revision = 10
        read = function(asked) return replies.read(revision, replies.state(asked)) end
        watch = function()
            revision = revision + 1
            return { created(revision), events(revision, put(revision, "k")), fake.CLOSE }
        end
        local watcher = open { prefix = true }
        local stop = clock.now() + 2
        while clock.now() < stop do
            local batch = watcher:next(stop - clock.now())
            assert.is_true(batch == nil or batch.revision <= revision)
        end
        assert.is_true(watches >= 4 and watches <= 6, watches .. " in 2 s") -- the first, a burst of three, then one per second
    end)

    it("rejects pages of a full state that have no revision", function()
        local kvs = {}
        for i = 1, 64 do
            kvs[i] = put(5, ("k%02d"):format(i)).kv
        end
        local pages = 0
        read = function(asked)
            if asked.count_only then
                return replies.read(10)
            end
            pages = pages + 1
            return fake.reply(cjson.encode { kvs = asked.key == ngx.encode_base64("k") and kvs or { put(6, "k99").kv }, count = "65" })
        end
        watch = function() return { created(10) } end
        local watcher = open { prefix = true, list = true }
        assert.equals("timeout", select(3, watcher:next(0.7)).name)
        assert.is_true(pages > 0)
        local res, err = cli:readdir("k")
        assert.is_nil(res)
        assert.equals("malformed reply: page without revision", err)
    end)
end)
