-- Valid answers with random damage: the driver may call them anything but must not throw, outlast its deadline, pass on
-- the rest to the next caller, or grow. spec/support/hostile_cases.lua tells how a failed case is repeated:
-- SEED=n CASE=n ETCD_BED=... tools/run-specs spec/hostile/random_damage_spec.lua
local garble = require "spec.support.mutations"
local hostile = require "spec.support.hostile_cases"

local TIMEOUT = 0.04

describe("random damage of an answer", function()
    local results, errors

    -- Asks with any call and judges the outcome.
    local function ask(self, case, random)
        local call = random(#garble.calls)
        local wrong, res, err, details = self.timed(TIMEOUT, garble.calls[call], self.cli, "/bad", case)
        wrong = wrong or hostile.wrong_result(res, err, details)
        results, errors = results + (res and 1 or 0), errors + (res and 0 or 1)
        local is_write = call >= garble.WRITES_FROM and call <= garble.WRITES_TO
        if not wrong and not res and is_write and self.served > 0 and details.http_status == nil and not details.maybe_applied then
            wrong = "a write that was sent is said not to be applied: " .. err
        end
        return wrong
    end

    local function run(name, n, make)
        results, errors = 0, 0
        hostile.run {
            name = name, cases = hostile.scale(n), timeout = TIMEOUT,
            one = function(self, case, random)
                self.scripts[1] = garble.steps(make(random), random)
                return ask(self, case, random)
            end,
        }
        assert.is_true(not hostile.is_whole or errors > n / 20)
    end

    local statuses = { "200 OK", "200 OK", "200 OK", "403 Forbidden", "503 Service Unavailable" }

    it("never throws, never outlasts the deadline, never reaches the next caller #alone", function()
        run("damaged answer", 2500, function(random)
            return garble.damage(garble.answer(statuses[random(#statuses)], garble.bodies[random(#garble.bodies)], random), random)
        end)
        assert.is_true(not hostile.is_whole or results > 250)
    end)

    it("that leaves HTTP whole and changes values and types is an error or of the right shape", function()
        run("twisted answer", 1500, function(random)
            return garble.answer("200 OK", garble.twist(garble.bodies[random(#garble.bodies)], random), random)
        end)
        assert.is_true(not hostile.is_whole or results > 100)
    end)

    it("that is a refusal, in either dialect of the gateway or of none, leaves an error with a text", function()
        run("twisted refusal", 1000, function(random)
            local refusal = garble.error_replies[random(#garble.error_replies)]
            local body = random(4) > 1 and garble.twist(refusal[2], random) or garble.damage(refusal[2], random)
            return garble.answer(refusal[1], body, random)
        end)
    end)
end)
