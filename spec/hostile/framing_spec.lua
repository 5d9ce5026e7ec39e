-- Invalid and unusual HTTP. SEED=n CASE=n repeats a case: see spec/support/hostile_cases.lua.
local fake = require "spec.support.scripted_server"
local garble = require "spec.support.mutations"
local hostile = require "spec.support.hostile_cases"

local TIMEOUT = 0.04
local interim = { "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 102 Processing\r\nX-A: 1\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n\r\n" }

describe("driver", function()
    local function body_of(value)
        return ('{%s,"kvs":[{"key":"L2JhZA==","value":"%s"}],"count":"1"}'):format(hostile.HEADER, ngx.encode_base64(tostring(value)))
    end

    -- Makes a random call or a watch whose response is made by `make(random, case)`, and checks its duration and result.
    local function survive(name, n, make)
        hostile.run {
            name = name, cases = hostile.scale(n), timeout = TIMEOUT,
            one = function(self, case, random)
                self.scripts[1] = garble.steps(make(random, case), random)
                if random(4) == 1 then
                    local problem, reader, err = self.timed(TIMEOUT, self.cli.watch, self.cli, "/bad")
                    return problem or not reader and type(err) ~= "string" and "an error that is not a string"
                        or reader and hostile.read_to_end(self, reader, TIMEOUT) or nil
                end
                local call = garble.calls[random(#garble.calls)]
                local problem, res, err, details = self.timed(TIMEOUT, call, self.cli, "/bad", case)
                return problem or hostile.wrong_result(res, err, details)
            end,
        }
    end

    -- Makes a get that must return the value of this case. With `is_dirty`, its connection must not be reused.
    local function read_value(name, n, make, is_dirty)
        hostile.run {
            name = name, cases = hostile.scale(n), timeout = 30,
            one = function(self, case, random)
                self.scripts[1] = make(random, garble.answer("200 OK", body_of(case), random))
                local problem, res, err = self.timed(30, self.cli.get, self.cli, "/bad")
                if problem or not res or res.body.kvs[1].value ~= case then
                    return problem or "no value: " .. tostring(err)
                end
                local connection = self.connection
                if is_dirty then
                    assert(self.cli:get("/good/1", { timeout = 30 }))
                    return self.connection == connection and "a connection with unread bytes was reused" or nil
                end
            end,
        }
    end

    it("returns a result or an error when the server sends random bytes", function()
        survive("noise", 800, function(random)
            local heads = { "", "", "HTTP/1.1 200 OK\r\n", fake.CHUNKED, fake.CHUNKED .. "5\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" }
            return heads[random(#heads)] .. garble.noise(random, 2000)
        end)
    end)

    it("skips interim responses", function()
        read_value("interim answers", 300, function(random, response)
            for _ = 1, random(5) do
                response = interim[random(#interim)] .. response
            end
            return garble.steps(response, random)
        end)
    end)

    local function trailing_bytes(random)
        local extras = { "x", "\r\n", "0\r\n\r\n", garble.noise(random, 100), fake.reply(body_of("of another")), "HTTP/1.1 200 OK\r\n" }
        return extras[random(#extras)]
    end

    it("does not pass bytes after a response to the next call", function()
        read_value("bytes behind an answer", 400, function(random, response)
            return { response .. trailing_bytes(random), random(4) == 1 and fake.CLOSE or nil }
        end, true)
    end)

    it("does not pass bytes that arrive late after a response to the next call", function()
        read_value("late bytes", 300, function(random, response)
            return { response, random(4) / 1000, trailing_bytes(random), random(4) == 1 and fake.CLOSE or nil }
        end)
    end)

    it("uses only the first response when the server sends several together", function()
        read_value("several answers", 300, function(random, response)
            for i = 1, random(5) do
                response = response .. garble.answer("200 OK", body_of("of another" .. i), random)
            end
            return { response }
        end, true)
    end)

    it("returns an error when the server sends HTML or compressed bytes instead of JSON", function()
        local bodies = { "<html>\r\n<body>It works!</body></html>", "\31\139\8\0\0\0\0\0\0\3\171\86\42\200", "", " ", "null", "12", '"text"', "[]", "\239\187\191{}" }
        local types = { "text/html", "application/json", "text/plain; charset=utf-8", "application/octet-stream" }
        survive("no JSON", 400, function(random)
            local body = bodies[random(#bodies)] .. (random(3) == 1 and garble.noise(random, 400) or "")
            local fields = "Content-Type: " .. types[random(#types)] .. "\r\n" .. (random(2) == 1 and "Content-Encoding: gzip\r\n" or "")
            local statuses = { "200 OK", "200 OK", "301 Moved Permanently", "403 Forbidden", "502 Bad Gateway", "600 What", "999 Denied" }
            return garble.answer(statuses[random(#statuses)], body == "" and "\n" or body, random, fields)
        end)
    end)

    local fields = { "Content-Length: %d", "content-length: %d", "Content-Length:%d", "Content-Length: %d, %d", "Content-Length : %d", "Content-Length: +%d",
        "Content-Length: -%d", "Content-Length: 0x%x", "Content-Length: %d.0", "Content-Length: 99999999999", "Content-Length: ", "Content-Length: 0",
        "Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity", "transfer-encoding: Chunked",
        "Connection: close", "Connection: keep-alive", "Connection: upgrade", "Content-Type: application/json", ": empty", "no colon", " folded",
        "X: \0", "X: " .. ("y"):rep(20000) }

    it("returns a result or an error when header fields are missing, repeated or contradictory", function()
        local lines = { "HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified",
            "HTTP/2 200", "HTTP/1.1 101 Switching Protocols", "HTTP/1.1 200", "ICY 200 OK", "http/1.1 200 OK" }
        survive("header fields", 600, function(random)
            local body, head = garble.bodies[random(#garble.bodies)], { lines[random(#lines)] }
            for _ = 1, random(4) - 1 do
                head[#head + 1] = (fields[random(#fields)]:gsub("%%[dx]", function(format) return format:format(#body) end))
            end
            return table.concat(head, "\r\n") .. "\r\n\r\n" .. (random(2) == 1 and body or fake.chunk(body) .. fake.LAST_CHUNK)
        end)
    end)

    local sizes = { "%x", "%X", "0%x", "%x;a=b", "%x ; a", "%x \t", " %x", "-%x", "+%x", "0x%x", "%x.", "g", "", "\0", "ffffffff", "7fffffff", "100000000",
        "fffffffffffffffff", ("0"):rep(70000) .. "1" }
    local ends = { "\r\n", "\r\n", "\r\n", "\n", "", "\r", "\r\n\r\n", "x\r\n" }

    it("returns a result or an error when chunks are malformed", function()
        survive("chunks", 800, function(random)
            local body, chunks = random(2) == 1 and garble.bodies[random(#garble.bodies)] or garble.event(5, ',"created":true'), {}
            while body ~= "" do
                local n = random(80)
                local piece = body:sub(1, n)
                body = body:sub(n + 1)
                local is_bad = random(4) == 1
                local size = is_bad and sizes[random(#sizes)]:gsub("%%[xX]", function(format) return format:format(#piece + random(3) - 2) end)
                chunks[#chunks + 1] = is_bad and size .. ends[random(#ends)] .. piece .. ends[random(#ends)] or fake.chunk(piece)
            end
            local last = { fake.LAST_CHUNK, fake.LAST_CHUNK, "0\r\n", "00\r\n\r\n", "0\r\nA: b\r\n\r\n", "0\r\n" .. ("A: b\r\n"):rep(200) .. "\r\n", "", "0\r\n\r\r\n" }
            return fake.CHUNKED .. table.concat(chunks) .. last[random(#last)]
        end)
    end)

    -- Forms that RFC 9112 allows, and forms that another reader could understand differently: these must be errors. "%d" and
    -- "%x" stand for the length of the body.
    local status_lines = {
        good = { "HTTP/1.1 200 OK", "HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 200 \tx: 500 OK" },
        bad = { "HTTP/1.1 2000 OK", "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", "HTTP/1.2 200 OK", " HTTP/1.1 200 OK", "HTTP/1.1 200\tOK", "HTTP/1.1 200 O\0K",
            "HTTP/1.1 200 O\rK", "HTTP/1.1 200 OK\nX: y", "HTTP/1.1 +200 OK", "HTTP/1.1 2e2 OK", "HTTP/11 200 OK", "HTTP/1.1 0200 OK", "HTTP/1.1 20 OK",
            "HTTP/1.1 101 Switching Protocols", "\r\nHTTP/1.1 200 OK", "HTTP/1.1 200 OK\127", "HTTP/1.1 -00 OK", "HTTP/1.1 099 OK", "HTTP/1.10 200 OK" },
    }
    local lengths = {
        good = { "Content-Length: %d", "content-length:%d", "CONTENT-LENGTH: \t%d \t", "Content-Length: 00%d" },
        bad = { "Content-Length: %d\r\ncontent-length: %d", "Content-Length: 7\r\ncontent-length: %d", "content-length: %d\r\nContent-Length: 7",
            "Content-Length: %d, %d", "Content-Length : %d", "Content-Length\t: %d", " Content-Length: %d", "X: y\r\n Content-Length: %d",
            "X: y\r\n\tContent-Length: %d", "Content-Length: +%d", "Content-Length: -%d", "Content-Length: 0x%x", "Content-Length: %d.0",
            "Content-Length: %de0", "Content-Length: %d;", 'Content-Length: "%d"', "Content-Length: %d\0", "Content-Length: \v%d",
            "Content-Length:\r%d", "Content-Length:\n%d", "Content-Length: %d %d", "Content-Length: ", "Content-Length: nan", "Content-Length: inf",
            "Content-Length: 1" .. ("0"):rep(300), "Content-Length: 99999999999999999999%d", "Content\0-Length: %d\r\nContent-Length: %d" },
    }
    local codings = {
        good = { "Transfer-Encoding: chunked", "transfer-encoding:CHUNKED", "TRANSFER-ENCODING: \tChunked\t" },
        bad = { "Transfer-Encoding: xchunked", "Transfer-Encoding: chunkedx", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: chunked;q=1", "Transfer-Encoding: identity", "Transfer-Encoding: \vchunked",
            "Transfer-Encoding: chunked\0", "Transfer-Encoding : chunked", "Transfer-Encoding: chunked\r\ntransfer-encoding: identity",
            "transfer-encoding: identity\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: %d",
            "content-length: %d\r\nTransfer-Encoding: chunked", "Transfer-Encoding:\r\n chunked", 'Transfer-Encoding: "chunked"', "Transfer-Encoding: ",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked," },
    }
    local others = {
        good = { "X-A: b", "X-A: \t", "X-A:", "!#$%&'*+-.^_`|~: ~", "X-A: \200\255", "Connection: keep-alive", "x-a: c" },
        bad = { "X\0: y", "X: y\0z", "X: \127", "no colon", ": empty", " folded", "\tfolded", "X Y: z", "X: y\rz", "X: y\nZ: w", "X(: y", "X: \27[2J",
            ("A: b\r\n"):rep(300) .. "A: b", "\200: x", "X\r: y" },
    }
    local size_lines = {
        good = { "%x", "%X", "0%x", "%x;a=b", "%x ; a", "%x \t", '%x;a="b;c"' },
        bad = { "%x\n", " %x", "-%x", "+%x", "0x%x", "%x.", "%x,", "%x\0", "%x;a\0b", "%x\r", "%x %x", "%x\v", "%xh", "000000000%x", "%x;" .. ("x"):rep(2000), "\t%x" },
    }
    local trailers = {
        good = { "", "A: b\r\n", "Grpc-Trailer-Content-Type: application/grpc\r\n" },
        bad = { ("A: b\r\n"):rep(200), "A\0: b\r\n", "A: b\nC: d\r\n", "\r\0\r\n" },
    }
    local floods = { good = { "", "", interim[1], interim[2] .. interim[3] }, bad = { interim[1]:rep(60), "HTTP/1.1 100 \0\r\n\r\n", "HTTP/1.1 102 X\r\n Y: z\r\n\r\n" } }

    -- Returns a response with this body, and whether all its parts are of good forms.
    local function compose(random, body)
        local is_chunked = random(2) == 1
        local kinds = { status_lines, is_chunked and codings or lengths, others, floods, is_chunked and size_lines or nil, is_chunked and trailers or nil }
        local flawed = random(2) == 1 and kinds[random(#kinds)] or nil
        local function part(forms)
            local of = forms == flawed and forms.bad or forms.good
            local form = of[random(#of)]
            return (form:gsub("%%[dxX]", function(format) return format:format(#body) end))
        end
        local lines = { part(kinds[2]) }
        for _ = 1, random(3) - (others == flawed and 0 or 1) do
            table.insert(lines, random(#lines + 1), part(others))
        end
        local head = part(floods) .. part(status_lines) .. "\r\n" .. table.concat(lines, "\r\n") .. "\r\n\r\n"
        if not is_chunked then
            return head .. body, not flawed
        end
        return head .. part(size_lines) .. "\r\n" .. body .. "\r\n0\r\n" .. part(trailers) .. "\r\n", not flawed
    end

    it("accepts a response only if every reader of HTTP finds the same end", function()
        hostile.run {
            name = "ambiguous framing", cases = hostile.scale(3000), timeout = TIMEOUT,
            one = function(self, case, random)
                local response, is_good = compose(random, body_of(case))
                local rest = random(2) == 1 and fake.reply(body_of("of another")) or ""
                self.cli.timeout = is_good and 30 or TIMEOUT
                self.scripts[1] = { response .. rest, not is_good and fake.CLOSE or nil }
                local problem, res, err, details = self.timed(self.cli.timeout, self.cli.get, self.cli, "/bad")
                local value = res and res.body.kvs and res.body.kvs[1].value
                self.cli.timeout = TIMEOUT
                if problem or is_good and value ~= tostring(case) and value ~= case then
                    return problem or "a valid response was not accepted: " .. tostring(err)
                end
                return not is_good and res and "an ambiguous response was accepted" or hostile.wrong_result(res, err, details)
            end,
        }
    end)

    it("returns an error when the server resets the connection", function()
        hostile.run {
            name = "resets", cases = hostile.scale(10), timeout = TIMEOUT,
            one = function(self, case, random)
                local response = garble.answer("200 OK", body_of(case), random)
                self.scripts[1] = { response:sub(1, random(#response) - 1), fake.RESET }
                local call = garble.calls[random(#garble.calls)]
                local problem, res, err, details = self.timed(TIMEOUT, call, self.cli, "/bad", case)
                return problem or hostile.wrong_result(res, err, details)
            end,
        }
    end)
end)
