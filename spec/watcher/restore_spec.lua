-- Watchers of an etcd that is restored from a backup, and of one that reports its revision often.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local own_etcd = require "spec.support.private_etcd"
local recorder = require "spec.support.watch_recorder"
local settings = require "fault.settings"
local wire = require "spec.support.wire"

local DIR = "/restore/"

describe("watcher of a restored etcd", function()
    local server, cli, restore

    setup(function()
        settings.announce("watcher restores")
        restore = fake.never_ban()
    end)

    teardown(function()
        restore()
        settings.finish()
    end)

    before_each(function()
        local interval = "watch-progress-notify-interval=200ms"
        local flag = own_etcd.has("--" .. interval:match("^[^=]+")) and "--" or "--experimental-"
        server = own_etcd.start { flag .. interval }
        cli = assert(bed.new { http_host = server.http, timeout = 2 })
    end)

    after_each(function()
        server:remove()
    end)

    local function put(name, value)
        return tonumber(assert(cli:set(DIR .. name, value)).body.header.revision)
    end

    -- Kills the server and starts it with another data directory: "backup", "new" (empty) or "data" (its own).
    local function restore_from(backup, token)
        server:stop()
        server:start_again(backup, token)
    end

    local function make_backup()
        server:stop()
        server:keep("backup")
        server:start_again("data")
    end

    for _, how in ipairs { { name = "another cluster's data", token = "other" }, { name = "other data" } } do
        it("ends with the error restored if etcd has " .. how.name, function()
            local watcher = assert(cli:watcher(DIR, { prefix = true }))
            for i = 1, 5 do
                put(i, i)
                assert.equals(i, assert(watcher:next(5)).events[1].kv.value)
            end
            restore_from("new", how.token)
            local batch, _, details = watcher:next(15)
            assert.is_nil(batch)
            assert.equals("restored", details.name)
            assert.equals("failed", watcher:state())
        end)

        it("delivers the difference with relist, and continues, if etcd has " .. how.name, function()
            put("kept", 1)
            local watcher = assert(cli:watcher(DIR, { prefix = true, relist = true, list = true }))
            assert(watcher:next(5))
            for i = 1, 5 do
                put(i, i)
                assert(watcher:next(5))
            end
            restore_from("new", how.token)
            put("kept", 2)
            local batch = assert(watcher:next(15))
            assert.equals("restored", batch.reason)
            local keys = { [DIR .. "kept"] = 1 }
            for i = 1, 5 do
                keys[DIR .. i] = i
            end
            recorder.apply(keys, batch)
            if not keys[DIR .. "kept"] then -- the list was read before the put
                recorder.apply(keys, assert(watcher:next(5)))
            end
            assert.same({ [DIR .. "kept"] = 2 }, keys)
            put("a", 1)
            assert.equals(1, watcher:next(5).events[1].kv.value)
            watcher:close()
        end)
    end

    for _, ahead in ipairs { "lower", "higher" } do
        it("notices the restore if it was too slow and etcd's new revision is " .. ahead .. " than its position", function()
            local quick = assert(cli:watcher(DIR, { prefix = true, relist = true }))
            local slow = assert(cli:watcher(DIR, { prefix = true, relist = true, max_queue = 2 }))
            local ends = assert(cli:watcher(DIR, { prefix = true, max_queue = 2 }))
            for i = 1, 20 do
                put("old" .. i, i)
            end
            assert.is_true(fake.eventually(function()
                return slow:state() == "behind" and ends:state() == "behind"
            end))
            restore_from("new")
            put("new1", 1)
            repeat
                local batch = assert(quick:next(15))
            until batch.reason == "restored" -- seen before the new history has grown beyond the old one
            for i = 2, ahead == "lower" and 1 or 30 do
                put("new" .. i, i)
            end
            local keys = {}
            while not keys[DIR .. "last"] do
                local batch, err = slow:next(15)
                assert.is_nil(err)
                recorder.apply(keys, batch)
                if batch.reason == "restored" then
                    put("last", 1)
                end
            end
            assert.same(recorder.read(cli, DIR), keys)
            local batch, _, details
            repeat
                batch, _, details = ends:next(15)
            until not batch
            assert.equals("restored", details.name)
            quick:close()
            slow:close()
            ends:close()
        end)
    end

    it("delivers the difference although revisions are used twice if etcd is restored to a backup of itself", function()
        put("a", "old")
        put("b", "old")
        make_backup()
        local watcher = assert(cli:watcher(DIR, { prefix = true, relist = true, list = true }))
        assert.equals(2, #assert(watcher:next(5)).events)
        put("b", "lost")
        put("c", "lost")
        put("d", "lost")
        for _ = 1, 3 do
            assert(watcher:next(5))
        end
        restore_from("backup")
        put("b", "new") -- the revision of the value that was lost
        local keys = {}
        local batch = assert(watcher:next(15))
        assert.equals("restored", batch.reason)
        recorder.apply(keys, batch)
        while keys[DIR .. "b"] ~= "new" do
            recorder.apply(keys, assert(watcher:next(5)))
        end
        assert.same({ [DIR .. "a"] = "old", [DIR .. "b"] = "new" }, keys)
        watcher:close()
    end)

    it("notices the restore if its client is monotonic", function()
        local monotonic = assert(bed.new { http_host = server.http, timeout = 2, monotonic = true })
        local watcher = assert(monotonic:watcher(DIR, { prefix = true, relist = true, list = true }))
        assert(watcher:next(5))
        put("a", 1)
        assert(watcher:next(5))
        restore_from("new")
        local batch = assert(watcher:next(20))
        assert.equals("restored", batch.reason)
        watcher:close()
    end)

    it("continues without a full state if etcd was only restarted", function()
        local watcher = assert(cli:watcher(DIR, { prefix = true, relist = true }))
        put("a", 1)
        assert(watcher:next(5))
        restore_from("data")
        put("a", 2)
        local batch = assert(watcher:next(15))
        assert.is_nil(batch.synthetic)
        assert.equals(2, batch.events[1].kv.value)
        watcher:close()
    end)

    it("delivers batches without events when etcd reports its revision if progress is set", function()
        local with_progress = assert(cli:watcher(DIR, { prefix = true, progress = true }))
        local other = assert(cli:watcher(DIR, { prefix = true }))
        put("a", 1)
        assert.equals(1, #assert(with_progress:next(5)).events)
        assert.equals(1, #assert(other:next(5)).events)
        local last = tonumber(assert(cli:set("/elsewhere", 1)).body.header.revision)
        repeat
            local batch = assert(with_progress:next(5))
            assert.same({}, batch.events)
        until batch.revision == last
        assert.equals(last, with_progress:revision())
        assert.is_true(fake.eventually(function() return other:revision() == last end))
        assert.is_nil((other:next(0)))
        with_progress:close()
        other:close()
    end)

    it("needs no full state after compactions of other keys when etcd reports its revision", function()
        local watcher = assert(cli:watcher(DIR, { prefix = true, relist = true, idle_timeout = 1 }))
        put("a", 1)
        assert(watcher:next(5))
        for i = 1, 2 do
            local last = tonumber(assert(cli:set("/elsewhere", i)).body.header.revision)
            assert(fake.eventually(function() return watcher:revision() == last end))
            assert.equals(200, wire.post(server.http, "/v3/kv/compaction", { revision = last }))
            server:stop()
            server:start_again("data")
        end
        put("a", 2)
        local batch = assert(watcher:next(15))
        assert.is_nil(batch.synthetic)
        assert.equals(2, batch.events[1].kv.value)
        assert.equals(1, watcher:stats().lists)
        watcher:close()
    end)
end)
