local etcd = require "resty.etcd"
local frames = require "resty.etcd.transport.grpc.frames"
local grpc_message = require "resty.etcd.transport.grpc.grpc_message"
local http2_server = require "spec.support.http2_server"
local never_ban = require("spec.support.scripted_server").never_ban
local eventually = require("spec.support.scripted_server").eventually
local peers = require "resty.etcd.transport.grpc.peer"
local protobuf_codec = require "resty.etcd.transport.grpc.protobuf_codec"
local schema = require "resty.etcd.protocol.schema"
local tcp = require "spec.support.tcp"

local REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 7, 8, 11
local MAX_STREAMS, INITIAL_WINDOW = 3, 4

local HEADER = { cluster_id = "1", member_id = "2", revision = "3", raft_term = "4" }

local function encoded(message_type, fields)
    return assert(protobuf_codec.encode(message_type, fields))
end

-- The answer of Range to a request for the key that is also the value.
local function range_response(request)
    local key = assert(protobuf_codec.decode(schema.range_request, request.body:sub(6))).key
    return encoded(schema.range_response, {
        header = HEADER, count = "1",
        kvs = { { key = key, value = key, create_revision = "1", mod_revision = "1", version = "1" } },
    })
end

local PUT_RESPONSE = encoded(schema.put_response, { header = HEADER })

-- Answers Range and Put.
local function serve(conn, frame)
    if frame.name == "request" then
        conn:respond(frame.stream_id, frame.block:find("KV/Range", 1, true) and range_response(frame) or PUT_RESPONSE)
    end
end

describe("gRPC connection", function()
    local server, restore, clients

    before_each(function()
        restore, clients = never_ban(), {}
        collectgarbage() -- watches of earlier tests
    end)
    after_each(function()
        for _, cli in ipairs(clients) do
            cli:close()
        end
        server.close()
        restore()
    end)

    local function start(handler)
        server = http2_server.new(handler or serve)
        return server
    end

    local function new(opts)
        local all = { http_host = server.http_host, transport = "grpc", serializer = "raw", timeout = 2 }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        local cli = assert(etcd.new(all))
        clients[#clients + 1] = cli
        return cli
    end

    local function value_of(cli, key)
        local res, err = cli:get(key)
        return res and res.body.kvs[1].value or err
    end

    local function all_of(n, call)
        local threads, results = {}, {}
        for i = 1, n do
            threads[i] = ngx.thread.spawn(function() results[i] = call(i) end)
        end
        for _, thread in ipairs(threads) do
            assert(ngx.thread.wait(thread))
        end
        return results
    end

    it("is shared by concurrent calls of all clients", function()
        start()
        local first, second = new(), new()
        local results = all_of(60, function(i) return value_of(i % 2 == 0 and first or second, "k" .. i) end)
        for i = 1, 60 do
            assert.same("k" .. i, results[i])
        end
        assert.same(1, server.connections)
        assert.same(60, #server.requests)
    end)

    it("understands responses that arrive byte by byte", function()
        start(function(conn, frame)
            if frame.name == "request" then
                local bytes = frames.headers(frame.stream_id, http2_server.HEAD, false)
                    .. frames.data(frame.stream_id, grpc_message.encode(range_response(frame)), false)
                    .. frames.headers(frame.stream_id, http2_server.trailers(0), true)
                for i = 1, #bytes do
                    conn:send(bytes:sub(i, i))
                    ngx.sleep(tcp.TICK)
                end
            end
        end)
        assert.same("key", value_of(new(), "key"))
    end)

    it("returns the responses of each call, in whatever order they come", function()
        local waiting = {}
        start(function(conn, frame)
            if frame.name == "request" then
                table.insert(waiting, 1, frame)
                if #waiting == 5 then
                    for _, request in ipairs(waiting) do
                        serve(conn, request)
                    end
                end
            end
        end)
        local cli = new()
        assert.same({ "k1", "k2", "k3", "k4", "k5" }, all_of(5, function(i) return value_of(cli, "k" .. i) end))
    end)

    it("sends token, metadata and authority with each request", function()
        start()
        value_of(new { extra_headers = { ["X-Tenant"] = "blue", Host = "etcd.internal", Authorization = "no", ["Content-Type"] = "no" } }, "k")
        local request = server.requests[1]
        assert.same("blue", request.fields["x-tenant"])
        assert.same("trailers", request.fields.te)
        assert.same("application/grpc", request.fields["content-type"])
        assert.is_nil(request.fields.authorization)
        assert.truthy(request.block:find("etcd.internal", 1, true))
        assert.truthy(request.block:find("/etcdserverpb.KV/Range", 1, true))
    end)

    it("is refused: the call fails immediately, was not applied, and a later one succeeds", function()
        start()
        local cli = new()
        server.close()
        local res, err, details = cli:set("k", "v")
        assert.is_nil(res)
        assert.same(server.http_host .. ": connection refused", err)
        assert.same({ "connect_failed", true, false }, { details.name, details.retryable, details.maybe_applied })
        start()
        assert.same("k", value_of(new(), "k"))
    end)

    it("dials rarely while it is refused, however many calls there are", function()
        start()
        server.greeting = function(conn) conn:close() end
        local cli = new()
        local stop = ngx.now() + 0.5
        local calls = 0
        while ngx.now() < stop do
            local _, err, details = cli:set("k", "v")
            assert.same(server.http_host .. ": closed before HTTP/2 SETTINGS", err)
            assert.same({ "connect_failed", false }, { details.name, details.maybe_applied })
            calls = calls + 1
            ngx.sleep(0.001)
        end
        assert.truthy(server.connections <= 10 and calls > 20, server.connections .. " of " .. calls)
    end)

    it("fails with a hint at servers that do not speak HTTP/2", function()
        start()
        for _, case in ipairs {
            { "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "no HTTP/2: the server answers in HTTP/1" },
            { "\21\3\1\0\2\2\22", "no HTTP/2: the server answers in TLS" }, -- an alert of TLS
        } do
            server.close()
            start()
            server.greeting = function(conn)
                tcp.receive(conn)
                conn:send(case[1])
            end
            local _, err, details = new():set("k", "v")
            assert.same(server.http_host .. ": " .. case[2], err)
            assert.same({ "bad_reply", false }, { details.name, details.maybe_applied })
            assert.truthy(details.hint:find('"cosocket"', 1, true))
            assert.is_true(eventually(function() return server.open == 0 end))
        end
    end)

    it("does not send requests before the server's SETTINGS: a call that times out was not applied", function()
        start()
        server.greeting = function() end
        local _, err, details = new { timeout = 0.1 }:set("k", "v")
        assert.same(server.http_host .. ": timeout", err)
        assert.same({ "timeout", true, false }, { details.name, details.retryable, details.maybe_applied })
        assert.same(0, #server.requests)
    end)

    it("resets the stream of a call that times out, and serves the others", function()
        local stuck
        start(function(conn, frame)
            if frame.name == "request" and not stuck then
                stuck = frame
            else
                serve(conn, frame)
            end
        end)
        local cli = new { timeout = 0.2 }
        local _, err, details = cli:set("a", "v")
        assert.same({ server.http_host .. ": timeout", "timeout", true }, { err, details.name, details.maybe_applied })
        assert.same("b", value_of(cli, "b"))
        local n, reset = server:count("RST_STREAM")
        assert.same({ 1, CANCEL }, { n, frames.read_uint32(reset.payload, 1) })
        server.all[1]:respond(stuck.stream_id, PUT_RESPONSE) -- too late
        assert.same("c", value_of(cli, "c"))
        assert.same(1, server.connections)
    end)

    it("resets the stream of a caller that is killed, within a second", function()
        start(function() end)
        local cli = new { timeout = 30 }
        local thread = ngx.thread.spawn(function() cli:get("a") end)
        assert.is_true(eventually(function() return #server.requests == 1 end))
        ngx.thread.kill(thread)
        assert.is_true(eventually(function() return server:count("RST_STREAM") == 1 end))
        local session = peers.at("127.0.0.1", server.port).connection.session
        assert.same({ 0, 0 }, { session.active, session.queued_bytes })
        server.handler = serve
        assert.same("b", value_of(cli, "b"))
    end)

    it("ends with the server: a write in flight was possibly applied, a read is sent again", function()
        start(function(conn, frame)
            if frame.name == "request" and #server.requests % 2 == 0 then
                conn:close(true)
            else
                serve(conn, frame)
            end
        end)
        local cli = new()
        assert.same("a", value_of(cli, "a"))
        local _, err, details = cli:set("a", "v")
        assert.truthy(err:find "connection reset by peer$" or err:find "closed$")
        assert.same({ "connection_lost", true, false }, { details.name, details.maybe_applied, details.retryable })
        assert.same("b", value_of(cli, "b"))
        assert.same("c", value_of(cli, "c")) -- the fourth request has no response, the fifth has
        assert.same({ 3, 5 }, { server.connections, #server.requests })
    end)

    it("is replaced after GOAWAY: calls that were not processed are sent again, also writes; the others end there", function()
        local first, is_second
        start(function(conn, frame)
            if frame.name ~= "request" then
                return
            elseif not first then
                first = { conn, frame }
            elseif not is_second then
                is_second = true
                conn:send(frames.goaway(frame.stream_id - 2, 0, "bye"))
            else
                serve(conn, frame)
            end
        end)
        local cli = new()
        local thread = ngx.thread.spawn(function() return value_of(cli, "first") end)
        assert.truthy(eventually(function() return first end))
        local res, err = cli:set("second", "v")
        assert.same(200, res and res.status, err)
        assert.same(2, server.connections)
        assert.same(3, #server.requests)
        serve(first[1], first[2])
        assert.same({ true, "first" }, { ngx.thread.wait(thread) })
        assert.is_true(eventually(function() return server.open == 1 end)) -- the drained connection is closed
        assert.same("third", value_of(cli, "third"))
        assert.same(2, server.connections)
    end)

    it("repeats a write that the server refused, once", function()
        local is_over = false
        start(function(conn, frame)
            if frame.name == "request" and not is_over and #server.requests > 1 then
                conn:send(frames.rst_stream(frame.stream_id, REFUSED_STREAM))
            else
                serve(conn, frame)
            end
        end)
        local cli = new()
        assert.same("a", value_of(cli, "a"))
        local _, err, details = cli:set("a", "v")
        assert.same(server.http_host .. ": stream refused by the server", err)
        assert.same({ "connect_failed", true, false }, { details.name, details.retryable, details.maybe_applied })
        assert.same(3, #server.requests)
    end)

    it("returns an error for a stream that the server resets, and for malformed responses", function()
        local message = grpc_message.encode(PUT_RESPONSE)
        local head, tail = http2_server.HEAD, http2_server.trailers(0)
        local cases = {
            { { frames.rst_stream(1, 2) }, "connection_lost", "stream reset by the server: 2" },
            { { frames.headers(1, head, false), frames.data(1, message:rep(2), false) }, "bad_reply", "malformed reply: more than one message" },
            { { frames.headers(1, head, false), frames.data(1, "\1\0\0\0\0", false) }, "bad_reply",
                "malformed reply: compressed message, although no compression was accepted" },
            { { frames.headers(1, head, false), frames.headers(1, tail, true) }, "bad_reply", "malformed reply: no message" },
            { { frames.headers(1, head, false), frames.data(1, message, true) }, "bad_reply", "malformed reply: no grpc-status" },
            { { frames.headers(1, head, false), frames.data(1, message .. "\0\0\0\0\9ab", false), frames.headers(1, tail, true) },
                "bad_reply", "malformed reply: incomplete message" },
            { { frames.data(1, message, false) }, "bad_reply", "malformed reply: HTTP/2 stream" },
            { { frames.window_update(0, 0) }, "bad_reply", "malformed reply: HTTP/2: WINDOW_UPDATE frame without increment" },
        }
        for _, case in ipairs(cases) do
            start(function(conn, frame)
                if frame.name == "request" then
                    conn:send(unpack(case[1]))
                end
            end)
            local _, err, details = new():set("k", "v")
            assert.same(server.http_host .. ": " .. case[3], err)
            assert.same({ case[2], true, false }, { details.name, details.maybe_applied, details.retryable })
            server.close()
        end
        start(function(conn, frame)
            if frame.name == "request" then
                conn:respond(1, "\10\255")
            end
        end)
        local _, err, details = new():set("k", "v")
        assert.same("invalid response body: malformed header", err)
        assert.same({ "bad_reply", 200, true }, { details.name, details.http_status, details.maybe_applied })
    end)

    it("gives the results that the gateway gives for each gRPC status", function()
        for code, expected in pairs {
            [3] = { 400, "etcdserver: why", nil }, [5] = { 404, "etcdserver: why", nil }, [8] = { 429, "etcdserver: why", nil },
            [2] = { 500, nil, "invalid response code: 500, etcdserver: why" }, [14] = { 503, nil, "invalid response code: 503, etcdserver: why" },
        } do
            start(function(conn, frame)
                if frame.name == "request" then
                    conn:respond(frame.stream_id, nil, code, "etcdserver: why")
                end
            end)
            local res, err, details = new():get("k")
            assert.same(expected, { details.http_status, res and res.body.error, err })
            assert.same(code, details.code)
            assert.same(res and expected[1], res and res.status)
            server.close()
        end
    end)

    it("opens as many streams as the server allows, and queues the others", function()
        local open, most = 0, 0
        start(function(conn, frame)
            if frame.name == "request" then
                open = open + 1
                most = math.max(most, open)
                ngx.thread.spawn(function()
                    ngx.sleep(0.002)
                    open = open - 1
                    serve(conn, frame)
                end)
            end
        end)
        server.settings = { { MAX_STREAMS, 3 } }
        local cli = new()
        local results = all_of(40, function(i) return value_of(cli, "k" .. i) end)
        assert.same("k40", results[40])
        assert.same(3, most)
    end)

    it("rejects calls when too many bytes wait, and they were not applied", function()
        start()
        server.settings = { { MAX_STREAMS, 0 } }
        local cli = new { timeout = 1 }
        local value = ("v"):rep(10 * 1024 * 1024)
        local outcomes = {}
        all_of(5, function()
            local _, err, details = cli:set("k", value)
            outcomes[details.name] = (outcomes[details.name] or 0) + 1
            assert.same({ true, false }, { details.retryable, details.maybe_applied }, err)
        end)
        assert.same({ resource_exhausted = 2, timeout = 3 }, outcomes)
        assert.same(0, peers.at("127.0.0.1", server.port).connection.session.queued_bytes)
    end)

    it("sends small requests although large ones wait for their windows", function()
        start()
        local cli = new { timeout = 10 }
        local results = all_of(6, function(i)
            if i <= 3 then
                local res, err = cli:set("k", ("v"):rep(500 * 1024))
                return res and res.status or err
            end
            return value_of(cli, "k" .. i)
        end)
        assert.same({ 200, 200, 200, "k4", "k5", "k6" }, results)
    end)

    it("sends PING to a silent server while a call waits, and ends when there is no answer", function()
        start(function() end)
        local cli = new { timeout = 20 }
        peers.at("127.0.0.1", server.port).ping_interval = 0.2
        local thread = ngx.thread.spawn(function() return select(3, cli:set("k", "v")) end)
        assert.is_true(eventually(function() return server:count("PING") > 1 end))
        server.ignores_pings = true
        local _, details = ngx.thread.wait(thread)
        assert.same(server.http_host .. ": timeout: no answer to PING", details.message)
        assert.same({ "timeout", true }, { details.name, details.maybe_applied })
        assert.is_true(eventually(function() return server.open == 0 end))
    end)

    it("sends no PING without streams", function()
        start()
        peers.at("127.0.0.1", server.port).ping_interval = 0.1
        assert.same("k", value_of(new(), "k"))
        ngx.sleep(1.2)
        assert.same(0, server:count("PING"))
    end)

    it("sends PING half as often when the server complains", function()
        start()
        local peer = peers.at("127.0.0.1", server.port)
        assert.same("k", value_of(new(), "k"))
        local interval = peer.ping_interval
        server.all[1]:send(frames.goaway(2 ^ 31 - 1, ENHANCE_YOUR_CALM, "too_many_pings"))
        assert.is_true(eventually(function() return peer.ping_interval == 2 * interval end))
        assert.same("k", value_of(new(), "k"))
        assert.same(2, server.connections)
    end)

    it("lets the server send more of a long response as it arrives", function()
        local long = ("v"):rep(3 * 1024 * 1024)
        start(function(conn, frame)
            if frame.name ~= "request" then
                return
            end
            local bytes = grpc_message.encode(encoded(schema.range_response, { header = HEADER, kvs = { { key = "k", value = long } } }))
            conn:send(frames.headers(1, http2_server.HEAD, false))
            ngx.thread.spawn(function()
                for at = 1, #bytes, 16384 do
                    -- not more than the window that the client has granted
                    assert(eventually(function()
                        local granted = 1024 * 1024
                        for _, update in ipairs(server.frames) do
                            if update.name == "WINDOW_UPDATE" and update.stream_id == 1 then
                                granted = granted + frames.read_uint32(update.payload, 1)
                            end
                        end
                        return at + 16384 < granted
                    end), "no window")
                    conn:send(frames.data(1, bytes:sub(at, at + 16383), false))
                end
                conn:send(frames.headers(1, http2_server.trailers(0), true))
            end)
        end)
        local res, err = new():get("k")
        assert.is_nil(err)
        assert.same(#long, #res.body.kvs[1].value)
    end)

    it("follows a smaller INITIAL_WINDOW_SIZE", function()
        start()
        server.settings = { { INITIAL_WINDOW, 10 } }
        local res, err = new():set("k", ("v"):rep(1000))
        assert.is_nil(err)
        assert.same(200, res.status)
    end)

    it("needs http:// endpoints without a path", function()
        start()
        for _, opts in ipairs { { http_host = "https://127.0.0.1:1" }, { http_host = "http://127.0.0.1:1/etcd" }, { api_prefix = "/other" } } do
            opts.transport, opts.http_host = "grpc", opts.http_host or server.http_host
            local cli, err, details = etcd.new(opts)
            assert.is_nil(cli)
            assert.truthy(err:find('"cosocket"', 1, true), err)
            assert.same("bad_request", details.name)
        end
        local cli = new()
        cli.endpoints[1].full_prefix = "https://127.0.0.1:1/v3"
        local _, err, details = cli:get("k")
        assert.truthy(err:find("http://", 1, true))
        assert.same({ "bad_request", false }, { details.name, details.retryable })
        cli.endpoints[1].full_prefix = server.http_host .. "/v3" -- as a mock writes it
        assert.same("k", value_of(cli, "k"))
        assert.is_true(cli.use_grpc)
    end)
end)
