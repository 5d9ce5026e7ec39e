-- The client's own health check: when an endpoint is ejected, and when it is probed again.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local tcp = require "spec.support.tcp"
local clock = require "resty.etcd.base.clock"
local health = require "resty.etcd.endpoint.client_health"
local health_check = require "resty.etcd.health_check"

local OK = fake.reply '{"header":{"cluster_id":"1","revision":"7"}}'
local DOWN = fake.reply('{"code":14,"message":"etcdserver: no leader"}', "503 Service Unavailable")
local NONE = "has no healthy etcd endpoint available"

local group = fake.group()
local serve, servers = group.serve, group.servers

local function client(hosts, opts, timeout)
    return assert(bed.new { http_host = hosts, health = opts, timeout = timeout or 3, init_count = -1 })
end

local function get(cli)
    local res, err = cli:get("/k")
    return res and res.status or err
end

after_each(group.close)

describe("client health check", function()
    it("ejects an endpoint after max_fails failures in a row; a success resets the count", function()
        local server = serve({ DOWN }, { DOWN }, { OK }, { DOWN }, { DOWN }, { DOWN })
        local cli = client(server.http_host, { max_fails = 3, fail_timeout = 60, fail_open = false, retry = false })
        local outcomes = {}
        for i = 1, 7 do
            outcomes[i] = get(cli)
        end
        local down = "invalid response code: 503, etcdserver: no leader"
        assert.same({ down, down, 200, down, down, down, NONE }, outcomes)
        assert.equal(6, #server.requests)
    end)

    it("skips an ejected endpoint", function()
        local bad, good = serve { DOWN }, serve { OK }
        local cli = client({ bad.http_host, good.http_host }, { max_fails = 1, fail_timeout = 60, retry = false })
        get(cli)
        for _ = 1, 6 do
            assert.equal(200, get(cli))
        end
        assert.equal(1, #bad.requests)
    end)

    it("probes an endpoint with one call after its ejection; concurrent calls fail", function()
        local server = serve({ DOWN }, { 0.2, OK })
        local cli = client(server.http_host, { max_fails = 1, fail_timeout = 0.05, fail_open = false, retry = false })
        get(cli)
        ngx.sleep(0.1)
        local threads, outcomes = {}, {}
        for i = 1, 20 do
            threads[i] = ngx.thread.spawn(function()
                local answer = get(cli)
                outcomes[answer] = (outcomes[answer] or 0) + 1
            end)
        end
        for _, thread in ipairs(threads) do
            ngx.thread.wait(thread)
        end
        assert.same({ [200] = 1, [NONE] = 19 }, outcomes)
        assert.equal(2, #server.requests)
        assert.equal(200, get(cli))
    end)

    it("lets the next call probe an endpoint if the first one has no sockets in its phase", function()
        local server = serve({ DOWN }, { OK })
        local cli = assert(bed.new {
            transport = "cosocket", http_host = server.http_host, timeout = 3,
            health = { max_fails = 1, fail_timeout = 0.01, fail_open = false, retry = false },
        })
        get(cli)
        ngx.sleep(0.05)
        local sockets = ngx.socket.tcp
        ngx.socket.tcp = function() -- luacheck: ignore 122
            error("API disabled in the context of log_by_lua*")
        end
        local _, _, details = cli:get("/k")
        ngx.socket.tcp = sockets -- luacheck: ignore 122
        assert.equal("not_in_phase", details.name)
        assert.equal(200, get(cli))
    end)

    it("doubles the ejection time after each failed probe, reduced by at most one half at random", function()
        local state = health.new { max_fails = 2, fail_timeout = 1, max_fail_timeout = 6 }
        local dict, times = state.dict, {}
        state.dict = setmetatable({
            safe_set = function(_, key, value, seconds)
                if key:find("away", 1, true) then
                    times[#times + 1] = value - clock.now()
                end
                return dict:safe_set(key, value, seconds)
            end,
        }, {
            __index = function(_, name)
                return function(_, ...) return dict[name](dict, ...) end
            end,
        })
        assert.is_false(health.failed(state, "h"))
        assert.is_true(health.failed(state, "h"))
        for _ = 1, 5 do
            assert.is_false(health.failed(state, "h")) -- failures of calls that started before the ejection are not counted
            state.dict:delete("resty.etcd|away|h")
            assert.is_false(health.failed(state, "h"))
        end
        local distinct, seen = 0, {}
        for i, most in ipairs { 1, 2, 4, 6, 6, 6 } do
            assert.is_true(times[i] >= most / 2 - 0.01 and times[i] <= most, ("%d: %g"):format(i, times[i]))
            distinct = distinct + (seen[times[i] / most] and 0 or 1)
            seen[times[i] / most] = true
        end
        assert.equal(6, #times)
        assert.is_true(distinct > 1)
    end)

    it("uses an endpoint again immediately if fail_timeout is 0, also with a shared dict", function()
        local server = serve({ DOWN }, { OK })
        local opts = { max_fails = 1, fail_timeout = 0, fail_open = false, retry = false, shm_name = "test" }
        local cli = client(server.http_host, opts)
        get(cli)
        ngx.sleep(0.02)
        assert.equal(200, get(cli))
    end)

    it("ejects an endpoint that sends malformed responses", function()
        local server = serve { fake.reply "<html>" }
        local cli = client(server.http_host, { max_fails = 1, fail_timeout = 60, fail_open = false })
        assert.equal("HTTP 200 from something that is not etcd: <html>", get(cli))
        assert.equal(NONE, get(cli))
    end)

    it("ignores idle watches and 4xx responses", function()
        local cli = client(bed.single.http, { max_fails = 1, fail_timeout = 60, fail_open = false })
        local key = bed.key "idle"
        for _ = 1, 3 do
            local read = assert(cli:watch(key, { timeout = 0.5 }))
            local reply, err = read()
            while reply do
                reply, err = read()
            end
            assert.equal("timeout", err)
            assert.equal(400, cli:get(key, { revision = "999999999" }).status)
            assert.equal(404, cli:revoke("4711").status)
        end
        assert.equal(200, get(cli))
    end)
end)

describe("client health check with all endpoints ejected", function()
    -- Makes calls in `n` light threads for `seconds`; returns the number of connections to each server after each second.
    local function make_calls(cli, n, seconds)
        local counts, threads, started = {}, {}, ngx.now()
        for i = 1, n do
            threads[i] = ngx.thread.spawn(function()
                while ngx.now() - started < seconds do
                    cli:get("/k")
                    ngx.sleep(0.005)
                end
            end)
        end
        for i = 1, seconds do
            ngx.sleep(math.max(0, started + i - ngx.now()))
            counts[i] = {}
            for j, server in ipairs(servers) do
                counts[i][j] = server.connections
            end
        end
        for _, thread in ipairs(threads) do
            ngx.thread.wait(thread)
        end
        return counts
    end

    it("probes the endpoints in rotation, with at most ten connections per second", function()
        for _ = 1, 3 do
            serve { fake.CLOSE }
        end
        local hosts = { servers[1].http_host, servers[2].http_host, servers[3].http_host }
        local counts = make_calls(client(hosts, { max_fails = 3, fail_timeout = 30 }), 40, 3)
        for i = 2, 3 do
            local all = 0
            for j = 1, 3 do
                all = all + counts[i][j] - counts[i - 1][j]
            end
            assert.is_true(all > 0 and all <= 10, "connections in one second: " .. all)
        end
        for j = 1, 3 do
            assert.is_true(counts[3][j] - counts[1][j] > 1, ("connections to server %d in two seconds"):format(j))
        end
    end)

    for name, make in pairs {
        ["of all clients of a worker"] = function(hosts)
            local clients = {}
            for i = 1, 4 do
                clients[i] = client(hosts, {})
            end
            return function(i) return clients[i % 4 + 1] end
        end,
        ["of clients that are created for one call each and share a dict"] = function(hosts)
            return function() return client(hosts, { shm_name = "test" }) end
        end,
    } do
        it("limits the probes " .. name .. ", which all recover", function()
            for _ = 1, 3 do
                serve { fake.CLOSE }
            end
            local hosts = { servers[1].http_host, servers[2].http_host, servers[3].http_host }
            local client_of, calls = make(hosts), 0
            local counts = make_calls({
                get = function(_, key)
                    calls = calls + 1
                    return client_of(calls):get(key)
                end,
            }, 20, 3)
            for i = 2, 3 do
                local all = 0
                for j = 1, 3 do
                    all = all + counts[i][j] - counts[i - 1][j]
                end
                assert.is_true(all > 0 and all <= 10, "connections in one second: " .. all)
            end
            for _, server in ipairs(servers) do
                server:serve { OK }
            end
            local served = 0
            assert.is_true(fake.eventually(function()
                ngx.sleep(0.01)
                calls = calls + 1
                served = get(client_of(calls)) == 200 and served + 1 or 0
                return served >= 8
            end))
        end)
    end

    it("uses an endpoint for all calls after its first response, before its ejection ends", function()
        local server = serve { fake.CLOSE }
        local cli = client(server.http_host, { max_fails = 1, fail_timeout = 60 })
        get(cli)
        server:serve { OK }
        assert.is_true(fake.eventually(function()
            ngx.sleep(0.05)
            return get(cli) == 200
        end))
        for _ = 1, 5 do
            assert.equal(200, get(cli))
        end
    end)

    it("fails without connecting if fail_open is false, with the last failure as the hint", function()
        local server = serve { fake.CLOSE }
        local opts = { max_fails = 1, fail_timeout = 60, fail_open = false }
        local cli = client(server.http_host, opts)
        local res, err, details = cli:get("/k")
        assert.is_nil(res)
        assert.equal(NONE, err)
        assert.equal("no_endpoint", details.name)
        assert.is_true(details.retryable)
        assert.equal(server.http_host .. ": closed (if the server never responds: the port serves only TLS or only gRPC "
            .. "(--listen-client-http-urls))", details.hint)
        local before = server.connections
        assert.equal(NONE, get(cli))
        assert.equal(before, server.connections)
    end)
end)

describe("option health", function()
    it("rejects unknown and invalid fields", function()
        local texts = {
            [{ polcy = "latency" }] = "unknown option polcy; did you mean policy?",
            [{ policy = "random" }] = 'opts.health.policy must be "round_robin" or "latency"',
            [{ max_fails = -1 }] = "opts.health.max_fails must be unsigned number",
            [{ fail_timeout = math.huge }] = "opts.health.fail_timeout must be unsigned number",
            [{ retry_budget = 0 / 0 }] = "opts.health.retry_budget must be unsigned number",
            [{ retry = 1 }] = "opts.health.retry must be boolean",
            [{ shm_name = "none" }] = "failed to get ngx.shared dict: none",
            [true] = "opts.health must be table or ignore",
        }
        for value, text in pairs(texts) do
            local cli, err = bed.new { health = value }
            assert.is_nil(cli)
            assert.equal(text, err)
        end
    end)
end)

describe("shared health check", function()
    local originals = { "get_target_status", "report_failure", "init" }
    local used, restore

    before_each(function()
        local functions, conf = {}, health_check.conf
        used = {}
        for _, name in ipairs(originals) do
            functions[name] = health_check[name]
            health_check[name] = function(...)
                used[name] = (used[name] or 0) + 1
                return functions[name](...)
            end
        end
        restore = function()
            for _, name in ipairs(originals) do
                health_check[name] = functions[name]
            end
            health_check.conf = conf
        end
    end)

    after_each(function()
        restore()
    end)

    local function use(opts)
        local dead = tcp.listen()
        health_check.conf = nil
        local cli = client({ dead.http_host, bed.single.http }, opts)
        for _ = 1, 4 do
            cli:get("/k")
            cli:watch("/k", { timeout = 0.1 })
        end
        tcp.close(dead)
        return cli
    end

    it("is neither used nor configured by a client with its own health check", function()
        use {}
        assert.same({}, used)
        assert.is_nil(health_check.conf)
    end)

    it("is used and configured by a client without its own health check", function()
        use(nil)
        assert.equal(1, used.init)
        assert.is_true(used.get_target_status >= 8) -- for each call
        assert.equal(1, used.report_failure) -- of the dead endpoint, which is banned by then
        assert.is_table(health_check.conf)
    end)
end)
