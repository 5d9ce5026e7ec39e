-- Streams with random damage. SEED=n CASE=n repeats a case: see spec/support/hostile_cases.lua.
local garble = require "spec.support.mutations"
local hostile = require "spec.support.hostile_cases"

local TIMEOUT = 0.04

describe("random damage of a watch", function()
    local replies

    local function run(name, n, make)
        replies = 0
        hostile.run {
            name = name, cases = hostile.scale(n), timeout = TIMEOUT,
            one = function(self, _, random)
                self.scripts[1] = garble.steps(make(random), random)
                -- with a login the driver looks at the first reply while it opens the watch
                local cli = random(3) == 1 and self.new_client { user = "u", password = "p" } or self.cli
                local opts = { progress_notify = random(2) == 1, need_cancel = random(4) == 1 }
                local wrong, reader, err = self.timed(TIMEOUT, cli.watch, cli, "/bad", opts)
                if wrong or not reader then
                    return wrong or type(err) ~= "string" and "an error that is none" or nil
                end
                local count
                wrong, count = hostile.read_to_end(self, reader, TIMEOUT)
                replies = replies + count
                return wrong
            end,
        }
        assert.is_true(not hostile.is_whole or replies > n / 4)
    end

    it("never throws, never outlasts the deadline, and ends with an error that stays", function()
        run("damaged watch", 1500, function(random) return garble.damage(garble.stream(random, false), random) end)
    end)

    it("that leaves HTTP whole and changes values and types is an error or of the right shape", function()
        run("twisted watch", 1000, function(random) return garble.stream(random, true) end)
    end)
end)
