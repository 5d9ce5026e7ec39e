-- Application of changes and their notification, with a scripted feed.
local clock = require "resty.etcd.base.clock"
local scripted = require "spec.support.scripted_feed"
local event_loop_probe = require "spec.support.event_loop_probe"

describe("mirror changes", function()
    local feed, m, received

    local function start(opts)
        feed, received = scripted.new(), {}
        m = assert(feed:mirror("/a/", opts))
        m:on_change(function(delivered) received[#received + 1] = delivered end)
    end

    -- Returns the argument of the last on_change callback, as one line.
    local function last()
        local delivered = received[#received]
        local words = { delivered.revision .. ":" }
        for i, change in ipairs(delivered.changes) do
            words[i + 1] = ("%s %s %s<%s"):format(change.type, change.key, change.kv and change.kv.value or "",
                change.old and change.old.value or "")
        end
        return table.concat(words, " ")
    end

    local function wait_for(check, seconds)
        local stop = clock.now() + (seconds or 5)
        while not check() and clock.now() < stop do
            ngx.sleep(0.001)
        end
        assert.is_truthy(check())
    end

    after_each(function()
        m:close()
    end)

    it("become visible together if they are of one revision, before callbacks run", function()
        start()
        local seen
        m:on_change(function() seen = { m:get("/a/1"), m:get("/a/2"), (m:get("/a/3")), m:revision(), m:version() } end)
        feed:full(10, { "/a/1", "1", 3 }, { "/a/3", "3", 4 })
        feed:events(11, { "/a/1", "11" }, { "/a/3" }, { "/a/2", "22" })
        scripted.at(m, 11)
        assert.same({ 11, 22, nil, 11, 2 }, seen)
        assert.equal("11: PUT /a/1 11<1 DELETE /a/3 <3 PUT /a/2 22<", last())
        assert.equal(2, #received)
    end)

    it("stay invisible while decode yields", function()
        local gate, is_slow = true, false
        start { decode = function(bytes)
            while bytes == "slow" and gate do
                is_slow = true
                ngx.sleep(0.001)
            end
            return bytes
        end }
        feed:full(10, { "/a/1", "1", 3 })
        feed:events(11, { "/a/1", "2" }, { "/a/2", "slow" })
        scripted.at(m, 10)
        wait_for(function() return is_slow end)
        ngx.sleep(0.02)
        assert.equal("1", m:get("/a/1"))
        assert.equal(10, m:revision())
        gate = false
        scripted.at(m, 11)
        assert.equal("2", m:get("/a/1"))
        assert.equal("slow", m:get("/a/2"))
    end)

    it("raise the version only if they change the content", function()
        start()
        feed:full(10, { "/a/1", "1", 3 })
        scripted.at(m, 10)
        assert.equal(1, m:version())
        feed:events(11) -- a progress notification
        feed:delete(12, "/a/none")
        feed:full(13, { "/a/1", "1", 3 })
        scripted.at(m, 13)
        assert.equal(1, m:version())
        assert.equal(1, #received)
        feed:put(14, "/a/1", "1")
        scripted.at(m, 14)
        assert.equal(2, m:version())
    end)

    it("make an empty mirror ready if there are no keys", function()
        start()
        feed:full(10)
        scripted.at(m, 10)
        assert.is_true(m:ready())
        assert.equal(1, m:version())
        assert.equal(0, #m:all())
        assert.equal(0, #received)
    end)

    it("are the exact difference if a full state is read again", function()
        local decoded = 0
        start { decode = function(bytes)
            decoded = decoded + 1
            return bytes
        end, index = { value = function(value) return value end } }
        feed:full(10, { "/a/1", "x", 3 }, { "/a/2", "x", 4 }, { "/a/3", "x", 5 }, { "/a/4", "x", 6 })
        scripted.at(m, 10)
        local _, kept = m:get("/a/1")
        feed:state("compacted", 20, { "/a/1", "x", 3 }, { "/a/2", "y", 12, 4 }, { "/a/4", "x", 14, 14 },
            { "/a/5", "x", 13 })
        scripted.at(m, 20)
        assert.equal("20: PUT /a/2 y<x PUT /a/4 x<x PUT /a/5 x< DELETE /a/3 <x", last())
        assert.equal(7, decoded)
        assert.equal(kept, select(2, m:get("/a/1")))
        assert.equal("/a/1 /a/2 /a/4 /a/5", scripted.keys(m:all()))
        assert.equal("/a/1 /a/4 /a/5", scripted.keys(m:by("value", "x")))
        assert.equal(4, m:count())
        assert.equal(2, m:version())
        assert.same({ list = 1, compacted = 1 }, m:stats().full)
    end)

    it("are all keys after a restore from a backup, because equal revisions mean nothing there", function()
        start()
        feed:full(10, { "/a/1", "1", 3 }, { "/a/2", "2", 4 })
        feed:state("restored", 8, { "/a/1", "7", 3 })
        scripted.at(m, 8)
        wait_for(function() return #received == 2 end)
        assert.equal("8: PUT /a/1 7<1 DELETE /a/2 <2", last())
        assert.equal(8, m:revision())
        feed:full(7, { "/a/1", "8", 3 }) -- a new feed cannot report the restore, but the revision is lower
        wait_for(function() return #received == 3 end)
        assert.equal("7: PUT /a/1 8<7", last())
    end)

    it("become visible together if one revision changes 600 of 1000 keys", function()
        start { index = { parity = function(value) return value % 2 end } }
        local items, changes = {}, {}
        for i = 1, 1000 do
            items[i] = { ("/a/%04d"):format(i), tostring(i), 3 }
        end
        feed:full(10, unpack(items))
        scripted.at(m, 10)
        local seen = {}
        local stop
        ngx.thread.spawn(function()
            while not stop do
                seen[m:count()] = m:version()
                ngx.sleep(0.001)
            end
        end)
        for i = 1, 600 do
            changes[i] = { items[i][1] }
        end
        changes[601] = { "/a/0700", "0" }
        changes[602] = { "/a/new", "2" }
        changes[603] = { "/a/another", "4" }
        changes[604] = { "/a/0800", "no JSON" }
        feed:events(11, unpack(changes))
        scripted.at(m, 11)
        stop = true
        seen[m:count()] = m:version()
        assert.same({ [1000] = 1, [402] = 2 }, seen)
        assert.equal(402, #m:all())
        assert.equal("/a/0601", m:all()[1].key)
        assert.equal("/a/another /a/new", scripted.keys({ m:all()[401], m:all()[402] }))
        assert.equal(0, m:get("/a/0700"))
        assert.equal(800, m:get("/a/0800"))
        assert.is_truthy(m:invalid()["/a/0800"])
        assert.equal(202, #m:by("parity", 0))
        assert.equal(603, #received[2].changes)
    end)

    it("are delivered to the other callbacks if one of them throws", function()
        start()
        local order = {}
        m:on_change(function() order[#order + 1] = 1 end)
        m:on_change(function() error("oops") end)
        local cancel = m:on_change(function() order[#order + 1] = 3 end)
        feed:full(10, { "/a/1", "1", 3 })
        scripted.at(m, 10)
        ngx.sleep(0.01)
        assert.same({ 1, 3 }, order)
        assert.equal(1, m:stats().callback_errors)
        cancel()
        feed:put(11, "/a/1", "2")
        scripted.at(m, 11)
        ngx.sleep(0.01)
        assert.same({ 1, 3, 1 }, order)
        assert.equal(2, m:stats().callback_errors)
        local none, err = m:on_change(1)
        assert.is_nil(none)
        assert.equal("callback must be function", err)
    end)

    it("are not delivered to a callback that was unregistered, nor after close", function()
        start()
        local calls, stop = {}, nil
        m:on_change(function()
            calls[#calls + 1] = "first"
            stop()
        end)
        stop = m:on_change(function() calls[#calls + 1] = "stopped" end)
        m:on_change(function(delivered)
            calls[#calls + 1] = "third"
            if delivered.revision == 11 then
                m:close()
            end
        end)
        m:on_change(function() calls[#calls + 1] = "last" end)
        feed:full(10, { "/a/1", "1", 3 })
        feed:put(11, "/a/1", "2")
        scripted.at(m, 11)
        ngx.sleep(0.02)
        assert.equal("first third last first third", table.concat(calls, " "))
    end)

    it("become visible while a callback is slow, and are delivered in order when it has returned", function()
        start()
        local gate, delivered = false, {}
        m:on_change(function(one)
            delivered[#delivered + 1] = one.revision
            wait_for(function() return gate end)
        end)
        feed:full(10, { "/a/1", "1", 3 })
        for i = 11, 30 do
            feed:put(i, "/a/1", tostring(i))
        end
        scripted.at(m, 30)
        assert.equal(30, m:get("/a/1"))
        assert.same({ 10 }, delivered)
        assert.equal(20, m:state().pending_changes)
        gate = true
        wait_for(function() return #delivered == 21 end)
        for i, revision in ipairs(delivered) do
            assert.equal(9 + i, revision)
        end
        assert.equal(21, #received)
        assert.equal("30: PUT /a/1 30<29", last())
        assert.same({ 0, 0 }, { m:state().pending_changes, m:stats().coalesced })
    end)

    it("are delivered one by one, before the next revision is applied, to callbacks that do not wait", function()
        start()
        local last_delivered, ahead, delivered = 10, 0, 0
        m:on_change(function(one)
            local stop = clock.now() + 0.0003
            while clock.now() < stop do end -- luacheck: ignore 542
            ahead = math.max(ahead, m:revision() - one.revision)
            delivered = delivered + (one.revision == last_delivered + 1 and 1 or 0)
            last_delivered = one.revision
        end)
        feed:full(10)
        for i = 11, 3010 do
            feed:put(i, "/a/" .. i % 50, tostring(i))
        end
        scripted.at(m, 3010, 60) -- 1 s of work
        assert.same({ 3000, 0, 0 }, { delivered, ahead, m:stats().coalesced })
        assert.equal(3000, #received)
    end)

    it("are merged into one exact difference if thousands of them wait for a slow callback", function()
        local seed = ngx.time() + ngx.worker.pid()
        print("seed " .. seed)
        math.randomseed(seed)
        start()
        local gate, shadow, calls = false, {}, 0
        m:on_change(function(delivered)
            calls = calls + 1
            for _, change in ipairs(delivered.changes) do
                -- `old` is what the callback received last
                assert(shadow[change.key] == (change.old and change.old.value))
                assert((change.type == "PUT") == (change.kv ~= nil))
                shadow[change.key] = change.kv and change.kv.value
            end
            wait_for(function() return gate end, 120)
        end)
        feed:full(10, { "/a/1", "1", 3 }, { "/a/2", "2", 4 })
        for i = 11, 6000 do
            local key = "/a/" .. math.random(400)
            if math.random(3) == 1 then
                feed:delete(i, key)
            else
                feed:put(i, key, tostring(i))
            end
        end
        scripted.at(m, 6000, 60)
        assert.is_true(m:stats().coalesced >= 2)
        assert.is_true(m:state().pending_changes <= 2048, m:state().pending_changes)
        gate = true
        wait_for(function() return m:state().pending_changes == 0 and not m.notifications.is_notifying end)
        assert.equal(0, m:stats().callback_errors)
        assert.is_true(calls < 2048)
        local n = 0
        for key, value in pairs(shadow) do
            n = n + 1
            assert.equal(m:get(key), value)
        end
        assert.equal(m:count(), n)
        -- later changes are delivered one by one again
        local before = calls
        feed:put(6001, "/a/1", "1")
        feed:put(6002, "/a/1", "2")
        scripted.at(m, 6002)
        assert.equal(before + 2, calls)
    end)

    it("are applied although a callback never returns, which is logged and does not delay the exit of the worker", function()
        local timers
        repeat -- until the timers of earlier mirrors have ended
            timers = ngx.timer.running_count()
            ngx.sleep(0.7)
        until ngx.timer.running_count() == timers
        local log, exiting, lines = ngx.log, ngx.worker.exiting, {}
        finally(function()
            ngx.log = log -- luacheck: ignore 122
            ngx.worker.exiting = exiting -- luacheck: ignore 122
        end)
        ngx.log = function(_, ...) -- luacheck: ignore 122
            lines[#lines + 1] = table.concat { ... }
        end
        start()
        m:on_change(function() ngx.sleep(1000) end)
        feed:full(10, { "/a/1", "1", 3 })
        feed:put(11, "/a/1", "2")
        scripted.at(m, 11)
        assert.equal(2, m:get("/a/1"))
        wait_for(function() return #lines > 0 end)
        feed:fail("permission_denied", "no") -- the mirror opens another feed
        feed:full(12, { "/a/1", "3", 12, 3 })
        scripted.at(m, 12)
        assert.equal(3, m:get("/a/1"))
        ngx.worker.exiting = function() return true end -- luacheck: ignore 122
        local stop = clock.now() + 3
        while ngx.timer.running_count() > timers and clock.now() < stop do
            ngx.sleep(0.01)
        end
        assert.equal(timers, ngx.timer.running_count())
        assert.equal("mirror of /a/: on_change: a callback has not returned for 1 s; later changes wait for it", lines[1])
        assert.same({ "mirror of /a/: no; retrying", "mirror of /a/: follows etcd again" }, { lines[2], lines[3] })
        assert.equal(3, #lines)
    end)

    it("are applied in time slices, so that other requests do not wait #alone", function()
        start { transform = event_loop_probe.work }
        local items = {}
        for i = 1, 400 do
            items[i] = { ("/a/%04d"):format(i), "1", 3 }
        end
        local most = event_loop_probe.most(function()
            feed:full(10, unpack(items)) -- 200 ms of work
            scripted.at(m, 10)
        end)
        assert.is_true(most > 0 and most <= event_loop_probe.FEW, most .. " without yielding")
        assert.equal(400, m:count())
    end)

    it("are applied in time slices if many revisions are buffered #alone", function()
        start { transform = event_loop_probe.work }
        feed:full(10)
        scripted.at(m, 10)
        local most = event_loop_probe.most(function()
            for i = 1, 400 do
                feed:put(10 + i, "/a/" .. i, "1")
            end
            scripted.at(m, 410)
        end)
        assert.is_true(most > 0 and most <= event_loop_probe.FEW, most .. " without yielding")
        assert.equal(400, m:count())
    end)
end)
