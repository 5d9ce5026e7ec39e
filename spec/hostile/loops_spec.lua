-- Every loop that can fail, at a server that answers each call but never as needed: after a burst at the start it makes no
-- more than 5 calls per second, and shows its error. docs/architecture.md has the table of these loops.
local cjson = require "cjson.safe"
local bed = require "spec.support.bed"
local config = require "resty.etcd.config"
local discovery = require "resty.etcd.discovery"
local fake = require "spec.support.scripted_server"
local logs = require "resty.etcd.shared_log.log"
local replies = require "spec.support.etcd_replies"
local writers = require "resty.etcd.shared_log.writer"

-- Seconds in which calls are counted. A busy machine needs more than one such time for the burst at the start, but a loop
-- without pauses exceeds the rate in all of them.
local SECONDS, TIMES = 3, 5

local function rejected(code, status, message)
    return fake.reply(cjson.encode { error = message, message = message, code = code }, status)
end

local DENIED = rejected(7, "403 Forbidden", "etcdserver: permission denied")
local NO_LEADER = rejected(14, "503 Service Unavailable", "etcdserver: no leader")
local COMPACTED = rejected(11, "400 Bad Request", "etcdserver: mvcc: required revision has been compacted")
local BAD_TOKEN = rejected(16, "401 Unauthorized", "etcdserver: invalid auth token")
local BAD_PASSWORD = rejected(3, "400 Bad Request", "etcdserver: authentication failed, invalid user ID or password")
local CANCELED = fake.CHUNKED .. replies.line { header = replies.header(10), created = true } .. replies.line {
    header = replies.header(10), canceled = true, compact_revision = "50",
}

describe("a loop that fails all the time", function()
    local server, restore, opened, revision
    local range, watch, lease, login -- return the scripts of the server's responses

    local function answer(request)
        local asked = cjson.decode(request.body)
        if request.path == "/v3/auth/authenticate" then
            return login()
        elseif request.path == "/v3/kv/range" then
            return range(asked)
        elseif request.path == "/v3/watch" then
            return watch()
        end
        return lease(request)
    end

    before_each(function()
        restore = fake.never_ban()
        replies.forget()
        ngx.shared.watch_log:flush_all()
        server = fake.new(answer)
        opened, revision = {}, 10
        range = function(asked) return { replies.read(revision, replies.state(asked)) } end
        watch = function() return { replies.created(revision), 60 } end
        lease = function() return { DENIED } end
        login = function() return { fake.reply(cjson.encode { header = replies.header(10), token = "token." .. #server.requests }) } end
    end)

    after_each(function()
        for i = #opened, 1, -1 do
            opened[i]:close()
        end
        server.close()
        restore()
    end)

    local function client(opts)
        opts = opts or {}
        opts.http_host, opts.timeout = server.http_host, 2
        return assert(bed.new(opts))
    end

    local function open(object, err)
        assert(object, err)
        opened[#opened + 1] = object
        return object
    end

    -- Asserts that after a burst no more than `rate` calls per second are made, 5 by default, and that `shown` returns a
    -- text with `text` most of that time.
    local function assert_slow(text, shown, rate)
        local count, seen, polls
        for _ = 1, TIMES do
            local before, stop = #server.requests, ngx.now() + SECONDS
            seen, polls = 0, 0
            repeat
                ngx.sleep(0.05)
                polls = polls + 1
                seen = seen + (tostring(shown and shown()):find(text, 1, true) and 1 or 0)
            until ngx.now() >= stop
            count = #server.requests - before
            if count <= (rate or 5) * SECONDS and (not shown or seen > polls / 2) then
                return
            end
        end
        error(("%d calls, shown %d times of %d"):format(count, seen, polls))
    end

    local function watcher(cli, opts)
        opts = opts or {}
        opts.prefix = true
        return open((cli or client()):watcher("/a/", opts))
    end

    local function mirror(cli, opts)
        return open((cli or client()):mirror("/a/", opts))
    end

    local STREAMS = {
        ["is confirmed and closed"] = { "closed", function() return { replies.created(10), fake.CLOSE } end },
        ["delivers an event and is closed"] = { "closed", function()
            revision = revision + 1
            return { replies.created(revision), replies.events(revision, replies.put(revision, "/a/1")), fake.CLOSE }
        end },
        ["is canceled as compacted"] = { "compacted", function() return { CANCELED, 60 } end },
        ["is rejected with 503"] = { "no leader", function() return { NO_LEADER } end },
        ["has an event without revision"] = { "malformed reply", function()
            return { replies.created(10), replies.events(11, { kv = { key = "YQ==" } }), 60 }
        end },
    }
    for name, case in pairs(STREAMS) do
        it("is that of a watch whose stream " .. name, function()
            watch = case[2]
            local w = watcher(nil, { start_revision = 11, relist = true })
            local m = mirror(client())
            watch = case[2]
            local function shown() return w:stats().last_error end
            assert_slow(case[1], shown, 10)
            m:close()
            assert_slow(case[1], shown)
        end)

        it("is that of a mirror whose stream " .. name, function()
            watch = case[2]
            for _, opts in ipairs { {}, { mode = "shared", shm_name = "watch_log" } } do
                local m = mirror(nil, opts)
                assert_slow(case[1], function() return m:state().err end)
                m:close()
            end
        end)
    end

    it("is that of a watch of an etcd whose revision decreases", function()
        revision = 1e6
        range = function()
            revision = revision - 1
            return { replies.read(revision) }
        end
        watch = function() return { replies.created(revision), fake.CLOSE } end
        local m = mirror()
        assert_slow("closed", function() return m:state().err end)
    end)

    it("is that of a watch whose token is rejected", function()
        watch = function() return { BAD_TOKEN } end
        local w = watcher(client { user = "u", password = "p" }, { start_revision = 11 })
        assert_slow("invalid auth token", function() return w:stats().last_error end)
    end)

    for name, case in pairs {
        ["are incomplete"] = { "malformed reply", function() return { replies.read(10, { { key = "L2EvMQ==" } }) } end },
        ["cannot be read"] = { "no leader", function() return { NO_LEADER } end },
        ["are compacted before they are read"] = { "compacted", function(asked)
            if asked.revision or not asked.limit then
                return { COMPACTED }
            end
            local kvs = {}
            for i = 1, 64 do
                kvs[i] = replies.put(5, ("/a/%02d"):format(i)).kv
            end
            return { fake.reply(cjson.encode { header = replies.header(10), kvs = kvs, count = "65" }) }
        end },
    } do
        it("is that of a mirror whose keys " .. name, function()
            range = function(asked) return asked.count_only and { replies.read(10) } or case[2](asked) end
            for _, opts in ipairs { {}, { mode = "shared", shm_name = "watch_log" } } do
                local m = mirror(nil, opts)
                assert_slow(case[1], function() return m:state().err end)
                assert.is_false(m:ready())
                m:close()
            end
        end)
    end

    it("is that of a mirror, a configuration store or a discovery whose user must not read the keys", function()
        range = function() return { DENIED } end
        local m = mirror()
        assert_slow("permission denied", function() return m:state().err end)
        m:close()
        local conf = open(config.new(client(), "/a/"))
        assert_slow("permission denied", function() return conf:state().err end)
        conf:close()
        local disco = open(discovery.new(client(), { prefix = "/a/" }))
        assert_slow("permission denied", function() return disco:state().err end)
    end)

    it("is that of a mirror that delivers its keys and is then rejected", function()
        watch = function() return { 0.1, DENIED } end
        local m = mirror()
        assert_slow("permission denied", function() return m:state().err end)
    end)

    it("is that of a mirror whose client cannot log in", function()
        login = function() return { BAD_PASSWORD } end
        local m = mirror(client { user = "u", password = "p" })
        assert_slow("authenticate refresh token fail", function() return m:state().err end)
    end)

    it("is that of a shared log whose writer raises errors", function()
        local append = writers.append
        finally(function() writers.append = append end)
        writers.append = function() error "damaged batch" end -- luacheck: ignore 122
        watch = function() return { replies.created(10), replies.events(11, replies.put(11, "/a/1")), 60 } end
        local m = mirror(nil, { mode = "shared", shm_name = "watch_log" })
        assert_slow("", nil)
        assert.equal("v", (m:get "/a/1")) -- each worker watches etcd itself
    end)

    it("is that of a shared log whose dict raises errors", function()
        local m = mirror(nil, { mode = "shared", shm_name = "watch_log" })
        assert(m:wait_ready(5))
        local current = logs.current
        finally(function() logs.current = current end)
        logs.current = function() error "damaged dict" end -- luacheck: ignore 122
        assert_slow("damaged dict", function() return m:state().err end)
        logs.current = current -- luacheck: ignore 122
        assert(fake.eventually(function() return m:state().err == nil end))
    end)

    it("is that of a registration", function()
        local reg = open(discovery.register(client(), "s", { host = "127.0.0.1", port = 80 }, { ttl = 2 }))
        assert_slow("permission denied", function() return reg:state().err end)
        lease = function() return { NO_LEADER } end
        assert_slow("no leader", function() return reg:state().err end)
        lease = function() return { fake.reply '{"status":"ok"}' } end
        assert_slow("malformed reply", function() return reg:state().err end)
    end)

    it("is that of a client that reads the list of members", function()
        lease = function() return { NO_LEADER } end
        watcher(client { sync_interval = 0.001 }, { start_revision = 11 })
        assert_slow("", nil)
    end)

    it("is that of callers that wait for a revision that etcd does not confirm", function()
        local m = mirror()
        assert(m:wait_ready(5))
        for _ = 1, 5 do
            ngx.thread.spawn(m.wait_revision, m, 1000, 60)
        end
        assert_slow("", nil)
    end)

    it("is that of the probes of a silent stream, however short its idle_timeout is", function()
        watcher(nil, { start_revision = 11, idle_timeout = 0.001 })
        assert_slow("", nil)
        watch = function() return { CANCELED, 60 } end -- the probes are compacted, and what they read fails
        range = function(asked) return asked.count_only and { replies.read(10) } or { NO_LEADER } end
        assert_slow("", nil)
    end)

    it("is that of each of 50 watches, which the client limits together to 5 streams per second", function()
        watch = function() return { replies.created(10), fake.CLOSE } end
        local cli = client()
        for i = 1, 50 do
            open(cli:watcher("/" .. i, { start_revision = 11 }))
        end
        assert_slow("", nil, 5 * 3) -- two or three per stream
    end)

    it("does not delay 50 watches that a restart has disconnected once #alone", function()
        local cli, all = client(), {}
        for i = 1, 50 do
            all[i] = open(cli:watcher("/" .. i, { start_revision = 11 }))
        end
        local function are_open(n)
            for _, w in ipairs(all) do
                if w:stats().opened < n or w:state() ~= "watching" then
                    return false
                end
            end
            return true
        end
        assert(fake.eventually(function() return are_open(1) end))
        server.rest()
        server.start()
        local started = ngx.now()
        assert(fake.eventually(function() return are_open(2) end))
        assert.is_true(ngx.now() - started < 1, ngx.now() - started)
    end)
end)
