-- How a mirror begins, goes on when its feed fails, and ends; fed by a script.
local clock = require "resty.etcd.clock"
local errors = require "resty.etcd.errors"
local mirrors = require "resty.etcd.mirror"
local scripted = require "spec.support.scripted"

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
            return nil, errors.failure("connect_failed", "connection refused")
        end))
        local stop = clock.now() + 5
        while #times < 5 and clock.now() < stop do
            ngx.sleep(0.001)
        end
        for i = 2, 5 do
            local pause = times[i] - times[i - 1]
            assert.is_true(pause >= 0.05 * 2 ^ (i - 2), "pause of " .. pause)
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
end)
