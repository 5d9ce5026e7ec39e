-- The client's own health check: which endpoint a call uses, and how it is retried after a failure.
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

describe("latency policy", function()
    local SLOW = 0.5 -- longer than the stalls of a busy machine, which would make the quick server look slow

    local function get(cli, n)
        for _ = 1, n do
            assert.equal(200, assert(cli:get("/k")).status)
        end
    end

    it("measures each endpoint once and then uses the faster one", function()
        local slow, quick = serve { SLOW, OK }, serve { OK }
        local cli = client { policy = "latency" }
        get(cli, 20)
        assert.equal(1, #slow.requests)
        assert.equal(19, #quick.requests)
    end)

    it("does not use the slowest of three endpoints again", function()
        local slow = serve { SLOW, OK }
        serve { OK }
        serve { OK }
        get(client { policy = "latency" }, 30)
        assert.equal(1, #slow.requests)
    end)

    it("repeats a measurement with one call when it is out of date", function()
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

    it("forgets hosts without calls for 10 minutes", function()
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

    it("distributes calls while no endpoint is measured", function()
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

    it("retries on the slower endpoint if the faster one fails", function()
        local slow, quick = serve { SLOW, OK }, serve { OK }
        local cli = client { policy = "latency", max_fails = 100 }
        get(cli, 4)
        quick:serve { fake.RESET }
        get(cli, 3)
        assert.equal(4, #slow.requests)
    end)
end)

describe("retry after a failure", function()
    it("uses an endpoint that the call has not tried, also when concurrent calls move the ring", function()
        local good
        local bad = serve { function() fake.eventually(function() return #good.requests == 1 end) end, DOWN }
        good = serve { OK }
        local cli = client { max_fails = 100 }
        local thread = ngx.thread.spawn(function() return cli:get("/k") end)
        assert(fake.eventually(function() return #bad.requests == 1 end))
        assert(cli:get("/k")) -- moves the ring, so that its next endpoint is the bad one
        local _, res = ngx.thread.wait(thread)
        assert.equal(200, res.status)
        assert.equal(1, #bad.requests)
        assert.equal(2, #good.requests)
    end)

    it("is not made if the option retry is false", function()
        local bad, good = serve { DOWN }, serve { OK }
        local res, err = client({ retry = false }):get("/k")
        assert.is_nil(res)
        assert.equal("invalid response code: 503, etcdserver: no leader", err)
        assert.equal(1, #bad.requests)
        assert.equal(0, #good.requests)
    end)

    it("uses another endpoint for a write that was not sent", function()
        local dead, good = tcp.listen(), serve { OK }
        local cli = assert(bed.new { http_host = { dead.http_host, good.http_host }, health = {}, init_count = -1 })
        assert.equal(200, assert(cli:set("/k", 1)).status)
        assert.equal(1, #good.requests)
        tcp.close(dead)
    end)

    it("is not made for a write whose outcome is unknown", function()
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

    it("waits before it returns to an endpoint, and stops at the deadline #alone", function()
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

describe("retry budget", function()
    it("allows a burst of ten retries, and then retry_budget per call", function()
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

    it("gives a read all of its time for one attempt if it is used up", function()
        serve { 1.8, OK }
        serve { 1.8, OK }
        local cli = client({ retry_budget = 0 })
        cli.health.budget.tokens = 0
        assert.equal(200, assert(cli:get("/k")).status)
        assert.equal(1, #servers[1].requests)
    end)
end)

describe("client health check with a stopped cluster member", function()
    local function signal(name)
        assert(os.execute(("node tools/bed.mjs signal --dir '%s' m1 %s"):format(bed.dir, name)) == 0)
    end

    setup(function()
        signal("STOP")
    end)

    teardown(function()
        signal("CONT")
    end)

    for _, policy in ipairs { "round_robin", "latency" } do
        it("retries reads within their deadline, and later reads skip the member, with policy " .. policy, function()
            local cli = assert(bed.new {
                http_host = bed.cluster.http, health = { policy = policy, max_fails = 1, fail_timeout = 60 }, timeout = 8,
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
