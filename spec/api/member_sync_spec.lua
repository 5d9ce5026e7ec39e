-- Endpoints that follow the members of a cluster, and members that do not serve clients: learners.
local bed = require "spec.support.bed"
local captured_log = require "spec.support.captured_log"
local member_probe = require "resty.etcd.api.member_probe"
local fake = require "spec.support.scripted_server"
local private_etcd = require "spec.support.private_etcd"
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

    local ask_all = member_probe.ask_all

    before_each(function()
        server = fake.new({ list '"http://10.0.0.1:2379"' })
        member_probe.ask_all = function(_, candidates) -- every address answers
            local probes = {}
            for i, endpoint in ipairs(candidates) do
                probes[i] = { endpoint = endpoint, member_id = tostring(i) }
            end
            return probes
        end
    end)

    after_each(function()
        member_probe.ask_all = ask_all
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

    it("uses an address once that all members advertise, next to the configured endpoints", function()
        server:serve { list('"http://lb.test:2379"', '"http://lb.test:2379"', '"http://lb.test:2379"') }
        local cli = client()
        assert.is_true(cli:sync())
        assert.same(sorted("http://lb.test:2379", server.http_host), hosts_of(cli))
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
        local log = captured_log.start()
        for _ = 1, 3 do
            assert.is_true(cli:sync()) -- asks the configured ones, and does not adopt the list that has just failed
            assert.same({ server.http_host }, hosts_of(cli))
        end
        log.stop()
        assert.equal(1, log.count("^%[warn%] endpoints: " .. server.http_host .. ", as configured, because no member responds: "
            .. "http://127.0.0.1:1: connection refused$"), table.concat(log.lines, "\n"))
        cli.failed_members["until"] = 0
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
        local cli = client { sync_interval = 0.05, health = { retry = false, max_fails = 1000 } } -- 0.2 s in effect
        assert(fake.eventually(function()
            assert(cli:get "/k")
            return lists >= 2
        end))
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

-- Wraps the transport of a client: `intercept(rpc, attempt)` can return a failure, or nothing.
local function intercept(cli, fn)
    local unary = cli.transport.unary
    cli.transport.unary = function(transport, rpc, payload, attempt)
        local failure = fn(rpc, attempt)
        if failure then
            return nil, { kind = "connect", text = failure, sent = false, is_closed_by_server = false }
        end
        return unary(transport, rpc, payload, attempt)
    end
end

local function is_list(rpc)
    return rpc.path == "/cluster/member/list"
end

describe("sync to members that advertise addresses which are not reachable from here", function()
    it("keeps the configured endpoint, and says once why", function()
        local server = private_etcd.start({}, "http://127.0.0.1:1")
        local cli = assert(bed.new { http_host = server.http, timeout = 3 })
        local log = captured_log.start()
        local results = {}
        for i = 1, 3 do
            results[i] = { cli:sync() }
        end
        log.stop()
        assert.same({ { true }, { true }, { true } }, results)
        assert.same({ server.http }, hosts_of(cli))
        for _ = 1, 6 do
            assert.equal(200, assert(cli:get "/k").status)
        end
        assert.equal(1, log.count "^%[warn%] list of members: addresses that do not answer are not used: http://127.0.0.1:1: connection refused$")
        assert.equal(0, log.count "unhealthy")
        server:remove()
    end)

    -- Lets all members advertise one URL.
    local function advertise(cli, url, fn)
        local unary = cli.transport.unary
        cli.transport.unary = function(transport, rpc, payload, attempt)
            if fn and fn(attempt.endpoint.http_host) then
                return nil, { kind = "connect", text = "timeout", sent = false }
            end
            local reply, failure = unary(transport, rpc, payload, attempt)
            if reply and is_list(rpc) then
                for _, member in ipairs(reply.body.members) do
                    member.clientURLs = { url }
                end
            end
            return reply, failure
        end
    end

    it("asks an address once that all members advertise, and keeps the endpoints that are configured", function()
        local cli = assert(bed.new { http_host = { m1, m2, m3 }, timeout = 3 })
        local asked = 0
        advertise(cli, "http://inner.test:2379", function(host)
            local is_inner = host == "http://inner.test:2379"
            asked = asked + (is_inner and 1 or 0)
            return is_inner
        end)
        assert.is_true(cli:sync())
        assert.equal(1, asked)
        assert.same(sorted(m1, m2, m3), hosts_of(cli))
    end)

    it("keeps the configured endpoints of the members that all advertise one address", function()
        local cli = assert(bed.new { http_host = { m1, m2, m3 }, timeout = 3 })
        advertise(cli, "http://127.0.0.1:" .. m1:match "%d+$")
        for _ = 1, 2 do
            assert.is_true(cli:sync())
            assert.same(sorted(m1, m2, m3), hosts_of(cli))
        end
    end)

    it("returns an error if no address answers, not even a configured one", function()
        local cli = assert(bed.new { http_host = "http://alias.test:2379", timeout = 3 })
        local template = assert(bed.new { http_host = m1 }).endpoints[1]
        intercept(cli, function(rpc, attempt)
            if not is_list(rpc) then
                return "timeout"
            end
            attempt.endpoint = template
        end)
        local ok, err, details = cli:sync()
        assert.is_nil(ok)
        assert.equal("no client URL of a member answers", err)
        assert.equal("connect_failed", details.name)
        assert.is_true(details.retryable)
        for _, host in ipairs { m1, m2, m3 } do
            assert.is_truthy(details.hint:find(host .. ": timeout", 1, true))
        end
        assert.same({ "http://alias.test:2379" }, hosts_of(cli))
    end)

    it("adopts those that answer, and the others once they do", function()
        local is_reachable = false
        local cli = assert(bed.new { http_host = m1, timeout = 3 })
        intercept(cli, function(_, attempt)
            return attempt.endpoint.http_host == m3 and not is_reachable and "timeout" or nil
        end)
        local log = captured_log.start()
        local first = cli:sync()
        local after_first = hosts_of(cli)
        is_reachable = true
        local second = cli:sync()
        log.stop()
        assert.is_true(first)
        assert.same(sorted(m1, m2), after_first)
        assert.is_true(second)
        assert.same(sorted(m1, m2, m3), hosts_of(cli))
        assert.equal(2, log.count "^%[notice%] endpoints: http.*, from the list of members of http://127.0.0.1:%d+$")
    end)

    it("keeps the configured endpoint of a member whose address does not answer", function()
        local alias = "http://alias.test:2379"
        local cli = assert(bed.new { http_host = { m1, alias, "http://other.test:2379" }, init_count = -1, timeout = 3 })
        local template = assert(bed.new { http_host = m2 }).endpoints[1]
        intercept(cli, function(_, attempt)
            local host = attempt.endpoint.http_host
            if host == alias then
                attempt.endpoint = template -- the alias leads to m2
            elseif host ~= m1 and host ~= m3 then
                return "timeout"
            end
        end)
        assert.is_true(cli:sync())
        assert.same(sorted(m1, m3, alias), hosts_of(cli))
    end)

    it("adopts no address that belongs to another cluster", function()
        local cli = assert(bed.new { http_host = m1, timeout = 3 })
        local other = assert(bed.new { http_host = bed.single.http }).endpoints[1]
        intercept(cli, function(_, attempt)
            if attempt.endpoint.http_host == m3 then
                attempt.endpoint = other
            end
        end)
        assert.is_true(cli:sync())
        assert.same(sorted(m1, m2), hosts_of(cli))
    end)
end)

describe("sync_interval", function()
    local INTERVAL_OF_STREAMS = 0.05

    -- Returns a client, and a function that returns how often it has read the member list.
    local function counted(opts)
        local all = { http_host = m1, sync_interval = INTERVAL_OF_STREAMS, timeout = 60 }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        local cli, lists = assert(bed.new(all)), 0
        intercept(cli, function(rpc)
            lists = lists + (is_list(rpc) and 1 or 0)
        end)
        return cli, function() return lists end
    end

    local function eventually(check)
        return fake.eventually(function()
            ngx.sleep(0.01)
            return check()
        end)
    end

    local function assert_lists_while_open(lists)
        local before = lists()
        assert.is_true(eventually(function() return lists() >= before + 3 end))
    end

    local function assert_ends(cli, lists)
        local loop = cli.sync_plan.loop
        assert.is_true(eventually(function() return not loop.is_started end))
        local before = lists()
        ngx.sleep(4 * INTERVAL_OF_STREAMS)
        assert.equal(before, lists())
    end

    it("applies while a client has only a watcher, and ends with it", function()
        local cli, lists = counted()
        local watcher = assert(cli:watcher(bed.key "sync-loop"))
        assert_lists_while_open(lists)
        assert.same(sorted(m1, m2, m3), hosts_of(cli))
        watcher:close()
        assert_ends(cli, lists)
        watcher = assert(cli:watcher(bed.key "sync-loop"))
        assert_lists_while_open(lists)
        watcher:close()
        assert_ends(cli, lists)
    end)

    it("applies while a client has only a mirror, and ends with it", function()
        local cli, lists = counted()
        local mirror = assert(cli:mirror(bed.key "sync-loop-mirror"))
        assert(mirror:wait_ready(5))
        assert_lists_while_open(lists)
        mirror:close()
        assert_ends(cli, lists)
    end)

    it("applies while a client has only the reader of a watch, and ends when it is canceled", function()
        local cli, lists = counted()
        local reader, _, handle = assert(cli:watch(bed.key "sync-loop-reader", { need_cancel = true }))
        assert.is_true(reader().result.created)
        assert_lists_while_open(lists)
        cli:watchcancel(handle)
        assert.is_nil((reader()))
        assert_ends(cli, lists)
    end)

    it("ends with a reader that is garbage, and keeps no client alive", function()
        local weak = setmetatable({}, { __mode = "v" })
        local loop
        do
            local cli, lists = counted()
            local reader = assert(cli:watch(bed.key "sync-loop-garbage"))
            assert.is_true(reader().result.created)
            assert_lists_while_open(lists)
            weak.client, loop = cli, cli.sync_plan.loop
        end
        assert.is_true(eventually(function()
            collectgarbage()
            return weak.client == nil and not loop.is_started
        end))
    end)

    it("ends when the client is closed", function()
        local cli, lists = counted()
        local reader = assert(cli:watch(bed.key "sync-loop-closed"))
        assert_lists_while_open(lists)
        cli:close()
        assert_ends(cli, lists)
        assert.is_function(reader)
    end)

    it("does nothing for a client without streams", function()
        local cli, lists = counted()
        assert(cli:get "/k")
        ngx.sleep(4 * INTERVAL_OF_STREAMS)
        assert.is_true(lists() <= 1)
        assert.is_nil(cli.sync_plan.loop)
    end)
end)
