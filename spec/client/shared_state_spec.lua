-- Everything that clients share by a name: two clients that differ in one thing do not find each other's state, and those
-- that must share it do. The rows are those of the table in docs/architecture.md.
local bed = require "spec.support.bed"
local captured_log = require "spec.support.captured_log"
local cjson = require "cjson.safe"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"
local ports = require "spec.support.ports"
local replies = require "spec.support.etcd_replies"

local LOGIN = "/v3/auth/authenticate"

local function with(base, changes)
    local all = {}
    for _, options in ipairs { base, changes or {} } do
        for name, value in pairs(options) do
            all[name] = value
        end
    end
    return all
end

local function eventually(what, check)
    assert.is_true(fake.eventually(check), what)
end

-- One thing in which the clients of two tenants differ, and how the server behind the address recognizes the second one.
local TENANTS = {
    { "Host", { extra_headers = { Host = "tenant-b.test" } }, function(request) return request.headers.host == "tenant-b.test" end },
    { "a header field", { extra_headers = { ["X-Tenant"] = "b" } }, function(request) return request.headers["x-tenant"] == "b" end },
    { "the API prefix", { api_prefix = "/b" }, function(request) return request.path:find("^/b/") ~= nil end },
    { "the login", { user = "b", password = "x" }, function(request) return request.headers.authorization == "token-b" end },
}

describe("mirrors of two tenants that differ in", function()
    local servers, mirrors, restore, path

    before_each(function()
        restore = fake.never_ban()
        ngx.shared.watch_log:flush_all()
        path = os.tmpname()
        os.remove(path)
        servers, mirrors = {}, {}
    end)

    after_each(function()
        for _, m in ipairs(mirrors) do
            m:close()
        end
        for _, server in ipairs(servers) do
            server:close()
        end
        ngx.sleep(0.05)
        os.remove(path)
        restore()
    end)

    -- Starts a server with a key for each tenant. While `down`, it rejects the calls of both.
    local function start(is_second)
        local server
        server = fake.new(function(request)
            if server.down then
                return { fake.CLOSE }
            elseif request.path == LOGIN then
                return { fake.reply '{"header":{"revision":"10"},"token":"token-b"}' }
            elseif request.path:find "/kv/range$" then
                local value = is_second(request) and '"second"' or '"first"'
                local kv = { key = ngx.encode_base64 "/t/k", value = ngx.encode_base64(value) }
                kv.create_revision, kv.mod_revision, kv.version = "5", "5", "1"
                return { replies.read(10, { kv }) }
            elseif request.path:find "/watch$" then
                return { replies.created(10) }
            end
            return { fake.reply '{"header":{"revision":"10"}}' }
        end)
        servers[#servers + 1] = server
        return server
    end

    local function mirror(server, changes, opts)
        local cli = assert(bed.new(with({ http_host = server.http_host, timeout = 2, health = {} }, changes)))
        local m = assert(cli:mirror("/t/", opts))
        mirrors[#mirrors + 1] = m
        return m
    end

    for _, tenant in ipairs(TENANTS) do
        local name, changes, is_second = tenant[1], tenant[2], tenant[3]

        it(name .. " have separate states in each worker, and in the log of all workers", function()
            local server = start(is_second)
            for _, opts in ipairs { { mode = "worker" }, { mode = "shared", shm_name = "watch_log" } } do
                local first, second = mirror(server, {}, opts), mirror(server, changes, opts)
                assert(first:wait_ready(5))
                assert(second:wait_ready(5))
                assert.same({ "first", "second" }, { (first:get "/t/k"), (second:get "/t/k") })
            end
            assert.equal(2, ngx.shared.watch_log:get "etcd logs 1|slots")
        end)

        it(name .. " do not start from the same snapshot file", function()
            local server = start(is_second)
            local opts = { snapshot = path, snapshot_interval = 0.01 }
            local first = mirror(server, {}, opts)
            assert(first:wait_ready(5))
            eventually("a snapshot", function() return io.open(path) ~= nil end)
            first:close()
            server.down = true
            local log = captured_log.start()
            local again, second = mirror(server, {}, opts), mirror(server, changes, opts)
            assert(again:wait_ready(5))
            assert.equal("first", (again:get "/t/k"))
            local rejected = fake.eventually(function()
                return log.count("snapshot: not used: .*: snapshot of other keys, or of a client with other options") == 1
            end)
            log.stop()
            assert.is_true(rejected, table.concat(log.lines, "\n"))
            assert.is_false(second:ready())
        end)
    end

    it("the serializer only share one log, each with its own values", function()
        local server = start(function() return false end)
        local opts = { mode = "shared", shm_name = "watch_log" }
        local json, raw = mirror(server, {}, opts), mirror(server, { serializer = "raw", timeout = 3 }, opts)
        assert(json:wait_ready(5))
        assert(raw:wait_ready(5))
        assert.same({ "first", '"first"' }, { (json:get "/t/k"), (raw:get "/t/k") })
        assert.equal(1, ngx.shared.watch_log:get "etcd logs 1|slots")
        local watches = 0
        for _, request in ipairs(server.requests) do
            watches = watches + (request.path == "/v3/watch" and 1 or 0)
        end
        assert.equal(1, watches)
    end)
end)

describe("mirrors of two clients that differ in ssl_verify only", function()
    -- the certificate is of other names
    local options = { http_host = bed.tls.http, sni = "wrong.test", timeout = 2, health = {} }
    local mirrors = {}
    local path

    before_each(function()
        ngx.shared.watch_log:flush_all()
        path = os.tmpname()
        os.remove(path)
        assert(assert(bed.new(with(options, { ssl_verify = false }))):set("/verify/k", "unverified"))
    end)

    after_each(function()
        for i = #mirrors, 1, -1 do
            mirrors[i]:close()
            mirrors[i] = nil
        end
        ngx.sleep(0.05)
        os.remove(path)
    end)

    local function mirror(ssl_verify, opts)
        local m = assert(assert(bed.new(with(options, { ssl_verify = ssl_verify }))):mirror("/verify/", opts))
        mirrors[#mirrors + 1] = m
        return m
    end

    for name, opts in pairs {
        ["in each worker"] = { mode = "worker" },
        ["in the log of all workers"] = { mode = "shared", shm_name = "watch_log" },
    } do
        it("have separate states " .. name .. ": the one that cannot verify is not served", function()
            local unverified = mirror(false, opts)
            assert(unverified:wait_ready(5))
            assert.equal("unverified", (unverified:get "/verify/k"))
            local verified = mirror(true, opts)
            eventually("an error", function() return verified:state().err ~= nil end)
            assert.is_truthy(verified:state().err:find("certificate", 1, true), verified:state().err)
            assert.is_false(verified:ready())
        end)
    end

    it("do not start from the same snapshot file", function()
        local opts = { snapshot = path, snapshot_interval = 0.01 }
        local unverified = mirror(false, opts)
        assert(unverified:wait_ready(5))
        eventually("a snapshot", function() return io.open(path) ~= nil end)
        unverified:close()
        local verified = mirror(true, opts)
        eventually("an error", function() return verified:state().err ~= nil end)
        assert.is_false(verified:ready())
    end)
end)

describe("mirrors of two clients of a real etcd that differ in", function()
    local auth = bed.auth
    local base = { http_host = auth.http, user = auth.user, password = auth.password, timeout = 3, health = {} }
    local dir, path, mirrors

    before_each(function()
        ngx.shared.watch_log:flush_all()
        dir, mirrors = bed.key "logins", {}
        path = os.tmpname()
        os.remove(path)
        assert(assert(bed.new(base)):set(dir .. "k", "of root"))
    end)

    after_each(function()
        for _, m in ipairs(mirrors) do
            m:close()
        end
        ngx.sleep(0.05)
        os.remove(path)
    end)

    local function mirror(opts, mirror_opts)
        local m = assert(assert(bed.new(opts)):mirror(dir, mirror_opts))
        mirrors[#mirrors + 1] = m
        return m
    end

    for name, case in pairs {
        ["the password"] = { opts = with(base, { password = "wrong" }), err = "authenticate refresh token fail" },
        ["the user"] = {
            opts = with(base, { user = "reader", password = auth.reader.password }), err = "etcdserver: permission denied",
        },
        ["having a login"] = { opts = { http_host = auth.http, timeout = 3, health = {} }, err = "etcdserver: user name is empty" },
    } do
        it(name .. " share neither the log nor the snapshot file: the other one has etcd's error", function()
            for _, opts in ipairs {
                { mode = "shared", shm_name = "watch_log" }, { mode = "worker", snapshot = path, snapshot_interval = 0.01 },
            } do
                local own = mirror(base, opts)
                assert(own:wait_ready(5))
                assert.equal("of root", (own:get(dir .. "k")))
                if opts.snapshot then
                    eventually("a snapshot", function() return io.open(path) ~= nil end)
                    own:close()
                end
                local other = mirror(case.opts, opts)
                eventually("an error", function() return other:state().err ~= nil end)
                assert.equal(1, (other:state().err:find(case.err, 1, true)), other:state().err)
                assert.is_false(other:ready())
            end
        end)
    end

    it("nothing share both, and neither the dict nor the file has a readable secret", function()
        local opts = with(base, { auth_shm_name = "watch_log", extra_headers = { ["X-Api-Key"] = "secret-of-header" } })
        opts.health = { shm_name = "watch_log", max_fails = 1 }
        local shared = { mode = "shared", shm_name = "watch_log", snapshot = path, snapshot_interval = 0.01 }
        local first, second = mirror(opts, shared), mirror(with(opts, { serializer = "raw" }), shared)
        assert(first:wait_ready(5))
        assert(second:wait_ready(5))
        assert.equal(1, ngx.shared.watch_log:get "etcd logs 1|slots")
        assert.is_nil((assert(bed.new(with(opts, { http_host = "http://127.0.0.1:1" }))):get "/k"))
        eventually("a snapshot", function() return io.open(path) ~= nil end)
        local file = assert(io.open(path, "rb"))
        local texts = { file:read "*a" }
        file:close()
        for _, key in ipairs(ngx.shared.watch_log:get_keys(0)) do
            texts[#texts + 1] = key
            texts[#texts + 1] = tostring(ngx.shared.watch_log:get(key))
        end
        assert.is_true(#texts > 20)
        for _, secret in ipairs { auth.password, "secret-of-header" } do
            for _, form in ipairs { secret, ngx.md5(secret), ngx.encode_base64(secret), ngx.encode_base64(ngx.sha1_bin(secret), true) } do
                assert.is_nil(table.concat(texts, "\n"):find(form, 1, true), form)
            end
        end
    end)
end)

describe("two clients with one shared dict of tokens", function()
    local server, logins, restore

    before_each(function()
        restore = fake.never_ban()
        ngx.shared.test:flush_all()
        logins = 0
        server = fake.new(function(request)
            if request.path:find "/auth/authenticate$" then
                logins = logins + 1
                return { fake.reply(('{"header":{"revision":"1"},"token":"token-%d"}'):format(logins)) }
            end
            return { fake.reply '{"header":{"revision":"1"}}' }
        end)
    end)

    after_each(function()
        server:close()
        ngx.shared.test:flush_all()
        restore()
    end)

    local base = { user = "u", password = "p/word", auth_shm_name = "test", timeout = 3, health = {} }

    local function get(changes)
        local cli = assert(bed.new(with(with(base, { http_host = server.http_host }), changes)))
        assert.equal(200, assert(cli:get "/k").status)
        return cli.auth.token
    end

    for name, changes in pairs {
        ["ssl_verify"] = { ssl_verify = false },
        ["the server name"] = { sni = "other.test" },
        ["the CA"] = { trusted_ca = "/other.pem" },
        ["Host"] = { extra_headers = { Host = "tenant.test" } },
        ["a header field"] = { extra_headers = { ["X-Tenant"] = "b" } },
        ["the API prefix"] = { api_prefix = "/b" },
        ["the proxy"] = { unix_socket_proxy = "unix:/no/such.sock" },
        ["the user"] = { user = "v" },
        ["the password"] = { password = "other" },
    } do
        it("that differ in " .. name .. " do not share a token", function()
            assert.equal("token-1", get())
            assert.equal("token-2", get(changes))
            assert.equal("token-1", get())
            assert.equal(2, logins)
        end)
    end

    it("that differ in the serializer share it", function()
        assert.equal("token-1", get())
        assert.equal("token-1", get { serializer = "raw", timeout = 1, key_prefix = "/x" })
    end)
end)

describe("two clients with one shared dict of health", function()
    local server, restore

    before_each(function()
        restore = fake.never_ban()
        ngx.shared.test:flush_all()
        server = fake.new(function(request)
            if request.headers["x-tenant"] == "broken" then
                return { fake.reply('{"code":14,"message":"no backend"}', "503 Service Unavailable") }
            end
            return { fake.reply '{"header":{"revision":"1"}}' }
        end)
    end)

    after_each(function()
        server:close()
        ngx.shared.test:flush_all()
        restore()
    end)

    local function client(changes)
        local health = { max_fails = 1, fail_timeout = 60, fail_open = false, retry = false, shm_name = "test" }
        return assert(bed.new(with({ http_host = server.http_host, timeout = 2, health = health }, changes)))
    end

    local function outcome(cli)
        local res, _, details = cli:get "/k"
        return res and res.status or details.name
    end

    it("that differ in a header field do not eject each other's endpoints", function()
        local broken = { extra_headers = { ["X-Tenant"] = "broken", ["X-Token"] = "secret-of-tenant" } }
        assert.equal("unavailable", outcome(client(broken)))
        assert.equal("no_endpoint", outcome(client(broken)))
        assert.equal(200, outcome(client()))
        for _, key in ipairs(ngx.shared.test:get_keys(0)) do
            assert.is_nil(key:find("secret-of-tenant", 1, true))
        end
    end)

    it("that differ in the login share the ejections", function()
        local broken = { extra_headers = { ["X-Tenant"] = "broken" } }
        assert.equal("unavailable", outcome(client(broken)))
        local other = with(broken, { serializer = "raw", key_prefix = "/x", user = "u", password = "p" })
        assert.equal("no_endpoint", outcome(client(other)))
    end)
end)

describe("two clients with the shared health check", function()
    it("share the bans of an endpoint, whatever they differ in", function()
        local restore = fake.never_ban()
        health_check.init { fail_timeout = 60 }
        finally(restore)
        local host = "http://127.0.0.1:" .. ports.free()
        local res = assert(bed.new { http_host = host, timeout = 2 }):get "/k"
        assert.is_nil(res)
        local other = { http_host = host, ssl_verify = false, user = "u", password = "p", extra_headers = { Host = "x.test" } }
        local _, err = assert(bed.new(other)):get "/k"
        assert.equal("has no healthy etcd endpoint available", err)
    end)
end)

describe("two clients in one worker", function()
    local server, restore

    before_each(function()
        restore = fake.never_ban()
        server = fake.new { fake.reply '{"header":{"revision":"1"}}' }
    end)

    after_each(function()
        server:close()
        restore()
    end)

    local function client(changes)
        return assert(bed.new(with({ http_host = server.http_host, timeout = 2, health = {} }, changes)))
    end

    it("that differ in Host, header fields and login share connections, and each request carries its own", function()
        local function of(tenant)
            return client { extra_headers = { Host = tenant .. ".test", ["X-Tenant"] = tenant } }
        end
        local a, b = of "a", of "b"
        for _ = 1, 2 do
            assert(a:get "/k")
            assert(b:get "/k")
        end
        assert.equal(1, server.connections)
        local seen = {}
        for i, request in ipairs(server.requests) do
            seen[i] = request.headers.host .. " " .. request.headers["x-tenant"]
        end
        assert.same({ "a.test a", "b.test b", "a.test a", "b.test b" }, seen)
    end)

    it("that receive equal heads of responses have separate tables of header fields", function()
        local a, b = assert(client():get "/k"), assert(client({ user = nil, serializer = "raw" }):get "/k")
        a.headers["X-Mine"] = "a"
        assert.is_nil(b.headers["X-Mine"])
        assert.is_nil(assert(client():get "/k").headers["X-Mine"])
    end)

    it("that do not differ have separate watch streams, revisions and followed clusters", function()
        server:serve(function(request)
            if request.path:find "/watch$" then
                return { replies.created(10) }
            end
            return { replies.read(request.headers["x-tenant"] and 5 or 10) }
        end)
        local a, b = client { monotonic = true }, client { monotonic = true, extra_headers = { ["X-Tenant"] = "b" } }
        assert(a:get("/k", { serializable = true }))
        assert(b:get("/k", { serializable = true })) -- of revision 5, and not stale for this client
        assert.are_not.equal(a.cluster, b.cluster)
        local watchers = {}
        for i, cli in ipairs { a, a, client(), client() } do
            watchers[i] = assert(cli:watcher "k")
        end
        eventually("streams", function()
            for _, watcher in ipairs(watchers) do
                if not watcher:stats().connected then
                    return false
                end
            end
            return true
        end)
        local watches = 0
        for _, request in ipairs(server.requests) do
            watches = watches + (request.path == "/v3/watch" and 1 or 0)
        end
        for _, watcher in ipairs(watchers) do
            watcher:close()
        end
        assert.equal(3, watches)
    end)

    it("that differ in the login find each other's last failure in the hint of no_endpoint", function()
        local host = "http://127.0.0.1:" .. ports.free()
        health_check.init { fail_timeout = 60 }
        assert.is_nil((assert(bed.new { http_host = host, timeout = 2 }):get "/k"))
        local _, _, details = assert(bed.new { http_host = host, timeout = 2, extra_headers = { ["X-Tenant"] = "b" } }):get "/k"
        assert.equal("no_endpoint", details.name)
        assert.is_truthy(details.hint:find(host .. ": connection refused", 1, true), details.hint)
    end)

    it("that differ in a header field only delay each other's probes of an ejected endpoint", function()
        local client_health = require "resty.etcd.endpoint.client_health"
        local memory_dict = require "resty.etcd.base.memory_dict"
        local dict, healths, endpoints = memory_dict.new(), {}, { { http_host = "probed-" .. ngx.now() } }
        for i, scope in ipairs { "a", "b" } do
            healths[i] = client_health.new { max_fails = 1, fail_timeout = 0, max_fail_timeout = 0, fail_open = false }
            healths[i].dict = dict
            client_health.set_scope(healths[i], scope)
            client_health.failed(healths[i], endpoints[1].http_host)
        end
        assert.equal(endpoints[1], client_health.pick(healths[1], endpoints, 0))
        assert.is_nil(client_health.pick(healths[2], endpoints, 0))
        client_health.failed(healths[1], endpoints[1].http_host)
        local probed
        eventually("a probe of the second client", function()
            probed = probed or client_health.pick(healths[2], endpoints, 0)
            return probed == endpoints[1]
        end)
    end)

    it("that differ in the login share a connection of gRPC, and each request has its own login", function()
        local auth = bed.auth
        local function of(user, password)
            return assert(bed.new { http_host = auth.http, transport = "grpc", user = user, password = password, timeout = 5 })
        end
        local root, reader, none = of(auth.user, auth.password), of("reader", auth.reader.password), of()
        local key = bed.key "grpc" .. "k"
        assert(root:set(key, "v"))
        for _ = 1, 2 do
            assert.equal("v", assert(root:get(key)).body.kvs[1].value)
            assert.equal("etcdserver: permission denied", assert(reader:get(key)).body.error)
            assert.equal("etcdserver: user name is empty", assert(none:get(key)).body.error)
        end
        local peer = require("resty.etcd.transport.grpc.peer").at("127.0.0.1", auth.port)
        for _, cli in ipairs { root, reader, none } do
            local _, target = next(cli.transport.targets.by_url)
            assert.equal(peer, target.peer)
        end
    end)

    it("that differ in an option of TLS have separate pools", function()
        local cosocket = require "resty.etcd.transport.http.cosocket"
        local names = {}
        for i, changes in ipairs {
            {}, { ssl_verify = false }, { sni = "a" }, { sni = "b" }, { trusted_ca = "/ca" }, { keepalive_pool = 3 },
            { ssl_cert_path = "/a", ssl_key_path = "/b" }, { ssl_cert = "/a", ssl_key = "/b" },
            { sni = "a|b" }, { http_host = "https://b.test" }, { http_host = "https://a.test:1" },
            { http_host = "http://a.test" }, { http_host = "https://unix:/a.test" },
        } do
            local cli = client(with({ http_host = "https://a.test" }, changes))
            local connector
            cli.transport.pick = function(template)
                connector = template.pool.pool
                error "not sent"
            end
            pcall(cli.get, cli, "/k")
            assert.is_nil(names[connector], i)
            names[connector] = i
        end
        local target = { scheme = "https", host = "h", port = 1, server_name = "h" }
        local options = { pool_size = 1, tls = { identity = "x" } }
        for i, via in ipairs { "", "resty.http", "unix:/p", "unix:/p|h" } do
            local name = cosocket.pool_options(options, target, via).pool
            assert.is_nil(names[name], via)
            names[name] = i
        end
    end)

    it("that differ in the password log in separately, also at the same time", function()
        local logins = {}
        server:serve(function(request)
            if request.path ~= LOGIN then
                return { fake.reply '{"header":{"revision":"1"}}' }
            end
            local password = cjson.decode(request.body).password
            logins[#logins + 1] = password
            if password == "wrong" then
                return { 0.05, fake.reply('{"code":3,"message":"authentication failed"}', "400 Bad Request") }
            end
            return { 0.05, fake.reply '{"header":{"revision":"1"},"token":"t"}' }
        end)
        local threads, results = {}, {}
        for i, password in ipairs { "right", "wrong", "right" } do
            local cli = client { user = "u", password = password }
            threads[i] = ngx.thread.spawn(function()
                local res, err = cli:get "/k"
                results[i] = res and res.status or err
            end)
        end
        for _, thread in ipairs(threads) do
            ngx.thread.wait(thread)
        end
        assert.same({ 200, "authenticate refresh token fail", 200 }, results)
        table.sort(logins)
        assert.same({ "right", "right", "wrong" }, logins)
    end)

    it("that do not differ have separate markers and leases of idempotent writes", function()
        local a, b = assert(bed.new()), assert(bed.new())
        for _, cli in ipairs { a, b } do
            assert(cli:set(bed.key "idempotent", "v", { idempotent = true }))
        end
        assert.are_not.equal(a.markers.worker, b.markers.worker)
        assert.are_not.equal(a.markers.lease, b.markers.lease)
    end)

    it("that do not differ have separate counters, and mirrors of one prefix separate indexes", function()
        local a, b = client { metrics = true }, client { metrics = true }
        assert(a:get "/k")
        assert.is_truthy(next(assert(a:stats())))
        assert.is_nil(next(assert(b:stats())))
        local cli, dir = assert(bed.new()), bed.key "indexes"
        assert(cli:set(dir .. "k", "v"))
        local first = assert(cli:mirror(dir, { index = { by = function() return "first" end } }))
        local second = assert(cli:mirror(dir, { index = { by = function() return "second" end } }))
        assert(first:wait_ready(5))
        assert(second:wait_ready(5))
        local counts = {}
        for i, m in ipairs { first, second } do
            for _, value in ipairs { "first", "second" } do
                counts[#counts + 1] = ("%d %s %d"):format(i, value, #m:by("by", value))
            end
            m:close()
        end
        assert.same({ "1 first 1", "1 second 0", "2 first 0", "2 second 1" }, counts)
    end)

    it("that make the same mistake log it once, and another one again", function()
        local unique = "http_hosts" .. ngx.worker.pid()
        local log = captured_log.start()
        for _, name in ipairs { unique, unique, unique .. "x" } do
            require("resty.etcd.base.warn_once").warn("etcd.new", name)
        end
        log.stop()
        assert.equal(2, log.count("etcd.new: " .. unique))
    end)

    if os.getenv("RESTY_DNS_PATH") then
        it("that differ in the nameservers resolve a name separately", function()
            local a = client { http_host = "http://name.test:1", resolve = { nameservers = { "127.0.0.1" } } }
            local b = client { http_host = "http://name.test:1", resolve = { nameservers = { "127.0.0.2" } } }
            local endpoints = require "resty.etcd.endpoint.dns_endpoints"
            local _, name = next(a.dns.resolved)
            endpoints.update_addresses(a, a.dns, name, 1, { "10.0.0.1" })
            assert.equal("http://10.0.0.1:1", a.endpoints[1].http_host)
            assert.equal("http://name.test:1", b.endpoints[1].http_host)
        end)
    end
end)

describe("streams of two tenants at one member that differ in a header field #alone", function()
    it("are not closed because the member does not respond to the other tenant", function()
        local restore = fake.never_ban()
        local function answer(request)
            if request.path == "/v3/watch" then
                return { replies.created(10) }
            elseif request.headers["x-tenant"] == "silent" and request.body:find('"serializable":true', 1, true) then
                return { 60 }
            end
            return { replies.read(10) }
        end
        local servers = { fake.new(answer), fake.new(answer) }
        local watchers = {}
        finally(function()
            for _, watcher in ipairs(watchers) do
                watcher:close()
            end
            for _, server in ipairs(servers) do
                server:close()
            end
            restore()
        end)
        for i, tenant in ipairs { "silent", "well" } do
            local cli = assert(bed.new {
                http_host = { servers[1].http_host, servers[2].http_host }, timeout = 2, init_count = -1,
                extra_headers = { ["X-Tenant"] = tenant },
            })
            watchers[i] = assert(cli:watcher "k")
        end
        local stop = ngx.now() + 20
        while watchers[1]:stats().opened < 2 and ngx.now() < stop do
            ngx.sleep(0.1)
        end
        ngx.sleep(1)
        assert.is_true(watchers[1]:stats().opened >= 2)
        assert.equal(1, watchers[2]:stats().opened)
    end)
end)
