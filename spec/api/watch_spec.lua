-- Watches of a real etcd: events and options.
local bed = require "spec.support.bed"
local etcd = require "resty.etcd"
local wire = require "spec.support.wire"

local dir = bed.key("watch")

-- Returns the next `n` events of a reader, from as many responses as needed, and the last response.
local function take(reader, n)
    local events, result = {}, nil
    while #events < n do
        local reply, err = reader()
        assert.is_nil(err)
        assert.is_nil(reply.error)
        result = reply.result
        assert.is_nil(result.created)
        for _, event in ipairs(result.events) do
            events[#events + 1] = event
        end
    end
    assert.equals(n, #events)
    return events, result
end

-- Reads the `created` response of a watch, and returns its reader and handle.
local function established(reader, err, handle)
    assert.is_nil(err)
    local reply, read_err = reader()
    assert.is_nil(read_err)
    assert.is_true(reply.result.created)
    assert.is_nil(reply.result.canceled)
    assert.is_nil(reply.result.events)
    assert.matches("^%d+$", reply.result.header.revision)
    return reader, handle
end

local function brief(events)
    local out = {}
    for i, event in ipairs(events) do
        out[i] = (event.type or "PUT") .. " " .. event.kv.key:sub(#dir + 1)
    end
    return out
end

describe("watch", function()
    local cli

    before_each(function()
        cli = assert(bed.new { timeout = 3 })
    end)

    after_each(function()
        assert(cli:rmdir(dir))
    end)

    local function put(key, value, opts)
        return assert(cli:set(dir .. key, value or key, opts)).body.header.revision
    end

    local function assert_silent(reader)
        local reply, err = reader()
        assert.is_nil(reply)
        assert.equals("timeout", err)
    end

    it("returns `created` first, then each put and delete with all of etcd's fields", function()
        local reader = established(cli:watch(dir .. "a"))
        local first = put("a", { n = 1 })
        put("ab")
        local second = put("a", "two")
        local third = assert(cli:delete(dir .. "a")).body.header.revision
        local events, last = take(reader, 3)
        assert.same({
            { kv = { key = dir .. "a", create_revision = first, mod_revision = first, version = "1", value = { n = 1 } } },
            { kv = { key = dir .. "a", create_revision = first, mod_revision = second, version = "2", value = "two" } },
            { type = "DELETE", kv = { key = dir .. "a", mod_revision = third } },
        }, events)
        assert.equals(third, last.header.revision)
        assert.matches("^%d+$", last.header.cluster_id)
        assert.matches("^%d+$", last.header.member_id)
        assert.matches("^%d+$", last.header.raft_term)
    end)

    it("returns the lease of a key", function()
        local lease = assert(cli:grant(60)).body.ID
        local reader = established(cli:watch(dir .. "a"))
        put("a", "v", { lease = lease })
        assert.equals(lease, take(reader, 1)[1].kv.lease)
        assert(cli:revoke(lease))
        assert.same({ "DELETE a" }, brief(take(reader, 1)))
    end)

    it("reports the keys with the prefix only, if it is watchdir", function()
        local reader = established(cli:watchdir(dir .. "d"))
        put("c")
        put("d")
        put("d/1")
        put("e")
        put("d2")
        assert(cli:rmdir(dir .. "d/"))
        assert.same({ "PUT d", "PUT d/1", "PUT d2", "DELETE d/1" }, brief(take(reader, 4)))
    end)

    it("reports the keys with the prefix only, if the prefix ends in bytes 0xff", function()
        local reader = established(cli:watchdir(dir .. "p\255", { prev_kv = true }))
        for _, name in ipairs { "p\254", "q", "p\255", "p\255\255a" } do
            put(name, name)
        end
        local events = take(reader, 2)
        assert.same({ dir .. "p\255", dir .. "p\255\255a" }, { events[1].kv.key, events[2].kv.key })
        assert_silent(reader)
    end)

    it("reports all keys, or all below key_prefix, if the directory is empty", function()
        local all = established(cli:watchdir(""))
        local mine = assert(bed.new { key_prefix = dir .. "p" })
        local own = established(mine:watchdir(""))
        local one = established(mine:watch("/x"))
        assert(cli:set("\0" .. dir, "v"))
        assert(cli:delete("\0" .. dir))
        put("o")
        assert(mine:set("/x", "v"))
        local seen = {}
        while #seen < 4 do
            for _, event in ipairs(assert(all()).result.events) do
                if event.kv.key:find(dir, 1, true) then -- a lease of an earlier spec can expire meanwhile
                    seen[#seen + 1] = event.kv.key
                end
            end
        end
        assert.same({ "\0" .. dir, "\0" .. dir, dir .. "o", dir .. "p/x" }, seen)
        assert.equals(dir .. "p/x", take(own, 1)[1].kv.key)
        assert.equals(dir .. "p/x", take(one, 1)[1].kv.key)
    end)

    it("reports past events first if start_revision is given, as number or string", function()
        put("a", "one")
        local revision = put("a", "two")
        put("b", "three")
        for _, start in ipairs { revision, tonumber(revision) } do
            local reader = established(cli:watchdir(dir, { start_revision = start }))
            assert.equals("two", take(reader, 2)[1].kv.value)
        end
        put("c", "four")
        local events = take(established(cli:watchdir(dir, { start_revision = revision })), 3)
        assert.same({ "two", "three", "four" }, { events[1].kv.value, events[2].kv.value, events[3].kv.value })
        local later = established(cli:watch(dir .. "a", { start_revision = tonumber(put("a", "five")) + 2 }))
        put("a", "six")
        put("a", "seven")
        assert.equals("seven", take(later, 1)[1].kv.value)
    end)

    it("returns the previous key-value pair only if prev_kv is set", function()
        put("a", "one")
        local before = established(cli:watch(dir .. "a", { prev_kv = true }))
        local without = established(cli:watch(dir .. "a"))
        put("a", { 2 })
        assert(cli:delete(dir .. "a"))
        put("a", "new")
        local events = take(before, 3)
        assert.same({ "one", { 2 } }, { events[1].prev_kv.value, events[2].prev_kv.value })
        assert.same({ dir .. "a", "2" }, { events[2].prev_kv.key, events[2].prev_kv.version })
        assert.is_nil(events[3].prev_kv)
        for _, event in ipairs(take(without, 3)) do
            assert.is_nil(event.prev_kv)
        end
    end)

    it("omits puts or deletes if filters are set, in every notation", function()
        local spellings = {
            { "NOPUT", "noput", 0, { "NOPUT" }, { 0 } },
            { "NODELETE", "nodelete", 1, { "NODELETE" }, { 1 } },
            { { "NOPUT", "NODELETE" }, { 0, 1 } },
        }
        local readers = {}
        for wanted, group in ipairs(spellings) do
            for _, filters in ipairs(group) do
                local timeout = wanted == 3 and 0.3 or nil
                readers[#readers + 1] = { wanted, established(cli:watchdir(dir, { filters = filters, timeout = timeout })) }
            end
        end
        for _, key in ipairs { "a", "b" } do
            put(key)
            assert(cli:delete(dir .. key))
        end
        local expected = { { "DELETE a", "DELETE b" }, { "PUT a", "PUT b" } }
        for _, each in ipairs(readers) do
            if expected[each[1]] then
                assert.same(expected[each[1]], brief(take(each[2], 2)))
            else
                assert_silent(each[2])
            end
        end
    end)

    it("rejects options that etcd would misinterpret", function()
        local wrong = {
            { { filters = "NOTHING" }, "filters has no such value: NOTHING" },
            { { filters = { 7 } }, "filters has no such value: 7" },
            { { start_revision = "soon" }, "start_revision must be integer" },
            { { start_revision = 1.5 }, "start_revision must be integer" },
            { { start_revision = -1 }, "start_revision must not be negative" },
            { { start_revision = "-7" }, "start_revision must not be negative" },
            { { prev_kv = "yes" }, "prev_kv must be boolean" },
            { { timeout = "long" }, "opts.timeout must be number of seconds" },
            { 7, "opts must be table" },
        }
        for _, case in ipairs(wrong) do
            local reader, err, details = cli:watch(dir, case[1])
            assert.is_nil(reader)
            assert.equals(case[2], err)
            assert.equals("bad_request", details.name)
        end
    end)

    it("returns an error if the key is empty or not a string", function()
        local _, err = cli:watch("")
        assert.equals("key should not be empty", err)
        _, err = cli:watch()
        assert.equals("key must be string", err)
        _, err = cli:watchdir()
        assert.equals("key must be string", err)
    end)

    it("returns watch_id in every response if it is set", function()
        local reader = assert(cli:watch(dir .. "a", { watch_id = 7 }))
        assert.equals("7", reader().result.watch_id)
        put("a")
        local _, last = take(reader, 1)
        assert.equals("7", last.watch_id)
    end)

    it("returns all events of a large response in order if fragment is set", function()
        local revision = put("a", ("x"):rep(900000))
        put("b", ("y"):rep(900000))
        put("c", ("z"):rep(900000))
        for _, fragment in ipairs { true, false } do
            local reader = established(cli:watchdir(dir, { fragment = fragment, start_revision = revision, timeout = 20 }))
            local events, last = take(reader, 3)
            assert.same({ "PUT a", "PUT b", "PUT c" }, brief(events))
            assert.equals(900000, #events[3].kv.value)
            assert.is_nil(last.fragment)
        end
    end)

    it("is canceled with compact_revision if start_revision is compacted", function()
        local old = put("a", "one")
        put("a", "two")
        local compacted = put("a", "three")
        assert.equals(200, (wire.post(bed.single.http, "/v3/kv/compaction", { revision = compacted })))
        local reader = established(cli:watch(dir .. "a", { start_revision = old }))
        local reply = assert(reader())
        assert.is_true(reply.result.canceled)
        assert.equals(compacted, reply.result.compact_revision)
        assert.is_nil(reply.result.events)
        local _, err = reader()
        assert.equals("closed", err)
        assert.equals("three", take(established(cli:watch(dir .. "a", { start_revision = compacted })), 1)[1].kv.value)
    end)

    it("deserializes values with the client's serializer", function()
        local raw = assert(bed.new { serializer = "raw" })
        local plain, parsed = established(raw:watch(dir .. "a", { prev_kv = true })), established(cli:watch(dir .. "a", { prev_kv = true }))
        put("a", { deep = { 1, 2 } })
        assert(raw:set(dir .. "a", "no { json"))
        assert(raw:set(dir .. "a", ""))
        local events = take(plain, 3)
        assert.same({ '{"deep":[1,2]}', "no { json", "" }, { events[1].kv.value, events[2].kv.value, events[3].kv.value })
        assert.equals("no { json", events[3].prev_kv.value)
        events = take(parsed, 3)
        assert.same({ deep = { 1, 2 } }, events[1].kv.value)
        assert.is_nil(events[2].kv.value)
        assert.is_nil(events[3].kv.value)
        assert.same({ deep = { 1, 2 } }, events[2].prev_kv.value)
    end)

    it("does not modify tables after it returned them", function()
        local reader = established(cli:watch(dir .. "a"))
        put("a")
        local reply = reader()
        reply.added, reply.result.events[1].added, reply.result.header.added = 1, 2, 3
        put("a")
        reply = reader()
        assert.same({}, { reply.added, reply.result.events[1].added, reply.result.header.added })
    end)

    it("returns `timeout` when its timeout has passed, and from then on #alone", function()
        local reader = established(cli:watch(dir .. "a", { timeout = 0.3 }))
        local started = ngx.now()
        assert_silent(reader)
        local took = ngx.now() - started
        assert.is_true(took > 0.25 and took < 0.8, "took " .. took)
        put("a")
        assert_silent(reader)
        assert.is_true(ngx.now() - started < 1)
    end)

    it("uses the client's timeout by default #alone", function()
        local quick = assert(bed.new { timeout = 1 })
        local reader = established(quick:watch(dir .. "a"))
        local started = ngx.now()
        assert_silent(reader)
        local took = ngx.now() - started
        assert.is_true(took > 0.9 and took < 1.5, "took " .. took)
    end)

    it("waits without limit if the timeout is 0", function()
        local quick = assert(bed.new { timeout = 1 })
        local reader, handle = established(quick:watch(dir .. "a", { timeout = 0, need_cancel = true }))
        local reply
        local thread = ngx.thread.spawn(function() reply = assert(reader()) end)
        ngx.sleep(1.3)
        assert.is_nil(reply)
        put("a")
        assert(ngx.thread.wait(thread))
        assert.equals(dir .. "a", reply.result.events[1].kv.key)
        quick:watchcancel(handle)
    end)

    it("runs concurrently with other watches, each with its events", function()
        local readers = {}
        for i = 1, 5 do
            readers[i] = established(cli:watch(dir .. i))
        end
        local threads = {}
        for i, reader in ipairs(readers) do
            threads[i] = ngx.thread.spawn(function() return brief(take(reader, 3)) end)
        end
        for _ = 1, 3 do
            for i = 1, 5 do
                put(tostring(i))
            end
        end
        for i, thread in ipairs(threads) do
            local ok, seen = ngx.thread.wait(thread)
            assert.is_true(ok)
            local key = "PUT " .. i
            assert.same({ key, key, key }, seen)
        end
    end)

    it("calls no public method of the client, which programs can replace", function()
        local mocked = assert(etcd.new { http_host = bed.single.http, transport = bed.transport })
        for _, name in ipairs { "get", "set", "readdir", "watchdir", "version" } do
            mocked[name] = function() error("must not be called") end
        end
        local reader = established(mocked:watch(dir .. "a"))
        put("a")
        assert.same({ "PUT a" }, brief(take(reader, 1)))
    end)
end)
