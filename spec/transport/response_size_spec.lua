-- The option max_response_size: the length of a response is bounded while it is read, on every framing, and in watches.
local bed = require "spec.support.bed"
local cjson = require "resty.etcd.base.private_cjson"
local clock = require "resty.etcd.base.clock"
local etcd = require "resty.etcd"
local fake = require "spec.support.scripted_server"

local HEADER = '"header":{"cluster_id":"7","member_id":"8","revision":"5","raft_term":"2"}'
local LIMIT = 200000
local TEXT = "response longer than 200000 bytes"

-- Returns the body of a read with a length in bytes.
local function body_of(length)
    local head = ("{%s,\"count\":\"1\",\"kvs\":[{\"key\":\"YQ==\",\"mod_revision\":\"1\",\"value\":\""):format(HEADER)
    local tail = '"}]}'
    local value = ("QUJD"):rep(math.floor((length - #head - #tail) / 4))
    return head .. value .. (" "):rep(length - #head - #tail - #value) .. tail
end

local function plain_body(length)
    local body = body_of(length)
    return (body:gsub('( *)"}%]}$', '"}]%1}'))
end

local function chunks(body, size)
    local parts = { fake.CHUNKED }
    for at = 1, #body, size do
        parts[#parts + 1] = fake.chunk(body:sub(at, at + size - 1))
    end
    return table.concat(parts)
end

local framings = {
    { "with Content-Length", function(body) return { fake.reply(body) } end },
    { "in one chunk", function(body) return { fake.CHUNKED .. fake.chunk(body) .. fake.LAST_CHUNK } end },
    { "in chunks of 100 bytes", function(body) return { chunks(body, 100) .. fake.LAST_CHUNK } end },
    { "until the connection is closed", function(body)
        return { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" .. body, fake.CLOSE }
    end },
}

describe("max_response_size", function()
    local server, cli, restore

    before_each(function()
        restore = fake.never_ban()
        server = fake.new({})
        cli = assert(bed.new { http_host = server.http_host, max_response_size = LIMIT, timeout = 5, serializer = "raw" })
    end)

    after_each(function()
        server:close()
        restore()
    end)

    local function assert_too_large(details, is_write)
        assert.equal("response_too_large", details.name)
        assert.equal(200, details.http_status)
        assert.equal(server.http_host, details.endpoint)
        assert.equal("the option max_response_size is the limit: raise it, or read less, with limit or readdir", details.hint)
        assert.is_false(details.retryable)
        assert.equal(is_write, details.maybe_applied)
    end

    for _, framing in ipairs(framings) do
        it("accepts a response of exactly that length " .. framing[1], function()
            server:serve(framing[2](plain_body(LIMIT)))
            assert.equal(1, #assert(cli:get("/a")).body.kvs)
        end)

        it("rejects a longer response " .. framing[1], function()
            server:serve(framing[2](plain_body(LIMIT + 1)))
            local res, err, details = cli:get("/a")
            assert.is_nil(res)
            assert.equal(server.http_host .. ": " .. TEXT, err)
            assert_too_large(details, false)
            assert.equal(0, fake.reports(server.http_host))
            assert.equal(1, #server.requests)
            local _, _, write = cli:set("/a", "v")
            assert_too_large(write, true)
            assert.equal(2, server.connections) -- the rest of the response is not taken for the next one
        end)
    end

    it("rejects a response whose length is announced before it has arrived", function()
        for _, length in ipairs { "200001", "600000000", "999999999999999" } do
            server:serve({ ("HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n"):format(length) })
            local _, err = cli:get("/a")
            assert.equal(server.http_host .. ": " .. TEXT, err)
        end
        server:serve({ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n" })
        local _, err = cli:get("/a")
        assert.equal(server.http_host .. ": " .. TEXT, err)
    end)

    it("rejects a long response with an error status by that status", function()
        server:serve({ "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 200001\r\n\r\n" })
        local _, err, details = cli:get("/a")
        assert.equal("invalid response code: 503, " .. server.http_host .. ": " .. TEXT, err)
        assert.equal("response_too_large", details.name)
        assert.equal(1, fake.reports(server.http_host))
    end)

    it("rejects a long message of a watch, and ends the watch", function()
        server:serve({ fake.CHUNKED .. fake.chunk('{"result":{' .. HEADER .. ',"created":true}}\n') .. fake.chunk('{"result":{"a":"' .. ("x"):rep(LIMIT)), 0.5 })
        local reader = assert(cli:watchdir("/a"))
        assert.is_true(assert(reader()).result.created)
        for _ = 1, 2 do
            local reply, err, details = reader()
            assert.is_nil(reply)
            assert.equal(TEXT, err)
            assert.equal("response_too_large", details.name)
        end
    end)

    it("keeps a message of a watch that arrives byte by byte in little memory", function()
        local message = '{"result":{' .. HEADER .. ',"created":true}}\n'
        server:serve({ fake.CHUNKED .. fake.chunk(message) .. chunks('{"result":{"events":[{"kv":{"key":"' .. ("QUJD"):rep(20000), 1):sub(#fake.CHUNKED + 1) .. fake.chunk('","mod_revision":"6"}}]}}\n') })
        local reader = assert(cli:watchdir("/a"))
        assert.is_true(assert(reader()).result.created)
        collectgarbage()
        local before = collectgarbage("count")
        assert.equal(60000, #assert(reader()).result.events[1].kv.key)
        assert.is_true(collectgarbage("count") - before < 12000)
    end)

    it("applies to the renewal of a lease, whose reply is a stream", function()
        server:serve({ fake.CHUNKED .. fake.chunk(('{"result":{%s,"ID":"7","TTL":"10"}}\n'):format(HEADER)) .. fake.chunk((" "):rep(LIMIT)) .. fake.LAST_CHUNK })
        local _, err = cli:keepalive(7)
        assert.equal(server.http_host .. ": " .. TEXT, err)
    end)

    it("rejects a response with more values than one per 32 bytes of the limit", function()
        server:serve({ fake.reply(('{%s,"new":[%s1]}'):format(HEADER, ("1,"):rep(LIMIT / 2 - 200))) })
        local _, err, details = cli:get("/a")
        assert.equal(server.http_host .. ": response with too many values", err)
        assert_too_large(details, false)
    end)

    it("is a positive integer", function()
        for _, value in ipairs { 0, -1, 0.5, "1", 1 / 0, 0 / 0 } do
            local none, err, details = etcd.new { max_response_size = value }
            assert.is_nil(none)
            assert.equal("opts.max_response_size must be positive integer", err)
            assert.equal("bad_request", details.name)
        end
    end)

    describe("deadline", function()
        local decode = cjson.decode
        after_each(function()
            cjson.decode = decode
        end)

        it("is looked at after decoding: a late response is a timeout, and a write possibly applied", function()
            server:serve({ fake.reply(plain_body(500)) })
            cjson.decode = function(text)
                local stop = clock.now() + 0.06
                while clock.now() < stop do end -- luacheck: ignore 542
                return decode(text)
            end
            local _, err, details = cli:get("/a", { timeout = 0.05 })
            assert.equal(server.http_host .. ": timeout", err)
            assert.same({ "timeout", true, false }, { details.name, details.retryable, details.maybe_applied })
            local _, _, write = cli:set("/a", "v", { timeout = 0.05 })
            assert.same({ "timeout", false, true }, { write.name, write.retryable, write.maybe_applied })
        end)

        it("ends the decoding of a long response", function()
            local kv = '{"key":"YQ==","mod_revision":"1","value":"' .. ("QUJD"):rep(500) .. '"}'
            server:serve({ fake.reply(('{%s,"kvs":[%s]}'):format(HEADER, (kv .. ","):rep(90) .. kv)) })
            local parts = 0
            cjson.decode = function(text)
                parts = parts + 1
                if parts == 3 then
                    ngx.sleep(0.2)
                end
                return decode(text)
            end
            local _, err = cli:get("/a", { timeout = 0.15 })
            assert.equal(server.http_host .. ": timeout", err)
            assert.equal(3, parts)
        end)
    end)
end)

describe("max_response_size and etcd", function()
    local cli, dir, mirror
    local KEYS, VALUE = 20, ("v"):rep(100000)

    setup(function()
        dir = bed.key("large")
        cli = assert(bed.new { max_response_size = 1000000, serializer = "raw", timeout = 20 })
        for i = 1, KEYS do
            assert(cli:set(("%s/%02d"):format(dir, i), VALUE))
        end
    end)

    teardown(function()
        assert(cli:rmdir(dir))
    end)

    it("does not limit a directory, which is read in smaller pages", function()
        local body = assert(cli:readdir(dir)).body
        assert.equal(KEYS, #body.kvs)
        for i, kv in ipairs(body.kvs) do
            assert.equal(("%s/%02d"):format(dir, i), kv.key)
            assert.equal(VALUE, kv.value)
        end
        assert.equal(tostring(KEYS), body.count)
    end)

    it("does not limit a mirror", function()
        mirror = assert(cli:mirror(dir .. "/"))
        assert(mirror:wait_ready(20))
        assert.equal(KEYS, #mirror:all())
        mirror:close()
    end)

    it("limits a read in one request", function()
        local _, err, details = cli:readdir(dir, { limit = 100 })
        assert.is_truthy(err:find(": response longer than 1000000 bytes", 1, true))
        assert.equal("response_too_large", details.name)
        assert.equal(1, #assert(cli:readdir(dir, { limit = 1 })).body.kvs)
    end)

    it("is an unknown outcome of a deletion whose response has the values", function()
        local _, _, details = cli:delete(dir .. "/", { range_end = dir .. "0", prev_kv = true })
        assert.same({ "response_too_large", true }, { details.name, details.maybe_applied })
        assert.is_nil(assert(cli:readdir(dir)).body.kvs) -- it was applied
    end)
end)
