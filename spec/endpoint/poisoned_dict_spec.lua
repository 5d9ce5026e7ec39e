-- Another program writes to the keys of health checks and tokens in a shared dict, or has filled the dict.
local clock = require "resty.etcd.base.clock"
local client_health = require "resty.etcd.endpoint.client_health"
local shared_health = require "resty.etcd.endpoint.shared_health"
local tokens = require "resty.etcd.call.token"

local dict = ngx.shared.test
local small = ngx.shared.small

local POISON = { true, "x", "", "a\r\nb: c", -1, 0 / 0, math.huge, 2 ^ 60, 1e12, "1e999 nan", ("x"):rep(20000) }

describe("poisoned shared dict", function()
    local conf

    before_each(function()
        conf = shared_health.conf
        dict:flush_all()
        small:flush_all()
        small:flush_expired()
    end)

    after_each(function()
        shared_health.conf = conf
        dict:flush_all()
        small:flush_all()
        small:flush_expired()
    end)

    it("raises no error in the shared health check, which counts and bans as if nothing were there", function()
        assert(shared_health.init { shm_name = "test", max_fails = 2, fail_timeout = 60 })
        for i, value in ipairs(POISON) do
            local host = "http://host" .. i
            if value ~= 1e12 then -- a number of failures that a program can have counted
                dict:set(host, value)
            end
            dict:set("resty.etcd|end|" .. host, value)
            dict:set("resty.etcd|end|unhealthy-" .. host, value)
            assert.is_true((shared_health.get_target_status(host)))
            assert.is_true((shared_health.report_failure(host)))
            assert.equal(1, (dict:get(host)), i)
            assert.is_true((shared_health.get_target_status(host)))
            assert.is_true((shared_health.report_failure(host)))
            assert.is_false((shared_health.get_target_status(host)))
            assert.is_true(dict:ttl("unhealthy-" .. host) > 50)
        end
    end)

    it("raises no error in a client's health check, and ejects no endpoint for ever", function()
        local health = client_health.new { shm_name = "test", max_fails = 2, fail_timeout = 1 }
        for _, value in ipairs(POISON) do
            for _, part in ipairs { "fails", "away", "probe" } do
                dict:flush_all()
                if part ~= "fails" then
                    dict:set("resty.etcd|fails|h", 2)
                end
                dict:set("resty.etcd|" .. part .. "|h", value)
                local endpoint = { http_host = "h" }
                client_health.not_attempted(health, part == "probe" and "other" or "h") -- no probe was made just now
                if value ~= 1e12 or part ~= "fails" then
                    assert.equal(endpoint, client_health.pick(health, { endpoint }, 0), part .. " " .. tostring(value))
                end
                client_health.failed(health, "h")
                client_health.succeeded(health, "h")
                assert.equal(endpoint, client_health.pick(health, { endpoint }, 0))
            end
        end
    end)

    it("is taken for one without a token, which is replaced by that of a login", function()
        for _, value in ipairs(POISON) do
            if value ~= "x" and value ~= "a" then
                local auth = tokens.new("user", "password", {
                    begin = function() return { endpoint = nil } end,
                    finish = function() return "fresh.1" end,
                }, false)
                tokens.share(auth, dict, "id")
                dict:set("resty.etcd|token|id", value)
                dict:set("resty.etcd|token|id|new", value)
                assert.equal("fresh.1", (tokens.token(auth, {}, clock.now() + 5, 5)), tostring(value))
                assert.equal("fresh.1", (dict:get("resty.etcd|token|id")))
            end
        end
    end)

    it("loses no key of other programs when it is full", function()
        assert(shared_health.init { shm_name = "small", max_fails = 1, fail_timeout = 60 })
        local count = 0
        while small:safe_add("other " .. count, ("v"):rep(100)) do
            count = count + 1
        end
        local health = client_health.new { shm_name = "small", max_fails = 1 }
        for i = 1, 100 do
            local host = "http://a-host-with-a-long-name-so-that-its-keys-take-room-" .. i
            shared_health.report_failure(host)
            client_health.failed(health, host)
        end
        local auth = tokens.new("user", "password", {
            begin = function() return { endpoint = nil } end,
            finish = function() return ("t"):rep(5000) end,
        }, false)
        tokens.share(auth, small, "id")
        assert.equal(5000, #tokens.token(auth, {}, clock.now() + 5, 5))
        for i = 0, count - 1 do
            assert.is_truthy(small:get("other " .. i), i)
        end
    end)
end)
