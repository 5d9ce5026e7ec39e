-- How watches of a real etcd end: canceled by the program, by etcd, or because of missing permissions.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"

local dir = bed.key("watch-end")

local function established(reader, err, handle)
    assert.is_nil(err)
    assert.is_true(assert(reader()).result.created)
    return reader, handle
end

local function assert_ended(reader, expected)
    for _ = 1, 3 do
        local reply, err = reader()
        assert.is_nil(reply)
        assert.equals(expected, err)
    end
end

local function assert_event(reader, key)
    local reply, err = reader()
    assert.is_nil(err)
    assert.equals(key, reply.result.events[1].kv.key)
end

describe("watch", function()
    local cli

    before_each(function()
        cli = assert(bed.new { timeout = 5 })
    end)

    after_each(function()
        assert(cli:rmdir(dir))
    end)

    describe("canceled with watchcancel", function()
        it("returns `closed` from then on", function()
            local reader, err, handle = cli:watch(dir .. "a", { need_cancel = true })
            assert.is_nil(err)
            assert.equals("table", type(handle))
            established(reader)
            assert.equals(1, cli:watchcancel(handle))
            assert(cli:set(dir .. "a", 1))
            assert_ended(reader, "closed")
            assert.equals(1, cli:watchcancel(handle))
        end)

        it("returns `closed` before its first response too", function()
            local reader, _, handle = cli:watchdir(dir, { need_cancel = true })
            assert.equals(1, cli:watchcancel(handle))
            assert_ended(reader, "closed")
        end)

        it("ends a pending read of another light thread within 1 s", function()
            local reader, handle = established(cli:watch(dir .. "a", { need_cancel = true, timeout = 30 }))
            local ended_at
            local thread = ngx.thread.spawn(function()
                local reply, err = reader()
                ended_at = ngx.now()
                return reply, err
            end)
            ngx.sleep(0.1)
            assert.is_nil(ended_at)
            local started = ngx.now()
            assert.equals(1, cli:watchcancel(handle))
            local _, reply, err = ngx.thread.wait(thread)
            assert.is_nil(reply)
            assert.equals("closed", err)
            assert.is_true(ended_at - started < 1)
            assert_ended(reader, "closed")
        end)

        it("closes its connection, immediately or when the pending read ends", function()
            local server = fake.new({ fake.CHUNKED .. fake.chunk('{"result":{"created":true}}\n') })
            local other = assert(bed.new { http_host = server.http_host })
            local _, idle = established(other:watch("/a", { need_cancel = true }))
            local busy_reader, busy = established(other:watch("/b", { need_cancel = true }))
            local thread = ngx.thread.spawn(busy_reader)
            ngx.sleep(0.05)
            assert.equals(2, server.open)
            other:watchcancel(idle)
            assert.is_true(fake.eventually(function() return server.open == 1 end))
            other:watchcancel(busy)
            assert(ngx.thread.wait(thread))
            assert.is_true(fake.eventually(function() return server.open == 0 end))
            server:close()
        end)

        it("returns no handle without need_cancel", function()
            assert.equals(1, select("#", cli:watch(dir .. "a")))
        end)

        it("rejects arguments that no watch returned", function()
            for _, wrong in ipairs { false, "x", {} } do
                local res, err = cli:watchcancel(wrong)
                assert.is_nil(res)
                assert.equals("http_cli is not what a watch returned", err)
            end
        end)
    end)

    it("leaves other calls and watches working when its light thread is killed", function()
        for _ = 1, 5 do
            local reader = established(cli:watch(dir .. "a"))
            local other = established(cli:watch(dir .. "a"))
            local thread = ngx.thread.spawn(reader)
            ngx.sleep(0.02)
            assert(ngx.thread.kill(thread))
            assert(cli:set(dir .. "a", "v"))
            assert.equals("v", assert(cli:get(dir .. "a")).body.kvs[1].value)
            assert_event(other, dir .. "a")
            assert.is_true((pcall(reader)))
        end
    end)

    it("leaves later watches working when its light thread is killed while opening it", function()
        local thread = ngx.thread.spawn(function() return cli:watch(dir .. "a") end)
        assert(ngx.thread.kill(thread))
        local reader = established(cli:watch(dir .. "a"))
        assert(cli:set(dir .. "a", "v"))
        assert_event(reader, dir .. "a")
    end)

    it("returns a response or an error, and does not throw, when two light threads read concurrently", function()
        local reader = established(cli:watch(dir .. "a", { timeout = 1 }))
        local function read() return pcall(reader) end
        local first, second = ngx.thread.spawn(read), ngx.thread.spawn(read)
        ngx.sleep(0.05)
        assert(cli:set(dir .. "a", "v"))
        for _, thread in ipairs { first, second } do
            local ok, safe, reply, err = ngx.thread.wait(thread)
            assert.same({ true, true }, { ok, safe })
            assert.is_true(reply ~= nil or type(err) == "string")
        end
    end)

    it("returns nil and an error, and does not throw, when read in another timer", function()
        local reader = established(cli:watch(dir .. "a", { timeout = 1 }))
        local seen
        assert(ngx.timer.at(0, function()
            seen = { pcall(reader) }
        end))
        assert.is_true(fake.eventually(function() return seen ~= nil end))
        assert.is_true(seen[1])
        assert.is_nil(seen[2])
        assert.equals("string", type(seen[3]))
        assert.is_true((pcall(reader)))
    end)

    it("can be canceled in another timer", function()
        local reader, handle = established(cli:watch(dir .. "a", { timeout = 10, need_cancel = true }))
        local seen
        assert(ngx.timer.at(0, function()
            seen = { pcall(cli.watchcancel, cli, handle) }
        end))
        assert.is_true(fake.eventually(function() return seen ~= nil end))
        assert.same({ true, 1 }, seen)
        assert_ended(reader, "closed")
    end)
end)

describe("watch canceled by etcd", function()
    it("returns `closed` from then on, and closes its connection", function()
        local server = fake.new({ fake.CHUNKED .. fake.chunk('{"result":{"created":true}}\n')
            .. fake.chunk('{"result":{"canceled":true,"compact_revision":"7"}}\n') })
        local reader = established(assert(bed.new { http_host = server.http_host, timeout = 2 }):watch("/a"))
        assert.equals(1, server.open)
        local reply = assert(reader())
        assert.equals("7", reply.result.compact_revision)
        assert_ended(reader, "closed")
        assert.is_true(fake.eventually(function() return server.open == 0 end))
        server:close()
    end)
end)

describe("watch of a server that ends", function()
    local name, restore
    local member = bed.cluster.members[3]

    local function tool(...)
        bed.run(("node tools/bed.mjs %s --dir '%s' %s"):format(..., bed.dir, table.concat({ select(2, ...) }, " ")))
    end

    before_each(function()
        name, restore = member.name, fake.never_ban()
    end)

    after_each(function()
        tool("restart", name)
        restore()
    end)

    -- Sends a signal to the member. Returns a reader with a pending read, an idle reader, and what the first returned.
    local function watch_and(signal)
        local cli = assert(bed.new { http_host = member.http, timeout = 15 })
        local idle = established(cli:watch(dir .. "a"))
        local reading = established(cli:watch(dir .. "a"))
        local thread = ngx.thread.spawn(reading)
        ngx.sleep(0.05)
        tool("signal", name, signal)
        local ok, reply, err = ngx.thread.wait(thread)
        assert.is_true(ok)
        return reading, idle, reply, err
    end

    it("returns `closed` from then on after SIGKILL", function()
        local reading, idle, reply, err = watch_and("KILL")
        assert.is_nil(reply)
        assert.equals("closed", err)
        assert_ended(reading, "closed")
        assert_ended(idle, "closed")
    end)

    -- etcd sends each watch an error: that the server shuts down, or that the call is canceled. Which is first varies.
    it("returns etcd's error after SIGTERM, then `closed`", function()
        local reports = fake.reports(member.http)
        local function assert_last_words(reader, reply, err)
            if reply == nil then
                assert.equals(member.http .. ": Service Unavailable", err)
                reports = reports + 1
            else
                assert.same({ 1, 408, "Request Timeout" }, { reply.error.grpc_code, reply.error.http_code, reply.error.http_status })
            end
            assert_ended(reader, err or "closed")
        end
        local reading, idle, reply, err = watch_and("TERM")
        assert_last_words(reading, reply, err)
        assert_last_words(idle, idle())
        assert.equals(reports, fake.reports(member.http))
    end)
end)

describe("watch with a user", function()
    local root

    local function etcdctl(command)
        bed.run(("ETCDCTL_API=3 '%s' --endpoints=%s --user=%s:%s %s >/dev/null 2>&1"):format(bed.etcdctl, bed.auth.http,
            bed.auth.user, bed.auth.password, command))
    end

    local function client(user, password)
        return assert(bed.new { http_host = bed.auth.http, user = user, password = password, timeout = 2 })
    end

    before_each(function()
        root = client(bed.auth.user, bed.auth.password)
    end)

    local function assert_canceled(reader, reason)
        local reply, err = reader()
        assert.is_nil(err)
        assert.is_true(reply.result.canceled)
        assert.is_true(reply.result.created)
        assert.matches(reason, reply.result.cancel_reason, 1, true)
        assert.is_nil(reply.result.events)
        assert_ended(reader, "closed")
    end

    it("is canceled with etcd's reason if the user has no permission for the key", function()
        local reader = client(bed.auth.reader.user, bed.auth.reader.password)
        assert_canceled(assert(reader:watch("/secret")), "etcdserver: permission denied")
        assert_canceled(assert(reader:watchdir("/read")), "etcdserver: permission denied")
        assert_canceled(assert(reader:watchdir("")), "etcdserver: permission denied")
        local allowed = established(reader:watchdir("/readable/"))
        assert(root:set("/readable" .. dir, "v"))
        assert_event(allowed, "/readable" .. dir)
        assert(root:delete("/readable" .. dir))
    end)

    it("is canceled with etcd's reason if the client has no user", function()
        local anonymous = assert(bed.new { http_host = bed.auth.http, timeout = 2 })
        assert_canceled(assert(anonymous:watch("/readable/x")), "etcdserver: user name is empty")
    end)

    it("is not created if the password is wrong", function()
        local reader, err, details = client(bed.auth.user, "wrong"):watch(dir)
        assert.is_nil(reader)
        assert.equals("authenticate refresh token fail", err)
        assert.equals("login_failed", details.name)
    end)

    it("continues when the token it was created with becomes invalid", function()
        local user = "guest" .. ngx.worker.pid()
        etcdctl("user add " .. user .. ":secret")
        etcdctl("user grant-role " .. user .. " reader")
        local guest = client(user, "secret")
        local reader = established(guest:watchdir("/readable" .. dir))
        etcdctl("user delete " .. user)
        local _, err = guest:get("/readable" .. dir)
        assert.equals("authenticate refresh token fail", err)
        assert(root:set("/readable" .. dir .. "a", "v"))
        assert_event(reader, "/readable" .. dir .. "a")
        assert(root:delete("/readable" .. dir .. "a"))
    end)
end)
