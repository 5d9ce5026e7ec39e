local frames = require "resty.etcd.transport.grpc.frames"
local hex = require "spec.support.hex"
local hpack = require "resty.etcd.transport.grpc.hpack"
local seeded_cases = require "spec.support.seeded_cases"
local send_queue = require "resty.etcd.transport.grpc.send_queue"
local sessions = require "resty.etcd.transport.grpc.session"

local PROTOCOL_ERROR, FLOW_CONTROL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 1, 3, 7, 8, 11
local NAMES = { [0] = "DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION" }
local MAX_STREAMS, INITIAL_WINDOW = 3, 4
local STREAM_WINDOW, CONNECTION_WINDOW = 1024 * 1024, 16 * 1024 * 1024

local BLOCK = hpack.encode_request("/p", "h", "")
local STATUS = hex "88"
local TRAILERS = hpack.encode_field("grpc-status", "0", false)

-- Returns the frames of a session's output as texts: "DATA 1 end 5", without the bytes.
local function frames_of(bytes)
    local found = {}
    if bytes:sub(1, 24) == frames.PREFACE then
        found[1], bytes = "PREFACE", bytes:sub(25)
    end
    while bytes ~= "" do
        local a, b, c, frame_type, flags = bytes:byte(1, 5)
        local length, stream_id = a * 65536 + b * 256 + c, frames.read_uint32(bytes, 6)
        local payload = bytes:sub(10, 9 + length)
        assert(#payload == length)
        local name = NAMES[frame_type]
        local text = { name, tostring(stream_id) }
        if (name == "DATA" or name == "HEADERS") and flags % 2 == 1 then
            text[#text + 1] = "end"
        end
        if name == "DATA" then
            text[#text + 1] = tostring(length)
        elseif name == "RST_STREAM" or name == "WINDOW_UPDATE" then
            text[#text + 1] = tostring(frames.read_uint32(payload, 1))
        elseif name == "GOAWAY" then
            text[#text + 1] = tostring(frames.read_uint32(payload, 5))
        elseif name == "PING" then
            text[#text + 1] = (flags == 1 and "ack " or "") .. payload
        elseif name == "SETTINGS" and flags == 1 then
            text[#text + 1] = "ack"
        end
        found[#found + 1] = table.concat(text, " ")
        bytes = bytes:sub(10 + length)
    end
    return found
end

-- Returns a listener that records its calls, and checks that nothing follows the end.
local function listener()
    local found = { events = {}, closed = 0 }
    local function add(text)
        assert(found.closed == 0, "a call after the end")
        found.events[#found.events + 1] = text
    end
    function found.on_headers(_, headers, is_trailers)
        add((is_trailers and "trailers " or "headers ") .. tostring(headers[":status"] or headers["grpc-status"]))
    end
    function found.on_data(_, s, from, last)
        add("data " .. s:sub(from, last))
    end
    function found.on_close(_, ending)
        add(("%s %d %s"):format(ending.kind, ending.code, ending.is_unprocessed and "unprocessed" or "unknown"))
        found.closed = found.closed + 1
    end
    return found
end

describe("HTTP/2 session", function()
    local session

    local function output()
        return frames_of(send_queue.take_output(session))
    end

    local function open(body, is_end)
        local found = listener()
        local stream, err = sessions.open(session, BLOCK, found)
        if not stream then
            return nil, err
        end
        if body then
            assert.is_true(sessions.send(session, stream, body, is_end ~= false))
        end
        return stream, found.events, found
    end

    local function receive(...)
        local err = sessions.receive(session, table.concat { ... })
        return err and err.code
    end

    local function respond(stream_id)
        return frames.headers(stream_id, STATUS, false) .. frames.data(stream_id, "answer", false) .. frames.headers(stream_id, TRAILERS, true)
    end

    local function settings(...)
        return frames.settings { ... }
    end

    local function is_idle()
        return session.active == 0 and session.waiting_count == 0 and session.queued_bytes == 0 and next(session.streams) == nil
    end

    -- A session whose first output has been taken, after the server's first settings.
    local function start(...)
        session = sessions.new()
        output()
        assert.is_nil(receive(settings(...)))
        assert.same({ "SETTINGS 0 ack" }, output())
    end

    it("sends its settings immediately, and requests after those of the server", function()
        session = sessions.new()
        open("hello")
        assert.is_true(send_queue.has_output(session))
        assert.same({ "PREFACE", "SETTINGS 0", "WINDOW_UPDATE 0 16711681" }, output())
        assert.is_false(send_queue.has_output(session))
        assert.is_nil(receive(settings(), frames.SETTINGS_ACK))
        assert.is_true(session.is_ready)
        assert.is_true(send_queue.has_output(session))
        assert.same({ "SETTINGS 0 ack", "HEADERS 1", "DATA 1 end 5" }, output())
        assert.is_false(send_queue.has_output(session))
    end)

    it("resets a stream whose data its listener rejects", function()
        start()
        local _, events, found = open("a")
        output()
        found.on_data = function() return "malformed reply: no" end
        assert.is_nil(receive(frames.headers(1, STATUS, false), frames.data(1, "x", true)))
        assert.same({ "headers 200", "malformed 8 unknown" }, events)
        assert.same({ "RST_STREAM 1 8" }, output())
    end)

    it("uses the object of a stream again, unless something still refers to it", function()
        start()
        local first, events, found = open("a")
        assert.is_nil(sessions.recycle(first))
        output()
        assert.is_nil(receive(respond(1)))
        local kept = assert(sessions.recycle(first))
        local second = assert(sessions.open(session, BLOCK, found, kept))
        assert.equal(first, second)
        found.closed = 0
        assert.is_true(sessions.send(session, second, "again", true))
        assert.same({ "HEADERS 3", "DATA 3 end 5" }, output())
        assert.is_nil(receive(respond(3)))
        assert.same("complete 0 unknown", events[#events])
        assert.is_true(is_idle())

        local large = open(("v"):rep(100000)) -- waits for its window
        output()
        sessions.cancel(session, large)
        assert.is_nil(sessions.recycle(large))
        start({ MAX_STREAMS, 0 })
        local waiting = open("a")
        sessions.cancel(session, waiting)
        assert.is_nil(sessions.recycle(waiting))
    end)

    it("cancels streams that are obsolete, whether they wait or not", function()
        start({ MAX_STREAMS, 2 })
        local all = {}
        for i = 1, 6 do
            local _, _, found = open("a")
            all[i] = found
            found.is_obsolete = function(_, time, is_exiting, is_moving)
                assert.same({ 7, true, false }, { time, is_exiting, is_moving })
                return i % 2 == 0
            end
        end
        output()
        sessions.cancel_obsolete(session, 7, true, false)
        for i = 1, 6 do
            assert.same(i % 2 == 0 and 1 or 0, all[i].closed)
        end
        assert.same({ "RST_STREAM 3 8", "HEADERS 5", "DATA 5 end 1" }, output())
    end)

    it("passes a response to the listener, and forgets the stream", function()
        start()
        local _, events = open("a")
        local _, others = open("", true)
        assert.same({ "HEADERS 1", "HEADERS 3 end", "DATA 1 end 1" }, output())
        assert.is_nil(receive(respond(3), respond(1)))
        assert.same({ "headers 200", "data answer", "trailers 0", "complete 0 unknown" }, events)
        assert.same(events, others)
        assert.is_true(is_idle())
        assert.same({}, output())
    end)

    it("accepts interim responses, trailers only, and a response that ends without trailers", function()
        start()
        local _, first = open("a")
        local _, second = open("a")
        output()
        assert.is_nil(receive(frames.headers(1, hpack.encode_field(":status", "103", false), false), frames.headers(1, STATUS, true)))
        assert.same({ "headers 200", "complete 0 unknown" }, first)
        assert.is_nil(receive(frames.headers(3, hpack.encode_field(":status", "502", false), false), frames.data(3, "<html>", true)))
        assert.same({ "headers 502", "data <html>", "complete 0 unknown" }, second)
    end)

    it("ends the request when the response is complete before it", function()
        start()
        local stream, events = open("part", false)
        output()
        assert.is_nil(receive(respond(1)))
        assert.same({ "headers 200", "data answer", "trailers 0", "complete 0 unknown" }, events)
        assert.is_true(sessions.send(session, stream, "more", true))
        assert.same({ "RST_STREAM 1 0" }, output())
        assert.is_true(is_idle())
    end)

    it("resets a stream whose response is malformed, and no other one", function()
        for _, bytes in ipairs {
            frames.data(1, "x", false), frames.headers(1, TRAILERS, true), frames.headers(1, STATUS, false):rep(2),
            frames.headers(1, STATUS, false) .. frames.headers(1, TRAILERS, false), frames.headers(1, hpack.encode_field("X", "y", false), false),
            frames.headers(1, hpack.encode_field(":status", "100", false), true), hex "000004 08 00 00000001 00000000",
            hex "000003 02 00 00000001 000000",
        } do
            start()
            local _, events = open("a")
            local _, others = open("a")
            output()
            assert.is_nil(receive(bytes, respond(3)))
            assert.truthy(events[#events]:find("^malformed %d unknown$"))
            assert.same("complete 0 unknown", others[#others])
            assert.truthy(output()[1]:find("^RST_STREAM 1 "))
        end
    end)

    it("sends as much of a body as the windows allow", function()
        start({ INITIAL_WINDOW, 20000 })
        open(("v"):rep(100000))
        assert.same({ "HEADERS 1", "DATA 1 16384", "DATA 1 3616" }, output())
        assert.is_nil(receive(frames.window_update(1, 50000)))
        assert.same({ "DATA 1 16384", "DATA 1 16384", "DATA 1 12767" }, output()) -- the connection's window: 65535
        assert.is_nil(receive(frames.window_update(0, 100000)))
        assert.same({ "DATA 1 4465" }, output())
        assert.is_nil(receive(settings { INITIAL_WINDOW, 10000 })) -- 10000 - 70000
        assert.is_nil(receive(frames.window_update(1, 10000)))
        assert.same({ "SETTINGS 0 ack" }, output())
        assert.is_nil(receive(settings { INITIAL_WINDOW, 20001 }))
        assert.same({ "SETTINGS 0 ack", "DATA 1 10001" }, output())
        assert.is_nil(receive(frames.window_update(1, 100000)))
        assert.same({ "DATA 1 16384", "DATA 1 end 3615" }, output())
        assert.same(0, session.queued_bytes)
    end)

    it("sends the end of a stream, which needs no window", function()
        start({ INITIAL_WINDOW, 4 })
        local stream = open("four", false)
        assert.same({ "HEADERS 1", "DATA 1 4" }, output())
        sessions.send(session, stream, "", true)
        assert.same({ "DATA 1 end 0" }, output())
    end)

    it("sends small bodies before large ones, which go on in turn", function()
        start({ INITIAL_WINDOW, 2 ^ 30 })
        for _ = 1, 2 do
            open(("v"):rep(60000))
        end
        assert.same({ "HEADERS 1", "HEADERS 3", "DATA 1 16384", "DATA 3 16384", "DATA 1 16384", "DATA 3 16383" }, output())
        for _ = 1, 6 do
            open("small")
        end
        assert.same({ "HEADERS 5", "HEADERS 7", "HEADERS 9", "HEADERS 11", "HEADERS 13", "HEADERS 15" }, output())
        assert.is_nil(receive(frames.window_update(0, 1000000)))
        assert.same({ "DATA 5 end 5", "DATA 7 end 5", "DATA 9 end 5", "DATA 11 end 5", "DATA 1 16384", "DATA 13 end 5", "DATA 15 end 5",
            "DATA 1 end 10848", "DATA 3 16384", "DATA 3 end 10849" }, output())
    end)

    it("grants the connection's window on arrival and a stream's on consumption", function()
        start()
        local stream, _, found = open("a")
        output()
        found.on_data = function() end
        local data = frames.data(1, ("v"):rep(16384), false)
        assert.is_nil(receive(frames.headers(1, STATUS, false), data:rep(64)))
        assert.same({}, output())
        sessions.consume(session, stream, STREAM_WINDOW / 2)
        assert.same({}, output())
        sessions.consume(session, stream, 1000)
        assert.same({ "WINDOW_UPDATE 1 525288" }, output())
        assert.is_nil(receive(data:rep(32)))
        assert.same(0, found.closed)
        assert.is_nil(receive(data))
        assert.same(1, found.closed)
        assert.same({ "malformed 3 unknown" }, { found.events[#found.events] })
        assert.same({ "RST_STREAM 1 3" }, output())
        -- data of the stream that is closed count for the connection
        assert.is_nil(receive(data:rep(416)))
        assert.same({ "WINDOW_UPDATE 0 8404992" }, output())
        assert.same(CONNECTION_WINDOW, session.receive_window)
    end)

    it("counts padding as consumed", function()
        start()
        local stream = open("a")
        output()
        assert.is_nil(receive(frames.headers(1, STATUS, false), hex "000005 00 08 00000001 03" .. "xpad"))
        assert.same(4, stream.consumed)
        assert.same(STREAM_WINDOW - 5, stream.receive_window)
    end)

    it("lets streams wait for the server's limit, and opens them in their order", function()
        start({ MAX_STREAMS, 2 })
        open("1")
        open("2")
        local _, third = open("3")
        local canceled, fourth = open("4")
        open("5")
        assert.same({ "HEADERS 1", "HEADERS 3", "DATA 1 end 1", "DATA 3 end 1" }, output())
        sessions.cancel(session, canceled)
        assert.same({ "canceled 8 unprocessed" }, fourth)
        assert.is_nil(receive(respond(1)))
        assert.same({ "HEADERS 5", "DATA 5 end 1" }, output())
        assert.is_nil(receive(settings { MAX_STREAMS, 3 }))
        assert.same({ "SETTINGS 0 ack", "HEADERS 7", "DATA 7 end 1" }, output())
        assert.is_nil(receive(respond(3), respond(5), respond(7)))
        assert.same("complete 0 unknown", third[#third])
        assert.is_true(is_idle())
    end)

    it("forgets canceled streams that wait, although the server opens none", function()
        start({ MAX_STREAMS, 0 })
        for _ = 1, 1000 do
            sessions.cancel(session, (open("x")))
        end
        assert.truthy(session.waiting.last - session.waiting.first < 200)
        assert.same({}, output())
        assert.is_true(is_idle())
    end)

    it("forgets canceled streams whose body waits for the connection's window", function()
        start()
        open(("v"):rep(65535))
        output()
        open("y")
        for _ = 1, 1000 do
            local stream = open("x")
            output()
            sessions.cancel(session, stream)
        end
        assert.truthy(session.small.last - session.small.first < 200)
        assert.same(1, session.queued_bytes)
    end)

    it("rejects what would wait beyond the limits", function()
        start({ MAX_STREAMS, 0 })
        local stream = open(("v"):rep(32 * 1024 * 1024 - 1000))
        assert.is_false(sessions.send(session, stream, ("v"):rep(1000), true))
        assert.is_table((open()))
        sessions.cancel(session, stream)
        for _ = 2, 8192 do
            assert.is_table((open()))
        end
        assert.same({ nil, "full" }, { open() })
    end)

    it("ends the streams that the server does not process after GOAWAY, and continues the others", function()
        start({ MAX_STREAMS, 2 })
        local _, first = open("1")
        local _, second = open("2")
        local _, waiting = open("3")
        output()
        assert.is_nil(receive(frames.goaway(2 ^ 31 - 1, 0, "")))
        assert.same({ "lost 0 unprocessed" }, waiting)
        assert.same({ nil, "draining" }, { open() })
        assert.is_nil(receive(frames.goaway(1, ENHANCE_YOUR_CALM, "too_many_pings")))
        assert.same(ENHANCE_YOUR_CALM, session.goaway_code)
        assert.same({ "lost 11 unprocessed" }, second)
        assert.is_nil(receive(respond(1)))
        assert.same("complete 0 unknown", first[#first])
        assert.is_true(is_idle())
    end)

    it("tells a stream that the server refused from one that it reset", function()
        start()
        local _, first = open("1")
        local _, second = open("2")
        output()
        assert.is_nil(receive(frames.rst_stream(1, REFUSED_STREAM), frames.rst_stream(3, CANCEL), frames.rst_stream(3, CANCEL), respond(1)))
        assert.same({ "reset 7 unprocessed" }, first)
        assert.same({ "reset 8 unknown" }, second)
    end)

    it("cancels a stream, and ignores what was on its way", function()
        start()
        local stream, events = open(("v"):rep(100000))
        output()
        sessions.cancel(session, stream)
        sessions.cancel(session, stream)
        assert.same({ "canceled 8 unknown" }, events)
        assert.same({ "RST_STREAM 1 8" }, output())
        assert.is_nil(receive(respond(1), frames.window_update(1, 5), frames.rst_stream(1, 0)))
        assert.is_true(is_idle())
    end)

    it("follows the header blocks of streams that are closed", function()
        start()
        sessions.cancel(session, (open("a")))
        local stream = open("a")
        output()
        sessions.cancel(session, stream)
        local _, events = open("b")
        output()
        local indexed = hex "40 0b" .. "grpc-status" .. hex "01" .. "7"
        assert.is_nil(receive(frames.headers(1, STATUS .. indexed, false), frames.headers(3, hex "88 be", true)))
        assert.same({ "headers 200", "complete 0 unknown" }, events)
    end)

    it("ends with an error for frames on idle streams and windows that are too large", function()
        for code, cases in pairs {
            [PROTOCOL_ERROR] = { respond(3), frames.data(3, "", false), frames.rst_stream(3, 0), frames.window_update(3, 1), hex "000000 02 00 00000003" },
            [FLOW_CONTROL_ERROR] = { frames.window_update(0, 2 ^ 31 - 1), frames.window_update(1, 5) .. settings { INITIAL_WINDOW, 2 ^ 31 - 1 } },
        } do
            for _, bytes in ipairs(cases) do
                start()
                local _, events = open("a")
                output()
                assert.same(code, receive(bytes))
                assert.same({ "GOAWAY 0 " .. code }, output())
                sessions.fail(session)
                assert.same({ "lost 0 unknown" }, events)
            end
        end
        start()
        local _, events = open("a")
        output()
        assert.is_nil(receive(frames.window_update(1, 2 ^ 31 - 1)))
        assert.same({ "reset 3 unknown" }, events)
    end)

    it("answers PING, and counts the answers to its own", function()
        start()
        assert.is_nil(receive(frames.ping("12345678", false)))
        sessions.ping(session)
        assert.same({ "PING 0 ack 12345678", "PING 0 etcd-lua" }, output())
        assert.same(1, session.pings)
        assert.is_nil(receive(frames.ping("etcd-lua", true)))
        assert.same(0, session.pings)
    end)

    it("ends the connection of a server that floods it with frames that need an answer", function()
        for _, frame in ipairs { frames.ping("12345678", false), settings() } do
            start()
            local code
            for _ = 1, 1000 do
                code = code or receive(frame:rep(1000))
            end
            assert.same(ENHANCE_YOUR_CALM, code)
            assert.truthy(session.out_size < 5 * 1024 * 1024)
        end
    end)

    it("says which requests cannot have been processed when the connection ends", function()
        start({ MAX_STREAMS, 1 })
        local _, sent = open("a")
        local _, waiting = open("b")
        output()
        sessions.fail(session)
        assert.same({ "lost 0 unknown" }, sent)
        assert.same({ "lost 0 unprocessed" }, waiting)
        assert.is_true(is_idle())
        assert.same({ nil, "draining" }, { open() })
    end)

    it("accepts no further stream before the stream IDs end", function()
        start()
        session.next_id = 2 ^ 30 - 1
        open("a")
        assert.same({ "HEADERS 1073741823", "DATA 1073741823 end 1" }, output())
        assert.same({ nil, "draining" }, { open("b") })
        assert.is_nil(receive(respond(2 ^ 30 - 1)))
    end)

    it("closes each stream once, whatever the server sends", function()
        seeded_cases.run("HTTP/2 sessions", 3000, function(random)
            session = sessions.new()
            local all = {}
            assert(not receive(settings({ MAX_STREAMS, random(6) - 1 }, { INITIAL_WINDOW, random(30000) })))
            for _ = 1, 12 do
                local kind = random(4)
                if kind == 1 then
                    local found = listener()
                    local stream = sessions.open(session, BLOCK, found)
                    if stream then
                        all[#all + 1] = { stream, found }
                        assert(sessions.send(session, stream, ("v"):rep(random(random(2) == 1 and 10 or 50000)), random(3) > 1))
                    end
                elseif kind == 2 and #all > 0 then
                    sessions.cancel(session, all[random(#all)][1])
                end
                frames_of(send_queue.take_output(session))
                local stream_id = random(8) * 2 - 1
                local answers = { respond(stream_id), frames.headers(stream_id, STATUS, random(2) == 1), frames.data(stream_id, "x", random(2) == 1),
                    frames.window_update(random(2) == 1 and stream_id or 0, random(100000)), frames.rst_stream(stream_id, random(12) - 1),
                    settings { random(6), random(70000) - 1 }, frames.ping("12345678", random(2) == 1), frames.goaway(stream_id, 0, "") }
                local bytes = answers[random(#answers - (random(5) == 1 and 0 or 1))]
                if sessions.receive(session, random(6) == 1 and seeded_cases.damage(random, bytes) or bytes) then
                    break
                end
            end
            local queued = 0
            for _, pair in ipairs(all) do
                if not pair[1].is_closed then
                    queued = queued + #pair[1].pending - pair[1].pending_at + 1 + (pair[1].id == 0 and #BLOCK or 0)
                end
            end
            assert(queued == session.queued_bytes, "queued bytes")
            frames_of(send_queue.take_output(session))
            sessions.fail(session)
            for _, pair in ipairs(all) do
                assert(pair[2].closed == 1, "a stream that did not end once")
            end
            assert(is_idle(), "streams are left")
        end)
    end)
end)
