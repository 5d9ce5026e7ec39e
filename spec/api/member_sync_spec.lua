-- Endpoints that follow the members of a cluster, and members that do not serve clients: learners.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local wire = require "spec.support.wire"

local INTERVAL = 60

-- Makes the next sync of a client with sync_interval due earlier by `seconds`.
local function age(cli, seconds)
    cli.sync_plan.next = cli.sync_plan.next - seconds
end

-- Runs a command of tools/bed.mjs on the member m4, and returns its output.
local function tool(command)
    local pipe = assert(io.popen(("node tools/bed.mjs %s --dir '%s' m4"):format(command, bed.dir)))
    local output = pipe:read("*a")
    pipe:close()
    return (output:gsub("%s+$", ""))
end

local function hosts_of(cli)
    local hosts = {}
    for i, endpoint in ipairs(cli.endpoints) do
        hosts[i] = endpoint.http_host
    end
    table.sort(hosts)
    return hosts
end

local function sorted(...)
    local hosts = { ... }
    table.sort(hosts)
    return hosts
end

-- Syncs until the client has `n` endpoints.
local function sync_until(cli, n)
    assert.is_true(fake.eventually(function()
        return cli:sync() and #cli.endpoints == n
    end))
end

local m1, m2, m3 = bed.cluster.http[1], bed.cluster.http[2], bed.cluster.http[3]

describe("client of a cluster with a learner", function()
    local learner

    setup(function()
        learner = tool("join")
    end)

    teardown(function()
        tool("leave")
    end)

    -- Returns a client whose calls all start at the learner.
    local function client(opts)
        local all = { http_host = { learner, m1 }, health = {}, timeout = 8, init_count = -1 }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    it("retries reads, writes and watches on the next endpoint if the learner rejects them", function()
        local key = bed.key "learner"
        local cli = client()
        assert.equal(200, assert(cli:set(key, "v")).status)
        cli.init_count = -1
        assert.equal("v", assert(cli:get(key)).body.kvs[1].value)
        cli.init_count = -1
        local read = assert(cli:watch(key, { timeout = 5 }))
        assert.is_true(assert(read()).result.created)
        cli.init_count = -1
        assert.equal("1", assert(cli:delete(key)).body.deleted)
        assert.equal("DELETE", assert(read()).result.events[1].type)
    end)

    it("neither ejects the learner nor spends retry budget on its errors", function()
        local rejections = 0
        local cli = client { health = { retry_budget = 0, max_fails = 1000 } }
        local unary = cli.transport.unary
        cli.transport.unary = function(transport, rpc, payload, attempt)
            local reply, failure = unary(transport, rpc, payload, attempt)
            rejections = rejections + (failure and attempt.endpoint.http_host == learner and 1 or 0)
            return reply, failure
        end
        for _ = 1, 15 do
            cli.init_count = -1
            assert.equal(200, assert(cli:get "/k").status)
        end
        assert.equal(15, rejections)
    end)

    it("returns the learner's error if it has no other endpoint", function()
        local res, err, details = client({ http_host = learner, health = { retry = false } }):setnx("/k", "v")
        assert.is_nil(res)
        assert.is_truthy(err:find("rpc not supported for learner", 1, true))
        assert.is_true(details.retryable)
        assert.is_false(details.maybe_applied)
    end)

    it("syncs to the learner once it is promoted, and drops it when it is removed #alone", function()
        local cli = client { http_host = m1 }
        assert.is_false(cli.is_cluster)
        assert.is_true(cli:sync())
        assert.same(sorted(m1, m2, m3), hosts_of(cli))
        assert.is_true(cli.is_cluster)

        local _, list = wire.post(m1, "/v3/cluster/member/list", {})
        local id
        for _, member in ipairs(list.members) do
            id = member.name == "m4" and member.ID or id
        end
        local promoted
        assert.is_true(fake.eventually(function()
            ngx.sleep(0.05) -- etcd promotes a learner only when its log is up to date
            promoted = promoted or wire.post(m1, "/v3/cluster/member/promote", { ID = id }) == 200
            return promoted
        end))
        sync_until(cli, 4) -- members apply the change at different times
        assert.same(sorted(m1, m2, m3, learner), hosts_of(cli))
        for _ = 1, 8 do
            assert.equal(200, assert(cli:get "/k").status)
        end

        assert.equal(200, (wire.post(m1, "/v3/cluster/member/remove", { ID = id })))
        sync_until(cli, 3)
        assert.same(sorted(m1, m2, m3), hosts_of(cli))
        for _ = 1, 8 do
            assert.equal(200, assert(cli:get "/k").status)
        end
    end)
end)

describe("sync", function()
    local server

    local function list(...)
        local members = {}
        for i, urls in ipairs { ... } do
            members[i] = ('{"ID":"%d","name":"n%d","clientURLs":[%s]}'):format(i, i, urls)
        end
        return fake.reply('{"header":{"cluster_id":"1"},"members":[' .. table.concat(members, ",") .. "]}")
    end

    before_each(function()
        server = fake.new({ list '"http://10.0.0.1:2379"' })
    end)

    after_each(function()
        server:close()
    end)

    local function client(opts)
        local all = { http_host = server.http_host, timeout = 2, health = {} }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    it("uses the first client URL of each member with the client's api_prefix, and skips members without one", function()
        server:serve { list('"http://10.0.0.1:2379","http://10.0.0.2:2379"', "", '"https://n3.test:1"') }
        local cli = client { api_prefix = "/v3beta" }
        assert.is_true(cli:sync())
        assert.same({ "http://10.0.0.1:2379", "https://n3.test:1" }, hosts_of(cli))
        assert.equal("https://n3.test:1/v3", cli.endpoints[2].full_prefix)
    end)

    it("uses https URLs only if the client uses TLS", function()
        local cli = client { http_host = bed.mtls.http, sni = "localhost", ssl_cert_path = bed.certs.client, ssl_key_path = bed.certs.client_key }
        assert.is_true(cli:sync())
        local known = hosts_of(cli)
        local plain = client { http_host = "https://127.0.0.1:1" }
        plain.transport = { encode = function() return "" end, unary = function()
            local member = { clientURLs = { "http://10.0.0.1:1", "https://10.0.0.1:2" } }
            return { status = 200, body = { members = { member, { clientURLs = { "http://10.0.0.2:1" } } } } }
        end }
        assert.is_true(plain:sync())
        assert.same({ "https://10.0.0.1:2" }, hosts_of(plain))
        assert.is_truthy(known[1]:find("^https:"))
    end)

    it("keeps the table of an endpoint that remains", function()
        server:serve { list('"http://10.0.0.1:2379"', ('"%s"'):format(server.http_host)) }
        local cli = client()
        local known = cli.endpoints[1]
        known.mark = true
        assert.is_true(cli:sync())
        assert.equal(2, #cli.endpoints)
        assert.equal(known, cli.endpoints[2])
    end)

    it("keeps an endpoint table written by the program", function()
        server:serve { list '"http://10.0.0.1:2379"' }
        local cli = client()
        cli.endpoints = { { http_host = server.http_host, full_prefix = server.http_host .. "/v3" } }
        assert.is_true(cli:sync())
        assert.same({ "http://10.0.0.1:2379" }, hosts_of(cli))
    end)

    it("keeps the endpoints when it fails", function()
        local cli = client { health = { max_fails = 1000 } }
        local before, hosts = cli.endpoints, hosts_of(cli)
        for name, script in pairs {
            unavailable = { fake.reply('{"code":14,"message":"etcdserver: no leader"}', "503 Service Unavailable") },
            bad_reply = { list("") },
            connection_lost = { fake.CLOSE },
        } do
            server:serve(script)
            local ok, _, details = cli:sync()
            assert.is_nil(ok)
            assert.equal(name, details.name)
            assert.equal(before, cli.endpoints)
            assert.same(hosts, hosts_of(cli))
        end
    end)

    it("restores the configured endpoints when the advertised ones are unreachable", function()
        server:serve { list '"http://127.0.0.1:1"' }
        local cli = client { health = { max_fails = 1000 } }
        assert.is_true(cli:sync())
        assert.same({ "http://127.0.0.1:1" }, hosts_of(cli))
        local ok, _, details = cli:sync()
        assert.is_nil(ok)
        assert.equal("connect_failed", details.name)
        assert.same({ server.http_host }, hosts_of(cli))
        assert.is_true(cli:sync())
        assert.same({ "http://127.0.0.1:1" }, hosts_of(cli))
    end)

    it("keeps the endpoints when the phase has no sockets", function()
        server:serve { list '"http://127.0.0.1:1"' }
        local cli = client { transport = "cosocket" }
        assert.is_true(cli:sync())
        local sockets = ngx.socket.tcp
        ngx.socket.tcp = function() -- luacheck: ignore 122
            error("API disabled in the context of log_by_lua*")
        end
        local ok, _, details = cli:sync()
        ngx.socket.tcp = sockets -- luacheck: ignore 122
        assert.is_nil(ok)
        assert.equal("not_in_phase", details.name)
        assert.same({ "http://127.0.0.1:1" }, hosts_of(cli))
    end)

    it("is started in a timer by a call when sync_interval has passed", function()
        server:serve(function(request)
            return request.path == "/v3/cluster/member/list" and { list(('"%s"'):format(m1), ('"%s"'):format(m2)) }
                or { fake.reply '{"header":{"cluster_id":"1","revision":"7"}}' }
        end)
        local cli = client { sync_interval = INTERVAL }
        age(cli, INTERVAL / 2)
        assert(cli:get "/k")
        ngx.sleep(0.05)
        assert.equal(1, #server.requests) -- not due yet
        age(cli, INTERVAL / 2)
        ngx.sleep(0.05)
        assert.same({ server.http_host }, hosts_of(cli)) -- an idle client does not sync
        assert(cli:get "/k")
        assert.is_true(fake.eventually(function() return #cli.endpoints == 2 end))
        assert.same(sorted(m1, m2), hosts_of(cli))
        assert.equal(3, #server.requests)
    end)

    it("keeps the endpoints when it fails in a timer, and is repeated after the next interval", function()
        local lists = 0
        server:serve(function(request)
            if request.path ~= "/v3/cluster/member/list" then
                return { fake.reply '{"header":{"cluster_id":"1","revision":"7"}}' }
            end
            lists = lists + 1
            return { fake.reply('{"code":13,"message":"?"}', "500 Internal Server Error") }
        end)
        local cli = client { sync_interval = 0.05, health = { retry = false, max_fails = 1000 } }
        for _ = 1, 20 do
            assert(cli:get "/k")
            ngx.sleep(0.02)
        end
        assert.is_true(lists >= 2)
        assert.same({ server.http_host }, hosts_of(cli))
    end)

    it("runs once per interval, however many calls the client makes", function()
        local lists = 0
        server:serve(function(request)
            local is_list = request.path == "/v3/cluster/member/list"
            lists = lists + (is_list and 1 or 0)
            return is_list and { 0.1, list(('"%s"'):format(server.http_host)) }
                or { fake.reply '{"header":{"cluster_id":"1","revision":"7"}}' }
        end)
        local cli = client { sync_interval = INTERVAL }
        for n = 1, 2 do
            age(cli, INTERVAL)
            for _ = 1, 20 do
                assert(cli:get "/k")
            end
            assert.is_true(fake.eventually(function() return lists == n and server.playing == 0 end))
        end
        ngx.sleep(0.05)
        assert.equal(2, lists)
    end)
end)
