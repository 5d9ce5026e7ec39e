local grpc_message = require "resty.etcd.transport.grpc.grpc_message"
local hex = require "spec.support.hex"
local seeded_cases = require "spec.support.seeded_cases"

-- Returns a reader and the messages that it finds.
local function new_reader(problem)
    local found = {}
    return grpc_message.new {
        on_message = function(_, s, from, last)
            found[#found + 1] = s:sub(from, last)
            return problem
        end,
    }, found
end

describe("messages of gRPC in data", function()
    it("have a prefix with their length", function()
        assert.same(hex "00 00000005" .. "hello", grpc_message.encode("hello"))
        assert.same(hex "00 00000000", grpc_message.encode(""))
        assert.same(hex "00 00010203", grpc_message.encode(("v"):rep(0x10203)):sub(1, 5))
    end)

    it("are found wherever the data are cut", function()
        local data = grpc_message.encode("first") .. grpc_message.encode("") .. grpc_message.encode(("x"):rep(300))
        for cut = 0, #data do
            for second = cut, #data, 7 do
                local reader, found = new_reader()
                -- as frames in a chunk: between other bytes
                local s = "##" .. data .. "##"
                assert.is_nil(grpc_message.feed(reader, s, 3, 2 + cut))
                assert.is_nil(grpc_message.feed(reader, s, 3 + cut, 2 + second))
                assert.is_nil(grpc_message.feed(reader, s, 3 + second, 2 + #data))
                assert.same({ "first", "", ("x"):rep(300) }, found)
                assert.is_false(grpc_message.is_incomplete(reader))
            end
        end
    end)

    it("are passed on as soon as they are complete", function()
        local reader, found = new_reader()
        local data = grpc_message.encode("one") .. hex "00 000000"
        assert.is_nil(grpc_message.feed(reader, data, 1, #data))
        assert.same({ "one" }, found)
        assert.is_true(grpc_message.is_incomplete(reader))
        grpc_message.reset(reader)
        assert.is_false(grpc_message.is_incomplete(reader))
        data = grpc_message.encode("two")
        assert.is_nil(grpc_message.feed(reader, data, 1, #data))
        assert.same({ "one", "two" }, found)
    end)

    it("are copied once, although each frame has a single byte", function()
        local reader, found = new_reader()
        local data = grpc_message.encode(("v"):rep(200000))
        for i = 1, #data do
            grpc_message.feed(reader, data, i, i)
        end
        assert.same(200000, #found[1])
    end)

    it("are rejected if they are compressed or too large, before they are buffered", function()
        for prefix, text in pairs {
            ["01 00000001"] = "compressed message, although no compression was accepted",
            ["80 00000001"] = "compressed message, although no compression was accepted",
            ["00 20000001"] = "message of 536870913 bytes, more than 536870912",
            ["00 ffffffff"] = "message of 4294967295 bytes, more than 536870912",
        } do
            local reader, found = new_reader()
            local data = hex(prefix)
            assert.is_nil(grpc_message.feed(reader, data, 1, 4))
            assert.same("malformed reply: " .. text, grpc_message.feed(reader, data, 5, 5))
            assert.same({}, found)
        end
    end)

    it("end with the first that the sink rejects", function()
        local reader, found = new_reader "malformed"
        local data = grpc_message.encode("a"):rep(2)
        assert.same("malformed", grpc_message.feed(reader, data, 1, #data))
        assert.same({ "a" }, found)
    end)

    it("are the same in any cuts", function()
        seeded_cases.run("gRPC messages", 2000, function(random)
            local messages, data = {}, {}
            for i = 1, random(6) do
                messages[i] = ("m"):rep(random(2) == 1 and random(4) - 1 or random(3000))
                data[i] = grpc_message.encode(messages[i])
            end
            data = table.concat(data)
            local reader, found = new_reader()
            local at = 1
            while at <= #data do
                local last = math.min(#data, at + (random(2) == 1 and random(6) or random(2000)) - 1)
                assert(not grpc_message.feed(reader, data, at, last))
                at = last + 1
            end
            assert(table.concat(found, "|") == table.concat(messages, "|") and #found == #messages, "other messages")
        end)
    end)
end)
