-- Hints for connection errors with several causes, and calls on leases that wait for a login.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"

describe("client certificate with a CommonName", function()
    local function ctl(command)
        local pipe = assert(io.popen(("ETCDCTL_API=3 '%s' --endpoints='%s' --cacert='%s' --cert='%s' --key='%s' %s 2>&1"):format(
            bed.etcdctl, bed.mtls.http, bed.certs.ca, bed.certs.client, bed.certs.client_key, command)))
        local output = pipe:read("*a")
        pipe:close()
        return output
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

    it("is rejected by etcd's gateway, which the hint explains, when authentication is enabled", function()
        local cli = assert(bed.new {
            http_host = bed.mtls.http, sni = "localhost", health = {}, timeout = 5,
            ssl_cert_path = bed.certs.client, ssl_key_path = bed.certs.client_key,
        })
        local res = assert(cli:get "/k")
        assert.equal(400, res.status)
        assert.is_truthy(res.body.error:find("CommonName of client", 1, true))
        local failed, err, details = cli:setnx("/k", 1)
        assert.is_nil(failed)
        assert.is_truthy(err:find("CommonName of client", 1, true))
        assert.is_truthy(details.hint:find("etcd's gateway takes no client certificate that has a CommonName", 1, true))
    end)
end)

describe("port that closes each connection without a response", function()
    it("leads to a hint about TLS and gRPC", function()
        local server = fake.new({ fake.CLOSE })
        local _, err, details = assert(bed.new { http_host = server.http_host, health = { retry = false } }):get "/k"
        assert.equal(server.http_host .. ": closed", err)
        assert.equal(
            "if the server never responds: the port serves only TLS or only gRPC (--listen-client-http-urls)", details.hint)
        server:close()
    end)
end)

describe("call on a lease", function()
    local calls = {
        function(cli) return cli:grant(10) end,
        function(cli) return cli:keepalive(7) end,
        function(cli) return cli:timetolive(7) end,
        function(cli) return cli:leases() end,
        function(cli) return cli:revoke(7) end,
    }

    -- Makes all calls concurrently; returns their results.
    local function call_all(cli)
        local threads, results = {}, {}
        for i, call in ipairs(calls) do
            threads[i] = ngx.thread.spawn(call, cli)
        end
        for i, thread in ipairs(threads) do
            local ok, res, err, details = ngx.thread.wait(thread)
            results[i] = { ok = ok, res = res, err = err, details = details }
        end
        return results
    end

    it("waits for the login in progress", function()
        local logins = 0
        local server = fake.new(function(request)
            if request.path == "/v3/auth/authenticate" then
                logins = logins + 1
                return { 0.2, fake.reply '{"token":"t"}' }
            end
            assert(request.headers.authorization == "t")
            local lease = '{"header":{"revision":"1"},"ID":"7","TTL":"9"}'
            return { fake.reply(request.path:find("keepalive", 1, true) and ('{"result":%s}'):format(lease) or lease) }
        end)
        local cli = assert(bed.new { http_host = server.http_host, user = "u", password = "p", health = {} })
        for i, result in ipairs(call_all(cli)) do
            assert.is_true(result.ok, tostring(result.res))
            assert.equal(200, result.res and result.res.status, i .. ": " .. tostring(result.err))
        end
        assert.equal(1, logins)
        server:close()
    end)

    it("ends at the client's timeout when the login or the call itself stalls", function()
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
            for i, result in ipairs(call_all(cli)) do
                assert.is_true(result.ok, tostring(result.res))
                assert.equal("timeout", result.details and result.details.name, tostring(i))
            end
            ngx.update_time()
            assert.is_true(ngx.now() - started < 2)
        end
        server:close()
    end)
end)
