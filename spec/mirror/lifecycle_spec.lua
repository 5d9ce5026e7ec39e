-- How a mirror begins, goes on when its feed fails, and ends; fed by a script.
local clock = require "resty.etcd.base.clock"
local errors = require "resty.etcd.protocol.errors"
local mirrors = require "resty.etcd.mirror.mirror"
local scripted = require "spec.support.scripted_feed"

describe("a mirror", function()
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

    it("serves what it has while etcd is away, and goes on with a new feed, for ever", function()
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
        assert.same({ "mirror of /a/: etcdserver: permission denied; trying again" }, lines)
        feed:full(11, { "/a/1", "1", 3 })
        scripted.at(m, 11)
        assert.equal("ready", m:state().status)
        assert.is_nil(m:state().err)
        assert.equal(4, feed.opened)
        assert.equal(0, changes)
    end)

    it("pauses longer the more often it fails", function()
        m:close()
        local times = {}
        m = assert(mirrors.new(scripted.client(), "/", nil, function()
            times[#times + 1] = clock.now()
            return nil, errors.local_error("connect_failed", "connection refused")
        end))
        local stop = clock.now() + 5
        while #times < 5 and clock.now() < stop do
            ngx.sleep(0.001)
        end
        for i = 2, 5 do
            local pause = times[i] - times[i - 1]
            assert.is_true(pause >= 0.05 * 2 ^ (i - 2) - 0.002, "pause of " .. pause) -- timers may be early
        end
        assert.equal(1, #lines)
    end)

    it("survives a feed that throws", function()
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

    it("lets all go on that wait for it", function()
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

    it("says why waiting for it was in vain", function()
        local ok, err = m:wait_ready(0.05)
        assert.is_nil(ok)
        assert.equal("timeout", err.name)
        local waiting = ngx.thread.spawn(function() return select(2, m:wait_ready()) end)
        m:close()
        local _, why = ngx.thread.wait(waiting)
        assert.equal("closed", why.name)
        assert.equal("the mirror is closed", tostring(why))
        assert.equal("closed", select(2, m:wait_ready(1)).name)
    end)

    it("frees its feed at once when it is closed, and takes in nothing more", function()
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

    it("ends quietly with its worker", function()
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

    it("goes on in a new timer after many batches", function()
        local at, timers = ngx.timer.at, 0
        ngx.timer.at = function(...) -- luacheck: ignore 122
            timers = timers + 1
            return at(...)
        end
        feed:full(10)
        for i = 11, 10500 do
            feed.queue[#feed.queue + 1] = { revision = i, events = {} }
        end
        feed.ready:post(10490)
        scripted.at(m, 10500)
        ngx.timer.at = at -- luacheck: ignore 122
        assert.equal(1, timers)
        feed:put(10501, "/a/1", "1")
        scripted.at(m, 10501)
        assert.equal(1, m:get("/a/1"))
    end)

    it("is as it says when the first functions are called, also after a failure", function()
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

    it("says what keeps it from etcd, ready or not", function()
        local trouble = errors.local_error("connect_failed", "connection refused")
        feed.current_error = function() return trouble end
        ngx.sleep(0.01)
        assert.same({ "retrying", "connection refused" }, { m:state().status, m:state().err })
        local _, err = m:wait_ready(0.01)
        assert.same({ "timeout", "the mirror is not ready: timeout: connection refused" }, { err.name, tostring(err) })
        feed:full(10, { "/a/1", "1", 3 })
        scripted.at(m, 10)
        assert.same({ "retrying", "connection refused" }, { m:state().status, m:state().err })
        trouble = nil
        assert.same({ "ready" }, { m:state().status, m:state().err })
    end)

    for name, what in pairs {
        ["a first state"] = function() feed:full(10, { "/a/1", "1", 3 }) end,
        ["a change"] = function() feed:put(10, "/a/1", "1") end,
        ["many changes of one revision"] = function()
            local changes = {}
            for i = 1, 200 do
                changes[i] = { "/a/" .. i, "1" }
            end
            feed:events(10, unpack(changes))
        end,
        ["a state again"] = function() feed:full(10, { "/a/0", "1", 3 }, { "/a/1", "1", 4 }) end,
        ["a state that changes nothing"] = function()
            m.slow("0")
            feed:full(10, { "/a/0", "0", 3 }, { "/a/2", "{", 4 })
        end,
    } do
        it("takes in nothing of " .. name .. " that it was at when it was closed", function()
            m:close()
            local in_work, told, slow = false, 0, "1"
            m = assert(feed:mirror("/a/", { decode = function(bytes)
                if bytes == slow or bytes == "{" then
                    in_work = true
                    ngx.sleep(0.05)
                end
                return bytes ~= "{" and bytes or nil
            end }))
            m.slow = function(bytes) slow = bytes end
            m:on_change(function() told = told + 1 end)
            if name ~= "a first state" then
                feed:full(5, { "/a/0", "0", 3 })
                scripted.at(m, 5)
            end
            local before, version, revision = told, m:version(), m:revision()
            what()
            local stop = clock.now() + 3
            while not in_work and clock.now() < stop do
                ngx.sleep(0.001)
            end
            assert.is_true(in_work)
            m:close()
            ngx.sleep(0.15)
            assert.same({ before, version, revision }, { told, m:version(), m:revision() })
            assert.is_nil((m:get("/a/1")))
            assert.equal(m:count(), m:get("/a/0") and 1 or 0)
            assert.same({}, m:invalid())
            assert.equal("closed", m:state().status)
        end)
    end
end)
