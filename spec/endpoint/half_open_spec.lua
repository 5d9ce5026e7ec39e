-- The shared health check: how calls return to an endpoint whose ban has ended.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"
local concurrently = require "spec.support.concurrently"

local OK = fake.reply '{"header":{"cluster_id":"1","revision":"7"}}'
local NONE = "has no healthy etcd endpoint available"

describe("half-open endpoint", function()
    local server, good

    before_each(function()
        assert(health_check.init { fail_timeout = 0.3, retry = false })
    end)

    after_each(function()
        assert(health_check.init())
        server:close()
        if good then
            good:close()
            good = nil
        end
    end)

    local function client(hosts, timeout)
        return assert(bed.new { http_host = hosts, timeout = timeout or 3, init_count = -1 })
    end

    -- Makes `n` concurrent calls; returns how often each outcome occurred.
    local function together(cli, n, opts)
        return concurrently(n, function() return cli:get("/k", opts) end)
    end

    local function ban(cli)
        assert.is_nil((cli:get("/k")))
        assert.is_false((health_check.get_target_status(server.http_host)))
        ngx.sleep(0.35)
        assert.is_true((health_check.get_target_status(server.http_host)))
    end

    it("is probed by one call; the others wait for the outcome and succeed with it", function()
        local reached
        server = fake.new({ fake.CLOSE }, { 0.1, function()
            reached = #server.requests
            return OK
        end }, { OK })
        local cli = client(server.http_host)
        ban(cli)
        assert.same({ [200] = 20 }, together(cli, 20))
        assert.equal(2, reached) -- the failure and the probe
        assert.equal(21, #server.requests)
    end)

    it("is banned again for all waiting calls if the probe fails", function()
        server = fake.new({ fake.CLOSE }, { 0.1, fake.CLOSE })
        local cli = client(server.http_host)
        ban(cli)
        local outcomes = together(cli, 20)
        assert.equal(19, outcomes[NONE])
        assert.equal(2, #server.requests)
    end)

    it("does not delay a waiting call beyond its deadline #alone", function()
        server = fake.new({ fake.CLOSE }, { 0.8, OK })
        local cli = client(server.http_host)
        ban(cli)
        local slow = ngx.thread.spawn(function() return cli:get("/k") end)
        local started = ngx.now()
        local res, err = cli:get("/k", { timeout = 0.1 })
        assert.is_nil(res)
        assert.equal(NONE, err)
        assert.is_true(ngx.now() - started < 0.5)
        local _, answer = ngx.thread.wait(slow)
        assert.equal(200, answer.status)
    end)

    it("does not delay calls while another endpoint is healthy", function()
        server, good = fake.new({ fake.CLOSE }, { 0.8, OK }), fake.new { OK }
        local cli = client { server.http_host, good.http_host }
        ban(cli)
        local other = client { server.http_host, good.http_host }
        local slow = ngx.thread.spawn(function() return other:get("/k") end)
        for _ = 1, 6 do
            assert.equal(200, cli:get("/k").status)
        end
        assert.equal(6, #good.requests)
        local _, res = ngx.thread.wait(slow)
        assert.equal(200, res.status)
        assert.equal(2, #server.requests)
        assert.equal(6, #good.requests)
    end)

    it("is used by waiting calls after its first response, while the probe of another endpoint still runs #alone", function()
        server, good = fake.new({ fake.CLOSE }, { 60 }), fake.new({ fake.CLOSE }, { 0.1, OK }, { OK })
        local cli = client { server.http_host, good.http_host }
        assert.is_nil((cli:get("/k")))
        assert.is_nil((cli:get("/k")))
        ngx.sleep(0.35)
        local slow = ngx.thread.spawn(function() return cli:get("/k", { timeout = 1.5 }) end)
        local started = ngx.now()
        assert.same({ [200] = 6 }, together(cli, 6, { timeout = 1.5 }))
        assert.is_true(ngx.now() - started < 0.4) -- a probe that does not end delays other calls by one second
        ngx.thread.wait(slow)
        assert.is_true((health_check.get_target_status(good.http_host)))
    end)

    it("is probed by another call if the first probe is killed", function()
        server = fake.new({ fake.CLOSE }, { 60 }, { OK })
        local cli = client(server.http_host)
        ban(cli)
        local first = ngx.thread.spawn(function() return cli:get("/k") end)
        assert.is_true(fake.eventually(function() return #server.requests == 2 end))
        assert(ngx.thread.kill(first))
        assert.same({ [200] = 5 }, together(cli, 5))
        assert.equal(7, #server.requests)
    end)

    it("is used by all calls after a response, also if that is an error response below 500", function()
        local all_there = false
        server = fake.new({ fake.CLOSE }, { fake.reply('{"code":3,"message":"no"}', "400 Bad Request") }, { function()
            fake.eventually(function()
                all_there = all_there or server.playing == 5
                return all_there
            end)
            return OK
        end })
        local cli = client(server.http_host)
        ban(cli)
        assert.equal(400, cli:get("/k").status)
        assert.same({ [200] = 5 }, together(cli, 5))
        assert.is_true(all_there)
    end)

    it("is not limited to one probe if a program has replaced get_target_status", function()
        server = fake.new({ fake.CLOSE }, { 60 })
        local get_target_status = health_check.get_target_status
        health_check.get_target_status = function() return true end
        local cli = client(server.http_host)
        assert.is_nil((cli:get("/k")))
        local outcomes = together(cli, 10, { timeout = 0.6 })
        health_check.get_target_status = get_target_status
        assert.same({ [server.http_host .. ": timeout"] = 10 }, outcomes)
        assert.equal(11, #server.requests)
    end)

    it("is probed with at most five connections per second when many bans expire together", function()
        assert(health_check.init { fail_timeout = 1, max_fails = 3, retry = true, shm_name = "etcd_health" })
        local servers, hosts = {}, {}
        for i = 1, 5 do
            servers[i] = fake.new { fake.CLOSE }
            hosts[i] = servers[i].http_host
        end
        server = servers[1]
        local cli = client(hosts)
        for _ = 1, 15 do
            cli:get("/k")
        end
        for _, host in ipairs(hosts) do
            assert.is_false((health_check.get_target_status(host)))
        end
        ngx.sleep(0.7)
        local function connections()
            local all = 0
            for _, one in ipairs(servers) do
                all = all + one.connections
            end
            return all
        end
        local before, stop, threads = connections(), ngx.now() + 1, {}
        for i = 1, 10 do
            threads[i] = ngx.thread.spawn(function()
                while ngx.now() < stop do
                    cli:get("/k", { timeout = 0.5 })
                    ngx.sleep(0.005)
                end
            end)
        end
        ngx.sleep(1)
        local more = connections() - before
        for _, thread in ipairs(threads) do
            ngx.thread.wait(thread)
        end
        for i = 2, 5 do
            servers[i]:close()
        end
        ngx.shared.etcd_health:flush_all()
        assert.is_true(more > 0 and more <= 6, more .. " connections")
    end)
end)
