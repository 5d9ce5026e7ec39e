-- Connections and the time that calls take, with a server that does whatever the spec says.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local tcp = require "spec.support.tcp"

local BODY = '{"header":{"revision":"7"},"kvs":[{"key":"L2s=","create_revision":"5","mod_revision":"6","version":"2","value":"InYi"}],"count":"1"}'
local OTHER = '{"header":{"revision":"8"},"kvs":[{"key":"L2s=","create_revision":"5","mod_revision":"8","version":"3","value":"Inci"}],"count":"1"}'
local PUT = '{"header":{"revision":"9"}}'

describe("a connection", function()
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

    it("serves one call after another", function()
        for _ = 1, 10 do
            assert(cli:get("/k"))
        end
        assert.equals(10, #server.requests)
        assert.equals(1, server.connections)
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

    it("that died in the pool is replaced without a word when a call only reads", function()
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

    it("that died in the pool is replaced once only", function()
        assert(cli:get("/k"))
        server:serve({ fake.CLOSE })
        local _, err = cli:get("/k")
        assert.equals(server.http_host .. ": closed", err)
        assert.same({ 3, 2 }, { #server.requests, server.connections })
        assert.equals(1, fake.reports(server.http_host))
    end)

    it("that died in the pool is an error for a write, which may have been applied", function()
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

    it("that dies behind the first byte of an answer is never replaced", function()
        assert(cli:get("/k"))
        server:serve({ "H", fake.CLOSE }, { fake.reply(OTHER) })
        local _, err = cli:get("/k")
        assert.equals(server.http_host .. ": closed", err)
        assert.equals(2, #server.requests)
    end)

    it("that the server closed while it was idle is no trouble for anybody", function()
        server:serve({ fake.reply(PUT), fake.CLOSE })
        for _ = 1, 3 do
            assert(cli:set("/k", "v"))
            assert.is_true(fake.eventually(function() return server.open == 0 end))
        end
        assert.equals(3, server.connections)
    end)

    it("is not shared by calls at the same time", function()
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

describe("a call #alone", function()
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
        { "that is never answered", {} },
        { "whose answer stops in the head", { "HTTP/1.1 200 OK\r\nContent-" } },
        { "whose answer stops in the body", { fake.reply(BODY):sub(1, -2) } },
        { "whose answer stops between chunks", { fake.CHUNKED .. fake.chunk(BODY) } },
        { "whose head drips in byte by byte", slow_head },
        { "whose body drips in byte by byte", slow },
        { "whose chunks drip in one by one", slow_chunks },
    }
    for _, case in ipairs(stalls) do
        it(case[1] .. " ends with `<http_host>: timeout` in time", function()
            server:serve(case[2])
            assert_timeout(server.http_host, cli)
            assert.is_true(fake.eventually(function() return server.open == 0 end))
        end)
    end

    it("with a timeout of its own ends by that one, the next by the client's", function()
        server:serve({ 0.3, fake.reply(BODY) })
        local _, err = cli:get("/k", { timeout = 0.1 })
        assert.equals(server.http_host .. ": timeout", err)
        assert.equals("v", assert(cli:get("/k")).body.kvs[1].value)
    end)

    it("that writes and times out may have been applied", function()
        local _, err, details = cli:set("/k", "v")
        assert.equals(server.http_host .. ": timeout", err)
        assert.same({ "timeout", true, false }, { details.name, details.maybe_applied, details.retryable })
        assert.equals(1, #server.requests)
    end)

    it("to an endpoint that takes no connection ends with `<http_host>: timeout` in time", function()
        local hole = tcp.listen(0)
        for _ = 1, 2 do -- the kernel drops what comes when the backlog is full
            local sock = ngx.socket.tcp()
            sock:settimeouts(100, 100, 100)
            sock:connect("127.0.0.1", hole.port)
        end
        assert_timeout(hole.http_host, bed.new { http_host = hole.http_host, timeout = 1 })
        tcp.close(hole)
    end)

    it("to an endpoint that refuses connections says so, and was not applied", function()
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
