-- Lookups in a mirror, with a scripted feed.
local clock = require "resty.etcd.base.clock"
local fake = require "spec.support.scripted_server"
local mirrors = require "resty.etcd.mirror.mirror"
local scripted = require "spec.support.scripted_feed"
local timers = require "resty.etcd.base.timers"

describe("mirror lookups", function()
    local feed, m

    local function start(opts, cli)
        feed = scripted.new()
        m = assert(feed:mirror("/a/", opts, cli))
        return m
    end

    local function is_bad_request(text, result, err, details)
        assert.is_nil(result)
        assert.equal(text, err)
        assert.same({ "bad_request", text, false }, { details.name, details.message, details.retryable })
    end

    local function wait_for(condition)
        local stop = clock.now() + 10
        while not condition() do
            assert(clock.now() < stop, "the condition did not hold in time")
            ngx.sleep(0.01)
        end
    end

    local function is_not_ready(result, err)
        assert.is_nil(result)
        assert.equal("not ready", err)
    end

    after_each(function()
        m:close()
    end)

    it("return 'not ready' before the first full state", function()
        start { index = { n = function(value) return value end } }
        local value, kv, why, details = m:get("/a/1")
        assert.same({ nil, nil, "not ready" }, { value, kv, why })
        assert.same({ "not_ready", true }, { details.name, details.retryable })
        for _, read in ipairs { m.all, m.prefix, function() return m:by("n", 1) end } do
            local list, err, of_list = read(m, "/a/")
            assert.is_nil(list)
            assert.equal("not ready", err)
            assert.equal("not_ready", of_list.name)
        end
        assert.is_false(m:ready())
        assert.equal(0, m:revision())
        assert.equal(0, m:version())
        assert.equal(0, m:count())
        assert.equal(math.huge, m:age())
        assert.equal("starting", m:state().status)
    end)

    it("return a value with its kv, and nil, nil for an absent key", function()
        start()
        feed:full(10, { "/a/1", '{"n":1}', 3, 2 })
        assert(m:wait_ready(2))
        local value, kv = m:get("/a/1")
        assert.equal(1, value.n)
        assert.same({ key = "/a/1", value = { n = 1 }, create_revision = "2", mod_revision = "3", version = "2" }, kv)
        assert.equal(value, kv.value)
        assert.equal(0, select("#", m:get("/a/1")) - 2)
        assert.equal(2, select("#", m:get("/a/2")))
        local none, no_kv = m:get("/a/2")
        assert.is_nil(none)
        assert.is_nil(no_kv)
        assert.equal(10, m:revision())
        assert.equal(1, m:count())
    end)

    it("use keys without the key_prefix of the client", function()
        start(nil, scripted.client("/tenant"))
        feed:full(10, { "/tenant/a/1", "1", 3 })
        feed:put(11, "/tenant/a/2", "2")
        scripted.at(m, 11)
        assert.equal(1, m:get("/a/1"))
        assert.equal("/a/2", select(2, m:get("/a/2")).key)
        assert.is_nil((m:get("/tenant/a/1")))
        feed:delete(12, "/tenant/a/1")
        scripted.at(m, 12)
        assert.equal("/a/2", scripted.keys(m:all()))
    end)

    for _, is_ready in ipairs { true, false } do
        local when = is_ready and "" or " before the first full state"
        it("allocate nothing in get" .. when, function()
            start()
            if is_ready then
                feed:full(10, { "/a/1", '{"n":1}', 3 })
                assert(m:wait_ready(2))
            end
            local function many()
                local hits = 0
                for _ = 1, 100000 do
                    if m:get("/a/1") then
                        hits = hits + 1
                    end
                    m:get("/a/none")
                end
                return hits
            end
            many()
            collectgarbage()
            collectgarbage("stop")
            local before = collectgarbage("count")
            many()
            local grown = (collectgarbage("count") - before) * 1024
            collectgarbage("restart")
            assert.is_true(grown < 2000, "bytes for 200000 reads: " .. grown)
        end)
    end

    it("list all keys in byte order, in an array mirror once per change", function()
        start()
        feed:full(10, { "/a/b", "1", 3 }, { "/a/d", "1", 4 }, { "/a/\255", "1", 5 })
        feed:put(11, "/a/c", "1")
        feed:put(12, "/a/a", "1")
        scripted.at(m, 12)
        local list = m:all()
        assert.equal("/a/a /a/b /a/c /a/d /a/\255", scripted.keys(list))
        assert.equal(list, m:all())
        feed:put(13, "/a/d", "2")
        feed:events(14, { "/a/b" }, { "/a/a" })
        feed:put(15, "/a/b", "3")
        scripted.at(m, 15)
        assert.equal("/a/b /a/c /a/d /a/\255", scripted.keys(m:all()))
        assert.equal(2, m:all()[3].value)
        assert.equal(1, list[4].value) -- an old array does not change
        assert.equal(5, #list)
        assert.equal(4, m:count())
    end)

    it("list the keys below a prefix, in an array mirror once per change", function()
        start()
        feed:full(10, { "/a/b", "1", 3 }, { "/a/b/1", "1", 3 }, { "/a/b/2", "1", 4 }, { "/a/c", "1", 5 })
        scripted.at(m, 10)
        local list = m:prefix("/a/b/")
        assert.equal("/a/b/1 /a/b/2", scripted.keys(list))
        assert.equal(list, m:prefix("/a/b/"))
        assert.equal(3, #m:prefix("/a/b"))
        assert.equal(4, #m:prefix(""))
        assert.equal(0, #m:prefix("/b"))
        feed:put(11, "/a/b/3", "1")
        scripted.at(m, 11)
        assert.equal("/a/b/1 /a/b/2 /a/b/3", scripted.keys(m:prefix("/a/b/")))
        assert.equal(2, #list)
    end)

    it("keep at most 1000 arrays of prefixes", function()
        start()
        feed:full(10, { "/a/b", "1", 3 })
        scripted.at(m, 10)
        for i = 1, 1500 do
            m:prefix("/a/" .. i)
        end
        assert.equal(500, m.store.lists.prefix_count)
    end)

    it("keep the array of all keys when the arrays of prefixes are dropped", function()
        start()
        feed:full(10, { "/a/b", "1", 3 })
        scripted.at(m, 10)
        local all = m:all()
        for i = 1, 1001 do
            m:prefix("/a/" .. i)
        end
        assert.equal(all, m:all())
    end)

    it("keep all arrays if a full state changes nothing", function()
        start { index = { host = function(value) return value.hosts end } }
        local items = { { "/a/1", '{"hosts":["x","y"]}', 3 }, { "/a/2", '{"hosts":"x"}', 4 }, { "/a/3", "{", 5 } }
        feed:full(10, unpack(items))
        scripted.at(m, 10)
        local all, prefix, x, y = m:all(), m:prefix("/a/1"), m:by("host", "x"), m:by("host", "y")
        feed:full(11, unpack(items))
        items[3] = { "/a/3", "{{", 12, 5 } -- another invalid value: no change, but it is the one that is reported
        feed:full(12, unpack(items))
        scripted.at(m, 12)
        assert.equal(all, m:all())
        assert.equal(prefix, m:prefix("/a/1"))
        assert.equal(x, m:by("host", "x"))
        assert.equal(y, m:by("host", "y"))
        assert.equal("12", m:invalid()["/a/3"].mod_revision)
        items[3] = nil
        feed:full(13, unpack(items))
        scripted.at(m, 13)
        assert.same({}, m:invalid())
        assert.equal(all, m:all())
    end)

    it("keep the array of an index value while other values change", function()
        start { index = { host = function(value) return value.hosts end } }
        local items, deletions = {}, {}
        for i = 1, 300 do
            items[i] = { ("/a/%03d"):format(i), '{"hosts":"other"}', 3 }
            deletions[i] = { items[i][1] }
        end
        items[301] = { "/a/x1", '{"hosts":["x","y","z"]}', 3 }
        items[302] = { "/a/x2", '{"hosts":["x"]}', 3 }
        feed:full(10, unpack(items))
        scripted.at(m, 10)
        local x, y = m:by("host", "x"), m:by("host", "y")
        local read
        -- an array that is mirror while changes are applied is kept as well
        m.decoder.transform = function(value)
            read = m:by("host", "z")
            return value
        end
        deletions[300] = { "/a/300", '{"hosts":"other"}', 3 }
        feed:events(11, unpack(deletions)) -- enough of one revision for a rebuild
        scripted.at(m, 11)
        assert.equal(3, m:count())
        assert.equal(x, m:by("host", "x"))
        assert.equal(y, m:by("host", "y"))
        assert.equal(read, m:by("host", "z"))
        assert.equal(1, #m:by("host", "other"))
        items = { { "/a/x1", '{"hosts":["x","y"]}', 3 }, { "/a/x2", '{"hosts":["x"],"n":1}', 12, 3 } }
        feed:state("compacted", 12, unpack(items))
        scripted.at(m, 12)
        assert.equal(y, m:by("host", "y"))
        assert.are_not.equal(x, m:by("host", "x"))
        assert.equal(1, m:by("host", "x")[2].value.n)
        assert.equal(0, #m:by("host", "other"))
    end)

    it("return an error for an invalid argument", function()
        start { index = { n = function(value) return value end } }
        feed:full(10, { "/a/b", "1", 3 })
        scripted.at(m, 10)
        for _, invalid in ipairs { false, 1, {} } do
            is_bad_request("prefix must be string", m:prefix(invalid or nil))
            local value, kv, err, details = m:get(invalid or nil)
            assert.same({ nil, nil, "key must be string" }, { value, kv, err })
            assert.equal("bad_request", details.name)
            is_bad_request("no index " .. tostring(invalid or nil), m:by(invalid or nil, 1))
            is_bad_request("callback must be function", m:on_change(invalid or nil))
            is_bad_request("index x must be function", m:index("x", invalid or nil))
            is_bad_request("the name of an index must be string", m:index(invalid == false and 5 or nil, print))
        end
        assert.equal(0, #m:by("n", nil))
        assert.equal(0, #m:by("n", 0 / 0))
        for _, invalid in ipairs { "1", false, 0 / 0 } do
            is_bad_request("timeout must be number of seconds", m:wait_ready(invalid))
            is_bad_request("timeout must be number of seconds", m:get_linearizable("/a/b", invalid))
        end
        is_bad_request("key must be string", m:get_linearizable())
        is_bad_request("key should not be empty", m:get_linearizable(""))
        local cli = scripted.client()
        is_bad_request("prefix must be string", mirrors.mirror(cli))
        is_bad_request("opts must be table", mirrors.mirror(cli, "/", true))
        is_bad_request("unknown option x", mirrors.mirror(cli, "/", { x = 1 }))
        is_bad_request('opts.mode "shared" needs opts.shm_name', mirrors.mirror(cli, "/", { mode = "shared" }))
        for _, choice in ipairs { "jsno", 5, {}, { serialize = tostring } } do
            is_bad_request('opts.serializer must be "json", "json_exact", "raw", or a table with serialize and deserialize',
                mirrors.mirror(cli, "/", { serializer = choice }))
        end
        is_bad_request("opts.decode and opts.serializer exclude each other",
            mirrors.mirror(cli, "/", { serializer = "raw", decode = tostring }))
    end)

    it("find keys by an index function that returns one value, several, or none", function()
        start { index = { host = function(value) return value.hosts end } }
        feed:full(10, { "/a/1", '{"hosts":["x","y","x"]}', 3 }, { "/a/2", '{"hosts":"x"}', 4 }, { "/a/3", "{}", 5 })
        scripted.at(m, 10)
        local found = m:by("host", "x")
        assert.equal("/a/1 /a/2", scripted.keys(found))
        assert.equal(found, m:by("host", "x"))
        assert.equal("/a/1", scripted.keys(m:by("host", "y")))
        feed:put(11, "/a/1", '{"hosts":["y"]}')
        feed:put(12, "/a/0", '{"hosts":["x"]}')
        scripted.at(m, 12)
        assert.equal("/a/0 /a/2", scripted.keys(m:by("host", "x")))
        assert.equal("/a/1 /a/2", scripted.keys(found))
        feed:put(13, "/a/2", '{"hosts":"x","changed":true}')
        scripted.at(m, 13)
        assert.is_true(m:by("host", "x")[2].value.changed)
        feed:events(14, { "/a/0" }, { "/a/2" })
        scripted.at(m, 14)
        assert.equal(0, #m:by("host", "x"))
        assert.is_nil(m.indexes.by_name.host.buckets.x)
        local ok, err = pcall(function() m:by("host", "x")[1] = {} end)
        assert.is_false(ok)
        assert.is_truthy(err:find("read-only", 1, true))
        local none, why = m:by("no such", "x")
        assert.is_nil(none)
        assert.equal("no index no such", why)
    end)

    it("use an index that was added later, for existing and new keys", function()
        start()
        feed:full(10, { "/a/1", '"x"', 3 }, { "/a/2", '"y"', 4 })
        scripted.at(m, 10)
        assert(m:index("value", function(value) return value end))
        local found, why = m:by("value", "x")
        assert.is_nil(found)
        assert.equal("not ready", why)
        local again, err = m:index("value", function() end)
        assert.is_nil(again)
        assert.equal("index value already exists", err)
        feed:put(11, "/a/2", '"x"')
        scripted.at(m, 11)
        assert.equal("/a/1 /a/2", scripted.keys(m:by("value", "x")))
        assert.equal(0, #m:by("value", "y"))
    end)

    it("have no index that was added after close, or not built before it", function()
        start()
        feed:full(10, { "/a/1", '"x"', 3 })
        scripted.at(m, 10)
        assert(m:index("before", function(value) return value end))
        is_not_ready(m:by("before", "x"))
        m:close()
        local ok, err, details = m:index("after", function(value) return value end)
        assert.same({ nil, "the mirror is closed", "closed" }, { ok, err, details.name })
        is_bad_request("no index after", m:by("after", "x"))
        is_bad_request("no index before", m:by("before", "x"))
    end)

    it("have no index whose building was interrupted by close", function()
        start()
        feed:full(10, { "/a/1", '"x"', 3 }, { "/a/2", '"y"', 4 })
        scripted.at(m, 10)
        local calls = 0
        assert(m:index("value", function(value)
            calls = calls + 1
            m:close()
            return value
        end))
        fake.eventually(function() return calls > 0 end)
        is_bad_request("no index value", m:by("value", "x"))
        assert.equal(1, calls)
    end)

    it("use an index that was added while etcd cannot be reached, without another attempt to reach it", function()
        start()
        feed:full(10, { "/a/1", '"x"', 3 })
        scripted.at(m, 10)
        feed.next = function() return nil, { name = "connect_failed", message = "refused" } end
        feed:put(11, "/a/1", '"x"') -- ends the wait
        fake.eventually(function() return m:stats().failures >= 4 end) -- the next delay is at least 0.4 s
        local opened = feed.opened
        assert(m:index("value", function(value) return value end))
        fake.eventually(function() return m:by("value", "x") end)
        assert.equal(opened, feed.opened)
        assert.equal("/a/1", scripted.keys(m:by("value", "x")))
    end)

    it("work on if an index cannot be built, which is logged", function()
        start()
        feed:full(10, { "/a/1", '"x"', 3 })
        scripted.at(m, 10)
        local known = m.store.order.sorted[1]
        m.store.order.sorted[1] = "/a/none" -- an inconsistency that makes the build throw
        assert(m:index("value", function(value) return value end))
        fake.eventually(function() return select(2, m:by("value", "x")) ~= "not ready" end)
        m.store.order.sorted[1] = known
        is_bad_request("no index value", m:by("value", "x"))
        feed:put(11, "/a/2", '"x"')
        scripted.at(m, 11)
        assert(m:index("value", function(value) return value end))
        fake.eventually(function() return m:by("value", "x") end)
        assert.equal("/a/1 /a/2", scripted.keys(m:by("value", "x")))
    end)

    it("log at a limited rate if an index function throws for each of 1000 keys", function()
        local log, lines = ngx.log, {}
        ngx.log = function(_, ...) -- luacheck: ignore 122
            lines[#lines + 1] = table.concat { ... }
        end
        start { index = { bad = function() error("oops\n", 0) end } }
        local items = {}
        for i = 1, 1000 do
            items[i] = { ("/a/%04d"):format(i), "1", 3 }
        end
        feed:full(10, unpack(items))
        scripted.at(m, 10)
        ngx.log = log -- luacheck: ignore 122
        assert.equal(1000, m:stats().index_errors)
        assert.equal(1000, m:count())
        assert.equal("mirror of /a/: index bad: /a/0001: oops?", lines[1])
        assert.is_true(#lines >= 20 and #lines <= 25)
    end)

    it("keep an item, outside the index, if the index function throws", function()
        start { index = { bad = function(value) return value == 2 and error("oops") or { 0 / 0, value } end } }
        feed:full(10, { "/a/1", "1", 3 }, { "/a/2", "2", 4 })
        scripted.at(m, 10)
        assert.equal(2, m:get("/a/2"))
        assert.equal(0, #m:by("bad", 2))
        assert.equal("/a/1", scripted.keys(m:by("bad", 1)))
        assert.equal(1, m:stats().index_errors)
    end)

    it("return the age of the state, also after the feed was closed", function()
        start()
        feed.last_received_at = clock.now() - 5
        feed:full(10, { "/a/1", "1", 3 })
        scripted.at(m, 10)
        assert.is_true(m:age() >= 5 and m:age() < 6)
        m:close()
        assert.is_true(m:age() >= 5 and m:age() < 6)
        assert.equal(1, m:get("/a/1"))
        assert.equal("closed", m:state().status)
    end)

    -- last, because the driver then requests timers less often for some seconds
    it("use functions of the user although nginx has no timer apart from the one of the mirror", function()
        start()
        feed:full(10, { "/a/1", '"x"', 3 })
        scripted.at(m, 10)
        local at = timers.at
        finally(function() timers.at = at end)
        timers.at = function() return nil, "too many pending timers" end
        assert(m:index("value", function(value) return value end))
        local seen
        m:on_change(function(changes) seen = changes.revision end)
        wait_for(function() return m:by("value", "x") end) -- 2 s, in which nginx could have created a timer
        assert.equal("/a/1", scripted.keys(m:by("value", "x")))
        feed:put(11, "/a/2", '"x"')
        wait_for(function() return seen == 11 end)
        assert.equal("/a/1 /a/2", scripted.keys(m:by("value", "x")))
        assert.is_nil(m:state().err)
    end)
end)

describe("mirror creation", function()
    it("returns an error for invalid arguments", function()
        local function err_of(dir, opts)
            local mirror, err = scripted.new():mirror(dir, opts)
            assert.is_nil(mirror)
            return err
        end
        assert.equal("prefix must be string", err_of(nil))
        assert.equal("opts must be table", err_of("/", 1))
        assert.equal("unknown option valdiate; did you mean validate?", err_of("/", { valdiate = print }))
        assert.equal("opts.decode must be function", err_of("/", { decode = 1 }))
        assert.equal("index x must be function", err_of("/", { index = { x = 1 } }))
        assert.equal("the name of an index must be string", err_of("/", { index = { print } }))
        assert.equal('opts.mode must be "worker" or "shared"', err_of("/", { mode = "all" }))
        assert.equal("opts.idle_timeout must be a number of seconds", err_of("/", { idle_timeout = 0 }))
        assert.equal("opts.shared_prefix must be the prefix or a part of it", err_of("/a/", { shared_prefix = "/a/b" }))
    end)

    it("returns an error in init", function()
        local get_phase = ngx.get_phase
        ngx.get_phase = function() return "init" end -- luacheck: ignore 122
        local mirror, err = scripted.new():mirror("/")
        ngx.get_phase = get_phase -- luacheck: ignore 122
        assert.is_nil(mirror)
        assert.is_truthy(err:find("init", 1, true))
    end)
end)
