-- Watchers and mirrors of an etcd that is restored from a backup and then written to: neither cluster ID nor raft term nor
-- revision show that its history is another one.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local members = require "spec.support.members"
local own_etcd = require "spec.support.private_etcd"
local ports = require "spec.support.ports"
local recorder = require "spec.support.watch_recorder"
local wire = require "spec.support.wire"

local DIR = "/branch/"

describe("watcher of an etcd whose backup is not behind", function()
    local server, cli, restore, watcher, mirrors, keys

    setup(function()
        restore = fake.never_ban()
    end)

    teardown(function()
        restore()
    end)

    local function put(name, value)
        return tonumber(assert(cli:set(DIR .. name, value)).body.header.revision)
    end

    -- Saves a backup of the data: a snapshot, or, as etcdctl of 3.6 cannot restore one, a copy of the data directory.
    local function back_up()
        local saved = members.etcdctl(server.http, "snapshot save " .. server.dir .. "/backup.db")
        assert(saved:find("saved", 1, true), saved)
        if not members.etcdctl(server.http, "snapshot restore --help"):find("--data-dir", 1, true) then
            server:stop()
            server:keep("branch")
            server:start_again("data")
        end
    end

    -- Writes to the backup where no client sees it, until its revision is at least `revision`.
    local function write_branch(revision, write)
        local http = server.http
        server:stop()
        if not io.open(server.dir .. "/branch") then
            local flags = ("--data-dir %s/branch --name %s --initial-cluster %s=%s --initial-advertise-peer-urls %s "
                .. "--initial-cluster-token own"):format(server.dir, server.name, server.name, server.peer, server.peer)
            members.etcdctl(http, ("snapshot restore %s/backup.db %s"):format(server.dir, flags))
        end
        server.http = "http://127.0.0.1:" .. ports.free()
        server:start_again("branch")
        local writer = assert(bed.new { http_host = server.http })
        write(writer)
        local header
        repeat
            header = assert(writer:set("/other", "x")).body.header
        until tonumber(header.revision) >= revision
        server:stop()
        server.http = http
        server:start_again("branch")
    end

    before_each(function()
        server = own_etcd.start()
        cli = assert(bed.new { http_host = server.http, timeout = 2 })
        put("kept", "kept")
        put("both", "before")
        back_up()
        keys, mirrors = {}, {}
        watcher = assert(cli:watcher(DIR, { prefix = true, relist = true, list = true }))
        recorder.apply(keys, assert(watcher:next(5)))
        mirrors.worker = assert(cli:mirror(DIR))
        mirrors.shared = assert(cli:mirror(DIR, { mode = "shared", shm_name = "watch_log" }))
        assert(mirrors.worker:wait_ready(5) and mirrors.shared:wait_ready(5))
    end)

    after_each(function()
        watcher:close()
        mirrors.worker:close()
        mirrors.shared:close()
        ngx.shared.watch_log:flush_all()
        server:remove()
    end)

    local function seen(revision)
        assert.is_true(fake.eventually(function()
            return mirrors.worker:revision() >= revision and mirrors.shared:revision() >= revision
        end))
        while watcher:revision() < revision do
            recorder.apply(keys, assert(watcher:next(5)))
        end
    end

    local function assert_noticed(reason)
        local batch = assert(watcher:next(20))
        assert.equals(reason or "restored", batch.reason)
        recorder.apply(keys, batch)
        local last = put("last", "last")
        seen(last)
        local expected = recorder.read(cli, DIR)
        assert.same(expected, keys)
        for mode, m in pairs(mirrors) do
            local held = {}
            for _, kv in ipairs(m:all()) do
                held[kv.key] = kv.value
            end
            assert.same(expected, held, mode)
            assert.equals(1, m:stats().full[reason or "restored"], mode)
        end
    end

    local cases = {
        ["a key was put after the backup, and others were put instead"] = {
            lost = function() return put("lost", "lost") end,
            write = function(writer) assert(writer:set(DIR .. "new", "new")) end,
        },
        ["a key was put in the same revision with another value"] = {
            lost = function() return put("both", "lost") end,
            write = function(writer) assert(writer:set(DIR .. "both", "new")) end,
        },
        ["a key was deleted after the backup"] = {
            lost = function() return tonumber(assert(cli:delete(DIR .. "kept")).body.header.revision) end,
            write = function() end,
        },
        ["a key was put after the backup, and put more often instead"] = {
            lost = function() return put("both", "lost") end,
            write = function(writer)
                assert(writer:set("/other", 1))
                for i = 1, 5 do
                    assert(writer:set(DIR .. "both", i))
                end
            end,
        },
        ["its history is compacted up to the current revision, and a key was lost"] = {
            lost = function() return put("both", "lost") end,
            write = function(writer)
                for i = 1, 5 do
                    assert(writer:set("/other", i))
                end
                local revision = assert(writer:get("/other")).body.header.revision
                assert.equals(200, wire.post(server.http, "/v3/kv/compaction", { revision = revision }))
            end,
        },
    }
    for name, case in pairs(cases) do
        it("delivers the restore if " .. name, function()
            local revision = case.lost()
            seen(revision)
            write_branch(revision, case.write)
            assert_noticed()
        end)
    end

    it("delivers the restore if the lost key was only in the list", function()
        local revision = put("lost", "lost")
        seen(revision)
        watcher:close()
        for _, m in pairs(mirrors) do
            m:close()
        end
        ngx.shared.watch_log:flush_all()
        keys = {}
        watcher = assert(cli:watcher(DIR, { prefix = true, relist = true, list = true }))
        recorder.apply(keys, assert(watcher:next(5)))
        mirrors.worker = assert(cli:mirror(DIR))
        mirrors.shared = assert(cli:mirror(DIR, { mode = "shared", shm_name = "watch_log" }))
        assert(mirrors.worker:wait_ready(5) and mirrors.shared:wait_ready(5))
        write_branch(revision, function() end)
        assert_noticed()
    end)

    it("ends with the error restored without relist", function()
        local plain = assert(cli:watcher(DIR, { prefix = true }))
        local revision = put("lost", "lost")
        assert(plain:next(5))
        seen(revision)
        write_branch(revision, function() end)
        local batch, err, details = plain:next(20)
        assert.is_nil(batch)
        assert.equals("etcd was restored from a backup", err)
        assert.equals("restored", details.name)
    end)

    it("continues if the same history was compacted or restarted", function()
        for round = 1, 3 do
            local revision = put("both", round)
            seen(revision)
            revision = tonumber(assert(cli:set("/elsewhere", round)).body.header.revision)
            if round > 1 then
                put("both", "between" .. round)
                seen(revision + 1)
                assert.equals(200, wire.post(server.http, "/v3/kv/compaction", { revision = revision }))
            end
            server:stop()
            server:start_again("data")
            revision = put("both", "after" .. round)
            while keys[DIR .. "both"] ~= "after" .. round do
                local batch = assert(watcher:next(20))
                assert.is_nil(batch.reason)
                recorder.apply(keys, batch)
            end
            seen(revision)
        end
        assert.same({ list = 1 }, mirrors.worker:stats().full)
        assert.same({ list = 1 }, mirrors.shared:stats().full)
    end)
end)
