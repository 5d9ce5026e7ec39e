-- Mirrors that start from a snapshot file, against real etcd servers.
local clock = require "resty.etcd.base.clock"
local etcd = require "resty.etcd"
local own_etcd = require "spec.support.private_etcd"

local function eventually(check)
    local stop = clock.now() + 15
    while not check() and clock.now() < stop do
        ngx.sleep(0.01)
    end
    return check()
end

describe("mirror with a snapshot file", function()
    local path, server, m

    local function client()
        return assert(etcd.new { http_host = server.http, health = {} })
    end

    local function mirror()
        return assert(client():mirror("/r/", { snapshot = path, snapshot_interval = 0.05 }))
    end

    before_each(function()
        path = os.tmpname()
        os.remove(path)
        server = own_etcd.start()
    end)

    after_each(function()
        if m then
            m:close()
        end
        ngx.sleep(0.1)
        os.remove(path)
        server:remove()
    end)

    -- Writes a snapshot of two keys, and stops etcd.
    local function write_snapshot()
        local cli = client()
        assert(cli:set("/r/a", "old"))
        assert(cli:set("/r/b", "same"))
        local first = mirror()
        assert(first:wait_ready(5))
        assert.is_truthy(eventually(function() return io.open(path) end))
        first:close()
        server:stop()
    end

    it("replaces the snapshot if a new etcd has other values at the same revisions", function()
        write_snapshot()
        m = mirror()
        assert(m:wait_ready(5))
        assert.equal("old", (m:get("/r/a")))
        assert.is_true(eventually(function() return m:state().status == "retrying" end))
        assert.equal(server.http .. ": connection refused", m:state().err)
        server:start_again("fresh")
        local cli = client()
        assert(cli:set("/r/a", "new"))
        assert(cli:set("/r/b", "same"))
        assert(cli:set("/r/c", "more"))
        assert.is_true(eventually(function() return m:get("/r/c") end) == "more")
        for _, key in ipairs { "/r/a", "/r/b" } do
            local value, kv = m:get(key)
            local expected = assert(cli:get(key)).body.kvs[1]
            assert.same({ expected.value, expected.mod_revision }, { value, kv.mod_revision })
        end
        assert.equal("new", (m:get("/r/a")))
        assert.equal("ready", m:state().status)
    end)

    it("reports when etcd is unreachable, and when it is reachable again", function()
        assert(client():set("/r/a", "old"))
        m = mirror()
        assert(m:wait_ready(5))
        server:stop()
        assert.is_true(eventually(function() return m:state().status == "retrying" end))
        assert.is_true(eventually(function() return m:state().err == server.http .. ": connection refused" end))
        assert.same({ "old", true }, { (m:get("/r/a")), m:ready() })
        server:start_again("data")
        assert.is_true(eventually(function() return m:state().status == "ready" end))
        assert.is_nil(m:state().err)
    end)

    it("notifies no callback and keeps all arrays if etcd has the same state", function()
        write_snapshot()
        m = mirror()
        assert(m:wait_ready(5))
        local received = {}
        m:on_change(function(one)
            for _, change in ipairs(one.changes) do
                received[#received + 1] = change.key
            end
        end)
        local all, version = m:all(), m:version()
        assert.same({ snapshot = 1 }, m:stats().full)
        server:start_again("data")
        assert.is_true(eventually(function() return m:stats().full.list end) == 1)
        assert.equal(all, m:all())
        assert.equal(version, m:version())
        assert(client():set("/r/c", "new"))
        assert.is_true(eventually(function() return #received > 0 end))
        assert.same({ "/r/c" }, received)
    end)
end)
