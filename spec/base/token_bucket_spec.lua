local clock = require "resty.etcd.base.clock"

describe("token bucket", function()
    local real_now, time, token_bucket

    before_each(function()
        real_now, time = clock.now, 100
        clock.now = function() return time end
        package.loaded["resty.etcd.base.token_bucket"] = nil
        token_bucket = require "resty.etcd.base.token_bucket"
    end)

    after_each(function()
        clock.now = real_now
        package.loaded["resty.etcd.base.token_bucket"] = nil
    end)

    it("gives out its capacity in a burst, then tokens at its rate", function()
        local bucket = token_bucket.new(2, 4)
        local delays = {}
        for i = 1, 5 do
            delays[i] = token_bucket.reserve(bucket, 1)
        end
        assert.same({ 0, 0, 0.25, 0.5, 0.75 }, delays)
    end)

    it("refills at its rate up to its capacity", function()
        local bucket = token_bucket.new(2, 4)
        token_bucket.reserve(bucket, 1)
        token_bucket.reserve(bucket, 1)
        time = time + 0.25
        assert.equal(0, token_bucket.reserve(bucket, 1))
        assert.equal(0.25, token_bucket.reserve(bucket, 1))
        time = time + 1000
        assert.equal(0, token_bucket.reserve(bucket, 1))
        assert.equal(0, token_bucket.reserve(bucket, 1))
        assert.equal(0.25, token_bucket.reserve(bucket, 1))
    end)

    it("adds the tokens of a larger capacity immediately", function()
        local bucket = token_bucket.new(1, 1)
        token_bucket.reserve(bucket, 1)
        token_bucket.resize(bucket, 3, 2)
        assert.equal(0, token_bucket.reserve(bucket, 1))
        assert.equal(0, token_bucket.reserve(bucket, 1))
        assert.equal(0.5, token_bucket.reserve(bucket, 1))
    end)
end)
