-- Long texts wherever a server can put one: none takes more than 100 ms of CPU, as a pattern with two unbounded parts would.
-- SEED=n CASE=n repeats a case: see spec/support/hostile_cases.lua.
local damaged_fields = require "spec.support.damaged_fields"
local fake = require "spec.support.scripted_server"
local garble = require "spec.support.mutations"
local hostile = require "spec.support.hostile_cases"

local TIMEOUT = 2
local UNITS = { "/", "//", "/ ", " ", "\t", ".", "1.", ":", "::", "[", "]", "@", "%", "%2f", "a", "a/", "-", "=", ", ", "\\n", "\\r\\n", "\\u0000", "\\u00e9",
    "etcdserver: ", "http://", "{}", "<p>", "x: ", "error: ", "127.0.0.1:2379," }
local STARTS = { "", "http://", "https://", "http://127.0.0.1:1", "http://[::1]", "unix:", "etcdserver: ", "<html>", " " }

-- Returns up to 300 KB, as the content of a string in JSON.
local function long_text(random)
    local unit = UNITS[random(#UNITS)]
    return STARTS[random(#STARTS)] .. unit:rep(math.floor(random(300000) / #unit)) .. (random(2) == 1 and "x" or "")
end

local function members(text)
    local urls = {}
    for i = 1, 3 do
        urls[i] = ('{"ID":"%d","name":"%s","clientURLs":["%s","http://127.0.0.1:1"]}'):format(i, text, text)
    end
    return { fake.reply("{" .. hostile.HEADER .. ',"members":[' .. table.concat(urls, ",") .. "]}") }
end

-- Where the text is: the name, what the server sends, and the call.
local function get(cli) return cli:get("/bad") end
local function watch(cli) return cli:watch("/bad") end
local PLACES = {
    { "URL of a member", members, function(cli) return cli:sync() end },
    { "error response", function(text) return { fake.reply(('{"code":7,"message":"%s"}'):format(text), "403 Forbidden") } end, get },
    { "error of the server", function(text) return { fake.reply(('{"error":"%s","code":14}'):format(text), "503 Service Unavailable") } end, get },
    { "error of a stream", function(text) return { fake.CHUNKED .. fake.chunk(('{"error":{"grpc_code":14,"http_code":503,"message":"%s","http_status":"%s"}}'):format(text, text)) } end, watch },
    { "page of HTML", function(text) return { fake.reply(text, "502 Bad Gateway") } end, get },
    { "page with status 200", function(text) return { fake.reply(text) } end, get },
    { "header field", function(text) return { fake.reply("{}", "200 OK", "X-A: " .. text:sub(1, 15000) .. "\r\n") } end, get },
    { "status", function(text) return { fake.reply("{}", "200 " .. text:sub(1, 15000)) } end, get },
    { "reason of a cancel", function(text)
        return { fake.CHUNKED .. fake.chunk(garble.event(5, ',"created":true') .. garble.event(6, ',"canceled":true,"cancel_reason":"' .. text .. '"')) }
    end, watch },
    { "revision", function(text) return { fake.reply(('{"header":{"revision":"%s"},"count":"%s"}'):format(text, text)) } end, get },
    { "key and value", function(text)
        return { fake.reply(("{%s,\"kvs\":[{\"key\":\"%s\",\"value\":\"%s\"}]}"):format(hostile.HEADER, text, text)) }
    end, get },
    { "token", function(text) return { fake.reply(('{%s,"token":"%s"}'):format(hostile.HEADER, text)) } end, get, true },
    { "error of a login", function(text) return { fake.reply(('{"code":3,"message":"%s"}'):format(text), "400 Bad Request") } end, get, true },
}

describe("long text of a server", function()
    it("takes less than 100 ms of CPU, wherever it is #alone", function()
        hostile.run {
            name = "long texts", cases = hostile.scale(240, 0.5), timeout = TIMEOUT, slots = 12, pooled = 8, max_cpu = 0.1,
            one = function(self, _, random)
                local place, make, call, is_login = unpack(PLACES[random(#PLACES)], 1, 4)
                local steps = make(long_text(random))
                local cli = self.new_client(is_login and { user = "u", password = "p" } or nil)
                self.scripts[1] = is_login and { fake.CLOSE } or function(request)
                    local reply = damaged_fields.replies[request.path]
                    return request.path:find("status", 1, true) and { fake.reply(damaged_fields.encode(reply())) } or steps
                end
                self.logins[1] = is_login and steps or nil
                local problem, res, err = self.timed(TIMEOUT + 0.1, call, cli)
                if not problem and type(res) == "function" then -- the reader of a watch
                    local reply
                    repeat
                        reply, err = res()
                    until not reply
                end
                problem = problem or not res and type(err) ~= "string" and "an error that is not a string"
                    or err and #err > 10000 and ("an error of %d bytes"):format(#err)
                return problem and place .. ": " .. problem
            end,
        }
    end)
end)
