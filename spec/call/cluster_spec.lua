-- Clients whose endpoints are of two clusters: two members of one, and a stray one.
local bed = require "spec.support.bed"
local config = require "resty.etcd.config"
local discovery = require "resty.etcd.discovery"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"
local proxies = require "spec.support.watch_proxy"
local recorder = require "spec.support.watch_recorder"
local tcp = require "spec.support.tcp"

local KEYS = 150 -- more than a page

local function wait_until(what, check)
    local stop = ngx.now() + 20
    while not check() do
        assert(ngx.now() < stop, "no " .. what)
        ngx.sleep(0.02)
    end
end

-- Puts `n` keys into etcd.
local function fill(cli, dir, n, value)
    for first = 1, n, 50 do
        local ops = {}
        for i = first, math.min(n, first + 49) do
            ops[#ops + 1] = { requestPut = { key = ("%s%03d"):format(dir, i), value = value } }
        end
        assert(cli:txn({ { key = dir, target = "VERSION", result = "EQUAL", version = 0 } }, ops))
    end
end

describe("client whose endpoints are of two clusters", function()
    local good, stray, dir, lines, restore

    setup(function()
        good = assert(bed.new { http_host = bed.cluster.http })
        stray = assert(bed.new())
    end)

    before_each(function()
        restore = fake.never_ban()
        dir = bed.key("clusters")
        fill(good, dir, KEYS, "right")
        fill(stray, dir, KEYS / 2, "stray")
        lines = { proxies.new(bed.cluster.http[1]), proxies.new(bed.cluster.http[2]), proxies.new(bed.single.http) }
    end)

    after_each(function()
        for _, line in ipairs(lines) do
            line.close()
        end
        assert(good:rmdir(dir))
        assert(stray:rmdir(dir))
        restore()
    end)

    -- Returns a client whose list has the stray endpoint at a place, and which asks the `first` endpoint first.
    local function new(place, first, opts)
        local hosts = { lines[1].http_host, lines[2].http_host }
        table.insert(hosts, place, lines[3].http_host)
        local all = { http_host = hosts, init_count = first - 2, timeout = 2 }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    local function cut()
        for _, line in ipairs(lines) do
            line:cut()
        end
    end

    -- Calls `check` with a client for each order of the endpoints.
    local function in_all_orders(check, opts)
        for place = 1, 3 do
            for first = 1, 3 do
                check(new(place, first, opts), ("stray at %d, first asked %d"):format(place, first))
            end
        end
    end

    for name, opts in pairs { ["shared health check"] = {}, ["client's health check"] = { health = {} } } do
        it("keeps watchers at the cluster of most endpoints, in all orders, with the " .. name, function()
            in_all_orders(function(cli, order)
                local watcher = assert(cli:watcher(dir, { prefix = true, list = true, relist = true }))
                local keys = {}
                local batch = assert(watcher:next(10))
                assert.equals("list", batch.reason, order)
                recorder.apply(keys, batch)
                for i = 1, 4 do
                    cut()
                    assert(good:set(dir .. "new" .. i, i))
                    repeat
                        batch = assert(watcher:next(10))
                        assert.is_nil(batch.reason, order)
                        recorder.apply(keys, batch)
                    until keys[dir .. "new" .. i]
                end
                assert.same(recorder.read(good, dir), keys, order)
                watcher:close()
                assert(good:rmdir(dir .. "new"))
            end, opts)
        end)
    end

    it("starts watchers without a list at the cluster of most endpoints, in all orders", function()
        in_all_orders(function(cli, order)
            local watcher = assert(cli:watcher(dir, { prefix = true }))
            assert(good:set(dir .. "a", 1))
            assert.equals(dir .. "a", assert(watcher:next(10)).events[1].kv.key, order)
            watcher:close()
        end)
    end)

    for _, mode in ipairs { "worker", "shared" } do
        it("keeps mirrors at the cluster of most endpoints, in all orders, with mode " .. mode, function()
            in_all_orders(function(cli, order)
                local options = { mode = mode, shm_name = mode == "shared" and "watch_log" or nil }
                local m = assert(cli:mirror(dir, options))
                assert(m:wait_ready(10), order)
                for i = 1, 3 do
                    cut()
                    local res = assert(good:set(dir .. "new", i))
                    local revision = tonumber(res.body.header.revision)
                    wait_until("revision in the mirror, " .. order, function() return m:revision() >= revision end)
                    assert.equals(i, (m:get(dir .. "new")), order)
                end
                assert.equals(KEYS + 1, #m:all(), order)
                assert.same({ list = 1 }, m:stats().full, order)
                m:close()
                ngx.shared.watch_log:flush_all()
            end)
        end)
    end

    it("reads directories of one cluster in pages, in all orders", function()
        in_all_orders(function(cli, order)
            for _ = 1, 3 do
                local kvs = assert(cli:readdir(dir)).body.kvs
                for _, kv in ipairs(kvs) do
                    assert.equals(kvs[1].value, kv.value, order)
                end
                assert.equals(kvs[1].value == "right" and KEYS or KEYS / 2, #kvs, order)
            end
        end)
    end)

    it("reads the pages of a directory again when no other endpoint is of the cluster of the first page", function()
        local cli = new(1, 1, { health = {} })
        local unary, pages = cli.transport.unary, 0
        cli.transport.unary = function(...)
            pages = pages + 1
            if pages == 2 then -- the stray endpoint of the first page is gone
                lines[3].target = { host = "127.0.0.1", port = 1 }
                for conn in pairs(lines[3].all) do
                    tcp.close(conn)
                end
            end
            return unary(...)
        end
        local kvs = assert(cli:readdir(dir)).body.kvs
        assert.is_true(pages > 2)
        assert.equals(KEYS, #kvs)
        for _, kv in ipairs(kvs) do
            assert.equals("right", kv.value)
        end
    end)

    it("keeps registrations at the cluster of most endpoints, in all orders", function()
        in_all_orders(function(cli, order)
            local reg = assert(discovery.register(cli, "web", { host = "10.0.0.1", port = 80 }, { ttl = 2, prefix = dir }))
            wait_until("registration, " .. order, function() return reg:state().registered end)
            wait_until("renewals, " .. order, function() return reg:state().renewals >= 2 end)
            assert.equals(0, reg:state().losses, order)
            assert.is_nil(reg:state().err)
            local key = dir .. "web/10.0.0.1:80"
            assert.is_not_nil(assert(good:get(key)).body.kvs, order)
            assert.is_nil(assert(stray:get(key)).body.kvs, order)
            reg:close()
            wait_until("end of the registration, " .. order, function() return not good:get(key).body.kvs end)
        end)
    end)

    it("writes documents and idempotent values to the cluster of most endpoints, in all orders", function()
        in_all_orders(function(cli, order)
            local docs = assert(config.new(cli, dir))
            assert(docs:wait_ready(10))
            for i = 1, 4 do
                assert(docs:put("doc", { n = i }))
                assert.equals(i, good:get(dir .. "doc").body.kvs[1].value.n, order)
                assert(cli:set(dir .. "once", i, { idempotent = true }))
                assert.equals(i, good:get(dir .. "once").body.kvs[1].value, order)
            end
            assert.is_nil(stray:get(dir .. "doc").body.kvs)
            assert.is_nil(stray:get(dir .. "once").body.kvs)
            docs:close()
        end)
    end)

    it("adopts the members of the cluster of most endpoints, in all orders", function()
        in_all_orders(function(cli, order)
            assert(cli:sync())
            for _, endpoint in ipairs(cli.endpoints) do
                assert.not_equal(bed.single.http, endpoint.http_host, order)
            end
            assert.equals(3, #cli.endpoints)
        end)
    end)

    for name, opts in pairs { ["shared health check"] = {}, ["client's health check"] = { health = {} } } do
        it("reports a stray endpoint to the " .. name .. ", so that it is not used for a while", function()
            if not opts.health then
                restore()
                assert(health_check.init { shm_name = "test", fail_timeout = 60 })
            end
            local cli = new(1, 1, opts)
            local log, lines_logged = ngx.log, {}
            ngx.log = function(level, ...) -- luacheck: ignore 122
                lines_logged[#lines_logged + 1] = table.concat { level, " ", ... }
            end
            local watcher = assert(cli:watcher(dir, { prefix = true }))
            ngx.log = log -- luacheck: ignore 122
            local line = table.concat(lines_logged, "\n"):match(ngx.WARN .. " endpoint [^\n]*")
            local other_id, id, host = line:match(
                "^%d endpoint " .. lines[3].http_host .. ": is of cluster (%d+), not of cluster (%d+) of (%S+);")
            assert.equals(stray:get(dir).body.header.cluster_id, other_id)
            assert.equals(good:get(dir).body.header.cluster_id, id)
            assert.is_true(host == lines[1].http_host or host == lines[2].http_host)
            for _ = 1, 6 do
                assert.equals("right", cli:get(dir .. "001").body.kvs[1].value)
            end
            watcher:close()
            ngx.shared.test:flush_all()
        end)
    end

    describe("when all members of its cluster are gone", function()
        local cli, watcher

        local function go(line, target)
            line.target = target
            for conn in pairs(line.all) do
                tcp.close(conn)
            end
        end

        before_each(function()
            cli = new(3, 1)
            watcher = assert(cli:watcher(dir, { prefix = true, list = true, relist = true }))
            assert.equals(KEYS, #assert(watcher:next(10)).events)
        end)

        after_each(function()
            watcher:close()
        end)

        local function assert_restored()
            local batch = assert(watcher:next(20))
            assert.equals("restored", batch.reason)
            local keys = {}
            for _, event in ipairs(batch.events) do
                keys[event.kv.key] = event.type == "PUT" and event.kv.value or nil
            end
            assert.same(recorder.read(stray, dir), keys)
        end

        it("takes the other cluster for a restore if more than half of the endpoints are of it", function()
            go(lines[1], lines[3].target)
            go(lines[2], lines[3].target)
            assert_restored()
        end)

        it("waits for its members, and accepts another cluster of fewer endpoints after five minutes only", function()
            local targets = { lines[1].target, lines[2].target }
            for i = 1, 2 do
                go(lines[i], { host = "127.0.0.1", port = 1 })
            end
            wait_until("comparison of the clusters", function() return cli.cluster.missing_since end)
            local batch, err = watcher:next(0.5)
            assert.is_nil(batch)
            assert.equals("timeout", err)
            for i = 1, 2 do
                go(lines[i], targets[i])
            end
            assert(good:set(dir .. "new", 1))
            batch = assert(watcher:next(20))
            assert.is_nil(batch.reason)
            assert.equals(dir .. "new", batch.events[1].kv.key)
            for i = 1, 2 do
                go(lines[i], { host = "127.0.0.1", port = 1 })
            end
            wait_until("poll", function() return cli.cluster.missing_since end)
            cli.cluster.missing_since = cli.cluster.missing_since - 300
            assert_restored()
        end)
    end)
end)
