-- TLS with etcd: which certificates are verified and presented, and which connections are shared. The test bed's CA is
-- trusted; the server certificate has the names localhost and etcd.test.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"

local certs = bed.certs

local function read(path)
    local file = assert(io.open(path))
    local text = file:read("*a")
    file:close()
    return text
end

-- Returns the options of a client of the server that requires a client certificate; NONE removes an option.
local NONE = {}
local function mutual(opts)
    local all = {
        http_host = bed.mtls.http, sni = "localhost", ssl_cert_path = certs.client, ssl_key_path = certs.client_key,
    }
    for name, value in pairs(opts) do
        all[name] = value
        if value == NONE then
            all[name] = nil
        end
    end
    return all
end

describe("TLS", function()
    local restore

    before_each(function()
        restore = fake.never_ban()
    end)

    after_each(function()
        restore()
    end)

    -- Returns the result of `get` with these options: the status, or the error text without the host and the name of the error.
    local function outcome(opts)
        local res, err, details = assert(bed.new(opts)):get("/k")
        if res then
            return res.status
        end
        local host = opts.http_host
        assert.equals(host .. ": ", err:sub(1, #host + 2))
        assert.equals(host, details.endpoint)
        return err:sub(#host + 3), details.name
    end

    local function assert_no_handshake(opts)
        local got, name = outcome(opts)
        assert.equals("handshake failed", got)
        assert.equals("connect_failed", name)
    end

    local function assert_wrong_name(opts)
        local got, name = outcome(opts)
        assert.equals("certificate host mismatch", got)
        assert.equals("connect_failed", name)
    end

    describe("with verification", function()
        it("serves calls under each name of the certificate", function()
            for _, name in ipairs { "localhost", "etcd.test" } do
                local cli, key = assert(bed.new { http_host = bed.tls.http, sni = name }), bed.key("tls")
                assert.equals(200, cli:set(key, name).status)
                assert.equals(name, cli:get(key).body.kvs[1].value)
                assert.equals(bed.version, cli:version().body.etcdserver)
                assert.equals("1", cli:delete(key).body.deleted)
            end
        end)

        it("uses the endpoint's host as the name, which fails when it is an IP address", function()
            assert_wrong_name({ http_host = bed.tls.http })
        end)

        it("rejects a certificate without the name", function()
            assert_wrong_name({ http_host = bed.tls.http, sni = "other.test" })
        end)

        it("returns the reason each time, however fast the handshake is", function()
            for _ = 1, 50 do
                assert_wrong_name({ http_host = bed.tls.http, sni = "other.test" })
            end
        end)

        it("returns the error that a handshake raises, and a text when it has none", function()
            local tls = require "resty.etcd.transport.tls.handshake"
            local function handshake(thrown)
                local sock = { receiveany = true, sslhandshake = function() error(thrown, 0) end }
                local session, fault = tls.handshake(sock, { verify = true }, "localhost")
                assert.is_nil(session)
                return fault
            end
            assert.same({ kind = "socket", text = "x.lua:1: assertion failed!" }, handshake "x.lua:1: assertion failed!")
            require("resty.core.base").get_errmsg_ptr()[0] = nil
            assert.same({ kind = "tls", text = "certificate verification failed" },
                handshake "/lualib/resty/core/socket.lua:244: assertion failed!")
        end)

        it("reports one failure of the endpoint when a certificate is rejected", function()
            local before = fake.reports(bed.tls.http)
            outcome { http_host = bed.tls.http, sni = "other.test" }
            assert.equals(before + 1, fake.reports(bed.tls.http))
        end)

        it("returns the same error from a watch and from a write, without maybe_applied", function()
            local cli = assert(bed.new { http_host = bed.tls.http, sni = "other.test" })
            for _, call in ipairs { { "watch", "/k" }, { "set", "/k", 1 }, { "grant", 10 } } do
                local res, err, details = cli[call[1]](cli, unpack(call, 2))
                assert.is_nil(res)
                assert.equals(bed.tls.http .. ": certificate ", err:match("^.*: certificate "))
                assert.equals("connect_failed", details.name)
                assert.is_false(details.maybe_applied)
            end
        end)
    end)

    it("accepts any name when verification is off", function()
        assert.equals(200, outcome { http_host = bed.tls.http, ssl_verify = false })
        assert.equals(200, outcome { http_host = bed.tls.http, ssl_verify = false, sni = "other.test" })
    end)

    it("fails when only one side uses TLS", function()
        assert_no_handshake({ http_host = "https://127.0.0.1:" .. bed.single.port, sni = "localhost" })
        local _, name = outcome { http_host = "http://127.0.0.1:" .. bed.tls.port }
        assert.equals("connection_lost", name)
    end)

    it("carries large values, watches and successive calls", function()
        local cli, prefix = assert(bed.new { http_host = bed.tls.http, sni = "localhost" }), bed.key("tls-watch")
        local reader, err = cli:watchdir(prefix, { timeout = 5 })
        assert(reader, err)
        assert.is_true(reader().result.created)
        local value = ("x"):rep(100000)
        assert(cli:set(prefix .. "big", value))
        assert.equals(value, reader().result.events[1].kv.value)
        for i = 1, 5 do
            assert(cli:set(prefix .. i, i))
            assert.equals(i, reader().result.events[1].kv.value)
        end
        assert.equals(value, cli:get(prefix .. "big").body.kvs[1].value)
        assert.equals("6", cli:rmdir(prefix).body.deleted)
    end)

    it("allows a watch to be canceled", function()
        local cli = assert(bed.new { http_host = bed.tls.http, sni = "localhost" })
        local reader, _, handle = cli:watch(bed.key("tls-cancel"), { need_cancel = true })
        assert.is_true(reader().result.created)
        assert.equals(1, cli:watchcancel(handle))
        assert.equals("closed", (select(2, reader())))
    end)

    it("accepts trusted_ca, whether or not sockets support it", function()
        local cli = assert(bed.new { http_host = bed.tls.http, sni = "localhost", trusted_ca = certs.ca })
        assert.equals(200, cli:get("/k").status)
        assert(cli:watch("/k"))
        assert.equals(200, outcome(mutual { trusted_ca = certs.ca }))
    end)

    describe("with a client certificate", function()
        it("is established when the certificate is given by paths", function()
            local cli, key = assert(bed.new(mutual {})), bed.key("mtls")
            assert.equals(200, cli:set(key, "v").status)
            assert.equals("v", cli:get(key).body.kvs[1].value)
            assert(assert(cli:watch(key))().result.created)
            assert.equals("1", cli:delete(key).body.deleted)
        end)

        it("is established when the certificate is given as PEM text", function()
            assert.equals(200, outcome {
                http_host = bed.mtls.http, sni = "localhost",
                ssl_cert = read(certs.client), ssl_key = read(certs.client_key),
            })
        end)

        it("prefers PEM text when both text and path are given", function()
            assert.equals(200, outcome(mutual { ssl_cert = read(certs.client), ssl_cert_path = "/no/such/file" }))
        end)

        it("is established when the server is not verified", function()
            assert.equals(200, outcome(mutual { ssl_verify = false, sni = NONE }))
        end)

        it("fails when the certificate is of another CA or missing", function()
            assert_no_handshake(
                mutual { ssl_cert_path = certs.other_client, ssl_key_path = certs.other_client_key })
            assert_no_handshake({ http_host = bed.mtls.http, sni = "localhost" })
        end)

        it("is established when the server requires no certificate", function()
            assert.equals(200, outcome(mutual { http_host = bed.tls.http }))
        end)

        local missing = "/no/such/file.pem: No such file or directory"
        local folder = certs.ca:match("^(.*)/")
        for name, case in pairs {
            ["a missing certificate"] = { "client certificate: " .. missing, { ssl_cert_path = "/no/such/file.pem" } },
            ["a missing key"] = { "client key: " .. missing, { ssl_key_path = "/no/such/file.pem" } },
            ["a folder for a certificate"] = { "client certificate: " .. folder, { ssl_cert_path = folder } },
            ["a folder for a key"] = { "client key: " .. folder, { ssl_key_path = folder } },
            ["a certificate that is a key"] = { "client certificate: ", { ssl_cert_path = certs.client_key } },
            ["a key that is a certificate"] = { "client key: ", { ssl_key_path = certs.client } },
            ["text that is not a certificate"] = { "client certificate: ", { ssl_cert = "garbage" } },
            ["text that is not a key"] = { "client key: ", { ssl_key = "garbage" } },
            ["an empty certificate"] = { "client certificate: ", { ssl_cert = "" } },
            ["a key of another certificate"] = {
                "client key: does not match the client certificate", { ssl_key_path = certs.other_client_key },
            },
        } do
            it("returns an error from every call and watch when given " .. name, function()
                local opts = mutual(case[2])
                local cli = assert(bed.new(opts))
                for _ = 1, 2 do
                    for _, method in ipairs { "get", "watch" } do
                        local res, err, details = cli[method](cli, "/k")
                        assert.is_nil(res)
                        local text = opts.http_host .. ": " .. case[1]
                        assert.equals(text, err:sub(1, #text))
                        assert.is_true(#err > #opts.http_host + #"client certificate: ")
                        assert.equals("bad_request", details.name)
                        assert.is_nil(err:find("garbage", 1, true))
                    end
                end
            end)
        end

        it("rejects a certificate without a key and a key without a certificate", function()
            local text = "a client certificate and its key must be given together"
            for _, opts in ipairs {
                { ssl_cert_path = certs.client }, { ssl_key_path = certs.client_key },
                { ssl_cert = read(certs.client) }, { ssl_key = read(certs.client_key) },
            } do
                local cli, err = bed.new(opts)
                assert.is_nil(cli)
                assert.equals(text, err)
            end
        end)
    end)

    describe("connection pool", function()
        -- The first client leaves a connection in its pool, which the second one must not use.
        local function assert_not_shared(first, assert_fails, second)
            for _ = 1, 2 do
                assert.equals(200, outcome(first))
                assert_fails(second)
            end
        end

        it("is not shared by clients that differ in verification", function()
            assert_not_shared({ http_host = bed.tls.http, ssl_verify = false, sni = "other.test" },
                assert_wrong_name, { http_host = bed.tls.http, sni = "other.test" })
        end)

        it("is not shared by clients that differ in the server name", function()
            assert_not_shared({ http_host = bed.tls.http, sni = "localhost" },
                assert_wrong_name, { http_host = bed.tls.http, sni = "other.test" })
        end)

        it("is not shared by clients that differ in the client certificate", function()
            assert_not_shared(mutual {}, assert_no_handshake, mutual { ssl_cert_path = NONE, ssl_key_path = NONE })
            assert_not_shared(mutual {}, assert_no_handshake,
                mutual { ssl_cert_path = certs.other_client, ssl_key_path = certs.other_client_key })
            assert_not_shared(mutual { ssl_cert_path = NONE, ssl_key_path = NONE, ssl_cert = read(certs.client),
                ssl_key = read(certs.client_key) }, assert_no_handshake,
                mutual { ssl_cert_path = NONE, ssl_key_path = NONE, ssl_cert = read(certs.other_client),
                    ssl_key = read(certs.other_client_key) })
        end)
    end)
end)

if bed.single.ipv6 then
    describe("IPv6 endpoint", function()
        it("keeps its brackets and serves calls, watches and the version", function()
            local cli, key = assert(bed.new { http_host = bed.single.ipv6 }), bed.key("ipv6")
            local endpoint = cli.endpoints[1]
            assert.equals("[::1]", endpoint.host)
            assert.equals(bed.single.ipv6:match(":(%d+)$"), endpoint.port)
            assert.equals(bed.single.ipv6 .. "/v3", endpoint.full_prefix)
            local reader = assert(cli:watch(key))
            assert.is_true(reader().result.created)
            assert.equals(200, cli:set(key, "six").status)
            assert.equals("six", reader().result.events[1].kv.value)
            assert.equals("six", cli:get(key).body.kvs[1].value)
            assert.equals(bed.version, cli:version().body.etcdserver)
            assert.equals("1", cli:delete(key).body.deleted)
        end)

        it("reaches the same etcd as the IPv4 endpoint", function()
            local key = bed.key("ipv6-same")
            assert(assert(bed.new { http_host = bed.single.ipv6 }):set(key, 6))
            local cli = assert(bed.new {})
            assert.equals(6, cli:get(key).body.kvs[1].value)
            cli:delete(key)
        end)
    end)
end
