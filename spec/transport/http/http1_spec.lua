-- One call over HTTP/1.1 against a scripted server.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"

local BODY = '{"header":{"revision":"7"},"kvs":[{"key":"L2s=","create_revision":"5","mod_revision":"6","version":"2","value":"InYi"}],"count":"1"}'
local OTHER = '{"header":{"revision":"8"},"kvs":[{"key":"L2s=","create_revision":"5","mod_revision":"8","version":"3","value":"Inci"}],"count":"1"}'
local HALF = math.floor(#BODY / 2)
local CHUNKS = fake.chunk(BODY:sub(1, HALF)) .. fake.chunk(BODY:sub(HALF + 1))
local TRAILED = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTrailer: Grpc-Trailer-Content-Type\r\n"
    .. "Transfer-Encoding: chunked\r\n\r\n" .. CHUNKS .. "0\r\nGrpc-Trailer-Content-Type: application/grpc\r\n\r\n"

describe("response", function()
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

    local function assert_value(expected)
        local res, err = cli:get("/k")
        assert.is_nil(err)
        assert.equals(200, res.status)
        assert.equals(expected or "v", res.body.kvs[1].value)
        return res
    end

    local function assert_error(expected, name)
        local res, err, details = cli:get("/k")
        assert.is_nil(res)
        assert.equals(expected, err)
        assert.equals(expected, details.message)
        assert.equals(server.http_host, details.endpoint)
        if name then
            assert.equals(name, details.name)
        end
        return details
    end

    local framings = {
        { "with Content-Length", fake.reply(BODY) },
        { "in one chunk", fake.CHUNKED .. fake.chunk(BODY) .. fake.LAST_CHUNK },
        { "in several chunks", fake.CHUNKED .. CHUNKS .. fake.LAST_CHUNK },
        { "in chunks, with a trailer section", TRAILED },
        { "after an interim 100 response", "HTTP/1.1 100 Continue\r\n\r\n" .. fake.reply(BODY) },
    }
    for _, framing in ipairs(framings) do
        it("is read, whatever byte it is split at: " .. framing[1], function()
            for at = 1, #framing[2] - 1 do
                server:serve({ framing[2]:sub(1, at), 0.001, framing[2]:sub(at + 1) })
                assert_value()
            end
            assert.equals(#framing[2] - 1, #server.requests)
            assert.equals(1, server.connections)
        end)
    end

    it("is read when each byte arrives separately", function()
        local script = {}
        for byte in TRAILED:gmatch(".") do
            script[#script + 1] = byte
            script[#script + 1] = 0.001
        end
        server:serve(script)
        assert_value()
    end)

    local long = { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" }
    for byte in BODY:gmatch(".") do
        long[#long + 1] = fake.chunk(byte)
    end
    long = table.concat(long) .. fake.LAST_CHUNK

    local kept = {
        { "with one byte in each chunk", long },
        { "with upper case and leading zeros in a chunk size", ("%s%04X\r\n%s\r\n0\r\n\r\n"):format(fake.CHUNKED, #BODY, BODY) },
        { "with a chunk extension", ("%s%x;name=value\r\n%s\r\n0\r\n\r\n"):format(fake.CHUNKED, #BODY, BODY) },
        { "after interim responses with fields", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" .. fake.reply(BODY) },
        { "without a reason phrase", "HTTP/1.1 200\r\nContent-Length: " .. #BODY .. "\r\n\r\n" .. BODY },
        { "with an empty reason phrase", "HTTP/1.1 200 \r\nContent-Length: " .. #BODY .. "\r\n\r\n" .. BODY },
        { "with field names in lower case", "HTTP/1.1 200 OK\r\ncontent-length: " .. #BODY .. "\r\n\r\n" .. BODY },
        { "with field names in upper case", "HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: Chunked\r\n\r\n" .. CHUNKS .. fake.LAST_CHUNK },
        { "without a blank after the colons", "HTTP/1.1 200 OK\r\nContent-Length:" .. #BODY .. "\r\nX-Empty:\r\n\r\n" .. BODY },
        { "of HTTP/1.0 that keeps the connection", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: " .. #BODY .. "\r\n\r\n" .. BODY },
    }
    for _, case in ipairs(kept) do
        it("is read, and its connection is reused: " .. case[1], function()
            server:serve({ case[2] })
            assert_value()
            assert_value()
            assert.equals(1, server.connections)
        end)
    end

    local dropped = {
        { "with Connection: close", { fake.reply(BODY, nil, "Connection: close\r\n") } },
        { "with connection: Close among other options", { fake.reply(BODY, nil, "connection: foo, Close\r\n") } },
        { "of HTTP/1.0", { "HTTP/1.0 200 OK\r\nContent-Length: " .. #BODY .. "\r\n\r\n" .. BODY } },
        { "of HTTP/1.0 that ends with the connection", { "HTTP/1.0 200 OK\r\n\r\n" .. BODY, fake.CLOSE } },
        { "that ends with the connection", { "HTTP/1.1 200 OK\r\n\r\n" .. BODY:sub(1, 9), 0.01, BODY:sub(10), fake.CLOSE } },
        { "with bytes after its end", { fake.reply(BODY) .. "x" } },
        { "followed by a second response", { fake.reply(BODY) .. fake.reply(OTHER) } },
        { "with bytes after its last chunk", { fake.CHUNKED .. CHUNKS .. fake.LAST_CHUNK .. "\r\n" } },
        { "with bytes after its trailer section", { TRAILED .. "\r\n" } },
    }
    for _, case in ipairs(dropped) do
        it("is read, and its connection is closed: " .. case[1], function()
            server:serve(case[2], { fake.reply(OTHER) })
            assert_value("v")
            assert_value("w")
            assert.equals(2, server.connections)
        end)
    end

    it("is not passed to the next call when it arrives late, after the requested one", function()
        server:serve({ fake.reply(BODY), 0.02, fake.reply(BODY) }, { fake.reply(OTHER) })
        assert_value("v")
        assert.is_true(fake.eventually(function() return server.playing == 0 end))
        ngx.sleep(0.02) -- nginx checks idle connections
        assert_value("w")
        assert.equals(2, server.connections)
    end)

    it("has its header fields in a plain table, with repeated fields joined", function()
        server:serve({ fake.reply(BODY, nil, "X-One: 1\r\nX-Two: 1\r\nX-Two: 2\r\n") })
        local headers = assert_value().headers
        assert.is_nil(getmetatable(headers))
        assert.equals("1", headers["X-One"])
        assert.equals("1, 2", headers["X-Two"])
        headers["X-One"] = "written"
        assert.equals("written", headers["X-One"])
    end)

    it("is read when it has several megabytes", function()
        local value = ("x"):rep(3 * 1024 * 1024)
        local body = ('{"kvs":[{"key":"L2s=","value":"%s"}]}'):format(ngx.encode_base64('"' .. value .. '"'))
        for _, response in ipairs { fake.reply(body), fake.CHUNKED .. fake.chunk(body) .. fake.LAST_CHUNK } do
            server:serve({ response })
            assert.is_true(value == cli:get("/k").body.kvs[1].value)
        end
    end)

    local broken = {
        { "cut in its status line", { "HTTP/1.1 2", fake.CLOSE } },
        { "cut in its fields", { "HTTP/1.1 200 OK\r\nContent-Le", fake.CLOSE } },
        { "cut in a body with Content-Length", { fake.reply(BODY):sub(1, -2), fake.CLOSE } },
        { "cut in a chunk size", { fake.CHUNKED .. "1", fake.CLOSE } },
        { "cut in a chunk", { fake.CHUNKED .. fake.chunk(BODY):sub(1, -9), fake.CLOSE } },
        { "without its last chunk", { fake.CHUNKED .. fake.chunk(BODY), fake.CLOSE } },
        { "that never begins", { fake.CLOSE } },
    }
    for _, case in ipairs(broken) do
        it("is the error `<http_host>: closed`, reported once: " .. case[1], function()
            server:serve(case[2], { fake.reply(OTHER) })
            local details = assert_error(server.http_host .. ": closed", "connection_lost")
            assert.is_true(details.retryable)
            assert.is_false(details.maybe_applied)
            assert.is_nil(details.http_status)
            assert.equals(1, fake.reports(server.http_host))
            assert_value("w")
            assert.equals(2, server.connections)
        end)
    end

    it("is the error `<http_host>: connection reset by peer` when the connection is reset", function()
        server:serve({ "HTTP/1.1 200 OK\r\n", 0.02, fake.RESET })
        assert_error(server.http_host .. ": connection reset by peer", "connection_lost")
        assert.equals(1, fake.reports(server.http_host))
    end)

    local malformed = {
        { "that is not HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n" },
        { "with a status that is not a number", "HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\n{}" },
        { "with a chunk size that is not a number", fake.CHUNKED .. "zz\r\n{}\r\n0\r\n\r\n" },
        { "with an empty chunk size", fake.CHUNKED .. "\r\n{}\r\n0\r\n\r\n" },
        { "with a negative chunk size", fake.CHUNKED .. "-2\r\n{}\r\n0\r\n\r\n" },
        { "with a huge chunk size", fake.CHUNKED .. "ffffffffffffffff\r\n{}\r\n0\r\n\r\n" },
        { "without the line break after a chunk", fake.CHUNKED .. "2\r\n{}xx0\r\n\r\n" },
        { "with a chunk longer than its size", fake.CHUNKED .. "2\r\n" .. BODY .. "\r\n0\r\n\r\n" },
        { "with a Content-Length that is not a number", "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}" },
        { "with a negative Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}" },
        { "with two Content-Lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}" },
    }
    for _, case in ipairs(malformed) do
        it("is an error of the endpoint, and its connection is not reused: " .. case[1], function()
            server:serve({ case[2] }, { fake.reply(OTHER) })
            local started = ngx.now()
            local res, err, details = cli:get("/k")
            assert.is_nil(res)
            assert.equals(server.http_host .. ": malformed reply: ", err:sub(1, #server.http_host + 19))
            assert.equals("bad_reply", details.name)
            assert.is_true(ngx.now() - started < 2)
            assert.equals(1, fake.reports(server.http_host))
            assert_value("w")
            assert.equals(2, server.connections)
        end)
    end

    local unusable = {
        { "that is not JSON", "{", "invalid response body: {" },
        { "of HTML", "<html>\n<body>hello</body>", "HTTP 200 from something that is not etcd: <html> <body>hello</body>" },
        { "that is empty", "", "invalid response body: " },
        { "that is a number", "12", "invalid response body: 12" },
        { "that is null", "null", "invalid response body: null" },
        { "with kvs of a wrong type", '{"kvs":7}', 'invalid response body: {"kvs":7}' },
        { "with an entry of a wrong type", '{"kvs":["x"]}', 'invalid response body: {"kvs":["x"]}' },
        { "with a null entry", '{"kvs":[null]}', 'invalid response body: {"kvs":[null]}' },
        { "with a revision of a wrong type", '{"header":{"revision":true}}', 'invalid response body: {"header":{"revision":true}}' },
        { "with a key that is not base64", '{"kvs":[{"key":"%"}]}', 'invalid response body: {"kvs":[{"key":"%"}]}' },
    }
    for _, case in ipairs(unusable) do
        it("is an error that quotes it: " .. case[1], function()
            server:serve({ fake.reply(case[2]) })
            local details = assert_error(case[3], "bad_reply")
            assert.equals(200, details.http_status)
            assert.is_false(details.maybe_applied)
            assert.is_false(details.retryable)
            assert.equals(0, fake.reports(server.http_host))
        end)
    end

    it("sets maybe_applied when it is not JSON and the call writes", function()
        server:serve({ fake.reply("{") })
        local _, err, details = cli:set("/k", "v")
        assert.equals("invalid response body: {", err)
        assert.same({ "bad_reply", true, false }, { details.name, details.maybe_applied, details.retryable })
    end)

    it("is read as if fields were absent when they are null", function()
        server:serve({ fake.reply('{"header":null,"kvs":[{"key":"L2s=","value":null,"lease":null}],"count":null}') })
        local res = assert(cli:get("/k"))
        assert.same({ { key = "/k" } }, res.body.kvs)
        assert.is_nil(res.body.header)
        assert.is_nil(res.body.count)
        server:serve({ fake.reply('{"header":{"revision":"7","raft_term":null},"kvs":null}') })
        assert.is_nil(assert(cli:get("/k")).body.kvs)
    end)

    it("becomes an error with its status and its message when the status is 5xx", function()
        server:serve({ fake.reply("<html>\r\n<h1>502 Bad Gateway</h1>", "502 Bad Gateway") })
        local _, err, details = cli:get("/k")
        assert.equals("invalid response code: 502, <html> <h1>502 Bad Gateway</h1>", err)
        assert.equals(502, details.http_status)
        assert.equals("http_error", details.name)
        assert.is_true(details.retryable)
        server:serve({ fake.reply('{"error":"etcdserver: no leader","code":14,"message":"etcdserver: no leader"}', "503 Service Unavailable") })
        _, err, details = cli:get("/k")
        assert.equals("invalid response code: 503, etcdserver: no leader", err)
        assert.same({ 503, 14, "unavailable", "etcdserver: no leader", server.http_host },
            { details.http_status, details.code, details.name, details.message, details.endpoint })
        server:serve({ fake.reply('{"code":14,"message":"etcdserver: request timed out"}', "503 Service Unavailable") })
        _, err, details = cli:set("/k", "v")
        assert.equals("invalid response code: 503, etcdserver: request timed out", err)
        assert.is_true(details.maybe_applied)
        assert.is_false(details.retryable)
        server:serve({ fake.reply("", "500 Internal Server Error") })
        _, err = cli:get("/k")
        assert.equals("invalid response code: 500, HTTP status 500", err)
        assert.equals(4, fake.reports(server.http_host))
        assert.equals(4, #server.requests)
    end)

    it("has a string as body.error and is not reported when it is a 3xx or 4xx without JSON", function()
        for _, status in ipairs { "301 Moved Permanently", "404 Not Found", "429 Too Many Requests" } do
            server:serve({ fake.reply("404 page not found\n", status) })
            local res, err = cli:get("/k")
            assert.is_nil(err)
            assert.equals(tonumber(status:sub(1, 3)), res.status)
            assert.equals("404 page not found", res.body.error)
            local granted, text = cli:grant(5)
            assert.is_nil(granted)
            assert.equals("404 page not found", text)
        end
        assert.equals(0, fake.reports(server.http_host))
        assert.equals(1, server.connections)
    end)

    it("leaves a reusable connection when it is a 4xx in chunks with trailers", function()
        local body = '{"error":"etcdserver: permission denied","message":"etcdserver: permission denied","code":7}'
        server:serve({ "HTTP/1.1 403 Forbidden\r\nTrailer: Grpc-Trailer-Content-Type\r\nTransfer-Encoding: chunked\r\n\r\n"
            .. fake.chunk(body) .. "0\r\nGrpc-Trailer-Content-Type: application/grpc\r\n\r\n" })
        for _ = 1, 3 do
            local res = assert(cli:get("/k"))
            assert.equals(403, res.status)
            assert.equals("etcdserver: permission denied", res.body.error)
        end
        assert.equals(1, server.connections)
    end)
end)
