-- A large directory is read in pages; the result must equal that of a single read.
local bed = require "spec.support.bed"
local cjson = require "cjson.safe"
local fake = require "spec.support.scripted_server"
local turns = require "spec.support.event_loop_probe"
local wire = require "spec.support.wire"

local dir = bed.key("pages") .. "/"

local function put_many(cli, n, value)
    local ops = {}
    for i = 1, n do
        ops[#ops + 1] = { requestPut = { key = ("%s%05d"):format(dir, i), value = value or i } }
        if #ops == 100 or i == n then
            assert(cli:txn({ { key = dir, target = "VERSION", result = "EQUAL", version = 0 } }, ops))
            ops = {}
        end
    end
end

local function compact(revision)
    local status = wire.post(bed.single.http, "/v3/kv/compaction", { revision = revision })
    return status == 200
end

--- Calls `between(n)` before the n-th request to etcd; returns a function that returns the number of requests.
local function watch_requests(cli, between)
    local transport, n = cli.transport, 0
    local unary = transport.unary
    transport.unary = function(...)
        n = n + 1
        if between then
            between(n)
        end
        return unary(...)
    end
    return function() return n end
end

describe("readdir of a large directory", function()
    local cli, other

    before_each(function()
        cli, other = assert(bed.new { timeout = 20 }), assert(bed.new { timeout = 20 })
    end)

    after_each(function()
        assert(other:rmdir(dir))
    end)

    it("returns the same as a single read", function()
        put_many(cli, 1000)
        local whole = assert(other:readdir(dir, { limit = 100000 }))
        local requests = watch_requests(cli)
        local res = assert(cli:readdir(dir))
        assert.is_true(requests() > 1)
        assert.equal(1000, #res.body.kvs)
        assert.same(whole.body, res.body)
        assert.equal("1000", res.body.count)
        assert.is_nil(res.body.more)
    end)

    it("reads at one revision when keys are written meanwhile", function()
        put_many(cli, 600)
        local whole = assert(other:readdir(dir, { limit = 100000 }))
        watch_requests(cli, function(n)
            if n > 1 then
                assert(other:set(dir .. "00600", "changed"))
                assert(other:delete(dir .. "00599"))
                assert(other:set(dir .. "new" .. n, "new"))
            end
        end)
        assert.same(whole.body, assert(cli:readdir(dir)).body)
    end)

    it("reads in one request when that revision is compacted meanwhile", function()
        put_many(cli, 600)
        local compacted
        watch_requests(cli, function(n)
            if n == 2 then
                local revision = assert(other:set(dir .. "00600", "changed")).body.header.revision
                compacted = compact(revision)
            end
        end)
        local res = assert(cli:readdir(dir))
        assert.is_true(compacted)
        assert.equal(200, res.status)
        assert.equal(600, #res.body.kvs)
        assert.equal("changed", res.body.kvs[600].value)
        assert.equal(1, res.body.kvs[1].value)
    end)

    it("returns the error when the caller's revision is compacted", function()
        local revision = assert(other:set(dir .. "1", "old")).body.header.revision
        local later = assert(other:set(dir .. "1", "new")).body.header.revision
        assert.is_true(compact(later))
        local res = assert(cli:readdir(dir, { revision = revision }))
        assert.equal(400, res.status)
        assert.equal("etcdserver: mvcc: required revision has been compacted", res.body.error)
    end)

    it("sends one request when the keys fit into a page", function()
        put_many(cli, 64)
        local requests = watch_requests(cli)
        assert.equal(64, #assert(cli:readdir(dir)).body.kvs)
        assert.equal(1, requests())
        assert.is_nil(assert(cli:readdir(dir .. "none")).body.kvs)
        assert.equal(2, requests())
    end)

    it("uses fewer keys per page when values are large", function()
        for i = 1, 300 do
            assert(other:set(("%s%05d"):format(dir, i), ("x"):rep(20000)))
        end
        local requests = watch_requests(cli)
        assert.equal(300, #assert(cli:readdir(dir)).body.kvs)
        assert.equal(20, requests()) -- 64, then about 13 at a time: a quarter of a megabyte each
    end)

    it("yields between values when the serializer is slow #alone", function()
        put_many(cli, 200, "v")
        local slow = assert(bed.new { serializer = { deserialize = turns.work } })
        local res
        local most = turns.most(function() res = assert(slow:readdir(dir)) end)
        assert.equal('"v"', res.body.kvs[200].value)
        assert.is_true(most > 0 and most <= turns.FEW, most .. " values without a yield")
    end)

    it("supports keys_only, a key prefix and a serializer", function()
        put_many(cli, 300, "v")
        local keys = assert(cli:readdir(dir, { keys_only = true })).body.kvs
        assert.equal(300, #keys)
        assert.is_nil(keys[300].value)
        local raw = assert(bed.new { serializer = "raw", key_prefix = dir })
        local kvs = assert(raw:readdir("")).body.kvs
        assert.equal(300, #kvs)
        assert.equal('"v"', kvs[300].value)
    end)

    it("does not page reads with a limit, another order or count_only", function()
        put_many(cli, 300)
        local requests = watch_requests(cli)
        assert.equal(10, #assert(cli:readdir(dir, { limit = 10 })).body.kvs)
        assert.equal(300, assert(cli:readdir(dir, { sort_order = "DESCEND" })).body.kvs[1].value)
        assert.equal("300", assert(cli:readdir(dir, { count_only = true })).body.count)
        assert.equal(3, requests())
    end)
end)

describe("readdir of a server that imitates etcd", function()
    local function reply(from, to, count)
        local kvs = {}
        for i = from, to do
            local key = ngx.encode_base64(("k%05d"):format(i))
            kvs[#kvs + 1] = ('{"key":"%s","mod_revision":"1","value":"MQ=="}'):format(key)
        end
        local tail = count and (',"count":"%d"'):format(count) or ""
        return fake.reply(('{"header":{"revision":"10"},"kvs":[%s]%s}'):format(table.concat(kvs, ","), tail))
    end

    it("reads all pages at the revision of the first when the caller gives revision 0", function()
        local server = fake.new({ reply(1, 256, 300) }, { reply(257, 300, 300) })
        local cli = assert(bed.new { http_host = server.http_host })
        assert.equal(300, #assert(cli:readdir("k", { revision = 0 })).body.kvs)
        assert.equal("10", cjson.decode(server.requests[2].body).revision)
        server:close()
    end)

    it("returns an error when the server ignores limit and key", function()
        local server = fake.new({ reply(1, 300) })
        local cli = assert(bed.new { http_host = server.http_host })
        local res, err, details = cli:readdir("k")
        assert.is_nil(res)
        assert.equal("malformed reply: page starts before the requested key", err)
        assert.equal("bad_reply", details.name)
        assert.equal(2, #server.requests)
        server:close()
    end)

    it("continues after a full page when the reply has no count", function()
        local server = fake.new({ reply(1, 256) }, { reply(257, 260) })
        local cli = assert(bed.new { http_host = server.http_host })
        assert.equal(260, #assert(cli:readdir("k")).body.kvs)
        assert.equal(2, #server.requests)
        server:close()
    end)
end)
