-- A client certificate that is replaced on disk while the client lives.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"

local function copy(from, to)
    local source = assert(io.open(from, "rb"))
    local target = assert(io.open(to, "wb"))
    target:write(source:read("*a"))
    source:close()
    target:close()
end

describe("a client certificate on disk", function()
    local cert, key = os.tmpname(), os.tmpname()
    local cli, restore

    local function install(name)
        copy(bed.certs[name], cert)
        copy(bed.certs[name .. "_key"], key)
    end

    -- what otherwise a few seconds do
    local function let_time_pass()
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

    it("is used anew once it was replaced", function()
        install("other_client")
        assert.equal(200, assert(cli:get("k")).status) -- not looked at for each call
        let_time_pass()
        assert.is_nil((cli:get("k"))) -- etcd does not trust that one
        install("client")
        let_time_pass()
        assert.equal(200, assert(cli:get("k")).status)
    end)

    it("stays in use until both files are replaced, whichever is first", function()
        for _, name in ipairs { "other_client", "other_client_key" } do
            install("client")
            let_time_pass()
            assert.equal(200, assert(cli:get("k")).status)
            copy(bed.certs[name], name == "other_client" and cert or key)
            for _ = 1, 2 do
                let_time_pass()
                assert.equal(200, assert(cli:get("k")).status)
            end
            install("other_client")
            let_time_pass()
            assert.is_nil((cli:get("k"))) -- etcd does not trust that one
        end
    end)

    it("stays in use while its file is half written or gone", function()
        assert(io.open(cert, "wb")):close()
        let_time_pass()
        assert.equal(200, assert(cli:get("k")).status)
        os.remove(key)
        let_time_pass()
        assert.equal(200, assert(cli:get("k")).status)
    end)
end)
