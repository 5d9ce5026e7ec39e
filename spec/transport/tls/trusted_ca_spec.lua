-- The CAs of a client, in a file that is replaced while the client lives: with sockets that take CAs of their own.
--
-- Where the platform has none (ngx_lua before 2026) a stand-in takes what the sockets are given; OpenSSL then tells
-- whom it trusts. Where they have, servers are asked.
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

    -- what otherwise a few seconds do
    local function let_time_pass()
        cli.transport.connection_options.tls.trust.checked_at = 0
    end

    local function get()
        local res, err, details = cli:get("k")
        return res and res.status or details.name .. ": " .. err:sub(#server.http + 3)
    end

    -- What of both kinds of lua-resty-openssl: the rules of reading again.
    local function behaves(whom_it_trusts)
        it("is read at the first handshake, and again once it has changed, not at each handshake", function()
            assert.equals("first", whom_it_trusts())
            certificates.replace(path, other_ca)
            assert.equals("first", whom_it_trusts())
            let_time_pass()
            assert.equals("other", whom_it_trusts())
            certificates.replace(path, ca .. other_ca)
            let_time_pass()
            assert.equals("both", whom_it_trusts())
        end)

        it("that has not changed is not made anew", function()
            whom_it_trusts()
            local trust = cli.transport.connection_options.tls.trust
            let_time_pass()
            whom_it_trusts()
            assert.equals(trust, cli.transport.connection_options.tls.trust)
            assert.is_true(trust.checked_at > 0)
        end)

        it("stays in use while its file is gone, half written, garbage or a folder", function()
            assert.equals("first", whom_it_trusts())
            for _, replace in ipairs {
                function() os.remove(path) end,
                function() certificates.replace(path, "") end,
                function() certificates.replace(path, other_ca:sub(1, 100)) end,
                function() certificates.replace(path, "garbage") end,
            } do
                replace()
                let_time_pass()
                assert.equals("first", whom_it_trusts())
            end
            certificates.replace(path, other_ca)
            let_time_pass()
            assert.equals("other", whom_it_trusts())
        end)

        it("that cannot be read at first is the error of each call, and of no endpoint, until it can", function()
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
            assert.equals("other", whom_it_trusts())
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
        print("lua-resty-openssl is not there: trusted_ca is tested with a stand-in of it alone (see RESTY_HTTP_PATH)")
    else
        describe("with lua-resty-openssl", function()
            local loaded = package.loaded[STORE]

            setup(function()
                package.loaded[STORE] = store
            end)

            teardown(function()
                package.loaded[STORE] = loaded
            end)

            -- Asked of OpenSSL: whom does the store trust that the handshake was given?
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

            -- Asked of a server with either certificate.
            local function by_server()
                local trusts = {}
                for _, name in ipairs { "first", "other" } do
                    certificates.install("trusted-by-" .. name, "shown")
                    trusts[name] = get() == 200
                end
                return trusts.first and (trusts.other and "both" or "first") or trusts.other and "other" or "none"
            end

            behaves(is_real and by_server or by_store)

            it("takes part in every handshake, and does not stop a good one", function()
                for _ = 1, 3 do
                    assert.equals(200, get())
                end
                assert.equals(is_real and 0 or 3, #given)
            end)
        end)
    end

    if not is_real then
        describe("with a stand-in of lua-resty-openssl", function()
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

            behaves(function()
                get()
                return ({ [ca] = "first", [other_ca] = "other", [ca .. other_ca] = "both" })[given[#given]]
            end)

            it("that the socket does not take is trouble of the connection", function()
                methods.settrustedstore = function()
                    return nil, "closed"
                end
                assert.equals("connect_failed: closed", get())
            end)

            it("is not looked at by a pooled connection", function()
                local pooled = assert(bed.new {
                    http_host = server.http, sni = "localhost", trusted_ca = path, keepalive_pool = 2,
                })
                for _ = 1, 5 do
                    assert.equals(200, assert(pooled:get("k")).status)
                end
                assert.equals(1, #given)
            end)

            it("is used once there are cosockets, where a stand-in for them came first", function()
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
