-- A mirror of a cluster whose members stop, crash and compact: it converges, and delivers each change once.
-- Env: SOAK, factor for the six seconds of faults (default 1); SEED, to replay a run.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local members = require "spec.support.members"
local scripted = require "spec.support.scripted_feed"

local SECONDS = 6 * (tonumber(os.getenv("SOAK")) or 1)
local SEED = tonumber(os.getenv("SEED")) or (ngx.worker.pid() * 1000 + math.floor(ngx.now()) % 1000)
local NAMES = { "m1", "m2", "m3" }

describe("mirror under faults (seed " .. SEED .. ")", function()
    local dir, writer, m, model, mismatches, last_revision

    local function client(i)
        local hosts = { bed.cluster.http[i % 3 + 1], bed.cluster.http[(i + 1) % 3 + 1], bed.cluster.http[(i + 2) % 3 + 1] }
        return assert(bed.new { http_host = hosts, timeout = 2, init_count = -1, health = { fail_timeout = 0.2, max_fail_timeout = 0.5 } })
    end

    -- Replays the changes that on_change delivers: each must fit the one delivered before.
    local function follow(delivered)
        if delivered.revision <= last_revision then
            mismatches[#mismatches + 1] = ("revision %d after %d"):format(delivered.revision, last_revision)
        end
        last_revision = delivered.revision
        for _, change in ipairs(delivered.changes) do
            if model[change.key] ~= change.old then
                mismatches[#mismatches + 1] = ("%s at %d: `old` is not what was delivered before"):format(change.key, delivered.revision)
            end
            if change.type == "PUT" and change.old and change.old.mod_revision == change.kv.mod_revision then
                mismatches[#mismatches + 1] = ("%s at %d: delivered twice"):format(change.key, delivered.revision)
            end
            model[change.key] = change.kv
        end
    end

    local function start_mirror(silence)
        model, mismatches, last_revision = {}, {}, 0
        m = assert(client(1):mirror(dir, { idle_timeout = silence }))
        m:on_change(follow)
        assert(m:wait_ready(10))
    end

    before_each(function()
        math.randomseed(SEED)
        dir = bed.key("faults")
        writer = client(0)
        for i = 1, 300 do
            assert(writer:set(dir .. i, i))
        end
        start_mirror(1)
    end)

    after_each(function()
        for _, name in ipairs(NAMES) do
            members.signal(name, "CONT")
        end
        members.wait_healthy()
        m:close()
        assert(client(0):rmdir(dir))
    end)

    local written = 0
    local function write_until(stop)
        while clock.now() < stop do
            written = written + 1
            local key = dir .. math.random(400)
            if math.random(4) == 1 then
                writer:delete(key)
            else
                writer:set(key, written)
            end
            ngx.sleep(0.002)
        end
    end

    local function check()
        members.wait_healthy()
        local res = assert(client(0):readdir(dir, { timeout = 10 }))
        scripted.at(m, 1)
        local stop = clock.now() + 30
        while m:revision() < tonumber(res.body.header.revision) and clock.now() < stop do
            -- a write, so that the mirror receives the current revision
            assert(client(0):set(dir .. "end", 1))
            ngx.sleep(0.1)
        end
        res = assert(client(0):readdir(dir, { timeout = 10 }))
        scripted.at(m, tonumber(res.body.kvs[#res.body.kvs].mod_revision))
        local kvs, differences = res.body.kvs, {}
        for i, kv in ipairs(m:all()) do
            local truth = kvs[i] or {}
            for _, field in ipairs { "key", "value", "mod_revision", "create_revision", "version" } do
                if kv[field] ~= truth[field] then
                    differences[#differences + 1] = ("%s: %s is %s, not %s"):format(kv.key, field, kv[field], truth[field])
                end
            end
            if model[kv.key] ~= kv then
                differences[#differences + 1] = kv.key .. ": not what was delivered"
            end
        end
        assert.equal("", table.concat(differences, "\n"))
        assert.equal("", table.concat(mismatches, "\n"))
        assert.equal(#kvs, m:count())
        local n = 0
        for _ in pairs(model) do
            n = n + 1
        end
        assert.equal(#kvs, n)
    end

    local function with_faults(step)
        local stop = clock.now() + SECONDS
        local writing = ngx.thread.spawn(write_until, stop)
        local turn = 0
        while clock.now() < stop do
            turn = turn + 1
            step(NAMES[turn % 3 + 1])
        end
        assert(ngx.thread.wait(writing))
        check()
    end

    it("converges when members are stopped for a while, one by one", function()
        with_faults(function(name)
            members.signal(name, "STOP")
            ngx.sleep(1.3)
            members.signal(name, "CONT")
            ngx.sleep(0.5)
        end)
    end)

    it("converges when members are killed and restarted", function()
        with_faults(function(name)
            members.signal(name, "KILL")
            ngx.sleep(0.3)
            members.restart(name)
            members.wait_healthy()
        end)
    end)

    it("converges when revisions are compacted while its member is stopped", function()
        with_faults(function(name)
            members.signal(name, "STOP")
            ngx.sleep(0.8)
            local res = writer:get(dir .. 1)
            if res then
                members.etcdctl(table.concat(bed.cluster.http, ","),
                    "--command-timeout=1s compact " .. res.body.header.revision)
            end
            ngx.sleep(0.5)
            members.signal(name, "CONT")
            ngx.sleep(0.2)
        end)
    end)

    it("converges when its member is stopped until all missed revisions are compacted", function()
        m:close()
        start_mirror(6) -- seconds that it waits for the stopped member
        local stop = clock.now() + 20
        local host, stopped
        repeat -- its stream is opened after the list read
            ngx.sleep(0.01)
            host = m.loop.feed:stats().endpoint
        until host or clock.now() > stop
        for i, name in ipairs(NAMES) do
            if bed.cluster.http[i] == host then
                stopped = name
            end
        end
        members.signal(assert(stopped), "STOP")
        local others = {}
        for i, name in ipairs(NAMES) do
            others[#others + 1] = name ~= stopped and bed.cluster.http[i] or nil
        end
        -- all of this must be done before the mirror opens a stream to another member: it uses no stopped member
        local quick = assert(bed.new { http_host = others, health = { fail_timeout = 0.1, max_fail_timeout = 0.1 } })
        local missed, revision = 0, nil
        stop = clock.now() + 20
        repeat -- the others can have to elect a leader first
            local res = quick:set(dir .. "1", missed, { timeout = 0.5 })
            if res and res.status == 200 then
                missed, revision = missed + 1, res.body.header.revision
            else
                ngx.sleep(0.01)
            end
        until missed == 3 or clock.now() > stop
        members.etcdctl(table.concat(others, ","), "compact " .. assert(revision))
        repeat
            ngx.sleep(0.05)
        until m:stats().full.compacted or clock.now() > stop
        members.signal(stopped, "CONT")
        assert.equal(1, m:stats().full.compacted)
        check()
    end)
end)
