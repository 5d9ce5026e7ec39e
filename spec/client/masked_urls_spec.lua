-- User and password in URLs: no text, hint, detail or log line shows them.
local bed = require "spec.support.bed"
local etcd = require "resty.etcd"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"

local SECRETS = { "root", "s3cret" }

-- Returns all strings of a value, in one.
local function all_strings(value, seen)
    seen = seen or {}
    if type(value) ~= "table" then
        return tostring(value)
    elseif seen[value] then
        return ""
    end
    seen[value] = true
    local parts = {}
    for k, v in pairs(value) do
        parts[#parts + 1] = tostring(k) .. "=" .. all_strings(v, seen)
    end
    return table.concat(parts, " ")
end

local function assert_masked(what, ...)
    local text = all_strings { ... }
    for _, secret in ipairs(SECRETS) do
        assert.is_nil(text:find(secret, 1, true), what .. ": " .. text)
    end
end

-- Calls `fn`. Returns all that it logs, at any level.
local function logged(fn)
    local lines, log = {}, ngx.log
    ngx.log = function(_, ...) -- luacheck: ignore 122
        local parts = { ... }
        for i = 1, select("#", ...) do
            parts[i] = tostring(parts[i])
        end
        lines[#lines + 1] = table.concat(parts)
    end
    local ok, err = pcall(fn)
    ngx.log = log -- luacheck: ignore 122
    assert(ok, err)
    return lines
end

describe("etcd.new with user and password in a URL", function()
    local USER = "a URL has no user and password: use the options user and password"
    local LIST = 'several endpoints are an array: http_host = { "http://a:2379", "http://b:2379" }'
    local SCHEME = "the scheme is missing: write http://<host>:<port> or https://<host>:<port>"

    it("masks them in the error, and says in the hint what to write", function()
        for url, shown in pairs {
            ["http://root:s3cret@host"] = "http://***@host",
            ["http://root:s3cret@host:2379"] = "http://***@host:2379",
            ["https://root@host:2379"] = "https://***@host:2379",
            ["https://:s3cret@[::1]:2379"] = "https://***@[::1]:2379",
            ["http://root:s3cret@x@host"] = "http://***@host",
            ["http://root:a/s3cret@host"] = "http://***@host",
            ["http://root:a?s3cret#@host"] = "http://***@host",
            ["http://root:a,s3cret@host"] = "http://***@host",
            ["http://root:a s3cret\n@host"] = "http://***@host",
            ["HTTP://root:s3cret@host"] = "HTTP://***@host",
            ["ftp://root:s3cret@host"] = "ftp://***@host",
            ["http://u@h"] = "http://***@h",
            ["root:s3cret@host:2379"] = "***@host:2379",
            ["http://root:s3cret@a:1,http://root:s3cret@b:2"] = "http://***@a:1,http://***@b:2",
            ["http://root:s3cret@a:1, http://b:2, https://root:s3cret@c"] = "http://***@a:1, http://b:2, https://***@c",
            ["root:s3cret@a:1,root:s3cret@b:2"] = "***@b:2",
        } do
            for _, hosts in ipairs { url, { url }, { "http://127.0.0.1:2379", url } } do
                local res, err, details
                assert.same({}, logged(function()
                    res, err, details = etcd.new { http_host = hosts }
                end))
                assert.is_nil(res, url)
                assert.equal("invalid http host: " .. shown .. ", err: not matched", err)
                assert.equal("bad_request", details.name)
                assert.equal(1, details.hint:find(USER, 1, true), details.hint)
                assert_masked(url, err, details, tostring(details))
            end
        end
    end)

    it("says in the hint what is wrong with other URLs", function()
        for url, hint in pairs {
            ["127.0.0.1:2379"] = SCHEME,
            ["localhost"] = SCHEME,
            ["http://a:1,http://b:2"] = LIST,
            ["a:1,b:2"] = LIST .. "; " .. SCHEME,
            ["http://a b"] = "a URL has no blanks, line breaks or control characters",
            ["http://h?q"] = "a URL has no query and no fragment",
            ["ftp://host"] = "the scheme must be http or https, or unix:<path>",
            ["http://::1:2379"] = "write http://<host>:<port>, with a port from 1 to 65535, and IPv6 addresses in brackets",
            ["http://a:65536"] = "write http://<host>:<port>, with a port from 1 to 65535, and IPv6 addresses in brackets",
        } do
            local _, err, details = etcd.new { http_host = url }
            assert.equal("invalid http host: " .. url .. ", err: not matched", err)
            assert.equal(hint, details.hint, url)
        end
    end)
end)

describe("user and password in an endpoint that a program wrote", function()
    local server

    before_each(function()
        server = fake.new({ fake.CLOSE })
        assert(health_check.init { max_fails = 1, fail_timeout = 1 })
    end)

    after_each(function()
        server:close()
        assert(health_check.init())
    end)

    local function try(change, health)
        local cli = assert(bed.new { http_host = server.http_host, timeout = 1, health = health })
        change(cli.endpoints[1])
        local calls = {
            function() return cli:get("k") end,
            function() return cli:version() end,
            function() return cli:set("k", 1) end,
            function() return cli:watch("k") end,
            function() return cli:sync() end,
        }
        for i, call in ipairs(calls) do
            local results
            local lines = logged(function()
                results = { call() }
            end)
            assert.is_nil(results[1])
            assert.equal("string", type(results[2]))
            assert_masked("call " .. i, results[2], results[3], tostring(results[3]), lines)
        end
    end

    it("is masked in errors, details, hints and log lines", function()
        local port = server.http_host:match(":(%d+)$")
        local with_user = "http://root:s3cret@127.0.0.1:" .. port
        for _, health in ipairs { false, { max_fails = 1 } } do
            health = health or nil
            try(function(endpoint)
                endpoint.full_prefix = with_user .. "/v3"
                endpoint.http_host = with_user
            end, health)
            try(function(endpoint)
                endpoint.full_prefix = with_user .. "/v3"
            end, health)
            -- the requests go to the address, and fail there
            try(function(endpoint)
                endpoint.http_host = with_user
            end, health)
        end
    end)

    it("is masked in the lines about a list of members", function()
        local url = server.http_host
        server:serve { fake.reply(('{"header":{"cluster_id":"1","member_id":"7"},"members":[{"ID":"7","clientURLs":["%s"]}]}'):format(url)) }
        local cli = assert(bed.new { http_host = "http://127.0.0.1:1", timeout = 1 })
        cli.endpoints[1].full_prefix = url .. "/v3"
        cli.endpoints[1].http_host = "http://root:s3cret@127.0.0.1"
        local lines = logged(function()
            assert(cli:sync())
        end)
        assert_masked("list of members", lines)
        local expected = ("endpoints: %s, from the list of members of http://***@127.0.0.1"):format(url)
        assert.is_truthy(all_strings(lines):find(expected, 1, true))
        cli = assert(bed.new { http_host = { "http://127.0.0.1:1", "http://127.0.0.1:2" }, timeout = 1 })
        cli.endpoints[1].http_host = "http://root:s3cret@127.0.0.1:1"
        cli.endpoints = { assert(bed.new { http_host = "http://127.0.0.1:3" }).endpoints[1] }
        lines = logged(function()
            assert.is_nil((cli:sync()))
        end)
        assert_masked("configured endpoints", lines)
        assert.is_truthy(all_strings(lines):find("endpoints: http://***@127.0.0.1:1 http://127.0.0.1:2, as configured", 1, true))
    end)

    it("is masked in the line of a reported failure", function()
        assert_masked("report", logged(function()
            assert(health_check.report_failure("http://root:s3cret@127.0.0.1:5"))
        end))
    end)

    it("is masked in the Location of a redirect", function()
        server:serve { fake.reply("", "301 Moved Permanently\r\nLocation: https://root:s3cret@elsewhere/v3/kv/range") }
        local cli = assert(bed.new { http_host = server.http_host, health = {} })
        local res, err, details = cli:get("k")
        assert_masked("redirect", res and res.body, err, details)
        assert.is_truthy(all_strings({ res and res.body, err, details }):find("***@elsewhere", 1, true))
    end)
end)
