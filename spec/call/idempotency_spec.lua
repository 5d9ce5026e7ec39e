-- Writes that are sent again after a lost reply and are applied once.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"
local tcp = require "spec.support.tcp"
local together = require "spec.support.concurrently"

-- A proxy in front of the single server: `cut(n)` drops the responses to the next n requests that match `pattern`.
local function lossy(pattern)
    local losses, seen = 0, {}
    local port = tonumber(bed.single.http:match(":(%d+)$"))
    local server = fake.new(function(request)
        local sock = ngx.socket.tcp()
        assert(sock:connect("127.0.0.1", port))
        assert(sock:send(("POST %s HTTP/1.0\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"):format(request.path, #request.body, request.body)))
        local response = assert(sock:receive("*a"))
        sock:close()
        seen[#seen + 1] = request.path
        if losses > 0 and request.path:find(pattern, 1, true) then
            losses = losses - 1
            return { fake.CLOSE }
        end
        local status, body = response:match("^HTTP/%S+ ([^\r]+).-\r\n\r\n(.*)$")
        return { fake.reply(body, status) }
    end)
    return server, function(n) losses = n end, seen
end

describe("idempotent call", function()
    local key, server, cut, seen, cli, direct

    local function client(pattern, opts)
        server, cut, seen = lossy(pattern)
        opts = opts or {}
        opts.http_host = { server.http_host, server.http_host }
        cli = assert(bed.new(opts))
    end

    before_each(function()
        assert(health_check.init { retry = true, fail_timeout = 0 })
        key = bed.key("idempotent")
        direct = assert(bed.new())
        assert(direct:rmdir(key))
    end)

    after_each(function()
        server:close()
        assert(health_check.init())
        assert(direct:rmdir(key))
    end)

    local function version_of(name)
        local res = assert(direct:get(name))
        return res.body.kvs and res.body.kvs[1].version
    end

    it("is sent again and applied once when replies are lost", function()
        client("/kv/txn")
        cut(2)
        assert(cli:set(key .. "1", "new", { idempotent = true, prev_kv = true }))
        assert.equal("1", version_of(key .. "1"))
    end)

    it("is not sent and is retryable when no lease is granted for its marker", function()
        client("/lease/")
        cut(100)
        local res, err, details = cli:set(key .. "1", "new", { idempotent = true })
        assert.is_nil(res)
        assert.equal(server.http_host .. ": closed", err)
        assert.equal("connection_lost", details.name)
        assert.is_true(details.retryable)
        assert.is_false(details.maybe_applied)
        assert.is_true(#seen > 0)
        for _, path in ipairs(seen) do
            assert.equal("/v3/lease/grant", path)
        end
    end)

    it("does not delay others beyond the timeout when it is killed during the grant of the lease for markers", function()
        local asked = 0
        server = fake.new(function(request)
            if request.path == "/v3/lease/grant" then
                asked = asked + 1
                return { asked == 1 and 3 or 0, fake.reply '{"header":{"revision":"7"},"ID":"5","TTL":"600"}' }
            end
            return { fake.reply '{"header":{"revision":"8"},"succeeded":true,"responses":[{"response_txn":{"succeeded":true}}]}' }
        end)
        cli = assert(bed.new { http_host = server.http_host, timeout = 1 })
        local first = ngx.thread.spawn(function() return cli:set(key .. "1", "new", { idempotent = true }) end)
        assert.is_true(fake.eventually(function() return asked == 1 end))
        assert(ngx.thread.kill(first))
        assert(cli:set(key .. "2", "new", { idempotent = true }))
        assert.equal(2, asked)
    end)

    it("returns the revision and the previous value of the applied attempt when its reply is lost", function()
        client("/kv/txn")
        assert(direct:set(key .. "1", "old"))
        cut(1)
        local res = assert(cli:set(key .. "1", "new", { idempotent = true, prev_kv = true }))
        assert.is_true(res.body.replayed)
        assert.equal("old", res.body.prev_kv.value)
        local kv = assert(direct:get(key .. "1")).body.kvs[1]
        assert.equal(kv.mod_revision, res.body.header.revision)
        assert.equal("2", kv.version)
    end)

    it("returns the same reply as a plain put when no reply is lost", function()
        client("/kv/txn")
        assert(direct:set(key .. "1", "old"))
        local res = assert(cli:set(key .. "1", { a = 1 }, { idempotent = true, prev_kv = true }))
        assert.is_nil(res.body.replayed)
        assert.equal("old", res.body.prev_kv.value)
        assert.same({ a = 1 }, assert(direct:get(key .. "1")).body.kvs[1].value)
        assert.is_nil(assert(cli:set(key .. "2", "x", { idempotent = true })).body.prev_kv)
    end)

    it("is not assumed for a plain put, which fails with maybe_applied", function()
        client("/kv/put")
        cut(1)
        local res, _, details = cli:set(key .. "1", "new")
        assert.is_nil(res)
        assert.is_true(details.maybe_applied)
        assert.equal(1, #seen)
    end)

    it("runs one branch of a transaction once and reports which when replies are lost", function()
        client("/kv/txn")
        local compare = { { key = key .. "lock", target = "CREATE", create_revision = 0 } }
        local lock = { { requestPut = { key = key .. "lock", value = "mine" } } }
        local read_owner = { { requestRange = { key = key .. "lock" } } }
        cut(1)
        local res = assert(cli:txn(compare, lock, read_owner, { idempotent = true }))
        assert.is_true(res.body.succeeded) -- without the marker the second attempt would find the key locked
        assert.is_true(res.body.replayed)
        assert.equal("1", version_of(key .. "lock"))
        cut(1)
        res = assert(cli:txn(compare, lock, read_owner, { idempotent = true }))
        assert.is_nil(res.body.succeeded)
        assert.is_true(res.body.replayed)
        res = assert(cli:txn(compare, lock, read_owner, { idempotent = true }))
        assert.is_nil(res.body.succeeded)
        assert.equal("mine", res.body.responses[1].response_range.kvs[1].value)
        assert.equal(1, #res.body.responses)
    end)

    it("reports whether setnx created the key when its reply is lost", function()
        client("/kv/txn")
        cut(1)
        assert.is_true(assert(cli:setnx(key .. "1", "mine", { idempotent = true })).body.succeeded)
        assert.is_nil(assert(cli:setnx(key .. "1", "other", { idempotent = true })).body.succeeded)
        assert.equal("mine", assert(direct:get(key .. "1")).body.kvs[1].value)
    end)

    it("is applied whatever another tenant has put next to its former markers", function()
        client("/kv/txn", { idempotency_prefix = key .. "markers/" })
        assert(cli:set(key .. "1", "x", { idempotent = true }))
        local former = assert(direct:readdir(key .. "markers/")).body.kvs[1].key
        local worker, count = former:match("^(.*/)(%d+)")
        for i = 1, 20 do -- what the markers of the next writes would be called if they could be guessed
            assert(direct:set(worker .. count + i, "1"))
            assert(direct:set(former:gsub("/%d+", "/" .. count + i, 1), "1"))
        end
        local res = assert(cli:set(key .. "1", "y", { idempotent = true }))
        assert.is_nil(res.body.replayed)
        assert.equal("y", assert(direct:get(key .. "1")).body.kvs[1].value)
    end)

    it("puts its marker under idempotency_prefix and attaches it to a lease", function()
        client("/kv/txn", { idempotency_prefix = key .. "markers/" })
        assert(cli:set(key .. "1", "x", { idempotent = true }))
        assert(cli:set(key .. "2", "x", { idempotent = true }))
        local kvs = assert(direct:readdir(key .. "markers/")).body.kvs
        assert.equal(2, #kvs)
        assert.equal(kvs[1].lease, kvs[2].lease)
        assert(direct:revoke(kvs[1].lease))
        assert.is_nil(assert(direct:readdir(key .. "markers/")).body.kvs)
        assert(cli:set(key .. "3", "x", { idempotent = true })) -- on a new lease
        assert.equal("1", version_of(key .. "3"))
    end)

    local function count_of(path)
        local count = 0
        for _, one in ipairs(seen) do
            count = count + (one:find(path, 1, true) and 1 or 0)
        end
        return count
    end

    -- Makes `n` puts concurrently.
    local function puts(n, opts)
        return together(n, function(i) return cli:set(key .. i, "x", opts) end)
    end

    it("shares one lease with concurrent writes, even if the lease is lost", function()
        client("/kv/txn", { timeout = 10, idempotency_prefix = key .. "markers/" })
        assert.same({ [200] = 50 }, puts(50, { idempotent = true }))
        assert.equal(1, count_of "/lease/grant")
        assert(direct:revoke(assert(direct:readdir(key .. "markers/")).body.kvs[1].lease))
        assert.same({ [200] = 50 }, puts(50, { idempotent = true }))
        assert.equal(2, count_of "/lease/grant")
    end)

    it("keeps the lease of markers when the lease that the caller gave is missing", function()
        client("/kv/txn", { timeout = 10 })
        assert.same({ [404] = 20 }, puts(20, { idempotent = true, lease = 12345 }))
        assert.equal(1, count_of "/lease/grant")
    end)

    it("delays others by two seconds at most when it is killed during a stalled grant", function()
        client("/lease/grant", { timeout = 10 })
        local proxy_script = server.scripts[1]
        server:serve({ 60 }, proxy_script)
        local first = ngx.thread.spawn(function() return cli:set(key .. "a", "x", { idempotent = true }) end)
        assert.is_true(fake.eventually(function() return server.playing == 1 end))
        assert(ngx.thread.kill(first))
        local started = clock.now()
        assert.same({ [200] = 5 }, puts(5, { idempotent = true }))
        assert.is_true(clock.now() - started < 4) -- the grant has 2 s; half of the timeout would be 5 s
    end)

    it("returns the error when the caller's lease is missing", function()
        client("/kv/txn")
        local res = assert(cli:set(key .. "1", "x", { idempotent = true, lease = 12345 }))
        assert.equal(404, res.status)
        assert.equal("etcdserver: requested lease not found", res.body.error)
        assert.is_nil(version_of(key .. "1"))
    end)

    it("sets maybe_applied when any attempt got no reply, whatever the last attempt returned", function()
        client("/kv/txn")
        assert(cli:set(key .. "1", "x", { idempotent = true })) -- grants the lease
        local dead = tcp.listen()
        cut(1)
        cli.init_count = -1
        cli.endpoints[2].full_prefix = dead.http_host .. "/v3"
        cli.endpoints[1].http_host, cli.endpoints[2].http_host = "first", "second"
        cut(100)
        local res, _, details = cli:set(key .. "1", "y", { idempotent = true })
        assert.is_nil(res)
        assert.is_true(details.maybe_applied)
        tcp.close(dead)
    end)

    it("grants one lease and returns it when the reply to a grant is lost", function()
        client("/lease/grant")
        local function leases()
            local ids = {}
            for _, lease in ipairs(assert(direct:leases()).body.leases or {}) do
                ids[lease.ID] = true
            end
            return ids
        end
        local before = leases()
        cut(1)
        local res = assert(cli:grant(60))
        assert.equal("60", res.body.TTL)
        assert.matches("^%d+$", res.body.ID)
        assert.is_not_nil(res.body.header.revision)
        local made = {}
        for id in pairs(leases()) do
            made[#made + 1] = not before[id] and id or nil -- some leases of `before` can have expired
        end
        assert.same({ res.body.ID }, made)
        assert.equal("60", assert(direct:timetolive(res.body.ID)).body.grantedTTL)
        assert(direct:revoke(res.body.ID))
    end)

    it("ends at the deadline when it is a grant that takes two RPCs", function()
        client("/lease/grant")
        server:serve({ 1.2, fake.CLOSE }, { fake.reply('{"code":9,"message":"etcdserver: lease already exists"}', "400 Bad Request") }, { 60 })
        local started = clock.now()
        cli.timeout = 2
        assert.is_nil((cli:grant(60)))
        assert.is_true(clock.now() - started < 2.6)
        assert.is_true(#server.requests > 2)
    end)

    it("is not assumed for a grant with the caller's ID, which fails with maybe_applied", function()
        client("/lease/grant")
        cut(1)
        local res, _, details = cli:grant(60, 424242)
        assert.is_nil(res)
        assert.is_true(details.maybe_applied)
        assert(direct:revoke(424242))
    end)

    it("is sent again when it is a transaction that only reads", function()
        client("/kv/txn")
        assert(direct:set(key .. "1", "x"))
        cut(1)
        local compare = { { key = key .. "1", target = "VERSION", version = 1 } }
        local nested = { requestTxn = { success = { { requestRange = { key = key .. "1" } } } } }
        local res = assert(cli:txn(compare, { nested, { requestRange = { key = key .. "1" } } }))
        assert.equal("x", res.body.responses[2].response_range.kvs[1].value)
    end)
end)
