-- Every integer that a program passes: only what is exact and an int64 is sent.
local bed = require "spec.support.bed"
local cjson = require "cjson.safe"
local config = require "resty.etcd.config"
local fake = require "spec.support.scripted_server"

-- Methods by the name of their integer. Each is called with the integer.
local function calls(cli)
    local absent = { { key = "k", target = "VERSION", result = "EQUAL", version = 0 } }
    local function range_option(name)
        return function(n)
            return cli:get("k", { [name] = n })
        end
    end
    local function operation(kind, name)
        return function(n)
            return cli:txn(absent, { { [kind] = { key = "k", value = kind == "requestPut" and "v" or nil, [name] = n } } })
        end
    end
    local function nested(n)
        local op = { requestPut = { key = "k", value = "v", lease = n } }
        return cli:txn(absent, { { requestTxn = { compare = absent, success = { op } } } })
    end
    local function comparison(target, name)
        return function(n)
            return cli:txn({ { key = "k", target = target, result = "EQUAL", [name] = n } }, { { requestRange = { key = "k" } } })
        end
    end
    local all = {
        ["TTL of grant"] = function(n) return cli:grant(n) end,
        ["ID of grant"] = function(n) return cli:grant(60, n) end,
        ["ID of revoke"] = function(n) return cli:revoke(n) end,
        ["ID of keepalive"] = function(n) return cli:keepalive(n) end,
        ["ID of timetolive"] = function(n) return cli:timetolive(n) end,
        ["lease of set"] = function(n) return cli:set("k", "v", { lease = n }) end,
        ["lease of an idempotent set"] = function(n) return cli:set("k", "v", { lease = n, idempotent = true }) end,
        ["lease of setnx"] = function(n) return cli:setnx("k", "v", { lease = n }) end,
        ["lease of an idempotent setx"] = function(n) return cli:setx("k", "v", { lease = n, idempotent = true }) end,
        ["lease of an operation"] = operation("requestPut", "lease"),
        ["lease of a nested operation"] = nested,
        ["limit of an operation"] = operation("requestRange", "limit"),
        ["revision of an operation"] = operation("requestRange", "revision"),
        ["version of a comparison"] = comparison("VERSION", "version"),
        ["create_revision of a comparison"] = comparison("CREATE", "create_revision"),
        ["mod_revision of a comparison"] = comparison("MOD", "mod_revision"),
        ["lease of a comparison"] = comparison("LEASE", "lease"),
        ["start_revision of watch"] = function(n) return cli:watch("k", { start_revision = n }) end,
        ["start_revision of watchdir"] = function(n) return cli:watchdir("k", { start_revision = n }) end,
        ["watch_id of watch"] = function(n) return cli:watch("k", { watch_id = n }) end,
        ["start_revision of watcher"] = function(n) return cli:watcher("k", { start_revision = n }) end,
        ["revision of readdir"] = function(n) return cli:readdir("k", { revision = n }) end,
        ["limit of readdir"] = function(n) return cli:readdir("k", { limit = n }) end,
    }
    for _, name in ipairs {
        "revision", "limit", "min_mod_revision", "max_mod_revision", "min_create_revision", "max_create_revision",
    } do
        all[name .. " of get"] = range_option(name)
    end
    return all
end

local INVALID = {
    2 ^ 53, -2 ^ 53, 9007199254740993, 2 ^ 62, 2 ^ 63, 2 ^ 64, 1e300, 1 / 0, -1 / 0, 0 / 0, 1.5,
    "9223372036854775808", "-9223372036854775809", "18446744073709551615", "99999999999999999999", "09223372036854775808",
    9223372036854775808ULL, 18446744073709551615ULL, "1.5", "1e3", "0x10", " 1", "1 ", "+1", "--1", "-", "", "1LL", true, {},
}

describe("integer that is not exact or no int64", function()
    local server, clients

    before_each(function()
        server = fake.new { fake.CLOSE }
        clients = {
            assert(bed.new { http_host = server.http_host }),
            -- calls that need a token, and calls of a client that checks revisions
            assert(bed.new { http_host = server.http_host, user = "u", password = "p", monotonic = true, health = {} }),
        }
    end)

    after_each(function()
        server:close()
    end)

    it("is rejected by each method, and nothing is sent", function()
        local count = 0
        for _, cli in ipairs(clients) do
            for what, call in pairs(calls(cli)) do
                for _, value in ipairs(INVALID) do
                    local text = ("%s: %s %s"):format(what, type(value), tostring(value))
                    local res, err, details = call(value)
                    assert.is_nil(res, text)
                    assert.equal("bad_request", details.name, text)
                    assert.is_truthy(err:find("must be integer", 1, true) or err:find("must be a positive integer", 1, true)
                        or err:find("start_revision must not be negative", 1, true), text .. ": " .. err)
                    count = count + 1
                end
            end
        end
        assert.is_true(count > 1500, count)
        assert.equal(0, server.connections)
    end)

    it("is rejected as a revision by the configuration store", function()
        local conf = assert(config.new(assert(bed.new()), bed.key("integer_range")))
        local negative = { -1, "-1", "-9223372036854775808" }
        for _, list in ipairs { INVALID, negative } do
            for _, value in ipairs(list) do
                local what = type(value) .. " " .. tostring(value)
                assert.is_nil((conf:put("a", 1, { if_revision = value })), what)
                assert.is_nil((conf:delete("a", { if_revision = value })), what)
                local document, _, details = conf:history("a", value)
                assert.is_nil(document, what)
                assert.equal("bad_request", details and details.name or "bad_request", what)
            end
        end
        conf:close()
    end)
end)

describe("int64", function()
    it("is sent exactly, as number, string and cdata", function()
        local server = fake.new { fake.reply "{}" }
        finally(function()
            server:close()
        end)
        local cli = assert(bed.new { http_host = server.http_host })
        local exact = {
            [2 ^ 53 - 1] = "9007199254740991",
            ["9007199254740993"] = "9007199254740993",
            ["9223372036854775807"] = "9223372036854775807",
            [9223372036854775807LL] = "9223372036854775807",
            [9223372036854775807ULL] = "9223372036854775807",
            [5ULL] = "5",
        }
        for value, text in pairs(exact) do
            cli:keepalive(value)
            assert.equal(text, cjson.decode(server.requests[#server.requests].body).ID)
            cli:watch("k", { start_revision = value })
            assert.equal(text, cjson.decode(server.requests[#server.requests].body).create_request.start_revision)
        end
        for value, text in pairs { [-(2 ^ 53 - 1)] = "-9007199254740991", ["-9223372036854775808"] = "-9223372036854775808" } do
            cli:keepalive(value)
            assert.equal(text, cjson.decode(server.requests[#server.requests].body).ID)
        end
    end)
end)
