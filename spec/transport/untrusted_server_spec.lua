-- What a server cannot make the driver do, case by case; the hostile specs search for more cases at random.
local bed = require "spec.support.bed"
local call = require "resty.etcd.call.call"
local fake = require "spec.support.scripted_server"
local meter = require "spec.support.resource_usage"

local TOKEN = '{"header":{"revision":"1"},"token":"%s"}'

describe("untrusted server", function()
    local server, restore

    local function client(opts)
        opts.http_host = server.http_host
        return assert(bed.new(opts))
    end

    before_each(function()
        restore = fake.never_ban()
        server = fake.new()
    end)

    after_each(function()
        server:close()
        restore()
    end)

    it("cannot use a word or a float as an HTTP status", function()
        for _, status in ipairs { "1e9", "9e9", "inf", "nan", "0x3", "2.0", "20", "099" } do
            server:serve({ "HTTP/1.1 " .. status .. "\r\nContent-Length: 2\r\n\r\n{}", fake.CLOSE })
            local res, err, details = client({ timeout = 1 }):get("k")
            assert.is_nil(res)
            assert.equals(server.http_host .. ": malformed reply: bad HTTP head", err)
            assert.equals("bad_reply", details.name)
        end
    end)

    it("cannot inject header fields into requests with its token", function()
        for _, token in ipairs { "a\\r\\nX-Evil: 1", "a\\r\\n\\r\\nPOST /v3/kv/put HTTP/1.1", "a\\nb", "a\\u0000b", "a b", "\\u00e9" } do
            server:serve({ fake.reply(TOKEN:format(token)) }, { fake.reply("{}") })
            local seen = #server.requests
            local res, err, details = client({ timeout = 1, user = "u", password = "p" }):get("k")
            assert.is_nil(res)
            assert.equals("authenticate refresh token fail", err)
            assert.equals("login_failed", details.name)
            assert.equals(seen + 1, #server.requests)
        end
    end)

    it("cannot make requests arbitrarily long with its token", function()
        server:serve({ fake.reply(TOKEN:format(("x"):rep(1024 * 1024))) }, { fake.reply("{}") })
        local res, err = client({ timeout = 5, user = "u", password = "p" }):get("k")
        assert.is_nil(res)
        assert.equals("authenticate refresh token fail", err)
        assert.equals(1, #server.requests)
    end)

    it("cannot delay the opening of a watch past its deadline when it sends blank lines #alone", function()
        local drip = { fake.CHUNKED }
        for i = 1, 100 do
            drip[2 * i], drip[2 * i + 1] = fake.chunk("\n"), 0.02
        end
        server:serve({ fake.reply(TOKEN:format("t")) }, drip)
        local cli, started = client { timeout = 1, user = "u", password = "p" }, meter.now()
        local reader = cli:watch("k", { timeout = 0.5 })
        assert.is_true(meter.now() - started < 1)
        local reply, err = assert(reader)()
        assert.is_nil(reply)
        assert.equals("timeout", err)
    end)

    it("cannot cause much garbage with an error response to a watch in chunks of one byte", function()
        local body = fake.chunk("x"):rep(65536)
        server:serve({ "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n" .. body .. fake.LAST_CHUNK })
        local cli = client { timeout = 10 }
        collectgarbage()
        collectgarbage("stop")
        local before = collectgarbage("count")
        local reader, err = cli:watch("k")
        local garbage = collectgarbage("count") - before
        collectgarbage("restart")
        assert.is_nil(reader)
        local text = "HTTP 403 from something that is not etcd: " .. ("x"):rep(200) .. "..."
        assert.equals("failed to watch data, response code: 403, " .. text, err)
        assert.is_true(garbage < 65536, garbage .. " KiB of garbage")
    end)

    it("cannot have the late rest of a response taken for the next response", function()
        local stolen = fake.reply '{"kvs":[{"key":"aw==","value":"InN0b2xlbiI="}]}'
        server:serve({ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" .. '{"kvs', 0.05, stolen }, { fake.reply '{"header":{"revision":"1"}}' })
        local cli = client {}
        local res, err, details = cli:get("k")
        assert.is_nil(res)
        assert.equals('invalid response body: {"kvs', err)
        assert.equals("bad_reply", details.name)
        assert.is_nil(assert(cli:get("k")).body.kvs) -- before the rest has arrived
        assert.equals(2, server.connections)
    end)

    it("cannot have a count of keys that is no count", function()
        for _, count in ipairs { "-1", "9007199254740992", "9223372036854775807" } do
            server:serve({ fake.reply(('{"header":{"revision":"1"},"count":"%s","kvs":[{"key":"aw=="}]}'):format(count)) })
            local res, err, details = client({}):readdir("k")
            assert.is_nil(res)
            assert.equals("malformed reply: count of keys", err)
            assert.equals("bad_reply", details.name)
        end
    end)

    describe("cannot make readdir read endless pages", function()
        -- Returns the number of pages that the driver requests.
        local function pages_read(value)
            local unary, pages = call.unary, 0
            local function page()
                pages = pages + 1
                local body = { kvs = { { key = ("k%09d"):format(pages), value = value } }, count = "9007199254740991", header = { revision = "1" } }
                return pages <= 4000 and { status = 200, headers = {}, body = body } or error("the driver still requests pages")
            end
            call.unary = page -- luacheck: ignore 122
            local cli = client { serializer = "raw" }
            local ok, res, err, details = pcall(cli.readdir, cli, "k")
            call.unary = unary -- luacheck: ignore 122
            assert.is_true(ok)
            assert.is_nil(res)
            assert.equals("malformed reply: directory too long", err)
            assert.equals("bad_reply", details.name)
            return pages
        end

        it("of long values", function()
            assert.is_true(pages_read(("v"):rep(1024 * 1024)) <= 600)
        end)

        it("that have fewer keys than requested", function()
            assert.is_true(pages_read("v") <= 2100)
        end)
    end)
end)
