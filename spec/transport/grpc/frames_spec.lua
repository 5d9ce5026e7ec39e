local frame_parser = require "resty.etcd.transport.grpc.frame_parser"
local frames = require "resty.etcd.transport.grpc.frames"
local hex = require "spec.support.hex"
local seeded_cases = require "spec.support.seeded_cases"

local PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, ENHANCE_YOUR_CALM = 1, 3, 6, 11
local DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
local ACK, END_STREAM, END_HEADERS, PADDED, PRIORITY_FLAG = 1, 1, 4, 8, 32

local function frame(frame_type, flags, stream_id, payload)
    local n = #payload
    return string.char(math.floor(n / 65536), math.floor(n / 256) % 256, n % 256, frame_type, flags, 0, 0,
        math.floor(stream_id / 256), stream_id % 256) .. payload
end

local FIRST = frame(SETTINGS, 0, 0, "")

-- Returns a handler that records its calls as texts. `answers` has the error that the call with a text returns.
local function recorder(answers)
    local events = {}
    local handler = { events = events }
    for _, name in ipairs { "headers", "rst_stream", "settings_ack", "ping", "ping_ack", "goaway", "window_update", "stream_error" } do
        handler["on_" .. name] = function(_, ...)
            local texts = { name }
            for i = 1, select("#", ...) do
                texts[i + 1] = tostring((select(i, ...)))
            end
            events[#events + 1] = table.concat(texts, " ")
            return answers and answers[events[#events]]
        end
    end
    function handler:on_data(stream_id, s, from, last, flow_size, is_end)
        events[#events + 1] = ("data %d %q %d %s"):format(stream_id, s:sub(from, last), flow_size, tostring(is_end))
    end
    function handler:on_settings(values)
        local texts = {}
        for setting, value in pairs(values) do
            texts[#texts + 1] = ("%d=%.0f"):format(setting, value)
        end
        table.sort(texts)
        events[#events + 1] = "settings " .. table.concat(texts, " ")
    end
    return handler
end

-- Returns the events that the parser finds in chunks, and the last error.
local function parse(chunks, answers)
    local handler = recorder(answers)
    local parser, err = frame_parser.new(handler), nil
    for _, chunk in ipairs(chunks) do
        err = frame_parser.feed(parser, chunk)
    end
    return handler.events, err
end

local CONVERSATION = frame(SETTINGS, 0, 0, hex "0005 0000 4000 0003 0000 0064 0004 7fff ffff 0002 0000 0000 1234 ffff ffff")
    .. frame(SETTINGS, ACK, 0, "") .. frame(WINDOW_UPDATE, 0, 0, hex "8000 0005") .. frame(HEADERS, END_HEADERS, 1, "block")
    .. frame(DATA, 0, 1, "hello") .. frame(DATA, PADDED, 1, "\3worldpad") .. frame(DATA, PADDED, 1, "\0x") .. frame(DATA, PADDED, 3, "\2pp")
    .. frame(HEADERS, 0, 3, "a") .. frame(CONTINUATION, 0, 3, "") .. frame(CONTINUATION, END_HEADERS, 3, "bc")
    .. frame(200, 255, 7, "unknown") .. frame(200, 0, 0, "") .. frame(PRIORITY, 0, 5, "12345") .. frame(PRIORITY, 0, 5, "1234")
    .. frame(HEADERS, END_HEADERS + END_STREAM + PADDED + PRIORITY_FLAG, 1, "\2PRIORtrailerspp") .. frame(PING, 0, 0, "12345678")
    .. frame(PING, ACK, 0, "abcdefgh") .. frame(RST_STREAM, 0, 5, hex "0000 0008") .. frame(WINDOW_UPDATE, 0, 5, hex "7fff ffff")
    .. frame(WINDOW_UPDATE, 0, 5, hex "8000 0000") .. frame(DATA, END_STREAM, 3, "") .. frame(GOAWAY, 0, 0, hex "ffff ffff 0000 000b" .. "too_many_pings")

local EVENTS = {
    "settings 2=0 3=100 4660=4294967295 4=2147483647 5=16384", "settings_ack", "window_update 0 5", "headers 1 block false",
    'data 1 "hello" 5 false', 'data 1 "world" 9 false', 'data 1 "x" 2 false', 'data 3 "" 3 false', "headers 3 abc false",
    "stream_error 5 6", "headers 1 trailers true", "ping 12345678", "ping_ack abcdefgh", "rst_stream 5 8", "window_update 5 2147483647",
    "stream_error 5 1", 'data 3 "" 0 true', "goaway 2147483647 11 too_many_pings",
}

describe("HTTP/2 frame parser", function()
    it("passes each frame to its handler", function()
        local events, err = parse { CONVERSATION }
        assert.is_nil(err)
        assert.same(EVENTS, events)
    end)

    it("finds the same frames when the bytes arrive one by one, or cut anywhere", function()
        local bytes = {}
        for i = 1, #CONVERSATION do
            bytes[i] = CONVERSATION:sub(i, i)
        end
        assert.same(EVENTS, (parse(bytes)))
        for i = 0, #CONVERSATION do
            assert.same(EVENTS, (parse { CONVERSATION:sub(1, i), CONVERSATION:sub(i + 1) }))
        end
    end)

    it("joins the parts of a large frame once", function()
        local handler = recorder()
        local parser = frame_parser.new(handler)
        local large = frame(DATA, 0, 1, ("v"):rep(16384))
        assert.is_nil(frame_parser.feed(parser, FIRST .. large:sub(1, 10)))
        for i = 11, #large - 1 do
            assert.is_nil(frame_parser.feed(parser, large:sub(i, i)))
        end
        assert.same(#large - 10, #parser.parts)
        assert.is_nil(frame_parser.feed(parser, large:sub(-1)))
        assert.same({ "settings ", ('data 1 "%s" 16384 false'):format(("v"):rep(16384)) }, handler.events)
        assert.same(0, parser.buffered)
    end)

    it("ends with the error code of the standard when a rule is broken", function()
        local long = ("v"):rep(16384)
        local cases = {
            { frame(DATA, 0, 0, "x"), PROTOCOL_ERROR }, { frame(HEADERS, END_HEADERS, 0, "x"), PROTOCOL_ERROR },
            { frame(RST_STREAM, 0, 0, "1234"), PROTOCOL_ERROR }, { frame(PRIORITY, 0, 0, "12345"), PROTOCOL_ERROR },
            { frame(CONTINUATION, END_HEADERS, 0, ""), PROTOCOL_ERROR }, { frame(SETTINGS, 0, 1, ""), PROTOCOL_ERROR },
            { frame(PING, 0, 1, "12345678"), PROTOCOL_ERROR }, { frame(GOAWAY, 0, 1, "12345678"), PROTOCOL_ERROR },
            { frame(DATA, 0, 2, "x"), PROTOCOL_ERROR }, { frame(HEADERS, END_HEADERS, 2, "x"), PROTOCOL_ERROR },
            { frame(WINDOW_UPDATE, 0, 4, "1234"), PROTOCOL_ERROR }, { frame(PUSH_PROMISE, END_HEADERS, 1, "1234x"), PROTOCOL_ERROR },
            { frame(DATA, PADDED, 1, ""), PROTOCOL_ERROR }, { frame(DATA, PADDED, 1, "\1"), PROTOCOL_ERROR },
            { frame(DATA, PADDED, 1, "\3xy"), PROTOCOL_ERROR }, { frame(HEADERS, END_HEADERS + PADDED, 1, "\1"), PROTOCOL_ERROR },
            { frame(HEADERS, END_HEADERS + PADDED, 1, ""), PROTOCOL_ERROR },
            { frame(HEADERS, END_HEADERS + PRIORITY_FLAG, 1, "1234"), FRAME_SIZE_ERROR },
            { frame(HEADERS, END_HEADERS + PRIORITY_FLAG + PADDED, 1, "\1" .. "12345"), FRAME_SIZE_ERROR },
            { frame(RST_STREAM, 0, 1, "123"), FRAME_SIZE_ERROR }, { frame(RST_STREAM, 0, 1, "12345"), FRAME_SIZE_ERROR },
            { frame(PING, 0, 0, "1234567"), FRAME_SIZE_ERROR }, { frame(PING, ACK, 0, ""), FRAME_SIZE_ERROR },
            { frame(GOAWAY, 0, 0, "1234567"), FRAME_SIZE_ERROR }, { frame(WINDOW_UPDATE, 0, 0, "123"), FRAME_SIZE_ERROR },
            { frame(WINDOW_UPDATE, 0, 1, "12345"), FRAME_SIZE_ERROR }, { frame(SETTINGS, 0, 0, "12345"), FRAME_SIZE_ERROR },
            { frame(SETTINGS, ACK, 0, "123456"), FRAME_SIZE_ERROR }, { frame(DATA, 0, 1, long .. "x"), FRAME_SIZE_ERROR },
            { frame(200, 0, 1, long .. "x"), FRAME_SIZE_ERROR }, { frame(WINDOW_UPDATE, 0, 0, hex "8000 0000"), PROTOCOL_ERROR },
            { frame(SETTINGS, 0, 0, hex "0002 0000 0001"), PROTOCOL_ERROR }, { frame(SETTINGS, 0, 0, hex "0004 8000 0000"), FLOW_CONTROL_ERROR },
            { frame(SETTINGS, 0, 0, hex "0005 0000 3fff"), PROTOCOL_ERROR }, { frame(SETTINGS, 0, 0, hex "0005 0100 0000"), PROTOCOL_ERROR },
            { frame(CONTINUATION, END_HEADERS, 1, "x"), PROTOCOL_ERROR },
            { frame(HEADERS, 0, 1, "x") .. frame(CONTINUATION, END_HEADERS, 3, "x"), PROTOCOL_ERROR },
            { frame(HEADERS, 0, 1, "x") .. frame(PING, 0, 0, "12345678"), PROTOCOL_ERROR },
            { frame(HEADERS, 0, 1, "x") .. frame(200, 0, 1, ""), PROTOCOL_ERROR },
            { frame(HEADERS, 0, 1, "x") .. frame(HEADERS, END_HEADERS, 1, "x"), PROTOCOL_ERROR },
            { frame(HEADERS, 0, 1, "x") .. frame(CONTINUATION, 0, 1, ""):rep(17), ENHANCE_YOUR_CALM },
            { frame(HEADERS, 0, 1, long) .. frame(CONTINUATION, 0, 1, long):rep(3) .. frame(CONTINUATION, END_HEADERS, 1, "x"), ENHANCE_YOUR_CALM },
        }
        for i, case in ipairs(cases) do
            local events, err = parse { FIRST .. case[1] .. frame(PING, 0, 0, "after it") }
            assert.same(case[2], err and err.code, "case " .. i)
            assert.is_string(err.text)
            assert.same({ "settings " }, events)
        end
    end)

    it("accepts header blocks up to the limits", function()
        local long = ("v"):rep(16384)
        local events, err = parse { FIRST .. frame(HEADERS, 0, 1, long) .. frame(CONTINUATION, 0, 1, long):rep(2) .. frame(CONTINUATION, END_HEADERS, 1, long)
            .. frame(HEADERS, 0, 1, "x") .. frame(CONTINUATION, 0, 1, ""):rep(15) .. frame(CONTINUATION, END_HEADERS, 1, "y") }
        assert.is_nil(err)
        assert.same({ "settings ", ("headers 1 %s false"):format(long:rep(4)), "headers 1 xy false" }, events)
    end)

    it("expects SETTINGS first, and recognizes an answer in HTTP/1", function()
        for _, first in ipairs { frame(PING, 0, 0, "12345678"), frame(SETTINGS, ACK, 0, ""), frame(200, 0, 0, ""), frame(HEADERS, END_HEADERS, 1, "x") } do
            local events, err = parse { first }
            assert.same({ {}, PROTOCOL_ERROR }, { events, err and err.code })
        end
        local _, err = parse { "HTTP/1.1 400 Bad Request\r\n\r\n" }
        assert.same({ code = PROTOCOL_ERROR, text = "the server answers in HTTP/1" }, err)
    end)

    it("returns its error at each later call, and passes on no further frame", function()
        local handler = recorder()
        local parser = frame_parser.new(handler)
        local err = frame_parser.feed(parser, FIRST .. frame(PING, 0, 0, "short"))
        assert.same(FRAME_SIZE_ERROR, err.code)
        assert.equal(err, frame_parser.feed(parser, frame(PING, 0, 0, "12345678")))
        assert.same({ "settings " }, handler.events)
    end)

    it("ends with the error that a handler returns", function()
        local refused = { code = PROTOCOL_ERROR, text = "refused" }
        local events, err = parse({ CONVERSATION }, { ["headers 3 abc false"] = refused })
        assert.equal(refused, err)
        assert.same("headers 3 abc false", events[#events])
    end)

    it("finds the same in damaged bytes, however they are cut", function()
        seeded_cases.run("frame mutations", 5000, function(random)
            local bytes = seeded_cases.damage(random, CONVERSATION)
            local chunks, rest = {}, bytes
            while rest ~= "" do
                local size = random(random(2) == 1 and 3 or 60)
                chunks[#chunks + 1] = rest:sub(1, size)
                rest = rest:sub(size + 1)
            end
            local expected, err = parse { bytes }
            local events, other = parse(chunks)
            assert.same(expected, events)
            assert.same(err, other)
        end)
    end)
end)

describe("HTTP/2 frames", function()
    -- Returns what the parser finds in frames that a client can send as well as a server.
    local function events_of(...)
        local events, err = parse { FIRST .. table.concat { ... } }
        assert.is_nil(err)
        table.remove(events, 1)
        return events
    end

    it("have the bytes of the standard", function()
        assert.same(hex "00000c 04 00 00000000 0001 00000000 0004 7fffffff", frames.settings { { 1, 0 }, { 4, 2 ^ 31 - 1 } })
        assert.same(hex "000000 04 01 00000000", frames.SETTINGS_ACK)
        assert.same(hex "000005 00 01 7fffffff" .. "hello", frames.data(2 ^ 31 - 1, "hello", true))
        assert.same(hex "000004 03 00 00000005 00000008", frames.rst_stream(5, 8))
        assert.same(hex "000008 06 01 00000000" .. "12345678", frames.ping("12345678", true))
        assert.same(hex "00000a 07 00 00000000 00000007 00000002" .. "ok", frames.goaway(7, 2, "ok"))
        assert.same(hex "000004 08 00 01020304 7ffffffe", frames.window_update(16909060, 2 ^ 31 - 2))
        assert.same("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frames.PREFACE)
    end)

    it("are what the parser finds", function()
        assert.same({ "headers 1 block true", 'data 3 "" 0 false', "ping 12345678", "goaway 5 11 x", "window_update 0 1" },
            events_of(frames.headers(1, "block", true), frames.data(3, "", false), frames.ping("12345678", false), frames.goaway(5, 11, "x"),
                frames.window_update(0, 1)))
    end)

    it("split long header blocks into CONTINUATION", function()
        for _, length in ipairs { 0, 16384, 16385, 32768, 40000 } do
            local block = ("b"):rep(length)
            for _, is_end in ipairs { true, false } do
                local bytes = frames.headers(1, block, is_end)
                assert.same({ ("headers 1 %s %s"):format(block, tostring(is_end)) }, events_of(bytes))
                assert.same(9 * math.max(1, math.ceil(length / 16384)) + length, #bytes)
            end
        end
    end)
end)
