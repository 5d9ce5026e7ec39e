-- Mirrors against a real etcd.
local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local members = require "spec.support.members"
local scripted = require "spec.support.scripted_feed"
local tap = require "spec.support.watch_proxy"

local function new(opts)
    return assert(bed.new(opts))
end

describe("mirror of a real etcd", function()
    local cli, dir, m

    before_each(function()
        cli = new()
        dir = bed.key("mirror")
    end)

    after_each(function()
        m:close()
        assert(cli:rmdir(dir))
    end)

    local function revision(res, err)
        assert(res, err)
        return tonumber(res.body.header.revision)
    end

    it("has the existing keys, and receives changes #alone", function()
        cli:set(dir .. "1", { n = 1 })
        local first = revision(cli:set(dir .. "2", "x"))
        m = assert(cli:mirror(dir))
        assert(m:wait_ready(3))
        assert.is_true(m:revision() >= first)
        assert.equal(1, m:get(dir .. "1").n)
        local received = {}
        m:on_change(function(one) received[#received + 1] = one end)
        local lease = assert(cli:grant(60)).body.ID
        local put = revision(cli:set(dir .. "3", "y", { lease = lease }))
        local last = revision(cli:delete(dir .. "2"))
        scripted.at(m, last)
        assert.equal(dir .. "1 " .. dir .. "3", scripted.keys(m:all()))
        local _, kv = m:get(dir .. "3")
        assert.equal(tostring(put), kv.mod_revision)
        assert.equal(lease, kv.lease)
        assert(fake.eventually(function() return received[2] end))
        assert.same({ put, last }, { received[1].revision, received[2].revision })
        assert.equal("x", received[2].changes[1].old.value)
        assert.is_true(m:age() < 1)
        assert.same({ list = 1 }, m:stats().full)
        assert(cli:revoke(lease))
    end)

    it("ignores keys outside its prefix and outside the key_prefix of its client", function()
        local tenant = new { key_prefix = dir }
        tenant:set("/a/1", 1)
        cli:set(dir .. "1", 2)
        m = assert(tenant:mirror("/a"))
        assert(m:wait_ready(3))
        tenant:set("/a/2", 2)
        cli:set(dir .. "2", 2)
        scripted.at(m, revision(tenant:set("/a/3", 3)))
        assert.equal("/a/1 /a/2 /a/3", scripted.keys(m:all()))
        assert.equal(3, (m:get_linearizable("/a/3")))
    end)

    it("shows all changes of a transaction together", function()
        m = assert(cli:mirror(dir))
        assert(m:wait_ready(3))
        local seen = {}
        m:on_change(function(received) seen[#seen + 1] = { #received.changes, (m:get(dir .. "a")), (m:get(dir .. "b")) } end)
        local function op(name, value)
            return { requestPut = { key = dir .. name, value = value } }
        end
        local row = { key = dir .. "a", target = "CREATE", result = "EQUAL", create_revision = 0 }
        scripted.at(m, revision(cli:txn({ row }, { op("a", 1), op("b", 2) })))
        assert.same({ { 2, 1, 2 } }, seen)
    end)

    it("reads from etcd with get_linearizable", function()
        cli:set(dir .. "1", 5)
        m = assert(cli:mirror(dir, { transform = function(value) return value > 5 and value * 2 or nil, "too small" end }))
        local none, err, details = m:get_linearizable(dir .. "1")
        assert.is_nil(none)
        assert.equal("invalid", details.name)
        assert.equal("transform: too small", err)
        cli:set(dir .. "1", 6)
        local value, kv = m:get_linearizable(dir .. "1", 2)
        assert.equal(12, value)
        assert.equal("2", kv.version)
        assert.same({ n = 0 }, { n = select("#", m:get_linearizable(dir .. "2")) - 2 })
        assert.is_nil((select(2, m:get_linearizable(dir .. "2"))))
        assert.equal("bad_request", select(3, m:get_linearizable("")).name)
        local away = assert(bed.new { http_host = "http://127.0.0.1:1", health = { max_fails = 1000 } })
        local other = assert(away:mirror("/"))
        none, err, details = other:get_linearizable("/x", 1)
        other:close()
        assert.is_nil(none)
        assert.equal("string", type(err))
        assert.equal("connect_failed", details.name)
    end)

    it("shares one stream with another mirror of its client with shared_prefix", function()
        m = assert(cli:mirror(dir .. "a/", { shared_prefix = dir }))
        local other = assert(cli:mirror(dir .. "b/", { shared_prefix = dir }))
        assert(m:wait_ready(3))
        assert(other:wait_ready(3))
        cli:set(dir .. "a/1", 1)
        local last = revision(cli:set(dir .. "b/1", 2))
        scripted.at(other, last)
        scripted.at(m, last - 1)
        assert.equal(1, m:count())
        assert.equal(1, other:count())
        assert.equal(2, m.loop.feed:stats().subscribers)
        other:close()
    end)

    it("applies each change once if etcd compacts revisions that it has not received", function()
        local line = tap.new(bed.single.http)
        local end_even_pauses = fake.even_pauses()
        finally(function()
            end_even_pauses()
            line:close()
        end)
        for i = 1, 20 do
            cli:set(dir .. i, i)
        end
        m = assert(new { http_host = line.http_host, health = { max_fails = 1000 } }:mirror(dir))
        assert(m:wait_ready(3))
        local received = {}
        m:on_change(function(one) received[#received + 1] = one end)
        assert.is_true(fake.eventually(function() return line.open == 1 end))
        line.cut_after = function() return 0 end
        line:cut()
        assert(cli:set(dir .. "20", "old"))
        assert(cli:delete(dir .. "19"))
        local last = revision(cli:set(dir .. "20", "new"))
        members.etcdctl(bed.single.http, "compact " .. last)
        line.cut_after = nil
        scripted.at(m, last)
        assert.equal(1, m:stats().full.compacted)
        local keys = {}
        for _, one in ipairs(received) do
            for _, change in ipairs(one.changes) do
                keys[#keys + 1] = change.type .. " " .. change.key:sub(#dir + 1)
            end
        end
        table.sort(keys)
        assert.same({ "DELETE 19", "PUT 20" }, keys)
        assert.equal("new", (m:get(dir .. "20")))
        assert.equal(19, m:count())
    end)

    it("reports a missing read permission, and becomes ready when it is granted", function()
        m = assert(new { http_host = bed.auth.http, user = "reader", password = bed.auth.reader.password }:mirror(dir))
        local ok, err, details = m:wait_ready(1)
        assert.is_nil(ok)
        assert.equal("the mirror is not ready: timeout: etcdserver: permission denied", err)
        assert.equal("timeout", details.name)
        assert.equal("retrying", m:state().status)
        assert.equal("etcdserver: permission denied", m:state().err)
        assert.equal("not ready", select(3, m:get(dir .. "1")))
        local root = new { http_host = bed.auth.http, user = bed.auth.user, password = bed.auth.password }
        assert(root:set(dir .. "1", 1))
        local flags = ("--user=%s:%s "):format(bed.auth.user, bed.auth.password)
        members.etcdctl(bed.auth.http, flags .. "role add all-of-" .. ngx.worker.pid())
        members.etcdctl(bed.auth.http, flags .. ("role grant-permission all-of-%d --prefix=true read %s"):format(
            ngx.worker.pid(), dir))
        members.etcdctl(bed.auth.http, flags .. "user grant-role reader all-of-" .. ngx.worker.pid())
        ok, err = m:wait_ready(10)
        local value = m:get(dir .. "1")
        members.etcdctl(bed.auth.http, flags .. "user revoke-role reader all-of-" .. ngx.worker.pid())
        assert(root:rmdir(dir))
        assert.is_true(ok, err)
        assert.equal(1, value)
    end)

    it("returns the cause with the timeout of wait_ready", function()
        m = assert(new { http_host = "http://127.0.0.1:1", health = {} }:mirror(dir))
        local ok, err, details = m:wait_ready(1)
        local state = m:state()
        assert.is_nil(ok)
        assert.equal("timeout", details.name)
        assert.equal("the mirror is not ready: timeout: " .. state.err, err)
        assert.equal("retrying", state.status)
        assert.is_truthy(state.err:find("connection refused") or state.err:find("no healthy etcd endpoint"))
    end)

    it("shares its file and its log with mirrors of the same configured endpoints after a sync", function()
        local snapshot_feed = require "resty.etcd.storage.snapshot_feed"
        local new_state, identities = snapshot_feed.new_state, {}
        snapshot_feed.new_state = function(path, identity, interval)
            identities[#identities + 1] = identity
            return new_state(path, identity, interval)
        end
        local one = new { http_host = bed.cluster.http[1] }
        local other = new { http_host = bed.cluster.http[2] }
        for _, client in ipairs { one, other } do
            for _ = 1, 2 do
                m = assert(client:mirror(dir, { snapshot = "/nowhere/at/all" }))
                m:close()
                assert(client:sync())
                assert.equal(#bed.cluster.http, #client.endpoints)
            end
        end
        snapshot_feed.new_state = new_state
        assert.equal(identities[1], identities[2])
        assert.equal(identities[3], identities[4])
        assert.are_not.equal(identities[1], identities[3])
    end)
end)
