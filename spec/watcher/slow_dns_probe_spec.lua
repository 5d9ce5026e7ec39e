-- Probes of silent streams while nginx waits for its DNS server, which says nothing about the member.
local cjson = require "cjson.safe"
local bed = require "spec.support.bed"
local connecting = require "spec.support.connecting"
local fake = require "spec.support.scripted_server"
local replies = require "spec.support.etcd_replies"

describe("silent stream at a member with a name", function()
    local server, watcher, resolve, restore, restore_names, lookups, watches, reply

    before_each(function()
        restore = fake.never_ban()
        lookups, watches, reply = 0, 0, { replies.created(10) }
        resolve = function() end
        restore_names = connecting.with_names(function()
            lookups = lookups + 1
            return resolve()
        end)
        server = fake.new(function(request)
            if request.path == "/v3/watch" then
                watches = watches + 1
                return watches == 1 and { replies.created(10) } or reply
            end
            return { fake.reply(cjson.encode { header = replies.header(10) }) }
        end)
        local cli = assert(bed.new { http_host = server.http_host:gsub("127.0.0.1", "a.test"), timeout = 2, keepalive_timeout = 0 })
        watcher = assert(cli:watcher("k", { idle_timeout = 1 }))
        assert(fake.eventually(function() return watcher:stats().connected end))
        lookups = 0
    end)

    after_each(function()
        restore_names()
        watcher:close()
        server:close()
        restore()
    end)

    -- Waits until `n` lookups have begun, and then `seconds`.
    local function probed(n, seconds)
        local stop = ngx.now() + 30
        while lookups < n and ngx.now() < stop do
            ngx.sleep(0.05)
        end
        assert.is_true(lookups >= n, lookups .. " lookups")
        ngx.sleep(seconds)
    end

    it("stays open while the DNS server does not answer", function()
        resolve = function()
            ngx.sleep(30)
            return "a.test could not be resolved (110: Operation timed out)"
        end
        probed(1, 4)
        assert.same({}, watcher:stats().close_reasons)
        assert.equal(1, watches)
    end)

    it("stays open if the DNS server uses up the time of the probe", function()
        resolve = function() ngx.sleep(6) end
        probed(1, 8)
        assert.same({}, watcher:stats().close_reasons)
    end)

    it("stays open if the DNS server is slow and the member responds", function()
        resolve = function() ngx.sleep(1.8) end
        probed(2, 1)
        assert.same({}, watcher:stats().close_reasons)
        assert.is_true(watches >= 2)
    end)

    it("is closed if the member does not respond after a slow lookup", function()
        reply = { 60 }
        resolve = function() ngx.sleep(1.8) end
        probed(1, 3)
        assert.is_true(fake.eventually(function() return next(watcher:stats().close_reasons) ~= nil end))
    end)

    it("is closed if the member does not accept connections", function()
        resolve = function()
            ngx.sleep(1)
            return "timeout" -- of connecting
        end
        probed(1, 1.5)
        assert.is_true(fake.eventually(function() return next(watcher:stats().close_reasons) ~= nil end))
    end)
end)
