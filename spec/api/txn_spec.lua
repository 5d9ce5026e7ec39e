local bed = require "spec.support.bed"
local tables = require "spec.support.tables"

describe("txn", function()
    local prefix = bed.key("txn")
    local cli, raw

    setup(function()
        cli = assert(bed.new())
        raw = assert(bed.new { serializer = "raw" })
    end)

    after_each(function()
        assert(raw:rmdir(prefix))
    end)

    local function value(name)
        local kvs = assert(cli:get(prefix .. name)).body.kvs
        return kvs and kvs[1].value
    end

    local function absent(name)
        return { key = prefix .. name, target = "CREATE", result = "EQUAL", create_revision = 0 }
    end

    local function put(name, val)
        return { requestPut = { key = prefix .. name, value = val } }
    end

    local function range(name)
        return { requestRange = { key = prefix .. name } }
    end

    -- Reports whether compare rows hold.
    local function holds(...)
        local body = assert(cli:txn({ ... }, { range("none") })).body
        assert.is_true(body.succeeded == true or body.succeeded == nil)
        return body.succeeded == true
    end

    describe("compare", function()
        -- field for each target, and its value for the key below
        local function facts()
            local id = assert(cli:grant(60)).body.ID
            assert(cli:set(prefix .. "other", 0))
            local created = assert(cli:set(prefix .. "a", "m")).body.header.revision
            local changed = assert(cli:set(prefix .. "a", "m", { lease = id })).body.header.revision
            return {
                { "VERSION", "version", 2 },
                { "CREATE", "create_revision", tonumber(created) },
                { "MOD", "mod_revision", tonumber(changed) },
                { "LEASE", "lease", id },
            }, id
        end

        local function compare(target, result, field, operand)
            return holds({ key = prefix .. "a", target = target, result = result, [field] = operand })
        end

        it("supports every numeric target with every result", function()
            local targets, id = facts()
            for _, row in ipairs(targets) do
                local target, field, is = unpack(row)
                assert.is_true(compare(target, "EQUAL", field, is))
                assert.is_false(compare(target, "NOT_EQUAL", field, is))
                assert.is_false(compare(target, "GREATER", field, is))
                assert.is_false(compare(target, "LESS", field, is))
                assert.is_true(compare(target, "GREATER", field, 1))
                assert.is_false(compare(target, "LESS", field, 1))
                assert.is_true(compare(target, "LESS", field, "9223372036854775807"))
                assert.is_false(compare(target, "GREATER", field, "9223372036854775807"))
                assert.is_true(compare(target, "NOT_EQUAL", field, 0))
            end
            assert(cli:revoke(id))
        end)

        it("supports values with every result, and serializes them", function()
            assert(cli:set(prefix .. "a", "m"))
            assert.is_true(compare("VALUE", "EQUAL", "value", "m"))
            assert.is_false(compare("VALUE", "NOT_EQUAL", "value", "m"))
            assert.is_true(compare("VALUE", "GREATER", "value", "l"))
            assert.is_false(compare("VALUE", "GREATER", "value", "n"))
            assert.is_true(compare("VALUE", "LESS", "value", "n"))
            assert.is_true(compare("VALUE", "NOT_EQUAL", "value", "n"))
            assert(cli:set(prefix .. "a", { 1, false }))
            assert.is_true(compare("VALUE", "EQUAL", "value", { 1, false }))
            assert(cli:set(prefix .. "a", false))
            assert.is_true(compare("VALUE", "EQUAL", "value", false))
            assert(raw:set(prefix .. "a", "\0\255 bytes"))
            local row = { key = prefix .. "a", target = "VALUE", result = "EQUAL", value = "\0\255 bytes" }
            assert.is_true(assert(raw:txn({ row }, { range("none") })).body.succeeded)
        end)

        it("supports zero, and numbers given as strings", function()
            assert.is_true(holds(absent("none")))
            assert.is_true(holds({ key = prefix .. "none", target = "VERSION", result = "EQUAL", version = "0" }))
            assert.is_true(holds({ key = prefix .. "none", target = "MOD", result = "LESS", mod_revision = "1" }))
            assert(cli:set(prefix .. "a", 1))
            assert.is_false(holds(absent("a")))
        end)

        it("holds for several rows if each of them holds", function()
            assert(cli:set(prefix .. "a", 1))
            assert.is_true(holds(absent("x"), absent("y")))
            assert.is_false(holds(absent("x"), absent("a"), absent("y")))
        end)

        it("holds for a range if it holds for every key of the range", function()
            assert(cli:set(prefix .. "a", 1))
            assert(cli:set(prefix .. "b", 1))
            for _, name in ipairs { "range_end", "rangeEnd" } do
                local row = { key = prefix .. "a", [name] = prefix .. "c", target = "VERSION", result = "EQUAL", version = 1 }
                assert.is_true(holds(row))
            end
            assert(cli:set(prefix .. "b", 2))
            local row = { key = prefix .. "a", range_end = prefix .. "c", target = "VERSION", result = "EQUAL", version = 1 }
            assert.is_false(holds(row))
            row.range_end = prefix .. "b"
            assert.is_true(holds(row))
        end)

        it("accepts targets and results by number, and fields in camelCase", function()
            local revision = assert(cli:set(prefix .. "a", 1)).body.header.revision
            assert.is_true(holds({ key = prefix .. "a", target = 2, result = 0, modRevision = revision }))
            assert.is_true(holds({ key = prefix .. "a", target = "CREATE", result = 3, createRevision = 0 }))
        end)
    end)

    it("runs success or failure, and returns which in succeeded", function()
        local success, failure = { put("a", "yes"), range("a") }, { put("a", "no"), range("a") }
        local body = assert(cli:txn({ absent("a") }, success, failure)).body
        assert.is_true(body.succeeded)
        assert.equal("yes", body.responses[2].response_range.kvs[1].value)
        body = assert(cli:txn({ absent("a") }, success, failure)).body
        assert.is_nil(body.succeeded)
        assert.equal("no", body.responses[2].response_range.kvs[1].value)
        assert.equal("no", value("a"))
    end)

    it("accepts a single branch", function()
        local body = assert(cli:txn({ absent("a") }, nil, { put("a", 1) })).body
        assert.is_true(body.succeeded)
        assert.is_nil(body.responses)
        assert.is_nil(value("a"))
        assert(cli:txn({ absent("a") }, { put("a", 1) }, {}))
        assert(cli:txn({ absent("a") }, {}, { put("a", 2) }))
        assert.equal(2, value("a"))
    end)

    it("accepts every kind of operation and its options, in both spellings", function()
        local id = assert(cli:grant(60)).body.ID
        finally(function()
            assert(cli:revoke(id))
        end)
        for _, camel in ipairs { true, false } do
            local function op(snake, body)
                if not camel then
                    return { [snake] = body }
                end
                local fields = {}
                for name, field in pairs(body) do
                    fields[(name:gsub("_(%l)", string.upper))] = field
                end
                return { [(snake:gsub("_(%l)", string.upper))] = fields }
            end
            assert(cli:set(prefix .. "a", { "old" }))
            assert(cli:set(prefix .. "b", { "kept" }, { lease = id }))
            for _, name in ipairs { "c1", "c2", "c3" } do
                assert(cli:set(prefix .. name, { name }))
            end
            local responses = assert(cli:txn({ absent("none") }, {
                op("request_put", { key = prefix .. "a", value = { "new" }, lease = id, prev_kv = true }),
                op("request_put", { key = prefix .. "b", ignore_value = true, ignore_lease = true, prev_kv = true }),
                op("request_range", {
                    key = prefix .. "c",
                    range_end = prefix .. "d",
                    sort_order = "DESCEND",
                    sort_target = "KEY",
                    limit = 2,
                }),
                op("request_range", { key = prefix .. "c", range_end = prefix .. "d", count_only = true }),
                op("request_range", { key = prefix .. "c", range_end = prefix .. "d", keys_only = true, limit = 1 }),
                op("request_delete_range", { key = prefix .. "c", range_end = prefix .. "c3", prev_kv = true }),
                op("request_txn", { compare = { absent("none") }, success = { range("c3") } }),
            })).body.responses

            assert.equal(7, #responses)
            assert.same({ "old" }, responses[1].response_put.prev_kv.value)
            assert.same({ "kept" }, responses[2].response_put.prev_kv.value)
            assert.equal(id, responses[2].response_put.prev_kv.lease)
            local found = responses[3].response_range
            assert.equal("3", found.count)
            assert.is_true(found.more)
            assert.same({ { "c3" }, { "c2" } }, { found.kvs[1].value, found.kvs[2].value })
            assert.equal(prefix .. "c3", found.kvs[1].key)
            assert.equal("3", responses[4].response_range.count)
            assert.is_nil(responses[4].response_range.kvs)
            assert.equal(prefix .. "c1", responses[5].response_range.kvs[1].key)
            assert.is_nil(responses[5].response_range.kvs[1].value)
            local deleted = responses[6].response_delete_range
            assert.equal("2", deleted.deleted)
            assert.same({ { "c1" }, { "c2" } }, { deleted.prev_kvs[1].value, deleted.prev_kvs[2].value })
            assert.is_true(responses[7].response_txn.succeeded)
            assert.same({ "c3" }, responses[7].response_txn.responses[1].response_range.kvs[1].value)

            assert.same({ "new" }, value("a"))
            assert.same({ "kept" }, value("b"))
            assert.equal(id, assert(cli:get(prefix .. "a")).body.kvs[1].lease)
            assert.equal(id, assert(cli:get(prefix .. "b")).body.kvs[1].lease)
        end
    end)

    it("adds key_prefix and deserializes values at every depth of nested transactions", function()
        local mine = assert(bed.new { key_prefix = prefix .. "p/" })
        local none = { key = "none", target = "CREATE", result = "EQUAL", create_revision = 0 }
        assert(mine:set("v", { "deep" }))
        assert(mine:set("gone", { "gone" }))
        local is_deep = { key = "v", target = "VALUE", result = "EQUAL", value = { "deep" } }
        local whole = { key = "a", range_end = "zz", target = "VERSION", result = "EQUAL", version = 1 }
        local some = { key = "none", target = "CREATE", result = "NOT_EQUAL", create_revision = 0 }
        local body = assert(mine:txn({ none, is_deep, whole }, {
            { requestTxn = {
                compare = { some },
                success = { { requestPut = { key = "wrong", value = 1 } } },
                failure = {
                    { requestPut = { key = "w", value = { 1 } } },
                    { request_txn = {
                        compare = { is_deep },
                        success = {
                            { requestRange = { key = "v" } },
                            { requestPut = { key = "v", value = { "deeper" }, prev_kv = true } },
                            { request_delete_range = { key = "gone", prev_kv = true } },
                        },
                    } },
                },
            } },
        })).body

        assert.is_true(body.succeeded)
        local inner = body.responses[1].response_txn
        assert.is_nil(inner.succeeded)
        local innermost = inner.responses[2].response_txn
        assert.is_true(innermost.succeeded)
        local kv = innermost.responses[1].response_range.kvs[1]
        assert.equal(prefix .. "p/v", kv.key)
        assert.same({ "deep" }, kv.value)
        assert.equal("1", kv.version)
        assert.same({ "deep" }, innermost.responses[2].response_put.prev_kv.value)
        assert.same({ "gone" }, innermost.responses[3].response_delete_range.prev_kvs[1].value)
        assert.same({ "deeper" }, value("p/v"))
        assert.same({ 1 }, value("p/w"))
        assert.is_nil(value("p/wrong"))
        assert.is_nil(value("p/gone"))
    end)

    it("limits ranges to keys below key_prefix", function()
        local mine = assert(bed.new { key_prefix = prefix .. "p/" })
        assert(mine:set("a", 1))
        assert(mine:set("b", 1))
        assert(cli:set(prefix .. "q", "not mine"))
        local none = { key = "none", target = "CREATE", result = "EQUAL", create_revision = 0 }
        local responses = assert(mine:txn({ none }, {
            { requestRange = { key = "a", range_end = "\0" } },
            { requestRange = { key = "a", range_end = "b" } },
            { requestRange = { key = "a", range_end = "" } },
            { requestDeleteRange = { key = "a", range_end = "\0" } },
        })).body.responses
        assert.equal("2", responses[1].response_range.count)
        assert.equal("1", responses[2].response_range.count)
        assert.equal("1", responses[3].response_range.count)
        assert.equal("2", responses[4].response_delete_range.deleted)
        assert.equal("not mine", value("q"))
    end)

    it("does not change the tables of the caller", function()
        local compare = { absent("none"), { key = prefix .. "v", target = "VALUE", result = "NOT_EQUAL", value = { 1 } } }
        local success = {
            { requestPut = { key = prefix .. "a", value = { deep = { 1 } } } },
            { requestRange = { key = prefix .. "a", rangeEnd = prefix .. "b" } },
            { requestDeleteRange = { key = prefix .. "d" } },
            { requestTxn = { compare = { absent("none") }, success = { put("b", { 2 }) }, failure = { range("b") } } },
        }
        local failure = { put("c", { 3 }) }
        local opts = { timeout = 3 }
        local before = tables.copy { compare, success, failure, opts }
        local mine = assert(bed.new { key_prefix = prefix })
        for _ = 1, 2 do
            assert(cli:txn(compare, success, failure, opts))
            assert(mine:txn(compare, success, failure, opts))
            assert.same(before, { compare, success, failure, opts })
        end
        assert.is_nil((cli:txn({ compare[1], { key = 5 } }, success, failure, opts)))
        assert.same(before, { compare, success, failure, opts })
    end)

    describe("error", function()
        local function failed(text, res, err, details)
            assert.is_nil(res)
            assert.equal(text, err)
            assert.equal(text, details.message)
            assert.is_false(details.retryable)
            assert.is_false(details.maybe_applied)
            return details
        end

        local function misused(text, ...)
            assert.equal("bad_request", failed(text, ...).name)
        end

        it("is returned if compare or both branches are missing", function()
            misused("compare couldn't be empty", cli:txn({}, { put("a", 1) }))
            misused("compare couldn't be empty", cli:txn(nil, { put("a", 1) }))
            local text = "success and failure couldn't be empty at the same time"
            misused(text, cli:txn({ absent("a") }, {}, {}))
            misused(text, cli:txn({ absent("a") }))
            misused(text, cli:txn({ absent("a") }, nil, {}))
        end)

        it("is returned if transactions are nested without end, or more than 100 deep", function()
            local endless = { compare = { absent("a") }, success = { put("a", 1) } }
            endless.failure = { { requestTxn = endless } }
            misused("request_txn is nested too deeply", cli:txn({ absent("a") }, { { requestTxn = endless } }))
            local deep = range("a")
            for _ = 1, 100 do
                deep = { requestTxn = { compare = { absent("a") }, success = { deep } } }
            end
            assert(cli:txn({ absent("a") }, { deep }))
            deep = { requestTxn = { compare = { absent("a") }, success = { deep } } }
            misused("request_txn is nested too deeply", cli:txn({ absent("a") }, { deep }))
        end)

        it("is returned if an argument has the wrong type", function()
            misused("compare must be table", cli:txn("x", { put("a", 1) }))
            misused("success must be table", cli:txn({ absent("a") }, "x"))
            misused("failure must be table", cli:txn({ absent("a") }, { put("a", 1) }, 5))
            misused("compare must hold tables", cli:txn({ "x" }, { put("a", 1) }))
            misused("success must hold tables", cli:txn({ absent("a") }, { "x" }))
            misused("request_put must be table", cli:txn({ absent("a") }, { { requestPut = 1 } }))
            misused("key must be string", cli:txn({ { target = "MOD" } }, { put("a", 1) }))
            misused("key must be string", cli:txn({ absent("a") }, { { requestRange = { key = 1 } } }))
            misused("target has no such value: X", cli:txn({ { key = "a", target = "X" } }, { put("a", 1) }))
            misused("opts must be table", cli:txn({ absent("a") }, { put("a", 1) }, nil, 5))
            assert.is_nil(value("a"))
        end)

        it("is returned if the serializer rejects a value, wherever it is", function()
            local text = "unsupported type for number"
            misused(text, raw:txn({ absent("a") }, { put("a", 1) }))
            misused(text, raw:txn({ absent("a") }, { put("a", "x") }, { put("a", 1) }))
            misused(text, raw:txn({ { key = prefix .. "a", target = "VALUE", result = "EQUAL", value = 1 } }, { range("a") }))
            local nested = { requestTxn = { compare = { absent("a") }, success = { put("a", 1) } } }
            misused(text, raw:txn({ absent("a") }, { nested }))
            assert.is_nil(value("a"))
        end)

        it("is etcd's message if etcd rejects the transaction", function()
            local details = failed(
                "etcdserver: duplicate key given in txn request",
                cli:txn({ absent("a") }, { put("a", 1), put("a", 2) })
            )
            assert.equal(3, details.code)
            assert.equal("invalid_argument", details.name)
            assert.equal(400, details.http_status)
            assert.equal(bed.single.http, details.endpoint)
            local many = {}
            for i = 1, 129 do
                many[i] = put(tostring(i), i)
            end
            failed("etcdserver: too many operations in txn request", cli:txn({ absent("a") }, many))
            assert.is_nil(value("a"))
        end)
    end)
end)
