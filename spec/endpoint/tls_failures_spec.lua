-- TLS failures: with `health = {}`, an endpoint is never ejected because an option of the client is wrong.
local bed = require "spec.support.bed"
local certificates = require "spec.support.certificates"
local fake = require "spec.support.scripted_server"
local tls_failures = require "resty.etcd.endpoint.tls_failures"

local certs = bed.certs

describe("client's health check", function()
    local HEALTH = { max_fails = 1, fail_timeout = 60, fail_open = false, shm_name = "etcd_health" }

    before_each(function()
        ngx.shared.etcd_health:flush_all()
    end)

    local function client(opts)
        local all = { timeout = 3, health = HEALTH, keepalive_timeout = 0 }
        for name, value in pairs(opts) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    -- Asserts that each call of a client returns the true error, and that the endpoint stays healthy for another client.
    local function assert_not_ejected(opts, pattern, good)
        local cli = client(opts)
        for _ = 1, 5 do
            for _, call in ipairs { { "get", "k" }, { "set", "k", "v" }, { "watch", "k" } } do
                local res, err = cli[call[1]](cli, unpack(call, 2))
                assert.is_nil(res)
                assert.is_truthy(err:find(pattern), err)
            end
        end
        local res, err = client(good):get "k"
        assert.is_truthy(res, err)
        for _, key in ipairs(ngx.shared.etcd_health:get_keys(0)) do
            assert.is_nil(key:find("|away|", 1, true), key)
            assert.is_nil(key:find("|fails|", 1, true), key)
        end
    end

    it("does not eject an endpoint because of a wrong server name", function()
        local host = bed.tls.http
        assert_not_ejected({ http_host = host, sni = "wrong.test" }, "certificate host mismatch$",
            { http_host = host, sni = "localhost" })
    end)

    it("does not eject an endpoint because of a missing CA", function()
        certificates.make("tls-failures", { names = "DNS:localhost", issuer = "other-ca" })
        local server = bed.add("tls-failures", "--cert-file=" .. certificates.path "tls-failures.pem",
            "--key-file=" .. certificates.path "tls-failures.key")
        assert_not_ejected({ http_host = server.http, sni = "localhost" }, "unable to [%a ]+ certificate$",
            { http_host = server.http, ssl_verify = false })
        bed.remove "tls-failures"
    end)

    it("does not eject an endpoint because of a wrong client certificate or key", function()
        local host = bed.mtls.http
        local good = { http_host = host, sni = "localhost", ssl_cert_path = certs.client, ssl_key_path = certs.client_key }
        assert_not_ejected({ http_host = host, sni = "localhost", ssl_cert_path = certs.client, ssl_key_path = certs.other_client_key },
            "client key: does not match the client certificate$", good)
        assert_not_ejected({ http_host = host, sni = "localhost", ssl_cert_path = "/no/such/file", ssl_key_path = "/no/such/file" },
            "client certificate: .*No such file", good)
        assert_not_ejected({ http_host = host, sni = "localhost" }, "handshake failed$", good)
        assert_not_ejected({ http_host = host, sni = "localhost", ssl_cert_path = certs.other_client,
            ssl_key_path = certs.other_client_key }, "handshake failed$", good)
    end)

    it("does not eject an endpoint because of the wrong scheme", function()
        local host = bed.single.http
        assert_not_ejected({ http_host = host:gsub("^http:", "https:") }, "handshake failed$", { http_host = host })
    end)

    it("uses other endpoints first, so that a bad certificate at one costs neither calls nor retries", function()
        local handshakes, answers = 0, {}
        local cli = client { http_host = { bed.tls.http, "https://localhost.test:1" }, sni = "localhost",
            health = { max_fails = 1, fail_timeout = 60, retry = false } }
        local bad = cli.endpoints[2].http_host
        local unary = cli.transport.unary
        cli.transport.unary = function(transport, rpc, payload, attempt)
            if attempt.endpoint.http_host == bad then
                handshakes = handshakes + 1
                return nil, { kind = "connect", text = "20: unable to get local issuer certificate", sent = false, is_tls = true }
            end
            return unary(transport, rpc, payload, attempt)
        end
        for _ = 1, 20 do
            local res, err = cli:get "k"
            answers[#answers + 1] = res == nil and err or nil
        end
        assert.equal(1, handshakes)
        assert.same({ bad .. ": 20: unable to get local issuer certificate" }, answers)
    end)

    it("counts TLS failures in the shared health check, as lua-resty-etcd 1.10 did", function()
        local restore = fake.never_ban()
        ngx.shared.test:delete(bed.tls.http)
        local cli = assert(bed.new { http_host = bed.tls.http, sni = "wrong.test" })
        for _ = 1, 3 do
            cli:get "k"
        end
        assert.equal(3, fake.reports(bed.tls.http))
        ngx.shared.test:delete(bed.tls.http)
        restore()
    end)
end)

describe("TLS failures of a client", function()
    it("let one call at a time try an endpoint when the time is over", function()
        local failures = tls_failures.new()
        tls_failures.note(failures, "h", 0, 0)
        assert.is_false(tls_failures.must_avoid(failures, "h"))
        assert.is_true(tls_failures.must_avoid(failures, "h"))
        tls_failures.forget(failures, "h")
        assert.is_false(tls_failures.must_avoid(failures, "h"))
        assert.is_false(tls_failures.must_avoid(failures, "h"))
    end)

    it("keep a bounded number of endpoints", function()
        local failures = tls_failures.new()
        for i = 1, 1000 do
            tls_failures.note(failures, "h" .. i, 60, 60)
        end
        local n = 0
        for _ in pairs(failures) do
            n = n + 1
        end
        assert.is_true(n <= 101, n)
    end)
end)
