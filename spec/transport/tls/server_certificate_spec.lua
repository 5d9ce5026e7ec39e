-- A server certificate that is replaced while clients are in use: etcd reads its certificate for each handshake.
local bed = require "spec.support.bed"
local certificates = require "spec.support.certificates"
local fake = require "spec.support.scripted_server"

local UNKNOWN_CA = "nginx does not know the CA of the server's certificate: see lua_ssl_trusted_certificate "
    .. "(or opts.trusted_ca), and lua_ssl_verify_depth for intermediate CAs"
local WRONG_NAME = "the certificate is not for this name; nginx checks host names only, "
    .. "so for an IP address set opts.sni to a name in the certificate"
local DATES = "check the dates of the server's certificate and of its CA, and the clock of this machine"

describe("server certificate", function()
    local server, restore

    setup(function()
        certificates.make("rotating-first", { names = "DNS:localhost,DNS:first.test" })
        certificates.make("rotating-second", { names = "DNS:localhost,DNS:second.test" })
        certificates.make("rotating-other", { names = "DNS:localhost", issuer = "other-ca" })
        certificates.make("rotating-old", { names = "DNS:localhost", days = -1 })
        certificates.install("rotating-first", "rotating")
        server = bed.add("rotating", "--cert-file=" .. certificates.path "rotating.pem",
            "--key-file=" .. certificates.path "rotating.key")
    end)

    teardown(function()
        bed.remove "rotating"
    end)

    before_each(function()
        restore = fake.never_ban()
        certificates.install("rotating-first", "rotating")
    end)

    after_each(function()
        restore()
    end)

    local pools = 0

    -- Returns a client with a separate pool; `keepalive_timeout = 0` makes a handshake for each call.
    local function new(opts)
        pools = pools + 1
        local all = { http_host = server.http, sni = "localhost", keepalive_pool = pools }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    -- Asserts that reads, writes and watches fail to connect each time: nothing was pooled, and no write was applied.
    local function assert_rejected(cli, pattern, hint)
        for _ = 1, 3 do
            for _, call in ipairs { { "get", "k" }, { "set", "k", 1 }, { "watch", "k" } } do
                local res, err, details = cli[call[1]](cli, unpack(call, 2))
                assert.is_nil(res)
                -- OpenSSL's text, with its number unless the handshake ended without waiting
                local text = err:sub(#server.http + 3):gsub("^%d+: ", "")
                assert.truthy(text:find(pattern), err)
                assert.equals("connect_failed", details.name)
                assert.equals(hint, details.hint)
                assert.is_true(details.retryable)
                assert.is_false(details.maybe_applied)
            end
        end
    end

    it("of an unknown CA leads to a hint about trusted_ca if the platform ignores that option", function()
        certificates.install("rotating-other", "rotating")
        local cli = new { trusted_ca = certificates.path "other-ca.pem" }
        if ngx.socket.tcp().settrustedstore and pcall(require, "resty.openssl.x509.store") then
            assert.equals(200, assert(cli:get("k")).status)
            return
        end
        assert_rejected(cli, "^unable to [%a ]+ certificate$", "opts.trusted_ca is ignored: it needs sockets with "
            .. "settrustedstore, and lua-resty-openssl; put the CA into the file of lua_ssl_trusted_certificate")
        assert_rejected(new { trusted_ca = certificates.path "other-ca.pem", sni = "wrong.test", ssl_verify = true },
            "^unable to [%a ]+ certificate$", "opts.trusted_ca is ignored: it needs sockets with "
            .. "settrustedstore, and lua-resty-openssl; put the CA into the file of lua_ssl_trusted_certificate")
        certificates.install("rotating-first", "rotating")
        assert_rejected(new { trusted_ca = certificates.path "other-ca.pem", sni = "wrong.test" },
            "^certificate host mismatch$", WRONG_NAME) -- another cause keeps its hint
    end)

    describe("replaced by one of the same CA", function()
        it("applies to new connections, while pooled ones are still used", function()
            local first, second = new { sni = "first.test" }, new { sni = "second.test" }
            assert.equals(200, assert(first:get("k")).status)
            assert_rejected(second, "^certificate host mismatch$", WRONG_NAME)
            certificates.install("rotating-second", "rotating")
            assert.equals(200, assert(first:get("k")).status) -- over the pooled connection: its name is not in the new certificate
            assert.equals(200, assert(second:get("k")).status)
            assert_rejected(new { sni = "first.test" }, "^certificate host mismatch$", WRONG_NAME)
        end)

        it("causes no failure of calls", function()
            local each, pooled = new { keepalive_timeout = 0 }, new()
            for i = 1, 10 do
                certificates.install(i % 2 == 0 and "rotating-first" or "rotating-second", "rotating")
                for _ = 1, 5 do
                    assert.equals(200, assert(each:get("k")).status)
                    assert.equals(200, assert(pooled:set("k", i)).status)
                end
            end
        end)

        it("does not interrupt a watch", function()
            local cli, key = new(), bed.key("rotated")
            local reader = assert(cli:watch(key, { timeout = 5 }))
            assert.is_true(reader().result.created)
            certificates.install("rotating-second", "rotating")
            assert(new():set(key, "after"))
            assert.equals("after", reader().result.events[1].kv.value)
        end)
    end)

    it("is rejected by new connections, while pooled ones are still used, when its CA is unknown", function()
        local pooled, fresh = new(), new()
        assert.equals(200, assert(pooled:get("k")).status)
        certificates.install("rotating-other", "rotating")
        assert_rejected(fresh, "^unable to [%a ]+ certificate$", UNKNOWN_CA)
        assert.equals(200, assert(pooled:get("k")).status)
        assert.equals(200, assert(new { ssl_verify = false }:get("k")).status)
        assert_rejected(fresh, "^unable to [%a ]+ certificate$", UNKNOWN_CA) -- the connections of other clients are not used
        certificates.install("rotating-second", "rotating")
        assert.equals(200, assert(fresh:get("k")).status)
    end)

    it("is rejected by new connections when it has expired", function()
        local pooled = new()
        assert.equals(200, assert(pooled:get("k")).status)
        certificates.install("rotating-old", "rotating")
        assert_rejected(new(), "^certificate has expired$", DATES)
        assert.equals(200, assert(pooled:get("k")).status)
        assert.equals(200, assert(new { ssl_verify = false }:get("k")).status)
    end)

    it("is checked for the client's sni", function()
        assert_rejected(new { sni = "other.test" }, "^certificate host mismatch$", WRONG_NAME)
        assert_rejected(new { sni = "127.0.0.1" }, "^certificate host mismatch$", WRONG_NAME)
        assert.equals(200, assert(new { sni = "first.test" }:get("k")).status)
    end)

    it("is accepted with as many intermediate CAs as lua_ssl_verify_depth allows", function()
        local chain, issuer = "", "ca"
        for depth = 0, 4 do -- lua_ssl_verify_depth is 3 here
            certificates.make("below-" .. issuer, { names = "DNS:localhost", issuer = issuer })
            certificates.replace(certificates.path "rotating.key", certificates.read(certificates.path("below-" .. issuer .. ".key")))
            certificates.replace(certificates.path "rotating.pem",
                certificates.read(certificates.path("below-" .. issuer .. ".pem")) .. chain)
            if depth <= 3 then
                assert.equals(200, assert(new():get("k")).status)
            else
                assert_rejected(new(), "^unable to [%a ]+ certificate$", UNKNOWN_CA)
            end
            local ca = "intermediate-" .. depth + 1
            chain = certificates.read((certificates.make(ca, { kind = "ca", issuer = issuer }))) .. chain
            issuer = ca
        end
    end)

    describe("of another CA", function()
        local file = certificates.path "trusted.pem"
        local ca, other_ca = certificates.read(bed.certs.ca), certificates.read(bed.certs.other_ca)

        -- Returns what a separate nginx prints that runs this code with the functions defined here.
        local function in_nginx(code)
            local script = certificates.path "trusted.lua"
            certificates.replace(script, ([[
                package.path = "./?.lua;" .. package.path
                local bed, certificates = require "spec.support.bed", require "spec.support.certificates"
                require("resty.etcd.health_check").disable()
                local ca, other_ca = certificates.read(bed.certs.ca), certificates.read(bed.certs.other_ca)
                local pools = 0
                local function ask()
                    pools = pools + 1
                    local cli = assert(bed.new { http_host = "%s", sni = "localhost", keepalive_pool = pools })
                    print((cli:get("k") or {}).status)
                end
                local function trust(text) certificates.replace("%s", text) end
                local function show(name) certificates.install("rotating-" .. name, "rotating") end
            ]]):format(server.http, file) .. code)
            local output = assert(io.popen(("RESTY_TRUSTED_CA='%s' RESTY_ERRLOG=/dev/null tools/resty-run '%s'"):format(file, script)))
            local text = output:read("*a")
            output:close()
            return text
        end

        it("is rejected when its CA was added to lua_ssl_trusted_certificate after the last reload", function()
            certificates.replace(file, ca)
            assert.equals("200\nnil\nnil\n", in_nginx [[
                ask()
                trust(other_ca)
                show "other"
                ask()
                trust(ca .. other_ca)
                ask()
            ]])
        end)

        it("is accepted when both CAs are in lua_ssl_trusted_certificate since the last reload", function()
            certificates.replace(file, ca .. other_ca)
            assert.equals("200\n200\n200\n", in_nginx [[
                ask()
                show "other"
                ask()
                show "second"
                ask()
            ]])
        end)
    end)
end)
