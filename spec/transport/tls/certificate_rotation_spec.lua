-- A client certificate that is replaced on disk while the client is in use.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local process = require "fault.process"

local function copy(from, to)
    local source = assert(io.open(from, "rb"))
    local target = assert(io.open(to, "wb"))
    target:write(source:read("*a"))
    source:close()
    target:close()
end

describe("client certificate on disk", function()
    local cert, key = os.tmpname(), os.tmpname()
    local cli, restore

    local function install(name)
        copy(bed.certs[name], cert)
        copy(bed.certs[name .. "_key"], key)
    end

    -- Makes the next handshake check the files again, as it does after a few seconds.
    local function expire_check()
        cli.transport.connection_options.tls.pair.checked_at = 0
    end

    before_each(function()
        restore = fake.never_ban()
        install("client")
        cli = assert(bed.new {
            http_host = bed.mtls.http,
            sni = "localhost",
            ssl_cert_path = cert,
            ssl_key_path = key,
            keepalive_timeout = 0, -- a handshake for each call
        })
        assert(cli:get("k"))
    end)

    after_each(function()
        restore()
    end)

    teardown(function()
        os.remove(cert)
        os.remove(key)
    end)

    it("is read again when it is replaced", function()
        install("other_client")
        assert.equal(200, assert(cli:get("k")).status) -- the files are not checked for each call
        expire_check()
        assert.is_nil((cli:get("k"))) -- etcd does not trust this certificate
        install("client")
        expire_check()
        assert.equal(200, assert(cli:get("k")).status)
    end)

    it("is read through links, and again when the folder behind them is replaced, as secrets of Kubernetes are", function()
        local mount = os.tmpname()
        os.remove(mount)
        finally(function() process.run("rm", "-rf", mount) end)
        local function publish(name, folder)
            assert(process.run("mkdir", "-p", mount .. "/" .. folder))
            copy(bed.certs[name], mount .. "/" .. folder .. "/tls.crt")
            copy(bed.certs[name .. "_key"], mount .. "/" .. folder .. "/tls.key")
            assert(process.run("chmod", "-R", "a-w,a+rX", mount .. "/" .. folder))
            assert(process.run("ln", "-s", folder, mount .. "/..data_tmp"))
            assert(process.run("mv", "-T", mount .. "/..data_tmp", mount .. "/..data"))
        end
        publish("client", "..2026_1")
        for _, name in ipairs { "tls.crt", "tls.key" } do
            assert(process.run("ln", "-s", "..data/" .. name, mount .. "/" .. name))
        end
        cli = assert(bed.new {
            http_host = bed.mtls.http, sni = "localhost", ssl_cert_path = mount .. "/tls.crt", ssl_key_path = mount .. "/tls.key",
            keepalive_timeout = 0,
        })
        assert.equal(200, assert(cli:get("k")).status)
        publish("other_client", "..2026_2")
        expire_check()
        assert.is_nil((cli:get("k"))) -- etcd does not trust this certificate
        publish("client", "..2026_3")
        expire_check()
        assert.equal(200, assert(cli:get("k")).status)
    end)

    it("is used by new connections, not by those in the pool, when it is replaced", function()
        for _, proxy in ipairs { false, true } do
            install("client")
            local pooled = assert(bed.new {
                http_host = bed.mtls.http, sni = "localhost", ssl_cert_path = cert, ssl_key_path = key, timeout = 5,
                keepalive_pool = proxy and 3 or 2, unix_socket_proxy = proxy and "unix:/none.sock" or nil,
            })
            local function expire()
                pooled.transport.connection_options.tls.pair.checked_at = 0
            end
            assert.equal(200, assert(pooled:get("k")).status)
            expire()
            assert.equal(200, assert(pooled:get("k")).status)
            install("other_client")
            expire()
            assert.is_nil((pooled:get("k"))) -- etcd does not trust this certificate
            install("client")
            expire()
            assert.equal(200, assert(pooled:get("k")).status)
        end
    end)

    it("stays in use until both files are replaced, whichever is first", function()
        for _, name in ipairs { "other_client", "other_client_key" } do
            install("client")
            expire_check()
            assert.equal(200, assert(cli:get("k")).status)
            copy(bed.certs[name], name == "other_client" and cert or key)
            for _ = 1, 2 do
                expire_check()
                assert.equal(200, assert(cli:get("k")).status)
            end
            install("other_client")
            expire_check()
            assert.is_nil((cli:get("k"))) -- etcd does not trust this certificate
        end
    end)

    it("stays in use while a file is empty or missing", function()
        assert(io.open(cert, "wb")):close()
        expire_check()
        assert.equal(200, assert(cli:get("k")).status)
        os.remove(key)
        expire_check()
        assert.equal(200, assert(cli:get("k")).status)
    end)
end)
