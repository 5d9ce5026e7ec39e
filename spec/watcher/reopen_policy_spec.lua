-- The pauses of one watch between its streams, with a clock that the spec sets.
local clock = require "resty.etcd.base.clock"
local random = require "resty.etcd.base.random"

local MODULES = { "resty.etcd.base.token_bucket", "resty.etcd.watch.reopen_policy", "resty.etcd.watch.reopen_limit" }
-- Calls of a session that etcd answers: up to two reads, the watch, and the read of a full state.
local CALLS = 4

describe("pauses between the streams of a watch", function()
    local real_now, real_next, time, reopen_policy, reopen_limit

    local function reload()
        for _, name in ipairs(MODULES) do
            package.loaded[name] = nil
        end
    end

    before_each(function()
        real_now, real_next, time = clock.now, random.next, 1000
        clock.now = function() return time end
        random.next = function() return 0.5 end
        reload()
        reopen_policy, reopen_limit = require "resty.etcd.watch.reopen_policy", require "resty.etcd.watch.reopen_limit"
    end)

    after_each(function()
        clock.now, random.next = real_now, real_next
        reload()
    end)

    local CLOSED = { name = "closed" }

    -- Lets streams that last `seconds` end one after another. Returns the times at which streams were opened within `limit` s.
    local function run(limit, seconds, fields)
        local policy, opened, started = reopen_policy.new(), {}, time
        while time - started < limit do
            opened[#opened + 1] = time - started
            local connected_at = fields.is_connected and time or nil
            time = time + seconds
            time = time + reopen_policy.next_delay(policy, {
                err = fields.err or CLOSED, connected_at = connected_at, has_delivered = fields.has_delivered == true,
                is_answered = fields.is_answered ~= false, attempts = fields.attempts or 2,
            })
        end
        return opened
    end

    for name, case in pairs {
        ["are confirmed and closed immediately"] = { 0.001, { is_connected = true } },
        ["are closed after 0.3 s"] = { 0.3, { is_connected = true } },
        ["are closed after 1.1 s"] = { 1.1, { is_connected = true } },
        ["are rejected"] = { 0.001, {} },
        ["deliver an event and are closed"] = { 0.001, { is_connected = true, has_delivered = true } },
        ["deliver an event and are closed after 0.5 s"] = { 0.5, { is_connected = true, has_delivered = true } },
    } do
        it("let streams that " .. name .. " make no more than 5 calls per second after a burst of three", function()
            local opened = run(60, unpack(case))
            for i, first in ipairs(opened) do
                local count = 0
                for j = i, #opened do
                    count = count + (opened[j] - first < 3 and 1 or 0)
                end
                assert.is_true(count * CALLS <= 5 * 3 + 3 * CALLS, count .. " streams from " .. first)
            end
            assert.is_true(#opened * CALLS <= 5 * 60, #opened)
        end)
    end

    it("grow with the attempts that a stream has taken", function()
        local opened = run(300, 0.001, { attempts = 9, is_connected = true, has_delivered = true })
        assert.is_true(#opened * 9 <= 5 * 300, #opened)
    end)

    it("grow to 10 s while no stream makes progress", function()
        for _, fields in ipairs { { is_connected = true }, {}, { is_answered = false } } do
            local opened = run(200, 0.001, fields)
            assert.is_true(opened[#opened] - opened[#opened - 1] >= 10)
            assert.is_true(#opened < 35, #opened)
        end
    end)

    it("are reset by an answer after an outage only once before a healthy stream", function()
        local policy, delay = reopen_policy.new(), nil
        local function fail(is_answered)
            delay = reopen_policy.next_delay(policy, { err = CLOSED, has_delivered = false, is_answered = is_answered, attempts = 2 })
            time = time + delay
        end
        for _ = 1, 20 do
            fail(false)
        end
        assert.equal(10, delay)
        fail(true)
        assert.is_true(delay < 0.2, delay)
        for _ = 1, 20 do
            fail(false)
            fail(true)
        end
        assert.equal(10, delay)
        reopen_policy.next_delay(policy, { err = CLOSED, connected_at = time - 60, has_delivered = false, is_answered = true, attempts = 2 })
        for _ = 1, 20 do
            fail(false)
        end
        fail(true)
        assert.is_true(delay < 0.2, delay)
    end)

    it("are none after a healthy stream, and after the compaction that follows", function()
        local policy = reopen_policy.new()
        local ended = { err = CLOSED, connected_at = time - 60, has_delivered = false, is_answered = true, attempts = 2 }
        assert.equal(0, reopen_policy.next_delay(policy, ended))
        assert.is_true(reopen_policy.next_delay(policy, { err = { name = "compacted" }, has_delivered = false, is_answered = true, attempts = 2 }) < 0.2)
    end)

    it("are at most 1 s while no endpoint is available", function()
        local opened = run(30, 0, { err = { name = "no_endpoint" }, is_answered = false })
        assert.equal(1, opened[#opened] - opened[#opened - 1])
    end)

    describe("of a client with many watches", function()
        local function client(n)
            local watches = {}
            for i = 1, n do
                watches[i] = {}
            end
            return { shared_watches = watches }
        end

        it("are none for two rounds of all watches, then limited to 5 streams per second", function()
            for _, n in ipairs { 1, 5, 50 } do
                local core, burst = client(n), math.max(10, 2 * n)
                for i = 1, burst do
                    assert.equal(0, reopen_limit.delay(core), i)
                end
                for i = 1, 20 do
                    assert.is_true(math.abs(reopen_limit.delay(core) - i / 5) < 1e-6)
                end
            end
        end)

        it("let each of many watches open a stream every 10 s", function()
            local core, delay = client(500), nil
            for _ = 1, 1000 do
                assert.equal(0, reopen_limit.delay(core))
            end
            for _ = 1, 500 do
                delay = reopen_limit.delay(core)
            end
            assert.is_true(math.abs(delay - 10) < 1e-6)
        end)

        it("apply to streams that etcd answers but does not keep", function()
            local function is_limited(fields)
                fields.err = CLOSED
                return reopen_policy.is_limited_by_client(fields)
            end
            assert.is_true(is_limited { is_answered = true, has_delivered = false })
            assert.is_true(is_limited { is_answered = true, has_delivered = false, connected_at = time - 2 })
            assert.is_false(is_limited { is_answered = true, has_delivered = false, connected_at = time - 60 })
            assert.is_false(is_limited { is_answered = true, has_delivered = true, connected_at = time })
            assert.is_false(is_limited { is_answered = false, has_delivered = false })
        end)
    end)
end)
