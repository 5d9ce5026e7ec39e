-- Grpc-Timeout carries the time budget of an attempt, so that etcd stops a little before its client does.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local watch_proxy = require "spec.support.watch_proxy"

local function fields_of(opts, call)
    local server = fake.new(function(request)
        local body = request.path:find("keepalive", 1, true) and '{"result":{"header":{"revision":"7"},"ID":"7","TTL":"9"}}'
            or request.path:find("authenticate", 1, true) and '{"token":"t"}'
            or request.path:find("watch", 1, true) and '{"result":{"created":true}}\n'
            or '{"header":{"revision":"7"}}'
        return { fake.reply(body) }
    end)
    opts.http_host = server.http_host
    local cli = assert(bed.new(opts))
    assert(call(cli))
    local fields = {}
    for i, request in ipairs(server.requests) do
        fields[i] = request.headers["grpc-timeout"] or "none"
    end
    server:close()
    return fields
end

local function get(cli)
    return cli:get "/k"
end

describe("Grpc-Timeout", function()
    it("is a little less than the remaining time", function()
        for _, call in ipairs {
            get,
            function(cli) return cli:set("/k", 1) end,
            function(cli) return cli:keepalive(7) end,
        } do
            local ms = fields_of({ timeout = 2 }, call)[1]:match("^(%d+)m$")
            assert.is_true(tonumber(ms) < 2000 and tonumber(ms) > 1500, ms)
        end
        local ms = fields_of({}, function(cli) return cli:get("/k", { timeout = 1 }) end)[1]:match("^(%d+)m$")
        assert.is_true(tonumber(ms) < 1000 and tonumber(ms) > 500, ms)
    end)

    it("is sent with the login, which shares the time budget of its call", function()
        local fields = fields_of({ timeout = 2, user = "u", password = "p" }, get)
        local login, range = fields[1]:match("^(%d+)m$"), fields[2]:match("^(%d+)m$")
        assert.is_true(tonumber(login) < 2000)
        assert.is_true(tonumber(range) <= tonumber(login))
    end)

    it("is the time budget of the attempt when there are other endpoints", function()
        local other = fake.new({ fake.reply "{}" })
        local server = fake.new({ fake.reply '{"header":{"revision":"7"}}' })
        local hosts = { server.http_host, other.http_host }
        local cli = assert(bed.new { http_host = hosts, health = {}, timeout = 4, init_count = -1 })
        assert(cli:get "/k")
        local ms = tonumber(server.requests[1].headers["grpc-timeout"]:match("^(%d+)m$"))
        assert.is_true(ms < 2000 and ms > 1500, ms)
        server:close()
        other:close()
    end)

    it("is not sent with watches, whose timeout applies to the opening only, or without a deadline", function()
        assert.same({ "none" }, fields_of({ timeout = 2 }, function(cli) return cli:watch "/k" end))
        assert.same({ "none" }, fields_of({ timeout = 0 }, get))
    end)

    it("is not sent when the timeout is longer than the field can express", function()
        for _, timeout in ipairs { 1e6, 1e9 } do
            assert.same({ "none" }, fields_of({ timeout = timeout }, get))
        end
    end)

    it("is understood by etcd when the timeout is the longest possible", function()
        local cli, key = assert(bed.new { timeout = 2147483647 }), bed.key "longest"
        assert.equal(200, assert(cli:set(key, 1)).status)
        assert.equal("1", assert(cli:delete(key)).body.deleted)
    end)
end)

describe("etcd without a quorum", function()
    local first = bed.cluster.members[1]

    local function signal(name)
        for _, member in ipairs { "m2", "m3" } do
            assert(os.execute(("node tools/bed.mjs signal --dir '%s' %s %s"):format(bed.dir, member, name)) == 0)
        end
    end

    setup(function()
        signal("STOP")
    end)

    teardown(function()
        signal("CONT")
    end)

    it("returns an error before the deadline, and the connection is reused", function()
        local proxy = watch_proxy.new(first.http)
        finally(proxy.close)
        local cli = assert(bed.new { http_host = proxy.http_host, timeout = 2, health = { max_fails = 100, retry = false } })
        assert(cli:get("/k", { serializable = true }))
        for _, call in ipairs { get, function(c) return c:set(bed.key "quorum", 1) end } do
            ngx.update_time()
            local started = ngx.now()
            local res, err, details = call(cli)
            ngx.update_time()
            assert.is_nil(res)
            assert.is_truthy(err:find("^invalid response code: 50[034], "), err)
            assert.is_true(details.http_status >= 500)
            assert.is_true(ngx.now() - started < 2)
            assert(cli:get("/k", { serializable = true }))
            assert.equal(1, proxy.connects)
        end
    end)
end)
