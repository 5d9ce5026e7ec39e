-- All endpoints refuse connections: clients limit their connection attempts, and notice when an endpoint is back.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local health_check = require "resty.etcd.health_check"
local Load = require "fault.load"
local proxy = require "fault.proxy"
local settings = require "fault.settings"

local THREADS = 20
local MOST_CONNECTS = 10 -- per second and worker

local MODES = {
    { name = "the health check as it is", fail_timeout = 10 },
    { name = "retry on", retry = true, fail_timeout = 10 },
    { name = "retry on, in a shared dict", retry = true, fail_timeout = 10, shm_name = "etcd_health" },
    {
        name = "retry on, in a shared dict, after three failures",
        retry = true, fail_timeout = 10, max_fails = 3, shm_name = "etcd_health",
    },
    { name = "a health check of the client's own", own = {} },
}

describe("worker under load while all endpoints are down", function()
    local rig, load

    setup(function()
        settings.announce("outage")
    end)

    teardown(function()
        settings.finish()
    end)

    before_each(function()
        rig = proxy.start(bed.cluster.http)
    end)

    after_each(function()
        if load then
            load:kill()
            load = nil
        end
        rig:stop()
        ngx.shared.etcd_health:flush_all()
        assert(health_check.init())
    end)

    -- Waits until all calls succeed, then makes all endpoints reset each connection.
    local function start(mode)
        assert(health_check.init {
            retry = mode.retry, fail_timeout = mode.fail_timeout, max_fails = mode.max_fails, shm_name = mode.shm_name,
        })
        local cli = assert(bed.new { http_host = rig.hosts, timeout = 2, health = mode.own })
        load = Load.start { cli = cli, key = bed.key("outage"), readers = THREADS - 4, writers = 4, pause = 0.01 }
        local give_up = clock.now() + 10
        while Load.ended(load.reads) < THREADS - 4 or Load.ended(load.writes) < 4 do
            assert(clock.now() < give_up, "the calls do not end")
            ngx.sleep(0.01)
        end
        assert.same({}, Load.errors(load.reads))
        assert.same({}, Load.errors(load.writes))
        rig:set { mode = "refuse" }
    end

    -- Returns the number of connects to each endpoint within 1 s.
    local function connects_in_a_second()
        local before = rig:counts()
        ngx.sleep(1)
        local connects = {}
        for i, link in ipairs(rig:counts()) do
            connects[i] = link.connects - before[i].connects
        end
        return connects
    end

    for _, mode in ipairs(MODES) do
        it("makes at most " .. MOST_CONNECTS .. " connects per second, with " .. mode.name, function()
            start(mode)
            ngx.sleep(1)
            for _ = 1, settings.scaled(2) do
                local a, b, c = unpack(connects_in_a_second())
                assert.is_true(a + b + c <= MOST_CONNECTS)
            end
        end)
    end

    for _, mode in ipairs {
        { name = "retry on", retry = true, fail_timeout = 1 },
        { name = "retry on, in a shared dict", retry = true, fail_timeout = 1, max_fails = 2, shm_name = "etcd_health" },
    } do
        it("makes at most " .. MOST_CONNECTS .. " connects per second when bans end, with " .. mode.name, function()
            start(mode)
            ngx.sleep(1)
            local all = 0
            for _ = 1, settings.scaled(2) do
                local a, b, c = unpack(connects_in_a_second())
                assert.is_true(a + b + c <= MOST_CONNECTS, a + b + c .. " connects")
                all = all + a + b + c
            end
            assert.is_true(all > 0) -- bans that end at the same time can leave 1 s without a connect
        end)
    end

    local function time_to_notice(link)
        rig:set { mode = "pass", links = { link } }
        local back = clock.now()
        while not Load.first_success(load.reads, back) and clock.now() < back + 10 do
            ngx.sleep(0.05)
        end
        return clock.now() - back
    end

    it("notices which endpoint is back, with a private health check of the client #alone", function()
        start { own = { fail_timeout = 20 } }
        ngx.sleep(1)
        local connects = connects_in_a_second()
        local least = 1
        for i = 2, 3 do
            if connects[i] < connects[least] then
                least = i
            end
        end
        assert.is_true(time_to_notice(least) < 1.5)
    end)

    it("notices an endpoint that is back when its ban ends, with retry #alone", function()
        start { retry = true, fail_timeout = 2 }
        ngx.sleep(1)
        assert.is_true(time_to_notice(2) < 2.5)
    end)
end)
