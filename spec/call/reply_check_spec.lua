-- Responses with status 200 that are valid JSON, but not what etcd sends for the call.
local bed = require "spec.support.bed"
local config = require "resty.etcd.config"
local fake = require "spec.support.scripted_server"

local KEY = "L2s="
local HEADER = '"header":{"cluster_id":"7","revision":"9","raft_term":"2"}'
local NO_REVISION = "malformed reply: response header without revision"
local NO_KEY = "malformed reply: key-value pair without key"

describe("a response with status 200", function()
    local server, cli, restore

    before_each(function()
        restore = fake.never_ban()
        server = fake.new()
        cli = assert(bed.new { http_host = server.http_host, timeout = 2 })
    end)

    after_each(function()
        server.close()
        restore()
    end)

    local put = { { requestPut = { key = "/k", value = "v" } } }
    local absent = { { key = "/k", target = "CREATE", result = "EQUAL", create_revision = 0 } }
    local READS = {
        get = function() return cli:get "/k" end,
        readdir = function() return cli:readdir "/k" end,
        ["readdir with a limit"] = function() return cli:readdir("/k", { limit = 5 }) end,
        ["txn that only reads"] = function() return cli:txn(absent, { { requestRange = { key = "/k" } } }) end,
        timetolive = function() return cli:timetolive(7) end,
        leases = function() return cli:leases() end,
        -- the write itself was not sent: no lease was granted for its marker
        ["set with idempotent, before its lease is granted"] = function() return cli:set("/k", "v", { idempotent = true }) end,
    }
    local WRITES = {
        set = function() return cli:set("/k", "v") end,
        setnx = function() return cli:setnx("/k", "v") end,
        setx = function() return cli:setx("/k", "v") end,
        delete = function() return cli:delete "/k" end,
        rmdir = function() return cli:rmdir "/k" end,
        txn = function() return cli:txn(absent, put) end,
        grant = function() return cli:grant(10) end,
        ["grant with an ID"] = function() return cli:grant(10, 7) end,
        revoke = function() return cli:revoke(7) end,
    }

    local function assert_bad_reply(call, text, maybe_applied, what)
        local res, err, details = call()
        assert.is_nil(res, what)
        assert.equal(text, err, what)
        assert.equal("bad_reply", details.name, what)
        assert.equal(maybe_applied, details.maybe_applied, what)
        assert.is_false(details.retryable, what)
        assert.equal(server.http_host, details.endpoint, what)
        return details
    end

    for _, body in ipairs {
        "{}", '{"status":"ok"}', '{"header":{}}', '{"header":{"revision":"0"}}', '{"header":null,"succeeded":true}',
        '{"ID":"7","TTL":"10"}',
    } do
        it("is an error of every call of a key or a lease if it has no revision: " .. body, function()
            server:serve { fake.reply(body) }
            for name, call in pairs(READS) do
                local details = assert_bad_reply(call, NO_REVISION, false, name)
                assert.equal("another server or a proxy responds here: check http_host and api_prefix", details.hint)
            end
            for name, call in pairs(WRITES) do
                assert_bad_reply(call, NO_REVISION, true, name)
            end
            server:serve { fake.reply(('{"result":%s}'):format(body)) }
            assert_bad_reply(function() return cli:keepalive(7) end, NO_REVISION, false)
        end)
    end

    it("is an error of a configuration store if it has no revision", function()
        server:serve { fake.reply '{"status":"ok"}' }
        local conf = assert(config.new(cli, "/conf/"))
        finally(function() conf:close() end)
        assert_bad_reply(function() return conf:put("a", 1) end, NO_REVISION, true)
        assert_bad_reply(function() return conf:put("a", 1, { if_revision = 3 }) end, NO_REVISION, true)
        assert_bad_reply(function() return conf:delete("a") end, NO_REVISION, true)
        assert_bad_reply(function() return conf:history("a", 3) end, NO_REVISION, false)
    end)

    it("counts as a failure in the client's health check if it has no revision", function()
        server:serve { fake.reply '{"status":"ok"}' }
        local good = fake.new { fake.reply(("{%s}"):format(HEADER)) }
        finally(function() good.close() end)
        local hosts = { server.http_host, good.http_host }
        cli = assert(bed.new { http_host = hosts, health = { max_fails = 1 }, init_count = -1 })
        assert.is_nil((cli:get "/k"))
        for _ = 1, 4 do
            assert(cli:get "/k")
        end
    end)

    it("is a result of a read without a header if it has keys or their number, as the tests of programs send it", function()
        server:serve { fake.reply(('{"kvs":[{"key":"%s","value":"InYi"}]}'):format(KEY)) }
        for _, name in ipairs { "get", "readdir", "readdir with a limit" } do
            local res = assert(READS[name]())
            assert.same({ { key = "/k", value = "v" } }, res.body.kvs)
            assert.is_nil(res.body.header)
        end
        server:serve { fake.reply '{"count":"3"}' }
        assert.equal("3", assert(cli:readdir("/k", { count_only = true })).body.count)
    end)

    it("is an error if a key-value pair in it has no key", function()
        local none = '{"value":"InYi","mod_revision":"3"}'
        server:serve { fake.reply(('{%s,"kvs":[{"key":"%s"},%s],"count":"2"}'):format(HEADER, KEY, none)) }
        for _, name in ipairs { "get", "readdir", "readdir with a limit" } do
            assert_bad_reply(READS[name], NO_KEY, false, name)
        end
        server:serve { fake.reply(('{%s,"prev_kv":%s}'):format(HEADER, none)) }
        assert_bad_reply(WRITES.set, NO_KEY, true)
        server:serve { fake.reply(('{%s,"deleted":"1","prev_kvs":[%s]}'):format(HEADER, none)) }
        assert_bad_reply(WRITES.delete, NO_KEY, true)
        for _, response in ipairs {
            '{"response_range":{"kvs":[%s]}}', '{"response_put":{"prev_kv":%s}}', '{"response_delete_range":{"prev_kvs":[%s]}}',
            '{"response_txn":{"responses":[{"response_txn":{"responses":[{"response_range":{"kvs":[%s]}}]}}]}}',
        } do
            server:serve { fake.reply(('{%s,"responses":[{},%s]}'):format(HEADER, response:format(none))) }
            assert_bad_reply(WRITES.txn, NO_KEY, true, response)
        end
    end)

    it("is a result if a key-value pair in it has only its key", function()
        server:serve { fake.reply(('{%s,"responses":[{"response_range":{"kvs":[{"key":"%s"}]}},{"other":{"kvs":7}}]}'):format(HEADER, KEY)) }
        assert.equal("/k", assert(WRITES.txn()).body.responses[1].response_range.kvs[1].key)
        server:serve { fake.reply(('{%s,"kvs":7,"responses":"x"}'):format(HEADER)) }
        assert(WRITES.set())
    end)
end)

describe("a transaction of the driver", function()
    local server, cli, restore, answer, conf

    before_each(function()
        restore = fake.never_ban()
        server = fake.new(function(request)
            if request.path == "/v3/lease/grant" then
                return { fake.reply(('{%s,"ID":"5","TTL":"600"}'):format(HEADER)) }
            end
            return { fake.reply(request.path == "/v3/kv/txn" and answer or "{}") }
        end)
        cli = assert(bed.new { http_host = server.http_host, timeout = 2 })
        conf = assert(config.new(cli, "/conf/"))
    end)

    after_each(function()
        conf:close()
        server.close()
        restore()
    end)

    local function idempotent() return cli:set("/k", "v", { idempotent = true, prev_kv = true }) end
    local function idempotent_txn()
        local absent = { { key = "/k", target = "CREATE", result = "EQUAL", create_revision = 0 } }
        return cli:txn(absent, { { requestPut = { key = "/k", value = "v" } } }, nil, { idempotent = true })
    end
    local function store() return conf:put("a", 1) end
    local function store_if() return conf:put("a", 1, { if_revision = 3 }) end
    local function delete_if() return conf:delete("a", { if_revision = 3 }) end

    local READ = "malformed reply: transaction without the key that it was to read"
    local INNER = "malformed reply: transaction without the transaction in it"
    local OTHER = '"responses":[{"response_range":{"kvs":[{"key":"L290aGVy","mod_revision":"3"}]}}]'
    local UNDATED = ('"responses":[{"response_range":{"kvs":[{"key":"%s"}]}}]'):format(ngx.encode_base64 "/conf/a")

    for name, case in pairs {
        ["did not run, and has not read anything"] = { "", { idempotent, READ }, { idempotent_txn, READ }, { store, READ }, { store_if, READ }, { delete_if, READ } },
        ["did not run, and has no responses"] = { ',"responses":[]', { idempotent, READ }, { store_if, READ } },
        ["did not run, and has the response of a put"] = { ',"responses":[{"response_put":{}}]', { idempotent, READ }, { store_if, READ }, { delete_if, READ } },
        ["did not run, and has read another key"] = { "," .. OTHER, { idempotent, READ }, { store_if, READ }, { delete_if, READ } },
        ["did not run, and has read a key without revision"] = { "," .. UNDATED, { store_if, READ }, { delete_if, READ } },
        ["did not run, and has read no marker"] = {
            ',"responses":[{"response_range":{}}]', { idempotent, "malformed reply: transaction without its marker" },
        },
        ["ran without what it contains"] = { ',"succeeded":true', { idempotent, INNER }, { idempotent_txn, INNER } },
        ["ran, and has read"] = { ',"succeeded":true,' .. OTHER, { idempotent, INNER }, { idempotent_txn, INNER } },
    } do
        it("returns bad_reply, and that it was possibly applied, if a response says that it " .. name, function()
            answer = ("{%s%s}"):format(HEADER, case[1])
            for i = 2, #case do
                local res, err, details = case[i][1]()
                assert.is_nil(res)
                assert.equal(case[i][2], err)
                assert.equal("bad_reply", details.name)
                assert.is_true(details.maybe_applied)
                assert.is_false(details.retryable)
            end
        end)
    end

    it("does not raise an error if the put in it has no response", function()
        for _, inner in ipairs { "{}", '{"responses":[{}]}', '{"responses":[{"response_range":{}},{}]}' } do
            answer = ('{%s,"succeeded":true,"responses":[{"response_txn":%s}]}'):format(HEADER, inner)
            assert.is_nil(assert(idempotent()).body.prev_kv)
        end
    end)

    it("returns the conflict if a response has the key", function()
        answer = ('{%s,"responses":[{"response_range":{"kvs":[{"key":"%s","mod_revision":"4"}]}}]}'):format(HEADER, ngx.encode_base64 "/conf/a")
        local _, _, details = store_if()
        assert.same({ "conflict", "4" }, { details.name, details.revision })
        answer = ('{%s,"responses":[{"response_range":{}}]}'):format(HEADER)
        _, _, details = store_if()
        assert.same({ "conflict", "0" }, { details.name, details.revision })
    end)

    it("rejects a lease without ID or TTL", function()
        for _, lease in ipairs { '"ID":"5"', '"TTL":"10"', '"TTL":"0","ID":"5"', '"ID":"0","TTL":"10"' } do
            server:serve { fake.reply(("{%s,%s}"):format(HEADER, lease)) }
            local res, err, details = cli:grant(10)
            assert.is_nil(res)
            assert.equal("malformed reply: lease without ID or TTL", err)
            assert.is_true(details.maybe_applied)
            res, err, details = idempotent()
            assert.is_nil(res)
            assert.equal("malformed reply: lease without ID or TTL", err)
            assert.is_false(details.maybe_applied)
        end
    end)
end)
