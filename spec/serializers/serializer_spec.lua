local bed = require "spec.support.bed"
local cjson = require "cjson.safe"

describe("serializer", function()
    local prefix = bed.key("serializer")
    local key = prefix .. "k"
    local raw = assert(bed.new { serializer = "raw" })

    after_each(function()
        assert(raw:rmdir(prefix))
    end)

    local function stored()
        return assert(raw:get(key)).body.kvs[1].value
    end

    describe("json", function()
        it("is the default, also for an unknown name", function()
            for _, choice in ipairs { false, "json", "no such serializer", "" } do
                local cli = assert(bed.new { serializer = choice or nil })
                assert(cli:set(key, { a = 1 }))
                assert.equal('{"a":1}', stored())
                assert.same({ a = 1 }, assert(cli:get(key)).body.kvs[1].value)
            end
        end)

        it("preserves every type of JSON value", function()
            local cli = assert(bed.new())
            local values = { "text", "", 12, 1.5, -3, true, false, cjson.null, { 1, 2, { b = "c" } }, "nul \0 byte", "\195\188" }
            for _, value in ipairs(values) do
                assert(cli:set(key, value))
                assert.same(value, assert(cli:get(key)).body.kvs[1].value)
            end
        end)

        it("stores nil as null", function()
            local cli = assert(bed.new())
            assert(cli:set(key, nil))
            assert.equal("null", stored())
            assert.equal(cjson.null, assert(cli:get(key)).body.kvs[1].value)
        end)

        it("uses the settings that cjson.safe has when the call is made", function()
            finally(function()
                cjson.encode_number_precision(14)
                cjson.encode_sparse_array(false)
            end)
            local cli = assert(bed.new())
            assert(cli:set(key, 1.23456))
            assert.equal("1.23456", stored())
            cjson.encode_number_precision(3)
            assert(cli:set(key, 1.23456))
            assert.equal("1.23", stored())
            cjson.encode_number_precision(14)
            assert.is_nil((cli:set(key, { [1000] = "x" })))
            cjson.encode_sparse_array(true)
            assert(cli:set(key, { [1000] = "x" }))
            assert.equal('{"1000":"x"}', stored())
        end)

        it("returns the key without value if the bytes are not JSON", function()
            local cli = assert(bed.new())
            for _, bytes in ipairs { "{broken", "", "plain text" } do
                assert(raw:set(key, bytes))
                local kv = assert(cli:get(key)).body.kvs[1]
                assert.is_nil(kv.value)
                assert.equal(key, kv.key)
                assert.is_string(kv.mod_revision)
            end
        end)

        it("rejects values that JSON cannot represent, with cjson's error, and writes nothing", function()
            local cli = assert(bed.new())
            local cases = {
                { print, "Cannot serialise function: type not supported" },
                { { [1000000] = 1 }, "Cannot serialise table: excessively sparse array" },
                { 0 / 0, "Cannot serialise number: must not be NaN or Inf" },
            }
            for _, case in ipairs(cases) do
                for _, method in ipairs { "set", "setnx", "setx" } do
                    local res, err, details = cli[method](cli, key, case[1])
                    assert.is_nil(res)
                    -- forks of cjson differ in the end of the text
                    assert.equal(case[2], err:sub(1, #case[2]))
                    assert.equal(err, details.message)
                    assert.equal("bad_request", details.name)
                end
            end
            assert.is_nil(assert(cli:get(key)).body.kvs)
        end)
    end)

    describe("raw", function()
        it("preserves all bytes", function()
            local bytes = {}
            for byte = 0, 255 do
                bytes[#bytes + 1] = string.char(byte)
            end
            local all = table.concat(bytes)
            assert(raw:set(key, all))
            assert.equal(all, stored())
            assert(raw:set(key, ""))
            assert.equal("", stored())
        end)

        it("rejects values that are not strings", function()
            local cases = { { 5, "number" }, { {}, "table" }, { true, "boolean" }, { nil, "nil" } }
            for _, case in ipairs(cases) do
                local res, err = raw:set(key, case[1])
                assert.is_nil(res)
                assert.equal("unsupported type for " .. case[2], err)
            end
        end)
    end)

    describe("defined by the user", function()
        local function reversing(log)
            return {
                serialize = function(value)
                    log[#log + 1] = "serialize"
                    return string.reverse(value)
                end,
                deserialize = function(bytes)
                    log[#log + 1] = "deserialize"
                    return string.reverse(bytes)
                end,
            }
        end

        it("converts values on writes and reads", function()
            local log = {}
            local cli = assert(bed.new { serializer = reversing(log) })
            assert(cli:set(key, "abc"))
            assert.equal("cba", stored())
            assert.equal("abc", assert(cli:get(key)).body.kvs[1].value)
            assert.same({ "serialize", "deserialize" }, log)
        end)

        it("receives an absent value as the empty string", function()
            local seen = {}
            local cli = assert(bed.new {
                serializer = {
                    serialize = tostring,
                    deserialize = function(bytes)
                        seen[#seen + 1] = bytes
                        return "was:" .. bytes
                    end,
                },
            })
            assert(cli:set(key, ""))
            assert.equal("was:", assert(cli:get(key)).body.kvs[1].value)
            assert.equal("was:", assert(cli:readdir(prefix, { keys_only = true })).body.kvs[1].value)
            assert.same({ "", "" }, seen)
        end)

        it("rejects a value: the call returns its error and writes nothing", function()
            local cli = assert(bed.new {
                serializer = {
                    serialize = function()
                        return nil, "not today"
                    end,
                    deserialize = tostring,
                },
            })
            local res, err = cli:set(key, "x")
            assert.is_nil(res)
            assert.equal("not today", err)
            assert.is_nil(assert(raw:get(key)).body.kvs)
        end)

        it("throws in serialize: the call returns the error and writes nothing", function()
            local cli = assert(bed.new {
                serializer = {
                    serialize = function()
                        error("cannot write", 0)
                    end,
                    deserialize = tostring,
                },
            })
            for _, method in ipairs { "set", "setnx", "setx" } do
                local res, err = cli[method](cli, key, "x")
                assert.is_nil(res)
                assert.equal("cannot write", err)
            end
            assert.is_nil(assert(raw:get(key)).body.kvs)
        end)

        it("throws in deserialize: only that value is nil", function()
            local cli = assert(bed.new {
                serializer = {
                    serialize = tostring,
                    deserialize = function(bytes)
                        if bytes == "bad" then
                            error("cannot read")
                        end
                        return bytes
                    end,
                },
            })
            assert(cli:set(prefix .. "1", "good"))
            assert(cli:set(prefix .. "2", "bad"))
            assert(cli:set(prefix .. "3", "fine"))
            local kvs = assert(cli:readdir(prefix)).body.kvs
            assert.equal(3, #kvs)
            assert.equal("good", kvs[1].value)
            assert.is_nil(kvs[2].value)
            assert.equal(prefix .. "2", kvs[2].key)
            assert.equal("fine", kvs[3].value)
        end)

        it("returns something other than a string: the call returns an error", function()
            local cli = assert(bed.new {
                serializer = {
                    serialize = function()
                        return 12
                    end,
                    deserialize = tostring,
                },
            })
            local res, err = cli:set(key, "x")
            assert.is_nil(res)
            assert.equal("the serializer returned no string", err)
        end)
    end)
end)
