-- Responses to a login with random damage. SEED=n CASE=n repeats a case: see spec/support/hostile_cases.lua.
local fake = require "spec.support.scripted_server"
local garble = require "spec.support.mutations"
local hostile = require "spec.support.hostile_cases"

local TIMEOUT = 0.04
-- Seconds past its deadline in which the call that started a login still receives its error.
local ERROR_GRACE = 0.02
local REJECTED = fake.reply('{"error":"etcdserver: invalid auth token","code":16,"message":"etcdserver: invalid auth token"}', "401 Unauthorized")
local GOOD = fake.reply(("{%s,\"kvs\":[%s],\"count\":\"1\"}"):format(hostile.HEADER, garble.KV))

describe("login with a damaged response", function()
    local function login_response(random)
        local kind = random(6)
        if kind == 1 then
            return garble.damage(garble.answer("200 OK", hostile.TOKEN, random), random)
        elseif kind == 2 then
            local error_reply = garble.error_replies[random(#garble.error_replies)]
            return garble.answer(error_reply[1], garble.twist(error_reply[2], random), random)
        elseif kind == 3 then
            return garble.noise(random, 300)
        elseif kind == 4 then -- a token of any bytes
            local token = garble.noise(random, 40):gsub(".", function(byte) return ("\\u%04x"):format(byte:byte() % 128) end)
            return fake.reply(('{%s,"token":"%s"}'):format(hostile.HEADER, token))
        end
        return garble.answer("200 OK", garble.twist(hostile.TOKEN, random), random)
    end

    -- Makes one to three calls concurrently, before the client has a token.
    local function call_concurrently(self, cli, random)
        local problem, ends = nil, 0
        local function one()
            local late, res, err, details = self.timed(TIMEOUT + ERROR_GRACE, cli.get, cli, "/bad")
            ends = ends + 1
            problem = problem or late or hostile.wrong_result(res, err, details)
        end
        local threads, n = {}, random(3)
        for i = 1, n do
            threads[i] = ngx.thread.spawn(one)
        end
        for _, thread in ipairs(threads) do
            ngx.thread.wait(thread)
        end
        return problem or ends ~= n and "a call threw" or nil
    end

    it("neither throws nor passes its deadline nor alters a request, and the next call logs in again", function()
        hostile.run {
            name = "damaged login", cases = hostile.scale(1500), timeout = TIMEOUT, pooled = 4,
            one = function(self, case, random)
                local cli = self.new_client { user = "u", password = "p" }
                self.logins[1] = garble.steps(login_response(random), random)
                self.logins[2] = random(3) == 1 and garble.steps(login_response(random), random) or nil
                local requests, is_token_rejected = 0, random(3) == 1
                self.scripts[1] = function(request)
                    if not request.headers.authorization then
                        self.wrong = "a call without a token was sent"
                    end
                    requests = requests + 1
                    return { is_token_rejected and requests == 1 and REJECTED or GOOD }
                end
                local problem
                if random(4) == 1 then
                    local reader, err
                    self.scripts[1] = garble.steps(garble.stream(random, random(2) == 1), random)
                    problem, reader, err = self.timed(TIMEOUT + ERROR_GRACE, cli.watchdir, cli, "/bad")
                    problem = problem or not reader and type(err) ~= "string" and "an error that is not a string"
                        or reader and hostile.read_to_end(self, reader, TIMEOUT) or nil
                else
                    problem = call_concurrently(self, cli, random)
                end
                if problem then
                    return problem
                end
                self.logins = {}
                while cli.auth.logins.latest do -- a call that waits for it would share its result
                    ngx.sleep(0.001)
                end
                self.wait_for_late_bytes()
                local res, err = cli:get("/good/" .. case, { timeout = 30 })
                return (not res or res.body.kvs[1].value ~= case) and "the next call with a login got " .. tostring(err) or nil
            end,
        }
    end)
end)
