local bed = require "spec.support.bed"
local wire = require "spec.support.wire"

describe("readdir", function()
    local prefix = bed.key("readdir")
    local cli

    setup(function()
        cli = assert(bed.new())
    end)

    after_each(function()
        assert(cli:rmdir(prefix))
    end)

    -- Writes keys in order, each with its name as the value, and returns the revisions.
    local function write(...)
        local revisions = {}
        for i = 1, select("#", ...) do
            local name = select(i, ...)
            revisions[name] = assert(cli:set(prefix .. name, name)).body.header.revision
        end
        return revisions
    end

    local function values(dir, opts)
        local found = {}
        for i, kv in ipairs(assert(cli:readdir(dir, opts)).body.kvs or {}) do
            found[i] = kv.value
        end
        return found
    end

    it("returns all keys with the prefix, in byte order", function()
        write("d/b", "d/a", "d", "dx", "e", "c")
        assert.same({ "d", "d/a", "d/b", "dx" }, values(prefix .. "d"))
        assert.same({ "d/a", "d/b" }, values(prefix .. "d/"))
        assert.same({ "d/a" }, values(prefix .. "d/a"))
    end)

    it("returns no kvs and no count if no key matches", function()
        local body = assert(cli:readdir(prefix .. "none")).body
        assert.is_nil(body.kvs)
        assert.is_nil(body.count)
        assert.is_string(body.header.revision)
    end)

    it("returns all keys if the prefix is empty", function()
        local revision = write("a", "b").b
        local all = ngx.encode_base64 "\0"
        local _, truth = wire.post(bed.single.http, "/v3/kv/range",
            { key = all, range_end = all, revision = revision, count_only = true })
        assert.equal(truth.count, assert(cli:readdir("", { count_only = true, revision = revision })).body.count)
        local kvs, seen = assert(cli:readdir("", { keys_only = true, revision = revision })).body.kvs, {}
        assert.equal(tonumber(truth.count), #kvs)
        for _, kv in ipairs(kvs) do
            seen[kv.key] = true
        end
        assert.is_true(seen[prefix .. "a"])
        assert.is_true(seen[prefix .. "b"])
    end)

    it("returns only keys with the prefix if it ends in bytes 0xff", function()
        write("p\254", "p\255", "p\255\255", "p\255\255a", "p\255x", "q", "q\255")
        assert.same({ "p\255", "p\255x", "p\255\255", "p\255\255a" }, values(prefix .. "p\255"))
        assert.same({ "p\255\255", "p\255\255a" }, values(prefix .. "p\255\255"))
        local mine = assert(bed.new { key_prefix = prefix .. "p\255" })
        assert.equal("4", assert(mine:readdir("")).body.count)
        assert.equal("2", assert(mine:rmdir("\255")).body.deleted)
        assert.same({ "p\254", "p\255", "p\255x", "q", "q\255" }, values(prefix))
    end)

    it("reads to the end of the key space if the prefix has only bytes 0xff", function()
        local key = "\255\255" .. prefix
        assert(cli:set(key, "last"))
        assert(cli:set("\255\254" .. prefix, "last but one"))
        finally(function()
            assert(cli:delete(key))
            assert(cli:delete("\255\254" .. prefix))
        end)
        assert.same({ "last" }, values("\255\255"))
        assert.same({ "last but one", "last" }, values("\255"))
        assert.is_nil(assert(cli:readdir("\255\255\255")).body.kvs)
    end)

    it("returns at most limit keys, with more and the total count", function()
        write("a", "b", "c")
        local body = assert(cli:readdir(prefix, { limit = 2 })).body
        assert.same({ "a", "b" }, { body.kvs[1].value, body.kvs[2].value })
        assert.equal(2, #body.kvs)
        assert.is_true(body.more)
        assert.equal("3", body.count)
        body = assert(cli:readdir(prefix, { limit = 3 })).body
        assert.is_nil(body.more)
        assert.equal(3, #body.kvs)
        assert.equal(3, #assert(cli:readdir(prefix, { limit = "0" })).body.kvs)
    end)

    it("returns the count only if count_only is set", function()
        write("a", "b")
        local body = assert(cli:readdir(prefix, { count_only = true })).body
        assert.equal("2", body.count)
        assert.is_nil(body.kvs)
    end)

    it("returns keys without values if keys_only is set", function()
        local revisions = write("a", "b")
        local kvs = assert(cli:readdir(prefix, { keys_only = true })).body.kvs
        assert.equal(2, #kvs)
        assert.same({
            key = prefix .. "a",
            create_revision = revisions.a,
            mod_revision = revisions.a,
            version = "1",
        }, kvs[1])
    end)

    it("sorts by every target in both orders, given by name or number", function()
        write("c", "a", "b")
        assert(cli:set(prefix .. "a", "z"))
        assert(cli:set(prefix .. "a", "z"))
        assert(cli:set(prefix .. "c", "k"))
        -- keys: a (value z, version 3, created 2nd, changed 2nd), b (b, 1, 3rd, 1st), c (k, 2, 1st, 3rd)
        local by = {
            KEY = { "z", "b", "k" },
            VERSION = { "b", "k", "z" },
            CREATE = { "k", "z", "b" },
            MOD = { "b", "z", "k" },
            VALUE = { "b", "k", "z" },
        }
        local numbers = { KEY = 0, VERSION = 1, CREATE = 2, MOD = 3, VALUE = 4 }
        for target, order in pairs(by) do
            assert.same(order, values(prefix, { sort_order = "ASCEND", sort_target = target }))
            assert.same(order, values(prefix, { sort_order = 1, sort_target = numbers[target] }))
            local reversed = { order[3], order[2], order[1] }
            assert.same(reversed, values(prefix, { sort_order = "DESCEND", sort_target = target }))
            assert.same(reversed, values(prefix, { sort_order = 2, sort_target = numbers[target] }))
        end
        assert.same({ "z", "b", "k" }, values(prefix, { sort_order = "NONE" }))
        assert.same({ "k", "b" }, values(prefix, { sort_order = "DESCEND", limit = 2 }))
    end)

    it("filters by create and mod revisions", function()
        local revisions = write("a", "b", "c")
        local again = assert(cli:set(prefix .. "a", "a2")).body.header.revision
        assert.same({ "a2", "c" }, values(prefix, { min_mod_revision = revisions.c }))
        assert.same({ "b", "c" }, values(prefix, { max_mod_revision = tonumber(revisions.c) }))
        assert.same({ "a2" }, values(prefix, { min_mod_revision = again }))
        assert.same({ "b", "c" }, values(prefix, { min_create_revision = revisions.b }))
        assert.same({ "a2", "b" }, values(prefix, { max_create_revision = revisions.b }))
        assert.same({ "b" }, values(prefix, { min_create_revision = revisions.b, max_create_revision = revisions.b }))
    end)

    it("reads an old state if a revision is given", function()
        local revisions = write("a", "b")
        assert(cli:delete(prefix .. "a"))
        assert(cli:set(prefix .. "b", "b2"))
        assert.same({ "b2" }, values(prefix))
        assert.same({ "a", "b" }, values(prefix, { revision = revisions.b }))
        assert.same({ "a" }, values(prefix, { revision = tonumber(revisions.a) }))
        assert.same({ "a", "b" }, values(prefix, { revision = revisions.b, serializable = true }))
    end)

    it("reads a large directory completely", function()
        local value = string.rep("v", 2000)
        local ops = {}
        for i = 1, 1000 do
            ops[#ops + 1] = { requestPut = { key = ("%s%04d"):format(prefix, i), value = value .. i } }
            if #ops == 100 then
                local always = { { key = prefix .. "never", target = "CREATE", result = "EQUAL", create_revision = 0 } }
                assert.is_true(assert(cli:txn(always, ops)).body.succeeded)
                ops = {}
            end
        end
        local body = assert(cli:readdir(prefix)).body
        assert.equal("1000", body.count)
        assert.equal(1000, #body.kvs)
        assert.is_nil(body.more)
        for i, kv in ipairs(body.kvs) do
            assert.equal(("%s%04d"):format(prefix, i), kv.key)
            assert.equal(value .. i, kv.value)
        end
        assert.equal("1000", assert(cli:rmdir(prefix)).body.deleted)
    end)
end)
