local clock = require "resty.etcd.base.clock"
local error_text = require "resty.etcd.base.error_text"
local rate_limited_log = require "resty.etcd.base.rate_limited_log"

describe("rate-limited log", function()
    local log, lines, time
    local write, now = ngx.log, clock.now

    before_each(function()
        lines, time = {}, 1000
        clock.now = function() return time end
        ngx.log = function(_, ...) -- luacheck: ignore 122
            lines[#lines + 1] = table.concat { ... }
        end
        log = rate_limited_log.new("mirror of /a/")
    end)

    after_each(function()
        clock.now = now
        ngx.log = write -- luacheck: ignore 122
    end)

    it("writes a burst of 20 lines, then one line per second", function()
        for i = 1, 30 do
            rate_limited_log.warn(log, "line " .. i)
        end
        assert.equal(20, #lines)
        assert.equal("mirror of /a/: line 20", lines[20])
        time = time + 2
        for i = 31, 40 do
            rate_limited_log.warn(log, "line " .. i)
        end
        assert.same({ "mirror of /a/: line 31 (and 10 others)", "mirror of /a/: line 32" }, { lines[21], lines[22] })
        assert.equal(22, #lines)
        time = time + 3600
        for i = 41, 70 do
            rate_limited_log.warn(log, "line " .. i)
        end
        assert.equal("mirror of /a/: line 41 (and 8 others)", lines[23])
        assert.equal(42, #lines)
    end)

    it("limits each object separately", function()
        local other = rate_limited_log.new("mirror of /b/")
        for _ = 1, 30 do
            rate_limited_log.warn(log, "again")
        end
        rate_limited_log.warn(other, "once")
        assert.equal("mirror of /b/: once", lines[21])
    end)

    it("replaces control characters, so that a text stays on one line", function()
        rate_limited_log.warn(log, "a\nb\0c")
        assert.same({ "mirror of /a/: a?b?c" }, lines)
    end)
end)

describe("text of an error value", function()
    it("is what tostring returns", function()
        assert.equal("oops", error_text.of("oops", "no reason"))
        assert.equal("5", error_text.of(5, "no reason"))
        assert.equal("false", error_text.of(false, "no reason"))
    end)

    it("is the fallback if there is no value, or its __tostring fails", function()
        assert.equal("no reason", error_text.of(nil, "no reason"))
        local thrower = setmetatable({}, { __tostring = function() error("no") end })
        assert.equal("no reason", error_text.of(thrower, "no reason"))
        local silent = setmetatable({}, { __tostring = function() return nil end })
        assert.equal("no reason", error_text.of(silent, "no reason"))
    end)
end)
