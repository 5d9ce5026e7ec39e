-- Start, failure of the feed, and end of a mirror, with a scripted feed.
local clock = require "resty.etcd.base.clock"
local errors = require "resty.etcd.protocol.errors"
local mirrors = require "resty.etcd.mirror.mirror"
local scripted = require "spec.support.scripted_feed"

describe("mirror", function()
    local feed, m, lines
    local log = ngx.log

    before_each(function()
        feed, lines = scripted.new(), {}
        ngx.log = function(_, ...) -- luacheck: ignore 122
            lines[#lines + 1] = table.concat { ... }
        end
        m = assert(feed:mirror("/a/"))
    end)

    after_each(function()
        ngx.log = log -- luacheck: ignore 122
        m:close()
    end)

    it("serves the last state while etcd is unreachable, and follows a new feed after each failure", function()
        feed:full(10, { "/a/1", "1", 3 })
        scripted.at(m, 10)
        local changes = 0
        m:on_change(function() changes = changes + 1 end)
        for _ = 1, 3 do
            feed:fail("permission_denied", "etcdserver: permission denied")
        end
        local stop = clock.now() + 5
        while m:stats().failures < 3 and clock.now() < stop do
            ngx.sleep(0.001)
        end
        local state = m:state()
        assert.equal("retrying", state.status)
        assert.equal("etcdserver: permission denied", state.err)
        assert.is_true(state.ready)
        assert.equal(1, m:get("/a/1"))
        assert.same({ "mirror of /a/: etcdserver: permission denied; retrying" }, lines)
        feed:full(11, { "/a/1", "1", 3 })
        scripted.at(m, 11)
        assert.equal("ready", m:state().status)
        assert.is_nil(m:state().err)
        assert.same({
            "mirror of /a/: etcdserver: permission denied; retrying", "mirror of /a/: follows etcd again",
        }, lines)
        assert.equal(4, feed.opened)
        assert.equal(0, changes)
    end)

    it("doubles the delay before the next feed with each failure", function()
        m:close()
        local times = {}
        m = assert(mirrors.new(scripted.client(), "/", nil, function()
            times[#times + 1] = clock.now()
            return nil, errors.local_error("connect_failed", "connection refused")
        end))
        local stop = clock.now() + 15
        while #times < 5 and clock.now() < stop do
            ngx.sleep(0.001)
        end
        for i = 2, 5 do
            local pause = times[i] - times[i - 1]
            assert.is_true(pause >= 0.25 * 2 ^ (i - 2) - 0.002, "pause of " .. pause) -- nginx fires timers up to 1 ms early
        end
        assert.equal(1, #lines)
    end)

    it("opens another feed if one throws", function()
        local next_batch = feed.next
        feed.next = function()
            feed.next = next_batch
            error("oops")
        end
        feed:full(10, { "/a/1", "1", 3 })
        scripted.at(m, 10)
        local stop = clock.now() + 5
        feed:put(11, "/a/1", "2")
        while m:get("/a/1") ~= 2 and clock.now() < stop do
            ngx.sleep(0.001)
        end
        assert.equal(2, m:get("/a/1"))
        assert.equal(1, m:stats().failures)
    end)

    it("wakes all callers of wait_ready when the first full state is there", function()
        local waiting = {}
        for i = 1, 3 do
            waiting[i] = ngx.thread.spawn(function() return m:wait_ready(5) end)
        end
        feed:full(10)
        for i = 1, 3 do
            assert.same({ true, true }, { ngx.thread.wait(waiting[i]) })
        end
        assert.is_true(m:wait_ready(0))
    end)

    it("returns the cause if wait_ready fails", function()
        local ok, err, details = m:wait_ready(0.05)
        assert.same({ nil, "the mirror is not ready: timeout" }, { ok, err })
        assert.same({ "timeout", true }, { details.name, details.retryable })
        local waiting = ngx.thread.spawn(function() return m:wait_ready() end)
        m:close()
        local is_joined, is_ready, why, cause = ngx.thread.wait(waiting)
        assert.same({ true, nil, "the mirror is closed", "closed" }, { is_joined, is_ready, why, cause.name })
        assert.equal("closed", select(3, m:wait_ready(1)).name)
    end)

    it("closes its feed immediately when it is closed, and applies no further change", function()
        feed:full(10, { "/a/1", "1", 3 })
        scripted.at(m, 10)
        assert.is_true(m:close())
        assert.is_true(feed.closed)
        feed:put(11, "/a/1", "2")
        ngx.sleep(0.05)
        assert.equal(10, m:revision())
        assert.equal(1, m:get("/a/1"))
        assert.is_true(m:close())
        assert.same({}, lines)
    end)

    it("ends without a log line when the worker exits", function()
        feed:full(10, { "/a/1", "1", 3 })
        scripted.at(m, 10)
        local exiting = ngx.worker.exiting
        ngx.worker.exiting = function() return true end -- luacheck: ignore 122
        local stop = clock.now() + 3
        while not feed.closed and clock.now() < stop do
            ngx.sleep(0.01)
        end
        ngx.worker.exiting = exiting -- luacheck: ignore 122
        assert.is_true(feed.closed)
        assert.equal(1, m:get("/a/1"))
        assert.same({}, lines)
    end)

    it("moves to a new timer after many calls of its callbacks", function()
        local called = 0
        m:on_change(function() called = called + 1 end)
        local at, timers = ngx.timer.at, 0
        ngx.timer.at = function(...) -- luacheck: ignore 122
            timers = timers + 1
            return at(...)
        end
        feed:full(10)
        scripted.at(m, 10)
        feed:put(11, "/a/1", "0")
        scripted.at(m, 11)
        local first = m.loop.timer.home
        timers = 0
        for i = 12, 1050 do
            feed:put(i, "/a/1", tostring(i))
        end
        scripted.at(m, 1050)
        local stop = clock.now() + 5
        while m.loop.timer.home == first and clock.now() < stop do
            ngx.sleep(0.01)
        end
        ngx.timer.at = at -- luacheck: ignore 122
        assert.are_not.equal(first, m.loop.timer.home)
        assert.equal(1, timers)
        feed:put(1051, "/a/1", "1")
        scripted.at(m, 1051)
        assert.equal(1, m:get("/a/1"))
        assert.equal(1041, called)
    end)

    it("is ready before its callbacks are called, also after a failure", function()
        local seen
        m:on_change(function()
            local state = m:state()
            seen = ("%s %s %s %s"):format(state.status, state.err, m:age() < 5, m:ready())
        end)
        feed:full(10, { "/a/1", "1", 3 })
        scripted.at(m, 10)
        assert.equal("ready nil true true", seen)
        feed:fail("permission_denied", "no")
        feed:full(11, { "/a/1", "2", 11, 3 })
        scripted.at(m, 11)
        assert.equal(1, m:stats().failures)
        assert.equal("ready nil true true", seen)
    end)

    it("reports why etcd cannot be followed, before and after the first full state", function()
        local failure = errors.local_error("connect_failed", "connection refused")
        feed.current_error = function() return failure end
        ngx.sleep(0.01)
        assert.same({ "retrying", "connection refused" }, { m:state().status, m:state().err })
        local _, err, details = m:wait_ready(0.01)
        assert.same({ "timeout", "the mirror is not ready: timeout: connection refused" }, { details.name, err })
        feed:full(10, { "/a/1", "1", 3 })
        scripted.at(m, 10)
        assert.same({ "retrying", "connection refused" }, { m:state().status, m:state().err })
        failure = nil
        assert.same({ "ready" }, { m:state().status, m:state().err })
    end)

    for name, feed_batch in pairs {
        ["the first full state"] = function() feed:full(10, { "/a/1", "1", 3 }) end,
        ["a change"] = function() feed:put(10, "/a/1", "1") end,
        ["many changes of one revision"] = function()
            local changes = {}
            for i = 1, 200 do
                changes[i] = { "/a/" .. i, "1" }
            end
            feed:events(10, unpack(changes))
        end,
        ["another full state"] = function() feed:full(10, { "/a/0", "1", 3 }, { "/a/1", "1", 4 }) end,
        ["a full state that changes nothing"] = function()
            m.slow("0")
            feed:full(10, { "/a/0", "0", 3 }, { "/a/2", "{", 4 })
        end,
    } do
        it("applies nothing of " .. name .. " if it is closed meanwhile", function()
            m:close()
            local is_decoding, call_count, slow = false, 0, "1"
            m = assert(feed:mirror("/a/", { decode = function(bytes)
                if bytes == slow or bytes == "{" then
                    is_decoding = true
                    ngx.sleep(0.05)
                end
                return bytes ~= "{" and bytes or nil
            end }))
            m.slow = function(bytes) slow = bytes end
            m:on_change(function() call_count = call_count + 1 end)
            if name ~= "the first full state" then
                feed:full(5, { "/a/0", "0", 3 })
                scripted.at(m, 5)
            end
            local before, version, revision = call_count, m:version(), m:revision()
            feed_batch()
            local stop = clock.now() + 3
            while not is_decoding and clock.now() < stop do
                ngx.sleep(0.001)
            end
            assert.is_true(is_decoding)
            m:close()
            ngx.sleep(0.15)
            assert.same({ before, version, revision }, { call_count, m:version(), m:revision() })
            assert.is_nil((m:get("/a/1")))
            assert.equal(m:count(), m:get("/a/0") and 1 or 0)
            assert.same({}, m:invalid())
            assert.equal("closed", m:state().status)
        end)
    end
end)
