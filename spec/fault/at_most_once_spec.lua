-- Writes over connections that are cut continuously, in a real cluster with a proxy in front of each member. Each write is
-- applied at most once, and its error states whether it was applied, or that this is unknown.
local bed = require "spec.support.bed"
local health_check = require "resty.etcd.health_check"
local history = require "fault.history"
local proxy = require "fault.proxy"
local settings = require "fault.settings"

local THREADS = 8
local WRITES = settings.scaled(1000)

describe("calls over connections that are cut every 5 ms", function()
    local rig, key, cuts_before

    local function cuts()
        local sum = 0
        for _, link in ipairs(rig:counts()) do
            sum = sum + link.cuts
        end
        return sum
    end

    -- A client that bypasses the proxies.
    local function direct()
        return assert(bed.new { http_host = bed.cluster.http[1], timeout = 20 })
    end

    setup(function()
        settings.announce("cut connections")
        rig = proxy.start(bed.cluster.http)
    end)

    teardown(function()
        assert(health_check.init())
        rig:stop()
        settings.finish()
    end)

    before_each(function()
        key = bed.key("cut")
        rig:set { mode = "cut", every = 5 }
        cuts_before = cuts()
    end)

    after_each(function()
        rig:set { mode = "pass" }
        assert(direct():delete(key))
    end)

    -- Runs `count` writes from several light threads; `write(cli, value)` returns the driver's results.
    local function write_all(count, conditional, write)
        local cli = assert(bed.new { http_host = rig.hosts, timeout = 5, serializer = "raw" })
        local writes, threads = {}, {}
        for i = 1, THREADS do
            threads[i] = ngx.thread.spawn(function()
                while #writes < count do
                    local one = { value = "value " .. #writes, conditional = conditional }
                    writes[#writes + 1] = one
                    one.res, one.err, one.details = write(cli, one.value)
                end
            end)
        end
        for i = 1, THREADS do
            assert(ngx.thread.wait(threads[i]))
        end
        local last = { value = "last value", conditional = conditional }
        writes[#writes + 1] = last
        assert.is_true(cuts() - cuts_before > count / 20) -- enough connections were cut to prove something
        rig:set { mode = "pass" }
        ngx.sleep(0.5) -- etcd applies the writes that it has received
        last.res, last.err, last.details = write(cli, last.value)
        assert.equal("done", history.outcome(last))
        local counts = history.count(writes)
        print(("%d writes, %d cuts: %d done, %d not done, %d unknown")
            :format(#writes, cuts() - cuts_before, counts.done, counts["not done"], counts.unknown))
        return writes, counts
    end

    local function check_history(writes, counts)
        local events = history.read(bed.cluster.http[2], key)
        assert.same({}, history.violations(writes, events))
        assert.is_true(#events <= counts.done + counts.unknown)
    end

    local function put_all(count, opts)
        return write_all(count, false, function(cli, value)
            return cli:set(key, value, opts)
        end)
    end

    local function swap_all(count, opts)
        local revision = 0
        return write_all(count, true, function(cli, value)
            local now = cli:get(key)
            if now then
                revision = now.body.kvs and now.body.kvs[1].mod_revision or 0
            end
            return cli:txn(
                { { key = key, target = "MOD", result = "EQUAL", mod_revision = revision } },
                { { requestPut = { key = key, value = value } } }, nil, opts)
        end)
    end

    for _, retry in ipairs { false, true } do
        local suffix = retry and ", with retry on" or ", with retry off"

        it("apply a put at most once, and not if its error excludes it" .. suffix, function()
            assert(health_check.init { retry = retry, fail_timeout = 0 })
            local writes, counts = put_all(WRITES)
            check_history(writes, counts)
            assert.is_true(counts.unknown > 0)
        end)

        it("never report an applied compare-and-swap as a failed comparison" .. suffix, function()
            assert(health_check.init { retry = retry, fail_timeout = 0 })
            local writes, counts = swap_all(WRITES)
            check_history(writes, counts)
            assert.is_true(counts.unknown > 0)
        end)
    end

    for _, kind in ipairs { { name = "put", write_all = put_all }, { name = "compare-and-swap", write_all = swap_all } } do
        it("retry an idempotent " .. kind.name .. ", and apply it at most once #alone", function()
            assert(health_check.init { retry = true, fail_timeout = 0 })
            local writes, counts = kind.write_all(settings.scaled(300), { idempotent = true })
            check_history(writes, counts)
            local replayed = 0
            for _, one in ipairs(writes) do
                replayed = replayed + (one.res and one.res.body.replayed and 1 or 0)
            end
            assert.is_true(replayed > 0)
        end)
    end

    it("grant a lease at most once, and not if the error excludes it", function()
        assert(health_check.init { retry = true, fail_timeout = 0 })
        -- Returns the leases by ID without those of `before`, which can expire meanwhile, and their number. A member lists
        -- the leases it has applied: the linearizable read waits for those that another member has granted.
        local function leases(before)
            local ids, count = {}, 0
            local member = direct()
            assert(member:get(key))
            for _, lease in ipairs(assert(member:leases()).body.leases or {}) do
                if not before[lease.ID] then
                    ids[lease.ID], count = true, count + 1
                end
            end
            return ids, count
        end
        local before = leases {}
        local grants, counts = write_all(settings.scaled(200), false, function(cli)
            return cli:grant(600)
        end)
        local ids, granted = leases(before)
        local cli = direct()
        for _, grant in ipairs(grants) do
            if grant.res then
                assert.is_true(ids[grant.res.body.ID])
                assert(cli:revoke(grant.res.body.ID))
            end
        end
        assert.equal(0, counts.untyped)
        assert.is_true(granted >= counts.done)
        assert.is_true(granted <= counts.done + counts.unknown)
    end)
end)
