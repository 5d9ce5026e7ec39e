-- Watchers and mirrors of an etcd that requires a client certificate.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local tap = require "spec.support.watch_proxy"

local certs = bed.certs

describe("TLS with a client certificate", function()
    local cli, dir, restore

    local function client(http_host)
        return assert(bed.new {
            http_host = http_host, sni = "localhost", ssl_cert_path = certs.client, ssl_key_path = certs.client_key,
            timeout = 3,
        })
    end

    before_each(function()
        restore = fake.never_ban()
        cli = client(bed.mtls.http)
        dir = bed.key "watcher-tls"
    end)

    after_each(function()
        assert(cli:rmdir(dir))
        restore()
    end)

    it("watcher: delivers every change, also large ones, and releases its connection when it is closed", function()
        local proxy = tap.new(bed.mtls.http)
        finally(function() proxy:close() end)
        local watcher = assert(client(proxy.http_host):watcher(dir, { prefix = true }))
        local big = ("x"):rep(300000)
        for i = 1, 20 do
            assert.equal(200, cli:set(dir .. i, i % 10 == 0 and big or i).status)
        end
        for i = 1, 20 do
            local batch = assert(watcher:next(5))
            assert.equal(1, #batch.events)
            assert.equal(dir .. i, batch.events[1].kv.key)
            assert.equal(i % 10 == 0 and big or i, batch.events[1].kv.value)
        end
        assert.equal(1, proxy:open_connections())
        watcher:close()
        local batch, _, details = watcher:next(1)
        assert.is_nil(batch)
        assert.equal("closed", details.name)
        assert.is_true(fake.eventually(function() return proxy:open_connections() == 0 end))
    end)

    it("mirror: follows the keys", function()
        assert(cli:set(dir .. "a", { n = 1 }))
        local mirror = assert(cli:mirror(dir))
        assert(mirror:wait_ready(5))
        assert.same({ n = 1 }, mirror:get(dir .. "a"))
        assert(cli:set(dir .. "a", { n = 2 }))
        assert.is_true(fake.eventually(function() return mirror:get(dir .. "a").n == 2 end))
        mirror:close()
    end)

    it("watcher and mirror: wait until the file of the certificate exists", function()
        local path = os.tmpname()
        os.remove(path)
        local early = assert(bed.new {
            http_host = bed.mtls.http, sni = "localhost", ssl_cert_path = path, ssl_key_path = certs.client_key, timeout = 3,
        })
        assert(cli:set(dir .. "a", 1))
        local watcher = assert(early:watcher(dir, { prefix = true, list = true }))
        local mirror = assert(early:mirror(dir))
        assert(fake.eventually(function() return (watcher:stats().close_reasons.bad_request or 0) > 1 end))
        for _ = 1, 3 do
            local batch, _, details = watcher:next(0.1)
            assert.is_nil(batch)
            assert.equal("timeout", details.name)
        end
        assert.equal("connecting", watcher:state())
        assert.is_truthy(watcher:stats().last_error:find("client certificate: ", 1, true))
        local from, to = assert(io.open(certs.client)), assert(io.open(path, "w"))
        to:write(from:read("*a"))
        from:close()
        to:close()
        local batch, err = watcher:next(10)
        os.remove(path)
        assert.is_nil(err)
        assert.equal(1, #batch.events)
        assert(mirror:wait_ready(10))
        watcher:close()
        mirror:close()
    end)

    it("watcher and mirror: report an error without a certificate", function()
        local bare = assert(bed.new { http_host = bed.mtls.http, sni = "localhost", timeout = 1 })
        local watcher = assert(bare:watcher(dir, { prefix = true, list = true }))
        local batch, _, details = watcher:next(1.5)
        assert.is_nil(batch)
        assert.equal("timeout", details.name)
        assert.is_truthy(next(watcher:stats().close_reasons))
        watcher:close()
        local mirror = assert(bare:mirror(dir))
        assert.is_nil((mirror:wait_ready(0.5)))
        assert.is_false(mirror:ready())
        mirror:close()
    end)
end)
