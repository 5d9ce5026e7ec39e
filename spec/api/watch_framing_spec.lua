-- How a watch parses the bytes of a stream: framing, merging, errors, and malformed input.
local bed = require "spec.support.bed"
local cjson = require "cjson.safe"
local fake = require "spec.support.scripted_server"
local tcp = require "spec.support.tcp"

local function line(revision, rest)
    return ('{"result":{"header":{"cluster_id":"1","member_id":"2","revision":"%d","raft_term":"3"}%s}}\n'):format(revision, rest)
end

local function created(revision)
    return line(revision, ',"created":true')
end

local function event(revision, key)
    return line(revision, (',"events":[{"kv":{"key":"%s","create_revision":"1","mod_revision":"%d","version":"1","value":"%s"}}]')
        :format(ngx.encode_base64(key), revision, ngx.encode_base64(cjson.encode(key))))
end

local function progress(revision)
    return line(revision, "")
end

describe("watch", function()
    local server, cli, restore

    before_each(function()
        restore = fake.never_ban()
        server = fake.new({})
        cli = assert(bed.new { http_host = server.http_host, timeout = 2 })
    end)

    after_each(function()
        server:close()
        restore()
    end)

    -- Opens a watch; the server responds with these chunks, then runs the remaining steps of the script.
    local function open(bytes, opts, ...)
        server:serve({ fake.CHUNKED .. bytes, ... })
        return assert(cli:watch("/k", opts))
    end

    -- Returns the revision of a response and the keys of its events.
    local function brief(reply)
        local keys = { reply.result.header.revision }
        for i, each in ipairs(reply.result.events or {}) do
            keys[i + 1] = each.kv.key
        end
        return keys
    end

    local function assert_next(reader, expected)
        local reply, err = reader()
        assert.is_nil(err)
        assert.same(expected, brief(reply))
        return reply.result
    end

    local function assert_error(reader, expected)
        for _ = 1, 2 do
            local reply, err = reader()
            assert.is_nil(reply)
            assert.equals(expected, err)
        end
    end

    describe("stream", function()
        it("is parsed to the same responses at whichever byte it is split", function()
            local a, b = event(6, "/a"), event(7, "/b")
            local stream = fake.CHUNKED .. fake.chunk(created(5)) .. fake.chunk(a:sub(1, 40)) .. fake.chunk(a:sub(41, -2))
                .. fake.chunk("\n" .. b .. event(8, "/c"):sub(1, 30)) .. fake.chunk(event(8, "/c"):sub(31)) .. fake.LAST_CHUNK
            for at = 1, #stream - 1 do
                server:serve({ stream:sub(1, at), 0.001, stream:sub(at + 1) })
                local reader = assert(cli:watch("/k"))
                assert.is_true(reader().result.created)
                local keys, revision = {}, nil
                local reply, err = reader()
                while reply do
                    for _, each in ipairs(reply.result.events) do
                        keys[#keys + 1] = each.kv.key .. each.kv.value
                    end
                    revision = reply.result.header.revision
                    reply, err = reader()
                end
                assert.same({ "/a/a", "/b/b", "/c/c", "8", "closed" }, { keys[1], keys[2], keys[3], revision, err }, "split at " .. at)
                assert.equals(3, #keys)
            end
        end)

        it("is parsed if each byte is a separate chunk", function()
            local chunks = {}
            for byte in (created(5) .. event(6, "/a")):gmatch(".") do
                chunks[#chunks + 1] = fake.chunk(byte)
            end
            chunks[#chunks] = fake.chunk("\n")
            local reader = open(table.concat(chunks))
            assert_next(reader, { "5" })
            assert_next(reader, { "6", "/a" })
        end)

        it("is parsed if a chunk has only a line end, as after large responses", function()
            local reader = open(fake.chunk(created(5):sub(1, -2)) .. fake.chunk("\n") .. fake.chunk("\n") .. fake.chunk("\r\n")
                .. fake.chunk(event(6, "/a"):sub(1, -2)), nil, 0.02, fake.chunk("\n"))
            assert_next(reader, { "5" })
            assert_next(reader, { "6", "/a" })
        end)

        it("is parsed if a line has 10 MB", function()
            local key = ("x"):rep(3700000)
            server:serve({ fake.CHUNKED .. fake.chunk(created(5)), fake.chunk(event(6, key)) })
            local reader = assert(cli:watch("/k", { timeout = 20 }))
            assert_next(reader, { "5" })
            local each = reader().result.events[1]
            assert.is_true(each.kv.key == key and each.kv.value == key)
        end)

        it("is parsed if the body has a Content-Length, or ends with the connection", function()
            local body = created(5) .. event(6, "/a")
            for _, fields in ipairs { "Content-Length: " .. #body .. "\r\n", "" } do
                server:serve({ "HTTP/1.1 200 OK\r\n" .. fields .. "\r\n" .. body:sub(1, 200), 0.01, body:sub(201), 0.01, fake.CLOSE })
                local reader = assert(cli:watch("/k"))
                assert_next(reader, { "5" })
                assert_next(reader, { "6", "/a" })
                assert_error(reader, "closed")
            end
        end)

        it("is parsed if the last response has no line end", function()
            local reader = open(fake.chunk(created(5)) .. fake.chunk(event(6, "/a"):sub(1, -2)) .. fake.LAST_CHUNK)
            assert_next(reader, { "5" })
            assert_next(reader, { "6", "/a" })
            assert_error(reader, "closed")
        end)

        it("is parsed with null fields as absent", function()
            local reader = open(fake.chunk(created(5)) .. fake.chunk('{"result":{"header":null,"events":null,"cancel_reason":null}}\n')
                .. fake.chunk('{"error":null,"result":{"header":{"revision":"6"},"canceled":null,"created":null,'
                    .. '"events":[{"type":null,"kv":{"key":"L2s=","value":null,"lease":null},"prev_kv":null}]}}\n'))
            assert_next(reader, { "5" })
            local result = assert_next(reader, { "6", "/k" })
            assert.same({ { kv = { key = "/k" } } }, result.events)
            assert.is_nil(result.canceled)
        end)

        it("is parsed with deletions, puts and previous key-value pairs", function()
            local reader = open(fake.chunk(created(5) .. line(7, ',"events":[{"type":"PUT","kv":{"key":"L2E=","value":"MQ=="},'
                .. '"prev_kv":{"key":"L2E=","value":"Mg=="}},{"type":"DELETE","kv":{"key":"L2I=","mod_revision":"7"}}]')))
            reader()
            local events = reader().result.events
            assert.same({ kv = { key = "/a", value = 1 }, prev_kv = { key = "/a", value = 2 } }, events[1])
            assert.same({ type = "DELETE", kv = { key = "/b", mod_revision = "7" } }, events[2])
        end)
    end)

    describe("merging", function()
        it("joins responses of one chunk in order, with the newest header", function()
            local reader = open(fake.chunk(created(5)), nil, 0.02,
                fake.chunk(event(6, "/c") .. event(7, "/a") .. event(8, "/b") .. event(9, "/a")))
            assert_next(reader, { "5" })
            assert_next(reader, { "9", "/c", "/a", "/b", "/a" })
        end)

        it("keeps an event that is followed by other responses, with and without progress_notify", function()
            for _, asked in ipairs { true, false } do
                local reader = open(fake.chunk(created(5)), { progress_notify = asked }, 0.02,
                    fake.chunk(event(7, "/a") .. progress(9)), 0.05,
                    fake.chunk(event(10, "/b") .. progress(11) .. event(12, "/c") .. progress(13)))
                assert_next(reader, { "5" })
                assert_next(reader, { "9", "/a" })
                assert_next(reader, { "13", "/b", "/c" })
            end
        end)

        it("leaves `created` separate", function()
            local reader = open(fake.chunk(created(5) .. event(6, "/a") .. event(7, "/b")))
            local result = assert_next(reader, { "5" })
            assert.is_true(result.created)
            assert_next(reader, { "7", "/a", "/b" })
        end)

        it("leaves `canceled` separate, after the events", function()
            local reader = open(fake.chunk(created(5)), nil, 0.02, fake.chunk(event(6, "/a")
                .. '{"result":{"header":{"cluster_id":"1"},"watch_id":"4","canceled":true,"cancel_reason":"why","compact_revision":"11"}}\n'))
            assert_next(reader, { "5" })
            assert_next(reader, { "6", "/a" })
            local result = reader().result
            assert.same({ true, "why", "11", "4" }, { result.canceled, result.cancel_reason, result.compact_revision, result.watch_id })
            assert.is_nil(result.events)
            assert.is_nil(result.header.revision)
        end)

        it("does not wait for a response that has not arrived completely #alone", function()
            local started = ngx.now()
            local reader = open(fake.chunk(created(5)), nil, 0.02, fake.chunk(event(6, "/a") .. event(7, "/b"):sub(1, 50)), 1,
                fake.chunk(event(7, "/b"):sub(51)))
            assert_next(reader, { "5" })
            assert_next(reader, { "6", "/a" })
            assert.is_true(ngx.now() - started < 0.8)
            assert_next(reader, { "7", "/b" })
        end)

        it("joins the fragments of a response and removes `fragment`", function()
            local reader = open(fake.chunk(created(5)), { fragment = true }, 0.02,
                fake.chunk(line(6, ',"fragment":true,"events":[{"kv":{"key":"L2E="}}]') .. line(6, ',"events":[{"kv":{"key":"L2I="}}]')))
            assert_next(reader, { "5" })
            assert.is_nil(assert_next(reader, { "6", "/a", "/b" }).fragment)
        end)
    end)

    describe("progress response", function()
        it("is hidden unless progress_notify is set", function()
            local reader = open(fake.chunk(created(5)) .. fake.chunk(progress(6)), nil, 0.05, fake.chunk(progress(7) .. event(8, "/a")))
            assert_next(reader, { "5" })
            assert_next(reader, { "8", "/a" })
        end)

        it("is returned if progress_notify is set, with and without a watch ID", function()
            local reader = open(fake.chunk(created(5)), { progress_notify = true }, 0.02, fake.chunk(progress(6)), 0.05,
                fake.chunk(line(7, ',"watch_id":"-1"')))
            assert_next(reader, { "5" })
            assert_next(reader, { "6" })
            assert.equals("-1", assert_next(reader, { "7" }).watch_id)
            assert.same({ create_request = { key = "L2s=", progress_notify = true } }, cjson.decode(server.requests[1].body))
        end)
    end)

    describe("error in the stream", function()
        local function shapes(code, status, text, message)
            return {
                ('{"error":{"grpc_code":%d,"http_code":%d,"message":"%s","http_status":"%s"}}'):format(code, status, message, text),
                ('{"error":{"code":%d,"message":"%s"}}\n'):format(code, message),
                ('{"error":{"code":%d,"message":"%s","details":[]}}'):format(code, message),
            }
        end

        it("is returned as a table for every gateway, then `closed`, if its status is below 500", function()
            local cases = { { 7, 403, "Forbidden" }, { 16, 401, "Unauthorized" }, { 3, 400, "Bad Request" },
                { 5, 404, "Not Found" }, { 8, 429, "Too Many Requests" }, { 11, 400, "Bad Request" } }
            for _, case in ipairs(cases) do
                for _, shape in ipairs(shapes(case[1], case[2], case[3], "etcdserver: no")) do
                    for _, last in ipairs { fake.LAST_CHUNK, fake.chunk("\n") .. fake.LAST_CHUNK } do
                        local reader = open(fake.chunk(created(5)) .. fake.chunk(event(6, "/a") .. shape) .. last)
                        assert_next(reader, { "5" })
                        assert_next(reader, { "6", "/a" })
                        local reply, err = reader()
                        assert.is_nil(err)
                        assert.same({ error = { grpc_code = case[1], http_code = case[2], http_status = case[3], message = "etcdserver: no" } }, reply)
                        assert_error(reader, "closed")
                    end
                end
            end
            assert.equals(0, fake.reports(server.http_host))
        end)

        it("is returned with host and status from then on, and reported once, if its status is 500 or above", function()
            local cases = { { 14, 503, "Service Unavailable" }, { 2, 500, "Internal Server Error" }, { 4, 504, "Gateway Timeout" },
                { 13, 500, "Internal Server Error" }, { 12, 501, "Not Implemented" } }
            local reports = 0
            for _, case in ipairs(cases) do
                for _, shape in ipairs(shapes(case[1], case[2], case[3], "etcdserver: no leader")) do
                    local reader = open(fake.chunk(created(5)) .. fake.chunk(event(6, "/a")) .. fake.chunk(shape) .. fake.LAST_CHUNK)
                    assert_next(reader, { "5" })
                    assert_next(reader, { "6", "/a" })
                    assert_error(reader, server.http_host .. ": " .. case[3])
                    local _, _, details = reader()
                    assert.same({ case[1], case[2], "etcdserver: no leader", server.http_host },
                        { details.code, details.http_status, details.message, details.endpoint })
                    reports = reports + 1
                    assert.equals(reports, fake.reports(server.http_host))
                end
            end
        end)

        it("counts as status 500 if its shape is unknown", function()
            for _, shape in ipairs { '"broken"', "{}", "7", "[]", '{"code":"14","message":{}}', '{"grpc_code":77}' } do
                local reader = open(fake.chunk(created(5)) .. fake.chunk('{"error":' .. shape .. "}\n"))
                assert_next(reader, { "5" })
                assert_error(reader, server.http_host .. ": Internal Server Error")
            end
        end)
    end)

    describe("broken stream", function()
        local ends = {
            { "after a response", "" }, { "in a chunk size", "4" }, { "in a line", fake.chunk(event(6, "/a"):sub(1, -2)) },
            { "in a chunk", fake.chunk(event(6, "/a")):sub(1, 100) }, { "in the last chunk", "0\r\n" },
        }
        for _, case in ipairs(ends) do
            it("returns `closed` from then on if it ends " .. case[1], function()
                local reader = open(fake.chunk(created(5)), nil, 0.02, case[2], 0.02, fake.CLOSE)
                assert_next(reader, { "5" })
                assert_error(reader, "closed")
            end)
        end

        it("returns `connection reset by peer` from then on if it ends by a reset", function()
            local reader = open(fake.chunk(created(5)), nil, 0.02, fake.RESET)
            assert_next(reader, { "5" })
            assert_error(reader, "connection reset by peer")
        end)

        it("returns `closed` and closes the connection if it ends with the last chunk", function()
            local reader = open(fake.chunk(created(5)) .. fake.LAST_CHUNK)
            assert_next(reader, { "5" })
            assert_error(reader, "closed")
            assert.is_true(fake.eventually(function() return server.open == 0 end))
        end)
    end)

    local garbage = {
        { "a line that is not JSON", fake.chunk("{\n"), "invalid response body: {" },
        { "HTML", fake.chunk("<html>\n<body></body>\n"), "HTTP 200 from something that is not etcd: <html>" },
        { "another object", fake.chunk('{"hello":1}\n'), 'invalid response body: {"hello":1}' },
        { "a result of null", fake.chunk('{"result":null}\n'), 'invalid response body: {"result":null}' },
        { "a result of a wrong type", fake.chunk('{"result":"x"}\n'), 'invalid response body: {"result":"x"}' },
        { "events of a wrong type", fake.chunk('{"result":{"events":7}}\n'), 'invalid response body: {"result":{"events":7}}' },
        { "an event of a wrong type", fake.chunk('{"result":{"events":[1]}}\n'), 'invalid response body: {"result":{"events":[1]}}' },
        { "an event of null", fake.chunk('{"result":{"events":[null]}}\n'), 'invalid response body: {"result":{"events":[null]}}' },
        { "a key that is not base64", fake.chunk('{"result":{"events":[{"kv":{"key":"%"}}]}}\n'), 'invalid response body: {"result":{"events":[{"kv":{"key":"%"}}]}}' },
        { "a kv of a wrong type", fake.chunk('{"result":{"events":[{"kv":"x"}]}}\n'), 'invalid response body: {"result":{"events":[{"kv":"x"}]}}' },
        { "created of a wrong type", fake.chunk('{"result":{"created":"yes"}}\n'), 'invalid response body: {"result":{"created":"yes"}}' },
        { "a bad chunk size", "zz\r\n", "malformed reply: bad chunk size" },
        { "a chunk longer than its size", "2\r\n\n\n\n\n\r\n", "malformed reply: bad chunk end" },
    }
    for _, case in ipairs(garbage) do
        it("returns an error from then on and closes the connection if the stream has " .. case[1], function()
            local reader = open(fake.chunk(created(5)) .. fake.chunk(event(6, "/a")) .. case[2])
            assert_next(reader, { "5" })
            assert_next(reader, { "6", "/a" })
            assert_error(reader, case[3])
            assert.is_true(fake.eventually(function() return server.open == 0 end))
        end)
    end

    describe("rejected watch", function()
        local cases = {
            { "401 Unauthorized", '{"error":"etcdserver: invalid auth token","code":16,"message":"etcdserver: invalid auth token"}', "etcdserver: invalid auth token", 0 },
            { "403 Forbidden", '{"code":7,"message":"etcdserver: permission denied"}', "etcdserver: permission denied", 0 },
            { "404 Not Found", "404 page not found\n", "404 page not found", 0 },
            { "301 Moved Permanently", "", "HTTP 301 from something that is not etcd: empty response", 0 },
            { "500 Internal Server Error", '{"error":"invalid character","code":2}', "invalid character", 1 },
            { "502 Bad Gateway", "<html>", "<html>", 1 },
            { "503 Service Unavailable", '{"code":14,"message":"etcdserver: no leader"}', "etcdserver: no leader", 1 },
        }
        for _, case in ipairs(cases) do
            it("returns the text of lua-resty-etcd 1.10 for status " .. case[1], function()
                local chunked = "HTTP/1.1 " .. case[1] .. "\r\nTransfer-Encoding: chunked\r\n\r\n" .. (case[2] ~= "" and fake.chunk(case[2]) or "") .. fake.LAST_CHUNK
                for i, answer in ipairs { fake.reply(case[2], case[1]), chunked } do
                    server:serve({ answer })
                    local reader, err, details = cli:watchdir("/k")
                    assert.is_nil(reader)
                    assert.equals("failed to watch data, response code: " .. case[1]:sub(1, 3) .. ", " .. case[3], err)
                    assert.equals(tonumber(case[1]:sub(1, 3)), details.http_status)
                    assert.equals(server.http_host, details.endpoint)
                    assert.equals(case[4] * i, fake.reports(server.http_host))
                    assert.is_true(fake.eventually(function() return server.open == 0 end))
                end
            end)
        end

        it("returns host and cause if the server is silent, closes, or does not listen #alone", function()
            local started = ngx.now()
            local _, err = cli:watch("/k", { timeout = 0.5 })
            assert.equals(server.http_host .. ": timeout", err)
            assert.is_true(ngx.now() - started < 1)
            server:serve({ fake.CLOSE })
            _, err = cli:watch("/k")
            assert.equals(server.http_host .. ": closed", err)
            local closed = tcp.listen()
            _, err = bed.new({ http_host = closed.http_host }):watch("/k")
            assert.equals(closed.http_host .. ": connection refused", err)
            tcp.close(closed)
        end)
    end)

    it("times out only if no byte arrives within the timeout, and then permanently #alone", function()
        local reader = open(fake.chunk(created(5)), { timeout = 0.8 }, 0.3, fake.chunk(event(6, "/a"):sub(1, 40)), 0.3,
            fake.chunk(event(6, "/a"):sub(41, 90)), 0.3, fake.chunk(event(6, "/a"):sub(91)), 1.6, fake.chunk(event(7, "/b")))
        assert_next(reader, { "5" })
        assert_next(reader, { "6", "/a" })
        local started = ngx.now()
        assert_error(reader, "timeout")
        local took = ngx.now() - started
        assert.is_true(took > 0.7 and took < 1.6, "took " .. took)
        assert.equals(0, fake.reports(server.http_host))
        assert.is_true(fake.eventually(function() return server.open == 0 end))
    end)
end)
