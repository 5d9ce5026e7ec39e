-- Streams at members that stop without closing a connection, and the probes that find them.
local cjson = require "cjson.safe"
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local cluster = require "fault.cluster"
local connecting = require "spec.support.connecting"
local fake = require "spec.support.scripted_server"
local replies = require "spec.support.etcd_replies"

local BOUND = 7 -- seconds: docs/guarantees.md
local INTERVAL = 5 -- seconds

describe("streams at a stopped member of a real cluster #alone", function()
    local dir
    local watchers = {}

    setup(cluster.heal)

    before_each(function()
        dir = bed.key("stopped-member")
    end)

    after_each(function()
        for i = #watchers, 1, -1 do
            watchers[i]:close()
            watchers[i] = nil
        end
        cluster.heal()
        cluster.forgive(bed.cluster.http)
        assert(bed.new { http_host = bed.cluster.http[1], timeout = 20 }:rmdir(dir))
    end)

    for _, health in ipairs { { name = "the shared health check" }, { name = "a private health check", own = {} } } do
        it("leave it within 7 s, and deliver what follows, with " .. health.name, function()
            for i = 1, 12 do
                local cli = assert(bed.new { http_host = bed.cluster.http, timeout = 5, health = health.own })
                watchers[i] = assert(cli:watcher(dir .. i .. "/", { prefix = true, list = true }))
                assert(watchers[i]:next(10))
            end
            local counts, most = {}, 0
            local name
            for _, member in ipairs(bed.cluster.members) do
                counts[member.http] = 0
                for _, watcher in ipairs(watchers) do
                    counts[member.http] = counts[member.http] + (watcher:stats().endpoint == member.http and 1 or 0)
                end
                if counts[member.http] > most then
                    most, name = counts[member.http], member.name
                end
            end
            ngx.sleep(2) -- within the interval of the probes
            assert.is_true(cluster.signal(name, "STOP"))
            local stopped = clock.now()
            cluster.wait("departure of all streams", function()
                for _, watcher in ipairs(watchers) do
                    if watcher:stats().endpoint == cluster.url[name] then
                        return false
                    end
                end
                return true
            end)
            local took = clock.now() - stopped
            assert.is_true(took < BOUND, took .. " s")
            local other = assert(bed.new { http_host = cluster.url[cluster.others(name)[1]], timeout = 10 })
            cluster.wait("write", function() return other:set(dir .. "1/a", "v") end)
            assert.equals("v", assert(watchers[1]:next(20)).events[1].kv.value)
        end)
    end
end)

describe("probes of members", function()
    local servers, restore
    local watchers = {}
    local probe_reply

    local function answer(request)
        if request.path == "/v3/kv/range" then
            if cjson.decode(request.body).serializable then
                return probe_reply
            end
            return { fake.reply(cjson.encode { header = replies.header(10) }) }
        end
        return { replies.created(10) }
    end

    before_each(function()
        restore = fake.never_ban()
        servers = { fake.new(answer), fake.new(answer) }
        probe_reply = { fake.reply(cjson.encode { header = replies.header(10) }) }
    end)

    after_each(function()
        for i = #watchers, 1, -1 do
            watchers[i]:close()
            watchers[i] = nil
        end
        for _, server in ipairs(servers) do
            server.close()
        end
        restore()
    end)

    local function watch(n, hosts)
        for i = 1, n do
            local cli = assert(bed.new { http_host = hosts, timeout = 2, init_count = i })
            watchers[i] = assert(cli:watcher("k" .. i))
        end
        assert(fake.eventually(function()
            for _, watcher in ipairs(watchers) do
                if not watcher:stats().connected then
                    return false
                end
            end
            return true
        end))
    end

    local function probes(server)
        local count = 0
        for _, request in ipairs(server.requests) do
            count = count + (request.body:find('"serializable":true', 1, true) and 1 or 0)
        end
        return count
    end

    local function all_opened_once()
        for _, watcher in ipairs(watchers) do
            if watcher:stats().opened ~= 1 then
                return false
            end
        end
        return true
    end

    it("are sent once per 5 s and member for all of its streams that are silent", function()
        watch(50, { servers[1].http_host, servers[2].http_host })
        local started = clock.now()
        ngx.sleep(3.4 * INTERVAL)
        local most = (clock.now() - started) / INTERVAL + 1
        for _, server in ipairs(servers) do
            local count = probes(server)
            assert.is_true(count >= 3 and count <= most, count .. " probes")
        end
        assert.is_true(all_opened_once())
    end)

    it("are not sent while another stream of the member receives something", function()
        local n = 0
        for _, server in ipairs(servers) do
            server.serve(server, function(request)
                local script = answer(request)
                if request.path == "/v3/watch" and n < 2 then
                    n = n + 1
                    for _ = 1, 40 do
                        script[#script + 1] = 0.5
                        script[#script + 1] = replies.line { header = replies.header(10) }
                    end
                end
                return script
            end)
        end
        watch(2, { servers[1].http_host, servers[2].http_host })
        n = 2
        watch(10, { servers[1].http_host, servers[2].http_host })
        ngx.sleep(1.5 * INTERVAL)
        assert.equals(0, probes(servers[1]) + probes(servers[2]))
    end)

    it("are not sent to the only endpoint of a client", function()
        watch(1, servers[1].http_host)
        ngx.sleep(1.5 * INTERVAL)
        assert.equals(0, probes(servers[1]))
        assert.is_true(all_opened_once())
    end)

    it("keep the streams whatever the member responds", function()
        probe_reply = { fake.reply('{"code":14,"message":"etcdserver: no leader"}', "503 Service Unavailable") }
        watch(2, { servers[1].http_host, servers[2].http_host })
        ngx.sleep(1.5 * INTERVAL)
        assert.is_true(probes(servers[1]) + probes(servers[2]) >= 2)
        assert.is_true(all_opened_once())
    end)

    for _, text in ipairs {
        "etcd.test could not be resolved (110: Operation timed out)",
        "operation now in progress", -- what nginx says if `worker_connections` are not enough
    } do
        it("keep the streams if nginx cannot connect: " .. text, function()
            watch(2, { servers[1].http_host, servers[2].http_host })
            local refused = 0
            finally(connecting.fail(text, function() refused = refused + 1 end))
            ngx.sleep(1.5 * INTERVAL)
            assert.is_true(refused >= 2, refused .. " probes")
            for _, watcher in ipairs(watchers) do
                assert.same({}, watcher:stats().close_reasons)
            end
        end)
    end

    for name, lookup in pairs {
        ["takes longer than the member has to respond"] = function() ngx.sleep(2) end,
        ["leaves the member no time to respond"] = function() ngx.sleep(1.45) end,
        ["never answers"] = function()
            ngx.sleep(30)
            return "a.test could not be resolved (110: Operation timed out)"
        end,
    } do
        it("keep the streams if the DNS server " .. name, function()
            local resolve = function() end
            local lookups = 0
            finally(connecting.with_names(function()
                lookups = lookups + 1
                return resolve()
            end))
            local hosts = {}
            for i, server in ipairs(servers) do
                hosts[i] = server.http_host:gsub("127.0.0.1", i .. ".test")
            end
            probe_reply = { 0.2, probe_reply[1] }
            watch(4, hosts)
            resolve, lookups = lookup, 0
            ngx.sleep(1.5 * INTERVAL + 2)
            assert.is_true(lookups >= 2 and lookups <= 6, lookups .. " lookups")
            for _, watcher in ipairs(watchers) do
                assert.same({}, watcher:stats().close_reasons)
            end
        end)
    end

    it("make the streams leave that were silent, if the member does not respond #alone", function()
        probe_reply = { 60 }
        watch(4, { servers[1].http_host, servers[2].http_host })
        cluster.wait("departure of all streams", function()
            for _, watcher in ipairs(watchers) do
                if not watcher:stats().close_reasons.timeout then
                    return false
                end
            end
            return true
        end, BOUND)
        for _, watcher in ipairs(watchers) do
            assert.same({ timeout = 1 }, watcher:stats().close_reasons)
        end
        assert.equals(2, probes(servers[1]) + probes(servers[2]))
    end)
end)
