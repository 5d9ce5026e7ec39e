-- Hints for errors whose text does not name the cause, against servers with that cause.
local bed = require "spec.support.bed"
local certificates = require "spec.support.certificates"
local fake = require "spec.support.scripted_server"

local certs = bed.certs
local RANGE = { { requestRange = { key = "a" } } }
local ALWAYS = { { key = "a", target = "VERSION", result = "GREATER", version = -1 } }

local NO_GATEWAY = "nothing serves etcd's JSON gateway here: --enable-grpc-gateway=false, another port, or a wrong api_prefix"
local NO_ANSWER = "if the server never responds: the port serves only TLS or only gRPC (--listen-client-http-urls)"
local NO_ANSWER_IN_TLS = "if the server never responds: the port serves only gRPC (--listen-client-http-urls), "
    .. "or the server does not trust the client's certificate"
local NO_HANDSHAKE = "not a TLS port, no TLS version in common (see lua_ssl_protocols), "
    .. "or the server wants a client certificate it trusts; nginx logs more (SSL_do_handshake)"
local WRONG_NAME = "the certificate is not for this name; nginx checks host names only, "
    .. "so for an IP address set opts.sni to a name in the certificate"
local COMMON_NAME = "with auth on, etcd's gateway takes no client certificate that has a CommonName: "
    .. "use one without, and user and password"

describe("hint", function()
    local restore

    before_each(function()
        restore = fake.never_ban()
    end)

    after_each(function()
        restore()
    end)

    -- Asserts that every kind of call fails with this error name and this hint, in the details or in the body of the response.
    local function assert_hints(opts, name, hint)
        local cli = assert(bed.new(opts))
        for _, call in ipairs {
            { "get", "k" }, { "set", "k", "v" }, { "readdir", "k" }, { "txn", ALWAYS, RANGE }, { "grant", 60 },
            { "keepalive", "1" }, { "watch", "k" },
        } do
            local res, err, details = cli[call[1]](cli, unpack(call, 2))
            local got = res and res.body or details
            assert.is_truthy(res == nil or res.status >= 400 and res.status < 500, call[1])
            assert.equals(hint, got.hint, call[1])
            if details then
                assert.equals(name, details.name, err)
            end
        end
    end

    describe("for a disabled gateway", function()
        local server

        setup(function()
            server = bed.add("no-gateway", "--enable-grpc-gateway=false")
        end)

        teardown(function()
            bed.remove "no-gateway"
        end)

        it("is set in the errors of calls", function()
            assert_hints({ http_host = server.http }, "http_error", NO_GATEWAY)
        end)

        it("is appended to the reason in the errors of logins", function()
            local cli = assert(bed.new { http_host = server.http, user = "root", password = "x" })
            local res, err, details = cli:get("k")
            assert.is_nil(res)
            assert.equals("authenticate refresh token fail", err)
            assert.equals("404 page not found; " .. NO_GATEWAY, details.hint)
        end)

        it("does not concern the version, which etcd still serves", function()
            assert.equals(bed.version, assert(assert(bed.new { http_host = server.http }):version()).body.etcdserver)
        end)
    end)

    it("explains a wrong api_prefix", function()
        assert_hints({ api_prefix = "/v4" }, "http_error", NO_GATEWAY)
    end)

    if bed.has_flag("--listen-client-http-urls") then
        describe("for a port that speaks gRPC only", function()
            teardown(function()
                bed.remove "split"
            end)

            it("is set in the errors of calls without TLS", function()
                local server = bed.add("split", "--listen-client-http-urls=http://127.0.0.1:SPARE")
                assert_hints({ http_host = server.http }, "connection_lost", NO_ANSWER)
                assert(assert(bed.new { http_host = "http://127.0.0.1:" .. server.spare }):get("k"))
            end)

            it("is set in the errors of calls over TLS", function()
                local server = bed.add("split", "--listen-client-http-urls=https://127.0.0.1:SPARE",
                    "--cert-file=" .. certs.server, "--key-file=" .. certs.server_key)
                assert_hints({ http_host = server.http, sni = "localhost" }, "connection_lost", NO_ANSWER_IN_TLS)
                assert(assert(bed.new { http_host = "https://127.0.0.1:" .. server.spare, sni = "localhost" }):get("k"))
            end)
        end)
    else
        print("etcd " .. bed.version .. " has no --listen-client-http-urls: ports that speak gRPC only are not tested")
    end

    it("explains a plain request to a TLS port", function()
        assert_hints({ http_host = "http://127.0.0.1:" .. bed.tls.port }, "connection_lost", NO_ANSWER)
        assert_hints({ http_host = "http://127.0.0.1:" .. bed.mtls.port }, "connection_lost", NO_ANSWER)
    end)

    it("explains TLS to a plain port", function()
        local url = "https://127.0.0.1:" .. bed.single.port
        assert_hints({ http_host = url, sni = "localhost" }, "connect_failed", NO_HANDSHAKE)
    end)

    it("explains a client certificate that is missing or not trusted", function()
        assert_hints({ http_host = bed.mtls.http, sni = "localhost" }, "connect_failed", NO_HANDSHAKE)
        assert_hints({
            http_host = bed.mtls.http, sni = "localhost",
            ssl_cert_path = certs.other_client, ssl_key_path = certs.other_client_key,
        }, "connect_failed", NO_HANDSHAKE)
    end)

    describe("for a client certificate with a CommonName and authentication enabled", function()
        local url
        local opts = { sni = "localhost", ssl_cert_path = certs.client, ssl_key_path = certs.client_key }

        local function etcdctl(command)
            bed.run(("ETCDCTL_API=3 '%s' --endpoints=%s --cacert='%s' --cert='%s' --key='%s' %s >/dev/null 2>&1")
                :format(bed.etcdctl, url, certs.ca, certs.client, certs.client_key, command))
        end

        setup(function()
            url = bed.add("common-name", "--client-cert-auth", "--trusted-ca-file=" .. certs.ca,
                "--cert-file=" .. certs.server, "--key-file=" .. certs.server_key).http
            opts.http_host = url
            etcdctl "role add root"
            etcdctl "user add root:secret"
            etcdctl "user grant-role root root"
            assert(assert(bed.new(opts)):get("k")) -- works while authentication is disabled
            etcdctl "auth enable"
        end)

        teardown(function()
            bed.remove "common-name"
        end)

        it("is set in the errors of calls", function()
            assert_hints(opts, "http_error", COMMON_NAME)
        end)

        it("is appended to the reason in the errors of logins", function()
            local text = "CommonName of client sending a request against gateway will be ignored and not used as expected"
            opts.user, opts.password = "root", "secret"
            local _, _, details = assert(bed.new(opts)):get("k")
            assert.equals("login_failed", details.name)
            assert.equals(text .. "; " .. COMMON_NAME, details.hint)
        end)

        it("is not needed when the certificate has no CommonName", function()
            opts.ssl_cert_path, opts.ssl_key_path = certificates.make("nameless", { kind = "client", subject = "/O=organization" })
            opts.user, opts.password = "root", "secret"
            assert.equals(200, assert(assert(bed.new(opts)):get("k")).status)
        end)
    end)

    it("explains that an IP address is not checked as a name", function()
        assert_hints({ http_host = bed.tls.http }, "connect_failed", WRONG_NAME)
        assert(assert(bed.new { http_host = bed.tls.http, sni = "localhost" }):get("k"))
    end)

    it("explains a host name without a resolver", function()
        assert_hints({ http_host = "http://etcd.test:2379" }, "connect_failed",
            "nginx resolves host names only with a resolver directive; /etc/hosts is not read")
    end)

    it("says that authentication is enabled when the client has no user", function()
        local cli = assert(bed.new { http_host = bed.auth.http })
        local hint = "etcd's auth is on: the client needs user and password"
        assert.equals(hint, cli:get("k").body.hint)
        assert.equals(hint, (select(3, cli:txn(ALWAYS, RANGE))).hint)
    end)

    it("says that authentication is disabled when the client has a user", function()
        local _, _, details = assert(bed.new { user = "root", password = "x" }):get("k")
        assert.equals("etcdserver: authentication is not enabled; user and password are set, but etcd's auth is off",
            details.hint)
    end)

    it("is absent when the text names the cause", function()
        local listener = require("spec.support.tcp").listen()
        local _, err, details = assert(bed.new { http_host = listener.http_host }):get("k")
        assert.equals(listener.http_host .. ": connection refused", err)
        assert.is_nil(details.hint)
        local res = assert(bed.new { http_host = bed.single.http }):set("k", 1, { lease = "4242" })
        assert.equals("etcdserver: requested lease not found", res.body.error)
        assert.is_nil(res.body.hint)
    end)
end)
