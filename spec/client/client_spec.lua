local bed = require "spec.support.bed"
local etcd = require "resty.etcd"
local health_check = require "resty.etcd.health_check"

describe("client", function()
    local prefix = bed.key("instance")
    -- no server listens there, and no other spec uses it
    local dead = "http://127.0.0.1:2"

    teardown(function()
        assert(assert(bed.new()):rmdir(prefix))
    end)

    it("is created by a module that is a plain, mutable table", function()
        assert.is_nil(getmetatable(etcd))
        local new = etcd.new
        finally(function()
            etcd.new = new
        end)
        etcd.new = function()
            return "mine"
        end
        assert.equal("mine", require("resty.etcd").new())
    end)

    it("has all methods of lua-resty-etcd 1.10, and close", function()
        local cli = assert(bed.new())
        for _, name in ipairs {
            "get", "set", "setnx", "setx", "delete", "rmdir", "readdir", "watch", "watchdir", "watchcancel", "txn", "version",
            "grant", "revoke", "keepalive", "timetolive", "leases", "close",
        } do
            assert.is_function(cli[name])
        end
        assert.is_true(cli:close())
        assert.equal(200, assert(cli:get(prefix)).status)
    end)

    it("lets programs replace methods of a single client", function()
        local cli, other = assert(bed.new()), assert(bed.new())
        local calls = {}
        for _, name in ipairs { "set", "setnx", "setx", "delete", "rmdir", "grant", "revoke", "keepalive" } do
            local original = cli[name]
            cli[name] = function(self, ...)
                calls[#calls + 1] = name
                return original(self, ...)
            end
        end
        assert(cli:set(prefix .. "a", 1))
        assert(cli:setnx(prefix .. "b", 1))
        assert(cli:setx(prefix .. "b", 2))
        assert(cli:delete(prefix .. "a"))
        assert(cli:rmdir(prefix))
        local id = assert(cli:grant(60)).body.ID
        assert(cli:keepalive(id))
        assert(cli:revoke(id))
        assert.same({ "set", "setnx", "setx", "delete", "rmdir", "grant", "keepalive", "revoke" }, calls)
        assert(other:set(prefix .. "a", 1))
        assert.equal(8, #calls)
    end)

    it("never calls its public methods, which programs can replace", function()
        local cli = assert(bed.new {
            http_host = bed.auth.http,
            user = bed.auth.user,
            password = bed.auth.password,
        })
        local methods = {}
        for name, method in pairs(getmetatable(cli).__index) do
            methods[name] = method
        end
        for name in pairs(methods) do
            cli[name] = function()
                error("called by its public name: " .. name)
            end
        end
        local always = { { key = prefix .. "none", target = "CREATE", result = "EQUAL", create_revision = 0 } }
        assert(methods.set(cli, prefix .. "a", 1))
        assert(methods.get(cli, prefix .. "a"))
        assert(methods.setnx(cli, prefix .. "b", 1))
        assert(methods.setx(cli, prefix .. "b", 1))
        assert(methods.txn(cli, always, { { requestRange = { key = prefix .. "a" } } }))
        assert.equal("2", assert(methods.readdir(cli, prefix)).body.count)
        assert(methods.delete(cli, prefix .. "a"))
        assert(methods.rmdir(cli, prefix))
        local id = assert(methods.grant(cli, 60)).body.ID
        assert(methods.keepalive(cli, id))
        assert(methods.timetolive(cli, id, true))
        assert(methods.leases(cli))
        assert(methods.revoke(cli, id))
        assert(methods.version(cli))
        for _, name in ipairs { "watch", "watchdir" } do
            local reader, _, handle = methods[name](cli, prefix .. "a", { need_cancel = true })
            assert.is_true(assert(reader()).result.created)
            assert.equal(1, methods.watchcancel(cli, handle))
        end
        methods.close(cli)
    end)

    describe("writable endpoint field", function()
        it("full_prefix is used by unary calls, http_host by version", function()
            local cli = assert(bed.new { http_host = dead })
            cli.endpoints[1].full_prefix = bed.single.http .. "/v3"
            assert(cli:set(prefix .. "k", "v"))
            assert.equal("v", assert(cli:get(prefix .. "k")).body.kvs[1].value)
            local id = assert(cli:grant(60)).body.ID
            assert(cli:keepalive(id))
            assert(cli:revoke(id))
            assert.equal(dead, cli.endpoints[1].http_host)
            cli.endpoints[1].http_host = bed.single.http
            assert.equal(bed.version, assert(cli:version()).body.etcdserver)
            cli.endpoints[1].full_prefix = bed.single.http .. "/lost"
            assert.equal(404, assert(cli:get(prefix .. "k")).status)
        end)

        it("scheme, address, port and api_prefix are used by watches", function()
            local cli = assert(bed.new { http_host = dead })
            local one = cli.endpoints[1]
            local address, port = bed.single.http:match("^http://(.+):(%d+)$")
            one.address = address
            for _, value in ipairs { port, tonumber(port) } do
                one.port = value
                local reader, _, handle = cli:watchdir(prefix, { need_cancel = true })
                assert.is_true(assert(reader()).result.created)
                assert.equal(1, (cli:watchcancel(handle)))
            end
            one.api_prefix = "/lost"
            local reader, err = cli:watchdir(prefix)
            assert.is_nil(reader)
            assert.equal("failed to watch data, response code: 404", err:sub(1, 40))
        end)

        it("http_host is used in errors and by the health check", function()
            local cli = assert(bed.new { http_host = "http://127.0.0.1:3" })
            cli.endpoints[1].http_host = "http://renamed.test:3"
            local res, err, details = cli:get(prefix)
            assert.is_nil(res)
            assert.equal("http://renamed.test:3: connection refused", err)
            assert.equal("http://renamed.test:3", details.endpoint)
            assert.is_true((health_check.get_target_status("http://127.0.0.1:3")))
            assert.is_false((health_check.get_target_status("http://renamed.test:3")))
        end)

        it("list can be replaced as a whole", function()
            local cli = assert(bed.new { http_host = dead })
            local good = assert(bed.new()).endpoints[1]
            cli.endpoints = { good }
            assert.equal(200, assert(cli:get(prefix)).status)
            assert.equal(bed.version, assert(cli:version()).body.etcdserver)
            cli.endpoints = {}
            local res, err = cli:get(prefix)
            assert.is_nil(res)
            assert.equal("has no healthy etcd endpoint available", err)
        end)

        it("can be absent: watches then use the same URL as other calls", function()
            for _, missing in ipairs { "scheme", "host", "address", "api_prefix" } do
                local cli = assert(bed.new())
                cli.endpoints[1][missing] = nil
                assert.equal(200, assert(cli:get(prefix)).status)
                local reader, _, handle = assert(cli:watchdir(prefix, { need_cancel = true }))
                assert.is_true(assert(reader()).result.created)
                assert.equal(1, (cli:watchcancel(handle)))
            end
        end)

        it("http_host excludes the endpoint if it is not a string", function()
            local cli = assert(bed.new())
            cli.endpoints[1].http_host = 12
            local res, err = cli:get(prefix)
            assert.is_nil(res)
            assert.equal("has no healthy etcd endpoint available", err)
        end)

        it("full_prefix makes calls fail if it is not a URL", function()
            local cli = assert(bed.new())
            cli.endpoints[1].full_prefix = "nowhere"
            local res, err, details = cli:get(prefix)
            assert.is_nil(res)
            assert.equal("invalid http host: nowhere, err: not matched", err)
            assert.equal("bad_request", details.name)
            assert.is_true((health_check.get_target_status(bed.single.http)))
        end)
    end)

    describe("of a cluster", function()
        local members = {}

        setup(function()
            for i, host in ipairs(bed.cluster.http) do
                local cli = assert(bed.new { http_host = host })
                members[assert(cli:get(prefix)).body.header.member_id] = i
            end
        end)

        -- Returns the numbers of the members that serve the next calls.
        local function ring(cli, n)
            local order = {}
            for i = 1, n do
                order[i] = members[assert(cli:get(prefix)).body.header.member_id]
            end
            return order
        end

        local function client(init_count, opts)
            opts = opts or {}
            opts.http_host = bed.cluster.http
            opts.init_count = init_count
            return assert(bed.new(opts))
        end

        it("chooses endpoints round-robin, starting at init_count", function()
            assert.same({ 1, 2, 3, 1 }, ring(client(-1), 4))
            assert.same({ 2, 3, 1, 2 }, ring(client(0), 4))
            assert.same({ 3, 1, 2, 3 }, ring(client(1), 4))
            assert.same({ 2, 3 }, ring(client(300), 2))
        end)

        it("counts its choices in init_count, which programs can set", function()
            local cli = client(-1)
            assert.equal(-1, cli.init_count)
            ring(cli, 4)
            assert.equal(3, cli.init_count)
            cli.init_count = -1
            assert.same({ 1, 2 }, ring(cli, 2))
        end)

        it("skips unhealthy endpoints, and counts them in init_count", function()
            local status = health_check.get_target_status
            finally(function()
                health_check.get_target_status = status
            end)
            health_check.get_target_status = function(http_host)
                return http_host ~= bed.cluster.http[2]
            end
            local cli = client(-1)
            assert.same({ 1, 3, 1, 3 }, ring(cli, 4))
            assert.equal(5, cli.init_count)
            health_check.get_target_status = function()
                return false
            end
            local res, err, details = cli:get(prefix)
            assert.is_nil(res)
            assert.equal("has no healthy etcd endpoint available", err)
            assert.equal("no_endpoint", details.name)
            assert.equal(8, cli.init_count)
        end)

        it("starts at a random endpoint by default", function()
            local starts = {}
            for _ = 1, 60 do
                starts[client(nil).init_count % 3] = true
            end
            assert.same({ [0] = true, true, true }, starts)
        end)

        it("reads the same state from all members", function()
            local cli = client(-1)
            for i = 1, 3 do
                assert(cli:set(prefix .. "c" .. i, i))
            end
            assert.equal("3", assert(cli:readdir(prefix .. "c")).body.count)
            assert.equal("3", assert(cli:rmdir(prefix .. "c")).body.deleted)
        end)

        it("counts a login as a choice of an endpoint", function()
            local cli = assert(bed.new {
                http_host = bed.auth.http,
                user = bed.auth.user,
                password = bed.auth.password,
                init_count = 10,
            })
            assert(cli:get(prefix))
            assert.equal(12, cli.init_count)
            assert(cli:get(prefix))
            assert.equal(13, cli.init_count)
        end)
    end)
end)
