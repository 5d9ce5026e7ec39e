-- Trouble that is hard to see from outside: what the error's hint says of it, and calls that meet in a login.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"

describe("a client certificate with a CommonName", function()
    local function ctl(command)
        local pipe = assert(io.popen(("ETCDCTL_API=3 '%s' --endpoints='%s' --cacert='%s' --cert='%s' --key='%s' %s 2>&1"):format(
            bed.etcdctl, bed.mtls.http, bed.certs.ca, bed.certs.client, bed.certs.client_key, command)))
        local said = pipe:read("*a")
        pipe:close()
        return said
    end

    setup(function()
        ctl "role add root"
        ctl "user add root:secret"
        ctl "user grant-role root root"
        assert.is_truthy(ctl("auth enable"):find("Enabled", 1, true))
    end)

    teardown(function()
        assert.is_truthy(ctl("--user root:secret auth disable"):find("Disabled", 1, true))
        ctl "user delete root"
        ctl "role delete root"
    end)

    it("is refused by etcd's gateway once auth is on, which the hint explains", function()
        local cli = assert(bed.new {
            http_host = bed.mtls.http, sni = "localhost", health = {}, timeout = 5,
            ssl_cert_path = bed.certs.client, ssl_key_path = bed.certs.client_key,
        })
        local res = assert(cli:get "/k")
        assert.equal(400, res.status)
        assert.is_truthy(res.body.error:find("CommonName of client", 1, true))
        local none, err, details = cli:setnx("/k", 1)
        assert.is_nil(none)
        assert.is_truthy(err:find("CommonName of client", 1, true))
        assert.is_truthy(details.hint:find("etcd's gateway takes no client certificate that has a CommonName", 1, true))
    end)
end)

describe("a port that closes each connection without a word", function()
    it("may speak gRPC or TLS only, says the hint", function()
        local server = fake.new({ fake.CLOSE })
        local _, err, details = assert(bed.new { http_host = server.http_host, health = { retry = false } }):get "/k"
        assert.equal(server.http_host .. ": closed", err)
        assert.equal(
            "if it never answers: the port may speak TLS only, or gRPC only (--listen-client-http-urls)", details.hint)
        server:close()
    end)
end)

describe("calls on leases", function()
    local calls = {
        function(cli) return cli:grant(10) end,
        function(cli) return cli:keepalive(7) end,
        function(cli) return cli:timetolive(7) end,
        function(cli) return cli:leases() end,
        function(cli) return cli:revoke(7) end,
    }

    -- Makes all of the calls at the same time; returns what they answered.
    local function together(cli)
        local threads, answers = {}, {}
        for i, call in ipairs(calls) do
            threads[i] = ngx.thread.spawn(call, cli)
        end
        for i, thread in ipairs(threads) do
            local ok, res, err, details = ngx.thread.wait(thread)
            answers[i] = { ok = ok, res = res, err = err, details = details }
        end
        return answers
    end

    it("that come during a login wait for it like all others", function()
        local logins = 0
        local server = fake.new(function(request)
            if request.path == "/v3/auth/authenticate" then
                logins = logins + 1
                return { 0.2, fake.reply '{"token":"t"}' }
            end
            assert(request.headers.authorization == "t")
            return { fake.reply(request.path:find("keepalive", 1, true) and '{"result":{"ID":"7","TTL":"9"}}'
                or '{"header":{},"ID":"7","TTL":"9"}') }
        end)
        local cli = assert(bed.new { http_host = server.http_host, user = "u", password = "p", health = {} })
        for i, answer in ipairs(together(cli)) do
            assert.is_true(answer.ok, tostring(answer.res))
            assert.equal(200, answer.res and answer.res.status, i .. ": " .. tostring(answer.err))
        end
        assert.equal(1, logins)
        server:close()
    end)

    it("have the client's timeout, in a login and after it", function()
        local slow
        local server = fake.new(function(request)
            return { request.path:find(slow, 1, true) and 3 or 0, fake.reply '{"token":"t"}' }
        end)
        for _, case in ipairs { { nil, "/v3/" }, { "u", "/v3/" }, { "u", "lease" } } do
            slow = case[2]
            local cli = assert(bed.new {
                http_host = server.http_host, user = case[1], timeout = 1, health = { max_fails = 100, retry = false },
            })
            ngx.update_time()
            local started = ngx.now()
            for i, answer in ipairs(together(cli)) do
                assert.is_true(answer.ok, tostring(answer.res))
                assert.equal("timeout", answer.details and answer.details.name, tostring(i))
            end
            ngx.update_time()
            assert.is_true(ngx.now() - started < 2)
        end
        server:close()
    end)
end)
