-- What watchers make of replies that a real etcd gives rarely, or never should.
local cjson = require "cjson.safe"
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local recorder = require "spec.support.watch_recorder"
local replies = require "spec.support.etcd_replies"
local tcp = require "spec.support.tcp"

local header, put, line, created, events = replies.header, replies.put, replies.line, replies.created, replies.events

describe("a watcher", function()
    local server, restore, cli, watcher
    local starts -- start_revision of each watch that the server saw: the last revision that is known, once more
    local revision -- what reads say: 10 is for the first only
    local scripts -- of watches, the last one for all that follow

    local function answer(request)
        if request.path == "/v3/kv/range" then
            local said = type(revision) == "table" and revision or header(revision)
            revision = revision == 10 and 1000 or revision
            return { fake.reply(cjson.encode { header = said }) }
        elseif request.path == "/v3/auth/authenticate" then
            return { fake.reply(cjson.encode { header = header(revision), token = "token" .. #server.requests }) }
        end
        local create = cjson.decode(request.body).create_request
        starts[#starts + 1] = tonumber(create.start_revision)
        return #scripts > 1 and table.remove(scripts, 1) or scripts[1]
    end

    before_each(function()
        restore = fake.never_ban()
        server = fake.new(answer)
        starts, revision = {}, 10
        cli = assert(bed.new { http_host = server.http_host, timeout = 2 })
    end)

    after_each(function()
        if watcher then
            watcher:close()
            watcher = nil
        end
        server.close()
        restore()
    end)

    local function watch(opts, client, ...)
        scripts = { ... }
        local err
        watcher, err = (client or cli):watcher("k", opts)
        assert.is_nil(err)
    end

    local function assert_told(...)
        local batch, err = watcher:next(5)
        assert.is_nil(err)
        local told = { batch.revision }
        for _, event in ipairs(batch.events) do
            told[#told + 1] = event.kv.key .. "=" .. event.kv.value
        end
        assert.same({ ... }, told)
    end

    local function assert_ended(name, text)
        local batch, err = watcher:next(5)
        assert.is_nil(batch)
        assert.equals(name, err.name)
        if text then
            assert.equals(text, tostring(err))
        end
    end

    describe("takes a revision whole:", function()
        it("fragments are joined", function()
            watch({ prefix = true }, nil, {
                created(10),
                line { header = header(12), fragment = true, events = { put(11, "k1"), put(11, "k2") } },
                line { header = header(12), fragment = true, events = { put(11, "k3") } },
                line { header = header(12), events = { put(11, "k4"), put(12, "k1") } },
            })
            assert_told(11, "k1=v", "k2=v", "k3=v", "k4=v")
            assert_told(12, "k1=v")
        end)

        it("a stream that ends between fragments has told nothing of them", function()
            watch({ prefix = true }, nil, {
                created(10), events(11, put(11, "k0")),
                line { header = header(12), fragment = true, events = { put(12, "k1"), put(12, "k2") } },
                fake.CLOSE,
            }, { created(12), events(12, put(12, "k1"), put(12, "k2"), put(12, "k3")) })
            assert_told(11, "k0=v")
            assert_told(12, "k1=v", "k2=v", "k3=v")
            assert.same({ 10, 11 }, starts)
        end)

        it("a reply of many revisions is told one by one", function()
            watch({ prefix = true }, nil, {
                created(10), events(99, put(11, "k1"), put(12, "k1"), put(12, "k2"), put(15, "k3")),
            })
            assert_told(11, "k1=v")
            assert_told(12, "k1=v", "k2=v")
            assert_told(15, "k3=v")
        end)
    end)

    describe("never tells twice", function()
        it("what a server sends again", function()
            watch({ start_revision = 20, prefix = true }, nil, {
                created(30), events(30, put(18, "k1"), put(20, "k1"), put(21, "k2")), events(30, put(21, "k2")),
                events(30, put(22, "k1"), put(19, "k9"), put(23, "k1")),
            })
            assert_told(20, "k1=v")
            assert_told(21, "k2=v")
            assert_told(22, "k1=v")
            assert_told(23, "k1=v")
            assert.equals(3, watcher:stats().dropped)
        end)

        it("nor what a member that lags behind replays", function()
            revision = 30
            watch({ start_revision = 31 }, nil, {
                created(12), events(12, put(12, "k")), events(31, put(31, "k", "new")),
            })
            assert_told(31, "k=new")
        end)
    end)

    describe("resumes", function()
        it("behind the last event, whatever headers say", function()
            watch({}, nil,
                { created(500), events(1000, put(11, "k")), events(1000, put(12, "k")), fake.CLOSE },
                { created(1000), fake.CLOSE },
                { created(1000), events(1000, put(13, "k")), fake.RESET },
                { created(1000) })
            assert_told(11, "k=v")
            assert_told(12, "k=v")
            assert_told(13, "k=v")
            assert(fake.eventually(function() return #starts == 4 end))
            assert.same({ 10, 12, 12, 13 }, starts)
        end)

        it("behind what etcd has said to have come to", function()
            watch({}, nil, { created(10), line { header = header(40) }, fake.CLOSE }, { created(40) })
            assert(fake.eventually(function() return #starts == 2 end))
            assert.same({ 10, 40 }, starts)
            assert.equals(40, watcher:revision())
        end)

        it("not before a start in the future, though etcd says that it has not come so far", function()
            watch({ start_revision = 100 }, nil, { created(10), line { header = header(40) }, fake.CLOSE }, { created(40) })
            assert(fake.eventually(function() return #starts == 2 end))
            assert.same({ 100, 100 }, starts)
        end)

        for _, dialect in ipairs {
            { name = "an older", text = '{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader",'
                .. '"http_status":"Service Unavailable"}}' },
            { name = "a newer", text = '{"error":{"code":14,"message":"etcdserver: no leader"}}\n' },
        } do
            it("after an error of " .. dialect.name .. " gateway, and counts it against the member", function()
                watch({}, nil, { created(10), events(11, put(11, "k")), fake.chunk(dialect.text), fake.LAST_CHUNK },
                    { created(11), events(12, put(12, "k")) })
                assert_told(11, "k=v")
                assert_told(12, "k=v")
                assert.same({ 10, 11 }, starts)
                assert.same({ unavailable = 1 }, watcher:stats().close_reasons)
                assert.equals(1, fake.reports(server.http_host))
            end)
        end

        it("after a normal end, which counts against nobody", function()
            watch({}, nil, { created(10), events(11, put(11, "k")), fake.LAST_CHUNK }, { created(11), events(12, put(12, "k")) })
            assert_told(11, "k=v")
            assert_told(12, "k=v")
            assert.equals(0, fake.reports(server.http_host))
        end)

        it("at the same revision when a silent stream turns out to have missed something: that is no failure", function()
            local told = { created(10), events(11, put(11, "k")) }
            watch({ idle_timeout = 0.3 }, nil, { created(10) }, told, told)
            assert_told(11, "k=v")
            assert.same({ 10, 11, 10 }, starts) -- the second one is to find out
            assert.same({ timeout = 1 }, watcher:stats().close_reasons)
            assert.equals(0, fake.reports(server.http_host))
        end)

        it("at the same revision when a silent stream's member does not answer any more", function()
            watch({ idle_timeout = 0.3 }, nil, { created(10) }, { 60 }, { created(10), events(11, put(11, "k")) })
            assert_told(11, "k=v")
            assert.same({ 10, 11, 10 }, starts)
            assert.same({ timeout = 1 }, watcher:stats().close_reasons)
        end)

        it("not when a silent stream has missed nothing: that one is idle, and goes on", function()
            watch({ idle_timeout = 0.3 }, nil, { created(10), 2.5, events(11, put(11, "k")) }, { created(10) })
            assert.is_true(fake.eventually(function() return #starts >= 2 end))
            assert_told(11, "k=v")
            assert.equals(1, watcher:stats().opened)
            assert.same({}, watcher:stats().close_reasons)
            assert.is_true(fake.eventually(function() return server.open == 1 end)) -- what was to find out has gone
        end)

        it("not when nobody can tell any more what a silent stream should have told", function()
            local canceled = line { header = header(50), canceled = true, compact_revision = "40",
                cancel_reason = "etcdserver: mvcc: required revision has been compacted" }
            watch({ idle_timeout = 0.3 }, nil, { created(10), 2.5, events(51, put(51, "k")) }, { created(50), canceled })
            assert_told(51, "k=v")
            assert.equals(1, watcher:stats().opened)
            assert.same({}, watcher:stats().close_reasons)
        end)

        it("not while bytes drip in: that is not silence", function()
            local text = events(11, put(11, "k"))
            local script = { created(10) }
            for i = 1, #text, 20 do
                script[#script + 1] = 0.15
                script[#script + 1] = text:sub(i, i + 19)
            end
            watch({ idle_timeout = 0.6 }, nil, script)
            assert_told(11, "k=v")
            assert.same({ 10 }, starts)
        end)

        for name, bad in pairs {
            ["that is no JSON"] = fake.chunk("<html>\n"),
            ["with an event without key"] = line { header = header(11), events = { { kv = { mod_revision = "11" } } } },
            ["with an event without revision"] = line { header = header(11), events = { { kv = { key = "aw==" } } } },
            ["with an empty event"] = fake.chunk('{"result":{"events":[{}]}}\n'),
            ["of another cluster"] = line { header = header(11, { cluster_id = "9" }), events = { put(11, "k", "wrong") } },
        } do
            it("after a reply " .. name .. ", and takes nothing of it", function()
                watch({}, nil, { created(10), bad }, { created(10), events(11, put(11, "k", "right")) })
                assert_told(11, "k=right")
                assert.same({ 10, 10 }, starts)
                assert.same({ bad_reply = 1 }, watcher:stats().close_reasons)
                assert.equals(1, fake.reports(server.http_host))
            end)
        end

        it("after events that come before the watch stands, and takes none", function()
            watch({}, nil, { fake.CHUNKED .. events(11, put(11, "k", "wrong")) },
                { created(10), events(11, put(11, "k", "right")) })
            assert_told(11, "k=right")
        end)

        it("after refusals that may pass", function()
            watch({}, nil, { fake.reply('{"code":14,"message":"etcdserver: rpc not supported for learner"}',
                "503 Service Unavailable") }, { fake.reply("404 page not found", "404 Not Found") },
                { fake.CHUNKED .. line { header = header(10), canceled = true, cancel_reason = "who knows" } },
                { created(10), events(11, put(11, "k")) })
            assert_told(11, "k=v")
            assert.same({ 10, 10, 10, 10 }, starts)
        end)

        it("with a new token where the old one is refused", function()
            local refusal = fake.CHUNKED .. line {
                header = header(10), watch_id = "-1", created = true, canceled = true,
                cancel_reason = "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token",
            }
            watch({}, assert(bed.new { http_host = server.http_host, user = "u", password = "p" }),
                { refusal }, { refusal }, { refusal }, { created(10), events(11, put(11, "k")) })
            assert_told(11, "k=v")
            local tokens = {}
            for _, request in ipairs(server.requests) do
                if request.path == "/v3/watch" then
                    tokens[request.headers.authorization] = true
                end
            end
            local count = 0
            for _ in pairs(tokens) do
                count = count + 1
            end
            assert.is_true(count >= 3)
        end)
    end)

    describe("ends", function()
        local function refused(reason)
            return {
                fake.CHUNKED .. line {
                    header = header(10), watch_id = "-1", created = true, canceled = true, cancel_reason = reason,
                },
            }
        end

        it("when it may not see its keys", function()
            local reason = "rpc error: code = PermissionDenied desc = etcdserver: permission denied"
            watch({}, nil, refused(reason))
            assert_ended("permission_denied", reason)
            assert.same({ 10 }, starts)
            assert.equals("failed", watcher:state())
        end)

        it("when it has no user where one is needed", function()
            watch({}, nil, refused("rpc error: code = InvalidArgument desc = etcdserver: user name is empty"))
            assert_ended("invalid_argument")
        end)

        it("when etcd finds no key in its range", function()
            watch({}, nil, refused("mvcc: watcher range is empty"))
            assert_ended("invalid_argument", "mvcc: watcher range is empty")
        end)

        it("when its revisions are compacted, as older etcds say it", function()
            watch({}, nil, { created(10), line { header = header(), canceled = true, compact_revision = "10" } })
            local _, err = watcher:next(5)
            assert.equals("compacted", err.name)
            assert.equals(10, err.compact_revision)
        end)

        it("when its revisions are compacted, as newer etcds say it of some", function()
            watch({}, nil, refused("etcdserver: mvcc: required revision has been compacted"))
            local _, err = watcher:next(5)
            assert.equals("compacted", err.name)
            assert.is_nil(err.compact_revision)
        end)

        for name, now in pairs {
            ["of another cluster"] = header(50, { cluster_id = "9" }),
            ["that has gone back"] = header(5),
            ["with an older past"] = header(50, { raft_term = "1" }),
        } do
            it("when a read tells of an etcd " .. name, function()
                revision = 20
                watch({}, nil, { created(10), events(30, put(21, "k")), 0.05, fake.CLOSE }, { created(50) })
                assert_told(21, "k=v")
                revision = now
                assert_ended("restored")
                assert.same({ 20 }, starts)
            end)
        end

        it("at once where etcd cannot be asked from where on to watch", function()
            local port = tcp.listen()
            local none = assert(bed.new { http_host = port.http_host, timeout = 1 })
            local _, err = none:watcher("k")
            tcp.close(port)
            assert.equals("connect_failed", err.name)
        end)
    end)

    it("tries a server that refuses connections a few times a second at most", function()
        finally(fake.even_pauses())
        local port = tcp.listen()
        local none = assert(bed.new { http_host = port.http_host, timeout = 1 })
        watcher = assert(none:watcher("k", { list = true }))
        local count = 0
        for _ = 1, 30 do
            ngx.sleep(0.1)
            count = 0
            for _, n in pairs(watcher:stats().close_reasons) do
                count = count + n
            end
        end
        tcp.close(port)
        assert.is_true(count >= 3 and count <= 15, count .. " in 3 seconds")
        assert.equals("connecting", watcher:state())
        assert.is_truthy(watcher:stats().last_error:find("refused", 1, true))
    end)

    it("reads no further than its consumer's queue allows, also out of one reply", function()
        local many = {}
        for i = 11, 1010 do
            many[#many + 1] = put(i, "k")
        end
        watch({ max_queue = 100 }, nil, { created(10), events(1010, unpack(many)) })
        assert(fake.eventually(function() return watcher:state() == "behind" end))
        assert.equals(100, watcher:stats().queued)
        for i = 11, 1010 do
            assert_told(i, "k=v")
        end
    end)

    it("takes its lists from pages of one revision, and watches from behind that", function()
        local kvs = {}
        for i = 1, 64 do
            kvs[i] = put(5, ("k%02d"):format(i)).kv
        end
        local last = { put(6, "k99").kv }
        local limits = {}
        server.serve(server, function(request)
            if request.path ~= "/v3/kv/range" then
                return answer(request)
            end
            local body = cjson.decode(request.body)
            limits[#limits + 1] = body.revision or "latest"
            local page = body.limit and (#limits > 2 and last or kvs) or nil
            return { fake.reply(cjson.encode { header = header(10 + #limits), kvs = page, count = "65" }) }
        end)
        watch({ prefix = true, list = true }, nil, { created(20) })
        local keys = {}
        local batch = assert(watcher:next(5))
        recorder.apply(keys, batch)
        assert.equals(65, #batch.events)
        assert.equals(12, batch.revision) -- of the first page
        assert.same({ "latest", "latest", "12" }, limits)
        assert.same({ 11 }, starts) -- the stream began before the list, and what both tell is told once
    end)
end)
