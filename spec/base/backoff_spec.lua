local backoff = require "resty.etcd.base.backoff"

describe("exponential backoff", function()
    it("doubles up to the limit, reduced by at most one half at random", function()
        local distinct, seen = 0, {}
        for n, limit in pairs { [0] = 0.1, [1] = 0.2, [2] = 0.4, [3] = 0.8, [4] = 1.5, [5] = 1.5, [4000] = 1.5 } do
            for _ = 1, 10 do
                local seconds = backoff.exponential(0.1, 1.5, n)
                assert.is_true(seconds >= limit / 2 and seconds <= limit, ("%d: %g"):format(n, seconds))
                distinct = distinct + (seen[seconds / limit] and 0 or 1)
                seen[seconds / limit] = true
            end
        end
        assert.is_true(distinct > 1)
    end)

    it("stays 0 if the first delay is 0", function()
        assert.equal(0, backoff.exponential(0, 30, 4000))
    end)
end)

describe("backoff with a state", function()
    it("stays between the last delay and twice the last one, up to the limit", function()
        local state, last = backoff.new(), 0.07
        for _ = 1, 200 do
            local seconds = backoff.next(state)
            assert.is_true(seconds >= last and seconds <= math.min(10, last * 2), ("%g after %g"):format(seconds, last))
            assert.equal(seconds, state.seconds)
            last = seconds
        end
    end)

    it("reaches the limit within 30 failures", function()
        local most = 0
        for _ = 1, 100 do
            local state = backoff.new()
            local n = 0
            while backoff.next(state) < 10 do
                n = n + 1
            end
            most = math.max(most, n)
        end
        assert.is_true(most <= 30, most .. " failures")
    end)

    it("starts again from the shortest delay after a success", function()
        local state = backoff.new()
        for _ = 1, 50 do
            backoff.next(state)
        end
        backoff.reset(state)
        assert.equal(0, state.seconds)
        assert.is_true(backoff.next(state) <= 0.15)
    end)
end)
