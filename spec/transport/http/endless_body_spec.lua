-- Bodies that a server sends faster than they are read, and parts of responses without an end.
local body_stream = require "resty.etcd.transport.http.body_stream"
local http1 = require "resty.etcd.transport.http.http1"
local socket_reader = require "resty.etcd.transport.http.socket_reader"

-- Returns a source whose bytes have all arrived, in pieces of a size: reading never waits.
local function source_of(text, size)
    local at = 1
    return socket_reader.new({
        receiveany = function()
            local part = text:sub(at, at + (size or 4096) - 1)
            at = at + #part
            if part == "" then
                return nil, "closed"
            end
            return part
        end,
        settimeouts = function() end,
        close = function() end,
    }, nil, 0)
end

-- Returns how often a function yields, and its results.
local function count_yields(fn, ...)
    local sleep, count = ngx.sleep, 0
    ngx.sleep = function() count = count + 1 end -- luacheck: ignore 122
    local ok, result, err = pcall(fn, ...)
    ngx.sleep = sleep -- luacheck: ignore 122
    assert(ok, result)
    return count, result, err
end

local LENGTH = 600000
local LONGEST = 1024 * 1024 -- bytes of a body
local CHUNKS = ("1\r\nx\r\n"):rep(LENGTH) .. "0\r\n\r\n"

describe("body of a response", function()
    it("in chunks of one byte that have all arrived is read with yields", function()
        local yields, text, err = count_yields(http1.read_body, source_of(CHUNKS), { framing = "chunked" }, LONGEST)
        assert.is_nil(err)
        assert.is_true(text == ("x"):rep(LENGTH))
        assert.is_true(yields > 10, yields .. " yields")
    end)

    it("that ends with the connection is read with yields", function()
        local yields, text = count_yields(http1.read_body, source_of(("x"):rep(LENGTH), 1), { framing = "close" }, LONGEST)
        assert.equal(LENGTH, #text)
        assert.is_true(yields > 10, yields .. " yields")
    end)

    for name, partial in pairs { ["and returns the rest with the end"] = "2", ["and returns nothing with the end"] = false } do
        it("that ends with the connection is read from a blocking socket that has no receiveany, " .. name, function()
            local pieces = { "0", "1" }
            local source = socket_reader.new({
                receive = function()
                    local piece = table.remove(pieces, 1)
                    if piece then
                        return piece
                    end
                    return nil, "closed", partial or nil
                end,
            }, nil, 0)
            assert.equal("01" .. (partial or ""), (http1.read_body(source, { framing = "close" }, LONGEST)))
        end)
    end

    local function read_all(source)
        local body = body_stream.new(source, { framing = "chunked" })
        local parts = {}
        while true do
            local bytes, fault = body:read(nil)
            if not bytes or bytes == "" then
                return bytes and table.concat(parts), fault
            end
            parts[#parts + 1] = bytes
        end
    end

    for name, case in pairs {
        ["more trailer fields than anyone sends"] = { "0\r\n" .. ("A: b\r\n"):rep(101) .. "\r\n", "malformed reply: too many trailers" },
        ["control characters in a trailer field"] = { "0\r\nA: \0\r\n\r\n", "malformed reply: bad trailer" },
        ["a bare line break in a trailer field"] = { "0\r\nA: b\nC: d\r\n\r\n", "malformed reply: bad trailer" },
        ["a long chunk extension"] = { "1;" .. ("a"):rep(1100) .. "\r\nx\r\n0\r\n\r\n", "malformed reply: bad chunk size" },
        ["a bare line feed after a chunk size"] = { "1\n\r\nx\r\n0\r\n\r\n", "malformed reply: bad chunk size" },
        ["a NUL in a chunk extension"] = { "1;\0\r\nx\r\n0\r\n\r\n", "malformed reply: bad chunk size" },
    } do
        it("is an error of a call and of a stream when it has " .. name, function()
            for _, read in ipairs { read_all, function(source) return http1.read_body(source, { framing = "chunked" }, LONGEST) end } do
                local text, fault = read(source_of("2\r\n{}\r\n" .. case[1]))
                assert.is_nil(text)
                assert.equal("malformed", fault.kind)
                assert.equal(case[2], fault.text)
            end
        end)
    end

    it("is read with 100 trailer fields", function()
        local text = "2\r\n{}\r\n0\r\n" .. ("A: b\r\n"):rep(99) .. "\r\n"
        assert.equal("{}", (read_all(source_of(text))))
        assert.equal("{}", (http1.read_body(source_of(text), { framing = "chunked" }, LONGEST)))
    end)
end)

describe("head of a response", function()
    local FINAL = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    it("is found after 32 interim responses, and is an error after more", function()
        local interim = "HTTP/1.1 100 Continue\r\n\r\n"
        assert.equal(200, http1.read_head(source_of(interim:rep(32) .. FINAL)).status)
        local head, fault = http1.read_head(source_of(interim:rep(33) .. FINAL))
        assert.is_nil(head)
        assert.equal("malformed reply: too many interim responses", fault.text)
    end)

    it("can have 256 fields, and is an error with more", function()
        local function head_with(count)
            return http1.read_head(source_of("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" .. ("A: b\r\n"):rep(count - 1) .. "\r\n{}"))
        end
        assert.equal(2, head_with(256).length)
        local head, fault = head_with(257)
        assert.is_nil(head)
        assert.equal("malformed reply: bad HTTP head", fault.text)
    end)

    it("keeps fields of names in different spellings apart, but not for the end of the body", function()
        local head = http1.read_head(source_of("HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: \t2\t\r\nCONNECTION: Close\r\ncontent-LENGTH: 2\r\n\r\n{}"))
        assert.same({ ["X-A"] = "1", ["x-a"] = "2", CONNECTION = "Close", ["content-LENGTH"] = "2" }, head.headers)
        assert.equal(2, head.length)
        assert.is_false(head.keepalive)
    end)

    for name, case in pairs {
        ["204 with the length of a body"] = { "204 No Content\r\nContent-Length: 2", false },
        ["204 with chunks"] = { "204 No Content\r\nTransfer-Encoding: chunked", false },
        ["204"] = { "204 No Content", true },
        ["304 with the length of a body"] = { "304 Not Modified\r\nContent-Length: 2", true },
        ["304 with chunks"] = { "304 Not Modified\r\nTransfer-Encoding: chunked", false },
    } do
        it("ends the response, whose connection is reused only if no body can follow: " .. name, function()
            local head = http1.read_head(source_of("HTTP/1.1 " .. case[1] .. "\r\n\r\n"))
            assert.equal("length", head.framing)
            assert.equal(0, head.length)
            assert.equal(case[2], head.keepalive)
        end)
    end

    it("keeps the connection only for the whole words of its options", function()
        for fields, keepalive in pairs {
            ["1.0 200\r\nConnection: keep-alive"] = true, ["1.0 200\r\nConnection: x-keep-alive"] = false, ["1.0 200\r\nConnection: keep-alive, close"] = false,
            ["1.1 200\r\nConnection: closed"] = true, ["1.1 200\r\nConnection: \tClose ,x"] = false, ["1.1 200\r\nConnection: x\r\nconnection: close"] = false,
        } do
            assert.equal(keepalive, http1.read_head(source_of("HTTP/" .. fields .. "\r\nContent-Length: 2\r\n\r\n{}")).keepalive, fields)
        end
    end)
end)
