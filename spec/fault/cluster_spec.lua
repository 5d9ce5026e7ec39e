-- Members of a real cluster are killed, stopped and lose the leadership during calls.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local cluster = require "fault.cluster"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"
local history = require "fault.history"
local Load = require "fault.load"
local settings = require "fault.settings"

local MARGIN = 0.3 -- seconds that a busy machine can add to a deadline
local WRITE_TIMEOUT = 2 -- seconds

describe("calls to a cluster", function()
    local load, key, chance

    setup(function()
        settings.announce("cluster")
        chance = settings.random("cluster")
        cluster.heal()
    end)

    teardown(function()
        assert(health_check.init())
        settings.finish()
    end)

    after_each(function()
        if load then
            load:kill()
            load = nil
        end
        cluster.heal()
        cluster.forgive(bed.cluster.http)
        assert(bed.new { http_host = bed.cluster.http[1], timeout = 20 }:rmdir(key))
    end)

    before_each(function()
        key = bed.key("cluster")
    end)

    -- Starts calls from several light threads. The timeout of reads allows for an election; that of writes is shorter.
    local function start(mode, writers)
        assert(health_check.init(mode.shared))
        local cli = assert(bed.new { http_host = bed.cluster.http, timeout = 5, serializer = "raw", health = mode.own })
        load = Load.start { cli = cli, key = key, readers = 4, writers = writers, write = { timeout = WRITE_TIMEOUT } }
        ngx.sleep(0.3)
        assert.same({}, Load.errors(load.reads))
        assert.same({}, Load.errors(load.writes))
        assert(fake.eventually(function() return Load.first_success(load.reads, 0) end))
    end

    -- Ends the load. Asserts that each call met its deadline, and that the outcome of each write is as reported.
    local function stop()
        load:stop()
        assert.is_true(Load.longest(load.reads) < 5 + MARGIN)
        assert.is_true(Load.longest(load.writes) < WRITE_TIMEOUT + MARGIN)
        if #load.writes > 0 then
            cluster.heal()
            assert.same({}, history.violations(load.writes, history.read(bed.cluster.http[1], key)))
        end
    end

    -- Asserts that reads failed for one reason only: all members were ejected.
    local function assert_rejected_reads(reads)
        local errors = Load.errors(reads)
        errors["has no healthy etcd endpoint available"] = nil
        assert.same({}, errors)
    end

    -- Asserts that no read failed. On a busy machine the election can take longer than the timeout of writes.
    local function assert_reads(reads, failed_at, elected)
        if elected - failed_at < WRITE_TIMEOUT then
            assert.same({}, Load.errors(reads))
        else
            assert_rejected_reads(reads)
            assert.same({}, Load.errors(reads, elected + 1))
        end
    end

    local OWN = { name = "a private health check", own = {}, pause = 0 }
    local SHARED = { name = "the shared health check", shared = { retry = true, fail_timeout = 1 }, pause = 1 }

    for _, mode in ipairs { OWN, SHARED } do
        it("continue without a failed read when a follower is killed, with " .. mode.name, function()
            local followers = cluster.others(cluster.wait_for_leader())
            start(mode, 2)
            cluster.signal(followers[chance(2)], "KILL")
            local killed = clock.now()
            ngx.sleep(settings.scaled(2))
            stop()
            assert.same({}, Load.errors(load.reads))
            assert.is_truthy(Load.first_success(load.reads, killed))
            assert.same({}, Load.errors(load.writes, killed + 1))
            assert.is_true(Load.first_success(load.writes, killed) < killed + 1)
        end)

        it("read again within 1 s after the election when the leader is killed, with " .. mode.name, function()
            local leader = cluster.wait_for_leader()
            start(mode, 0)
            cluster.signal(leader, "KILL")
            local killed = clock.now()
            cluster.wait_for_leader(cluster.others(leader))
            local elected = clock.now()
            ngx.sleep(mode.pause + settings.scaled(2))
            stop()
            -- the shared health check bans members without a leader, each for its fail_timeout
            local by = elected + mode.pause + 1
            assert.is_true(Load.first_success(load.reads, killed) < by)
            assert.is_truthy(Load.first_success(load.reads, by))
            assert.same({}, Load.errors(load.reads, by))
        end)
    end

    it("report every failed read and write when the leader is killed", function()
        local leader = cluster.wait_for_leader()
        start(OWN, 4)
        cluster.signal(leader, "KILL")
        local killed = clock.now()
        cluster.wait_for_leader(cluster.others(leader))
        local elected = clock.now()
        ngx.sleep(settings.scaled(2))
        stop()
        assert_reads(load.reads, killed, elected)
        assert.is_truthy(Load.first_success(load.reads, killed))
        assert.is_truthy(Load.first_success(load.writes, elected + 1))
        assert.same({}, Load.errors(load.writes, elected + 1))
    end)

    -- Writes that time out eject members. Then reads fail immediately until one is probed (docs/api.md, "Fail open").
    it("reject reads only while all members are ejected when the election takes longer than the timeout of writes", function()
        local leader = cluster.wait_for_leader()
        start(OWN, 4)
        local stopped = cluster.others(leader)[chance(2)]
        cluster.signal(stopped, "STOP")
        cluster.signal(leader, "KILL")
        ngx.sleep(WRITE_TIMEOUT + 1)
        cluster.signal(stopped, "CONT")
        cluster.wait_for_leader(cluster.others(leader))
        local elected = clock.now()
        ngx.sleep(settings.scaled(2))
        stop()
        assert_rejected_reads(load.reads)
        assert.same({}, Load.errors(load.reads, elected + 1))
        assert.is_truthy(Load.first_success(load.reads, elected))
        assert.same({}, Load.errors(load.writes, elected + 1))
    end)

    it("meet their deadlines when the leader is stopped, and continue once another is elected", function()
        local leader = cluster.wait_for_leader()
        start(OWN, 2)
        cluster.signal(leader, "STOP")
        local stopped = clock.now()
        cluster.wait_for_leader(cluster.others(leader))
        local elected = clock.now()
        ngx.sleep(settings.scaled(3))
        stop()
        assert_reads(load.reads, stopped, elected)
        -- calls that wait for the stopped member retry on another after half of their time budget
        assert.is_true(Load.first_success(load.reads, stopped) < math.max(elected, stopped + 2.5) + 1)
    end)

    for _, mode in ipairs { OWN, { name = "retry on and no bans", shared = { retry = true, fail_timeout = 0 } } } do
        it("fail no read while the leadership moves every 200 ms, with " .. mode.name, function()
            cluster.wait_for_leader()
            start(mode, 2)
            local changes, latest = 0, nil
            for _ = 1, settings.scaled(12) do
                local leader = cluster.leader()
                if leader and cluster.hand_over(leader, cluster.others(leader)[chance(2)]) then
                    changes, latest = changes + 1, clock.now()
                end
                ngx.sleep(0.2)
            end
            stop()
            assert.is_true(changes > settings.scaled(12) / 2)
            assert.same({}, Load.errors(load.reads))
            assert.is_truthy(Load.first_success(load.reads, latest))
            assert.is_true(history.count(load.writes).done > 0)
        end)
    end

    describe("without a quorum", function()
        local alive, cli

        before_each(function()
            assert(health_check.init { retry = true, fail_timeout = 0 })
            assert(bed.new { http_host = bed.cluster.http, timeout = 5, serializer = "raw" }:set(key, "value 0"))
            alive = cluster.names[chance(3)]
            for _, name in ipairs(cluster.others(alive)) do
                cluster.signal(name, "STOP")
            end
            cli = assert(bed.new { http_host = cluster.url[alive], timeout = 5, serializer = "raw" })
        end)

        local function timed(seconds, fn)
            local started = clock.now()
            local res, err, details = fn()
            assert.is_true(clock.now() - started < seconds + MARGIN)
            return res, err, details
        end

        it("fail a read within its deadline with the cause", function()
            local all = assert(bed.new { http_host = bed.cluster.http, timeout = 5 })
            for _, client in ipairs { cli, all } do
                local res, err, details = timed(1.5, function() return client:get(key, { timeout = 1.5 }) end)
                assert.is_nil(res)
                assert.is_string(err)
                -- etcd also knows the deadline, and can report it first, in a text that depends on its version
                assert.is_truthy(("timeout deadline_exceeded unavailable unknown canceled internal")
                    :find(details.name, 1, true), details.name)
                assert.is_true(details.retryable)
                assert.is_false(details.maybe_applied)
            end
        end)

        it("serve a serializable read", function()
            local res = timed(1, function() return cli:get(key, { timeout = 1, serializable = true }) end)
            assert.equal("value 0", res.body.kvs[1].value)
        end)

        it("end or reject a watch with require_leader, and keep others open", function()
            local function watch(opts)
                local read, err = cli:watch(key, opts)
                while read do
                    local reply
                    reply, err = read()
                    if not reply then
                        return err
                    end
                end
                return err
            end
            assert.equal("timeout", watch { timeout = 8 })
            assert.equal("failed to watch data, response code: 503, etcdserver: no leader",
                watch { timeout = 8, require_leader = true })
            cluster.heal()
            local read
            assert.is_truthy(fake.eventually(function()
                read = cli:watch(key, { timeout = 15, require_leader = true })
                return read
            end))
            assert.is_true(read().result.created)
            for _, name in ipairs(cluster.others(alive)) do
                cluster.signal(name, "STOP")
            end
            local reply, err = read()
            assert.is_nil(reply)
            assert.equal(cluster.url[alive] .. ": Service Unavailable", err)
        end)

        it("report maybe_applied for a write, which is applied once the quorum is back", function()
            local writes = { { value = "value 0", res = cli:get(key, { serializable = true }) } }
            writes[1].res.body.header.revision = writes[1].res.body.kvs[1].mod_revision
            for i = 1, 3 do
                local write = { value = "value " .. i }
                write.res, write.err, write.details = timed(0.5, function()
                    return cli:set(key, write.value, { timeout = 0.5 })
                end)
                writes[#writes + 1] = write
                assert.is_nil(write.res)
                assert.is_true(write.details.maybe_applied)
                assert.is_false(write.details.retryable)
            end
            cluster.heal()
            local last = { value = "value 4" }
            last.res, last.err, last.details = cli:set(key, last.value)
            writes[#writes + 1] = last
            assert.equal(200, last.res.status)
            assert.same({}, history.violations(writes, history.read(bed.cluster.http[1], key)))
            assert.equal("value 4", cli:get(key).body.kvs[1].value)
        end)
    end)
end)
