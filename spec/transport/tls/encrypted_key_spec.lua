-- Encrypted keys and certificates, and paths that block: OpenSSL would ask for a pass phrase at the terminal or standard
-- input, and stop the whole worker.
local bed = require "spec.support.bed"
local certificates = require "spec.support.certificates"
local fake = require "spec.support.scripted_server"
local pem = require "resty.etcd.transport.tls.pem"
local ssl = require "ngx.ssl"

local certs = bed.certs
local read = certificates.read
local ENCRYPTED = "encrypted, and nginx cannot ask for its pass phrase: decrypt it first"

describe("encrypted PEM", function()
    local forms, restore, parsed, parse_key, parse_cert

    setup(function()
        local dir = bed.dir .. "/certs/"
        bed.run(("openssl pkcs8 -topk8 -in '%s' -out '%sencrypted-pkcs8.key' -passout pass:secret 2>/dev/null")
            :format(certs.client_key, dir))
        bed.run(("openssl ec -aes256 -in '%s' -out '%sencrypted-ec.key' -passout pass:secret 2>/dev/null")
            :format(certs.client_key, dir))
        forms = { dir .. "encrypted-pkcs8.key", dir .. "encrypted-ec.key" }
        assert.is_truthy(read(forms[1]):find("BEGIN ENCRYPTED PRIVATE KEY", 1, true))
        assert.is_truthy(read(forms[2]):find("Proc-Type: 4,ENCRYPTED", 1, true))
    end)

    before_each(function()
        restore, parsed = fake.never_ban(), 0
        parse_key, parse_cert = ssl.parse_pem_priv_key, ssl.parse_pem_cert
        ssl.parse_pem_priv_key = function(...)
            parsed = parsed + 1
            return parse_key(...)
        end
        ssl.parse_pem_cert = function(...)
            parsed = parsed + 1
            return parse_cert(...)
        end
    end)

    after_each(function()
        ssl.parse_pem_priv_key, ssl.parse_pem_cert = parse_key, parse_cert
        restore()
    end)

    -- Asserts that calls return this error before OpenSSL has read anything, and that the endpoint is not reported.
    local function assert_rejected(opts, text)
        local all = { http_host = bed.mtls.http, sni = "localhost" }
        for name, value in pairs(opts) do
            all[name] = value
        end
        ngx.shared.test:delete(all.http_host)
        local cli = assert(bed.new(all))
        for _, call in ipairs { { "get", "k" }, { "set", "k", "v" }, { "grant", 5 }, { "watch", "k" } } do
            local res, err, details = cli[call[1]](cli, unpack(call, 2))
            assert.is_nil(res)
            assert.equal(all.http_host .. ": " .. text, err)
            assert.equal("bad_request", details.name)
            assert.is_false(details.retryable)
            assert.is_false(details.maybe_applied)
        end
        assert.equal(0, parsed)
        assert.equal(0, fake.reports(all.http_host))
    end

    it("is rejected as a client key, from a file and as text", function()
        for _, path in ipairs(forms) do
            assert_rejected({ ssl_cert_path = certs.client, ssl_key_path = path }, "client key: " .. ENCRYPTED)
            assert_rejected({ ssl_cert = read(certs.client), ssl_key = read(path) }, "client key: " .. ENCRYPTED)
            assert_rejected({ ssl_cert_path = certs.client, ssl_key = read(path) }, "client key: " .. ENCRYPTED)
        end
    end)

    it("is rejected as a client certificate", function()
        local text = read(certs.client):gsub("(BEGIN CERTIFICATE%-+\n)",
            "%1Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n")
        assert_rejected({ ssl_cert = text, ssl_key = read(certs.client_key) }, "client certificate: " .. ENCRYPTED)
    end)

    it("is accepted where it is not used: an encrypted key in the file of the certificate", function()
        local text = read(forms[1]) .. read(certs.client) .. read(forms[2])
        local cli = assert(bed.new {
            http_host = bed.mtls.http, sni = "localhost", ssl_cert = text, ssl_key = read(certs.client_key), transport = "cosocket",
        })
        assert.equal(200, assert(cli:get "k").status)
    end)

    it("keeps the previous key in use when it replaces the key of a running client", function()
        local now = 0
        local clock = require "resty.etcd.base.clock"
        local cert, key = certificates.path "reencrypted.pem", certificates.path "reencrypted.key"
        certificates.replace(cert, read(certs.client))
        certificates.replace(key, read(certs.client_key))
        local cli = assert(bed.new {
            http_host = bed.mtls.http, sni = "localhost", ssl_cert_path = cert, ssl_key_path = key, keepalive_timeout = 0,
        })
        assert.equal(200, assert(cli:get "k").status)
        certificates.replace(key, read(forms[1]))
        local real = clock.now
        clock.now = function() return real() + now end -- the next check of the files is due
        now = 10
        local res, err = cli:get "k"
        clock.now = real
        assert.equal(200, res and res.status, err)
    end)
end)

describe("PEM check", function()
    it("finds both forms, with any line ends and between other blocks", function()
        local plain = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
        local cert = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        local old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"
        local new = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
        for text, expected in pairs {
            [""] = false, [plain] = false, [cert .. plain] = false, [old] = true, [new] = true, [cert .. old] = true,
            [plain .. new] = true, [old:gsub("\n", "\r\n")] = true, [old:gsub("4,", "4, \t")] = true,
            [cert .. "Proc-Type: 4,ENCRYPTED\n" .. plain] = false, ["-----BEGIN ENCRYPTED PRIVATE KEY-----"] = true,
            ["-----BEGIN "] = false, ["-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED"] = true,
        } do
            assert.equal(expected, pem.check(text, "PRIVATE KEY") ~= nil, text)
            assert.is_nil(pem.check(text, "CERTIFICATE"), text)
        end
        assert.is_truthy(pem.check(cert:gsub("\nAAAA", "\nProc-Type: 4,ENCRYPTED\n\nAAAA"), "CERTIFICATE"))
    end)
end)

describe("certificate path", function()
    local fifo, restore

    setup(function()
        fifo = os.tmpname()
        os.remove(fifo)
        bed.run(("mkfifo '%s'"):format(fifo))
    end)

    teardown(function()
        os.remove(fifo)
    end)

    before_each(function()
        restore = fake.never_ban()
    end)

    after_each(function()
        restore()
    end)

    it("does not block the worker if it is a FIFO, a folder or a device", function()
        for path, text in pairs {
            [fifo] = "not a regular file", [bed.dir] = "not a regular file", ["/dev/zero"] = "not a regular file",
            ["/dev/null"] = "not a regular file",
        } do
            local opts = { http_host = bed.mtls.http, sni = "localhost", ssl_cert_path = certs.client, ssl_key_path = path }
            local res, err, details = assert(bed.new(opts)):get "k"
            assert.is_nil(res)
            assert.equal(("%s: client key: %s: %s"):format(bed.mtls.http, path, text), err)
            assert.equal("bad_request", details.name)
        end
    end)

    it("does not block the worker as unix_socket_proxy or unix endpoint", function()
        local cli = assert(bed.new { unix_socket_proxy = "unix:" .. fifo })
        assert.equal(200, assert(cli:get "k").status)
        local res, err = assert(bed.new { http_host = "unix:" .. fifo }):get "k"
        assert.is_nil(res)
        assert.is_string(err)
    end)
end)
