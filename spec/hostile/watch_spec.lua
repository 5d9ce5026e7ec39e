-- Responses to a watch with random damage. SEED=n CASE=n repeats a case: see spec/support/hostile_cases.lua.
local garble = require "spec.support.mutations"
local hostile = require "spec.support.hostile_cases"

local TIMEOUT = 0.04

describe("watch with a damaged response", function()
    local replies

    local function run(name, n, make)
        replies = 0
        hostile.run {
            name = name, cases = hostile.scale(n), timeout = TIMEOUT,
            one = function(self, _, random)
                self.scripts[1] = garble.steps(make(random), random)
                -- with a login the driver checks the first reply while it opens the watch
                local cli = random(3) == 1 and self.new_client { user = "u", password = "p" } or self.cli
                local opts = { progress_notify = random(2) == 1, need_cancel = random(4) == 1 }
                local problem, reader, err = self.timed(TIMEOUT, cli.watch, cli, "/bad", opts)
                if problem or not reader then
                    return problem or type(err) ~= "string" and "an error that is not a string" or nil
                end
                local count
                problem, count = hostile.read_to_end(self, reader, TIMEOUT)
                replies = replies + count
                return problem
            end,
        }
        assert.is_true(not hostile.is_whole or replies > n / 4)
    end

    it("neither throws nor passes its deadline, and ends with a permanent error", function()
        run("damaged watch", 1500, function(random) return garble.damage(garble.stream(random, false), random) end)
    end)

    it("returns errors or well-formed events when values and types in the JSON are wrong", function()
        run("twisted watch", 1000, function(random) return garble.stream(random, true) end)
    end)
end)
