-- How the time budget of a call is divided among its attempts and its login.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"
local sockets = require "spec.support.tcp"
local timer_loop = require "resty.etcd.base.timer_loop"

local OK = '{"header":{"revision":"1"}}'
local REJECTED = '{"error":"etcdserver: invalid auth token","code":16,"message":"etcdserver: invalid auth token"}'

local function reply(body, status)
    return ("HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(
        status or "200 OK", #body, body)
end

local function elapsed(fn)
    ngx.update_time()
    local started = ngx.now()
    local res, err, details = fn()
    ngx.update_time()
    return ngx.now() - started, res, err, details
end

describe("call with retry enabled", function()
    before_each(function()
        assert(health_check.init { retry = true, fail_timeout = 0 })
    end)

    after_each(function()
        assert(health_check.init())
    end)

    it("gives a read the whole time budget when there is a single endpoint", function()
        local server = fake.new({ 1.3, reply(OK) })
        local cli = assert(bed.new { http_host = server.http_host, timeout = 3 })
        assert.equal(200, assert(cli:get("k")).status)
        assert.equal(1, #server.requests)
        server:close()
    end)

    it("gives the first attempt half of the time budget when there are several endpoints", function()
        local hosts, servers = {}, {}
        for i = 1, 3 do
            servers[i] = fake.new({ 1.3, reply(OK) })
            hosts[i] = servers[i].http_host
        end
        local cli = assert(bed.new { http_host = hosts, timeout = 4, init_count = -1 })
        assert.equal(200, assert(cli:get("k")).status)
        assert.equal(1, #servers[1].requests)
        assert.equal(0, #servers[2].requests)
        for i = 1, 3 do
            servers[i]:close()
        end
    end)

    it("connects within the time budget of the attempt when ngx.socket.tcp is a blocking replacement", function()
        local tcp, connects = ngx.socket.tcp, {}
        ngx.socket.tcp = function() -- luacheck: ignore 122
            local timeout
            return {
                settimeout = function(_, ms) timeout = ms end,
                connect = function()
                    connects[#connects + 1] = timeout
                    return nil, "timeout"
                end,
                close = function() end,
            }
        end
        local cli = assert(bed.new {
            transport = "cosocket", http_host = { "http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3" }, timeout = 6,
        })
        local res = cli:get("k")
        ngx.socket.tcp = tcp -- luacheck: ignore 122
        assert.is_nil(res)
        assert.same({ 1000, 1000, 6000 }, { connects[1], connects[2], connects[3] }) -- whole seconds; the last attempt has the rest
    end)

    it("retries short calls on another endpoint when a member accepts no connections or does not respond #alone", function()
        local mute, full, healthy = fake.new({ 4 }), sockets.listen(0), fake.new({ reply(OK) })
        for _ = 1, 3 do -- fills the backlog: the kernel accepts no further ones
            local sock = ngx.socket.tcp()
            sock:settimeout(50)
            sock:connect("127.0.0.1", full.port)
        end
        for _, host in ipairs { mute.http_host, full.http_host } do
            local cli = assert(bed.new { http_host = { host, healthy.http_host }, timeout = 1, init_count = -1 })
            local time, res, err = elapsed(function() return cli:get("k") end)
            assert.is_nil(err)
            assert.equal(200, res.status)
            assert.is_true(time > 0.4 and time < 0.9, time)
        end
        mute:close()
        healthy:close()
        sockets.close(full)
    end)

    it("waits at most one second for a member that accepts no connections #alone", function()
        local full, healthy = sockets.listen(0), fake.new({ reply(OK) })
        for _ = 1, 3 do -- fills the backlog: the kernel accepts no further ones
            local sock = ngx.socket.tcp()
            sock:settimeout(50)
            sock:connect("127.0.0.1", full.port)
        end
        local cli = assert(bed.new { http_host = { full.http_host, healthy.http_host }, timeout = 30, init_count = -1 })
        for _, call in ipairs { function() return cli:get("k") end, function() return cli:set("k", 1) end } do
            cli.init_count = -1
            local time, res, err = elapsed(call)
            assert.is_nil(err)
            assert.equal(200, res.status)
            assert.is_true(time > 0.9 and time < 1.5, time)
        end
        local alone = assert(bed.new { http_host = full.http_host, timeout = 2 })
        local time, _, err = elapsed(function() return alone:get("k") end)
        assert.equal(full.http_host .. ": timeout", err)
        assert.is_true(time > 1.9) -- a single endpoint has the whole time budget
        healthy:close()
        sockets.close(full)
    end)

    -- Another call logs in between the two attempts.
    it("does not count a rejected token as an attempt when it divides the time budget", function()
        local cli
        local first = fake.new(function(request)
            if request.headers.authorization == "old" then
                cli.auth.token = "new"
                return { reply(REJECTED, "401 Unauthorized") }
            end
            return { reply(OK) }
        end)
        local black_hole = fake.new({ 4 })
        cli = assert(bed.new {
            http_host = { first.http_host, black_hole.http_host }, timeout = 2, init_count = -1, user = "u", password = "p",
        })
        cli.auth.token = "old"
        assert.equal(200, assert(cli:get("k")).status)
        assert.equal(1, #black_hole.requests)
        assert.equal(2, #first.requests)
        first:close()
        black_hole:close()
    end)

    it("gives a write the whole time budget when the TLS connection is pooled", function()
        local tcp, reads = ngx.socket.tcp, {}
        ngx.socket.tcp = function() -- luacheck: ignore 122
            local sock = assert(tcp())
            local settimeouts = sock.settimeouts
            return setmetatable({
                settimeouts = function(_, connect, send, read)
                    reads[#reads + 1] = read
                    return settimeouts(sock, connect, send, read)
                end,
            }, {
                __index = function(_, name)
                    return function(_, ...) return sock[name](sock, ...) end
                end,
            })
        end
        local cli = assert(bed.new {
            transport = "cosocket", http_host = { bed.tls.http, bed.tls.http }, sni = "localhost", timeout = 20,
        })
        local key = bed.key("share")
        local first = cli:set(key, 1)
        reads = {}
        local second = cli:set(key, 2)
        ngx.socket.tcp = tcp -- luacheck: ignore 122
        assert.equal(200, first.status)
        assert.equal(200, second.status)
        assert.is_true(reads[#reads] > 15000)
        assert(cli:delete(key))
    end)
end)

describe("connection established after the deadline", function()
    it("carries no request, so that a write is provably not applied", function()
        local clock, http_client = require "resty.etcd.base.clock", require "resty.etcd.transport.http.client"
        local closed, sent = 0, 0
        local sock = { settimeouts = function() end, close = function() closed = closed + 1 end }
        local connector = {
            connect = function()
                ngx.sleep(0.1)
                return sock, nil, false, sock
            end,
            send = function() sent = sent + 1 end,
        }
        local started = clock.now()
        local context = { started = started, deadline = started + 0.05 }
        local response, failure = http_client.request(
            connector, { target = { scheme = "https" }, repeatable = false }, context, "{}")
        assert.is_nil(response)
        assert.same({ kind = "timeout", text = "timeout", sent = false, is_closed_by_server = false }, failure)
        assert.equal(0, sent)
        assert.equal(1, closed)
    end)
end)

describe("deadline of a call with login", function()
    local restore

    before_each(function()
        restore = fake.never_ban()
    end)

    after_each(function()
        restore()
    end)

    local function client(server)
        return assert(bed.new { http_host = server.http_host, user = "u", password = "p", timeout = 1 })
    end

    it("applies to a second login that stalls #alone", function()
        local server = fake.new(
            { reply('{"token":"a"}') }, { 0.6, reply(REJECTED, "401 Unauthorized") }, { 5, reply('{"token":"b"}') })
        local time, res, err = elapsed(function() return client(server):get("k") end)
        assert.is_nil(res)
        assert.is_truthy(err:find("timeout", 1, true))
        assert.is_true(time < 1.3, time) -- with a separate timeout the second login would end at 1.6 s
        server:close()
    end)

    it("marks a call as retryable when it passes during a login", function()
        local server = fake.new({ 5 })
        local cli, threads = client(server), {}
        for i, call in ipairs { cli.get, cli.delete, cli.get } do
            threads[i] = ngx.thread.spawn(function() return select(3, call(cli, "k")) end)
            ngx.sleep(0.01)
        end
        for _, thread in ipairs(threads) do
            local _, details = ngx.thread.wait(thread)
            assert.equal("timeout", details.name)
            assert.is_true(details.retryable)
            assert.is_false(details.maybe_applied)
        end
        server:close()
    end)

    it("prevents an attempt and a failure report when it passes during the login", function()
        local server = fake.new({ reply('{"token":"a"}') })
        local cli = client(server)
        cli.auth.login = {
            begin = function() end,
            finish = function()
                ngx.sleep(1.1)
                return "late"
            end,
        }
        local before = fake.reports(server.http_host)
        local _, res, err, details = elapsed(function() return cli:get("k") end)
        assert.is_nil(res)
        assert.is_truthy(err:find("timeout", 1, true))
        assert.equal("timeout", details.name)
        assert.equal(before, fake.reports(server.http_host))
        assert.equal(0, #server.requests)
        server:close()
    end)

    it("applies to the wait for a login when nginx drops its timer #alone", function()
        local server = fake.new({ reply('{"token":"a"}') })
        local cli = client(server)
        local run_once = timer_loop.run_once
        timer_loop.run_once = function() return {} end -- a loop whose turn never comes
        local time, res, err = elapsed(function() return cli:get("k", { timeout = 0.3 }) end)
        timer_loop.run_once = run_once
        assert.is_nil(res)
        assert.is_truthy(err:find("timeout", 1, true))
        assert.is_true(time < 0.6, time) -- the client has 1 s
        server:close()
    end)

    it("does not change the error of a watch when the login fails", function()
        local server = fake.new({ reply('{"code":14,"message":"no leader"}', "503 Service Unavailable") })
        local reader, err = client(server):watch("k")
        assert.is_nil(reader)
        assert.equal("invalid response code: 503, no leader", err)
        server:close()
    end)
end)
