local bed = require "spec.support.bed"
local fake = require "spec.support.scripted_server"
local log_lines = require "spec.support.log_lines"

describe("txn comparison", function()
    local prefix = bed.key("txn_compare")
    local cli, raw

    setup(function()
        cli = assert(bed.new())
        raw = assert(bed.new { serializer = "raw" })
    end)

    before_each(log_lines.forget)

    after_each(function()
        assert(cli:rmdir(prefix))
    end)

    local function row(fields)
        local all = { key = prefix .. "a", result = "EQUAL" }
        for name, value in pairs(fields) do
            all[name] = value
        end
        return all
    end

    local put = { { requestPut = { key = prefix .. "written", value = 1 } } }

    local function nested(rows, depth)
        local ops = { { requestTxn = { compare = rows, success = put } } }
        for _ = 2, depth do
            ops = { { request_txn = { compare = {}, failure = ops, success = ops } } }
        end
        return ops
    end

    local absent = { key = prefix .. "none", target = "CREATE", result = "EQUAL", create_revision = 0 }

    -- Asserts that comparisons with these fields are rejected, at each depth, and that nothing is sent.
    local function assert_rejected(text, fields)
        local server = fake.new({ fake.reply "{}" })
        local client = assert(bed.new { http_host = server.http_host, health = {} })
        for depth = 0, 3 do
            local res, err, details
            if depth == 0 then
                res, err, details = client:txn({ absent, row(fields) }, put)
            else
                res, err, details = client:txn({ absent }, nested({ row(fields) }, depth))
            end
            assert.is_nil(res)
            assert.equal(text, err)
            assert.equal("bad_request", details.name)
        end
        assert.equal(0, #server.requests)
        server:close()
        -- what etcd would have done: an absent key holds for 0
        assert.is_nil((cli:txn({ row(fields) }, put)))
        assert.is_nil(assert(cli:get(prefix .. "written")).body.kvs)
    end

    it("is rejected if its value field does not belong to its target", function()
        local fields = { VERSION = "version", CREATE = "create_revision", MOD = "mod_revision", VALUE = "value", LEASE = "lease" }
        local numbers = { VERSION = 0, CREATE = 1, MOD = 2, VALUE = 3, LEASE = 4 }
        for target, own in pairs(fields) do
            for other_target, other in pairs(fields) do
                if other ~= own then
                    local text = ("compare: target %s takes %s, not %s"):format(target, own, other)
                    assert_rejected(text, { target = target, [other] = 7 })
                    for _, spelling in ipairs { target:lower(), numbers[target], tostring(numbers[target]) } do
                        local res, err = cli:txn({ row { target = spelling, [other] = 7 } }, put)
                        assert.same({ nil, text, n = 2 }, { res, err, n = 2 })
                    end
                    assert.is_not.equal(target, other_target)
                end
            end
        end
    end)

    it("is rejected if a second value field does not belong to its target", function()
        assert_rejected("compare: target MOD takes mod_revision, not version", { target = "MOD", mod_revision = 7, version = 0 })
        assert_rejected("compare: target MOD takes mod_revision, not version", { target = "MOD", modRevision = 7, version = 7 })
    end)

    it("is rejected without a target if its value field is not the version", function()
        for _, field in ipairs { "create_revision", "mod_revision", "value", "lease" } do
            assert_rejected(("compare: %s needs a target; the default is VERSION"):format(field), { [field] = 7 })
        end
        assert_rejected("compare: create_revision needs a target; the default is VERSION", { createRevision = 7 })
        assert.is_true(assert(cli:txn({ row { version = 0 } }, put)).body.succeeded)
    end)

    it("is rejected if both spellings of a field have different values", function()
        assert_rejected("mod_revision has two values", { target = "MOD", modRevision = 7, mod_revision = 8 })
        assert_rejected("range_end has two values", { target = "VERSION", version = 0, rangeEnd = "x", range_end = "y" })
        local same = { target = "MOD", modRevision = 7, mod_revision = 7 }
        assert.is_nil(assert(cli:txn({ row(same) }, put)).body.succeeded)
        local res, err = cli:txn({ absent }, { { requestRange = { key = "a", keysOnly = true, keys_only = false } } })
        assert.same({ nil, "keys_only has two values", n = 2 }, { res, err, n = 2 })
    end)

    it("accepts every spelling of a target that an etcd accepts, with the field in camelCase or snake_case", function()
        local created = assert(cli:set(prefix .. "a", 1)).body.header.revision
        for _, target in ipairs { "CREATE", "create", "Create", 1, "1" } do
            for _, field in ipairs { "create_revision", "createRevision" } do
                local lines, res = log_lines.of(cli.txn, cli, { row { target = target, [field] = created } }, put)
                assert.same({}, lines)
                assert.is_true(res.body.succeeded)
                assert.is_nil(assert(cli:txn({ row { target = target, [field] = 1 } }, put)).body.succeeded)
            end
        end
    end)

    it("compares with 0 without a value field, and logs that once", function()
        local texts = {
            CREATE = "create_revision", LEASE = "lease", MOD = "mod_revision", VALUE = "value", VERSION = "version",
        }
        for target, field in pairs(texts) do
            local lines, res = log_lines.of(cli.txn, cli, { row { target = target } }, put)
            assert.same({
                ("warn: txn: a comparison without %s: etcd compares with 0 or an empty value"):format(field),
            }, lines)
            -- an absent key has no value that etcd can compare
            assert.equal(target ~= "VALUE" or nil, res.body.succeeded)
            assert.same({}, (log_lines.of(cli.txn, cli, { row { target = target } }, put)))
        end
        log_lines.forget()
        local lines = log_lines.of(cli.txn, cli, { absent }, nested({ row {} }, 3))
        assert.same({ "warn: txn: a comparison without version: etcd compares with 0 or an empty value" }, lines)
    end)

    it("logs once that a table with several fields has no order", function()
        local text = "warn: txn: a comparison with a table of several fields: JSON has no order of fields, so equal tables "
            .. "can differ; compare mod_revision instead"
        local ordered = { "x", 1, false, {}, { 1, 2, 3 }, { a = 1 }, { { a = { 1, { b = 2 } } } } }
        for _, value in ipairs(ordered) do
            assert.same({}, (log_lines.of(cli.txn, cli, { row { target = "VALUE", value = value } }, put)))
        end
        for _, value in ipairs { { a = 1, b = 2 }, { x = { { { a = 1, b = 2 } } } } } do
            log_lines.forget()
            local rows = { row { target = "VALUE", value = value } }
            assert.same({ text }, (log_lines.of(cli.txn, cli, rows, put)))
            assert.same({}, (log_lines.of(cli.txn, cli, rows, put)))
            log_lines.forget()
            assert.same({ text }, (log_lines.of(cli.txn, cli, { absent }, nested(rows, 2))))
        end
    end)

    it("does not log that for other serializers", function()
        local sorted = assert(bed.new { serializer = {
            serialize = function()
                return "{}"
            end,
            deserialize = function(bytes)
                return bytes
            end,
        } })
        assert.same({}, (log_lines.of(sorted.txn, sorted, { row { target = "VALUE", value = { a = 1, b = 2 } } }, put)))
        assert.same({}, (log_lines.of(raw.txn, raw, { row { target = "VALUE", value = "x" } }, {
            { requestRange = { key = "x" } },
        })))
    end)
end)
