-- Valid responses with random damage: the driver can return any result or error, but must not throw, pass its deadline,
-- pass the rest on to the next call, or leak. spec/support/hostile_cases.lua explains how to repeat a failed case:
-- SEED=n CASE=n ETCD_BED=... tools/run-specs spec/hostile/random_damage_spec.lua
local garble = require "spec.support.mutations"
local hostile = require "spec.support.hostile_cases"

local TIMEOUT = 0.04

describe("call with a damaged response", function()
    local results, errors

    -- Makes a random call and checks its result.
    local function check_call(self, case, random)
        local call = random(#garble.calls)
        local problem, res, err, details = self.timed(TIMEOUT, garble.calls[call], self.cli, "/bad", case)
        problem = problem or hostile.wrong_result(res, err, details)
        results, errors = results + (res and 1 or 0), errors + (res and 0 or 1)
        local is_write = call >= garble.WRITES_FROM and call <= garble.WRITES_TO
        if not problem and not res and is_write and self.served > 0 and details.http_status == nil and not details.maybe_applied then
            problem = "maybe_applied is not set for a write that was sent: " .. err
        end
        return problem
    end

    local function run(name, n, make)
        results, errors = 0, 0
        hostile.run {
            name = name, cases = hostile.scale(n), timeout = TIMEOUT,
            one = function(self, case, random)
                self.scripts[1] = garble.steps(make(random), random)
                return check_call(self, case, random)
            end,
        }
        assert.is_true(not hostile.is_whole or errors > n / 20)
    end

    local statuses = { "200 OK", "200 OK", "200 OK", "403 Forbidden", "503 Service Unavailable" }

    it("neither throws nor passes its deadline nor affects the next call #alone", function()
        run("damaged answer", 2500, function(random)
            local response = garble.answer(statuses[random(#statuses)], garble.bodies[random(#garble.bodies)], random)
            return random(10) == 1 and response or garble.damage(response, random)
        end)
        assert.is_true(not hostile.is_whole or results > 250)
    end)

    it("returns an error or a well-formed result when values and types in the JSON are wrong", function()
        run("twisted answer", 1500, function(random)
            return garble.answer("200 OK", garble.twist(garble.bodies[random(#garble.bodies)], random), random)
        end)
        assert.is_true(not hostile.is_whole or results > 100)
    end)

    it("returns an error with a text when an error response, in any format, is damaged", function()
        run("twisted error response", 1000, function(random)
            local error_reply = garble.error_replies[random(#garble.error_replies)]
            local body = random(4) > 1 and garble.twist(error_reply[2], random) or garble.damage(error_reply[2], random)
            return garble.answer(error_reply[1], body, random)
        end)
    end)
end)
