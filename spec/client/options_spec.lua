local bed = require "spec.support.bed"
local wire = require "spec.support.wire"
local etcd = require "resty.etcd"
local health_check = require "resty.etcd.health_check"

describe("etcd.new", function()
    local prefix = bed.key("options")

    teardown(function()
        assert(assert(bed.new()):rmdir(prefix))
    end)

    local function endpoint(opts)
        local cli = assert(bed.new(opts))
        assert.equal(1, #cli.endpoints)
        return cli.endpoints[1]
    end

    it("returns an error text for each invalid option", function()
        local hosts = "opts.http_host must be string or string array"
        local timeout = "opts.timeout must be unsigned integer"
        local cases = {
            { { protocol = "v2" }, "only support etcd v3 api" },
            { { protocol = "" }, "only support etcd v3 api" },
            { { timeout = -1 }, timeout },
            { { timeout = 1 / 0 }, timeout },
            { { timeout = 2 ^ 31 }, timeout },
            { { timeout = "5" }, timeout },
            { { timeout = 0 / 0 }, timeout },
            { { ttl = "1" }, "opts.ttl must be integer" },
            { { ttl = 1.5 }, "opts.ttl must be integer" },
            { { http_host = 5 }, hosts },
            { { http_host = true }, hosts },
            { { http_host = false }, hosts },
            { { http_host = {} }, hosts },
            { { http_host = { 5 } }, hosts },
            { { http_host = { "http://127.0.0.1", 5 } }, hosts },
            { { api_prefix = 3 }, "opts.api_prefix must be string" },
            { { key_prefix = {} }, "opts.key_prefix must be string" },
            { { user = 1 }, "opts.user must be string or ignore" },
            { { user = {} }, "opts.user must be string or ignore" },
            { { password = 1 }, "opts.password must be string or ignore" },
            { { user = "u", password = true }, "opts.password must be string or ignore" },
            { { unix_socket_proxy = 1 }, "opts.unix_socket_proxy must be string or ignore" },
            { { ssl_cert_path = 1 }, "opts.ssl_cert_path must be string or ignore" },
            { { ssl_key_path = 1 }, "opts.ssl_key_path must be string or ignore" },
            { { ssl_cert = 1 }, "opts.ssl_cert must be string or ignore" },
            { { ssl_key = 1 }, "opts.ssl_key must be string or ignore" },
            { { trusted_ca = 1 }, "opts.trusted_ca must be string or ignore" },
            { { sni = 1 }, "opts.sni must be string or ignore" },
            { { init_count = "1" }, "opts.init_count must be integer" },
            { { extra_headers = "X: 1" }, "opts.extra_headers must be table or ignore" },
            { { extra_headers = { ["X-A"] = "a\r\nX-B: b" } }, "opts.extra_headers: bad header: X-A" },
            { { extra_headers = { ["X-A"] = "a\1" } }, "opts.extra_headers: bad header: X-A" },
            { { extra_headers = { ["X-A"] = "\127" } }, "opts.extra_headers: bad header: X-A" },
            { { api_prefix = "v3" }, "opts.api_prefix must be a path that starts with /" },
            { { api_prefix = "/v3 HTTP/1.1\r\nX: y" }, "opts.api_prefix must be a path that starts with /" },
            { { api_prefix = "/v3?x" }, "opts.api_prefix must be a path that starts with /" },
            { { extra_headers = { ["X-A"] = { "a" } } }, "opts.extra_headers: bad header: X-A" },
            { { extra_headers = { ["X-A"] = ngx.null } }, "opts.extra_headers: bad header: X-A" },
            { { extra_headers = { "X-A: a" } }, "opts.extra_headers: bad header: 1" },
            { { keepalive_timeout = "1" }, "opts.keepalive_timeout must be number of seconds" },
            { { keepalive_pool = 0 }, "opts.keepalive_pool must be positive integer" },
            { { transport = "smoke" }, 'opts.transport must be "resty_http", "cosocket" or "grpc"' },
        }
        for _, case in ipairs(cases) do
            local cli, err, details = bed.new(case[1])
            assert.is_nil(cli)
            assert.equal(case[2], err)
            assert.same({ "bad_request", case[2] }, { details.name, details.message })
        end
    end)

    it("returns an error if the options are not a table", function()
        for _, opts in ipairs { "http://127.0.0.1:2379", 5, true, print } do
            local cli, err = etcd.new(opts)
            assert.is_nil(cli)
            assert.equal("opts must be table", err)
        end
    end)

    it("returns an error with the host if its URL is invalid", function()
        local hosts = {
            "", "127.0.0.1", "127.0.0.1:2379", "http://", "http:///v3", "ftp://127.0.0.1", "https//h", "http://a b", "http://a:port",
            "http://a:0", "http://a:65536", "http://a:1:2", "http://[::1", "http://::1:2379", "http://[x]:1", "http://h?q",
            "http://h/p?q", "http://h#f", "http://h/a b", "http://h\r\n", "unix:", "unix:relative", "http://*",
        }
        for _, host in ipairs(hosts) do
            local expected = "invalid http host: " .. host:gsub("%c", "?") .. ", err: not matched"
            local cli, err = bed.new { http_host = host }
            assert.is_nil(cli)
            assert.equal(expected, err)
            cli, err = bed.new { http_host = { "http://127.0.0.1:2379", host } }
            assert.is_nil(cli)
            assert.equal(expected, err)
        end
    end)

    it("has a default for every option", function()
        for _, cli in ipairs { assert(etcd.new()), assert(etcd.new({})) } do
            assert.same({
                {
                    full_prefix = "http://127.0.0.1:2379/v3",
                    http_host = "http://127.0.0.1:2379",
                    scheme = "http",
                    host = "127.0.0.1",
                    port = "2379",
                    address = "127.0.0.1",
                    api_prefix = "/v3",
                },
            }, cli.endpoints)
            assert.is_false(cli.is_cluster)
            assert.equal("", cli.key_prefix)
            assert.equal(5, cli.timeout)
            assert.is_nil(cli.unix_socket_proxy)
            assert.is_false(cli.use_grpc)
            assert.equal("number", type(cli.init_count))
            assert.equal(0, cli.init_count % 1)
        end
    end)

    it("ignores unknown options, and accepts those without effect", function()
        local cli = assert(bed.new {
            protocol = "v3",
            ttl = -1,
            tls = { verify = false },
            watch_timeout = 50,
            startup_retry = 2,
            resync_delay = 5,
            health_check_timeout = 10,
            prefix = "/somewhere",
            ssl_verify = false,
            trusted_ca = "/no/such/file.pem",
            sni = "etcd.test",
        })
        assert.equal("", cli.key_prefix)
        assert(cli:set(prefix .. "a", 1))
        assert.equal("1", assert(cli:delete(prefix .. "a")).body.deleted)
    end)

    it("neither changes the table of options nor reads it later", function()
        local hosts = { bed.single.http }
        local opts = { transport = bed.transport, http_host = hosts, key_prefix = prefix, extra_headers = { ["X-A"] = "1" } }
        local cli = assert(etcd.new(opts))
        assert.same({ bed.single.http }, opts.http_host)
        assert.same({ ["X-A"] = "1" }, opts.extra_headers)
        hosts[1] = "http://127.0.0.1:1"
        opts.key_prefix = "/elsewhere"
        assert.equal(200, assert(cli:get("a")).status)
        assert.equal(prefix, cli.key_prefix)
    end)

    it("opens no connection", function()
        local host = "http://127.0.0.1:9" -- used only here: other specs can have banned other hosts
        local tcp = ngx.socket.tcp
        finally(function()
            ngx.socket.tcp = tcp -- luacheck: ignore 122
        end)
        ngx.socket.tcp = function() -- luacheck: ignore 122
            error("new wanted a socket")
        end
        local cli = assert(bed.new { http_host = host, user = "u", password = "p", unix_socket_proxy = "unix:/no/such.sock" })
        ngx.socket.tcp = tcp -- luacheck: ignore 122
        assert.is_true((health_check.get_target_status(cli.endpoints[1].http_host)))
    end)

    it("does not change the state of math.random", function()
        math.randomseed(42)
        local expected = { math.random(), math.random() }
        math.randomseed(42)
        local got = { math.random() }
        assert(bed.new())
        got[2] = math.random()
        assert.same(expected, got)
    end)

    it("uses gRPC if it is requested by either option", function()
        for _, opts in ipairs { { use_grpc = true }, { transport = "grpc" } } do
            local cli = assert(bed.new(opts))
            assert.is_true(cli.use_grpc)
            assert.same("application/grpc", assert(cli:get("k")).headers["content-type"])
        end
        assert(bed.new { use_grpc = false })
    end)

    describe("http_host", function()
        it("is split into the fields of an endpoint", function()
            assert.same({
                full_prefix = "https://etcd_1.my-host.test:12379/v3",
                http_host = "https://etcd_1.my-host.test:12379",
                scheme = "https",
                host = "etcd_1.my-host.test",
                port = "12379",
                address = "etcd_1.my-host.test",
                api_prefix = "/v3",
            }, endpoint { http_host = "https://etcd_1.my-host.test:12379" })
        end)

        it("has the default port 2379, for https too", function()
            local one = endpoint { http_host = "http://localhost" }
            assert.equal("2379", one.port)
            assert.equal("http://localhost:2379/v3", one.full_prefix)
            assert.equal("http://localhost", one.http_host)
            one = endpoint { http_host = "https://localhost" }
            assert.equal("2379", one.port)
            assert.equal("https://localhost:2379/v3", one.full_prefix)
            one = endpoint { http_host = "http://localhost/etcd" }
            assert.equal("http://localhost:2379/etcd/v3", one.full_prefix)
        end)

        it("keeps the brackets of an IPv6 address", function()
            local one = endpoint { http_host = "http://[2001:db8::1]:12379" }
            assert.equal("[2001:db8::1]", one.host)
            assert.equal("12379", one.port)
            assert.equal("http://[2001:db8::1]:12379/v3", one.full_prefix)
            assert.equal("http://[2001:db8::1]:12379", one.http_host)
            one = endpoint { http_host = "http://[::1]" }
            assert.equal("2379", one.port)
            assert.equal("http://[::1]:2379/v3", one.full_prefix)
        end)

        it("can have a path and a trailing slash", function()
            local one = endpoint { http_host = "http://h:1/a/b/" }
            assert.equal("http://h:1/a/b/v3", one.full_prefix)
            assert.equal("http://h:1/a/b", one.http_host)
            assert.equal("/a/b/v3", one.api_prefix)
            one = endpoint { http_host = "http://h:1/" }
            assert.equal("http://h:1/v3", one.full_prefix)
            assert.equal("/v3", one.api_prefix)
            assert.equal("http", endpoint({ http_host = "HTTP://h:1" }).scheme)
        end)

        it("is followed by /v3 for the API prefixes of etcd 3.2 and 3.3, and by other prefixes unchanged", function()
            for _, api_prefix in ipairs { "/v3", "/v3alpha", "/v3beta" } do
                local one = endpoint { http_host = "http://h:1", api_prefix = api_prefix }
                assert.equal("http://h:1/v3", one.full_prefix)
                assert.equal("/v3", one.api_prefix)
                local cli = assert(bed.new { api_prefix = api_prefix })
                assert.equal(200, assert(cli:get(prefix)).status)
            end
            assert.equal("http://h:1/v4", endpoint({ http_host = "http://h:1", api_prefix = "/v4" }).full_prefix)
        end)

        it("is a cluster if it lists several hosts", function()
            assert.is_false(assert(bed.new { http_host = { "http://a:1" } }).is_cluster)
            local cli = assert(bed.new { http_host = { "http://a:1", "https://b" } })
            assert.is_true(cli.is_cluster)
            assert.equal(2, #cli.endpoints)
            assert.equal("http://a:1", cli.endpoints[1].http_host)
            assert.equal("https://b:2379/v3", cli.endpoints[2].full_prefix)
        end)

        it("can be a unix socket, with a path, without a port, and with its name in errors", function()
            local host = "unix:" .. bed.dir .. "/none.sock"
            local one = endpoint { http_host = host }
            assert.equal(host, one.http_host)
            assert.equal(host, one.host)
            assert.is_nil(one.port)
            local res, err, details = assert(bed.new { http_host = host }):get("k")
            assert.is_nil(res)
            assert.equal(host .. ": no such file or directory", err)
            assert.equal("connect_failed", details.name)
            assert.equal(host, details.endpoint)
        end)
    end)

    describe("client", function()
        local function works(cli)
            assert(cli:set(prefix .. "k", "v"))
            assert.equal("v", assert(cli:get(prefix .. "k")).body.kvs[1].value)
            assert.equal(bed.version, assert(cli:version()).body.etcdserver)
            local reader, err, handle = cli:watch(prefix .. "k", { need_cancel = true })
            assert.is_nil(err)
            assert.is_true(assert(reader()).result.created)
            assert.equal(1, (cli:watchcancel(handle)))
        end

        it("reaches etcd with and without a trailing slash", function()
            works(assert(bed.new()))
            works(assert(bed.new { http_host = bed.single.http .. "/" }))
        end)

        if bed.single.ipv6 then
            it("reaches etcd over IPv6", function()
                works(assert(bed.new { http_host = bed.single.ipv6 }))
            end)
        end

        it("reaches etcd below a path", function()
            -- uses the gateway's prefix like the path of a proxy
            local cli = assert(bed.new { http_host = bed.single.http .. "/v3/", api_prefix = "" })
            assert.equal("/v3", cli.endpoints[1].api_prefix)
            assert(cli:set(prefix .. "k", "v"))
            assert.equal("1", assert(cli:get(prefix .. "k")).body.count)
        end)

        it("reaches etcd over TCP if no server listens at unix_socket_proxy", function()
            local cli = assert(bed.new { unix_socket_proxy = "unix:" .. bed.dir .. "/none.sock" })
            assert.equal("unix:" .. bed.dir .. "/none.sock", cli.unix_socket_proxy)
            works(cli)
            assert.is_true((health_check.get_target_status(bed.single.http)))
        end)

        it("reaches etcd without keepalive connections", function()
            works(assert(bed.new { keepalive_timeout = 0, keepalive_pool = 1 }))
        end)
    end)

    describe("user and extra_headers", function()
        local function get(opts)
            opts.http_host = bed.auth.http
            return assert(bed.new(opts)):get("/k")
        end

        it("make the client log in as the user", function()
            assert.equal(200, assert(get { user = bed.auth.user, password = bed.auth.password }).status)
            local res, err, details = get { user = bed.auth.user, password = "wrong" }
            assert.is_nil(res)
            assert.equal("authenticate refresh token fail", err)
            assert.equal("login_failed", details.name)
        end)

        it("are sent with every request", function()
            local token = wire.token(bed.auth.http, bed.auth.user, bed.auth.password)
            assert.equal(200, assert(get { extra_headers = { ["Grpc-Metadata-Token"] = token } }).status)
            assert.equal("etcdserver: user name is empty", assert(get { extra_headers = { ["X-Number"] = 5 } }).body.error)
        end)

        it("do not replace header fields that the driver sets, in any case", function()
            local token = wire.token(bed.auth.http, bed.auth.user, bed.auth.password)
            for _, name in ipairs { "Authorization", "authorization", "AUTHORIZATION" } do
                assert.equal("etcdserver: user name is empty", assert(get { extra_headers = { [name] = token } }).body.error)
            end
            local headers = {
                ["Content-Length"] = "1",
                ["content-length"] = 2,
                ["Transfer-Encoding"] = "chunked",
                Connection = "close",
                Upgrade = "websocket",
            }
            local cli = assert(bed.new { extra_headers = headers })
            assert(cli:set(prefix .. "k", "whole"))
            assert.equal("whole", assert(cli:get(prefix .. "k")).body.kvs[1].value)
        end)
    end)
end)
