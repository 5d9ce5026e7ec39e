local bed = require "spec.support.bed"

describe("client", function()
    local prefix = bed.key("kv")
    local cli, other

    setup(function()
        cli = assert(bed.new())
        other = assert(bed.new { serializer = "raw" })
    end)

    after_each(function()
        assert(other:rmdir(prefix))
    end)

    local function read(key)
        local kvs = assert(cli:get(key)).body.kvs
        return kvs and kvs[1]
    end

    describe("get and set", function()
        it("write and read a value, and return int64 fields as decimal strings", function()
            local written = assert(cli:set(prefix .. "a", { n = 1 }))
            assert.equal(200, written.status)
            local revision = written.body.header.revision
            assert.truthy(revision:find("^%d+$"))
            local res, err = cli:get(prefix .. "a")
            assert.is_nil(err)
            assert.equal(200, res.status)
            assert.same({
                key = prefix .. "a",
                value = { n = 1 },
                create_revision = revision,
                mod_revision = revision,
                version = "1",
            }, res.body.kvs[1])
            assert.equal(1, #res.body.kvs)
            assert.equal("1", res.body.count)
            assert.is_nil(res.body.more)
            for _, name in ipairs { "cluster_id", "member_id", "revision", "raft_term" } do
                assert.truthy(res.body.header[name]:find("^%d+$"))
            end
        end)

        it("return the revision but no kvs, count and more if the key does not exist", function()
            local body = assert(cli:get(prefix .. "none")).body
            assert.is_nil(body.kvs)
            assert.is_nil(body.count)
            assert.is_nil(body.more)
            assert.truthy(tonumber(body.header.revision) > 0)
        end)

        it("return plain tables that programs can modify", function()
            assert(cli:set(prefix .. "a", { list = { 1, 2 } }))
            local res = assert(cli:get(prefix .. "a"))
            local function check(value)
                local kind = type(value)
                assert.is_true(kind == "table" or kind == "string" or kind == "number" or kind == "boolean")
                if kind == "table" then
                    assert.is_nil(getmetatable(value))
                    for name, field in pairs(value) do
                        check(name)
                        check(field)
                    end
                end
            end
            check(res)
            res.headers["X-Own"] = "1"
            res.body.own = true
            res.own = {}
            assert.equal("1", res.headers["X-Own"])
            assert.is_true(res.body.own)
            local content_type = res.headers["Content-Type"]
            assert.equal("application/json", content_type)
            assert.is_nil(assert(cli:get(prefix .. "a")).own)
        end)

        it("accept keys with every byte value", function()
            local all = {}
            for byte = 0, 255 do
                all[#all + 1] = string.char(byte)
                assert(cli:set(prefix .. "b" .. string.char(byte), byte))
            end
            local long = prefix .. "long" .. table.concat(all)
            assert(cli:set(long, "all"))
            assert.equal("all", read(long).value)
            assert.equal(long, read(long).key)
            local kvs = assert(cli:readdir(prefix .. "b")).body.kvs
            assert.equal(256, #kvs)
            for i, kv in ipairs(kvs) do
                assert.equal(prefix .. "b" .. string.char(i - 1), kv.key)
                assert.equal(i - 1, kv.value)
            end
            assert.equal(200, read(prefix .. "b\200").value)
            assert.equal("1", assert(cli:delete(prefix .. "b\0")).body.deleted)
            assert.is_nil(read(prefix .. "b\0"))
        end)

        it("read an old state if a revision is given", function()
            local first = assert(cli:set(prefix .. "a", "one")).body.header.revision
            assert(cli:set(prefix .. "a", "two"))
            assert.equal("two", read(prefix .. "a").value)
            for _, revision in ipairs { first, tonumber(first) } do
                local kv = assert(cli:get(prefix .. "a", { revision = revision })).body.kvs[1]
                assert.equal("one", kv.value)
                assert.equal("1", kv.version)
            end
        end)

        it("read a range if range_end is given", function()
            for _, name in ipairs { "a", "b", "c" } do
                assert(cli:set(prefix .. name, name))
            end
            local body = assert(cli:get(prefix .. "a", { range_end = prefix .. "c" })).body
            assert.same({ "a", "b" }, { body.kvs[1].value, body.kvs[2].value })
            body = assert(cli:get(prefix .. "a", { range_end = prefix .. "c", limit = 1 })).body
            assert.equal(1, #body.kvs)
            assert.is_true(body.more)
            assert.equal("1", assert(cli:get(prefix .. "a", { range_end = "" })).body.count)
        end)

        it("return a serializable read", function()
            assert(cli:set(prefix .. "a", "x"))
            assert.equal("x", assert(cli:get(prefix .. "a", { serializable = true })).body.kvs[1].value)
        end)

        it("ignore unknown options", function()
            assert(cli:set(prefix .. "a", "x", { no_such_option = true, limit = 1 }))
            assert.equal("x", assert(cli:get(prefix .. "a", { no_such_option = {}, lease = {} })).body.kvs[1].value)
        end)

        it("return the previous key deserialized if prev_kv is set and the key existed", function()
            assert.is_nil(assert(cli:set(prefix .. "a", { 1 }, { prev_kv = true })).body.prev_kv)
            assert.is_nil(assert(cli:set(prefix .. "a", { 2 })).body.prev_kv)
            local prev = assert(cli:set(prefix .. "a", { 3 }, { prev_kv = true })).body.prev_kv
            assert.equal(prefix .. "a", prev.key)
            assert.same({ 2 }, prev.value)
            assert.equal("2", prev.version)
        end)

        it("attach a lease given as string or number, and keep it if ignore_lease is set", function()
            local id = assert(cli:grant(60)).body.ID
            finally(function()
                assert(cli:revoke(id))
                assert(cli:revoke(4711))
            end)
            assert(cli:grant(60, 4711))
            assert(cli:set(prefix .. "a", "x", { lease = id }))
            assert.equal(id, read(prefix .. "a").lease)
            assert(cli:set(prefix .. "a", "y", { ignore_lease = true }))
            assert.equal(id, read(prefix .. "a").lease)
            assert.equal("y", read(prefix .. "a").value)
            assert(cli:set(prefix .. "a", "z", { lease = 4711 }))
            assert.equal("4711", read(prefix .. "a").lease)
            assert(cli:set(prefix .. "a", "z"))
            assert.is_nil(read(prefix .. "a").lease)
        end)

        it("keep the current value if ignore_value is set, whatever value is given", function()
            assert(cli:set(prefix .. "a", "kept"))
            assert(cli:set(prefix .. "a", nil, { ignore_value = true }))
            assert(cli:set(prefix .. "a", "other", { ignore_value = true }))
            local kv = read(prefix .. "a")
            assert.equal("kept", kv.value)
            assert.equal("3", kv.version)
        end)
    end)

    describe("delete and rmdir", function()
        it("return the number of deleted keys, or nil if there were none", function()
            assert(cli:set(prefix .. "a", 1))
            assert.equal("1", assert(cli:delete(prefix .. "a")).body.deleted)
            local res = assert(cli:delete(prefix .. "a"))
            assert.equal(200, res.status)
            assert.is_nil(res.body.deleted)
            assert.is_nil(res.body.prev_kvs)
            assert.is_nil(assert(cli:rmdir(prefix .. "none")).body.deleted)
        end)

        it("delete the key only, not the keys that start with it", function()
            assert(cli:set(prefix .. "a", 1))
            assert(cli:set(prefix .. "ab", 2))
            assert.equal("1", assert(cli:delete(prefix .. "a")).body.deleted)
            assert.equal(2, read(prefix .. "ab").value)
        end)

        it("return the deleted keys deserialized if prev_kv is set", function()
            assert(cli:set(prefix .. "a", { x = 1 }))
            assert(cli:set(prefix .. "b", { x = 2 }))
            assert(cli:set(prefix .. "c", { x = 3 }))
            local kvs = assert(cli:delete(prefix .. "a", { prev_kv = true })).body.prev_kvs
            assert.equal(1, #kvs)
            assert.equal(prefix .. "a", kvs[1].key)
            assert.same({ x = 1 }, kvs[1].value)
            local body = assert(cli:rmdir(prefix, { prev_kv = true })).body
            assert.equal("2", body.deleted)
            assert.same({ { x = 2 }, { x = 3 } }, { body.prev_kvs[1].value, body.prev_kvs[2].value })
        end)

        it("delete a range if range_end is given", function()
            for _, name in ipairs { "a", "b", "c" } do
                assert(cli:set(prefix .. name, name))
            end
            assert.equal("2", assert(cli:delete(prefix .. "a", { range_end = prefix .. "c" })).body.deleted)
            assert.equal("c", read(prefix .. "c").value)
        end)

        it("match the directory as a plain prefix if called as rmdir", function()
            for _, name in ipairs { "d", "d/x", "dx", "e" } do
                assert(cli:set(prefix .. name, name))
            end
            assert.equal("3", assert(cli:rmdir(prefix .. "d")).body.deleted)
            assert.equal("e", read(prefix .. "e").value)
        end)
    end)

    describe("key_prefix", function()
        it("is prepended to every key, and responses contain the complete keys", function()
            local mine = assert(bed.new { key_prefix = prefix .. "p" })
            assert(mine:set("/a", 1))
            assert.equal(1, read(prefix .. "p/a").value)
            assert.equal(prefix .. "p/a", assert(mine:get("/a")).body.kvs[1].key)
            assert.equal(prefix .. "p/a", assert(mine:readdir("/")).body.kvs[1].key)
            assert.equal(prefix .. "p/a", assert(mine:set("/a", 2, { prev_kv = true })).body.prev_kv.key)
            assert.equal("1", assert(mine:delete("/a")).body.deleted)
            assert(mine:set("/a/b", 1))
            assert.equal("1", assert(mine:rmdir("/a")).body.deleted)
        end)

        it("limits ranges to the keys below it", function()
            local mine = assert(bed.new { key_prefix = prefix .. "p" })
            assert(cli:set(prefix .. "q", "not mine"))
            assert(mine:set("a", "a"))
            assert(mine:set("b", "b"))
            assert(mine:set("c", "c"))
            assert.equal("2", assert(mine:get("a", { range_end = "c" })).body.count)
            assert.equal("3", assert(mine:get("a", { range_end = "\0" })).body.count)
            assert.equal("1", assert(mine:get("a", { range_end = "" })).body.count)
            assert.equal("3", assert(mine:readdir("")).body.count)
            assert.equal("2", assert(mine:delete("b", { range_end = "\0" })).body.deleted)
            assert.equal("1", assert(mine:rmdir("")).body.deleted)
            assert.equal("not mine", read(prefix .. "q").value)
        end)

        it("can be changed on the client", function()
            local mine = assert(bed.new { key_prefix = prefix .. "p" })
            mine.key_prefix = prefix .. "r"
            assert(mine:set("/a", 1))
            assert.equal(1, read(prefix .. "r/a").value)
        end)
    end)

    describe("set of a value of 2 MB", function()
        local big = string.rep("x", 2 * 1000 * 1000)

        it("returns etcd's error, and later calls succeed", function()
            assert(other:set(prefix .. "a", "small"))
            local res, err = other:set(prefix .. "a", big)
            assert.is_nil(err)
            assert.equal(400, res.status)
            assert.equal("etcdserver: request is too large", res.body.error)
            assert.equal("small", assert(other:get(prefix .. "a")).body.kvs[1].value)
            res = assert(other:set(prefix .. "a", string.rep(big, 2)))
            assert.equal(429, res.status)
            assert.truthy(res.body.error:find("received message larger than max", 1, true))
            local details = select(3, other:setnx(prefix .. "b", big))
            assert.equal(3, details.code)
            assert.equal("small", assert(other:get(prefix .. "a")).body.kvs[1].value)
        end)
    end)

    it("reads a value of 1 MB unchanged", function()
        local value = {}
        for i = 1, 4096 do
            value[i] = string.char(i % 256):rep(256)
        end
        value = table.concat(value)
        assert(other:set(prefix .. "a", value))
        assert.is_true(assert(other:get(prefix .. "a")).body.kvs[1].value == value)
        assert.is_true(assert(other:set(prefix .. "a", "", { prev_kv = true })).body.prev_kv.value == value)
    end)
end)
