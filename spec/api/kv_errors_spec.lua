local bed = require "spec.support.bed"
local wire = require "spec.support.wire"

describe("error response", function()
    local prefix = bed.key("kv-errors")
    local cli

    setup(function()
        cli = assert(bed.new())
    end)

    teardown(function()
        assert(cli:rmdir(prefix))
    end)

    -- Asserts that a method returned a 4xx response as `res`.
    local function assert_error_reply(status, text, res, err)
        assert.is_nil(err)
        assert.equal(status, res.status)
        assert.equal(text, res.body.error)
        assert.equal(text, res.body.message)
        assert.is_table(res.headers)
        assert.is_nil(getmetatable(res.headers))
        res.headers.own = 1
        res.body.own = 1
        res.own = 1
    end

    -- Asserts that a method returned nil, the message and these details.
    local function assert_failed(expected, res, err, details, ...)
        assert.is_nil(res)
        assert.equal(expected.message, err)
        assert.same(expected, details)
        assert.equal(err, tostring(details))
        assert.equal(0, select("#", ...))
    end

    local always = { { key = "k", target = "CREATE", result = "EQUAL", create_revision = 0 } }
    local put = { { requestPut = { key = "/k", value = 1 } } }

    describe("to a client without a user", function()
        local anonymous, text

        setup(function()
            anonymous = assert(bed.new { http_host = bed.auth.http })
            text = "etcdserver: user name is empty"
        end)

        it("has status 400 and the same body.error in every version of etcd", function()
            assert_error_reply(400, text, anonymous:get("/k"))
            assert_error_reply(400, text, anonymous:readdir("/k"))
            assert_error_reply(400, text, anonymous:set("/k", 1))
            assert_error_reply(400, text, anonymous:delete("/k"))
            assert_error_reply(400, text, anonymous:rmdir("/k"))
        end)

        it("is nil and the message if the call is a transaction", function()
            for _, call in ipairs {
                { anonymous:setnx("/k", 1) },
                { anonymous:setx("/k", 1) },
                { anonymous:txn(always, put) },
            } do
                assert.is_nil(call[1])
                assert.equal(text, call[2])
                assert.equal(3, call[3].code)
                assert.equal("invalid_argument", call[3].name)
                assert.equal(400, call[3].http_status)
                assert.equal(bed.auth.http, call[3].endpoint)
                assert.is_false(call[3].maybe_applied)
            end
        end)

        it("does not occur if the call is version", function()
            assert.equal(200, assert(anonymous:version()).status)
        end)
    end)

    describe("to a user without permission", function()
        local reader, text

        setup(function()
            reader = assert(bed.new {
                http_host = bed.auth.http,
                user = bed.auth.reader.user,
                password = bed.auth.reader.password,
            })
            text = "etcdserver: permission denied"
        end)

        it("has status 403 and the same body.error in every version of etcd", function()
            assert_error_reply(403, text, reader:get("/k"))
            assert_error_reply(403, text, reader:readdir(""))
            assert_error_reply(403, text, reader:readdir("/k"))
            assert_error_reply(403, text, reader:set("/readable/k", 1))
            assert_error_reply(403, text, reader:delete("/readable/k"))
            assert_error_reply(403, text, reader:rmdir("/readable/"))
        end)

        it("is nil, the message and its details if the call is a transaction", function()
            local expected = {
                code = 7,
                name = "permission_denied",
                message = text,
                http_status = 403,
                endpoint = bed.auth.http,
                retryable = false,
                maybe_applied = false,
            }
            assert_failed(expected, reader:setnx("/readable/k", 1))
            assert_failed(expected, reader:setx("/readable/k", 1))
            assert_failed(expected, reader:txn(always, put))
        end)

        it("does not occur if the key is permitted", function()
            local root = assert(bed.new { http_host = bed.auth.http, user = bed.auth.user, password = bed.auth.password })
            assert(root:set("/readable/k", "seen"))
            assert.equal("seen", assert(reader:get("/readable/k")).body.kvs[1].value)
            assert.equal("1", assert(reader:readdir("/readable/k")).body.count)
            assert.equal("1", assert(root:delete("/readable/k")).body.deleted)
        end)
    end)

    it("has status 400 if the revision is compacted", function()
        local key = prefix .. "compacted"
        local first = assert(cli:set(key, "one")).body.header.revision
        local second = assert(cli:set(key, "two")).body.header.revision
        assert.equal(200, (wire.post(bed.single.http, "/v3/kv/compaction", { revision = second, physical = true })))
        local text = "etcdserver: mvcc: required revision has been compacted"
        assert_error_reply(400, text, cli:get(key, { revision = first }))
        assert_error_reply(400, text, cli:readdir(prefix, { revision = tonumber(first) }))
        assert.equal("two", assert(cli:get(key, { revision = second })).body.kvs[1].value)
    end)

    it("has status 400 if the revision is in the future", function()
        local revision = tonumber(assert(cli:get(prefix)).body.header.revision) + 1000
        local text = "etcdserver: mvcc: required revision is a future revision"
        assert_error_reply(400, text, cli:get(prefix, { revision = revision }))
        assert_error_reply(400, text, cli:readdir(prefix, { revision = tostring(revision) }))
    end)

    it("has status 404 and nothing is written if the lease does not exist", function()
        assert_error_reply(404, "etcdserver: requested lease not found", cli:set(prefix .. "a", 1, { lease = 424242 }))
        assert.is_nil(assert(cli:get(prefix .. "a")).body.kvs)
        assert_failed({
            code = 5,
            name = "not_found",
            message = "etcdserver: requested lease not found",
            http_status = 404,
            endpoint = bed.single.http,
            retryable = false,
            maybe_applied = false,
        }, cli:setnx(prefix .. "a", 1, { lease = "424242" }))
    end)

    it("has status 400 if ignore_value is set for a key that does not exist", function()
        assert_error_reply(400, "etcdserver: key not found", cli:set(prefix .. "none", nil, { ignore_value = true }))
    end)

    it("has status 404 and the server's text if the path does not exist", function()
        local cli_of_wrong_path = assert(bed.new { http_host = bed.single.http .. "/lost" })
        local text = "404 page not found"
        assert_error_reply(404, text, cli_of_wrong_path:version())
        assert_error_reply(404, text, cli_of_wrong_path:get("k"))
        assert_error_reply(404, text, cli_of_wrong_path:readdir("k"))
        assert_error_reply(404, text, cli_of_wrong_path:set("k", 1))
        assert_error_reply(404, text, cli_of_wrong_path:delete("k"))
        assert_error_reply(404, text, cli_of_wrong_path:rmdir("k"))
        assert_error_reply(404, text, cli_of_wrong_path:revoke(1))
        assert_error_reply(404, text, cli_of_wrong_path:timetolive(1))
        assert_error_reply(404, text, cli_of_wrong_path:leases())
        for _, call in ipairs {
            { cli_of_wrong_path:grant(5) },
            { cli_of_wrong_path:keepalive(1) },
            { cli_of_wrong_path:txn(always, put) },
            { cli_of_wrong_path:setnx("k", 1) },
            { cli_of_wrong_path:setx("k", 1) },
        } do
            assert_failed({
                name = "http_error",
                message = text,
                http_status = 404,
                endpoint = bed.single.http .. "/lost",
                retryable = false,
                maybe_applied = false,
                hint = "nothing serves etcd's JSON gateway here: --enable-grpc-gateway=false, another port, or a wrong api_prefix",
            }, unpack(call, 1, 3))
        end
    end)

    describe("invalid argument", function()
        local function misused(text, ...)
            assert_failed({ name = "bad_request", message = text, retryable = false, maybe_applied = false }, ...)
        end

        it("is reported if the key is not a string", function()
            for _, key in ipairs { 12, true, {}, print } do
                misused("key must be string", cli:get(key))
                misused("key must be string", cli:set(key, 1))
                misused("key must be string", cli:setnx(key, 1))
                misused("key must be string", cli:setx(key, 1))
                misused("key must be string", cli:delete(key))
                misused("key must be string", cli:rmdir(key))
                misused("key must be string", cli:readdir(key))
            end
            misused("key must be string", cli:get(nil))
            misused("key must be string", cli:set(nil, 1))
            misused("key must be string", cli:readdir(nil))
        end)

        it("is reported if the key is empty, with and without key_prefix", function()
            local text = "key should not be empty"
            for _, c in ipairs { cli, assert(bed.new { key_prefix = prefix }) } do
                misused(text, c:get(""))
                misused(text, c:set("", 1))
                misused(text, c:setnx("", 1))
                misused(text, c:setx("", 1))
                misused(text, c:delete(""))
            end
        end)

        it("is reported and nothing deleted if rmdir has neither directory nor key_prefix", function()
            assert(cli:set(prefix .. "stays", 1))
            misused("key should not be empty", cli:rmdir(""))
            assert.equal("1", assert(cli:get(prefix .. "stays")).body.count)
        end)

        it("is reported and nothing sent if an option has the wrong type", function()
            local key = prefix .. "opts"
            misused("opts must be table", cli:get(key, 5))
            misused("opts must be table", cli:set(key, 1, "x"))
            misused("opts must be table", cli:delete(key, true))
            misused("opts must be table", cli:readdir(key, 5))
            misused("opts must be table", cli:rmdir(key, 5))
            misused("opts.timeout must be number of seconds", cli:get(key, { timeout = "1" }))
            misused("opts.timeout must be number of seconds", cli:set(key, 1, { timeout = -1 }))
            misused("limit must be integer", cli:readdir(key, { limit = "many" }))
            misused("limit must be integer", cli:readdir(key, { limit = 1.5 }))
            misused("revision must be integer", cli:get(key, { revision = {} }))
            misused("range_end must be string", cli:get(key, { range_end = 5 }))
            misused("sort_order has no such value: UP", cli:readdir(key, { sort_order = "UP" }))
            misused("sort_target has no such value: 9", cli:readdir(key, { sort_target = 9 }))
            misused("keys_only must be boolean", cli:readdir(key, { keys_only = 1 }))
            misused("prev_kv must be boolean", cli:set(key, 1, { prev_kv = "true" }))
            misused("lease must be integer", cli:set(key, 1, { lease = "abc" }))
            assert.is_nil(assert(cli:get(key)).body.kvs)
        end)
    end)
end)
