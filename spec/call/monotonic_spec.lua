-- Replies whose revisions never decrease.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local fake = require "spec.support.scripted_server"
local random = require "resty.etcd.base.random"
local wire = require "spec.support.wire"

local group = fake.group()
local servers = group.servers

-- Starts a server that responds to ranges with `revision`, a field that a spec can change.
local function serve(revision, cluster_id)
    local server
    server = fake.new(function()
        if not server.revision then
            return { fake.reply '{"kvs":[{"key":"L2s="}]}' } -- as in the tests of some programs
        end
        return { fake.reply(('{"header":{"cluster_id":"%s","revision":"%d"}}'):format(server.cluster_id, server.revision)) }
    end)
    server.revision, server.cluster_id = revision, cluster_id or "18446744073709551615"
    return group.add(server)
end

-- Holds back the response of a server; returns a function that releases it.
local function hold(server, body)
    local is_held = true
    server:serve { function(conn)
        while is_held and conn.fd do
            ngx.sleep(0.001)
        end
        return fake.reply(body)
    end }
    return function()
        is_held = false
    end
end

local function client(opts)
    local all = { http_host = group.hosts(), monotonic = true, init_count = -1, timeout = 3, health = {} }
    for name, value in pairs(opts or {}) do
        all[name] = value
    end
    return assert(bed.new(all))
end

local function revision(cli, timeout)
    local res, err, details = cli:get("/k", { serializable = true, timeout = timeout })
    return res and tonumber(res.body.header.revision), err, details
end

after_each(group.close)

describe("client with monotonic", function()
    it("retries on another endpoint when a member lags", function()
        serve(9)
        serve(7)
        local cli = client()
        for _ = 1, 6 do
            assert.equal(9, revision(cli))
        end
        assert.is_true(#servers[2].requests > 0)
    end)

    it("retries on another endpoint, without a failure report, when retry is off", function()
        local restore = fake.never_ban()
        serve(9)
        serve(7)
        local cli = client()
        cli = assert(bed.new { http_host = { servers[1].http_host, servers[2].http_host }, monotonic = true,
            init_count = cli.init_count })
        for _ = 1, 6 do
            assert.equal(9, revision(cli))
        end
        assert.is_true(#servers[2].requests > 0)
        assert.equal(0, fake.reports(servers[2].http_host))
        restore()
    end)

    it("accepts equal and higher revisions, and remembers those of writes", function()
        local server = serve(7)
        local cli = client()
        assert.equal(7, revision(cli))
        assert.equal(7, revision(cli))
        server.revision = 12
        assert(cli:set("/k", 1))
        server.revision = 11
        local _, _, details = revision(cli)
        assert.equal("stale_reply", details.name)
        server.revision = 12
        assert.equal(12, revision(cli))
    end)

    it("returns stale_reply after several rounds when no member is newer", function()
        local server = serve(9)
        serve(7)
        local cli = client()
        assert.equal(9, revision(cli))
        server.revision = 8
        local before = #servers[1].requests + #servers[2].requests
        local got, err, details = revision(cli)
        assert.is_nil(got)
        assert.equal("stale_reply", details.name)
        assert.is_true(details.retryable)
        assert.is_truthy(err:find("stale reply: revision [78], seen already 9$"))
        assert.equal(11, #servers[1].requests + #servers[2].requests - before)
    end)

    it("ends without another attempt when the backoff would pass the deadline #alone", function()
        local server = serve(9)
        local cli = client()
        revision(cli)
        server.revision = 8
        local jittered = random.jittered
        random.jittered = function(seconds) return 10 * seconds end -- 0.25 s, and then 0.5 s
        finally(function() random.jittered = jittered end)
        local started = clock.now()
        local _, _, details = revision(cli, 0.6)
        local took = clock.now() - started
        assert.equal("stale_reply", details.name)
        assert.equal(1 + 2, #server.requests)
        assert.is_true(took < 0.6, "took " .. took)
    end)

    it("accepts a lower revision when the higher one was seen after the call began", function()
        local slow, quick = serve(7), serve(9)
        local release = hold(slow, '{"header":{"cluster_id":"' .. slow.cluster_id .. '","revision":"7"}}')
        local cli = client { health = { retry = false } }
        local thread = ngx.thread.spawn(revision, cli)
        assert.equal(9, revision(cli))
        release()
        local _, got = ngx.thread.wait(thread)
        assert.equal(7, got)
        assert.equal(1, #quick.requests)
    end)

    it("starts from the revision of the new cluster when the cluster ID changes", function()
        local server = serve(9)
        local cli = client()
        assert.equal(9, revision(cli))
        server.cluster_id, server.revision = "4711", 3
        assert.equal(3, revision(cli))
        server.revision = 2
        local _, _, details = revision(cli)
        assert.equal("stale_reply", details.name)
    end)

    it("accepts lower revisions after one failed call when etcd is restored with the same cluster ID", function()
        local server = serve(900)
        local cli = client()
        local function current()
            local res, _, details = cli:get "/k"
            return res and tonumber(res.body.header.revision) or details.name
        end
        assert.equal(900, current())
        server.revision = 20
        assert.equal("stale_reply", current())
        assert.equal(20, current())
        server.revision = 21
        assert.equal(21, current())
    end)

    it("accepts a lower revision when the cluster changes during the call", function()
        local slow, quick = serve(5000), serve(107, "4711")
        local cli = client { health = { retry = false } }
        assert.equal(5000, revision(cli)) -- of the first cluster
        local release = hold(slow, '{"header":{"cluster_id":"4711","revision":"106"}}')
        cli.init_count = -1
        local thread = ngx.thread.spawn(revision, cli)
        assert.equal(107, revision(cli))
        assert.equal(1, #quick.requests)
        release()
        local _, got = ngx.thread.wait(thread)
        assert.equal(106, got)
    end)

    it("keeps the revision of a cluster when a stray endpoint of another one responds in between", function()
        local member = serve(900)
        serve(5, "4711")
        local cli = client { health = { retry = false } }
        assert.equal(900, revision(cli))
        assert.equal(5, revision(cli))
        member.revision = 899
        assert.equal(5, revision(cli)) -- instead of 899, although the last reply had a lower revision
    end)

    it("keeps the revision when a reply has no header", function()
        local server = serve(9)
        local cli = client()
        assert.equal(9, revision(cli))
        server.revision = nil
        assert(cli:get "/k")
        server.revision = 8
        local _, _, details = revision(cli)
        assert.equal("stale_reply", details.name)
    end)

    it("reads a large directory in pages", function()
        local cli = assert(bed.new { monotonic = true })
        local key = bed.key "monotonic"
        for i = 1, 70 do
            assert(cli:set(key .. i, i))
        end
        assert.equal(70, #assert(cli:readdir(key)).body.kvs)
        assert.equal("70", assert(cli:rmdir(key)).body.deleted)
    end)
end)

describe("client without monotonic", function()
    it("accepts the replies of a lagging member", function()
        serve(9)
        serve(7)
        local cli = client { monotonic = false }
        assert.equal(9, revision(cli))
        assert.equal(7, revision(cli))
    end)
end)

describe("partitioned member of a cluster", function()
    local members = bed.cluster.members

    local function signal(name, ...)
        for _, member in ipairs { ... } do
            local command = "node tools/bed.mjs signal --dir '%s' %s %s"
            assert(os.execute(command:format(bed.dir, member.name, name)) == 0)
        end
    end

    -- Waits for a leader; returns the leader and the two followers.
    local function roles()
        local stop = ngx.now() + 20
        repeat
            local ids, leader = {}, nil
            for i, member in ipairs(members) do
                local _, status = wire.post(member.http, "/v3/maintenance/status", {})
                ids[i], leader = status.header.member_id, status.leader
            end
            for i, id in ipairs(ids) do
                if id == leader then
                    return members[i], members[i % 3 + 1], members[(i + 1) % 3 + 1]
                end
            end
            ngx.sleep(0.1)
        until ngx.now() > stop
        error "no leader"
    end

    local function client_of(member, opts)
        local all = { http_host = member.http, timeout = 3, health = {} }
        for name, value in pairs(opts or {}) do
            all[name] = value
        end
        return assert(bed.new(all))
    end

    after_each(function()
        signal("CONT", unpack(members))
    end)

    it("serves stale serializable reads, which a client with monotonic rejects", function()
        local leader, a, b = roles()
        local key, writer = bed.key "stale", client_of(a)
        assert(writer:set(key, "old"))
        signal("STOP", leader)
        while not writer:set(key, "new") do -- until the two followers have elected a leader
            ngx.sleep(0.2)
        end
        local seen = assert(writer:get(key)).body.header
        -- the former leader resumes without a connection to the others
        signal("STOP", a, b)
        signal("CONT", leader)
        local stale = assert(client_of(leader):get(key, { serializable = true }))
        assert.equal("old", stale.body.kvs[1].value)

        local cli = client_of(leader, { monotonic = true })
        cli.revision_floor.revision, cli.revision_floor.cluster_id = tonumber(seen.revision), seen.cluster_id
        local res, _, details = cli:get(key, { serializable = true })
        assert.is_nil(res)
        assert.equal("stale_reply", details.name)

        signal("CONT", a, b)
        while not res do
            res = cli:get(key, { serializable = true })
        end
        assert.equal("new", res.body.kvs[1].value)
        assert(writer:delete(key))
    end)
end)
