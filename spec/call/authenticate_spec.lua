-- Logins with user and password, against a server that counts them and against etcd.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local fake = require "spec.support.scripted_server"

local LOGIN = "/v3/auth/authenticate"
local RANGE = '{"header":{"revision":"7"}}'
local REJECTED = "authenticate refresh token fail"
local REASON = "etcdserver: authentication failed, invalid user ID or password"

-- Serves logins with `login` (a script, or a function of the number of logins), and other requests with the result of
-- `rest`, a function of the request.
local function serve(login, rest)
    local logins = 0
    return function(request)
        if request.path ~= LOGIN then
            return rest and rest(request) or { fake.reply(RANGE) }
        end
        logins = logins + 1
        return type(login) == "function" and login(logins) or login
    end
end

local function token(text)
    return fake.reply('{"header":{},"token":"' .. text .. '"}')
end

local function error_reply(status, code, message)
    return fake.reply(('{"error":"%s","message":"%s","code":%d}'):format(message, message, code), status .. " Error")
end

local UNKNOWN_TOKEN = error_reply(401, 16, "etcdserver: invalid auth token")

describe("login", function()
    local server, restore

    before_each(function()
        restore = fake.never_ban()
        server = fake.new({ fake.reply(RANGE) })
    end)

    after_each(function()
        server:close()
        restore()
    end)

    local function client(opts)
        local all = { http_host = server.http_host, user = "u", password = "p/word", timeout = 3 }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    local function logins(at)
        local count = 0
        for _, request in ipairs((at or server).requests) do
            count = count + (request.path == LOGIN and 1 or 0)
        end
        return count
    end

    local function wait_for_login()
        assert.is_true(fake.eventually(function() return logins() == 1 end))
    end

    -- Runs `n` calls concurrently; returns their results, {res, err, details, number}, in the order in which the calls end.
    local function together(cli, n, timeout)
        local ends, threads = {}, {}
        for i = 1, n do
            threads[i] = ngx.thread.spawn(function()
                local res, err, details = cli:get("/k", { timeout = timeout })
                ends[#ends + 1] = { res = res, err = err, details = details, number = i }
            end)
        end
        return ends, threads
    end

    local function finish(threads)
        for _, thread in ipairs(threads) do
            ngx.thread.wait(thread)
        end
    end

    it("precedes the first call, which then carries the token without a scheme", function()
        server:serve(serve { token "abc.7" })
        local cli = client()
        assert.equals(200, cli:get("/k").status)
        assert.equals(200, cli:get("/k").status)
        local paths = {}
        for i, request in ipairs(server.requests) do
            paths[i] = request.path .. " " .. tostring(request.headers.authorization)
        end
        assert.same({ LOGIN .. " nil", "/v3/kv/range abc.7", "/v3/kv/range abc.7" }, paths)
        assert.same({ name = "u", password = "p/word" }, require("cjson").decode(server.requests[1].body))
    end)

    it("is not made for the version or without a user", function()
        server:serve(serve { token "abc" })
        assert(client():version())
        assert(bed.new { http_host = server.http_host }:get("/k"))
        assert.equals(0, logins())
        assert.is_nil(server.requests[#server.requests].headers.authorization)
    end)

    it("carries no token, even if the client has an old one", function()
        server:serve(serve({ token "old" }, function(request)
            if request.headers.authorization == "old" and logins() == 1 then
                return { error_reply(401, 16, "etcdserver: invalid auth token") }
            end
        end))
        assert.equals(200, client { extra_headers = { Authorization = "mine" } }:get("/k").status)
        assert.equals(2, logins())
        for _, request in ipairs(server.requests) do
            assert.equals(request.path == LOGIN, request.headers.authorization == nil)
        end
    end)

    it("is shared by all concurrent calls of a worker", function()
        server:serve(serve { 0.1, token "abc" })
        local ends, threads = together(client(), 20)
        finish(threads)
        assert.equals(1, logins())
        assert.equals(20, #ends)
        for _, one in ipairs(ends) do
            assert.equals(200, one.res.status)
        end
    end)

    it("returns the same error to all waiting calls, first to the call that started it", function()
        server:serve(serve { 0.1, error_reply(400, 3, REASON) })
        local ends, threads = together(client(), 6)
        finish(threads)
        assert.equals(1, logins())
        for i, one in ipairs(ends) do
            assert.equals(i, one.number)
            assert.is_nil(one.res)
            assert.equals(REJECTED, one.err)
            assert.equals(REASON, one.details.hint)
        end
    end)

    it("resumes first the call that started it, then the others in order of arrival", function()
        server:serve(serve { 0.1, token "abc" })
        local health_check = require "resty.etcd.health_check"
        local get_target_status, asked = health_check.get_target_status, 0
        health_check.get_target_status = function() -- an endpoint for the login, none for the calls: they end immediately
            asked = asked + 1
            return asked == 1
        end
        local ends, threads = together(client(), 6)
        finish(threads)
        health_check.get_target_status = get_target_status
        assert.equals(1, logins())
        for i, one in ipairs(ends) do
            assert.equals(i, one.number)
            assert.equals("has no healthy etcd endpoint available", one.err)
        end
    end)

    -- Two members that reject a token `n` times before they know it; then they send `response`.
    local function with_slow_members(n, response, check)
        local rejected = 0
        server:serve(serve({ token "abc.7" }, function()
            rejected = rejected + 1
            return { rejected <= n and UNKNOWN_TOKEN or response }
        end))
        local other = fake.new(server.scripts[1])
        check(client { http_host = { server.http_host, other.http_host }, init_count = -1 }, other)
        other:close()
    end

    it("is not repeated when slow members learn of the token a moment later", function()
        with_slow_members(4, fake.reply(RANGE), function(cli, other)
            local started = clock.now()
            assert.equals(200, cli:get("/k").status)
            assert.is_true(clock.now() - started > 0.14)
            assert.equals(1, logins())
            assert.is_true(#other.requests > 1)
            assert.equals(1 + 5, #server.requests + #other.requests)
        end)
    end)

    it("is not repeated by a watch when slow members learn of the token a moment later", function()
        local created = '{"result":{"header":{"revision":"7"},"created":true}}\n'
        with_slow_members(3, fake.reply(created), function(cli)
            local read = assert(cli:watch("/k"))
            assert.is_true(read().result.created)
            assert.equals(1, logins())
        end)
    end)

    it("is repeated once when no member learns of the token", function()
        with_slow_members(math.huge, "", function(cli, other)
            local res = cli:get("/k")
            assert.equals("etcdserver: invalid auth token", res.body.error)
            assert.equals(2, logins(server) + logins(other))
        end)
    end)

    it("is repeated by the next call when it failed", function()
        server:serve(serve(function(n)
            return n < 3 and { error_reply(400, 3, REASON) } or { token "abc" }
        end))
        local cli = client()
        assert.equals(REJECTED, (select(2, cli:get("/k"))))
        assert.equals(REJECTED, (select(2, cli:get("/k"))))
        assert.equals(200, cli:get("/k").status)
        assert.equals(3, logins())
    end)

    it("continues when the light thread that started it is killed", function()
        server:serve(serve { 0.15, token "abc" })
        local ends, threads = together(client(), 3)
        wait_for_login()
        assert(ngx.thread.kill(threads[1]))
        finish { threads[2], threads[3] }
        assert.equals(1, logins())
        assert.equals(5, ends[1].number + ends[2].number)
        assert.same({ 200, 200 }, { ends[1].res.status, ends[2].res.status })
    end)

    it("continues when a waiter is killed", function()
        server:serve(serve { 0.15, token "abc" })
        local ends, threads = together(client(), 3)
        wait_for_login()
        assert(ngx.thread.kill(threads[2]))
        finish { threads[1], threads[3] }
        assert.equals(4, ends[1].number + ends[2].number)
        assert.same({ 200, 200 }, { ends[1].res.status, ends[2].res.status })
    end)

    it("is repeated by a waiter when it ran inline and its light thread was killed", function()
        server:serve({ 60 }, { 0.1, token "abc" }, { fake.reply(RANGE) })
        local at = ngx.timer.at
        ngx.timer.at = function() return nil, "too many pending timers" end -- luacheck: ignore 122
        local ends, threads = together(client { timeout = 10 }, 3)
        wait_for_login()
        assert(ngx.thread.kill(threads[1]))
        finish { threads[2], threads[3] }
        ngx.timer.at = at -- luacheck: ignore 122
        assert.equals(2, logins())
        assert.same({ 200, 200 }, { ends[1].res and ends[1].res.status, ends[2].res and ends[2].res.status })
    end)

    it("serves later calls when all calls that waited for it were killed", function()
        server:serve(serve { 0.1, token "abc" })
        local cli = client()
        local _, threads = together(cli, 2)
        wait_for_login()
        assert(ngx.thread.kill(threads[1]))
        assert(ngx.thread.kill(threads[2]))
        assert.equals(200, cli:get("/k").status)
        assert.equals(1, logins())
    end)

    it("returns the socket error to the call that started it and a timeout to a waiter with an earlier deadline", function()
        server:serve(serve { 2, token "abc" })
        local cli = client()
        local ends, threads = together(cli, 1, 0.6)
        local short, short_threads = together(cli, 1, 0.2)
        finish(short_threads)
        assert.equals(0, #ends)
        assert.equals("timeout", short[1].details.name)
        finish(threads)
        assert.equals(server.http_host .. ": timeout", ends[1].err)
        assert.equals("timeout", ends[1].details.name)
        assert.equals(1, logins())
    end)

    it("returns the socket error to the call that started it when the worker is busy past the deadline", function()
        server:serve(serve { 2, token "abc" })
        local ends, threads = together(client(), 1, 0.2)
        wait_for_login()
        local stop = clock.now() + 0.4
        while clock.now() < stop do end -- luacheck: ignore 542
        finish(threads)
        assert.equals(server.http_host .. ": timeout", ends[1].err)
        assert.equals("timeout", ends[1].details.name)
    end)

    for name, reply in pairs {
        ["without a token"] = fake.reply("{}"),
        ["with an empty body"] = fake.reply(""),
        ["of HTML"] = fake.reply("<html>hush</html>"),
        ["whose token is not a string"] = fake.reply('{"token":{"hush":1}}'),
        ["of truncated JSON"] = fake.reply('{"token":"hush'),
    } do
        it("fails without a retry and quotes nothing when etcd sends a reply " .. name, function()
            local health_check = require "resty.etcd.health_check"
            health_check.conf.retry = true
            server:serve(serve { reply })
            local res, err, details = client():get("/k")
            assert.is_nil(res)
            assert.equals(REJECTED, err)
            assert.equals("login_failed", details.name)
            assert.is_nil((tostring(details.message) .. tostring(details.hint)):find("hush", 1, true))
            assert.equals(1, #server.requests)
            assert.equals(0, fake.reports(server.http_host))
        end)
    end

    it("returns 5xx responses and connection errors unchanged", function()
        server:serve(serve { error_reply(503, 14, "etcdserver: no leader") })
        local res, err, details = client():get("/k")
        assert.is_nil(res)
        assert.equals("invalid response code: 503, etcdserver: no leader", err)
        assert.equals(503, details.http_status)
        assert.equals(14, details.code)
        server:serve(serve { fake.CLOSE })
        assert.equals(server.http_host .. ": closed", (select(2, client():get("/k"))))
        local cli = client()
        cli.endpoints = {}
        assert.equals("has no healthy etcd endpoint available", (select(2, cli:get("/k"))))
        assert.equals(2, fake.reports(server.http_host))
    end)

    it("does not quote the password, whatever the server responds", function()
        for status, body in pairs {
            ["403 Forbidden"] = '{"message":"blocked: {\\"password\\":\\"p/word\\"}"}',
            ["400 Bad Request"] = '{"error":"no user with p/word"}',
            ["502 Bad Gateway"] = '{"message":"cannot forward p\\/word"}',
            ["503 Unavailable"] = "cannot forward " .. ngx.encode_base64("p/word"),
        } do
            server:serve(serve { fake.reply(body, status) })
            local res, err, details = client():get("/k")
            assert.is_nil(res)
            local all = err .. (details.hint or "") .. details.message
            assert.is_nil(all:find("word", 1, true), all)
        end
    end)

    it("returns the error of a refused connection unchanged", function()
        local dead = require("spec.support.tcp").listen()
        local host = dead.http_host
        assert.equals(host .. ": connection refused", (select(2, client { http_host = host }:get("/k"))))
        require("spec.support.tcp").close(dead)
    end)

    it("returns the same error to a watch and a write", function()
        server:serve(serve { error_reply(400, 3, REASON) })
        local cli = client()
        assert.equals(REJECTED, (select(2, cli:watch("/k"))))
        assert.equals(REJECTED, (select(2, cli:set("/k", 1))))
        assert.equals(REJECTED, (select(2, cli:grant(10))))
        assert.equals(3, #server.requests)
    end)

    for code, message in pairs {
        [16] = "etcdserver: invalid auth token",
        [3] = "etcdserver: revision of auth store is old",
    } do
        it("is repeated, and the call is sent again, after: " .. message, function()
            local status = code == 16 and 401 or 400
            server:serve(serve(function(n) return { token("token" .. n) } end, function(request)
                if request.headers.authorization == "token1" then
                    return { error_reply(status, code, message) }
                end
            end))
            local cli = client()
            assert.equals(200, cli:set("/k", 1).status)
            assert.equals(4, #server.requests)
            assert.equals(200, cli:set("/k", 1).status)
            assert.equals(5, #server.requests)
            assert.equals(0, fake.reports(server.http_host))
        end)
    end

    for _, body in ipairs {
        '{"error":{"grpc_code":16,"http_code":401,"message":"etcdserver: invalid auth token","http_status":"Unauthorized"}}',
        '{"error":{"code":16,"message":"etcdserver: invalid auth token"}}',
    } do
        it("is repeated, and a keepalive is sent again, after: " .. body, function()
            server:serve(serve(function(n) return { token("token" .. n) } end, function(request)
                if request.headers.authorization == "token1" then
                    return { fake.reply(body, "401 Unauthorized") }
                end
                return { fake.reply('{"result":{"header":{"revision":"7"},"ID":"5","TTL":"60"}}\n') }
            end))
            assert.equals("60", assert(client():keepalive(5)).body.result.TTL)
            assert.equals(2, logins())
        end)
    end

    it("is repeated only once when the new token is rejected too", function()
        server:serve(serve({ token "abc" }, function()
            return { error_reply(401, 16, "etcdserver: invalid auth token") }
        end))
        local res = client():get("/k")
        assert.equals(401, res.status)
        assert.equals("etcdserver: invalid auth token", res.body.error)
        assert.equals(2, logins())
        assert.equals(4, #server.requests)
    end)

    it("is repeated once for all concurrent calls when their token is rejected", function()
        server:serve(serve(function(n) return { 0.05, token("token" .. n) } end, function(request)
            if request.headers.authorization == "token1" and logins() > 0 and #server.requests > 2 then
                return { 0.02, error_reply(401, 16, "etcdserver: invalid auth token") }
            end
        end))
        local cli = client()
        assert(cli:get("/k"))
        local ends, threads = together(cli, 8)
        finish(threads)
        for _, one in ipairs(ends) do
            assert.equals(200, one.res.status)
        end
        assert.equals(2, logins())
    end)
end)

describe("login at etcd", function()
    local auth = bed.auth

    local function client(opts)
        local all = { http_host = auth.http, user = auth.user, password = auth.password }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    it("allows the user to read and write", function()
        local cli, key = client(), bed.key("login")
        assert.equals(200, cli:set(key, "v").status)
        assert.equals("v", cli:get(key).body.kvs[1].value)
        assert.equals("1", cli:delete(key).body.deleted)
    end)

    for name, opts in pairs {
        ["when the password is wrong"] = { password = "wrong" },
        ["when the user is unknown"] = { user = "unknown-" .. ngx.worker.pid() },
        ["when the password is empty"] = { password = "" },
    } do
        it("returns a fixed text, with the reason in the details, " .. name, function()
            local res, err, details = client(opts):get("/k")
            assert.is_nil(res)
            assert.equals(REJECTED, err)
            assert.equals(REJECTED, details.message)
            assert.equals(REJECTED, tostring(details))
            assert.equals("login_failed", details.name)
            assert.equals(REASON, details.hint)
            assert.equals(3, details.code)
            assert.equals(400, details.http_status)
            assert.equals(auth.http, details.endpoint)
            assert.is_false(details.retryable)
            assert.is_false(details.maybe_applied)
        end)
    end

    it("returns the same text when authentication is disabled", function()
        local _, err, details = client { http_host = bed.single.http }:get("/k")
        assert.equals(REJECTED, err)
        assert.equals("etcdserver: authentication is not enabled; user and password are set, but etcd's auth is off",
            details.hint)
        assert.equals(9, details.code)
    end)

    it("does not extend the permissions of a user", function()
        local cli = client(auth.reader)
        assert.equals(200, cli:get("/readable/x").status)
        local res = cli:get("/secret")
        assert.equals(403, res.status)
        assert.equals("etcdserver: permission denied", res.body.error)
    end)

    it("is repeated when a restart of etcd has lost the token", function()
        local cli, key = client { timeout = 10 }, bed.key("restart")
        assert.equals(200, cli:set(key, 1).status)
        assert.equals(0, os.execute("node tools/bed.mjs restart --dir '" .. bed.dir .. "' auth"))
        assert.equals(200, cli:get(key).status)
        assert.equals(200, cli:set(key, 2).status)
        assert.equals("1", cli:delete(key).body.deleted)
    end)
end)
