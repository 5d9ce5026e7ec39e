-- What a server's certificate may become while clients live: etcd reads its certificate anew for each handshake.
local bed = require "spec.support.bed"
local certificates = require "spec.support.certificates"
local fake = require "spec.support.scripted_server"

local UNKNOWN_CA = "nginx does not know the CA of the server's certificate: see lua_ssl_trusted_certificate "
    .. "(or opts.trusted_ca), and lua_ssl_verify_depth for intermediate CAs"
local WRONG_NAME = "the certificate is not for this name; nginx checks host names only, "
    .. "so for an IP address set opts.sni to a name in the certificate"
local DATES = "check the dates of the server's certificate and of its CA, and the clock of this machine"

describe("the certificate of a server", function()
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

    -- A client with a pool of its own; `keepalive_timeout = 0` makes a handshake for each call.
    local function new(opts)
        pools = pools + 1
        local all = { http_host = server.http, sni = "localhost", keepalive_pool = pools }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    -- Reads, writes and watches fail to connect, at every try: nothing was pooled, and surely nothing was written.
    local function assert_refused(cli, pattern, hint)
        for _ = 1, 3 do
            for _, call in ipairs { { "get", "k" }, { "set", "k", 1 }, { "watch", "k" } } do
                local res, err, details = cli[call[1]](cli, unpack(call, 2))
                assert.is_nil(res)
                -- OpenSSL's words, with their number unless the handshake ended at once
                local text = err:sub(#server.http + 3):gsub("^%d+: ", "")
                assert.truthy(text:find(pattern), err)
                assert.equals("connect_failed", details.name)
                assert.equals(hint, details.hint)
                assert.is_true(details.retryable)
                assert.is_false(details.maybe_applied)
            end
        end
    end

    describe("replaced by another of the same CA", function()
        it("is what new connections see, while pooled ones go on", function()
            local first, second = new { sni = "first.test" }, new { sni = "second.test" }
            assert.equals(200, assert(first:get("k")).status)
            assert_refused(second, "^certificate host mismatch$", WRONG_NAME)
            certificates.install("rotating-second", "rotating")
            assert.equals(200, assert(first:get("k")).status) -- by its old connection: it has no name in the new one
            assert.equals(200, assert(second:get("k")).status)
            assert_refused(new { sni = "first.test" }, "^certificate host mismatch$", WRONG_NAME)
        end)

        it("disturbs no call", function()
            local each, pooled = new { keepalive_timeout = 0 }, new()
            for i = 1, 10 do
                certificates.install(i % 2 == 0 and "rotating-first" or "rotating-second", "rotating")
                for _ = 1, 5 do
                    assert.equals(200, assert(each:get("k")).status)
                    assert.equals(200, assert(pooled:set("k", i)).status)
                end
            end
        end)

        it("disturbs no watch", function()
            local cli, key = new(), bed.key("rotated")
            local reader = assert(cli:watch(key, { timeout = 5 }))
            assert.is_true(reader().result.created)
            certificates.install("rotating-second", "rotating")
            assert(new():set(key, "after"))
            assert.equals("after", reader().result.events[1].kv.value)
        end)
    end)

    it("replaced by one of an unknown CA is refused by new connections, which are not pooled; old ones go on", function()
        local pooled, fresh = new(), new()
        assert.equals(200, assert(pooled:get("k")).status)
        certificates.install("rotating-other", "rotating")
        assert_refused(fresh, "^unable to [%a ]+ certificate$", UNKNOWN_CA)
        assert.equals(200, assert(pooled:get("k")).status)
        assert.equals(200, assert(new { ssl_verify = false }:get("k")).status)
        assert_refused(fresh, "^unable to [%a ]+ certificate$", UNKNOWN_CA) -- nor are those of others used
        certificates.install("rotating-second", "rotating")
        assert.equals(200, assert(fresh:get("k")).status) -- at once
    end)

    it("that has expired is refused as such", function()
        local pooled = new()
        assert.equals(200, assert(pooled:get("k")).status)
        certificates.install("rotating-old", "rotating")
        assert_refused(new(), "^certificate has expired$", DATES)
        assert.equals(200, assert(pooled:get("k")).status)
        assert.equals(200, assert(new { ssl_verify = false }:get("k")).status)
    end)

    it("is not asked for another name than the client's sni, or its host", function()
        assert_refused(new { sni = "other.test" }, "^certificate host mismatch$", WRONG_NAME)
        assert_refused(new { sni = "127.0.0.1" }, "^certificate host mismatch$", WRONG_NAME)
        assert.equals(200, assert(new { sni = "first.test" }:get("k")).status)
    end)

    it("may have intermediate CAs, up to lua_ssl_verify_depth", function()
        local chain, issuer = "", "ca"
        for depth = 0, 4 do -- nginx runs with 3 here
            certificates.make("below-" .. issuer, { names = "DNS:localhost", issuer = issuer })
            certificates.replace(certificates.path "rotating.key", certificates.read(certificates.path("below-" .. issuer .. ".key")))
            certificates.replace(certificates.path "rotating.pem",
                certificates.read(certificates.path("below-" .. issuer .. ".pem")) .. chain)
            if depth <= 3 then
                assert.equals(200, assert(new():get("k")).status)
            else
                assert_refused(new(), "^unable to [%a ]+ certificate$", UNKNOWN_CA)
            end
            local ca = "intermediate-" .. depth + 1
            chain = certificates.read((certificates.make(ca, { kind = "ca", issuer = issuer }))) .. chain
            issuer = ca
        end
    end)

    describe("of another CA, in nginx with the file of lua_ssl_trusted_certificate", function()
        local file = certificates.path "trusted.pem"
        local ca, other_ca = certificates.read(bed.certs.ca), certificates.read(bed.certs.other_ca)

        -- What an nginx of its own prints that runs this code with the client `new()` and the certificates' functions.
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

        it("is not trusted before a reload, as nginx reads that file once", function()
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

        it("is trusted at once where both have been in it since the last reload", function()
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
