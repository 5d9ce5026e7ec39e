-- Requests and responses that are cut after each of their bytes, by FIN and by RST.
local bed = require "spec.support.bed"
local health_check = require "resty.etcd.health_check"
local history = require "fault.history"
local proxy = require "fault.proxy"
local settings = require "fault.settings"

describe("connection cut after each byte", function()
    local rig, cli, key
    local pick = settings.random("cut bytes")

    setup(function()
        settings.announce("cut bytes")
        rig = proxy.start { bed.single.http }
    end)

    teardown(function()
        rig:stop()
        settings.finish()
    end)

    before_each(function()
        assert(health_check.init { retry = true, fail_timeout = 0 })
        -- one endpoint, twice: a retry needs another endpoint
        cli = assert(bed.new { http_host = { rig.hosts[1], rig.hosts[1] }, timeout = 5, serializer = "raw" })
        key = bed.key("cut-bytes")
    end)

    after_each(function()
        rig:set { mode = "pass" }
        assert(cli:delete(key))
        assert(health_check.init())
    end)

    -- Makes puts with 0, 1, 2... bytes passed, until one succeeds. Returns the puts.
    local function put_until_done(mode, reset)
        local writes = {}
        repeat
            local write = { value = ("value %04d"):format(#writes) }
            rig:set { mode = mode, bytes = #writes, reset = reset }
            write.res, write.err, write.details = cli:set(key, write.value)
            writes[#writes + 1] = write
        until write.res or #writes == 5000
        return writes
    end

    for _, reset in ipairs { false, true } do
        local how = reset and " (RST)" or " (FIN)"

        it("applies a put once if etcd received its complete request, otherwise not" .. how, function()
            local writes = put_until_done("request", reset)
            ngx.sleep(0.2)
            local events = history.read(bed.single.http, key)
            assert.same({}, history.violations(writes, events))
            -- the last put, and possibly the one that was cut after its last byte
            assert.is_true(#events == 1 or #events == 2)
            assert.is_true(#writes > 100)
            assert.same(#writes - 1, history.count(writes).unknown)
        end)

        it("applies each put once, and no error denies it, if the response is cut" .. how, function()
            local writes = put_until_done("reply", reset)
            ngx.sleep(0.2)
            local events = history.read(bed.single.http, key)
            assert.same({}, history.violations(writes, events))
            assert.equal(#writes, #events)
            assert.is_true(#writes > 100)
            assert.same(#writes - 1, history.count(writes).unknown)
        end)

        it("does not retry a put if the first response on a pooled connection is cut" .. how, function()
            local writes = {}
            for i = 1, settings.scaled(50) do
                rig:set { mode = "pass" }
                assert(cli:get(key))
                rig:set { mode = "reply", bytes = 0, reset = reset }
                local write = { value = "value " .. i }
                write.res, write.err, write.details = cli:set(key, write.value)
                writes[i] = write
            end
            ngx.sleep(0.2)
            assert.same({}, history.violations(writes, history.read(bed.single.http, key)))
            assert.equal(#writes, history.count(writes).unknown)
        end)

        it("returns the correct result or an error if the response to a read is cut" .. how, function()
            for _, size in ipairs { 10, 3000 } do
                local value = ("x"):rep(size)
                rig:set { mode = "pass" }
                assert(cli:set(key, value))
                assert(cli:get(key))
                local whole = rig:set({ mode = "pass" })[1].down
                assert.equal(0, whole)
                assert(cli:get(key))
                whole = rig:counts()[1].down
                local positions = {}
                for i = 0, 60 do
                    positions[#positions + 1] = i
                    positions[#positions + 1] = whole - i
                end
                for _ = 1, settings.scaled(100) do
                    positions[#positions + 1] = pick(whole) - 1
                end
                local results = 0
                for _, bytes in ipairs(positions) do
                    rig:set { mode = "reply", bytes = bytes, reset = reset }
                    local res, err, details = cli:get(key)
                    if res then
                        assert.equal(value, res.body.kvs[1].value)
                        assert.equal(whole, bytes)
                        results = results + 1
                    else
                        assert.is_string(err)
                        assert.is_true(details.retryable)
                        assert.is_false(details.maybe_applied)
                    end
                end
                assert.equal(1, results)
            end
        end)
    end
end)
