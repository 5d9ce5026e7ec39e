-- The names of state that several clients share: they differ wherever a server could answer something else.
local bed = require "spec.support.bed"
local digest = require "resty.etcd.base.digest"
local etcd = require "resty.etcd"
local identity = require "resty.etcd.call.identity"

local pem = { cert = "-----BEGIN CERTIFICATE-----\nA", key = "-----BEGIN PRIVATE KEY-----\nB" }

-- Options that both clients have, and the one thing in which the second one differs. false removes an option.
local BASE = {
    http_host = { "https://a.test:2379", "https://b.test:2379" }, user = "u", password = "p/word",
    ssl_cert_path = "/c.pem", ssl_key_path = "/c.key", trusted_ca = "/ca.pem", sni = "etcd.test", transport = "cosocket",
    extra_headers = { ["X-Tenant"] = "a", Host = "tenant-a.test" }, unix_socket_proxy = "unix:/run/proxy.sock",
}
local DIFFERENT = {
    ["no verification"] = { ssl_verify = false },
    ["another server name"] = { sni = "other.test" },
    ["no server name"] = { sni = false },
    ["another CA"] = { trusted_ca = "/other.pem" },
    ["no CA"] = { trusted_ca = false },
    ["another certificate"] = { ssl_cert_path = "/d.pem" },
    ["another key"] = { ssl_key_path = "/d.key" },
    ["no certificate"] = { ssl_cert_path = false, ssl_key_path = false },
    ["a certificate as text"] = { ssl_cert_path = false, ssl_key_path = false, ssl_cert = pem.cert, ssl_key = pem.key },
    ["another value of a header field"] = { extra_headers = { ["X-Tenant"] = "b", Host = "tenant-a.test" } },
    ["another header field"] = { extra_headers = { ["X-Other"] = "a", Host = "tenant-a.test" } },
    ["one more header field"] = { extra_headers = { ["X-Tenant"] = "a", ["X-Other"] = "", Host = "tenant-a.test" } },
    ["another Host"] = { extra_headers = { ["X-Tenant"] = "a", Host = "tenant-b.test" } },
    ["no Host"] = { extra_headers = { ["X-Tenant"] = "a" } },
    ["no header fields"] = { extra_headers = false },
    ["another user"] = { user = "v" },
    ["another password"] = { password = "p" },
    ["no password"] = { password = false },
    ["no login"] = { user = false, password = false },
    ["an optional login"] = { auth_optional = true },
    ["another endpoint"] = { http_host = { "https://a.test:2379", "https://c.test:2379" } },
    ["one more endpoint"] = { http_host = { "https://a.test:2379", "https://b.test:2379", "https://c.test:2379" } },
    ["an endpoint less"] = { http_host = { "https://a.test:2379" } },
    ["no TLS"] = { http_host = { "https://a.test:2379", "http://b.test:2379" } },
    ["another port"] = { http_host = { "https://a.test:2379", "https://b.test:2380" } },
    ["a path"] = { http_host = { "https://a.test:2379", "https://b.test:2379/x" } },
    ["another API prefix"] = { api_prefix = "/other" },
    ["another proxy"] = { unix_socket_proxy = "unix:/run/other.sock" },
    ["no proxy"] = { unix_socket_proxy = false },
    ["another prefix of keys"] = { key_prefix = "/x" },
}
local SAME = {
    ["another serializer"] = { serializer = "raw" },
    ["another timeout"] = { timeout = 9 },
    ["a health check"] = { health = {} },
    ["other pools"] = { keepalive_pool = 3, keepalive_timeout = 7 },
    ["another start"] = { init_count = 7 },
    ["metrics"] = { metrics = true },
    ["monotonic reads"] = { monotonic = true },
    ["a list of members"] = { sync_interval = 60 },
    ["the default API prefix"] = { api_prefix = "/v3" },
    ["the API prefix of an old gateway"] = { api_prefix = "/v3beta" },
    ["another order of endpoints"] = { http_host = { "https://b.test:2379", "https://a.test:2379/" } },
    ["verification, the default"] = { ssl_verify = true },
    ["dropped header fields"] = { extra_headers = { ["X-Tenant"] = "a", Host = "tenant-a.test", Connection = "close" } },
}

local function client(changes)
    local all = {}
    for _, options in ipairs { BASE, changes or {} } do
        for name, value in pairs(options) do
            all[name] = value
        end
    end
    for name, value in pairs(all) do
        if value == false and name ~= "ssl_verify" then
            all[name] = nil
        end
    end
    return assert(etcd.new(all))
end

local function name_of(cli)
    return identity.of_range(cli, cli.key_prefix .. "/routes/", "/routes0")
end

describe("identity of a client", function()
    local base = name_of(client())

    for difference, changes in pairs(DIFFERENT) do
        it("differs with " .. difference, function()
            assert.are_not.equal(base, name_of(client(changes)))
        end)
    end

    for sameness, changes in pairs(SAME) do
        it("is equal with " .. sameness, function()
            assert.equal(base, name_of(client(changes)))
        end)
    end

    it("differs with another transport", function()
        if require("resty.etcd.transport.http.resty_http").is_installed() then
            assert.are_not.equal(base, name_of(client { transport = "resty_http" }))
        end
    end)

    it("differs with gRPC", function()
        local function of(transport)
            return name_of(assert(etcd.new { http_host = "http://a.test:2379", transport = transport }))
        end
        assert.are_not.equal(of "cosocket", of "grpc")
        assert.equal(of "grpc", of "grpc")
    end)

    it("differs in each pair of clients", function()
        local seen = { [base] = "the base" }
        for difference, changes in pairs(DIFFERENT) do
            local name = name_of(client(changes))
            assert.is_nil(seen[name], difference .. " and " .. tostring(seen[name]))
            seen[name] = difference
        end
    end)

    it("differs wherever fields begin and end elsewhere", function()
        local hosts = { http_host = "http://h.test:1", transport = "cosocket" }
        local function of(changes)
            for name, value in pairs(hosts) do
                changes[name] = value
            end
            return name_of(assert(etcd.new(changes)))
        end
        for _, pair in ipairs {
            { { user = "ab", password = "c" }, { user = "a", password = "bc" } },
            { { user = "a\0b", password = "c" }, { user = "a", password = "b\0c" } },
            { { user = "a;password 1:b", password = "c" }, { user = "a", password = "b;password 1:c" } },
            { { user = "", password = "" }, {} },
            { { extra_headers = { a = "b", c = "d" } }, { extra_headers = { a = "b;c 1:d" } } },
            { { sni = "", trusted_ca = nil }, { sni = nil, trusted_ca = "" } },
            { { ssl_cert_path = "a", ssl_key_path = "bc" }, { ssl_cert_path = "ab", ssl_key_path = "c" } },
        } do
            assert.are_not.equal(of(pair[1]), of(pair[2]))
        end
        assert.are_not.equal(identity.of_range(client(), "/a", "b"), identity.of_range(client(), "/ab", ""))
        assert.are_not.equal(identity.of_range(client(), "/a", nil), identity.of_range(client(), "/a", ""))
    end)

    it("follows the endpoints and the proxy that a program writes to the client", function()
        local cli = client()
        cli.endpoints[1].full_prefix = "https://other.test:2379/v3"
        assert.are_not.equal(base, name_of(cli))
        cli = client()
        cli.endpoints[1].address = "other.test"
        assert.are_not.equal(base, name_of(cli))
        cli = client()
        cli.endpoints = { { http_host = "x", full_prefix = "https://other.test:2379/v3" } }
        assert.are_not.equal(base, name_of(cli))
        cli = client()
        cli.unix_socket_proxy = nil
        assert.are_not.equal(base, name_of(cli))
        for _, wrong in ipairs { {}, 7, true } do
            cli.unix_socket_proxy = wrong
            cli.endpoints = { { full_prefix = wrong, scheme = wrong, address = wrong, port = wrong } }
            assert.are_not.equal(base, name_of(cli))
        end
    end)

    it("does not follow the list of members", function()
        local cli = assert(bed.new { http_host = bed.cluster.http[1] })
        local before = name_of(cli)
        assert.is_true(cli:sync())
        assert.equal(3, #cli.endpoints)
        assert.equal(before, name_of(cli))
    end)

    if os.getenv("RESTY_DNS_PATH") then
        it("differs with other nameservers and addresses, and not with another interval", function()
            local names = { name_of(client()) }
            for _, resolve in ipairs {
                true, { ipv6 = false }, { nameservers = { "10.0.0.1" } }, { nameservers = { "10.0.0.2" } },
                { nameservers = { { "10.0.0.1", 54 } } }, { nameservers = { "10.0.0.1", "10.0.0.2" } },
            } do
                names[#names + 1] = name_of(client { resolve = resolve })
            end
            local seen = {}
            for i, name in ipairs(names) do
                assert.is_nil(seen[name], i)
                seen[name] = true
            end
            assert.equal(names[2], name_of(client { resolve = { interval = 7 } }))
        end)
    end

    it("is a digest of 160 bits in which no secret is readable, and which is slow to guess", function()
        local name = identity.of_client(client())
        assert.is_truthy(name:find "^[%w+/]+$")
        assert.equal(27, #name)
        for i = 1, 120 do -- more than are kept
            local bytes = "text " .. i
            for _ = 1, 1000 do
                bytes = ngx.sha1_bin(bytes)
            end
            assert.equal(ngx.encode_base64(bytes, true), digest.slow("text " .. i))
        end
        assert.equal(name, identity.of_client(client()))
    end)
end)
