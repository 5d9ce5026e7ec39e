-- Options that are accepted for compatibility, but hardly meant: logged once, with what to write.
local bed = require "spec.support.bed"
local etcd = require "resty.etcd"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"
local log_lines = require "spec.support.log_lines"

-- Asserts that calls with the same argument log this line, and only the first one does.
local function assert_logged_once(line, fn)
    assert.same({ "warn: " .. line }, (log_lines.of(fn)))
    assert.same({}, (log_lines.of(fn)))
end

describe("etcd.new with foreign options", function()
    before_each(function()
        log_lines.forget()
        assert(health_check.init()) -- its own line would be among those of the first client
    end)

    local function new(opts)
        return function()
            assert(etcd.new(opts))
        end
    end

    local LOCAL = "; without it calls go to http://127.0.0.1:2379"

    it("logs what programs write instead of an option", function()
        for name, option in pairs {
            host = "http_host", hosts = "http_host", http_hosts = "http_host", endpoints = "http_host", url = "http_host",
        } do
            local line = ("etcd.new: option %s is ignored: use %s%s"):format(name, option, LOCAL)
            assert_logged_once(line, new { [name] = "http://127.0.0.1:1" })
        end
        for name, option in pairs {
            username = "user", passwd = "password", ca_cert = "trusted_ca", headers = "extra_headers", server_name = "sni",
            namespace = "key_prefix",
        } do
            assert_logged_once(("etcd.new: option %s is ignored: use %s"):format(name, option), new { [name] = "x" })
        end
    end)

    it("logs a name that is close to an option", function()
        for name, option in pairs {
            htp_host = "http_host", timout = "timeout", key_prefx = "key_prefix", ssl_verfy = "ssl_verify", usr = "user",
            keepaliveTimeout = "keepalive_timeout", serializr = "serializer", sync_intervall = "sync_interval",
        } do
            local line = ("etcd.new: option %s is ignored: did you mean %s?"):format(name, option)
            assert_logged_once(line, new { [name] = "x" })
        end
    end)

    it("logs nothing about names that resemble no option, or whose option is given too", function()
        assert.same({}, (log_lines.of(new {
            http_host = "http://127.0.0.1:1", host = "x", hosts = {}, endpoints = {}, user = "u", username = "u",
            my_own_field = 1, ["unrelated name"] = true, [1] = "x", [true] = 1,
        })))
    end)

    it("logs nothing about a configuration of APISIX", function()
        for _, conf in ipairs {
            {
                host = { "http://127.0.0.1:2379" }, http_host = { "http://127.0.0.1:2379" }, prefix = "/apisix", timeout = 30,
                watch_timeout = 50, startup_retry = 2, health_check_timeout = 10, resync_delay = 5, use_grpc = false,
                user = "root", password = "secret", protocol = "v3", api_prefix = "/v3", ssl_verify = true, sni = "localhost",
                tls = { verify = true, sni = "localhost" }, extra_headers = { ["X-Source"] = "apisix" },
                trusted_ca = "/etc/ssl/certs/ca-certificates.crt", health_check_retry = 2, key_prefix = "", ttl = -1,
                unix_socket_proxy = "unix:/none.sock", serializer = "json", init_count = -1,
            },
            { http_host = "http://127.0.0.1:2379", protocol = "v3", api_prefix = "/v3", timeout = 30, ssl_verify = false },
        } do
            assert.same({}, (log_lines.of(new(conf))))
        end
    end)

    it("logs values that are accepted, but hardly meant", function()
        assert_logged_once("etcd.new: ssl_verify no is no boolean: certificates are verified", new { ssl_verify = "no" })
        assert_logged_once("etcd.new: ssl_verify 0 is no boolean: certificates are verified", new { ssl_verify = 0 })
        assert_logged_once("etcd.new: use_grpc yes is no boolean: it is ignored", new { use_grpc = "yes" })
        assert_logged_once("etcd.new: unknown serializer jsno: json is used", new { serializer = "jsno" })
        assert_logged_once(
            "etcd.new: serializer has no functions serialize and deserialize: calls with values will fail",
            new { serializer = {} }
        )
        assert_logged_once(
            "etcd.new: unix_socket_proxy /run/etcd.sock does not start with unix: and is ignored",
            new { unix_socket_proxy = "/run/etcd.sock" }
        )
        assert_logged_once("etcd.new: timeout 3000 is in seconds, not in milliseconds", new { timeout = 3000 })
        assert_logged_once(
            "etcd.new: keepalive_timeout 60000 is in seconds, not in milliseconds",
            new { keepalive_timeout = 60000 }
        )
        assert.same({}, (log_lines.of(new { timeout = 600, ssl_verify = false, serializer = "raw", unix_socket_proxy = "unix:/none.sock" })))
    end)

    it("writes a line of printable characters, of limited length, and a limited number of lines", function()
        local lines = log_lines.of(new { ["time\nout"] = 1 })
        assert.same({ "warn: etcd.new: option time?out is ignored: did you mean timeout?" }, lines)
        local first = log_lines.of(new { serializer = ("x"):rep(10000) })[1]
        assert.is_true(#first < 600)
        local count = 0
        for i = 1, 1100 do
            count = count + #log_lines.of(new { serializer = "x" .. i })
        end
        assert.is_true(count >= 900 and count <= 1000, count)
    end)
end)

describe("timeout of etcd.new", function()
    it("can have a fraction", function()
        local server = fake.new({ 3 })
        local cli = assert(bed.new { http_host = server.http_host, timeout = 0.25, health = {} })
        assert.equal(0.25, cli.timeout)
        local before = ngx.now()
        local res, _, details = cli:get("k")
        ngx.update_time()
        assert.is_nil(res)
        assert.equal("timeout", details.name)
        assert.is_true(ngx.now() - before >= 0.24)
        server:close()
    end)
end)

describe("method with foreign options", function()
    local BRITISH = ("serializable"):gsub("z", "s")
    local dir = bed.key("ignored_options")
    local cli

    before_each(function()
        log_lines.forget()
        cli = assert(bed.new())
    end)

    teardown(function()
        assert(assert(bed.new()):rmdir(dir))
    end)

    local absent = { { key = dir .. "none", target = "VERSION", result = "EQUAL", version = 0 } }

    local function call(method, opts)
        return function()
            local arguments = { dir .. "a", opts, n = 2 }
            if method == "set" or method == "setnx" or method == "setx" then
                arguments = { dir .. "a", 1, opts, n = 3 }
            elseif method == "txn" then
                arguments = { absent, { { requestRange = { key = dir } } }, nil, opts, n = 4 }
            end
            local res, _, handle = cli[method](cli, unpack(arguments, 1, arguments.n))
            assert(res)
            if opts.need_cancel then
                cli:watchcancel(handle)
            end
        end
    end

    it("logs names that are close to an option, and those of other clients, once", function()
        local lease = "grant a lease, and pass its ID as lease"
        local linearizable = "reads are linearizable, unless serializable is set"
        for _, case in ipairs {
            { "get", { [BRITISH] = true }, ("option %s is ignored: did you mean serializable?"):format(BRITISH) },
            { "get", { prefix = true }, "option prefix is ignored: use readdir" },
            { "get", { keysOnly = true }, "option keysOnly is ignored: did you mean keys_only?" },
            { "get", { quorum = true }, "option quorum is ignored: " .. linearizable },
            { "readdir", { rev = 1 }, "option rev is ignored: use revision" },
            { "readdir", { limt = 1 }, "option limt is ignored: did you mean limit?" },
            { "set", { ttl = 5 }, "option ttl is ignored: " .. lease },
            { "set", { prevKv = true }, "option prevKv is ignored: did you mean prev_kv?" },
            { "setnx", { ttl = 5 }, "option ttl is ignored: " .. lease },
            { "setx", { lease_id = 5 }, "option lease_id is ignored: use lease" },
            { "delete", { prefix = true }, "option prefix is ignored: use rmdir" },
            { "delete", { recursive = true }, "option recursive is ignored: use rmdir" },
            { "rmdir", { prevkv = true }, "option prevkv is ignored: did you mean prev_kv?" },
            { "txn", { idempotant = true }, "option idempotant is ignored: did you mean idempotent?" },
            { "watch", { prefix = true, need_cancel = true }, "option prefix is ignored: use watchdir" },
            { "watchdir", { startRevision = 1, need_cancel = true },
                "option startRevision is ignored: did you mean start_revision?" },
            { "watchdir", { revision = 1, need_cancel = true }, "option revision is ignored: use start_revision" },
        } do
            assert_logged_once(case[1] .. ": " .. case[3], call(case[1], case[2]))
        end
    end)

    it("logs a timeout that is meant in milliseconds, once", function()
        for _, method in ipairs { "get", "readdir", "set", "setnx", "setx", "delete", "rmdir", "txn" } do
            assert_logged_once(method .. ": timeout 3000 is in seconds, not in milliseconds", call(method, { timeout = 3000 }))
            assert.same({}, (log_lines.of(call(method, { timeout = 600 }))))
        end
        local long = { timeout = 30000, need_cancel = true }
        assert_logged_once("watch: timeout 30000 is in seconds, not in milliseconds", call("watch", long))
        assert.same({}, (log_lines.of(call("watchdir", { timeout = 3600, need_cancel = true }))))
    end)

    it("logs nothing about its options, and about names that resemble none", function()
        for _, method in ipairs { "get", "readdir", "set", "setnx", "setx", "delete", "rmdir", "txn" } do
            assert.same({}, (log_lines.of(call(method, { timeout = 3, my_own_field = 1, [1] = 2 }))))
        end
        assert.same({}, (log_lines.of(call("set", { prev_kv = true }))))
        assert.same({}, (log_lines.of(call("watchdir", {
            start_revision = 1, need_cancel = true, progress_notify = true, prev_kv = true, fragment = true, timeout = 50,
            filters = "NOPUT", watch_id = 3, require_leader = true,
        }))))
    end)

    it("logs options of health_check.init", function()
        assert_logged_once("health_check.init: option max_fail is ignored: did you mean max_fails?", function()
            assert(health_check.init { max_fail = 3 })
        end)
        assert_logged_once("health_check.init: option dict is ignored: use shm_name", function()
            assert(health_check.init { dict = "x" })
        end)
        assert(health_check.init())
    end)
end)

describe("lease call", function()
    local cli

    before_each(function()
        log_lines.forget()
        cli = assert(bed.new())
    end)

    it("logs a TTL that etcd raises, once", function()
        for _, ttl in ipairs { -1, 0 } do
            assert_logged_once(("grant: ttl %d: etcd raises it to its minimum"):format(ttl), function()
                assert(cli:revoke(assert(cli:grant(ttl)).body.ID))
            end)
        end
        assert.same({}, (log_lines.of(function()
            assert(cli:revoke(assert(cli:grant(1)).body.ID))
        end)))
    end)

    it("takes a timeout as its last argument, and rejects other options", function()
        local id = assert(cli:grant(60, nil, { timeout = 5 })).body.ID
        assert.equal(id, assert(cli:keepalive(id, { timeout = 5 })).body.result.ID)
        assert.equal("60", assert(cli:timetolive(id, true, { timeout = 5 })).body.grantedTTL)
        assert.is_table(assert(cli:leases { timeout = 5 }).body.leases)
        assert.equal(200, assert(cli:revoke(id, { timeout = 5 })).status)

        local server = fake.new({ 5 })
        local slow = assert(bed.new { http_host = server.http_host, timeout = 60, health = { max_fails = 1000 } })
        local calls = {
            grant = function(opts) return slow:grant(60, nil, opts) end,
            ["grant with ID"] = function(opts) return slow:grant(60, 5, opts) end,
            revoke = function(opts) return slow:revoke(5, opts) end,
            keepalive = function(opts) return slow:keepalive(5, opts) end,
            timetolive = function(opts) return slow:timetolive(5, false, opts) end,
            leases = function(opts) return slow:leases(opts) end,
        }
        for name, fn in pairs(calls) do
            for _, case in ipairs {
                { { timeout = -1 }, "opts.timeout must be number of seconds" },
                { { timeout = "1" }, "opts.timeout must be number of seconds" },
                { { timout = 1 }, "unknown option timout; did you mean timeout?" },
                { 5, "opts must be table" },
            } do
                local res, err, details = fn(case[1])
                assert.is_nil(res)
                assert.same({ case[2], "bad_request" }, { err, details.name }, name)
            end
        end
        assert.equal(0, server.connections)
        for name, fn in pairs(calls) do
            local res, _, details = fn { timeout = 0.1 }
            assert.is_nil(res, name)
            assert.equal("timeout", details.name, name)
        end
        server:close()
    end)
end)

describe("table of options without a past", function()
    it("rejects unknown fields and names the nearest option", function()
        local cli = assert(bed.new())
        local function assert_rejected(text, res, err, details)
            assert.is_nil(res)
            assert.equal(text, err)
            assert.equal("bad_request", details.name)
        end
        assert_rejected("unknown option max_fail; did you mean max_fails?", bed.new { health = { max_fail = 1 } })
        assert_rejected("unknown option relst; did you mean relist?", cli:watcher("a", { relst = true }))
        assert_rejected("unknown option snapshots; did you mean snapshot?", cli:mirror("/a/", { snapshots = "x" }))
        assert_rejected("unknown option nothing_like_it", cli:watcher("a", { nothing_like_it = true }))
    end)
end)
