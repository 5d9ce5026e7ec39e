local etcd = require "resty.etcd"
local frames = require "resty.etcd.transport.grpc.frames"
local grpc_message = require "resty.etcd.transport.grpc.grpc_message"
local http2_server = require "spec.support.http2_server"
local never_ban = require("spec.support.scripted_server").never_ban
local eventually = require("spec.support.scripted_server").eventually
local protobuf_codec = require "resty.etcd.transport.grpc.protobuf_codec"
local schema = require "resty.etcd.protocol.schema"

local HEADER = { cluster_id = "1", member_id = "2", revision = "3", raft_term = "4" }

local function reply(fields)
    fields.header = HEADER
    return grpc_message.encode(assert(protobuf_codec.encode(schema.watch_response, fields)))
end

local function event(revision, value)
    return reply { events = { { kv = { key = "k", value = value, mod_revision = revision, create_revision = "1", version = "1" } } } }
end

describe("watch over gRPC", function()
    local server, restore, conn, stream_id

    before_each(function()
        restore = never_ban()
    end)
    after_each(function()
        server.close()
        restore()
    end)

    -- Starts a server that confirms watches, and returns a client.
    local function start(handler)
        server = http2_server.new(handler or function(connection, frame)
            if frame.name == "request" then
                conn, stream_id = connection, frame.stream_id
                conn:send(frames.headers(stream_id, http2_server.HEAD, false), frames.data(stream_id, reply { created = true }, false))
            end
        end)
        return assert(etcd.new { http_host = server.http_host, transport = "grpc", serializer = "raw", timeout = 2 })
    end

    local function send(bytes)
        for at = 1, #bytes, 16384 do
            conn:send(frames.data(stream_id, bytes:sub(at, at + 16383), false))
        end
    end

    local function watch(cli, opts)
        local reader, err, handle = cli:watch("k", opts)
        assert.is_nil(err)
        assert.is_true(reader().result.created)
        return reader, handle
    end

    local function value_of(reader)
        local res, err = reader()
        return res and res.result.events[1].kv.value or err
    end

    it("sends the request with its metadata, and does not end it", function()
        local cli = start()
        watch(cli, { require_leader = true, start_revision = 5, prev_kv = true })
        local request = server.requests[1]
        assert.same("true", request.fields.hasleader)
        assert.is_true(request.is_open)
        local fields = protobuf_codec.decode(schema.watch_request, request.body:sub(6)).create_request
        assert.same({ key = "k", start_revision = "5", prev_kv = true }, fields)
        assert.truthy(request.block:find("/etcdserverpb.Watch/Watch", 1, true))
    end)

    it("returns events as they come, in any frames", function()
        local reader = watch(start())
        local bytes = event("2", "a") .. event("3", "b")
        send(bytes:sub(1, 7))
        send(bytes:sub(8))
        local res = reader()
        local values = {}
        for _, one in ipairs(res.result.events) do
            values[#values + 1] = one.kv.value
        end
        assert.same("a", values[1])
        if not values[2] then
            values[2] = value_of(reader)
        end
        assert.same({ "a", "b" }, values)
    end)

    it("returns a message that is longer than the window, decoded with pauses", function()
        local reader = watch(start())
        local events = {}
        for i = 1, 20000 do
            events[i] = { kv = { key = "k" .. i, value = ("v"):rep(100), mod_revision = tostring(i), create_revision = "1", version = "1" } }
        end
        send(reply { events = events })
        local res, err = reader()
        assert.is_nil(err)
        assert.same(20000, #res.result.events)
        assert.same("k20000", res.result.events[20000].kv.key)
    end)

    it("lets the server send no more than a window that the program has not read", function()
        local reader = watch(start())
        local message = event("2", ("v"):rep(100000))
        for _ = 1, 10 do
            send(message)
        end
        assert.same(1, #server.all)
        ngx.sleep(0.1) -- all of it has arrived
        local granted = 0
        local function count_grants()
            granted = 0
            for _, frame in ipairs(server.frames) do
                if frame.name == "WINDOW_UPDATE" and frame.stream_id == stream_id then
                    granted = granted + frames.read_uint32(frame.payload, 1)
                end
            end
            return granted
        end
        assert.same(0, count_grants())
        local read = 0
        while read < 10 do
            read = read + #reader().result.events
        end
        assert.is_true(eventually(function() return count_grants() > 900000 end))
    end)

    it("ends with the status of the server, after the messages before it", function()
        local reader = watch(start())
        send(event("2", "last"))
        conn:send(frames.headers(stream_id, http2_server.trailers(14, "etcdserver: no leader"), true))
        assert.same("last", value_of(reader))
        local _, err, details = reader()
        assert.same({ server.http_host .. ": Service Unavailable", 14 }, { err, details.code })
        assert.same(err, (select(2, reader())))
    end)

    it("ends with an error when the server ends it within a message", function()
        local reader = watch(start())
        send(event("2", "last") .. event("3", "lost"):sub(1, -2))
        conn:send(frames.headers(stream_id, http2_server.trailers(0), true))
        assert.same("last", value_of(reader))
        local _, err, details = reader()
        assert.same({ "malformed reply: incomplete message", "bad_reply" }, { err, details.name })
    end)

    it("ends with closed when the server ends it, and when the connection ends", function()
        local reader = watch(start())
        conn:send(frames.headers(stream_id, http2_server.trailers(0), true))
        assert.same("closed", (select(2, reader())))
        assert.same("closed", (select(2, reader())))
        server.close()
        reader = watch(start())
        conn:close()
        assert.same("closed", (select(2, reader())))
        server.close()
        reader = watch(start())
        conn:close(true)
        assert.same("connection reset by peer", (select(2, reader())))
        assert.same("connection reset by peer", (select(2, reader())))
    end)

    it("is not created if the server rejects it", function()
        local cli = start(function(connection, frame)
            if frame.name == "request" then
                connection:send(frames.headers(frame.stream_id, http2_server.HEAD .. http2_server.trailers(7, "etcdserver: permission denied"), true))
            end
        end)
        local reader, err, details = cli:watch("k")
        assert.is_nil(reader)
        assert.same("failed to watch data, response code: 403, etcdserver: permission denied", err)
        assert.same({ "permission_denied", 7, 403 }, { details.name, details.code, details.http_status })
    end)

    it("is not created if the server does not respond in time", function()
        local cli = start(function() end)
        cli.timeout = 0.1
        local reader, err, details = cli:watch("k")
        assert.is_nil(reader)
        assert.same({ server.http_host .. ": timeout", "timeout" }, { err, details.name })
        assert.is_true(eventually(function() return server:count("RST_STREAM") == 1 end))
    end)

    it("times out if no byte arrives, not while bytes arrive", function()
        local reader = watch(start(), { timeout = 0.2 })
        local message = event("2", "slow")
        local thread = ngx.thread.spawn(function()
            for i = 1, #message do
                ngx.sleep(0.02)
                send(message:sub(i, i))
            end
        end)
        assert.same("slow", value_of(reader))
        ngx.thread.wait(thread)
        assert.same("timeout", value_of(reader))
        assert.same("timeout", value_of(reader))
        assert.is_true(eventually(function() return server:count("RST_STREAM") == 1 end))
    end)

    it("ends immediately when another light thread cancels it", function()
        local cli = start()
        local reader, handle = watch(cli, { need_cancel = true, timeout = 30 })
        local thread = ngx.thread.spawn(function() return value_of(reader) end)
        ngx.sleep(0.01)
        assert.same(1, cli:watchcancel(handle))
        assert.same({ true, "closed" }, { ngx.thread.wait(thread) })
        assert.is_true(eventually(function() return server:count("RST_STREAM") == 1 end))
        assert.same("closed", value_of(reader))
    end)

    it("ends when the program has lost it", function()
        local cli = start()
        watch(cli)
        collectgarbage()
        collectgarbage()
        assert.is_true(eventually(function()
            collectgarbage()
            return server:count("RST_STREAM") == 1
        end))
    end)

    it("can be read by another light thread when the first one was killed", function()
        local reader = watch(start())
        local thread = ngx.thread.spawn(reader)
        ngx.thread.kill(thread)
        send(event("2", "a"))
        assert.same("a", value_of(reader))
    end)

    it("rejects what is no message of a watch", function()
        local reader = watch(start())
        send(grpc_message.encode("\10\255"))
        local _, err, details = reader()
        assert.same("invalid response body: malformed header", err)
        assert.same("bad_reply", details.name)
        assert.is_true(eventually(function() return server:count("RST_STREAM") == 1 end))
    end)

    it("does not delay calls on the same connection", function()
        local cli = start(function(connection, frame)
            if frame.name ~= "request" then
                return
            elseif frame.block:find("Watch/Watch", 1, true) then
                conn, stream_id = connection, frame.stream_id
                conn:send(frames.headers(stream_id, http2_server.HEAD, false), frames.data(stream_id, reply { created = true }, false))
            else
                connection:respond(frame.stream_id, assert(protobuf_codec.encode(schema.range_response, { header = HEADER })))
            end
        end)
        local reader = watch(cli)
        local message = event("2", ("v"):rep(200000))
        for _ = 1, 5 do
            send(message) -- no reader takes them
        end
        for _ = 1, 20 do
            assert(cli:get("a"))
        end
        assert.same(200000, #value_of(reader))
        assert.same(1, server.connections)
    end)
end)
