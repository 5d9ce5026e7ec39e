-- Streams whose server sends faster than they are read: the connection always has more bytes.
local event_loop_probe = require "spec.support.event_loop_probe"
local gateway_stream = require "resty.etcd.transport.gateway.stream"
local rpc = require "resty.etcd.protocol.rpc"

local READS = 200
local LINE = '{"result":{"header":{"cluster_id":"7","revision":"5"}}}\n'

-- Returns a stream with a number of reads, none of which waits.
local function stream_of(lines)
    local left = READS
    local body = { close = function() end, peek = function() end }
    function body.read()
        left = left - 1
        return left >= 0 and lines or ""
    end
    return gateway_stream.new(rpc.watch, "http://127.0.0.1:1", body, { max_response_size = 1000000 })
end

-- Returns how often `take` yields while it reads all messages, each of which means 0.5 ms of work; and the messages.
local function count_yields(lines, take)
    local stream, sleep, yields, count = stream_of(lines), ngx.sleep, 0, 0
    ngx.sleep = function() yields = yields + 1 end -- luacheck: ignore 122
    while event_loop_probe.work(take(stream)) do
        count = count + 1
    end
    ngx.sleep = sleep -- luacheck: ignore 122
    return yields, count
end

describe("stream of messages over HTTP/1.1", function()
    it("yields between messages although it never waits for bytes", function()
        local yields, count = count_yields(LINE, function(stream) return stream:recv() end)
        assert.equals(READS, count)
        assert.is_true(yields > READS / 10, yields .. " yields")
    end)

    it("yields between messages that it returns in advance", function()
        local yields, count = count_yields(LINE, function(stream) return stream:peek(5) and stream:recv() end)
        assert.equals(READS, count)
        assert.is_true(yields > READS / 10, yields .. " yields")
    end)

    it("yields between lines without a message", function()
        local yields, count = count_yields(("\n"):rep(10000), function(stream) return stream:recv() end)
        assert.equals(0, count)
        assert.is_true(yields > READS / 10, yields .. " yields")
    end)
end)
