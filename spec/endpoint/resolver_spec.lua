-- Names that the driver resolves itself: each address is an endpoint; `Host` and TLS still use the name.
local bed = require "spec.support.bed"
local cjson = require "cjson.safe"
local dns = require "spec.support.dns"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"
local driver_dns = require "resty.etcd.endpoint.dns"

local has_library = pcall(require, "resty.dns.resolver")
local OK = '{"header":{"revision":"1"}}'

local function elapsed(fn)
    ngx.update_time()
    local started = ngx.now()
    local res, err, details = fn()
    ngx.update_time()
    return ngx.now() - started, res, err, details
end

local function hosts_of(cli)
    local hosts = {}
    for i, endpoint in ipairs(cli.endpoints) do
        hosts[i] = endpoint.http_host
    end
    return hosts
end

describe("option resolve", function()
    it("rejects invalid values", function()
        local texts = {
            [1] = "opts.resolve must be boolean or table",
            ["yes"] = "opts.resolve must be boolean or table",
            [{ interval = 0 }] = "opts.resolve.interval must be number of seconds",
            [{ interval = "1" }] = "opts.resolve.interval must be number of seconds",
            [{ ipv6 = 1 }] = "opts.resolve.ipv6 must be boolean",
            [{ intervall = 5 }] = "unknown option intervall; did you mean interval?",
        }
        for value, text in pairs(texts) do
            local cli, err = bed.new { resolve = value }
            assert.is_nil(cli)
            assert.equal(text, err)
        end
        assert(bed.new { resolve = false })
    end)

    it("is an error if lua-resty-dns is not installed", function()
        local path, preloaded, loaded =
            package.path, package.preload["resty.dns.resolver"], package.loaded["resty.dns.resolver"]
        finally(function()
            package.path, package.preload["resty.dns.resolver"] = path, preloaded
            package.loaded["resty.dns.resolver"] = loaded
        end)
        package.path, package.preload["resty.dns.resolver"], package.loaded["resty.dns.resolver"] = "", nil, nil
        local cli, err = bed.new { resolve = true }
        assert.is_nil(cli)
        assert.equal("opts.resolve: lua-resty-dns is not installed", err)
    end)

    it("reads nameservers from resolv.conf, without those that nginx cannot use", function()
        assert.same(
            { { "10.0.0.1", 53 }, { "[2001:db8::53]", 53 }, { "10.0.0.2", 53 } },
            driver_dns.in_resolv_conf("nameserver 10.0.0.1\n# nameserver 10.9.9.9\nsearch a.test\r\n"
                .. "nameserver\t2001:db8::53\nnameserver fe80::1%eth0\nnameserver 10.0.0.2")
        )
        assert.same({}, driver_dns.in_resolv_conf("options edns0\n"))
    end)
end)

describe("resolver", function()
    if not has_library then
        pending("all specs: lua-resty-dns is not installed, set RESTY_DNS_PATH")
        return
    end

    local prefix = bed.key("names")
    local nameserver, servers

    -- Creates a client of a name. Each spec uses other names, because the health state of endpoints outlives it.
    local function new(opts, interval)
        opts.resolve = opts.resolve or { nameservers = { { "127.0.0.1", nameserver.port } }, interval = interval }
        return assert(bed.new(opts))
    end

    local function serve(...)
        local server = fake.new(...)
        servers[#servers + 1] = server
        return server
    end

    -- Makes calls, which can fail, until the client has these endpoints.
    local function eventually_at(cli, hosts)
        fake.eventually(function()
            cli:version()
            return cjson.encode(hosts_of(cli)) == cjson.encode(hosts)
        end)
        assert.same(hosts, hosts_of(cli))
    end

    before_each(function()
        nameserver = dns.new {}
        servers = {}
        health_check.init { shm_name = "test", fail_timeout = 60, max_fails = 1, retry = true }
        ngx.shared.test:flush_all()
    end)

    after_each(function()
        nameserver:close()
        for _, server in ipairs(servers) do
            server:close()
        end
        health_check.init()
        ngx.shared.test:flush_all()
    end)

    teardown(function()
        assert(assert(bed.new()):rmdir(prefix))
    end)

    describe("with one dead address of a name", function()
        local alive, dead, name

        before_each(function()
            alive, dead = bed.single.http, "http://127.0.0.2:" .. bed.single.port
            name = "http://etcd.test:" .. bed.single.port
            nameserver.records["etcd.test"] = { A = { "127.0.0.2", "127.0.0.1" } }
        end)

        local function all_calls_succeed(cli)
            for i = 1, 6 do
                assert(cli:set(prefix .. i, i))
                assert.equal(i, assert(cli:get(prefix .. i)).body.kvs[1].value)
            end
            assert.same({ alive, dead }, hosts_of(cli))
            assert.is_true(cli.is_cluster)
        end

        it("succeeds with the shared health check, which bans only that address", function()
            all_calls_succeed(new { http_host = name })
            assert.is_true((health_check.get_target_status(alive)))
            assert.is_false((health_check.get_target_status(dead)))
            assert.is_true((health_check.get_target_status(name)))
        end)

        it("succeeds with the client's own health check, which ejects only that address", function()
            local seen = {}
            all_calls_succeed(new {
                http_host = name,
                health = { max_fails = 1, fail_timeout = 60, shm_name = "test" },
                on_call = function(info)
                    seen[info.endpoint] = true
                end,
            })
            assert.same({ [alive] = true }, seen)
            local ejected = {}
            for _, key in ipairs(ngx.shared.test:get_keys(0)) do
                ejected[#ejected + 1] = key:match "^resty%.etcd|away|.*|(http.*)$"
            end
            assert.same({ dead }, ejected)
        end)

        it("opens a watch at the other address", function()
            for start = 0, 1 do
                ngx.shared.test:flush_all()
                local cli = new { http_host = name, init_count = start }
                local reader, err, handle = cli:watch(prefix .. "watched", { need_cancel = true, timeout = 5 })
                assert(reader, err)
                assert.is_true(assert(reader()).result.created)
                assert(assert(bed.new()):set(prefix .. "watched", start))
                assert.equal(start, assert(reader()).result.events[1].kv.value)
                assert.equal(1, (cli:watchcancel(handle)))
            end
        end)
    end)

    describe("uses the name", function()
        it("in Host, with the port, for calls, /version and watches", function()
            local server = serve({ fake.reply(OK) })
            nameserver.records["host.test"] = { A = { "127.0.0.1" } }
            local cli = new { http_host = "http://host.test:" .. server.port .. "/base/" }
            assert(cli:get("k"))
            assert(cli:version())
            cli:watch("k", { timeout = 2 })
            assert.same({ server.http_host .. "/base" }, hosts_of(cli))
            assert.equal("host.test", cli.endpoints[1].dns_name)
            assert.same({ "/base/v3/kv/range", "/base/version", "/base/v3/watch" },
                { server.requests[1].path, server.requests[2].path, server.requests[3].path })
            for _, request in ipairs(server.requests) do
                assert.equal("host.test:" .. server.port, request.headers.host)
            end
        end)

        it("in Host if two names share an address", function()
            local server = serve({ fake.reply(OK) })
            nameserver.records["one.test"] = { A = { "127.0.0.1" } }
            nameserver.records["two.test"] = { A = { "127.0.0.1" } }
            local cli = new {
                http_host = { "http://one.test:" .. server.port, "http://two.test:" .. server.port }, init_count = -1,
            }
            local hosts = {}
            for i = 1, 4 do
                assert(cli:get("k"))
                hosts[i] = server.requests[i].headers.host:match("^[^:]+")
            end
            assert.same({ "one.test", "two.test", "one.test", "two.test" }, hosts)
        end)

        it("in TLS, for which the certificate must be valid", function()
            nameserver.records["etcd.test"] = { A = { "127.0.0.1" } }
            nameserver.records["wrong.test"] = { A = { "127.0.0.1" } }
            local cli = new { http_host = "https://etcd.test:" .. bed.tls.port }
            assert(cli:set(prefix .. "tls", 1))
            assert.equal(bed.version, assert(cli:version()).body.etcdserver)
            local reader, err, handle = cli:watch(prefix .. "tls", { need_cancel = true })
            assert(reader, err)
            assert.is_true(assert(reader()).result.created)
            assert.equal(1, (cli:watchcancel(handle)))
            assert(cli:delete(prefix .. "tls"))
            assert.same({ bed.tls.http }, hosts_of(cli))
            cli = new { http_host = "https://wrong.test:" .. bed.tls.port, health = { retry = false } }
            local res, _, details = cli:get("k")
            assert.is_nil(res)
            assert.equal("connect_failed", details.name)
            assert.equal(bed.tls.http, details.endpoint)
        end)
    end)

    it("uses IPv6 addresses", function()
        if not bed.single.ipv6 then
            pending("this machine has no IPv6")
            return
        end
        nameserver.records["six.test"] = { AAAA = { "::1" } }
        local cli = new { http_host = "http://six.test:" .. bed.single.ipv6:match("%d+$") }
        assert.equal(bed.version, assert(cli:version()).body.etcdserver)
        assert.equal(200, assert(cli:get("k")).status)
        assert.same({ bed.single.ipv6 }, hosts_of(cli))
        nameserver.records["both.test"] =
            { A = { "127.0.0.1", "127.0.0.1" }, AAAA = { "2001:db8:0:0:1::2", "::1" } }
        cli = new { http_host = "http://both.test:1" }
        eventually_at(cli, { "http://127.0.0.1:1", "http://[2001:db8::1:0:0:2]:1", "http://[::1]:1" })
    end)

    it("queries no IPv6 addresses if ipv6 is false", function()
        nameserver.records["both.test"] = { A = { "127.0.0.1" }, AAAA = { "::1" } }
        local cli = new {
            http_host = "http://both.test:1", timeout = 1,
            resolve = { nameservers = { { "127.0.0.1", nameserver.port } }, ipv6 = false },
        }
        cli:version()
        assert.same({ "http://127.0.0.1:1" }, hosts_of(cli))
        ngx.sleep(0.3)
        assert.same({ "http://127.0.0.1:1" }, hosts_of(cli))
        assert.same({ "both.test A" }, nameserver.queries)
    end)

    it("sends one lookup for concurrent calls, which all wait for it", function()
        local server = serve({ fake.reply(OK) })
        nameserver.records["rush.test"] = { A = { "127.0.0.1" } }
        local cli = new { http_host = "http://rush.test:" .. server.port }
        local threads = {}
        for i = 1, 20 do
            threads[i] = ngx.thread.spawn(function()
                return cli:get("k")
            end)
        end
        for i = 1, 20 do
            local _, res, err = ngx.thread.wait(threads[i])
            assert(res, err)
        end
        table.sort(nameserver.queries)
        assert.same({ "rush.test A", "rush.test AAAA" }, nameserver.queries)
    end)

    it("sends no lookup for addresses and unix sockets", function()
        local cli = new {
            http_host = { bed.single.http, bed.single.ipv6 or bed.single.http, "unix:/nowhere/etcd.sock" }, init_count = -1,
        }
        for _ = 1, 3 do
            assert(cli:get("k"))
        end
        assert.same({}, nameserver.queries)
        assert.equal(3, #cli.endpoints)
    end)

    it("does not change the user's table of nameservers", function()
        nameserver.records["etcd.test"] = { A = { "127.0.0.1" } }
        local resolve = { nameservers = { "127.0.0.1", { "127.0.0.1", nameserver.port } } }
        local cli = new { http_host = "http://etcd.test:" .. bed.single.port, resolve = resolve }
        assert(cli:get("k"))
        assert.same({ nameservers = { "127.0.0.1", { "127.0.0.1", nameserver.port } } }, resolve)
    end)

    describe("after a change of records", function()
        it("replaces endpoints within the interval, and keeps the tables of unchanged ones", function()
            local server = serve({ fake.reply(OK) })
            local port = server.port
            nameserver.records["moving.test"] = { A = { "127.0.0.1", "127.0.0.2" } }
            local cli = new({ http_host = "http://moving.test:" .. port }, 0.1)
            eventually_at(cli, { server.http_host, "http://127.0.0.2:" .. port })
            local kept = cli.endpoints[1]
            nameserver.records["moving.test"] = { A = { "127.0.0.3", "127.0.0.1" } }
            eventually_at(cli, { server.http_host, "http://127.0.0.3:" .. port })
            assert.equal(kept, cli.endpoints[1])
            nameserver.records["moving.test"] = { A = { "127.0.0.1" } }
            eventually_at(cli, { server.http_host })
            assert.equal(kept, cli.endpoints[1])
            assert.is_false(cli.is_cluster)
        end)

        it("uses a bounded number of addresses, the same ones whatever their order", function()
            local port, addresses = bed.single.port, {}
            for i = 1, 27 do -- as many as fit into a response over UDP
                addresses[i] = "127.0.1." .. 100 - i
            end
            nameserver.records["many.test"] = { A = addresses }
            local cli = new({ http_host = "http://many.test:" .. port }, 0.1)
            cli:get("k")
            assert.is_true(fake.eventually(function() return #cli.endpoints == 16 end), #cli.endpoints .. " endpoints")
            assert.equal("http://127.0.1.73:" .. port, cli.endpoints[1].http_host)
            assert.equal("http://127.0.1.88:" .. port, cli.endpoints[16].http_host)
        end)

        it("sends no lookup for a name that is too long for DNS", function()
            local name = ("a."):rep(125) .. "test" -- 254 bytes: one more than DNS allows, but not too long for an endpoint
            new({ http_host = "http://" .. name .. ":1" }, 0.1):get("k")
            ngx.sleep(0.05)
            assert.same({}, nameserver.queries)
        end)

        it("sends lookups no more often than the interval", function()
            nameserver.records["etcd.test"] = { A = { "127.0.0.1" } }
            local cli = new { http_host = "http://etcd.test:" .. bed.single.port }
            for _ = 1, 10 do
                assert(cli:get("k"))
            end
            assert.equal(2, #nameserver.queries)
        end)

        it("uses the new address for the first call after a long pause", function()
            local fresh, call_info = serve({ fake.reply(OK) }), nil
            nameserver.records["idle.test"] = { A = { "127.0.0.2" } }
            local cli = new({ http_host = "http://idle.test:" .. fresh.port, on_call = function(info) call_info = info end }, 0.1)
            assert.is_nil((cli:get("k")))
            assert.same({ "http://127.0.0.2:" .. fresh.port }, hosts_of(cli))
            nameserver.records["idle.test"] = { A = { "127.0.0.1" } }
            ngx.sleep(0.4)
            assert(cli:get("k"))
            assert.equal(1, #fresh.requests)
            assert.same({ fresh.http_host, 1 }, { call_info.endpoint, call_info.tries }) -- no attempt at the old address
        end)

        it("resolves the names of the member list", function()
            local server = serve({
                function()
                    local urls = { "http://member.test:" .. servers[1].port }
                    return fake.reply(cjson.encode { members = { { name = "m", clientURLs = urls } } })
                end,
            })
            nameserver.records["first.test"] = { A = { "127.0.0.1" } }
            nameserver.records["member.test"] = { A = { "127.0.0.2", "127.0.0.1" } }
            local cli = new { http_host = "http://first.test:" .. server.port }
            assert(cli:sync())
            eventually_at(cli, { server.http_host, "http://127.0.0.2:" .. server.port })
            assert.equal("member.test", cli.endpoints[1].dns_name)
            local asked = #nameserver.queries
            assert(cli:sync())
            assert.same({ server.http_host, "http://127.0.0.2:" .. server.port }, hosts_of(cli))
            assert(cli:version())
            assert.equal(asked, #nameserver.queries)
        end)
    end)

    describe("keeps the last addresses of a name", function()
        local function survives(fail)
            local name = "http://blip.test:" .. bed.single.port
            local records = { A = { "127.0.0.1" }, AAAA = {} }
            nameserver.records["blip.test"] = records
            local cli = new({ http_host = name }, 0.05)
            assert(cli:get("k"))
            fail(nameserver)
            local asked = #nameserver.queries
            assert.is_true(fake.eventually(function()
                assert(cli:get("k"))
                return #nameserver.queries >= asked + 6
            end))
            assert.same({ bed.single.http }, hosts_of(cli))
            -- recovers afterwards
            nameserver.mode, nameserver.records["blip.test"] = nil, { A = { "127.0.0.1", "127.0.0.9" } }
            eventually_at(cli, { bed.single.http, "http://127.0.0.9:" .. bed.single.port })
        end

        it("while the name does not exist", function()
            survives(function()
                nameserver.records["blip.test"] = nil
            end)
        end)

        it("while the name has no addresses", function()
            survives(function()
                nameserver.records["blip.test"] = {}
            end)
        end)

        it("while the nameserver fails", function()
            survives(function()
                nameserver.mode = 2
            end)
        end)

        it("while responses are malformed", function()
            survives(function()
                nameserver.mode = "garbled"
            end)
        end)

        it("while the nameserver does not respond, without delaying calls #alone", function()
            nameserver.records["blip.test"] = { A = { "127.0.0.1" } }
            local cli = new({ http_host = "http://blip.test:" .. bed.single.port }, 0.5)
            assert(cli:get("k"))
            nameserver.mode = "silent"
            ngx.sleep(0.6)
            local seconds, res, err = elapsed(function()
                return cli:get("k")
            end)
            assert(res, err)
            assert.is_true(seconds < 1, seconds)
            assert.is_true(fake.eventually(function()
                return #nameserver.queries > 2
            end))
            assert.same({ bed.single.http }, hosts_of(cli))
        end)
    end)

    describe("without addresses of a name", function()
        it("passes the name to nginx", function()
            local cli = new { http_host = "http://unknown.test:" .. bed.single.port, health = { retry = false } }
            local res, err, details = cli:get("k")
            assert.is_nil(res)
            -- the nginx of these specs has no resolver
            assert.equal("http://unknown.test:" .. bed.single.port .. ': no resolver defined to resolve "unknown.test"', err)
            assert.equal("connect_failed", details.name)
        end)

        it("uses the addresses as soon as the nameserver has them", function()
            local cli = new({ http_host = "http://late.test:" .. bed.single.port }, 0.1)
            assert.is_nil((cli:get("k")))
            nameserver.records["late.test"] = { A = { "127.0.0.1" } }
            eventually_at(cli, { bed.single.http })
            assert(cli:get("k"))
        end)

        it("delays no call beyond its deadline, and uses the other endpoints #alone", function()
            nameserver.mode = "silent"
            local name = "http://silent.test:" .. bed.single.port
            local seconds, res = elapsed(function()
                return new({ http_host = name, timeout = 1 }):get("k")
            end)
            assert.is_nil(res)
            assert.is_true(seconds < 1.4, seconds)
            local err
            seconds, res, err = elapsed(function()
                return new({ http_host = { name, bed.single.http }, timeout = 2 }):get("k")
            end)
            assert(res, err)
            assert.is_true(seconds < 2.4, seconds)
            seconds, res = elapsed(function()
                return new({ http_host = name, timeout = 0 }):get("k")
            end)
            assert.is_nil(res)
            assert.is_true(seconds < 4, seconds)
        end)

        it("does not delay calls if only the AAAA query gets no response #alone", function()
            nameserver.records["half.test"] = { A = { "127.0.0.1" }, AAAA = false }
            local cli = new { http_host = "http://half.test:" .. bed.single.port }
            local seconds, res, err = elapsed(function()
                return cli:get("k")
            end)
            assert(res, err)
            assert.is_true(seconds < 1, seconds)
        end)
    end)

    it("completes a lookup if the request that started it is killed", function()
        nameserver.records["etcd.test"] = { A = { "127.0.0.1" } }
        nameserver.mode = "silent"
        local cli = new { http_host = "http://etcd.test:" .. bed.single.port }
        local thread = ngx.thread.spawn(cli.get, cli, "k")
        assert.is_true(fake.eventually(function()
            return #nameserver.queries >= 2
        end))
        assert(ngx.thread.kill(thread))
        nameserver.mode = nil
        assert(cli:get("k", { timeout = 4 }))
        assert.same({ bed.single.http }, hosts_of(cli))
    end)
end)
