-- Error responses to writes: those that etcd sends after the write was applied, and codes that are not etcd's.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"

describe("error response", function()
    local server

    after_each(function()
        server:close()
    end)

    local function client(body, status)
        server = fake.new { fake.reply(body, status) }
        return assert(bed.new { http_host = server.http_host, timeout = 2, health = { retry = false, max_fails = 100 } })
    end

    for _, message in ipairs {
        "etcdserver: mvcc: database space exceeded",
        "grpc: received message larger than max (5242880 vs. 4194304)",
    } do
        it("sets maybe_applied when etcd sends it after proposing the write: " .. message, function()
            local cli = client(('{"error":"%s","message":"%s","code":8}'):format(message, message), "429 Too Many Requests")
            local res, err, details = cli:set("/k", 1)
            assert.equal(429, res.status)
            assert.is_nil(err)
            assert.equal("resource_exhausted", details.name)
            assert.is_true(details.maybe_applied)
            assert.is_false(details.retryable)
            res, err, details = cli:txn({ { key = "a", target = "VERSION", result = "EQUAL", version = "0" } }, { { requestPut = { key = "a", value = "b" } } })
            assert.is_nil(res)
            assert.equal(message, err)
            assert.is_true(details.maybe_applied)
            assert.is_false(select(3, cli:get("/k")).maybe_applied)
        end)
    end

    it("sets retryable, not maybe_applied, when etcd sends it before proposing the write", function()
        local cli = client('{"code":8,"message":"etcdserver: too many requests"}', "429 Too Many Requests")
        local res, _, details = cli:set("/k", 1)
        assert.equal(429, res.status)
        assert.is_true(details.retryable)
        assert.is_false(details.maybe_applied)
    end)

    for name, body in pairs {
        ["the HTTP status"] = '{"code":504,"message":"upstream timed out"}',
        ["0"] = '{"code":0,"message":"upstream timed out"}',
        ["the code of invalid arguments"] = '{"code":3,"message":"upstream timed out"}',
    } do
        it("sets maybe_applied when a proxy in front of etcd sends " .. name .. " as code", function()
            local cli = client(body, "504 Gateway Timeout")
            local res, err, details = cli:set("/k", 1)
            assert.is_nil(res)
            assert.equal("invalid response code: 504, upstream timed out", err)
            assert.equal("http_error", details.name)
            assert.is_nil(details.code)
            assert.is_true(details.maybe_applied)
            assert.is_true(select(3, cli:get("/k")).retryable)
        end)
    end

    for name, body in pairs {
        ["an older"] = '{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"Service Unavailable"}}',
        ["a newer"] = '{"error":{"code":14,"message":"etcdserver: no leader"}}\n',
    } do
        it("is understood in the format of streams when " .. name .. " gateway rejects a watch", function()
            local res, err, details = client(body, "503 Service Unavailable"):watch("/k")
            assert.is_nil(res)
            assert.equal("failed to watch data, response code: 503, etcdserver: no leader", err)
            assert.equal("unavailable", details.name)
            assert.equal(14, details.code)
            assert.is_true(details.retryable)
        end)
    end

    it("is returned together with details", function()
        local cli = client('{"code":7,"message":"etcdserver: permission denied"}', "403 Forbidden")
        local res, err, details = cli:set("/k", 1)
        assert.equal(403, res.status)
        assert.is_nil(err)
        assert.equal("permission_denied", details.name)
        assert.is_false(details.maybe_applied)
    end)
end)

describe("client", function()
    it("returns no healthy endpoint when its endpoint has no http_host", function()
        for _, opts in ipairs { {}, { health = {} } } do
            local cli = assert(bed.new(opts))
            cli.endpoints = { { full_prefix = bed.single.http .. "/v3" } }
            local res, err = cli:get("/k")
            assert.is_nil(res)
            assert.equal("has no healthy etcd endpoint available", err)
        end
    end)
end)

describe("connection with TLS", function()
    it("fails at the deadline of the call when both connect and handshake are slow #alone", function()
        local server = fake.new { 60 } -- sends no ServerHello
        local cli = assert(bed.new {
            transport = "cosocket", http_host = server.http_host:gsub("http:", "https:"), timeout = 1, health = { retry = false },
        })
        local sockets = ngx.socket.tcp
        ngx.socket.tcp = function() -- luacheck: ignore 122
            local sock = sockets()
            return setmetatable({
                connect = function(_, ...)
                    ngx.sleep(0.6)
                    return sock:connect(...)
                end,
            }, {
                __index = function(_, name)
                    return function(_, ...) return sock[name](sock, ...) end
                end,
            })
        end
        ngx.update_time()
        local started = ngx.now()
        local res, err = cli:get("/k")
        ngx.socket.tcp = sockets -- luacheck: ignore 122
        ngx.update_time()
        assert.is_nil(res)
        assert.is_truthy(err:find("timeout", 1, true), err)
        assert.is_true(ngx.now() - started < 1.3) -- 1.6 s if each had a separate timeout
        server:close()
    end)
end)
