local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"

describe("client", function()
    local prefix = bed.key("lease")
    local cli
    local granted

    setup(function()
        cli = assert(bed.new())
    end)

    before_each(function()
        granted = {}
    end)

    after_each(function()
        for _, id in ipairs(granted) do
            cli:revoke(id)
        end
        assert(cli:rmdir(prefix))
    end)

    local function grant(ttl, id)
        local res = assert(cli:grant(ttl, id))
        granted[#granted + 1] = res.body.ID
        return res
    end

    local function misused(text, res, err, details)
        assert.is_nil(res)
        assert.equal(text, err)
        assert.same({ name = "bad_request", message = text, retryable = false, maybe_applied = false }, details)
    end

    local function failed(text, code, status, res, err, details)
        assert.is_nil(res)
        assert.equal(text, err)
        assert.equal(code, details.code)
        assert.equal(status, details.http_status)
        assert.equal(text, details.message)
        assert.is_false(details.maybe_applied)
    end

    local function not_found(res, err)
        assert.is_nil(err)
        assert.equal(404, res.status)
        assert.equal("etcdserver: requested lease not found", res.body.error)
    end

    describe("grant", function()
        it("returns ID and TTL as strings", function()
            local res = grant(60)
            assert.equal(200, res.status)
            assert.truthy(res.body.ID:find("^%d+$"))
            assert.equal("60", res.body.TTL)
            assert.is_string(res.body.header.revision)
        end)

        it("accepts an ID as number or string", function()
            assert.equal("880001", grant(60, 880001).body.ID)
            assert.equal("880002", grant(60, "880002").body.ID)
        end)

        it("returns etcd's minimum TTL if the given one is shorter", function()
            assert.equal("2", grant(1).body.TTL)
            assert.equal("2", grant(0).body.TTL)
            assert.equal("2", grant(-5).body.TTL)
        end)

        it("returns an error unless the TTL is an integer", function()
            misused("lease grant command needs TTL argument", cli:grant())
            misused("lease grant command needs TTL argument", cli:grant(nil, 5))
            for _, ttl in ipairs { "10", 1.5, {}, true } do
                misused("ttl must be integer", cli:grant(ttl))
            end
        end)

        it("returns nil and etcd's message when etcd rejects the grant", function()
            grant(60, 880003)
            local res, err, details = cli:grant(60, 880003)
            assert.is_nil(res)
            assert.equal("etcdserver: lease already exists", err)
            assert.equal("failed_precondition", details.name)
            assert.equal(9, details.code)
            -- 412 from the oldest gateway that is tested, 400 from all others
            assert.is_true(details.http_status == 400 or details.http_status == 412)
            assert.equal(bed.single.http, details.endpoint)
            failed("etcdserver: too large lease TTL", 11, 400, cli:grant(9000000001))
        end)
    end)

    describe("lease ID beyond 2^53", function()
        local id = "9223372036854775807"

        it("is exact if given as string or cdata", function()
            assert.equal(id, grant(60, id).body.ID)
            assert.equal(id, assert(cli:keepalive(9223372036854775807LL)).body.result.ID)
            assert.equal("60", assert(cli:timetolive(9223372036854775807ULL)).body.grantedTTL)
            assert(cli:set(prefix .. "a", 1, { lease = 9223372036854775807LL }))
            assert.equal(id, assert(cli:get(prefix .. "a")).body.kvs[1].lease)
            local found
            for _, lease in ipairs(assert(cli:leases()).body.leases) do
                found = found or lease.ID == id
            end
            assert.is_true(found)
            assert.equal(200, assert(cli:revoke(id)).status)
        end)

        it("is rejected if given as a number, which is exact below 2^53 only", function()
            assert.equal("9007199254740991", grant(60, 2 ^ 53 - 1).body.ID)
            misused("ID must be integer", cli:grant(60, 9007199254740993))
            misused("ID must be integer", cli:revoke(2 ^ 62))
        end)
    end)

    it("rejects invalid lease IDs without sending a request", function()
        local etcd, server = cli, fake.new({ fake.CLOSE })
        cli = assert(bed.new { http_host = server.http_host })
        finally(function()
            cli = etcd
            server:close()
        end)
        for _, id in ipairs { "abc", "", 1.5, {}, true, "1e5", "0x10" } do
            misused("ID must be integer", cli:grant(60, id))
            misused("ID must be integer", cli:revoke(id))
            misused("ID must be integer", cli:keepalive(id))
            misused("ID must be integer", cli:timetolive(id))
        end
        misused("lease revoke command needs ID argument", cli:revoke())
        misused("lease keepalive command needs ID argument", cli:keepalive())
        misused("lease timetolive command needs ID argument", cli:timetolive())
        misused("lease timetolive command needs ID argument", cli:timetolive(nil, true))
        ngx.sleep(0.02)
        assert.equal(0, server.connections)
    end)

    it("keepalive returns the renewed lease", function()
        local id = grant(60).body.ID
        assert.equal("880004", grant(60, 880004).body.ID)
        for _, case in ipairs { { id, id }, { "880004", "880004" }, { 880004, "880004" } } do
            local res = assert(cli:keepalive(case[1]))
            assert.equal(200, res.status)
            assert.equal(case[2], res.body.result.ID)
            assert.equal("60", res.body.result.TTL)
            assert.is_string(res.body.result.header.revision)
        end
    end)

    it("timetolive returns the remaining time, and the keys if requested", function()
        local id = grant(60).body.ID
        assert(cli:set(prefix .. "a", 1, { lease = id }))
        assert(cli:set(prefix .. "b\0\255", 2, { lease = id }))
        local body = assert(cli:timetolive(id)).body
        assert.equal(id, body.ID)
        assert.equal("60", body.grantedTTL)
        assert.is_true(tonumber(body.TTL) > 30 and tonumber(body.TTL) <= 60)
        assert.is_nil(body.keys)
        body = assert(cli:timetolive(id, true)).body
        table.sort(body.keys)
        assert.same({ prefix .. "a", prefix .. "b\0\255" }, body.keys)
        assert.is_nil(assert(cli:timetolive(grant(60).body.ID, true)).body.keys)
    end)

    it("leases returns the IDs of all leases as strings", function()
        local first, second = grant(60).body.ID, grant(60).body.ID
        local seen = {}
        for _, lease in ipairs(assert(cli:leases()).body.leases) do
            seen[lease.ID] = true
        end
        assert.is_true(seen[first])
        assert.is_true(seen[second])
        assert(cli:revoke(first))
        seen = {}
        for _, lease in ipairs(assert(cli:leases()).body.leases) do
            seen[lease.ID] = true
        end
        assert.is_nil(seen[first])
        assert.is_true(seen[second])
    end)

    it("revoke deletes the lease's keys", function()
        local id = grant(60).body.ID
        assert(cli:set(prefix .. "a", 1, { lease = id }))
        assert(cli:set(prefix .. "b", 1))
        local res = assert(cli:revoke(id))
        assert.equal(200, res.status)
        assert.is_string(res.body.header.revision)
        assert.is_nil(assert(cli:get(prefix .. "a")).body.kvs)
        assert.equal("1", assert(cli:get(prefix .. "b")).body.count)
    end)

    it("keepalive fails, revoke returns 404 and timetolive -1 if the lease does not exist", function()
        local id = grant(60).body.ID
        assert(cli:revoke(id))
        failed("etcdserver: requested lease not found", 5, 404, cli:keepalive(id))
        failed("etcdserver: requested lease not found", 5, 404, cli:keepalive(tonumber("123454321")))
        not_found(cli:revoke(id))
        not_found(cli:revoke(123454321))
        local res = assert(cli:timetolive(id, true))
        assert.equal(200, res.status)
        assert.equal("-1", res.body.TTL)
        assert.equal(id, res.body.ID)
        assert.is_nil(res.body.keys)
    end)

    -- keepalive is a streaming RPC: gateways wrap its errors differently from those of unary RPCs.
    for _, case in ipairs {
        { "403 Forbidden", 7, '{"error":{"grpc_code":7,"http_code":403,"message":"%s","http_status":"Forbidden"}}' },
        { "403 Forbidden", 7, '{"error":{"code":7,"message":"%s","details":[]}}' },
        { "503 Unavailable", 14, '{"error":{"grpc_code":14,"http_code":503,"message":"%s","http_status":"Service Unavailable"}}' },
        { "503 Unavailable", 14, '{"error":{"code":14,"message":"%s"}}' },
    } do
        local status, code, body = case[1], case[2], case[3]
        it("keepalive returns nil and etcd's message if the gateway responds with " .. body, function()
            local restore = fake.never_ban()
            local server = fake.new({ fake.reply(body:format("etcdserver: why"), status) })
            local res, err, details = assert(bed.new { http_host = server.http_host }):keepalive(7)
            server:close()
            restore()
            assert.is_nil(res)
            assert.equal((code == 14 and "invalid response code: 503, " or "") .. "etcdserver: why", err)
            assert.same({ code, "etcdserver: why", tonumber(status:sub(1, 3)) }, { details.code, details.message, details.http_status })
        end)
    end

    it("keepalive fails without a user if etcd requires one", function()
        local _, err = assert(bed.new { http_host = bed.auth.http }):keepalive(7)
        -- older versions do not require a user for it
        assert.is_true(err == "etcdserver: user name is empty" or err == "etcdserver: requested lease not found", err)
    end)

    it("keepalive prevents the keys of a lease from being deleted when the lease would expire", function()
        local dies, lives = grant(2).body.ID, grant(2).body.ID
        assert(cli:set(prefix .. "dies", 1, { lease = dies }))
        assert(cli:set(prefix .. "lives", 1, { lease = lives }))
        local deadline = ngx.now() + 20
        repeat
            assert(cli:keepalive(lives))
            ngx.sleep(0.2)
            ngx.update_time()
            local kvs = assert(cli:get(prefix .. "dies")).body.kvs
        until not kvs or ngx.now() > deadline
        assert.is_nil(assert(cli:get(prefix .. "dies")).body.kvs)
        assert.equal("1", assert(cli:get(prefix .. "lives")).body.count)
        assert.equal("-1", assert(cli:timetolive(dies)).body.TTL)
        failed("etcdserver: requested lease not found", 5, 404, cli:keepalive(dies))
    end)
end)
