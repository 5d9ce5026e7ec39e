-- Members of a real cluster are killed, stopped, or lose the leadership. FAULT_SEED and SOAK: fault/settings.lua.
local bed = require "spec.support.bed"
local cluster = require "fault.cluster"
local fake = require "spec.support.scripted_server"
local health_check = require "resty.etcd.health_check"
local process = require "fault.process"
local recorder = require "spec.support.watch_recorder"
local settings = require "fault.settings"

local WRITERS = 4

describe("watcher of a cluster", function()
    local dir, first
    local load = {}
    local watchers = {}
    local chance = settings.random("watcher members")

    setup(function()
        settings.announce("watcher members")
        cluster.heal()
        process.SIGNALS.TERM = 15
    end)

    teardown(function()
        settings.finish()
    end)

    before_each(function()
        assert(health_check.init())
        dir = bed.key("watcher-members")
    end)

    local function stop_load()
        load.stopping = true
        for _, thread in ipairs(load) do
            assert(ngx.thread.wait(thread))
        end
        load = {}
    end

    after_each(function()
        stop_load()
        for i = #watchers, 1, -1 do
            watchers[i]:close()
            watchers[i] = nil
        end
        cluster.heal()
        cluster.forgive(bed.cluster.http)
        assert(bed.new { http_host = bed.cluster.http[1], timeout = 20 }:rmdir(dir))
    end)

    local function client(opts)
        local all = { http_host = bed.cluster.http, timeout = 5, health = {} }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    local function watch(opts, client_opts)
        opts.prefix, opts.raw = true, true
        local watcher, err = client(client_opts):watcher(dir, opts)
        assert.is_nil(err)
        watchers[#watchers + 1] = watcher
        return watcher
    end

    -- Starts to write. A write can fail: the independent reader knows which were applied.
    local function start_load(client_opts)
        first = tonumber(assert(client(client_opts):set(dir .. "first", 0)).body.header.revision)
        local current = {}
        load = current
        for w = 1, WRITERS do
            load[w] = ngx.thread.spawn(function()
                local cli = client(client_opts)
                local n = 0
                while not current.stopping do
                    n = n + 1
                    if n % 20 == 0 then
                        cli:rmdir(dir .. w .. "/", { timeout = 2 })
                    else
                        cli:set(dir .. w .. "/" .. n % 7, n, { timeout = 2 })
                    end
                    ngx.sleep(0.005)
                end
            end)
        end
    end

    -- Stops the load, and compares the batches of the watcher with those of the independent reader.
    local function check(watcher, client_opts)
        stop_load()
        cluster.wait("last write", function() return client(client_opts):set(dir .. "last", 0) end)
        local batches = recorder.take(watcher, dir .. "last", 30)
        if client_opts then
            cluster.disable_auth() -- the independent reader has no password
        end
        local truth = recorder.truth(bed.cluster.http[1], dir, first + 1, dir .. "last")
        assert.is_true(#truth > 1)
        recorder.assert_same(truth, batches)
    end

    -- Waits until the watcher has a stream, and returns the name of the member that it is from.
    local function serving(watcher)
        local host = cluster.wait("stream", function()
            local stats = watcher:stats()
            return stats.connected and stats.endpoint
        end)
        for _, member in ipairs(bed.cluster.members) do
            if member.http == host then
                return member.name
            end
        end
    end

    it("loses nothing when the member that serves it is killed repeatedly", function()
        start_load()
        local watcher = watch { start_revision = first + 1, prev_kv = true }
        for _ = 1, settings.scaled(3) do
            local name = serving(watcher)
            ngx.sleep(chance(400) / 1000)
            assert.is_true(cluster.signal(name, "KILL"))
            ngx.sleep(chance(800) / 1000)
            cluster.restart(name)
        end
        check(watcher)
    end)

    it("loses nothing when its member hangs, and moves to another one after idle_timeout", function()
        start_load()
        local watcher = watch { start_revision = first + 1, prev_kv = true, idle_timeout = 1 }
        for _ = 1, settings.scaled(2) do
            local name = serving(watcher)
            ngx.sleep(chance(300) / 1000)
            local revision = watcher:revision()
            assert.is_true(cluster.signal(name, "STOP"))
            cluster.wait("other member", function() return serving(watcher) ~= name end, 15)
            cluster.signal(name, "CONT")
            assert.is_true(watcher:revision() >= revision)
        end
        assert.is_true(watcher:stats().close_reasons.timeout >= 1)
        check(watcher)
    end)

    it("loses nothing when its member shuts down gracefully", function()
        start_load()
        local watcher = watch { start_revision = first + 1, prev_kv = true }
        local name = serving(watcher)
        ngx.sleep(0.3)
        assert.is_true(cluster.signal(name, "TERM"))
        cluster.wait("other member", function() return serving(watcher) ~= name end, 15)
        cluster.wait("end of " .. name, function() return not cluster.signal(name, "CONT") end)
        cluster.restart(name)
        check(watcher)
    end)

    it("loses nothing when the leadership moves repeatedly", function()
        start_load()
        local watcher = watch { start_revision = first + 1, prev_kv = true }
        local moves = 0
        for _ = 1, settings.scaled(5) do
            local leader = cluster.wait_for_leader()
            moves = moves + (cluster.hand_over(leader, cluster.others(leader)[chance(2)]) and 1 or 0)
            ngx.sleep(chance(300) / 1000)
        end
        assert.is_true(moves > 0)
        check(watcher)
    end)

    it("loses its stream when its member has no leader, and continues when there is a leader again", function()
        start_load()
        local watcher = watch { start_revision = first + 1, prev_kv = true }
        local name = serving(watcher)
        local others = cluster.others(name)
        for _, other in ipairs(others) do
            assert.is_true(cluster.signal(other, "STOP"))
        end
        cluster.wait("end of the stream", function() return (watcher:stats().close_reasons.unavailable or 0) > 0 end, 15)
        assert.is_false(watcher:stats().connected)
        for _, other in ipairs(others) do
            cluster.signal(other, "CONT")
        end
        check(watcher)
    end)

    it("limits its attempts while all members are down, and continues when they are back", function()
        finally(fake.even_pauses())
        start_load()
        local watcher = watch { start_revision = first + 1, prev_kv = true }
        serving(watcher)
        stop_load()
        for _, name in ipairs(cluster.names) do
            assert.is_true(cluster.signal(name, "KILL"))
        end
        ngx.sleep(settings.scaled(3))
        local ends = 0
        for _, n in pairs(watcher:stats().close_reasons) do
            ends = ends + n
        end
        assert.is_true(ends >= 3)
        assert.is_true(ends <= 2 + 5 * settings.scaled(3), ends .. " attempts")
        assert.equals("connecting", watcher:state())
        cluster.restart(unpack(cluster.names))
        check(watcher)
    end)

    it("loses nothing when tokens expire", function()
        cluster.enable_auth()
        local login = { user = cluster.root.user, password = cluster.root.password }
        start_load(login)
        local watcher = watch({ start_revision = first + 1, prev_kv = true, list = true, idle_timeout = 1 }, login)
        assert.equals("list", assert(watcher:next(10)).reason)
        for _ = 1, settings.scaled(2) do
            ngx.sleep(2.2) -- tokens expire after 2 s
            local name = serving(watcher)
            assert.is_true(cluster.signal(name, "KILL"))
            cluster.restart(name)
        end
        check(watcher, login)
    end)

    it("loses nothing when authentication is enabled and users change", function()
        local login = { user = "app", password = "secret", auth_optional = true }
        start_load(login)
        local watcher = watch({ start_revision = first + 1, prev_kv = true }, login)
        serving(watcher)
        cluster.admin("/v3/auth/role/add", { name = "root" })
        cluster.add_user(cluster.root.user, cluster.root.password)
        cluster.add_user("app", "secret")
        cluster.admin("/v3/auth/enable", {})
        ngx.sleep(0.3)
        cluster.admin("/v3/auth/user/add", { name = "other", password = "x" }) -- existing tokens are of an older auth revision now
        cluster.signal(serving(watcher), "KILL")
        cluster.heal()
        check(watcher, login)
    end)

    it("ends with an error if the user lacks the permission to read its keys, or the password is wrong", function()
        cluster.enable_auth()
        cluster.admin("/v3/auth/user/add", { name = "guest", password = "x" })
        for _, case in ipairs { { "x", "permission_denied" }, { "wrong", "login_failed" } } do
            local cli = client { user = "guest", password = case[1] }
            local watcher = assert(cli:watcher(dir, { prefix = true, list = true }))
            local batch, _, details = watcher:next(10)
            assert.is_nil(batch)
            assert.equals(case[2], details.name)
            assert.equals("failed", watcher:state())
            assert.is_true(fake.eventually(function() return #cli.shared_watches == 0 end))
            local history = assert(cli:watcher(dir, { prefix = true, start_revision = 1 }))
            assert.equals(case[2], select(3, history:next(10)).name)
        end
    end)
end)
