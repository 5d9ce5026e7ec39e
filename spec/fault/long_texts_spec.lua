-- Long texts of servers, DNS, files and shared dicts #alone: the CPU time of the functions that look at them.
local bed = require "spec.support.bed"
local cjson = require "cjson.safe"
local fake = require "spec.support.scripted_server"

-- A pattern of quadratic time takes 10 s and more for this length.
local LENGTH = 100 * 1024
-- Seconds of CPU time. Linear functions take less than 0.005 s; the rest is for busy machines.
local BOUND = 0.1

local function times(part)
    return part:rep(math.ceil(LENGTH / #part))
end

-- Calls `fn` and checks its CPU time.
local function assert_fast(name, fn, ...)
    collectgarbage()
    local started = os.clock()
    local results = { fn(...) }
    local seconds = os.clock() - started
    assert.is_true(seconds < BOUND, ("%s: %.3f s"):format(name, seconds))
    return unpack(results)
end

local SLASHES = "http://h/" .. times "/" .. "a"

describe("long text #alone", function()
    local PARTS = {
        "/", ":", "@", " ", "\n", "}", "-", ",http://a@", "<title>", "0", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----",
        "resty/core/socket", "code = a", "\nnameserver 1", "::", "a,", "\255", "\194\133", "\"kvs\":[{", "%s+$",
    }

    -- Functions that get text of others, by name.
    local FUNCTIONS = {
        ["url"] = require("resty.etcd.endpoint.url").parse,
        ["url with a scheme"] = function(text) return require("resty.etcd.endpoint.url").parse("http://h" .. text) end,
        ["slashes"] = require("resty.etcd.endpoint.url").without_trailing_slashes,
        ["endpoint"] = function(text) return require("resty.etcd.endpoint.endpoint").new("http://h/" .. text, "/v3") end,
        ["hint for a url"] = require("resty.etcd.endpoint.url_hints").of,
        ["masked url"] = require("resty.etcd.endpoint.masked_url").mask,
        ["printable text"] = require("resty.etcd.base.printable").of,
        ["nameservers"] = require("resty.etcd.endpoint.dns").in_resolv_conf,
        ["error response"] = function(text)
            return require("resty.etcd.transport.gateway.error_body").from_answer(400, {}, text, "secret")
        end,
        ["snippet"] = require("resty.etcd.transport.response_text").snippet,
        ["page"] = require("resty.etcd.transport.response_text").page_text,
        ["token in text"] = function(text)
            return require("resty.etcd.transport.response_text").redact_token(text, text:sub(1, 1000))
        end,
        ["long reply"] = function(text)
            local schema = require "resty.etcd.protocol.schema"
            return require("resty.etcd.transport.gateway.chunked_json").decode(schema.RangeResponse, text, nil, { max_response_size = 2 ^ 26 })
        end,
        ["PEM file"] = function(text) return require("resty.etcd.transport.tls.pem").check(text, "PRIVATE KEY") end,
        ["error of a handshake"] = require("resty.etcd.transport.tls.handshake").reason_of,
        ["chunk size"] = require("resty.etcd.transport.http.http1").parse_chunk_size,
        ["reason of a canceled watch"] = function(text)
            return require("resty.etcd.watch.errors").cancel_error({ cancel_reason = text })
        end,
        ["error in the shared dict"] = require("resty.etcd.shared_log.writer_error").decode,
        ["error in the shared dict with fields"] = function(text)
            return require("resty.etcd.shared_log.writer_error").decode("timeout 0 0 " .. text)
        end,
        ["integer"] = require("resty.etcd.protocol.int64").to_text,
        ["address"] = require("resty.etcd.discovery.address").normalize,
        ["name of a service"] = require("resty.etcd.discovery.peers").check_service,
    }

    for name, fn in pairs(FUNCTIONS) do
        it("takes linear time: " .. name, function()
            for _, part in ipairs(PARTS) do
                for _, ending in ipairs { "", "x", " ", "}", "/", "\n" } do
                    assert_fast(name .. " of " .. part, fn, times(part) .. ending)
                end
            end
        end)
    end

    it("in a list of members takes linear time, and is no endpoint", function()
        local members = {
            { ID = "1", clientURLs = { SLASHES, "http://" .. times "h", times "http://" } },
            { ID = "2", clientURLs = {} },
        }
        for i = 1, 5000 do
            members[2].clientURLs[i] = "http://h" .. i .. "/a b"
        end
        local server = fake.new { fake.reply(cjson.encode { header = { cluster_id = "7" }, members = members }) }
        local cli = assert(bed.new { http_host = server.http_host, timeout = 5 })
        local _, err = assert_fast("sync", cli.sync, cli)
        assert.equal("no member of the list has a client URL", err)
        assert.equal(server.http_host, cli.endpoints[1].http_host)
        server.close()
    end)
end)

describe("bound", function()
    local function members(count)
        local list = {}
        for i = 1, count do
            list[i] = { ID = tostring(i), clientURLs = { "ftp://h" } }
        end
        return list
    end

    it("of the number of members makes a longer list a malformed reply", function()
        for count, expected in pairs {
            [64] = "no member of the list has a client URL",
            [65] = "malformed reply: list of more than 64 members",
        } do
            local server = fake.new {
                fake.reply(cjson.encode { header = { cluster_id = "7" }, members = members(count) }),
            }
            local cli = assert(bed.new { http_host = server.http_host, timeout = 5 })
            local ok, err, details = cli:sync()
            assert.is_nil(ok)
            assert.equal(expected, err)
            assert.equal("bad_reply", details.name)
            server.close()
        end
    end)

    it("of the length of a URL and of its host makes a longer one invalid", function()
        local url = require "resty.etcd.endpoint.url"
        assert.is_table(url.parse("http://h/" .. ("p"):rep(2048 - 9)))
        assert.is_nil(url.parse("http://h/" .. ("p"):rep(2048 - 8)))
        assert.is_table(url.parse("http://" .. ("h"):rep(255)))
        assert.is_nil(url.parse("http://" .. ("h"):rep(256)))
        local cli, err, details = bed.new { http_host = "http://" .. ("h"):rep(256) }
        assert.is_nil(cli)
        assert.equal("invalid http host: http://" .. ("h"):rep(256) .. ", err: not matched", err)
        assert.equal("a URL has at most 2048 bytes, and its host at most 255", details.hint)
    end)

    it("of the number of header fields makes a head with more malformed", function()
        for count, expected in pairs { [255] = 200, [256] = false } do
            local fields = ("A: " .. ("x"):rep(100) .. "\r\n"):rep(count)
            local reply = "HTTP/1.1 200 OK\r\nContent-Length: 33\r\n" .. fields .. "\r\n"
            local server = fake.new { reply .. '{"header":{"revision":"1234567"}}' }
            local cli = assert(bed.new { http_host = server.http_host, timeout = 5, health = {} })
            local res, err = cli:get("k")
            if expected then
                assert.is_table(res, err)
                assert.equal(expected, res.status)
            else
                assert.is_nil(res)
                assert.is_truthy(err:find("malformed reply: bad HTTP head", 1, true))
            end
            server.close()
        end
    end)
end)
