-- The wall clock is set back or forward by an hour: bans and ejections keep their length, and nothing else notices.
local bed = require "spec.support.bed"
local ports = require "spec.support.ports"
local shifted_nginx = require "spec.support.shifted_nginx"

local probe, missing = shifted_nginx.start()
if probe then
    probe.stop()
else
    io.stdout:write("wall_clock_spec: pending: " .. missing .. "\n")
end
local it = probe and it or pending

-- Seconds of bans and ejections. A request and a step of the clock take a few milliseconds.
local BAN = 0.6

describe("wall clock", function()
    local nginx

    before_each(function()
        nginx = probe and assert(shifted_nginx.start())
    end)

    after_each(function()
        if nginx then
            nginx.stop()
        end
    end)

    it("is the only clock that the tests shift", function()
        local get = "return ngx.now() .. ' ' .. require('resty.etcd.base.clock').now() .. ' ' .. ngx.time()"
        local wall, monotonic = nginx.lua(get):match("^(%S+) (%S+) ")
        nginx.set_clock(-3600)
        ngx.sleep(0.01)
        local wall2, monotonic2, seconds = nginx.lua(get):match("^(%S+) (%S+) (%S+)$")
        assert.is_true(wall - wall2 > 3500 and wall - wall2 <= 3600)
        assert.is_true(wall - seconds > 3500)
        assert.is_true(monotonic2 - monotonic > 0 and monotonic2 - monotonic < 60)
    end)

    for name, seconds in pairs { ["set back"] = -3600, ["set forward"] = 3600 } do
        local function report(host)
            return nginx.lua(("return require('resty.etcd.health_check').report_failure(%q)"):format(host))
        end
        local function status(host)
            return nginx.lua(("return require('resty.etcd.health_check').get_target_status(%q)"):format(host))
        end
        local function init(max_fails)
            nginx.lua(("require('resty.etcd.health_check').init { shm_name = 'health', fail_timeout = %g, max_fails = %d }")
                :format(BAN, max_fails))
        end

        it("changes no ban of the shared health check when it is " .. name, function()
            local host = "http://a.test:2379"
            init(1)
            for round = 1, 2 do
                report(host)
                assert.equal("false", status(host))
                nginx.set_clock(seconds * round)
                assert.equal("false", status(host))
                ngx.sleep(BAN + 0.1)
                assert.equal("true", status(host))
                local _, bans = nginx.log():gsub("update endpoint: http://a.test:2379 to unhealthy", "")
                assert.equal(round, bans)
            end
        end)

        it("counts no failures of different time windows together when it is " .. name, function()
            local host = "http://b.test:2379"
            init(2)
            report(host)
            nginx.set_clock(seconds)
            ngx.sleep(BAN + 0.1)
            report(host)
            assert.equal("true", status(host))
            assert.equal("1", nginx.lua(("return ngx.shared.health:get(%q)"):format(host)))
            report(host)
            assert.equal("false", status(host))
        end)

        it("changes no ejection of a client's health check with shm_name when it is " .. name, function()
            local refused = "http://127.0.0.1:" .. ports.free()
            nginx.lua(([[
                cli = assert(require("resty.etcd").new {
                    http_host = %q, timeout = 2,
                    health = { shm_name = "health", max_fails = 1, fail_timeout = %g, fail_open = false, retry = false },
                }) ]]):format(refused, BAN))
            local get = "local res, err = cli:get 'k' return res and res.status or err"
            local none = "has no healthy etcd endpoint available"
            assert.equal(refused .. ": connection refused", nginx.lua(get))
            assert.equal(none, nginx.lua(get))
            nginx.set_clock(seconds)
            assert.equal(none, nginx.lua(get))
            ngx.sleep(BAN + 0.1)
            assert.equal(refused .. ": connection refused", nginx.lua(get)) -- the probe
            assert.equal(none, nginx.lua(get))
        end)

        it("loses no change and no lease, and delays no call, when it is " .. name, function()
            local prefix = bed.key("wall-clock" .. seconds)
            nginx.lua(([[
                local etcd = require "resty.etcd"
                cli = assert(etcd.new { http_host = %q, timeout = 5, key_prefix = %q })
                mirrors = { assert(cli:mirror "/a/"), assert(cli:mirror("/b/", { mode = "shared", shm_name = "watch_log" })) }
                for _, m in ipairs(mirrors) do
                    assert(m:wait_ready(10))
                end ]]):format(bed.single.http, prefix))
            nginx.set_clock(seconds)
            for n = 1, 3 do
                ngx.sleep(0.3)
                local result = nginx.lua(([[
                    local clock = require "resty.etcd.base.clock"
                    local started = clock.now()
                    assert(cli:set("/a/k", "%d", { idempotent = true }))
                    assert(cli:set("/b/k", "%d"))
                    local stop = started + 5
                    repeat
                        ngx.sleep(0.01)
                        local a, b = mirrors[1]:get "/a/k", mirrors[2]:get "/b/k"
                        if a == "%d" and b == a then
                            local ages = { mirrors[1]:age(), mirrors[2]:age() }
                            return ages[1] >= 0 and ages[1] < 5 and ages[2] >= 0 and ages[2] < 5 and "seen"
                        end
                    until clock.now() > stop
                    return "not seen" ]]):format(n, n, n))
                assert.equal("seen", result)
            end
        end)
    end

    it("makes no shared token new for longer, although it was set back", function()
        local result = nginx.lua [[
            local tokens = require "resty.etcd.call.token"
            local function cache()
                local login = { begin = function() end, finish = function() return "abcdefgh.12" end }
                local auth = tokens.new("u", "p", login, false)
                tokens.share(auth, ngx.shared.tokens, "k")
                return auth
            end
            assert(tokens.token(cache(), {}, nil, 5)) -- logs in
            local other = cache()
            assert(tokens.token(other, {}, nil, 5)) -- reads the dict
            local is_new = tokens.can_be_unknown_to_members(other, "abcdefgh.12")
            assert(ngx.shared.tokens:expire("resty.etcd|token|k|new", 3600)) -- as if the clock were set back
            ngx.sleep(1.1)
            local late = cache()
            assert(tokens.token(late, {}, nil, 5))
            return tostring(is_new) .. " " .. tostring(tokens.can_be_unknown_to_members(late, "abcdefgh.12"))
        ]]
        assert.equal("true false", result)
    end)

    it("ends a probe lock that a killed call has left, although it was set back", function()
        local result = nginx.lua [[
            local clock = require "resty.etcd.base.clock"
            local client_health = require "resty.etcd.endpoint.client_health"
            local health = client_health.new { shm_name = "health", max_fails = 1, fail_timeout = 0, fail_open = false }
            local endpoints = { { http_host = "h" } }
            client_health.failed(health, "h")
            -- the lock is overdue: its key has an hour left
            ngx.shared.health:set("resty.etcd|probe|h", clock.now() - 0.001, 3600)
            local picked = client_health.pick(health, endpoints, 0)
            return picked and picked.http_host ]]
        assert.equal("h", result)
    end)
end)
