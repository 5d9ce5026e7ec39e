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

-- Returns the greatest amount of work between two runs of the event loop, if each message means some, and the messages.
local function most_work(take)
    local stream, count = stream_of(LINE), 0
    local most = event_loop_probe.most(function()
        while event_loop_probe.work(take(stream)) do
            count = count + 1
        end
    end)
    return most, count
end

describe("stream of messages over HTTP/1.1", function()
    it("yields between messages although it never waits for bytes", function()
        local most, count = most_work(function(stream) return stream:recv() end)
        assert.equals(READS, count)
        assert.is_true(most <= event_loop_probe.FEW, most .. " messages without a yield")
    end)

    it("yields between messages that it returns in advance", function()
        local most, count = most_work(function(stream) return stream:peek(5) and stream:recv() end)
        assert.equals(READS, count)
        assert.is_true(most <= event_loop_probe.FEW, most .. " messages without a yield")
    end)

    it("yields between lines without a message", function()
        local stream = stream_of(("\n"):rep(10000))
        local sleep, yields = ngx.sleep, 0
        ngx.sleep = function() yields = yields + 1 end -- luacheck: ignore 122
        local message, err = stream:recv()
        ngx.sleep = sleep -- luacheck: ignore 122
        assert.is_nil(message)
        assert.equals("closed", err.name)
        assert.is_true(yields > READS / 10, yields .. " yields")
    end)
end)
