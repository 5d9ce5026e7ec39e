-- A request or an answer that is cut after each of its bytes, by FIN and by RST.
local bed = require "spec.support.bed"
local health_check = require "resty.etcd.health_check"
local history = require "fault.history"
local proxy = require "fault.proxy"
local settings = require "fault.settings"

describe("a connection that is cut after each byte of", function()
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
        -- one endpoint, twice: a call that is sent again finds one
        cli = assert(bed.new { http_host = { rig.hosts[1], rig.hosts[1] }, timeout = 5, serializer = "raw" })
        key = bed.key("cut-bytes")
    end)

    after_each(function()
        rig:set { mode = "pass" }
        assert(cli:delete(key))
        assert(health_check.init())
    end)

    -- Puts with 0, 1, 2... bytes let through, until one succeeds; returns them.
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

        it("a put's request: nothing is applied that etcd did not see whole, nothing twice" .. how, function()
            local writes = put_until_done("request", reset)
            ngx.sleep(0.2)
            local events = history.read(bed.single.http, key)
            assert.same({}, history.violations(writes, events))
            -- the last one, and perhaps the one that was cut behind its last byte
            assert.is_true(#events == 1 or #events == 2)
            assert.is_true(#writes > 100)
            assert.same(#writes - 1, history.count(writes).unknown)
        end)

        it("a put's answer: each is applied once, and no error says that it was not" .. how, function()
            local writes = put_until_done("reply", reset)
            ngx.sleep(0.2)
            local events = history.read(bed.single.http, key)
            assert.same({}, history.violations(writes, events))
            assert.equal(#writes, #events)
            assert.is_true(#writes > 100)
            assert.same(#writes - 1, history.count(writes).unknown)
        end)

        it("a pooled connection's first answer: its put looks unsent, and is not sent again" .. how, function()
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

        it("a read's answer, whole or in chunks: the result is right, or an error" .. how, function()
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
