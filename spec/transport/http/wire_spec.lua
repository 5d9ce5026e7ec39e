-- Requests and responses, against a server that records requests and sends scripted responses.
local bed = require "spec.support.bed"
local cjson = require "cjson.safe"
local fake = require "spec.support.scripted_server"

local HEADER_ONLY = '{"header":{"revision":"7"}}'

describe("client on the wire", function()
    local server, restore

    before_each(function()
        restore = fake.never_ban()
        server = fake.new({ fake.reply(HEADER_ONLY) })
    end)

    after_each(function()
        server:close()
        restore()
    end)

    local function client(opts)
        opts = opts or {}
        opts.http_host = opts.http_host or server.http_host
        opts.timeout = 3
        return assert(bed.new(opts))
    end

    -- The request that a call sends.
    local function request_of(...)
        assert(...)
        return server.requests[#server.requests]
    end

    it("sends nothing before the first call", function()
        local cli = client { user = "u", password = "p" }
        ngx.sleep(0.05)
        cli:close()
        assert.equal(0, server.connections)
        assert.equal(0, #server.requests)
    end)

    it("sends the path and the message of each method", function()
        server:serve({ fake.reply('{"header":{"revision":"7"},"result":{"header":{"revision":"7"},"ID":"5","TTL":"60"}}') })
        local cli = client { key_prefix = "/p" }
        local always = { { key = "k", target = "create", result = "EQUAL", createRevision = 0 } }
        local function is(path, body, ...)
            local request = request_of(...)
            assert.equal("POST", request.method)
            assert.equal("/v3" .. path, request.path)
            assert.same(body, cjson.decode(request.body))
        end
        local key = ngx.encode_base64("/pk")
        is("/kv/range", { key = key }, cli:get("k"))
        local all = { key = ngx.encode_base64("/p"), range_end = ngx.encode_base64("/q"), limit = "64" }
        is("/kv/range", all, cli:readdir(""))
        is("/kv/put", { key = key, value = ngx.encode_base64('"v"') }, cli:set("k", "v"))
        is("/kv/deleterange", { key = key, prev_kv = true }, cli:delete("k", { prev_kv = true }))
        is("/kv/deleterange", { key = key, range_end = ngx.encode_base64("/pl") }, cli:rmdir("k"))
        local row = { key = key, target = "CREATE", result = "EQUAL", create_revision = "0" }
        local put = { request_put = { key = key, value = ngx.encode_base64("1") } }
        is("/kv/txn", { compare = { row }, success = { put } }, cli:setnx("k", 1))
        is("/kv/txn", { compare = { row }, failure = { put } }, cli:setx("k", 1))
        is("/kv/txn", { compare = { row }, success = { put }, failure = {} },
            cli:txn(always, { { requestPut = { key = "k", value = 1 } } }, {}))
        is("/lease/grant", { TTL = "60", ID = "7" }, cli:grant(60, 7))
        is("/lease/grant", { TTL = "60", ID = "7587869541123456789" }, cli:grant(60, "7587869541123456789"))
        is("/lease/revoke", { ID = "100000000000000" }, cli:revoke(1e14))
        is("/lease/keepalive", { ID = "5" }, cli:keepalive(5))
        is("/lease/timetolive", { ID = "5", keys = true }, cli:timetolive("5", true))
        is("/lease/leases", {}, cli:leases())
        local request = request_of(cli:version())
        assert.equal("GET", request.method)
        assert.equal("/version", request.path)
        assert.equal("", request.body)
    end)

    it("sends every range option, 64-bit numbers as strings and enums by name", function()
        local opts = {
            revision = 1e14,
            limit = "9223372036854775807",
            sort_order = "descend",
            sort_target = 4,
            serializable = true,
            keys_only = true,
            count_only = false,
            min_mod_revision = 1,
            max_mod_revision = 2,
            min_create_revision = 3,
            max_create_revision = 9007199254740993LL,
        }
        local expected = {
            key = ngx.encode_base64("k"),
            revision = "100000000000000",
            limit = "9223372036854775807",
            sort_order = "DESCEND",
            sort_target = "VALUE",
            serializable = true,
            keys_only = true,
            count_only = false,
            min_mod_revision = "1",
            max_mod_revision = "2",
            min_create_revision = "3",
            max_create_revision = "9007199254740993",
        }
        local cli = client()
        assert.same(expected, cjson.decode(request_of(cli:get("k", opts)).body))
        expected.range_end = ngx.encode_base64("l")
        assert.same(expected, cjson.decode(request_of(cli:readdir("k", opts)).body))
    end)

    it("sends the path of http_host before those of the API and the version", function()
        local cli = client { http_host = server.http_host .. "/some/proxy/", api_prefix = "/v3beta" }
        assert.equal("/some/proxy/v3/kv/range", request_of(cli:get("k")).path)
        assert.equal("/some/proxy/version", request_of(cli:version()).path)
    end)

    it("sends extra headers with every request, except for those that the driver sets", function()
        local cli = client {
            extra_headers = {
                ["X-Text"] = "a b",
                ["X-Number"] = 5,
                Authorization = "stolen",
                connection = "close",
                Upgrade = "websocket",
                ["Transfer-Encoding"] = "gzip",
                ["Content-Length"] = "1",
            },
        }
        for _, request in ipairs { request_of(cli:set("k", 1)), request_of(cli:version()) } do
            local headers = request.headers
            assert.equal("a b", headers["x-text"])
            assert.equal("5", headers["x-number"])
            assert.is_nil(headers.authorization)
            assert.is_nil(headers.upgrade)
            assert.is_nil(headers["transfer-encoding"])
            assert.not_equal("close", headers.connection)
            assert.equal(server.http_host, "http://" .. headers.host)
        end
        assert.equal("application/json", server.requests[1].headers["content-type"])
        assert.equal(1, server.connections)
    end)

    it("sends the token with calls, not with logins or the version", function()
        server:serve({ fake.reply('{"header":{"revision":"7"},"token":"secret.1"}') })
        local cli = client { user = "u", password = "p" }
        assert(cli:get("k"))
        assert(cli:version())
        local login, get, version = unpack(server.requests)
        assert.equal("/v3/auth/authenticate", login.path)
        assert.same({ name = "u", password = "p" }, cjson.decode(login.body))
        assert.is_nil(login.headers.authorization)
        assert.equal("secret.1", get.headers.authorization)
        assert.is_nil(version.headers.authorization)
        assert.equal(3, #server.requests)
    end)

    it("sets body.error of an error response, whatever its format", function()
        local text = "etcdserver: permission denied"
        local NOT_ETCD = "HTTP 403 from something that is not etcd: "
        local shapes = {
            { '{"error":"%s","message":"%s","code":7}', text, 7 },
            { '{"error":"%s","code":7,"message":"%s"}', text, 7 },
            { '{"code":7, "message":"%s"}', text, 7 },
            { '{"code":7,"message":"%s","details":[]}', text, 7 },
            { '{"error":"%s"}', text },
            { "%s", text },
            { "<html>\r\n<b>  Forbidden </b>\n</html>\n", NOT_ETCD .. "<html> <b> Forbidden </b> </html>" },
            { '{"error":{"nested":1}}', NOT_ETCD .. '{"error":{"nested":1}}' },
            { "[1]", NOT_ETCD .. "[1]" },
            { "", NOT_ETCD .. "empty response" },
        }
        local cli = client()
        local always = { { key = "k", target = "MOD", result = "EQUAL", mod_revision = 0 } }
        for _, shape in ipairs(shapes) do
            server:serve({ fake.reply((shape[1]:gsub("%%s", text)), "403 Forbidden") })
            for _, call in ipairs {
                { cli:get("k") },
                { cli:readdir("k") },
                { cli:set("k", "v") },
                { cli:delete("k") },
                { cli:rmdir("k") },
                { cli:revoke(5) },
                { cli:timetolive(5) },
                { cli:leases() },
                { cli:version() },
            } do
                assert.is_nil(call[2])
                assert.equal(403, call[1].status)
                assert.equal(shape[2], call[1].body.error)
                assert.equal(shape[3], call[1].body.code)
            end
            for _, call in ipairs {
                { cli:grant(5) },
                { cli:keepalive(5) },
                { cli:txn(always, { { requestPut = { key = "k", value = 1 } } }) },
                { cli:setnx("k", 1) },
                { cli:setx("k", 1) },
            } do
                assert.is_nil(call[1])
                assert.equal(shape[2], call[2])
                assert.equal(403, call[3].http_status)
                assert.equal(shape[3], call[3].code)
            end
        end
        assert.equal(0, fake.reports(server.http_host))
    end)

    it("treats zeros, empty lists, nulls and unknown fields of a response as absent", function()
        local cli = client { serializer = "raw" }
        server:serve({ fake.reply([[{"header":{"cluster_id":"1","member_id":"18446744073709551615","revision":"5","raft_term":"2"},
            "kvs":[],"more":false,"count":"0"}]]) })
        local body = assert(cli:get("k")).body
        assert.same({
            header = { cluster_id = "1", member_id = "18446744073709551615", revision = "5", raft_term = "2" },
        }, body)
        server:serve({ fake.reply('{"header":null,"kvs":[{"key":"aw==","value":null,"lease":"0","version":3}],"count":"1"}') })
        body = assert(cli:get("k")).body
        assert.same({ kvs = { { key = "k", value = "", version = "3" } }, count = "1" }, body)
        server:serve({ fake.reply('{"header":{"revision":"5"},"deleted":"0","prev_kvs":[]}') })
        body = assert(cli:delete("k")).body
        assert.is_nil(body.deleted)
        assert.is_nil(body.prev_kvs)
        server:serve({ fake.reply('{"header":{"revision":"5"},"news":{"of":[1]},"kvs":[{"key":"aw==","extra":true}]}') })
        body = assert(cli:get("k")).body
        assert.same({ of = { 1 } }, body.news)
        assert.equal("k", body.kvs[1].key)
    end)
end)
