-- Servers that send byte by byte, stall, and send too much. SEED=n CASE=n repeats a case: see spec/support/hostile_cases.lua.
local fake = require "spec.support.scripted_server"
local garble = require "spec.support.mutations"
local hostile = require "spec.support.hostile_cases"
local meter = require "spec.support.resource_usage"
local tcp = require "spec.support.tcp"

-- ERROR_GRACE: seconds past its deadline in which the call that started a login still receives its error.
local TIMEOUT, ERROR_GRACE = 0.15, 0.02
local MIB = 1024 * 1024
local HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

-- Returns steps that send `text` and then `drop` repeatedly, until long after the deadline.
local function drip(random, text, drop)
    local steps, gap = { text }, (random(8) + 1) / 1000
    for i = 1, math.ceil(3 * TIMEOUT / gap) do
        steps[2 * i], steps[2 * i + 1] = gap, drop
    end
    return steps
end

-- What is sent slowly: its name, the part sent first, and the part sent repeatedly.
local drips = {
    { "a head", "", "H" },
    { "a status line", "HTTP/1.1 200 ", "O" },
    { "header fields", "HTTP/1.1 200 OK\r\n", "A: b\r\n" },
    { "interim answers", "", "HTTP/1.1 100 Continue\r\n\r\n" },
    { "a body", HEAD .. "Content-Length: 9999\r\n\r\n", " " },
    { "a body without an end", HEAD .. "\r\n", " " },
    { "a chunk", fake.CHUNKED .. "fff\r\n", " " },
    { "chunks", fake.CHUNKED, "1\r\n \r\n" },
    { "a chunk size", fake.CHUNKED, "0" },
    { "trailers", fake.CHUNKED .. fake.chunk("{}") .. "0\r\n", "A: b\r\n" },
    { "a trailer", fake.CHUNKED .. fake.chunk("{}") .. "0\r\n", "A" },
    { "an error response", "HTTP/1.1 403 Forbidden\r\nContent-Length: 9999\r\n\r\n", " " },
    { "an error response in chunks", "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n" },
}

describe("call", function()
    it("ends at the deadline when the server sends byte by byte", function()
        hostile.run {
            name = "drips", cases = hostile.scale(300), timeout = TIMEOUT,
            one = function(self, case, random)
                local kind = drips[random(#drips)]
                local steps = drip(random, kind[2], kind[3])
                local target = random(5)
                if target == 1 then -- the login
                    self.logins[1] = steps
                    local cli = self.new_client { user = "u", password = "p" }
                    local problem, res, err, details = self.timed(TIMEOUT + ERROR_GRACE, cli.get, cli, "/bad")
                    return problem or hostile.wrong_result(res, err, details)
                elseif target == 2 then -- pages, of which the second one is slow
                    local pages = 0
                    self.scripts[1] = function()
                        pages = pages + 1
                        return pages > 1 and steps or { fake.reply('{"header":{"revision":"1"},"kvs":[{"key":"a2Ew"}],"count":"9"}') }
                    end
                    local problem, res, err, details = self.timed(2 * TIMEOUT, self.cli.readdir, self.cli, "k")
                    return problem or res and "a result from only some of the pages" or hostile.wrong_result(res, err, details)
                elseif target == 3 then -- a watch, also with a login: only its opening has a deadline, and bytes keep it open
                    local sent
                    steps[#steps + 1] = function() sent = meter.now() end
                    self.scripts[1] = steps
                    local cli = random(2) == 1 and self.new_client { user = "u", password = "p" } or self.cli
                    local began = meter.now()
                    local problem, reader, err = self.timed(TIMEOUT + ERROR_GRACE, cli.watch, cli, "/bad")
                    return problem or not reader and type(err) ~= "string" and "an error that is not a string"
                        or reader and hostile.read_to_end(self, reader, function() return (sent or math.huge) - began + TIMEOUT end) or nil
                end
                self.scripts[1] = steps
                local call = garble.calls[random(#garble.calls)]
                local problem, res, err, details = self.timed(TIMEOUT, call, self.cli, "/bad", case)
                return problem or hostile.wrong_result(res, err, details)
            end,
        }
    end)

    it("ends at the deadline when the TLS handshake stalls or is slow", function()
        hostile.run {
            name = "TLS drips", cases = hostile.scale(24, 0.25), timeout = TIMEOUT,
            one = function(self, _, random)
                local server, drops = tcp.listen(16), random(2) == 1
                ngx.thread.spawn(function()
                    local conn = tcp.accept(server)
                    local steps = drip(random, "\22\3\3\64\0", "\0")
                    for i = 1, drops and #steps or 0, 2 do
                        if not tcp.send(conn, steps[i]) then
                            break
                        end
                        ngx.sleep(steps[i + 1] or TIMEOUT)
                    end
                    ngx.sleep(2 * TIMEOUT)
                    tcp.close(conn)
                end)
                local cli = self.new_client { http_host = "https://127.0.0.1:" .. server.port, ssl_verify = false }
                local problem, res, err, details = self.timed(TIMEOUT, cli.get, cli, "/bad")
                tcp.close(server)
                return problem or res and "a result without a response" or hostile.wrong_result(res, err, details)
            end,
        }
    end)

    it("ends at the deadline when the server reads nothing", function()
        local value = ("v"):rep(8 * MIB)
        hostile.run {
            name = "takes no bytes", cases = hostile.scale(4, 0.1), timeout = 1, slots = 2,
            one = function(self)
                local server = tcp.listen(16)
                local cli = self.new_client { http_host = server.http_host, serializer = "raw" }
                local problem, res, err, details = self.timed(1, cli.set, cli, "/bad", value)
                tcp.close(server)
                return problem or res and "a result without a response" or hostile.wrong_result(res, err, details)
            end,
        }
    end)

    it("ends at the deadline when the server reads slowly", function()
        local value = ("v"):rep(20 * MIB)
        hostile.run {
            name = "takes bytes bit by bit", cases = hostile.scale(2, 0.1), timeout = 0.5, slots = 1,
            one = function(self)
                local server = tcp.listen(16, 65536)
                ngx.thread.spawn(function()
                    local conn = tcp.accept(server)
                    while tcp.receive(conn) do
                        ngx.sleep(0.005)
                    end
                    tcp.close(conn)
                end)
                local cli = self.new_client { http_host = server.http_host, serializer = "raw" }
                local problem, res, err, details = self.timed(0.5, cli.set, cli, "/bad", value)
                tcp.close(server)
                return problem or res and "a result without a response" or hostile.wrong_result(res, err, details)
            end,
        }
    end)

    -- What is sent: its name, the name of the resulting error (nil for a result, "watch" for any), and a function that makes it.
    local ten = 10 * MIB
    local floods = {
        { "a status line", "bad_reply", function() return "HTTP/1.1 200 " .. ("x"):rep(ten) end },
        { "a header field", "bad_reply", function() return HEAD .. "X: " .. ("x"):rep(ten) end },
        { "noise without a line end", "bad_reply", function() return ("\255"):rep(ten) end },
        { "a chunk size", "bad_reply", function() return fake.CHUNKED .. ("0"):rep(ten) end },
        { "trailers", "bad_reply", function() return fake.CHUNKED .. fake.chunk("{}") .. "0\r\n" .. ("A: b\r\n"):rep(ten / 6) end },
        { "JSON nested too deep", "bad_reply", function() return fake.reply(("["):rep(ten)) end },
        { "a string without an end", "bad_reply", function() return fake.reply('{"kvs":"' .. ("x"):rep(ten)) end },
        { "an unknown field", nil, function() return fake.reply('{"header":{"revision":"10"},"x":"' .. ("x"):rep(ten) .. '"}') end },
        { "a body that ends too early", "connection_lost", function() return HEAD .. "Content-Length: 60000000\r\n\r\n" .. ("x"):rep(ten) end },
        { "a Content-Length above the limit", "response_too_large", function() return HEAD .. "Content-Length: 999999999999\r\n\r\n" .. ("x"):rep(ten) end },
        { "a line of a watch", "watch", function() return fake.CHUNKED .. fake.chunk(garble.event(5, ',"created":true') .. ("x"):rep(ten)) end },
        { "blank lines of a watch", "watch", function() return fake.CHUNKED .. fake.chunk(("\n"):rep(ten)) end },
        { "an error response to a watch", "watch", function() return fake.reply(("x"):rep(ten), "403 Forbidden") end },
        { "a token", "login_failed", function() return fake.reply('{"token":"' .. ("x"):rep(ten) .. '"}') end },
    }

    it("uses at most a few times the memory when the server sends 10 MiB in one piece", function()
        local highest = 0
        hostile.run {
            name = "10 MiB", cases = hostile.scale(#floods, 0.1), timeout = 10, slots = 1, case_size = 2 * ten,
            one = function(self, case)
                local name, expected, make = unpack(floods[case % #floods + 1], 1, 3)
                local cli = expected == "login_failed" and self.new_client { user = "u", password = "p" } or self.cli
                local script = { make(), fake.CLOSE }
                self.logins[1], self.scripts[1] = expected == "login_failed" and script or nil, script
                local before = meter.lua_memory()
                if expected == "watch" then
                    local problem, reader, err = self.timed(10, cli.watch, cli, "/bad")
                    problem = problem or not reader and type(err) ~= "string" and "an error that is not a string"
                        or reader and hostile.read_to_end(self, reader, 10) or nil
                    if problem then
                        return name .. ": " .. problem
                    end
                else
                    local problem, res, err, details = self.timed(10, cli.get, cli, "/bad")
                    problem = problem or hostile.wrong_result(res, err, details)
                    if problem or (details and details.name) ~= expected then
                        return name .. ": " .. (problem or tostring(err):sub(1, 200))
                    end
                end
                highest = math.max(highest, collectgarbage("count") - before)
            end,
        }
        print(("10 MiB: at most %.0f KiB of additional Lua memory at the end of a call"):format(highest))
        assert.is_true(highest < 128 * 1024)
    end)
end)
