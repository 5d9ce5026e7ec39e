-- No call ends after its deadline, whatever the servers do.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local clock = require "resty.etcd.base.clock"
local driver_random = require "resty.etcd.base.random"

local MARGIN = 0.25 -- for a busy machine; the delays of these servers are longer

local OK = fake.reply '{"header":{"cluster_id":"1","revision":"7"}}'
local DOWN = fake.reply('{"code":14,"message":"etcdserver: no leader"}', "503 Service Unavailable")
local REJECTED = fake.reply('{"code":16,"message":"etcdserver: invalid auth token"}', "401 Unauthorized")
local OLD = fake.reply '{"header":{"cluster_id":"1","revision":"3"}}'

local function drip(text)
    local steps = {}
    for i = 1, #text do
        steps[#steps + 1] = text:sub(i, i)
        steps[#steps + 1] = 0.02
    end
    return steps
end

-- Scripts of a server for one request.
local FAILURES = {
    function() return { DOWN } end,
    function() return { fake.CLOSE } end,
    function() return { 0.05, fake.RESET } end,
    function() return { 2, OK } end,
    function() return { OK:sub(1, 30), 2, OK:sub(31) } end,
    function() return drip(OK) end,
    function() return { REJECTED } end,
    function() return { OLD } end,
    function() return { 0.1, OK } end,
}

describe("deadline of a call", function()
    local servers

    before_each(function()
        servers = {}
    end)

    after_each(function()
        for _, server in ipairs(servers) do
            server:close()
        end
    end)

    local function serve(n, script)
        local hosts = {}
        for i = 1, n do
            servers[i] = fake.new(script)
            hosts[i] = servers[i].http_host
        end
        return hosts
    end

    it("marks the call as retryable when it passes before a request is sent", function()
        local cli = assert(bed.new { http_host = serve(1, { OK })[1], health = { retry = false } })
        for _, call in ipairs { cli.get, cli.delete } do
            local res, err, details = call(cli, "/k", { timeout = 1e-9 })
            assert.is_nil(res)
            assert.equal("timeout", err)
            assert.equal("timeout", details.name)
            assert.is_true(details.retryable)
            assert.is_false(details.maybe_applied)
        end
        assert.equal(0, #servers[1].requests)
    end)

    -- Makes a call with a timeout in seconds. If the call ends too late, a line about it is added to `late`.
    local function timed(late, call, cli, timeout, what)
        local started = clock.now()
        local _, err = call(cli, timeout)
        local over = clock.now() - started - timeout
        if over > MARGIN then
            late[#late + 1] = ("%s: %.3f s too late: %s"):format(what, over, tostring(err))
        end
    end

    local calls = {
        function(cli, timeout) return cli:get("/k", { timeout = timeout }) end,
        function(cli, timeout) return cli:set("/k", 1, { timeout = timeout }) end,
        function(cli, timeout) return cli:watch("/k", { timeout = timeout }) end,
    }

    it("holds for random mixtures of failures, retries, waits and logins", function()
        local seed = tonumber(os.getenv("SEED")) or ngx.crc32_short(tostring(ngx.now()) .. ngx.worker.pid()) % 1000000
        local state = seed
        local function random(n)
            state = (state * 1103515245 + 12345) % 2147483648
            return math.floor(state / 65536) % n + 1
        end
        local hosts = serve(3, function(request)
            local which = random(#FAILURES)
            if request.path == "/v3/auth/authenticate" and random(2) == 1 then
                return { 0.05, fake.reply '{"token":"t"}' }
            end
            return FAILURES[which]()
        end)
        local options = {
            { health = { max_fails = 100, fail_timeout = 0.1, retry_budget = 5 } },
            { health = { max_fails = 1, fail_timeout = 0.1, policy = "latency" }, monotonic = true },
            { health = { max_fails = 100, retry_budget = 5 }, user = "u", password = "p" },
            { monotonic = true, user = "u", password = "p", auth_optional = true },
        }
        local threads, late = {}, {}
        for i, opts in ipairs(options) do
            opts.http_host = hosts
            local cli = assert(bed.new(opts))
            for j = 1, 4 do
                threads[#threads + 1] = ngx.thread.spawn(function()
                    for _ = 1, 6 do
                        local which = random(#calls)
                        local timeout = random(8) / 10
                        timed(late, calls[which], cli, timeout, ("client %d.%d, call %d"):format(i, j, which))
                    end
                end)
            end
        end
        for _, thread in ipairs(threads) do
            assert(ngx.thread.wait(thread))
        end
        assert.same({}, late, "SEED=" .. seed)
    end)

    it("holds for all calls that wait for a stalled login", function()
        local hosts = serve(1, function() return { 3, fake.reply '{"token":"t"}' } end)
        local cli = assert(bed.new { http_host = hosts, user = "u", password = "p", health = {} })
        local threads, late = {}, {}
        for i = 1, 10 do
            threads[i] = ngx.thread.spawn(function()
                timed(late, calls[1], cli, i / 20, "call " .. i)
            end)
        end
        for _, thread in ipairs(threads) do
            assert(ngx.thread.wait(thread))
        end
        assert.same({}, late)
    end)

    it("holds while calls wait for the half-open probe of an endpoint", function()
        local hosts = serve(2, { DOWN })
        local cli = assert(bed.new { http_host = hosts, health = { max_fails = 1000, retry_budget = 10 } })
        local late = {}
        for _, timeout in ipairs { 0.01, 0.03, 0.06, 0.1 } do
            timed(late, calls[1], cli, timeout, "read")
        end
        assert.same({}, late)
    end)

    it("ends the call without a backoff when no time is left for another attempt #alone", function()
        local hosts = serve(1, { DOWN })
        local cli = assert(bed.new { http_host = hosts, health = { max_fails = 1000 } })
        local jittered = driver_random.jittered
        driver_random.jittered = function() return 3 end
        finally(function() driver_random.jittered = jittered end)
        local started = clock.now()
        local _, err = cli:get("/k", { timeout = 2 })
        assert.equal("invalid response code: 503, etcdserver: no leader", err)
        assert.is_true(clock.now() - started < 0.2)
        assert.equal(1, #servers[1].requests)
    end)
end)
