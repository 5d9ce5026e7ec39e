-- A client's file of CAs that is replaced while the client is in use, for sockets that support trusted CAs.
--
-- If the platform has no such sockets (ngx_lua before 2026), a replacement records the CAs that the sockets are given,
-- and OpenSSL reports which certificates they trust. Otherwise servers are connected to.
local bed = require "spec.support.bed"
local certificates = require "spec.support.certificates"
local fake = require "spec.support.scripted_server"

local methods = getmetatable(ngx.socket.tcp()).__index
local is_real = methods.settrustedstore ~= nil
local ca, other_ca = certificates.read(bed.certs.ca), certificates.read(bed.certs.other_ca)
local STORE = "resty.openssl.x509.store"

describe("trusted_ca", function()
    local path = certificates.path "trusted-ca.pem"
    local server, restore, cli, given

    setup(function()
        certificates.make("trusted-by-first", { names = "DNS:localhost" })
        certificates.make("trusted-by-other", { names = "DNS:localhost", issuer = "other-ca" })
        certificates.install("trusted-by-first", "shown")
        server = bed.add("shown", "--cert-file=" .. certificates.path "shown.pem",
            "--key-file=" .. certificates.path "shown.key")
    end)

    teardown(function()
        bed.remove "shown"
    end)

    before_each(function()
        restore = fake.never_ban()
        given = {}
        if not is_real then
            methods.settrustedstore = function(_, store)
                given[#given + 1] = store
                return true
            end
        end
        certificates.install("trusted-by-first", "shown")
        certificates.replace(path, ca)
        cli = assert(bed.new {
            http_host = server.http,
            sni = "localhost",
            trusted_ca = path,
            keepalive_timeout = 0, -- a handshake for each call
            keepalive_pool = 1,
        })
    end)

    after_each(function()
        if not is_real then
            methods.settrustedstore = nil
        end
        restore()
    end)

    -- Makes the next handshake check the file again, as it does after a few seconds.
    local function expire_check()
        cli.transport.connection_options.tls.trust.checked_at = 0
    end

    local function get()
        local res, err, details = cli:get("k")
        return res and res.status or details.name .. ": " .. err:sub(#server.http + 3)
    end

    -- Defines the specs about reading the file again, for both kinds of lua-resty-openssl.
    local function define_specs(trusted_cas)
        it("is read at the first handshake and again when it has changed, not at each handshake", function()
            assert.equals("first", trusted_cas())
            certificates.replace(path, other_ca)
            assert.equals("first", trusted_cas())
            expire_check()
            assert.equals("other", trusted_cas())
            certificates.replace(path, ca .. other_ca)
            expire_check()
            assert.equals("both", trusted_cas())
        end)

        it("is not read again when it has not changed", function()
            trusted_cas()
            local trust = cli.transport.connection_options.tls.trust
            expire_check()
            trusted_cas()
            assert.equals(trust, cli.transport.connection_options.tls.trust)
            assert.is_true(trust.checked_at > 0)
        end)

        it("stays in use while its file is missing, empty, incomplete or invalid", function()
            assert.equals("first", trusted_cas())
            for _, replace in ipairs {
                function() os.remove(path) end,
                function() certificates.replace(path, "") end,
                function() certificates.replace(path, other_ca:sub(1, 100)) end,
                function() certificates.replace(path, "garbage") end,
            } do
                replace()
                expire_check()
                assert.equals("first", trusted_cas())
            end
            certificates.replace(path, other_ca)
            expire_check()
            assert.equals("other", trusted_cas())
        end)

        it("fails each call, without a failure report, until the file can be read for the first time", function()
            local before = fake.reports(server.http)
            os.remove(path)
            local text = "bad_request: trusted_ca: " .. path .. ": "
            for _ = 1, 2 do
                assert.equals(text .. "No such file or directory", get())
            end
            certificates.replace(path, "garbage")
            assert.equals(text, get():sub(1, #text))
            assert.is_true(#get() > #text)
            assert.is_nil((cli:watch("k")))
            assert.equals(before, fake.reports(server.http))
            certificates.replace(path, other_ca)
            assert.equals("other", trusted_cas())
        end)
    end

    local folders = os.getenv("RESTY_HTTP_PATH") or ""
    local package_path = package.path
    for folder in folders:gmatch("[^:;]+") do
        package.path = folder .. "/?.lua;" .. folder .. "/?/init.lua;" .. package.path
    end
    local found, store = pcall(require, STORE)
    package.path = package_path

    if not found then
        print("lua-resty-openssl is not installed: trusted_ca is tested only with a replacement (see RESTY_HTTP_PATH)")
    else
        describe("with lua-resty-openssl", function()
            local loaded = package.loaded[STORE]

            setup(function()
                package.loaded[STORE] = store
            end)

            teardown(function()
                package.loaded[STORE] = loaded
            end)

            -- Returns which CAs the store trusts that the handshake was given, according to OpenSSL.
            local function by_store()
                get()
                local x509 = require "resty.openssl.x509"
                local copy = assert(store.new())
                copy.ctx = given[#given]
                local trusts = {}
                for _, name in ipairs { "first", "other" } do
                    local certificate = assert(x509.new(certificates.read(certificates.path("trusted-by-" .. name .. ".pem"))))
                    trusts[name] = copy:verify(certificate) ~= nil
                end
                return trusts.first and (trusts.other and "both" or "first") or trusts.other and "other" or "none"
            end

            -- Returns which CAs the client trusts, by connecting to a server with a certificate of each.
            local function by_server()
                local trusts = {}
                for _, name in ipairs { "first", "other" } do
                    certificates.install("trusted-by-" .. name, "shown")
                    trusts[name] = get() == 200
                end
                return trusts.first and (trusts.other and "both" or "first") or trusts.other and "other" or "none"
            end

            define_specs(is_real and by_server or by_store)

            it("is used in every handshake, which succeeds when the certificate is trusted", function()
                for _ = 1, 3 do
                    assert.equals(200, get())
                end
                assert.equals(is_real and 0 or 3, #given)
            end)
        end)
    end

    if not is_real then
        describe("with a replacement of lua-resty-openssl", function()
            local loaded = package.loaded[STORE]

            setup(function()
                package.loaded[STORE] = {
                    new = function()
                        return {
                            load_file = function(self, file)
                                self.ctx = certificates.read(file)
                                if not self.ctx:find("END CERTIFICATE", 1, true) then
                                    return false, "no certificate in it" -- as lua-resty-openssl: false, not nil
                                end
                                return true
                            end,
                        }
                    end,
                }
            end)

            teardown(function()
                package.loaded[STORE] = loaded
            end)

            define_specs(function()
                get()
                return ({ [ca] = "first", [other_ca] = "other", [ca .. other_ca] = "both" })[given[#given]]
            end)

            it("causes a connection error when the socket rejects it", function()
                methods.settrustedstore = function()
                    return nil, "closed"
                end
                assert.equals("connect_failed: closed", get())
            end)

            it("is not read for a pooled connection", function()
                local pooled = assert(bed.new {
                    http_host = server.http, sni = "localhost", trusted_ca = path, keepalive_pool = 2,
                })
                for _ = 1, 5 do
                    assert.equals(200, assert(pooled:get("k")).status)
                end
                assert.equals(1, #given)
            end)

            it("is used with cosockets when a replacement of them was checked before", function()
                local trusted_ca = require "resty.etcd.transport.tls.trusted_ca"
                local tls = { trusted_ca = path }
                assert.is_false(trusted_ca.is_usable({}, tls, path))
                assert.is_true(trusted_ca.is_usable(ngx.socket.tcp(), tls, path))
                methods.settrustedstore = nil
                assert.is_false(trusted_ca.is_usable(ngx.socket.tcp(), tls, path))
                assert.is_false(tls.trust)
            end)
        end)
    end
end)
