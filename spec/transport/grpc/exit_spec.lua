-- Workers that exit, with calls in flight and watches open.
local bed = require "spec.support.bed"
local eventually = require("spec.support.scripted_server").eventually
local frames = require "resty.etcd.transport.grpc.frames"
local grpc_message = require "resty.etcd.transport.grpc.grpc_message"
local http2_server = require "spec.support.http2_server"
local protobuf_codec = require "resty.etcd.transport.grpc.protobuf_codec"
local rigs = require "spec.support.multi_worker_nginx"
local schema = require "resty.etcd.protocol.schema"

local HEADER = { cluster_id = "1", member_id = "2", revision = "3", raft_term = "4" }
local CREATED = grpc_message.encode(assert(protobuf_codec.encode(schema.watch_response, { header = HEADER, created = true })))
local RANGE = assert(protobuf_codec.encode(schema.range_response, { header = HEADER }))

-- Each worker reads a watch, and makes a call every 10 ms.
local USE_GRPC = [[
    local host = dofile(ngx.config.prefix() .. "options.lua").grpc_host
    local grpc = assert(etcd.new { http_host = host, transport = "grpc", timeout = 2 })
    assert(ngx.timer.at(0, function()
        local reader = assert(grpc:watch("k", { timeout = 1000 }))
        while reader() do end
    end))
    local function call(premature)
        if not premature then
            count(grpc:get("k") and "calls" or "failed calls")
            ngx.timer.at(0.01, call)
        end
    end
    assert(ngx.timer.at(0, call))
]]

describe("gRPC connection of a worker", function()
    local server, rig

    before_each(function()
        server = http2_server.new(function(conn, frame)
            if frame.name ~= "request" then
                return
            elseif frame.is_open then
                conn:send(frames.headers(frame.stream_id, http2_server.HEAD, false), frames.data(frame.stream_id, CREATED, false))
            else
                conn:respond(frame.stream_id, RANGE)
            end
        end)
        rig = rigs.start {
            workers = 2, http_host = bed.single.http, prefix = bed.key("grpc-exit"), quiet = true, mirror = {},
            grpc_host = server.http_host, init_worker = USE_GRPC,
        }
        assert(rig:wait(function(report) return (report.calls or 0) > 10 and server.open == 2 end))
    end)
    after_each(function()
        rig:stop()
        server.close()
    end)

    local function has_gone(pids)
        return eventually(function()
            local now = " " .. table.concat(rig:workers(), " ") .. " "
            for _, pid in ipairs(pids) do
                if now:find(" " .. pid .. " ", 1, true) then
                    return false
                end
            end
            return true
        end)
    end

    it("ends when nginx is reloaded, and no call fails", function()
        local old = rig:workers()
        rig:kill("HUP", rig:master())
        assert.is_true(eventually(function() return server.connections == 4 end))
        assert.is_true(has_gone(old))
        assert.is_true(eventually(function() return server.open == 2 end))
        assert.is_nil(rig:report()["failed calls"])
    end)

    it("is replaced by one of the next worker when the worker is killed", function()
        rig:kill("KILL", rig:workers()[1])
        assert.is_true(eventually(function() return server.connections == 3 and server.open == 2 end))
    end)

    it("does not keep a worker alive when nginx quits", function()
        local old = rig:workers()
        for _, pid in ipairs(old) do
            rig:kill("QUIT", pid)
        end
        assert.is_true(has_gone(old))
    end)
end)
