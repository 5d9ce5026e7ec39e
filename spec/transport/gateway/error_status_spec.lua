-- Which HTTP statuses of a proxy in front of etcd leave open whether a write was applied.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local wire = require "spec.support.wire"

local UNPROCESSED = {}
for _, status in ipairs { 301, 302, 307, 308, 400, 401, 403, 404, 405, 411, 413, 414, 417, 429, 431 } do
    UNPROCESSED[status] = true
end
-- Statuses below 500 after which another attempt can succeed.
local TRANSIENT = { [408] = true, [429] = true, [460] = true, [499] = true }

local PUT = { { requestPut = { key = "a", value = "b" } } }
local ALWAYS = { { key = "a", target = "VERSION", result = "GREATER", version = -1 } }
local WRITES = { { "set", "k", "v" }, { "delete", "k" }, { "setnx", "k", "v" }, { "txn", ALWAYS, PUT }, { "revoke", "1" }, { "grant", 10, "77" } }
local BODIES = { "", "<html><title>x</title></html>", '{"message":"x"}', '{"code":0,"message":"x"}', '{"error":"x","code":999}', "[]" }

describe("status of a proxy", function()
    local server, restore

    before_each(function()
        restore = fake.never_ban()
        server = fake.new { "" }
    end)

    after_each(function()
        server:close()
        restore()
    end)

    local function client()
        return assert(bed.new { http_host = server.http_host, timeout = 5 })
    end

    local function details_of(cli, call)
        return (assert(select(3, cli[call[1]](cli, unpack(call, 2))), "the call succeeded"))
    end

    it("leaves open whether a write was applied unless it rejects the request itself, for all from 300 to 599", function()
        local cli = client()
        for status = 300, 599 do
            server:serve { fake.reply(BODIES[status % #BODIES + 1], status .. " X") }
            for _, call in ipairs(WRITES) do
                local details = details_of(cli, call)
                local name = ("%d to %s"):format(status, call[1])
                assert.equal(status, details.http_status, name)
                assert.is_nil(details.code, name)
                assert.equal(not UNPROCESSED[status], details.maybe_applied, name)
                assert.equal(status == 429, details.retryable, name)
            end
            local details = details_of(cli, { "get", "k" })
            assert.is_false(details.maybe_applied, "maybe_applied of a read")
            assert.equal(status >= 500 or TRANSIENT[status] == true, details.retryable, status .. " to a read")
        end
    end)

    it("is unknown wherever etcd has applied the write that a proxy passed on", function()
        local prefix = bed.key "passed-on"
        server:serve(function(request)
            local status = tonumber(request.headers["x-status"])
            if not UNPROCESSED[status] then
                local etcd_status = wire.exchange(bed.single.http, "POST", request.path, request.body, 10)
                assert(etcd_status == 200)
            end
            return { fake.reply("", status .. " X") }
        end)
        local at_etcd = assert(bed.new())
        for status = 300, 599 do
            local cli = assert(bed.new { http_host = server.http_host, timeout = 10, extra_headers = { ["X-Status"] = status } })
            local key = prefix .. status
            local details = details_of(cli, { "set", key, "v" })
            local is_applied = assert(at_etcd:get(key)).body.kvs ~= nil
            assert.equal(not UNPROCESSED[status], is_applied)
            assert.equal(is_applied, details.maybe_applied, tostring(status))
        end
    end)

    it("is as open with a gRPC code that no gateway sends together with it", function()
        local cli = client()
        for _, status in ipairs { 304, 406, 408, 409, 460, 499, 500, 502, 504 } do
            for code = 1, 16 do
                local body = ('{"code":%d,"message":"upstream error"}'):format(code)
                server:serve { fake.reply(body, status .. " X") }
                local details = details_of(cli, { "set", "k", "v" })
                -- ALREADY_EXISTS and ABORTED have status 409
                local is_of_etcd = status == 409 and (code == 6 or code == 10)
                -- DATA_LOSS has status 500
                is_of_etcd = is_of_etcd or status == 500 and code == 15
                assert.equal(not is_of_etcd, details.maybe_applied, status .. " with code " .. code)
            end
        end
    end)

    it("is open with a gRPC code that leaves it open, whatever the status", function()
        local cli = client()
        for _, status in ipairs { 400, 404, 429 } do
            for _, code in ipairs { 1, 2, 4, 13, 14 } do
                server:serve { fake.reply(('{"code":%d,"message":"x"}'):format(code), status .. " X") }
                assert.is_true(details_of(cli, { "set", "k", "v" }).maybe_applied, status .. " with code " .. code)
            end
        end
    end)
end)
