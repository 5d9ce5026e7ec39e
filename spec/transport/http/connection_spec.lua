-- Connections and the duration of calls, against a scripted server.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local tcp = require "spec.support.tcp"
local together = require "spec.support.concurrently"

local BODY = '{"header":{"revision":"7"},"kvs":[{"key":"L2s=","create_revision":"5","mod_revision":"6","version":"2","value":"InYi"}],"count":"1"}'
local OTHER = '{"header":{"revision":"8"},"kvs":[{"key":"L2s=","create_revision":"5","mod_revision":"8","version":"3","value":"Inci"}],"count":"1"}'
local PUT = '{"header":{"revision":"9"}}'

describe("connection", function()
    local server, cli, restore

    before_each(function()
        restore = fake.never_ban()
        server = fake.new({ fake.reply(BODY) })
        cli = assert(bed.new { http_host = server.http_host, timeout = 3 })
    end)

    after_each(function()
        server:close()
        restore()
    end)

    it("is reused by the next call", function()
        for _ = 1, 10 do
            assert(cli:get("/k"))
        end
        assert.equals(10, #server.requests)
        assert.equals(1, server.connections)
    end)

    it("of each call in a burst is reused by the next burst, with the default keepalive_pool", function()
        local calls, expected = 128, 0
        -- no response is sent before all requests of the burst have arrived, each on a separate connection
        server:serve({
            function()
                assert(fake.eventually(function() return #server.requests == expected end))
            end,
            fake.reply(BODY),
        })
        for _ = 1, 2 do
            expected = expected + calls
            assert.same({ [200] = calls }, together(calls, function() return cli:get("/k") end))
            assert.equals(calls, server.connections)
        end
    end)

    it("carries well-formed requests", function()
        assert(cli:get("/k"))
        local request = server.requests[1]
        assert.equals("POST", request.method)
        assert.equals("/v3/kv/range", request.path)
        assert.equals("127.0.0.1:" .. server.port, request.headers.host)
        assert.equals(tostring(#request.body), request.headers["content-length"])
        assert.equals('{"key":"L2s="}', request.body)
        assert.equals(bed.transport == "resty_http", (request.headers["user-agent"] or ""):find("lua-resty-http/", 1, true) == 1)
        server:serve({ fake.reply '{"etcdserver":"3.9.9","etcdcluster":"3.9.0"}' })
        assert.same({ etcdserver = "3.9.9", etcdcluster = "3.9.0" }, assert(cli:version()).body)
        assert.equals("GET /version", server.requests[2].method .. " " .. server.requests[2].path)
    end)

    it("is replaced without an error when it was closed in the pool and the call only reads", function()
        assert(cli:get("/k"))
        server:serve({ fake.CLOSE }, { fake.reply(OTHER) })
        local res, err = cli:get("/k")
        assert.is_nil(err)
        assert.equals("w", res.body.kvs[1].value)
        assert.same({ 3, 2 }, { #server.requests, server.connections })
        assert.equals(0, fake.reports(server.http_host))
        server:serve({ fake.RESET }, { fake.reply(BODY) })
        assert.equals("v", assert(cli:readdir("/k")).body.kvs[1].value)
        assert.equals(3, server.connections)
    end)

    it("is replaced only once per call", function()
        assert(cli:get("/k"))
        server:serve({ fake.CLOSE })
        local _, err = cli:get("/k")
        assert.equals(server.http_host .. ": closed", err)
        assert.same({ 3, 2 }, { #server.requests, server.connections })
        assert.equals(1, fake.reports(server.http_host))
    end)

    it("is not replaced, and sets maybe_applied, when it was closed in the pool and the call writes", function()
        local calls = {
            set = { "/k", "v" }, delete = { "/k" }, rmdir = { "/k" }, grant = { 5, 77 }, revoke = { 5 },
            setnx = { "/k", "v" }, txn = { { { key = "/k", target = "VERSION", version = 0 } }, { { requestPut = { key = "/k", value = "v" } } } },
        }
        for name, arguments in pairs(calls) do
            server:serve({ fake.reply(BODY) }, { fake.CLOSE })
            assert(cli:get("/k"))
            local requests, reports = #server.requests, fake.reports(server.http_host)
            local res, err, details = cli[name](cli, unpack(arguments))
            assert.is_nil(res)
            assert.equals(server.http_host .. ": closed", err)
            assert.same({ name, true, false, "connection_lost" }, { name, details.maybe_applied, details.retryable, details.name })
            assert.equals(requests + 1, #server.requests)
            assert.equals(reports + 1, fake.reports(server.http_host))
        end
    end)

    it("is not replaced when it is closed after the first byte of a response", function()
        assert(cli:get("/k"))
        server:serve({ "H", fake.CLOSE }, { fake.reply(OTHER) })
        local _, err = cli:get("/k")
        assert.equals(server.http_host .. ": closed", err)
        assert.equals(2, #server.requests)
    end)

    it("is replaced without an error when the server closed it while it was idle", function()
        server:serve({ fake.reply(PUT), fake.CLOSE })
        for _ = 1, 3 do
            assert(cli:set("/k", "v"))
            assert.is_true(fake.eventually(function() return server.open == 0 end))
        end
        assert.equals(3, server.connections)
    end)

    it("is not shared by concurrent calls", function()
        server:serve(function(request)
            return { 0.05, fake.reply(request.body:find("L2E=", 1, true) and BODY or OTHER) }
        end)
        local function get(key) return cli:get(key).body.kvs[1].value end
        local a, b = ngx.thread.spawn(get, "/a"), ngx.thread.spawn(get, "/b")
        local _, of_a = ngx.thread.wait(a)
        local _, of_b = ngx.thread.wait(b)
        assert.same({ "v", "w" }, { of_a, of_b })
        assert.equals(2, server.connections)
    end)
end)

describe("call #alone", function()
    local server, cli, restore

    before_each(function()
        restore = fake.never_ban()
        server = fake.new({})
        cli = assert(bed.new { http_host = server.http_host, timeout = 1 })
    end)

    after_each(function()
        server:close()
        restore()
    end)

    local function assert_timeout(host, client)
        local started = ngx.now()
        local res, err, details = client:get("/k")
        local took = ngx.now() - started
        assert.is_nil(res)
        assert.equals(host .. ": timeout", err)
        assert.same({ "timeout", host, false }, { details.name, details.endpoint, details.maybe_applied })
        assert.is_true(took > 0.9 and took < 1.5, "took " .. took)
        assert.equals(1, fake.reports(host))
    end

    local slow = { "HTTP/1.1 200 OK\r\nContent-Length: " .. #BODY .. "\r\n\r\n" }
    local slow_head, slow_chunks = {}, { fake.CHUNKED }
    for byte in fake.reply(BODY):gmatch(".") do
        slow_head[#slow_head + 1] = byte
        slow_head[#slow_head + 1] = 0.05
    end
    for byte in BODY:gmatch(".") do
        slow[#slow + 1] = byte
        slow[#slow + 1] = 0.05
        slow_chunks[#slow_chunks + 1] = fake.chunk(byte)
        slow_chunks[#slow_chunks + 1] = 0.05
    end
    local stalls = {
        { "the server never responds", {} },
        { "the response stops in the head", { "HTTP/1.1 200 OK\r\nContent-" } },
        { "the response stops in the body", { fake.reply(BODY):sub(1, -2) } },
        { "the response stops between chunks", { fake.CHUNKED .. fake.chunk(BODY) } },
        { "the head arrives byte by byte", slow_head },
        { "the body arrives byte by byte", slow },
        { "the chunks arrive one by one", slow_chunks },
    }
    for _, case in ipairs(stalls) do
        it("ends with `<http_host>: timeout` at the deadline when " .. case[1], function()
            server:serve(case[2])
            assert_timeout(server.http_host, cli)
            assert.is_true(fake.eventually(function() return server.open == 0 end))
        end)
    end

    it("ends at its own timeout when it has one, and the next call at the client's", function()
        server:serve({ 0.3, fake.reply(BODY) })
        local _, err = cli:get("/k", { timeout = 0.1 })
        assert.equals(server.http_host .. ": timeout", err)
        assert.equals("v", assert(cli:get("/k")).body.kvs[1].value)
    end)

    it("sets maybe_applied when a write times out", function()
        local _, err, details = cli:set("/k", "v")
        assert.equals(server.http_host .. ": timeout", err)
        assert.same({ "timeout", true, false }, { details.name, details.maybe_applied, details.retryable })
        assert.equals(1, #server.requests)
    end)

    it("ends with `<http_host>: timeout` at the deadline when the endpoint accepts no connection", function()
        local full = tcp.listen(0)
        for _ = 1, 2 do -- the kernel drops connections when the backlog is full
            local sock = ngx.socket.tcp()
            sock:settimeouts(100, 100, 100)
            sock:connect("127.0.0.1", full.port)
        end
        assert_timeout(full.http_host, bed.new { http_host = full.http_host, timeout = 1 })
        tcp.close(full)
    end)

    it("returns `<http_host>: connection refused` without maybe_applied when the endpoint refuses connections", function()
        local closed = tcp.listen()
        local _, err, details = bed.new({ http_host = closed.http_host }):set("/k", "v")
        assert.equals(closed.http_host .. ": connection refused", err)
        assert.same({ "connect_failed", closed.http_host, true, false },
            { details.name, details.endpoint, details.retryable, details.maybe_applied })
        assert.is_nil(details.http_status)
        assert.is_nil(details.code)
        assert.equals(1, fake.reports(closed.http_host))
        tcp.close(closed)
    end)
end)
