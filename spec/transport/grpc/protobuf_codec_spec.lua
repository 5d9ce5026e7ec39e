local codec = require "resty.etcd.transport.grpc.protobuf_codec"
local hex = require "spec.support.hex"
local json_codec = require "resty.etcd.transport.gateway.json_codec"
local phase = require "resty.etcd.base.phase"
local reference = require "spec.support.protobuf_reference"
local schema = require "resty.etcd.protocol.schema"
local seeded_cases = require "spec.support.seeded_cases"
local time_slice = require "resty.etcd.base.time_slice"

-- Returns a field with a length, whose number is below 16.
local function field(number, content)
    assert(#content < 128)
    return string.char(number * 8 + 2, #content) .. content
end

-- Int64 fields of messages, as text and as varint.
local INTEGERS = {
    { "1", "01" }, { "127", "7f" }, { "128", "80 01" }, { "16383", "ff 7f" }, { "16384", "80 80 01" },
    { "2097151", "ff ff 7f" }, { "2097152", "80 80 80 01" }, { "268435455", "ff ff ff 7f" },
    { "268435456", "80 80 80 80 01" }, { "4294967295", "ff ff ff ff 0f" }, { "34359738368", "80 80 80 80 80 01" },
    { "562949953421311", "ff ff ff ff ff ff 7f" }, { "562949953421312", "80 80 80 80 80 80 80 01" },
    { "999999999999999", "ff ff 99 a6 ea af e3 01" }, { "1000000000000000", "80 80 9a a6 ea af e3 01" },
    { "9007199254740993", "81 80 80 80 80 80 80 10" }, { "9223372036854775807", "ff ff ff ff ff ff ff ff 7f" },
    { "-1", "ff ff ff ff ff ff ff ff ff 01" }, { "-5", "fb ff ff ff ff ff ff ff ff 01" },
    { "-65536", "80 80 fc ff ff ff ff ff ff 01" }, { "-9223372036854775808", "80 80 80 80 80 80 80 80 80 01" },
}

describe("protobuf codec", function()
    it("encodes the fields in the order of their numbers", function()
        assert.same(hex "0a 01 6b 12 02 76 00 18 e9 0f 20 01",
            (codec.encode(schema.put_request, { prev_kv = true, lease = "2025", value = "v\0", key = "k" })))
    end)

    it("encodes lists, nested messages and tags of two bytes", function()
        local compare = hex "10 02 1a 01 6b 30 07 82 04 01 6c"
        local put = field(2, field(1, "k") .. field(2, "v"))
        assert.same(field(1, compare) .. field(2, put) .. field(2, put), (codec.encode(schema.txn_request, {
            compare = { { key = "k", range_end = "l", target = "MOD", mod_revision = "7", result = "EQUAL" } },
            success = { { request_put = { key = "k", value = "v" } }, { request_put = { key = "k", value = "v" } } },
        })))
        assert.same("", (codec.encode(schema.lease_leases_request, {})))
        assert.same(hex "1a 00", (codec.encode(schema.watch_request, { progress_request = {} })))
    end)

    it("omits zero, false and empty values of requests", function()
        assert.same("", (codec.encode(schema.range_request,
            { key = "", limit = 0, revision = "0", sort_order = "NONE", sort_target = 0, keys_only = false, min_mod_revision = "-0" })))
    end)

    it("encodes and decodes int64 exactly", function()
        for _, case in ipairs(INTEGERS) do
            local bytes = "\8" .. hex(case[2])
            assert.same({ bytes }, { codec.encode(schema.lease_revoke_request, { ID = case[1] }) })
            assert.same({ { ID = case[1] } }, { codec.decode(schema.lease_revoke_request, bytes) })
        end
        assert.same({ header = { cluster_id = "18446744073709551615", revision = "-1" } },
            (codec.decode(schema.put_response, field(1, hex "08 ff ff ff ff ff ff ff ff ff 01 18 ff ff ff ff ff ff ff ff ff 01"))))
    end)

    it("accepts int64 as number, text with leading zeros and cdata", function()
        for _, value in ipairs { 300, "300", "00000000000000000300", 300LL, 300ULL } do
            assert.same(hex "08 ac 02", (codec.encode(schema.lease_revoke_request, { ID = value })))
        end
        assert.same(hex "08 81 80 80 80 80 80 80 10", (codec.encode(schema.lease_revoke_request, { ID = 9007199254740993LL })))
        assert.same(hex "08 80 80 80 80 80 80 80 10", (codec.encode(schema.lease_revoke_request, { ID = 9007199254740992LL })))
        assert.same(hex "08 ff ff ff ff ff ff ff ff ff 01", (codec.encode(schema.lease_revoke_request, { ID = -1 })))
    end)

    it("rejects integers that are out of range or no integers", function()
        for _, value in ipairs { "9223372036854775808", "-9223372036854775809", "99999999999999999999", "100000000000000000000",
            "1.5", "1e3", "0x10", " 1", "", "-", "--1", 1.5, 2 ^ 60, 0 / 0, math.huge, {}, true } do
            assert.same({ nil, "ID must be integer" }, { codec.encode(schema.lease_revoke_request, { ID = value }) })
        end
        assert.same({ nil, "cluster_id must be integer" }, { codec.encode(schema.put_response, { header = { cluster_id = "-1" } }) })
        assert.same({ nil, "cluster_id must be integer" },
            { codec.encode(schema.put_response, { header = { cluster_id = "18446744073709551616" } }) })
    end)

    it("rejects malformed requests with the texts of the JSON codec", function()
        local cases = {
            { "range_request", { key = 1 } }, { "range_request", { limit = "x" } }, { "range_request", { serializable = "true" } },
            { "range_request", { sort_order = "UP" } }, { "range_request", { sort_target = 9 } }, { "range_request", { sort_target = {} } },
            { "range_request", { kee = "k" } }, { "range_request", { [1] = "k" } }, { "txn_request", { compare = "x" } },
            { "txn_request", { compare = { "x" } } }, { "txn_request", { success = { { request_put = 7 } } } },
            { "txn_request", { success = { { request_put = { key = "k", lease = "-" } } } } },
            { "txn_request", { success = { { request_txn = { failure = { { request_rang = {} } } } } } } },
            { "watch_request", { create_request = { filters = "NOPUT" } } }, { "watch_request", { create_request = { filters = { "NO" } } } },
            { "authenticate_request", { name = 7 } }, { "member_list_response", { members = { { peerURLs = { 7 } } } } },
        }
        for _, case in ipairs(cases) do
            local message, fields = schema[case[1]], case[2]
            local _, expected = json_codec.encode(message, fields)
            assert.is_string(expected)
            assert.same({ nil, expected }, { codec.encode(message, fields) })
        end
    end)

    it("accepts what the JSON codec accepts: enums as names in any case and as numbers", function()
        assert.same(hex "28 02 30 03", (codec.encode(schema.range_request, { sort_order = "descend", sort_target = 3 })))
        assert.same(field(1, hex "2a 02 00 01"), (codec.encode(schema.watch_request, { create_request = { filters = { 0, "nodelete" } } })))
        assert.same(field(1, ""), (codec.encode(schema.watch_request, { create_request = { filters = {} } })))
    end)

    it("rejects a request that contains itself", function()
        local op = {}
        op.request_txn = { success = { op } }
        local bytes, err = codec.encode(schema.txn_request, { success = { op } })
        assert.is_nil(bytes)
        assert.truthy(err == "success is nested too deeply" or err == "request_txn is nested too deeply")
        assert.same(hex "0a 01 6b", (codec.encode(schema.range_request, { key = "k" })))
    end)

    it("decodes fields in any order", function()
        assert.same({ header = { revision = "5" }, more = true, count = "2", kvs = { { key = "a" }, { key = "b" } } },
            (codec.decode(schema.range_response, hex "20 02 12 03 0a 01 61 18 01 12 03 0a 01 62 0a 02 18 05")))
    end)

    it("lets the last value of a field win, zero included", function()
        assert.same({ value = "w" }, (codec.decode(schema.put_request, field(1, "k") .. field(2, "v") .. field(1, "") .. field(2, "w"))))
        assert.same({}, (codec.decode(schema.lease_revoke_request, hex "08 05 08 00")))
        assert.same({}, (codec.decode(schema.member_list_request, hex "08 01 08 00")))
    end)

    it("merges a message that is repeated although its field is not", function()
        local op = field(4, field(3, field(4, field(1, hex "18 05"))))
        assert.same({ responses = { { response_txn = { header = { revision = "7" }, succeeded = true,
            responses = { { response_txn = { header = { revision = "5" } } }, { response_txn = { succeeded = true } } } } } } },
            (codec.decode(schema.txn_response, field(3, op .. field(4, field(3, field(4, hex "10 01"))) .. field(4, field(1, hex "18 07") .. hex "10 01")))))
        assert.same({ header = { cluster_id = "1", revision = "7" } },
            (codec.decode(schema.put_response, field(1, hex "08 01 18 05") .. field(1, hex "18 07"))))
    end)

    it("decodes repeated scalars in both forms, even mixed", function()
        assert.same({ create_request = { filters = { "NODELETE", "NOPUT", "NODELETE", "NOPUT" } } },
            (codec.decode(schema.watch_request, field(1, hex "28 01 2a 02 00 01 28 00"))))
    end)

    it("skips unknown fields of all wire types", function()
        local unknown = hex "78 80 01" .. hex "79 01 02 03 04 05 06 07 08" .. field(15, "xyz") .. hex "7d 01 02 03 04" .. hex "f8 ff ff ff 0f 01"
        assert.same({ key = "k", value = "v" },
            (codec.decode(schema.put_request, unknown .. field(1, "k") .. unknown .. field(2, "v") .. unknown)))
        -- known numbers with another wire type
        assert.same({ lease = "5" }, (codec.decode(schema.put_request, hex "08 01 1a 01 78 18 05 11 01 02 03 04 05 06 07 08")))
    end)

    it("rejects malformed bytes", function()
        for _, digits in ipairs {
            "0b", "0c", "78", "7b", "7e 01", "7f 01", -- groups, wire types that do not exist
            "00 01", "80 00 01", "8a 00 01 6b", "ff ff ff ff 1f 01", -- field number 0, tags that are too long or too large
            "0a", "0a 02 6b", "0a 80", "0a ff ff ff ff ff ff ff ff ff 01", "0a 80 80 80 80 80 80 80 80 80 80 01",
            "18", "18 80", "18 ff ff ff ff ff ff ff ff ff 02", "18 80 80 80 80 80 80 80 80 80 80 00",
            "79 01 02 03 04 05 06 07", "7d 01 02 03", "7a 02 01", "7a ff ff ff ff ff ff ff ff 7f",
        } do
            local message, bad = codec.decode(schema.put_request, hex(digits))
            assert.is_nil(message, digits)
            assert.is_string(bad)
        end
    end)

    it("names the malformed field", function()
        for digits, name in pairs {
            ["5a 02 08 07"] = "type", ["5a 04 12 02 0a 05"] = "key", ["5a 03 12 01 10"] = "kv", ["5a 01 08"] = "events",
            ["10"] = "body", ["0a 05 01"] = "header", ["5a 7f"] = "events", ["32 01"] = "cancel_reason",
        } do
            assert.same({ nil, name }, { codec.decode(schema.watch_response, hex(digits)) })
        end
    end)

    it("does not read past the end of a message within another one", function()
        -- the length of the key, and its last byte, are in the message behind it
        assert.is_nil((codec.decode(schema.range_response, hex "12 01 0a 12 03 0a 01 62")))
        assert.is_nil((codec.decode(schema.range_response, hex "12 03 0a 02 61 12 03 0a 01 62")))
        assert.is_nil((codec.decode(schema.range_response, hex "12 02 10 80 20 01")))
    end)

    it("rejects messages that are nested too deeply", function()
        local deep = ""
        for _ = 1, 105 do
            local length = #deep
            local prefix = length < 128 and string.char(length) or string.char(128 + length % 128, math.floor(length / 128))
            local op = "\34" .. prefix .. deep
            length = #op
            deep = "\26" .. (length < 128 and string.char(length) or string.char(128 + length % 128, math.floor(length / 128))) .. op
        end
        assert.is_table((codec.decode(schema.txn_response, deep)))
        local wrapped = "\34" .. string.char(128 + #deep % 128, math.floor(#deep / 128)) .. deep
        wrapped = "\26" .. string.char(128 + #wrapped % 128, math.floor(#wrapped / 128)) .. wrapped
        assert.same({ nil, "responses" }, { codec.decode(schema.txn_response, wrapped) })
    end)

    describe("with a long message", function()
        local kvs, slices, can_wait
        local sleep, start = ngx.sleep, time_slice.yield_if_due
        before_each(function()
            kvs, slices, can_wait = {}, 0, phase.can_wait
            for i = 1, 3000 do
                kvs[i] = { key = "/key/" .. i, value = ("v"):rep(90), create_revision = tostring(i), mod_revision = tostring(i), version = "1" }
            end
        end)
        after_each(function()
            phase.can_wait, ngx.sleep, time_slice.yield_if_due = can_wait, sleep, start -- luacheck: ignore 122
        end)

        it("decodes a list in parts, in between it tests the time slice", function()
            time_slice.yield_if_due = function(slice)
                slices = slices + 1
                return start(slice)
            end
            local expected = { header = { revision = "9" }, kvs = kvs, count = "3000", more = true }
            local bytes = codec.encode(schema.range_response, expected)
            assert.truthy(#bytes > codec.LONG)
            assert.same(expected, (codec.decode(schema.range_response, bytes)))
            assert.truthy(slices >= #bytes / 16384, slices .. " tests of the time slice")
        end)

        it("decodes it without a pause in phases that cannot wait", function()
            phase.can_wait = function()
                return false
            end
            ngx.sleep = function() -- luacheck: ignore 122
                error("sleeps")
            end
            local bytes = codec.encode(schema.range_response, { kvs = kvs })
            assert.same({ kvs = kvs }, (codec.decode(schema.range_response, bytes)))
        end)

        it("decodes keys of a lease, and fields before, between and after the items", function()
            local keys = {}
            for i = 1, 3000 do
                keys[i] = ("k"):rep(30) .. i
            end
            local half = codec.encode(schema.lease_time_to_live_response, { keys = keys, ID = "7" })
            local both = {}
            for i = 1, 6000 do
                both[i] = keys[(i - 1) % 3000 + 1]
            end
            assert.same({ keys = both, ID = "7", TTL = "5", header = { revision = "3", raft_term = "2" } },
                (codec.decode(schema.lease_time_to_live_response, field(1, hex "18 03") .. half .. field(1, hex "20 02") .. half .. hex "18 05")))
        end)

        it("rejects malformed items, other fields and lengths", function()
            local bytes = codec.encode(schema.range_response, { kvs = kvs })
            assert.same({ nil, "kvs" }, { codec.decode(schema.range_response, bytes .. hex "12 02 10 80") })
            assert.same({ nil, "kvs" }, { codec.decode(schema.range_response, bytes .. hex "12 05 10") })
            assert.same({ nil, "key" }, { codec.decode(schema.range_response, bytes .. hex "12 02 0a 05") })
            assert.same({ nil, "header" }, { codec.decode(schema.range_response, bytes .. hex "0a 01 08") })
            assert.same({ nil, "body" }, { codec.decode(schema.range_response, bytes .. hex "18") })
            assert.same({ nil, "body" }, { codec.decode(schema.range_response, bytes .. hex "0b") })
        end)
    end)

    describe("with random messages", function()
        local names = {}
        for name in pairs(schema) do
            if name ~= "version_response" and name ~= "compare_target" then
                names[#names + 1] = name
            end
        end
        table.sort(names)

        local function make(message, random, depth)
            local fields = {}
            -- in a fixed order, so that a seed repeats a case
            local sorted = {}
            for name in pairs(message) do
                sorted[#sorted + 1] = name
            end
            table.sort(sorted)
            local function value_of(field_type)
                if field_type.message then
                    return make(field_type.message, random, depth + 1)
                elseif field_type.values then
                    local all = {}
                    for name, number in pairs(field_type.values) do
                        all[number + 1] = name
                    end
                    return all[1 + random(#all - 1)]
                elseif field_type.scalar == "bool" then
                    return true
                elseif field_type.scalar == "int64" then
                    return INTEGERS[random(#INTEGERS)][1]
                elseif field_type.scalar == "uint64" then
                    return INTEGERS[random(17)][1]
                end
                return "x" .. seeded_cases.bytes(random, random(6) == 1 and 300 or 12)
            end
            for _, name in ipairs(sorted) do
                local field_type = message[name]
                if random(3) > 1 and not (field_type.message and depth > 3) then
                    if field_type.repeated then
                        fields[name] = {}
                        for i = 1, random(3) do
                            fields[name][i] = value_of(field_type)
                        end
                    else
                        fields[name] = value_of(field_type)
                    end
                end
            end
            return fields
        end

        it("decodes what it encodes", function()
            seeded_cases.run("protobuf round trips", 2000, function(random)
                local name = names[random(#names)]
                local fields = make(schema[name], random, 0)
                local bytes = assert(codec.encode(schema[name], fields))
                assert.same(fields, (codec.decode(schema[name], bytes)))
            end)
        end)

        it("returns for damaged bytes what a plain decoder returns", function()
            seeded_cases.run("protobuf mutations", 8000, function(random)
                local name = names[random(#names)]
                local bytes = assert(codec.encode(schema[name], make(schema[name], random, 1)))
                bytes = seeded_cases.damage(random, bytes)
                local expected = reference.decode(schema[name], bytes)
                local message, bad = codec.decode(schema[name], bytes)
                if expected then
                    assert.same(expected, message)
                elseif message ~= nil or type(bad) ~= "string" then
                    return "accepts malformed bytes of " .. name .. ": " .. ngx.encode_base64(bytes)
                end
            end)
        end)
    end)
end)
