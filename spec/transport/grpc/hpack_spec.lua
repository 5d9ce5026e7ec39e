local hex = require "spec.support.hex"
local hpack = require "resty.etcd.transport.grpc.hpack"
local hpack_table = require "resty.etcd.transport.grpc.hpack_table"
local huffman = require "resty.etcd.transport.grpc.huffman"
local seeded_cases = require "spec.support.seeded_cases"

local COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 9, 11

-- Returns a string without Huffman code.
local function text(value)
    assert(#value < 127)
    return string.char(#value) .. value
end

-- Returns a field that is not indexed, with its name.
local function literal(name, value)
    return "\0" .. text(name) .. text(value)
end

local function fields_of(decoder)
    local found = {}
    for index = 62, 80 do
        local field = hpack_table.get(decoder.dynamic, index)
        found[#found + 1] = field and field.name .. ": " .. field.value
    end
    return found
end

local function decode(decoder, block)
    local decoded, err = hpack.decode(decoder, block)
    assert(decoded, err and err.text)
    return decoded.headers, decoded.is_malformed
end

-- Decodes a block in a new decoder, which must fail. Returns the code and the text.
local function failure(block)
    local decoded, err = hpack.decode(hpack.new(), block)
    assert.is_nil(decoded)
    return err.code, err.text
end

describe("HPACK decoder", function()
    -- RFC 7541, appendix C; fields of requests are invalid in responses, so only the dynamic table is compared
    it("decodes the examples of requests, without and with Huffman code (C.3, C.4)", function()
        local examples = {
            { "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", "8286 84be 5808 6e6f 2d63 6163 6865",
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65" },
            { "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", "8286 84be 5886 a8eb 1064 9cbf",
                "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf" },
        }
        for _, blocks in ipairs(examples) do
            local decoder = hpack.new()
            decode(decoder, hex(blocks[1]))
            assert.same({ ":authority: www.example.com" }, fields_of(decoder))
            assert.same(57, decoder.dynamic.size)
            local headers, is_malformed = decode(decoder, hex(blocks[2]))
            assert.same({ "cache-control: no-cache", ":authority: www.example.com" }, fields_of(decoder))
            assert.same(110, decoder.dynamic.size)
            assert.same({ ["cache-control"] = "no-cache" }, headers)
            assert.is_true(is_malformed)
            headers = decode(decoder, hex(blocks[3]))
            assert.same({ "custom-key: custom-value", "cache-control: no-cache", ":authority: www.example.com" }, fields_of(decoder))
            assert.same(164, decoder.dynamic.size)
            assert.same("custom-value", headers["custom-key"])
        end
    end)

    it("decodes the examples of responses, without and with Huffman code, and evicts fields (C.5, C.6)", function()
        local examples = {
            { "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
                "4803 3330 37c1 c0bf",
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31" },
            { "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                "4883 640e ffc1 c0bf",
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07" },
        }
        for _, blocks in ipairs(examples) do
            local decoder = hpack.new()
            decode(decoder, hex "3f e1 01") -- the size of the table in these examples: 256
            local headers, is_malformed = decode(decoder, hex(blocks[1]))
            assert.same({ [":status"] = "302", ["cache-control"] = "private", date = "Mon, 21 Oct 2013 20:13:21 GMT",
                location = "https://www.example.com" }, headers)
            assert.is_false(is_malformed)
            assert.same(222, decoder.dynamic.size)
            headers = decode(decoder, hex(blocks[2]))
            assert.same("307", headers[":status"])
            assert.same({ ":status: 307", "location: https://www.example.com", "date: Mon, 21 Oct 2013 20:13:21 GMT", "cache-control: private" },
                fields_of(decoder))
            headers = decode(decoder, hex(blocks[3]))
            assert.same({ [":status"] = "200", ["cache-control"] = "private", date = "Mon, 21 Oct 2013 20:13:22 GMT", location = "https://www.example.com",
                ["content-encoding"] = "gzip", ["set-cookie"] = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1" }, headers)
            assert.same({ "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1", "content-encoding: gzip",
                "date: Mon, 21 Oct 2013 20:13:22 GMT" }, fields_of(decoder))
            assert.same(215, decoder.dynamic.size)
        end
    end)

    it("decodes the examples of literals (C.2)", function()
        local decoder = hpack.new()
        assert.same({ ["custom-key"] = "custom-header" }, (decode(decoder, hex "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572")))
        assert.same({ "custom-key: custom-header" }, fields_of(decoder))
        assert.same({ password = "secret" }, (decode(decoder, hex "1008 7061 7373 776f 7264 0673 6563 7265 74")))
        assert.same({ "custom-key: custom-header" }, fields_of(decoder))
    end)

    it("decodes integers of several bytes (C.1)", function()
        local value = ("v"):rep(1337 + 96)
        assert.same({ x = value }, (decode(hpack.new(), "\0\1x" .. hex "7f 9a 0a" .. value)))
    end)

    it("joins the values of a repeated field", function()
        assert.same({ x = "a, b, " }, (decode(hpack.new(), literal("x", "a") .. literal("x", "b") .. literal("x", ""))))
    end)

    it("reports fields that a response must not contain as malformed, not as an error", function()
        for _, block in ipairs {
            literal("X", "a"), literal("", "a"), literal("a b", "a"), literal("a:b", "a"), literal("a\0", "a"), literal("\195\188", "a"),
            literal("x", "a\r\nb"), literal("x", "a\0"), literal("x", "\n"), literal("connection", "close"), literal("upgrade", "h2c"),
            literal("transfer-encoding", "chunked"), literal(":path", "/"), literal(":unknown", "x"), hex "82", hex "88 88",
            literal("x", "a") .. hex "88", literal(":status", "2000"), literal(":status", "ok"), literal(":status", ""),
        } do
            local _, is_malformed = decode(hpack.new(), block)
            assert.is_true(is_malformed, ngx.encode_base64(block))
        end
        local headers, is_malformed = decode(hpack.new(), hex "88" .. literal("grpc-status", "0") .. literal("x-~!#$%&'*+.^_`|9", " \tv\255 "))
        assert.is_false(is_malformed)
        assert.same({ [":status"] = "200", ["grpc-status"] = "0", ["x-~!#$%&'*+.^_`|9"] = " \tv\255 " }, headers)
    end)

    it("continues with the next field after a malformed one, as the state must follow", function()
        local decoder = hpack.new()
        local headers = decode(decoder, literal("X", "a") .. hex "40" .. text "y" .. text "b")
        assert.same({ y = "b" }, headers)
        assert.same({ "y: b" }, fields_of(decoder))
    end)

    it("rejects malformed blocks", function()
        for _, digits in ipairs {
            "80", "be", "ff 00", "ff ff ff ff ff ff ff ff 7f", "ff 80 80 80 80 80 80 00", "ff", "ff 80", -- indexes
            "00", "00 01", "00 01 78", "00 01 78 02 61", "00 05 78", "00 7f", "00 01 78 7f ff ff ff ff 07", "7e", "0f 2f 01 61", -- literals
            "00 01 78 81 00", "00 01 78 84 ff ff ff ff", "00 01 78 82 1f ff", "00 01 78 81 fe", "00 82 ff ff 01 61", -- Huffman codes
            "3f e2 1f", "88 20", "3f ff ff ff ff 7f", "3f", -- capacities: above 4096, behind a field, malformed
        } do
            local code = failure(hex(digits))
            assert.same(COMPRESSION_ERROR, code, digits)
        end
    end)

    it("limits the capacity of the dynamic table to the setting that the peer has acknowledged", function()
        local decoder = hpack.new()
        decode(decoder, hex "3f e1 1f" .. hex "40" .. text "y" .. text "b")
        hpack.limit_capacity(decoder, 0)
        decode(decoder, hex "20 88")
        assert.same({}, fields_of(decoder))
        local decoded, err = hpack.decode(decoder, hex "21")
        assert.is_nil(decoded)
        assert.same(COMPRESSION_ERROR, err.code)
    end)

    it("does not add a field that is larger than the table, and empties the table", function()
        local decoder = hpack.new()
        decode(decoder, hex "3f 21" .. hex "40" .. text "y" .. text "b") -- 64
        assert.same(34, decoder.dynamic.size)
        decode(decoder, hex "40" .. text "long" .. text(("v"):rep(30)))
        assert.same({}, fields_of(decoder))
        assert.same(0, decoder.dynamic.size)
        assert.is_nil(next(decoder.dynamic.fields))
    end)

    it("uses the name of a field that is evicted by the field that refers to it (section 4.4)", function()
        local decoder = hpack.new()
        decode(decoder, hex "3f 21" .. hex "40" .. text "name" .. text "b")
        assert.same({ name = ("v"):rep(20) }, (decode(decoder, hex "7e" .. text(("v"):rep(20)))))
        assert.same({ "name: " .. ("v"):rep(20) }, fields_of(decoder))
    end)

    it("rejects a small block that expands beyond the limit", function()
        local decoder = hpack.new()
        local value = ("v"):rep(3000)
        decode(decoder, hex "40" .. text "y" .. hex "7f b9 16" .. value)
        assert.same({ "y: " .. value }, fields_of(decoder))
        local decoded, err = hpack.decode(decoder, ("\190"):rep(30))
        assert.is_nil(decoded)
        assert.same({ code = ENHANCE_YOUR_CALM, text = "header list too large" }, err)
    end)

    it("keeps decoded blocks while the dynamic table has no capacity, up to a limit", function()
        local decoder = hpack.new()
        local block = hex "20 88"
        local first = hpack.decode(decoder, block)
        assert.is_nil(next(decoder.kept)) -- it changed the state
        local second = hpack.decode(decoder, block)
        assert.not_equal(first, second)
        assert.equal(second, (hpack.decode(decoder, block)))
        for i = 1, 1000 do
            assert.same({ ["grpc-message"] = tostring(i) }, (decode(decoder, literal("grpc-message", tostring(i)))))
        end
        local count = 0
        for _ in pairs(decoder.kept) do
            count = count + 1
        end
        assert.truthy(count <= 64 and count == decoder.kept_count)
        local long = hex "00" .. text "x" .. hex "7f 81 10" .. ("v"):rep(2176)
        assert.equal(2176, #decode(decoder, long).x)
        assert.is_nil(decoder.kept[long])
    end)

    it("returns a value for damaged blocks, and an error for truncated strings", function()
        local blocks = {
            hex "88" .. hex "5f" .. text "application/grpc" .. hex "40" .. text "grpc-status" .. text "0" .. hex "40" .. text "grpc-message" .. text "",
            hex "3f e1 01 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff",
            hex "20 88 00 8b 9a ca c8 b2 12 34 da 8f 01 30 30" .. literal("x", "y"), hex "be bf c0 c1", hex "7e 01 61 7e 01 62",
        }
        seeded_cases.run("HPACK mutations", 3000, function(random)
            local decoder = hpack.new()
            for _ = 1, 4 do
                local decoded, err = hpack.decode(decoder, seeded_cases.damage(random, blocks[random(#blocks)]))
                if decoded then
                    assert.is_boolean(decoded.is_malformed)
                    for name, value in pairs(decoded.headers) do
                        assert(type(name) == "string" and type(value) == "string")
                    end
                else
                    assert(err.code == COMPRESSION_ERROR or err.code == ENHANCE_YOUR_CALM)
                end
                local size = 0
                for _, field in pairs(decoder.dynamic.fields) do
                    size = size + #field.name + #field.value + 32
                end
                assert(size == decoder.dynamic.size and size <= decoder.dynamic.capacity and decoder.dynamic.capacity <= 4096)
                if not decoded then
                    return
                end
            end
        end)
    end)
end)

describe("Huffman decoder", function()
    it("has a code for each byte, of the length that the standard gives", function()
        assert.same("www.example.com", huffman.decode(hex "f1e3 c2e5 f23a 6ba0 ab90 f4ff"))
        assert.same("", huffman.decode(""))
        assert.same("\0", huffman.decode(hex "ff c7"))
        assert.same("\255", huffman.decode(hex "ff ff fb bf"))
        assert.same("\10\13\22", huffman.decode(hex "ff ff ff f3 ff ff ff df ff ff ff bf"))
    end)

    it("rejects the end of a string as a symbol, and padding that is too long or not the end's bits", function()
        assert.is_nil(huffman.decode(hex "ff ff ff ff"))
        assert.is_nil(huffman.decode(hex "1f ff"))
        assert.is_nil(huffman.decode(hex "18"))
        assert.is_nil(huffman.decode(hex "ff"))
        assert.same("a", huffman.decode(hex "1f"))
    end)
end)

describe("HPACK encoder", function()
    it("encodes the fields of a request as literals", function()
        assert.same(hex "83 86 04" .. text "/etcdserverpb.KV/Range" .. hex "01" .. text "127.0.0.1:2379" .. hex "0f 10" .. text "application/grpc" ..
            literal("te", "trailers") .. hex "10" .. text "token" .. text "secret",
            hpack.encode_request("/etcdserverpb.KV/Range", "127.0.0.1:2379", hpack.encode_field("token", "secret", true)))
    end)

    it("encodes long strings", function()
        for _, length in ipairs { 0, 126, 127, 128, 254, 255, 5000, 70000 } do
            local value = ("v"):rep(length)
            local decoded = hpack.decode(hpack.new(), hpack.encode_field("x", value, false))
            assert.same(length < 60000 and { x = value } or nil, decoded and decoded.headers)
        end
    end)
end)
