-- A client's own health check: which endpoint a call goes to, and what it may do after a failure.
local clock = require "resty.etcd.base.clock"
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local random = require "resty.etcd.base.random"
local tcp = require "spec.support.tcp"

local OK = fake.reply '{"header":{"cluster_id":"1","revision":"7"}}'
local DOWN = fake.reply('{"code":14,"message":"etcdserver: no leader"}', "503 Service Unavailable")

local group = fake.group()
local serve, servers = group.serve, group.servers

local function client(opts, timeout)
    return assert(bed.new { http_host = group.hosts(), health = opts, timeout = timeout or 3, init_count = -1 })
end

after_each(group.close)

describe("the choice by latency", function()
    local SLOW = 0.5 -- slower than an answer that a machine holds up as it stands still for a moment

    local function get(cli, n)
        for _ = 1, n do
            assert.equal(200, assert(cli:get("/k")).status)
        end
    end

    it("measures each endpoint once and then takes the quicker", function()
        local slow, quick = serve { SLOW, OK }, serve { OK }
        local cli = client { policy = "latency" }
        get(cli, 20)
        assert.equal(1, #slow.requests)
        assert.equal(19, #quick.requests)
    end)

    it("never takes the slowest of three", function()
        local slow = serve { SLOW, OK }
        serve { OK }
        serve { OK }
        get(client { policy = "latency" }, 30)
        assert.equal(1, #slow.requests)
    end)

    it("measures again after a while, by one call alone", function()
        local slow, quick = serve { SLOW, OK }, serve { OK }
        local cli = client { policy = "latency" }
        get(cli, 4)
        local measured_at = cli.health.latency.measured_at
        measured_at[slow.http_host] = measured_at[slow.http_host] - 31
        local threads = {}
        for i = 1, 10 do
            threads[i] = ngx.thread.spawn(get, cli, 1)
        end
        for _, thread in ipairs(threads) do
            assert(ngx.thread.wait(thread))
        end
        assert.equal(2, #slow.requests)
        assert.equal(12, #quick.requests)
    end)

    it("forgets hosts that have not been asked for long", function()
        local server = serve { OK }
        local cli = client { policy = "latency" }
        get(cli, 1)
        local latency = cli.health.latency
        latency.seconds["http://gone"], latency.measured_at["http://gone"] = 0.1, clock.now() - 601
        latency.forget_at = 0
        get(cli, 1)
        assert.is_nil(latency.seconds["http://gone"] or latency.measured_at["http://gone"])
        assert.is_number(latency.seconds[server.http_host])
    end)

    it("spreads calls while nothing is known", function()
        serve { 0.1, OK }
        serve { 0.1, OK }
        local cli = client { policy = "latency" }
        local threads = {}
        for i = 1, 10 do
            threads[i] = ngx.thread.spawn(get, cli, 1)
        end
        for _, thread in ipairs(threads) do
            assert(ngx.thread.wait(thread))
        end
        assert.is_true(#servers[1].requests >= 3, #servers[1].requests .. " of 10")
        assert.is_true(#servers[2].requests >= 3, #servers[2].requests .. " of 10")
    end)

    it("goes on from a quick endpoint that fails to the slower one", function()
        local slow, quick = serve { SLOW, OK }, serve { OK }
        local cli = client { policy = "latency", max_fails = 100 }
        get(cli, 4)
        quick:serve { fake.RESET }
        get(cli, 3)
        assert.equal(4, #slow.requests)
    end)
end)

describe("a call that failed", function()
    it("does not come back to the same endpoint while there are others, whatever calls run beside it", function()
        local good
        local bad = serve { function() fake.eventually(function() return #good.requests == 1 end) end, DOWN }
        good = serve { OK }
        local cli = client { max_fails = 100 }
        local thread = ngx.thread.spawn(function() return cli:get("/k") end)
        assert(fake.eventually(function() return #bad.requests == 1 end))
        assert(cli:get("/k")) -- moves the ring on, so that the next in it is the bad one
        local _, res = ngx.thread.wait(thread)
        assert.equal(200, res.status)
        assert.equal(1, #bad.requests)
        assert.equal(2, #good.requests)
    end)

    it("is not made elsewhere with retry = false", function()
        local bad, good = serve { DOWN }, serve { OK }
        local res, err = client({ retry = false }):get("/k")
        assert.is_nil(res)
        assert.equal("invalid response code: 503, etcdserver: no leader", err)
        assert.equal(1, #bad.requests)
        assert.equal(0, #good.requests)
    end)

    it("is made elsewhere if it was a write that never left", function()
        local dead, good = tcp.listen(), serve { OK }
        local cli = assert(bed.new { http_host = { dead.http_host, good.http_host }, health = {}, init_count = -1 })
        assert.equal(200, assert(cli:set("/k", 1)).status)
        assert.equal(1, #good.requests)
        tcp.close(dead)
    end)

    it("is not made elsewhere if it was a write that may have been applied", function()
        local good
        for _, script in ipairs { { fake.RESET }, { fake.CLOSE }, { DOWN } } do
            group.close()
            local bad = serve(script)
            good = serve { OK }
            local res, _, details = client({}):set("/k", 1)
            assert.is_nil(res)
            assert.is_true(details.maybe_applied)
            assert.equal(1, #bad.requests)
            assert.equal(0, #good.requests)
        end
    end)

    it("waits a little before it comes back to an endpoint, and is over with its deadline", function()
        serve { DOWN }
        local cli = client({ max_fails = 1000 }, 1)
        assert(not cli:get("/k"))
        assert.equal(3, #servers[1].requests)
        local jittered = random.jittered
        random.jittered = function(seconds) return 20 * seconds end -- 0.5 s, and then 1 s
        finally(function() random.jittered = jittered end)
        local started = clock.now()
        local res, err = cli:get("/k", { timeout = 1.2 })
        local took = clock.now() - started
        assert.is_nil(res)
        assert.equal("invalid response code: 503, etcdserver: no leader", err)
        assert.equal(3 + 2, #servers[1].requests)
        assert.is_true(took >= 0.499 and took < 1.2, "took " .. took)
    end)
end)

describe("the retry budget", function()
    it("is a burst of ten, and then so many for each call as was said", function()
        local bad = serve { DOWN }
        local cli = client { max_fails = 1000, retry_budget = 0 }
        for _ = 1, 20 do
            assert(not cli:get("/k"))
        end
        assert.equal(20 + 10, #bad.requests)
        bad:serve { DOWN }
        cli = client { max_fails = 1000, retry_budget = 0.5 }
        local before = #bad.requests
        for _ = 1, 20 do
            assert(not cli:get("/k"))
        end
        local retries = #bad.requests - before - 20
        assert.is_true(retries >= 18 and retries <= 20, retries .. " retries")
    end)

    it("used up, leaves a read all of its time", function()
        serve { 1.8, OK }
        serve { 1.8, OK }
        local cli = client({ retry_budget = 0 })
        cli.health.budget.tokens = 0
        assert.equal(200, assert(cli:get("/k")).status)
        assert.equal(1, #servers[1].requests)
    end)
end)

describe("with a stopped member of a real cluster", function()
    local function signal(name)
        assert(os.execute(("node tools/bed.mjs signal --dir '%s' m1 %s"):format(bed.dir, name)) == 0)
    end

    setup(function()
        signal("STOP")
    end)

    teardown(function()
        signal("CONT")
    end)

    for _, choice in ipairs { "round_robin", "latency" } do
        it("reads move on within their deadline, later ones at once, by " .. choice, function()
            local cli = assert(bed.new {
                http_host = bed.cluster.http, health = { choice = choice, max_fails = 1, fail_timeout = 60 }, timeout = 8,
                init_count = -1,
            })
            assert.equal(200, assert(cli:get("/k")).status)
            ngx.update_time()
            local started = ngx.now()
            for _ = 1, 12 do
                assert.equal(200, assert(cli:get("/k")).status)
            end
            ngx.update_time()
            assert.is_true(ngx.now() - started < 3)
        end)
    end
end)
