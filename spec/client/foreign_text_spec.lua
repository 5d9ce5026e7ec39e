-- Text of servers, other tenants' keys and users' functions in log lines, errors and metrics.
local bed = require "spec.support.bed"
local captured_log = require "spec.support.captured_log"
local cjson = require "cjson.safe"
local config = require "resty.etcd.config"
local discovery = require "resty.etcd.discovery"
local fake = require "spec.support.scripted_server"
local printable = require "resty.etcd.base.printable"
local replies = require "spec.support.etcd_replies"
local utf8 = require "resty.etcd.base.utf8"

-- A forged line, escape sequences of terminals in both forms, NUL, DEL, a separator of lines, and a byte that is no UTF-8.
local EVIL = "x\n2026/01/01 00:00:00 [error] 1#1: forged\27[2J\155[2J\0\127\194\133\226\128\168\255y"

local function assert_harmless(text)
    assert.is_string(text)
    assert.is_nil(text:find("%c"), text)
    assert.is_nil(utf8.find_invalid(text), text)
    assert.is_nil(text:find("\226\128\168", 1, true), text)
end

describe("foreign text", function()
    local log, closers

    before_each(function()
        closers = {}
        log = captured_log.start()
    end)

    after_each(function()
        log.stop()
        for i = #closers, 1, -1 do
            closers[i]()
        end
    end)

    local function serve(...)
        local server = fake.new(...)
        closers[#closers + 1] = server.close
        return server
    end

    -- Checks all lines so far, and that `part` is in one of them.
    local function assert_logged(part)
        assert(fake.eventually(function()
            for _, line in ipairs(log.lines) do
                if line:find(part, 1, true) then
                    return true
                end
            end
        end), part .. " is not in:\n" .. table.concat(log.lines, "\n"))
        for _, line in ipairs(log.lines) do
            assert_harmless(line)
            assert.is_true(#line < 5000)
        end
    end

    -- Checks every text that a failed method returns.
    local function assert_harmless_error(res, err, details)
        for _, text in ipairs { err or res.body.error, details and details.message, details and details.hint } do
            assert_harmless(text)
            assert.is_true(#text < 5000)
        end
        assert.is_true(#(err or res.body.error) > 0)
    end

    local BODIES = {
        ["JSON of etcd"] = cjson.encode { error = "etcdserver: " .. EVIL, message = EVIL, code = 14 },
        ["JSON of an older etcd"] = cjson.encode { error = EVIL, code = 3 },
        ["a long message"] = cjson.encode { error = "etcdserver: " .. EVIL:rep(20000), code = 13 },
        ["text"] = EVIL,
        ["markup"] = "<html><title>" .. EVIL .. "</title></html>",
        ["an object"] = cjson.encode { error = { message = EVIL, grpc_code = 9 } },
    }

    for name, body in pairs(BODIES) do
        it("is cleaned in errors of calls and in the lines about them: " .. name, function()
            for _, status in ipairs { "400 Bad Request", "503 Service Unavailable" } do
                local one, two = serve { fake.reply(body, status) }, serve { fake.reply(body, status) }
                local cli = assert(bed.new { http_host = { one.http_host, two.http_host }, health = {}, timeout = 1 })
                for _, result in ipairs {
                    { cli:get("k") }, { cli:set("k", 1) }, { cli:grant(10) }, { cli:txn({ { key = "k", version = "1" } }, {}) },
                    { cli:watch("k") }, { cli:keepalive("7") }, { cli:version() },
                } do
                    assert_harmless_error(unpack(result, 1, 3))
                end
            end
            assert_logged(". Retrying")
        end)
    end

    it("is cleaned where a redirect names it, and where a status of 200 is not etcd's", function()
        local server = serve({ fake.reply("", "301 Moved", "Location: http://a/\27[2J\155\r\n") }, { fake.reply(EVIL) })
        local cli = assert(bed.new { http_host = server.http_host, timeout = 1, health = {} })
        assert_harmless_error(cli:get("k"))
        assert_harmless_error(cli:get("k"))
    end)

    it("is cleaned in the reason of a canceled watch, and in an error in the stream", function()
        local server
        server = serve(function(request)
            if request.path ~= "/v3/watch" then
                return { replies.read(10) }
            end
            server.watches = (server.watches or 0) + 1
            if server.watches == 1 then
                local canceled = { header = replies.header(10), canceled = true, cancel_reason = EVIL:rep(1000) }
                return { replies.created(10) .. replies.line(canceled) }
            end
            return { fake.CHUNKED .. fake.chunk(cjson.encode { error = { message = EVIL, grpc_code = 14 } } .. "\n") }
        end)
        local cli = assert(bed.new { http_host = server.http_host, timeout = 1, health = {} })
        local watcher = assert(cli:watcher("k" .. EVIL, { prefix = true }))
        closers[#closers + 1] = function() watcher:close() end
        assert_logged("; opening another stream")
        local reader, err, details = cli:watch("k")
        if reader then
            reader, err, details = reader()
        end
        assert.is_nil(reader)
        assert_harmless_error(nil, err, details)
    end)

    it("is cleaned in errors that functions of the user raise about another tenant's key", function()
        local dir = bed.key("foreign_text")
        local cli = assert(bed.new { serializer = "raw" })
        closers[#closers + 1] = function() assert(cli:rmdir(dir)) end
        local calls = 0
        local function fail(batch)
            calls = calls + 1
            local change = (batch.events or batch.changes or {})[1]
            error("cannot use " .. (change and (change.key or change.kv.key) or EVIL), 0)
        end
        local watcher = assert(cli:watcher(dir, { prefix = true, on_batch = fail }))
        closers[#closers + 1] = function() watcher:close() end
        local mirror = assert(cli:mirror(dir, {
            validate = function(value, key) return value ~= "bad", "cannot validate " .. key end,
            index = { host = function(_, kv) error("cannot index " .. kv.key, 0) end },
        }))
        closers[#closers + 1] = function() mirror:close() end
        assert(mirror:wait_ready(5))
        assert(mirror:on_change(fail))
        assert(cli:set(dir .. EVIL, "good"))
        assert(cli:set(dir .. "bad" .. EVIL:rep(100), "bad"))
        assert_logged("on_batch of a watcher: cannot use " .. dir)
        assert_logged(": on_change: cannot use " .. dir)
        assert_logged("cannot index " .. dir)
        assert_logged(": cannot validate " .. dir)
        assert_logged("bad" .. printable.of(EVIL):sub(1, 20))
    end)

    it("is cleaned in the lines of the configuration store, of service discovery and of on_call", function()
        local dir = bed.key("foreign_text")
        local cli
        cli = assert(bed.new { on_call = function() error("cannot count " .. EVIL, 0) end, serializer = "raw" })
        closers[#closers + 1] = function() assert(cli:rmdir(dir)) end
        local store = assert(config.new(cli, dir .. EVIL .. "/"))
        closers[#closers + 1] = function() store:close() end
        assert(store.mirror:wait_ready(5))
        assert(store:watch(EVIL, function() error("cannot show " .. EVIL, 0) end, { initial = true }))
        local found = assert(discovery.new(cli, { prefix = dir .. "services" .. EVIL }))
        closers[#closers + 1] = function() found:close() end
        assert(found:wait_ready(5))
        assert(found:on_change("web\n", function() error("cannot use " .. EVIL, 0) end, { initial = true }))
        local instance = { host = "127.0.0.1", port = 1 }
        local registration = assert(discovery.register(cli, "web\n", instance, { prefix = dir .. "services" .. EVIL }))
        closers[#closers + 1] = function() registration:close() end
        assert_logged("on_call: cannot count x?")
        assert_logged("configuration store of " .. dir .. "x?")
        assert_logged("service discovery of " .. dir .. "services")
    end)

    it("is cleaned in the labels of metrics", function()
        local cli = assert(bed.new { metrics = true })
        assert(cli:get("/k"))
        local text = assert(cli:metrics { client = EVIL .. ("\255"):rep(10000) })
        assert.is_nil(utf8.find_invalid(text))
        assert.is_nil(text:gsub("\n", ""):find("%c"))
        assert.is_truthy(text:find('client="x\\n2026', 1, true))
        for line in text:gmatch("[^\n]+") do
            assert.is_truthy(line:find("^resty_etcd_") or line:find("^# ")) -- no line of EVIL
            assert.is_true(#line < 2000)
        end
    end)

    it("leaves the lines with harmless text as they are", function()
        local message = "etcdserver: a message with Grüßen, \"quotes\", \\ and 日本語"
        local unavailable = fake.reply(cjson.encode { error = message, code = 14 }, "503 Service Unavailable")
        local one, two = serve { unavailable }, serve { unavailable }
        local cli = assert(bed.new { http_host = { one.http_host, two.http_host }, health = {}, timeout = 1 })
        local _, err, details = cli:get("k")
        assert.equal("invalid response code: 503, " .. message, err)
        assert.equal(message, details.message)
        local line = "^%[warn%] invalid response code: 503, " .. message:gsub("%p", "%%%0") .. "%. Retrying$"
        assert.is_true(log.count(line) > 0)
    end)
end)

describe("line with extra_headers", function()
    local function line_of(headers)
        local level, write, lines = require "resty.etcd.base.log", ngx.log, {}
        local info_enabled = level.info_enabled
        level.info_enabled = function() return true end
        ngx.log = function(_, ...) lines[#lines + 1] = table.concat { ... } end -- luacheck: ignore 122
        local server = fake.new { fake.reply('{"header":{"revision":"1"}}') }
        local ok, err = pcall(function()
            assert(assert(bed.new { http_host = server.http_host, extra_headers = headers }):get("k"))
        end)
        ngx.log, level.info_enabled = write, info_enabled -- luacheck: ignore 122
        server.close()
        assert(ok, err)
        for _, line in ipairs(lines) do
            local json = line:match("^request uri headers: (.*)$")
            if json then
                return json, server.requests[1].headers
            end
        end
    end

    it("masks the values of fields whose names look secret, and sends them", function()
        local secrets = {
            "Cookie", "X-Auth-Request", "X-Api-Key", "X-TOKEN", "My-Secret", "X-Password", "X-Credentials",
            "Proxy-Authorization",
        }
        local headers = { ["X-Trace"] = "shown" }
        for _, name in ipairs(secrets) do
            headers[name] = "s3cret"
        end
        local json, sent = line_of(headers)
        assert.is_nil(json:find("s3cret", 1, true))
        local shown = cjson.decode(json)
        for _, name in ipairs(secrets) do
            assert.equal("***", shown[name])
            assert.equal("s3cret", sent[name:lower()])
        end
        assert.equal("shown", shown["X-Trace"])
    end)

    it("is the JSON of the fields if no name looks secret", function()
        local headers = { ["X-Trace"] = "a/b\tc", ["Content-Type"] = "application/json", ["X-Long"] = ("v"):rep(3000) }
        assert.same(headers, cjson.decode((line_of(headers))))
        assert.equal('{"X-Trace":"a\\/b"}', (line_of { ["X-Trace"] = "a/b" }))
        assert.equal("{}", (line_of {}))
    end)
end)
