-- What watchers make of servers that are not what they should be, with a scripted one in the place of etcd.
local cjson = require "cjson.safe"
local bed = require "spec.support.bed"
local fake = require "spec.support.fake"
local replies = require "spec.support.replies"

local put, created, events = replies.put, replies.created, replies.events

describe("a watcher", function()
    local server, restore, cli
    local read, watch -- what the server answers
    local watches -- how often it was asked for a watch
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

    describe("that is answered without a header", function()
        local HEADLESS = {
            ["nothing at all"] = {},
            ["no cluster"] = { header = { raft_term = "2", revision = "10" } },
            ["no revision"] = { header = { cluster_id = "7", raft_term = "2" } },
            ["no raft term"] = { header = { cluster_id = "7", revision = "10" } },
        }

        for name, said in pairs(HEADLESS) do
            it("does not take that for a restored etcd: " .. name, function()
                local state = { put(5, "k").kv }
                read = function(asked) return replies.read(10, not asked.count_only and state or nil) end
                local is_cut = false
                local function wait()
                    fake.eventually(function() return is_cut end)
                end
                watch = function(n)
                    return n == 1 and { created(10), wait, fake.CLOSE } or { created(10), events(11, put(11, "k")) }
                end
                local relist = open { prefix = true, list = true, relist = true }
                local plain = open { prefix = true, list = true }
                assert.equals(1, #assert(relist:next(5)).events)
                assert.equals(1, #assert(plain:next(5)).events)
                local healthy = read
                read = function() return fake.reply(cjson.encode(said)) end
                is_cut = true
                assert(fake.eventually(function() return (relist:stats().ends.bad_reply or 0) > 1 end))
                assert.equals("timeout", select(2, relist:next(0)).name)
                assert.equals("timeout", select(2, plain:next(0)).name)
                read = healthy
                for _, watcher in ipairs { relist, plain } do
                    local batch = assert(watcher:next(5))
                    assert.is_nil(batch.synthetic)
                    assert.equals(11, batch.revision)
                end
            end)
        end

        it("does not take that for the state", function()
            local whole = false
            read = function(asked)
                return asked.count_only and replies.read(10) or whole and replies.read(10, { put(5, "k").kv }) or fake.reply "{}"
            end
            watch = function() return { created(10) } end
            local watcher = open { prefix = true, list = true }
            local batch, err = watcher:next(1)
            assert.is_nil(batch)
            assert.equals("timeout", err.name)
            whole = true
            assert.equals(1, #assert(watcher:next(5)).events)
        end)

        it("says so where it asks before it begins", function()
            read = function() return fake.reply "{}" end
            local watcher, err = cli:watcher("k")
            assert.is_nil(watcher)
            assert.equals("bad_reply", err.name)
        end)
    end)

    it("reads its state as soon as the stream has its place, not when the timer next looks up", function()
        read = function(asked) return replies.read(10, not asked.count_only and { put(5, "k").kv } or nil) end
        watch = function() return { created(10) } end
        local soon = 0
        for _ = 1, 5 do -- the timer looks up every 0.5 seconds; a busy machine may be slow now and then
            soon = soon + (open { prefix = true, list = true }:next(0.3) and 1 or 0)
            watchers[#watchers]:close()
        end
        assert.is_true(soon >= 1)
    end)

    it("takes no state out of pages that do not say of which revision they are", function()
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
        assert.equals("timeout", select(2, watcher:next(0.7)).name)
        assert.is_true(pages > 0)
        local res, err = cli:readdir("k")
        assert.is_nil(res)
        assert.equals("malformed reply: a page without its revision", err)
    end)
end)
