-- The log lines around a login: programs that count calls in the log search for them.
local bed = require "spec.support.bed"
local captured_log = require "spec.support.captured_log"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"
local log = require "resty.etcd.base.log"
local tcp = require "spec.support.tcp"
local timer_loop = require "resty.etcd.base.timer_loop"

local NONE = "has no healthy etcd endpoint available"
local LOGIN = "/auth/authenticate"

describe("log lines around a login", function()
    local auth = bed.auth
    local captured, info_enabled, key

    before_each(function()
        assert(health_check.init { fail_timeout = 60 })
        key = bed.key("lines")
        info_enabled = log.info_enabled
        log.info_enabled = function() return true end
        captured = captured_log.start()
    end)

    after_each(function()
        captured.stop()
        log.info_enabled = info_enabled
        assert(health_check.init())
    end)

    local function client(opts)
        local all = { http_host = auth.http, user = auth.user, password = auth.password, timeout = 9, init_count = -1 }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    local function entry(path, timeout)
        return ("[info] v3 request uri: %s, timeout: %s"):format(path, timeout)
    end

    local function choice(http_host)
        return "[info] choose endpoint: " .. (http_host or auth.http)
    end

    -- Returns the captured lines between two positions.
    local function lines(from, to)
        return { unpack(captured.lines, from, to or #captured.lines) }
    end

    -- Starts a call in a light thread; returns the thread, and a table that has the results once the call has ended.
    local function start(cli, method, ...)
        local call = { arguments = { ... } }
        call.thread = ngx.thread.spawn(function()
            call.res, call.err, call.details = cli[method](cli, unpack(call.arguments))
            call.ended = true
        end)
        return call
    end

    local function wait(...)
        for _, call in ipairs { ... } do
            assert(ngx.thread.wait(call.thread))
            assert.is_nil(call.err)
        end
    end

    it("follow the line of the call that begins it, before those of calls that come meanwhile", function()
        local cli = client()
        local first = start(cli, "get", key, { timeout = 8 })
        assert.same({ entry("/kv/range", 8), entry(LOGIN, 8), choice() }, captured.lines)
        wait(first, start(cli, "set", key, 1, { timeout = 7 }), start(cli, "watch", key, { timeout = 6 }),
            start(cli, "grant", 60))
        assert.same({ entry("/kv/put", 7), entry("/watch", 6), entry("/lease/grant", 9) }, lines(4, 6))
        assert.same({ choice(), choice(), choice(), choice() }, lines(7))
        wait(start(cli, "delete", key)) -- the token is known
        assert.same({ entry("/kv/deleterange", 9), choice() }, lines(11))
    end)

    it("include the extra headers of both requests", function()
        local cli = client { extra_headers = { A = "1" } }
        wait(start(cli, "get", key), start(cli, "get", key))
        local headers = '[info] request uri headers: {"A":"1"}'
        assert.same({
            entry("/kv/range", 9), headers, entry(LOGIN, 9), headers, choice(), entry("/kv/range", 9), headers,
            choice(), choice(),
        }, captured.lines)
    end)

    it("are the same if nginx has no timer for it", function()
        local at = ngx.timer.at
        ngx.timer.at = function() return nil, "too many pending timers" end -- luacheck: ignore 122
        local cli = client()
        local first, second = start(cli, "get", key, { timeout = 8 }), start(cli, "get", key, { timeout = 7 })
        wait(first, second)
        ngx.timer.at = at -- luacheck: ignore 122
        local function gets_timer() return timer_loop.run_once("spec", function() end) ~= nil end
        assert.is_true(fake.eventually(gets_timer)) -- the driver pauses after a rejected timer
        assert.same({ entry("/kv/range", 8), entry(LOGIN, 8), choice(), entry("/kv/range", 7), choice(), choice() },
            captured.lines)
    end)

    it("are written once if the call is killed before the login is sent, and other calls use the token", function()
        local cli = client()
        local first = start(cli, "get", key, { timeout = 8 })
        assert(ngx.thread.kill(first.thread))
        wait(start(cli, "get", key, { timeout = 7 }))
        assert.same({ entry("/kv/range", 8), entry(LOGIN, 8), choice(), entry("/kv/range", 7), choice() }, captured.lines)
    end)

    it("name further endpoints after the lines of waiting calls if it fails at the first one", function()
        health_check.conf.retry = true
        local dead = tcp.listen()
        local host = dead.http_host
        tcp.close(dead)
        local cli = client { http_host = { host, auth.http } }
        local first, second = start(cli, "get", key, { timeout = 8 }), start(cli, "get", key, { timeout = 7 })
        wait(first, second)
        assert.same({
            entry("/kv/range", 8), entry(LOGIN, 8), choice(host), entry("/kv/range", 7),
            "[warn] update endpoint: " .. host .. " to unhealthy", "[warn] " .. host .. ": connection refused. Retrying",
            choice(), choice(), choice(),
        }, captured.lines)
    end)

    it("take one step of the ring of endpoints", function()
        local cli = client { http_host = { auth.http, auth.http .. "/" }, init_count = 6 }
        wait(start(cli, "get", key))
        assert.equal(8, cli.init_count) -- the login and the call
    end)

    for name, opts in pairs { ["shared health check"] = {}, ["client's health check"] = { health = { fail_open = false } } } do
        it("are repeated by each call, which fails immediately, if no endpoint is left, with the " .. name, function()
            local ended = {}
            opts.on_call = function(call) ended[#ended + 1] = call.rpc .. " " .. call.outcome .. " " .. call.tries end
            local cli = client(opts)
            cli.endpoints = {}
            for i, method in ipairs { "get", "set", "watch", "grant" } do
                local from = #captured.lines + 1
                local call = start(cli, method, method == "grant" and 60 or key, method == "set" and "v" or nil)
                assert.is_true(call.ended) -- without waiting
                assert.is_nil(call.res)
                assert.equal(NONE, call.err)
                assert.equal("no_endpoint", call.details.name)
                local path = ({ "/kv/range", "/kv/put", "/watch", "/lease/grant" })[i]
                assert.same({ entry(path, 9), entry(LOGIN, 9) }, lines(from))
            end
            assert.same({ "Authenticate no_endpoint 0", "Range no_endpoint 0" }, { ended[1], ended[2] })
            assert.equal(8, #ended)
        end)
    end

    it("are those of a call without a login again when a banned endpoint is back", function()
        assert(health_check.init { fail_timeout = 60, shm_name = "test" })
        local cli = client()
        assert(health_check.report_failure(auth.http))
        for _ = 1, 3 do
            local from = #captured.lines + 1
            local call = start(cli, "get", key)
            assert.is_true(call.ended)
            assert.equal(NONE, call.err)
            assert.same({ entry("/kv/range", 9), entry(LOGIN, 9) }, lines(from))
        end
        ngx.shared.test:flush_all()
        local from = #captured.lines + 1
        wait(start(cli, "get", key), start(cli, "get", key))
        local recovered = ("[notice] endpoint %s: healthy again"):format(auth.http)
        assert.same({
            entry("/kv/range", 9), entry(LOGIN, 9), choice(), entry("/kv/range", 9), recovered, choice(), choice(),
        }, lines(from))
        assert.equal(200, cli:get(key).status)
    end)

    it("precede the choice, which outlives the call, if another call is probing the only endpoint", function()
        assert(health_check.init { fail_timeout = 0.05 })
        local release = false
        local server = fake.new({ fake.CLOSE }, { function()
            while not release do
                ngx.sleep(0.005)
            end
            return fake.reply '{"header":{"revision":"7"}}'
        end }, { fake.reply '{"header":{"revision":"7"},"token":"abc"}' })
        local plain = assert(bed.new { http_host = server.http_host })
        assert.is_nil((plain:get(key)))
        assert.is_true(fake.eventually(function() return health_check.get_target_status(server.http_host) end))
        local probe = start(plain, "get", key)
        local from = #captured.lines + 1
        local cli = client { http_host = server.http_host }
        local killed, other = start(cli, "get", key, { timeout = 8 }), start(cli, "get", key, { timeout = 7 })
        assert.same({ entry("/kv/range", 8), entry(LOGIN, 8), entry("/kv/range", 7) }, lines(from))
        assert(ngx.thread.kill(killed.thread))
        release = true
        wait(probe, other)
        local recovered = ("[notice] endpoint %s: healthy again"):format(server.http_host)
        assert.same({ recovered, choice(server.http_host), choice(server.http_host) }, lines(from + 3))
        server:close()
    end)

    it("name the member that is asked next if the first endpoint is of another cluster", function()
        local function member(id)
            return fake.new { fake.reply(('{"header":{"cluster_id":"%s","revision":"7"},"token":"of-%s"}'):format(id, id)) }
        end
        local stray, first, second = member(2), member(1), member(1)
        local cli = client { http_host = { stray.http_host, first.http_host, second.http_host } }
        cli.cluster.id, cli.cluster.member = "1", first.http_host -- as after a watch
        wait(start(cli, "get", key))
        assert.same({ entry("/kv/range", 9), entry(LOGIN, 9), choice(stray.http_host) }, lines(1, 3))
        local logins = {}
        for _, server in ipairs { stray, first, second } do
            for _, request in ipairs(server.requests) do
                if request.path == "/v3/auth/authenticate" then
                    logins[#logins + 1] = choice(server.http_host)
                elseif request.path == "/v3/kv/range" then
                    assert.equal("of-1", request.headers.authorization)
                end
            end
        end
        assert.equal(2, #logins) -- one at each cluster
        assert.same(logins, { lines(3, 3)[1], captured.lines[#captured.lines - 1] })
        for _, server in ipairs { stray, first, second } do
            server:close()
        end
    end)

    it("are followed by login_failed for all calls if a replaced get_target_status raises an error", function()
        local get_target_status = health_check.get_target_status
        health_check.get_target_status = function() error("broken check", 0) end
        local cli = client()
        local call = start(cli, "get", key)
        health_check.get_target_status = get_target_status
        assert.is_true(call.ended)
        assert.equal("broken check", call.err)
        assert.equal("login_failed", call.details.name)
        assert.same({ entry("/kv/range", 9), entry(LOGIN, 9) }, captured.lines)
        assert.equal(200, assert(cli:get(key)).status)
    end)
end)
