-- Answers to a login with random damage. SEED=n CASE=n repeats a case: see spec/support/hostile_cases.lua.
local fake = require "spec.support.scripted_server"
local garble = require "spec.support.mutations"
local hostile = require "spec.support.hostile_cases"

local TIMEOUT = 0.04
-- Who asked for a login hears why it failed, a little later.
local LAST_WORD = 0.02
local REFUSED = fake.reply('{"error":"etcdserver: invalid auth token","code":16,"message":"etcdserver: invalid auth token"}', "401 Unauthorized")
local GOOD = fake.reply(("{%s,\"kvs\":[%s],\"count\":\"1\"}"):format(hostile.HEADER, garble.KV))

describe("random damage of a login's answer", function()
    local function login_answer(random)
        local kind = random(6)
        if kind == 1 then
            return garble.damage(garble.answer("200 OK", hostile.TOKEN, random), random)
        elseif kind == 2 then
            local refusal = garble.error_replies[random(#garble.error_replies)]
            return garble.answer(refusal[1], garble.twist(refusal[2], random), random)
        elseif kind == 3 then
            return garble.noise(random, 300)
        elseif kind == 4 then -- a token of any bytes
            local token = garble.noise(random, 40):gsub(".", function(byte) return ("\\u%04x"):format(byte:byte() % 128) end)
            return fake.reply(('{%s,"token":"%s"}'):format(hostile.HEADER, token))
        end
        return garble.answer("200 OK", garble.twist(hostile.TOKEN, random), random)
    end

    -- A client of a few, all asking at once before there is a token.
    local function ask(self, cli, random)
        local wrong, ends = nil, 0
        local function one()
            local late, res, err, details = self.timed(TIMEOUT + LAST_WORD, cli.get, cli, "/bad")
            ends = ends + 1
            wrong = wrong or late or hostile.wrong_result(res, err, details)
        end
        local threads, n = {}, random(3)
        for i = 1, n do
            threads[i] = ngx.thread.spawn(one)
        end
        for _, thread in ipairs(threads) do
            ngx.thread.wait(thread)
        end
        return wrong or ends ~= n and "a call threw" or nil
    end

    it("never throws, never outlasts the deadline, never writes into a request, and the next login is a new one", function()
        hostile.run {
            name = "damaged login", cases = hostile.scale(1500), timeout = TIMEOUT, pooled = 4,
            one = function(self, case, random)
                local cli = self.new_client { user = "u", password = "p" }
                self.logins[1] = garble.steps(login_answer(random), random)
                self.logins[2] = random(3) == 1 and garble.steps(login_answer(random), random) or nil
                local refusals, relogin = 0, random(3) == 1
                self.scripts[1] = function(request)
                    if not request.headers.authorization then
                        self.wrong = "a call without a token was sent"
                    end
                    refusals = refusals + 1
                    return { relogin and refusals == 1 and REFUSED or GOOD }
                end
                local wrong
                if random(4) == 1 then
                    local reader, err
                    self.scripts[1] = garble.steps(garble.stream(random, random(2) == 1), random)
                    wrong, reader, err = self.timed(TIMEOUT + LAST_WORD, cli.watchdir, cli, "/bad")
                    wrong = wrong or not reader and type(err) ~= "string" and "an error that is none"
                        or reader and hostile.read_to_end(self, reader, TIMEOUT) or nil
                else
                    wrong = ask(self, cli, random)
                end
                if wrong then
                    return wrong
                end
                self.logins = {}
                while cli.auth.pending_login do -- who joins it shares its outcome
                    ngx.sleep(0.001)
                end
                self.wait_for_late_bytes()
                local res, err = cli:get("/good/" .. case, { timeout = 30 })
                return (not res or res.body.kvs[1].value ~= case) and "the next call with a login got " .. tostring(err) or nil
            end,
        }
    end)
end)
