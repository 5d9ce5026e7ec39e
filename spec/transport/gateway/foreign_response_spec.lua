-- Responses of proxies and other servers in front of etcd.
local bed = require "spec.support.bed"
local captured_log = require "spec.support.captured_log"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"

local RANGE = { { requestRange = { key = "a" } } }
local PUT = { { requestPut = { key = "a", value = "b" } } }
local ALWAYS = { { key = "a", target = "VERSION", result = "GREATER", version = -1 } }
local PAGE = "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n<hr></body>\r\n</html>\r\n"

-- Calls whose result has a `res` for an error response, and calls that return nil; true: the call is a write.
local WITH_RES = {
    { false, "get", "k" }, { false, "readdir", "k" }, { true, "set", "k", "v" }, { true, "delete", "k" }, { true, "rmdir", "k" },
    { true, "revoke", "1" }, { false, "timetolive", "1" }, { false, "leases" }, { false, "version" },
}
local WITHOUT_RES = {
    { true, "txn", ALWAYS, PUT }, { false, "txn", ALWAYS, RANGE }, { true, "setnx", "k", "v" }, { true, "setx", "k", "v" },
    { false, "keepalive", "1" }, { true, "grant", 10, "77" },
}

local CASES = {
    {
        "301 Moved Permanently", PAGE:format("301 Moved Permanently", "301"), "Location: https://etcd.test/v3/kv/range\r\n",
        text = "Location: https://etcd.test/v3/kv/range", hint = "a redirect is not followed: use https in http_host",
    },
    {
        "307 Temporary Redirect", "", "location: /login\r\n", text = "Location: /login",
        hint = "a redirect is not followed: set http_host and api_prefix to what it leads to",
    },
    {
        "401 Unauthorized", PAGE:format("401 Authorization Required", "401"), 'WWW-Authenticate: Basic realm="x"\r\n',
        text = "401 Authorization Required", hint = "a proxy in between requires other credentials: see opts.extra_headers",
    },
    {
        "403 Forbidden", "RBAC: access denied", text = "RBAC: access denied",
        hint = "a proxy in between does not allow the request: etcd has not seen it",
    },
    {
        "404 Not Found", '{"error_msg":"404 Route Not Found"}', text = '{"error_msg":"404 Route Not Found"}',
        hint = "another server or a proxy responds here: check http_host and api_prefix",
    },
    {
        "408 Request Timeout", "", text = "empty response", hint = "a proxy in between has not received the request in time",
        reads = "retryable", writes = "maybe_applied",
    },
    {
        "413 Request Entity Too Large", PAGE:format("413 Request Entity Too Large", "413"), text = "413 Request Entity Too Large",
        hint = "a proxy in between limits the size of requests, as client_max_body_size does in nginx; etcd's own limit is 1.5 MB",
    },
    {
        "429 Too Many Requests", '{"message":"API rate limit exceeded","code":429}', text = "API rate limit exceeded",
        hint = "a proxy in between limits the rate of requests: etcd has not seen it", reads = "retryable", writes = "retryable",
    },
}

describe("response of a proxy", function()
    local server, restore

    before_each(function()
        restore = fake.never_ban()
        server = fake.new { "" }
    end)

    after_each(function()
        server:close()
        restore()
    end)

    local function client(opts)
        local all = { http_host = server.http_host, timeout = 2 }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    for _, case in ipairs(CASES) do
        local status = tonumber(case[1]:sub(1, 3))
        local text = ("HTTP %d from something that is not etcd: %s"):format(status, case.text)

        local function assert_details(details, is_write)
            local expected = is_write and case.writes or not is_write and case.reads
            assert.equal("http_error", details.name)
            assert.equal(text, details.message)
            assert.equal(status, details.http_status)
            assert.equal(case.hint, details.hint)
            assert.equal(expected == "retryable", details.retryable)
            assert.equal(expected == "maybe_applied", details.maybe_applied)
        end

        it("says that it is not etcd's, with a hint, in every call: " .. case[1], function()
            server:serve { fake.reply(case[2], case[1], case[3]) }
            local cli = client()
            for _, call in ipairs(WITH_RES) do
                local res, err, details = cli[call[2]](cli, unpack(call, 3))
                assert.is_nil(err)
                assert.equal(status, res.status)
                assert.equal(text, res.body.error)
                assert.equal(case.hint, res.body.hint)
                assert_details(details, call[1])
            end
            for _, call in ipairs(WITHOUT_RES) do
                local res, err, details = cli[call[2]](cli, unpack(call, 3))
                assert.is_nil(res)
                assert.equal(text, err)
                assert_details(details, call[1])
            end
            local res, err, details = cli:watch "k"
            assert.is_nil(res)
            assert.equal(("failed to watch data, response code: %d, %s"):format(status, text), err)
            assert_details(details, false)
            assert.equal(0, fake.reports(server.http_host))
        end)

        it("is the reason of a failed login: " .. case[1], function()
            server:serve { fake.reply(case[2], case[1], case[3]) }
            local res, err, details = client({ user = "root", password = "secret" }):get "k"
            assert.is_nil(res)
            assert.equal("authenticate refresh token fail", err)
            assert.equal(text .. "; " .. case.hint, details.hint)
        end)
    end

    it("is retried on another endpoint when it limits the rate of requests, and stands in the log", function()
        assert(health_check.init { shm_name = "test", max_fails = 1000, retry = true })
        local good = fake.new { fake.reply '{"header":{"cluster_id":"1","revision":"7"}}' }
        server:serve { fake.reply("", "429 Too Many Requests") }
        local cli = client { http_host = { server.http_host, good.http_host }, init_count = -1 }
        local log = captured_log.start()
        local res, err = cli:set("k", "v")
        log.stop()
        good:close()
        assert.equal(200, res and res.status, err)
        assert.equal(1, log.count("^%[warn%] HTTP 429 from something that is not etcd: empty response%. Retrying$"))
    end)

    it("keeps the text of lua-resty-etcd 1.10 from status 500 on", function()
        for _, status in ipairs { "502 Bad Gateway", "503 Service Temporarily Unavailable", "504 Gateway Time-out" } do
            server:serve { fake.reply(PAGE:format(status, status), status) }
            local res, err, details = client():get "k"
            assert.is_nil(res)
            assert.equal(("invalid response code: %s, <html> <head><title>%s"):format(status:sub(1, 3), status), err:sub(1, 48 + #status))
            assert.is_true(details.retryable)
            assert.equal("http_error", details.name)
        end
    end)

    it("is not shown when it contains the password of a login, also in a redirect", function()
        for _, field in ipairs { "Location: https://x/?p=hunter2\r\n", "" } do
            server:serve { fake.reply(field == "" and "you sent hunter2" or "", "302 Found", field) }
            local _, err, details = client({ user = "root", password = "hunter2" }):get "k"
            assert.equal("authenticate refresh token fail", err)
            assert.is_nil(details.hint:find("hunter2", 1, true))
            assert.is_truthy(details.hint:find("^HTTP 302 from something that is not etcd: not shown; "))
        end
    end)

    it("leaves etcd's own texts as they are, with or without a gRPC code", function()
        for _, text in ipairs { "404 page not found", "Not Found", "Method Not Allowed", "etcdserver: permission denied",
            "Client sent an HTTP request to an HTTPS server." } do
            server:serve { fake.reply(text .. "\n", "400 Bad Request") }
            assert.equal(text, client():get("k").body.error)
        end
        server:serve { fake.reply("Client sent an HTTP request to an HTTPS server.\n", "400 Bad Request") }
        assert.equal("the port serves TLS: use https in http_host", client():get("k").body.hint)
        server:serve { fake.reply('{"code":5,"message":"Not Found"}', "404 Not Found") }
        assert.equal("Not Found", client():get("k").body.error)
        server:serve { fake.reply("Not Found: no such service\n", "404 Not Found") }
        assert.equal("HTTP 404 from something that is not etcd: Not Found: no such service", client():get("k").body.error)
    end)

    it("is told apart from etcd's for a path that its gateway does not serve", function()
        local cli = assert(bed.new { http_host = bed.single.http })
        cli.endpoints[1].full_prefix = bed.single.http .. "/v3/nothing"
        local res, err = cli:get "k"
        assert.equal(404, res and res.status, err)
        assert.equal("Not Found", res.body.error)
    end)

    it("is told apart from etcd's for a host that is not in its whitelist", function()
        local etcd = bed.add("host-whitelist", "--host-whitelist=127.0.0.1")
        local res, err, details = assert(bed.new { http_host = etcd.http, extra_headers = { Host = "etcd.test" } }):get "k"
        bed.remove "host-whitelist"
        assert.equal(421, res and res.status, err)
        assert.is_truthy(res.body.error:find("^etcd received your request, but the Host header was unrecognized%."))
        assert.equal("etcd's --host-whitelist lacks the host of this endpoint: add it there, or use https", details.hint)
        assert.is_false(details.retryable)
    end)

    it("has a hint about buffering when a watch stays silent", function()
        server:serve { 5 }
        local res, err, details = client():watch("k", { timeout = 0.3 })
        assert.is_nil(res)
        assert.equal(server.http_host .. ": timeout", err)
        assert.equal("a proxy in between can hold back the response: in nginx, set proxy_buffering off", details.hint)
        local _, _, other = client():get("k", { timeout = 0.3 })
        assert.is_nil(other.hint)
    end)
end)
