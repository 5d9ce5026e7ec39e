-- Watchers and replies that a real etcd sends rarely or never, from a scripted server.
local cjson = require "cjson.safe"
local bed = require "spec.support.bed"
local connecting = require "spec.support.connecting"
local fake = require "spec.support.scripted_server"
local recorder = require "spec.support.watch_recorder"
local replies = require "spec.support.etcd_replies"
local tcp = require "spec.support.tcp"

local header, put, line, created, events = replies.header, replies.put, replies.line, replies.created, replies.events

describe("watcher", function()
    local server, restore, cli, watcher
    local starts -- start_revision of each watch request: the last revision that is known
    local revision -- header revision of reads; 10 is for the first read only
    local scripts -- one for each watch request; the last one for all that follow

    local function answer(request)
        if request.path == "/v3/kv/range" then
            local read_header = type(revision) == "table" and revision or header(revision)
            revision = revision == 10 and 1000 or revision
            return { fake.reply(cjson.encode { header = read_header, kvs = replies.state(cjson.decode(request.body)) }) }
        elseif request.path == "/v3/auth/authenticate" then
            return { fake.reply(cjson.encode { header = header(revision), token = "token" .. #server.requests }) }
        end
        local create = cjson.decode(request.body).create_request
        starts[#starts + 1] = tonumber(create.start_revision)
        return #scripts > 1 and table.remove(scripts, 1) or scripts[1]
    end

    before_each(function()
        restore = fake.never_ban()
        replies.forget()
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

    local function assert_delivers(...)
        local batch, err = watcher:next(5)
        assert.is_nil(err)
        local delivered = { batch.revision }
        for _, event in ipairs(batch.events) do
            delivered[#delivered + 1] = event.kv.key .. "=" .. event.kv.value
        end
        assert.same({ ... }, delivered)
    end

    local function assert_ended(name, text)
        local batch, err, details = watcher:next(5)
        assert.is_nil(batch)
        assert.equals(name, details.name)
        if text then
            assert.equals(text, err)
        end
    end

    describe("with parts of revisions", function()
        it("reassembles fragments", function()
            watch({ prefix = true }, nil, {
                created(10),
                line { header = header(12), fragment = true, events = { put(11, "k1"), put(11, "k2") } },
                line { header = header(12), fragment = true, events = { put(11, "k3") } },
                line { header = header(12), events = { put(11, "k4"), put(12, "k1") } },
            })
            assert_delivers(11, "k1=v", "k2=v", "k3=v", "k4=v")
            assert_delivers(12, "k1=v")
        end)

        it("delivers no fragment of an incomplete revision when the stream ends", function()
            watch({ prefix = true }, nil, {
                created(10), events(11, put(11, "k0")),
                line { header = header(12), fragment = true, events = { put(12, "k1"), put(12, "k2") } },
                fake.CLOSE,
            }, { created(12), events(12, put(12, "k1"), put(12, "k2"), put(12, "k3")) })
            assert_delivers(11, "k0=v")
            assert_delivers(12, "k1=v", "k2=v", "k3=v")
            assert.same({ 10, 11 }, starts)
        end)

        it("delivers a batch for each revision of a reply", function()
            watch({ prefix = true }, nil, {
                created(10), events(99, put(11, "k1"), put(12, "k1"), put(12, "k2"), put(15, "k3")),
            })
            assert_delivers(11, "k1=v")
            assert_delivers(12, "k1=v", "k2=v")
            assert_delivers(15, "k3=v")
        end)
    end)

    describe("with repeated events", function()
        it("drops events that a server sends again, or out of order", function()
            watch({ start_revision = 20, prefix = true }, nil, {
                created(30), events(30, put(18, "k1"), put(20, "k1"), put(21, "k2")), events(30, put(21, "k2")),
                events(30, put(22, "k1"), put(19, "k9"), put(23, "k1")),
            })
            assert_delivers(20, "k1=v")
            assert_delivers(21, "k2=v")
            assert_delivers(22, "k1=v")
            assert_delivers(23, "k1=v")
            assert.equals(3, watcher:stats().dropped)
        end)

        it("drops events before the start revision that a member that lags behind sends", function()
            revision = 30
            watch({ start_revision = 31 }, nil, {
                created(12), events(12, put(12, "k")), events(31, put(31, "k", "new")),
            })
            assert_delivers(31, "k=new")
        end)
    end)

    describe("when its stream ends or is silent", function()
        it("resumes after the last event, even if headers have a higher revision", function()
            watch({}, nil,
                { created(500), events(1000, put(11, "k")), events(1000, put(12, "k")), fake.CLOSE },
                { created(1000), fake.CLOSE },
                { created(1000), events(1000, put(13, "k")), fake.RESET },
                { created(1000) })
            assert_delivers(11, "k=v")
            assert_delivers(12, "k=v")
            assert_delivers(13, "k=v")
            assert(fake.eventually(function() return #starts == 4 end))
            assert.same({ 10, 12, 12, 13 }, starts)
        end)

        it("resumes after the revision of the last progress reply", function()
            watch({}, nil, { created(10), line { header = header(40) }, fake.CLOSE }, { created(40) })
            assert(fake.eventually(function() return #starts == 2 end))
            assert.same({ 10, 40 }, starts)
            assert.equals(40, watcher:revision())
        end)

        it("resumes at a start revision in the future, even if etcd reports a lower revision", function()
            watch({ start_revision = 100 }, nil, { created(10), line { header = header(40) }, fake.CLOSE }, { created(40) })
            assert(fake.eventually(function() return #starts == 2 end))
            assert.same({ 100, 100 }, starts)
        end)

        for _, dialect in ipairs {
            { name = "an older", text = '{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader",'
                .. '"http_status":"Service Unavailable"}}' },
            { name = "a newer", text = '{"error":{"code":14,"message":"etcdserver: no leader"}}\n' },
        } do
            it("resumes after an error of " .. dialect.name .. " gateway, and reports the endpoint", function()
                watch({}, nil, { created(10), events(11, put(11, "k")), fake.chunk(dialect.text), fake.LAST_CHUNK },
                    { created(11), events(12, put(12, "k")) })
                assert_delivers(11, "k=v")
                assert_delivers(12, "k=v")
                assert.same({ 10, 11 }, starts)
                assert.same({ unavailable = 1 }, watcher:stats().close_reasons)
                assert.equals(1, fake.reports(server.http_host))
            end)
        end

        it("resumes after a normal end, and does not report the endpoint", function()
            watch({}, nil, { created(10), events(11, put(11, "k")), fake.LAST_CHUNK }, { created(11), events(12, put(12, "k")) })
            assert_delivers(11, "k=v")
            assert_delivers(12, "k=v")
            assert.equals(0, fake.reports(server.http_host))
        end)

        it("resumes at the same revision if a probe shows that the silent stream has lost an event, and does not report the endpoint", function()
            local script = { created(10), events(11, put(11, "k")) }
            watch({ idle_timeout = 0.3 }, nil, { created(10) }, script, script)
            assert_delivers(11, "k=v")
            assert.same({ 10, 11, 10 }, starts) -- the second one is the probe
            assert.same({ timeout = 1 }, watcher:stats().close_reasons)
            assert.equals(0, fake.reports(server.http_host))
        end)

        it("resumes at the same revision if the member of the silent stream does not respond to the probe", function()
            watch({ idle_timeout = 0.3 }, nil, { created(10) }, { 60 }, { created(10), events(11, put(11, "k")) })
            assert_delivers(11, "k=v")
            assert.same({ 10, 11, 10 }, starts)
            assert.same({ timeout = 1 }, watcher:stats().close_reasons)
        end)

        it("keeps the silent stream if the probe receives no event", function()
            watch({ idle_timeout = 0.3 }, nil, { created(10), 2.5, events(11, put(11, "k")) }, { created(10) })
            assert.is_true(fake.eventually(function() return #starts >= 2 end))
            assert_delivers(11, "k=v")
            assert.equals(1, watcher:stats().opened)
            assert.same({}, watcher:stats().close_reasons)
            assert.is_true(fake.eventually(function() return server.open == 1 end)) -- the probe is closed
        end)

        it("keeps the silent stream while nginx cannot open a connection for the probe", function()
            watch({ idle_timeout = 0.3 }, nil, { created(10), 4.5, events(11, put(11, "k")) }, { created(10) })
            assert.is_true(fake.eventually(function() return #starts == 1 and watcher:stats().connected end))
            local refused = 0
            local restore_connecting = connecting.fail("etcd.test could not be resolved (3: Host not found)", function()
                refused = refused + 1
            end)
            finally(restore_connecting)
            local function is_repeated() return refused >= 2 end
            assert.is_true(fake.eventually(is_repeated) or fake.eventually(is_repeated)) -- probes are at least 1 s apart
            restore_connecting()
            assert_delivers(11, "k=v")
            assert.equals(1, watcher:stats().opened)
            assert.same({}, watcher:stats().close_reasons)
        end)

        it("keeps the silent stream if the start revision of the probe is compacted", function()
            local canceled = line { header = header(50), canceled = true, compact_revision = "40",
                cancel_reason = "etcdserver: mvcc: required revision has been compacted" }
            watch({ idle_timeout = 0.3 }, nil, { created(10), 2.5, events(51, put(51, "k")) }, { created(50), canceled })
            assert_delivers(51, "k=v")
            assert.equals(1, watcher:stats().opened)
            assert.same({}, watcher:stats().close_reasons)
        end)

        it("keeps the stream while bytes arrive slowly", function()
            local text = events(11, put(11, "k"))
            local script = { created(10) }
            for i = 1, #text, 20 do
                script[#script + 1] = 0.15
                script[#script + 1] = text:sub(i, i + 19)
            end
            watch({ idle_timeout = 0.6 }, nil, script)
            assert_delivers(11, "k=v")
            assert.same({ 10 }, starts)
        end)

        for name, bad in pairs {
            ["that is not JSON"] = fake.chunk("<html>\n"),
            ["with an event without key"] = line { header = header(11), events = { { kv = { mod_revision = "11" } } } },
            ["with an event without revision"] = line { header = header(11), events = { { kv = { key = "aw==" } } } },
            ["with an empty event"] = fake.chunk('{"result":{"events":[{}]}}\n'),
            ["of another cluster"] = line { header = header(11, { cluster_id = "9" }), events = { put(11, "k", "wrong") } },
        } do
            it("resumes after a malformed reply, and accepts nothing of it: " .. name, function()
                watch({}, nil, { created(10), bad }, { created(10), events(11, put(11, "k", "right")) })
                assert_delivers(11, "k=right")
                assert.same({ 10, 10 }, starts)
                assert.same({ bad_reply = 1 }, watcher:stats().close_reasons)
                assert.equals(1, fake.reports(server.http_host))
            end)
        end

        it("resumes after events before the watch was created, and accepts none of them", function()
            watch({}, nil, { fake.CHUNKED .. events(11, put(11, "k", "wrong")) },
                { created(10), events(11, put(11, "k", "right")) })
            assert_delivers(11, "k=right")
        end)

        it("resumes after transient errors", function()
            watch({}, nil, { fake.reply('{"code":14,"message":"etcdserver: rpc not supported for learner"}',
                "503 Service Unavailable") }, { fake.reply("404 page not found", "404 Not Found") },
                { fake.CHUNKED .. line { header = header(10), canceled = true, cancel_reason = "another reason" } },
                { created(10), events(11, put(11, "k")) })
            assert_delivers(11, "k=v")
            assert.same({ 10, 10, 10, 10 }, starts)
        end)

        it("resumes with a new token when the old one is rejected", function()
            local rejection = fake.CHUNKED .. line {
                header = header(10), watch_id = "-1", created = true, canceled = true,
                cancel_reason = "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token",
            }
            watch({}, assert(bed.new { http_host = server.http_host, user = "u", password = "p" }),
                { rejection }, { rejection }, { rejection }, { created(10), events(11, put(11, "k")) })
            assert_delivers(11, "k=v")
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

    describe("when it cannot continue", function()
        local function canceled(reason)
            return {
                fake.CHUNKED .. line {
                    header = header(10), watch_id = "-1", created = true, canceled = true, cancel_reason = reason,
                },
            }
        end

        it("ends with permission_denied if the user lacks the permission", function()
            watch({}, nil, canceled("rpc error: code = PermissionDenied desc = etcdserver: permission denied"))
            assert_ended("permission_denied", "etcdserver: permission denied") -- the text of a list
            assert.same({ 10 }, starts)
            assert.equals("failed", watcher:state())
        end)

        it("ends with invalid_argument if etcd requires a user", function()
            watch({}, nil, canceled("rpc error: code = InvalidArgument desc = etcdserver: user name is empty"))
            assert_ended("invalid_argument")
        end)

        it("ends with invalid_argument if the range is empty", function()
            watch({}, nil, canceled("mvcc: watcher range is empty"))
            assert_ended("invalid_argument", "mvcc: watcher range is empty")
        end)

        it("ends with compacted, and the revision of the compaction if etcd sends it", function()
            watch({}, nil, { created(10), line { header = header(), canceled = true, compact_revision = "10" } })
            local _, _, details = watcher:next(5)
            assert.equals("compacted", details.name)
            assert.equals(10, details.compact_revision)
        end)

        it("ends with compacted if etcd sends only a reason", function()
            watch({}, nil, canceled("etcdserver: mvcc: required revision has been compacted"))
            local _, _, details = watcher:next(5)
            assert.equals("compacted", details.name)
            assert.is_nil(details.compact_revision)
        end)

        for name, new_header in pairs {
            ["of another cluster"] = header(50, { cluster_id = "9" }),
            ["with a lower revision"] = header(5),
            ["with a lower raft_term"] = header(50, { raft_term = "1" }),
        } do
            it("ends with restored if a read has a header " .. name, function()
                revision = 20
                watch({}, nil, { created(10), events(30, put(21, "k")), 0.05, fake.CLOSE }, { created(50) })
                assert_delivers(21, "k=v")
                revision = new_header
                assert_ended("restored")
                assert.same({ 20 }, starts)
            end)
        end

        it("returns an error immediately if the current revision cannot be read", function()
            local port = tcp.listen()
            local none = assert(bed.new { http_host = port.http_host, timeout = 1 })
            local _, _, details = none:watcher("k")
            tcp.close(port)
            assert.equals("connect_failed", details.name)
        end)
    end)

    it("reconnects a few times per second at most while the server refuses connections", function()
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
        assert.is_true(count >= 3 and count <= 15, count .. " in 3 s")
        assert.equals("connecting", watcher:state())
        assert.is_truthy(watcher:stats().last_error:find("refused", 1, true))
    end)

    it("stops reading when the queue is full, also within one reply", function()
        local many = {}
        for i = 11, 1010 do
            many[#many + 1] = put(i, "k")
        end
        watch({ max_queue = 100 }, nil, { created(10), events(1010, unpack(many)) })
        assert(fake.eventually(function() return watcher:state() == "behind" end))
        assert.equals(100, watcher:stats().queued)
        for i = 11, 1010 do
            assert_delivers(i, "k=v")
        end
    end)

    it("reads the pages of a full state at one revision, and delivers the events after it", function()
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
        assert.same({ 11 }, starts) -- the watch starts before the list: events of both are delivered once
    end)
end)
