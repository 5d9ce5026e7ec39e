-- The serializer "json_exact": what it reads it writes back unchanged. Compared with cjson on random documents and
-- damaged texts: SEED=n repeats the cases of a run, SOAK=n makes n times as many.
local bed = require "spec.support.bed"
local cjson = require "cjson.safe"
local json = require "resty.etcd.serializers.json_exact"

local SEED = tonumber(os.getenv("SEED")) or ngx.time()
local CASES = 3000 * (tonumber(os.getenv("SOAK")) or 1)

local null = cjson.null

-- Returns a function that returns whole numbers from 1 to n. Its numbers follow from the seed.
local function generator(seed)
    local state = seed % 2147483647 + 1
    return function(n)
        state = state * 16807 % 2147483647
        return state % n + 1
    end
end

local function is_same(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then
        return a == b
    end
    for key, value in pairs(a) do
        if not is_same(value, b[key]) then
            return false
        end
    end
    for key in pairs(b) do
        if a[key] == nil then
            return false
        end
    end
    return true
end

local function rewritten(text)
    return assert(json.serialize(assert(json.deserialize(text))))
end

describe("serializer json_exact", function()
    it("keeps integers up to 2^53, also negative ones", function()
        for _, digits in ipairs { "123456789012345", "9007199254740991", "9007199254740992", "-9007199254740992", "0", "-0" } do
            assert.equal(digits, rewritten(digits))
            assert.equal('{"a":[' .. digits .. "]}", rewritten('{"a":[' .. digits .. "]}"))
        end
        assert.equal("9007199254740992", json.serialize(2 ^ 53))
    end)

    it("rejects integers beyond 2^53 with their path", function()
        for _, digits in ipairs { "9007199254740993", "-9007199254740993", "18446744073709551615", "1e300", "9007199254740992.5", "1e999" } do
            local value, err = json.deserialize('{"a":[1,{"b":' .. digits .. "}]}")
            assert.is_nil(value)
            assert.equal("$.a[2].b: the number is beyond 2^53, and not exact", err)
        end
        local text, err = json.serialize { a = { 1, { b = 2 ^ 53 + 2 } } }
        assert.is_nil(text)
        assert.equal("$.a[2].b: the number is beyond 2^53, and not exact", err)
    end)

    it("rejects exponents that LuaJIT cannot convert", function()
        for _, digits in ipairs { "1e+999999999999", "-1.5E-999999999999" } do
            local value, err = json.deserialize('{"a":' .. digits .. "}")
            assert.is_nil(value)
            assert.equal("$.a: the exponent has too many digits", err)
        end
    end)

    it("keeps empty arrays and objects", function()
        for _, text in ipairs { "[]", "{}", '{"a":[],"b":{}}', "[[],{},[[]]]" } do
            assert.equal(text, rewritten(text))
        end
        local document = assert(json.deserialize('{"list":["last"]}'))
        table.remove(document.list)
        assert.equal('{"list":[]}', json.serialize(document))
        assert.equal('{"a":[]}', json.serialize { a = setmetatable({}, json.array_mt) })
        assert.equal("{}", json.serialize {})
    end)

    it("keeps all digits of fractions, in their shortest form", function()
        local third = 1 / 3
        for _, value in ipairs { 0.1, 1.5, third, 1e-7, 5e-324, -2.5, 0.30000000000000004, 123456789.125 } do
            local text = assert(json.serialize(value))
            assert.equal(value, tonumber(text))
            assert.equal(value, (json.deserialize(text)))
        end
        assert.equal("0.1", json.serialize(0.1))
        assert.equal("0.30000000000000004", json.serialize(0.1 + 0.2))
    end)

    it("writes keys in byte order, so that equal documents have equal bytes", function()
        assert.equal('{"":0,"B":1,"a":2,"aa":3,"b":{"x":1,"y":2}}',
            json.serialize { aa = 3, b = { y = 2, x = 1 }, B = 1, [""] = 0, a = 2 })
    end)

    it("reads and writes escapes, surrogate pairs and all bytes of UTF-8", function()
        local cases = {
            { [["\u0041\u00e9\u20ac\ud83d\ude00"]], "A\195\169\226\130\172\240\159\152\128" },
            { [["\"\\\/\b\f\n\r\t"]], "\"\\/\b\f\n\r\t" },
            { [["\u0000\u001f"]], "\0\31" },
            { [["\uD800\uDC00\uDBFF\uDFFF"]], "\240\144\128\128\244\143\191\191" },
            { '"\127"', "\127" },
        }
        for _, case in ipairs(cases) do
            assert.equal(case[2], json.deserialize(case[1]))
            assert.equal(case[2], json.deserialize(assert(json.serialize(case[2]))))
        end
        assert.equal([["\"\\/\b\f\n\r\t\u0000\u001f"]], json.serialize("\"\\/\b\f\n\r\t\0\31"))
        assert.same({ ["k\n"] = null }, json.deserialize([[ { "k\n" : null } ]]))
    end)

    it("rejects text that is not strict JSON, with the position", function()
        local cases = {
            { "", "1: unexpected end" }, { "  ", "3: unexpected end" }, { "nul", "1: unexpected character" },
            { "NaN", "1: unexpected character" }, { "Infinity", "1: unexpected character" }, { "-Infinity", "1: unexpected character" },
            { "-", "1: unexpected character" }, { "+1", "1: unexpected character" }, { ".5", "1: unexpected character" },
            { "0x10", "2: unexpected text after the value" }, { "01", "1: leading zero" }, { "-01", "1: leading zero" },
            { "1.", "2: unexpected text after the value" }, { "1e", "2: unexpected text after the value" },
            { "1 2", "3: unexpected text after the value" }, { "{} x", "4: unexpected text after the value" },
            { "[1,]", "4: unexpected character" }, { "[1 2]", "4: expected a comma or the end of the array or object" },
            { "[1}", "3: expected a comma or the end of the array or object" }, { "[", "2: unexpected end" },
            { '{"a":1,}', "8: expected a key" }, { "{a:1}", "2: expected a key" }, { '{"a" 1}', "6: expected a colon" },
            { '{"a":1]', "7: expected a comma or the end of the array or object" },
            { '"a', "3: unterminated string" }, { '"a\n"', "3: unterminated string" }, { '"a\0"', "3: unterminated string" },
            { [["\x41"]], "2: invalid escape" }, { [["\u12g4"]], "2: invalid escape" }, { [["\ud800"]], "2: invalid escape" },
            { [["\udc00"]], "2: invalid escape" }, { [["\ud800\u0041"]], "2: invalid escape" }, { [["\]], "2: invalid escape" },
            { [["a\n]], "5: unterminated string" }, { "'a'", "1: unexpected character" }, { "\239\187\191{}", "1: unexpected character" },
            { "\12{}", "1: unexpected character" },
        }
        for _, case in ipairs(cases) do
            local value, err = json.deserialize(case[1])
            assert.is_nil(value, case[1])
            assert.equal("invalid JSON at byte " .. case[2], err, case[1])
        end
    end)

    it("rejects invalid UTF-8 in both directions", function()
        local invalid = {
            "\128", "\192\128", "\193\191", "\194", "\224\128\128", "\224\160", "\237\160\128", "\237\191\191",
            "\240\128\128\128", "\240\144\128", "\244\144\128\128", "\245\128\128\128", "\255", "\195\40",
        }
        for _, bytes in ipairs(invalid) do
            local value, err = json.deserialize('["ab' .. bytes .. '"]')
            assert.is_nil(value)
            assert.equal("invalid JSON at byte 5: invalid UTF-8", err)
            local text
            text, err = json.serialize { x = { "\195\169" .. bytes } }
            assert.is_nil(text)
            assert.equal("$.x[1]: the string is not UTF-8", err)
        end
        local text, err = json.serialize { ["\255"] = 1 }
        assert.is_nil(text)
        assert.is_truthy(err:find("the string is not UTF-8", 1, true))
    end)

    it("rejects keys that occur twice", function()
        local value, err = json.deserialize('{"a":{"b":false,"c":1,"b":2}}')
        assert.is_nil(value)
        assert.equal("$.a.b: the key occurs twice", err)
    end)

    it("rejects tables and values that have no form in JSON, with their path", function()
        local loop = { list = {} }
        loop.list[1] = loop
        local cases = {
            { { a = { 1, nil, 3 } }, "$.a: the array has gaps" },
            { { a = { [1000000] = 1 } }, "$.a: the array has gaps" },
            { { a = { 1, b = 2 } }, "$.a: the table is both an array and an object" },
            { { { [0] = 1 } }, "$[1]: a key is neither a string nor a position" },
            { { { [1.5] = 1 } }, "$[1]: a key is neither a string nor a position" },
            { { { [true] = 1 } }, "$[1]: a key is neither a string nor a position" },
            { { a = print }, "$.a: function has no form in JSON" },
            { { 1, 5LL }, "$[2]: cdata has no form in JSON" },
            { { a = 0 / 0 }, "$.a: NaN and infinite numbers have no form in JSON" },
            { { a = -1 / 0 }, "$.a: NaN and infinite numbers have no form in JSON" },
        }
        for _, case in ipairs(cases) do
            local text, err = json.serialize(case[1])
            assert.is_nil(text)
            assert.equal(case[2], err)
        end
        local text, err = json.serialize(loop)
        assert.is_nil(text)
        assert.is_truthy(err:find("the table contains itself", 1, true), err)
        assert.is_true(#err < 300)
        assert.equal("[1,1]", json.serialize { 1, 1 })
        local shared = { 1 }
        assert.equal("[[1],[1]]", json.serialize { shared, shared })
    end)

    it("stores nil as null, and reads null as cjson.null", function()
        assert.equal("null", json.serialize(nil))
        assert.equal("null", json.serialize(null))
        assert.equal(null, json.deserialize("null"))
        assert.same({ a = { null, null } }, json.deserialize('{"a":[null,null]}'))
        assert.is_false(json.deserialize("false"))
        assert.is_false(json.deserialize(" [ false ] ")[1])
    end)

    it("reads and writes 1000 levels, and rejects more, without recursion", function()
        for _, pair in ipairs { { "[", "]" }, { '{"a":', "}" } } do
            local inner = pair[1] == "[" and "" or "1"
            local deep = pair[1]:rep(1000) .. inner .. pair[2]:rep(1000)
            assert.equal(deep, rewritten(deep))
            local value, err = json.deserialize(pair[1]:rep(1001) .. "1" .. pair[2]:rep(1001))
            assert.is_nil(value)
            assert.is_truthy(err:find("nested more than 1000 levels deep", 1, true))
            assert.is_truthy(select(2, json.deserialize(pair[1]:rep(1000000))):find("nested more than 1000 levels deep", 1, true))
        end
        local top = {}
        local inner = top
        for _ = 1, 1000 do
            inner.a = {}
            inner = inner.a
        end
        local text, err = json.serialize(top)
        assert.is_nil(text)
        assert.is_truthy(err:find("nested more than 1000 levels deep", 1, true))
    end)

    it("does not change the settings of the shared cjson.safe, and is not changed by them", function()
        finally(function() cjson.encode_number_precision(14) end)
        cjson.encode_number_precision(3)
        assert.equal("1.23456", json.serialize(1.23456))
        assert.equal(3, cjson.encode_number_precision())
        assert.equal("1.23", cjson.encode(1.23456))
    end)

    it("is selected by its name for a client", function()
        local prefix = bed.key("json_exact")
        local raw = assert(bed.new { serializer = "raw" })
        finally(function() assert(raw:rmdir(prefix)) end)
        local cli = assert(bed.new { serializer = "json_exact" })
        local text = '{"empty":[],"id":9007199254740991}'
        assert(raw:set(prefix .. "k", text))
        local document = assert(cli:get(prefix .. "k")).body.kvs[1].value
        assert(cli:set(prefix .. "k", document))
        assert.equal(text, assert(raw:get(prefix .. "k")).body.kvs[1].value)
        local res, err, details = cli:set(prefix .. "k", { id = 2 ^ 60 })
        assert.is_nil(res)
        assert.equal("$.id: the number is beyond 2^53, and not exact", err)
        assert.equal("bad_request", details.name)
        assert(raw:set(prefix .. "k", '{"id":9007199254740993}'))
        assert.is_nil(assert(cli:get(prefix .. "k")).body.kvs[1].value)
    end)

    local STRINGS = { "", "a", "key", "\195\169", "\240\159\152\128", "\"\\/\b\f\n\r\t", "\0\1\31\127", "line 1\nline 2", ("x"):rep(300) }
    local NUMBERS = { 0, 1, -1, 0.5, -0.25, 12345678901234, 1e-5, 1e10, 3.25e-12, 99999999999999 }

    local function random_value(random, depth)
        local kind = random(depth > 4 and 5 or 9)
        if kind <= 2 then
            return STRINGS[random(#STRINGS)]
        elseif kind == 3 then
            return NUMBERS[random(#NUMBERS)]
        elseif kind == 4 then
            return random(2) == 1
        elseif kind == 5 then
            return null
        end
        local value, count = {}, random(5) - 1
        if kind <= 7 then
            for i = 1, count do
                value[i] = random_value(random, depth + 1)
            end
            return #value > 0 and value or setmetatable(value, json.array_mt)
        end
        for _ = 1, count do
            value[STRINGS[random(#STRINGS)] .. random(9)] = random_value(random, depth + 1)
        end
        return value
    end

    it("agrees with cjson on random documents, in both directions", function()
        print(("json_exact: SEED=%d, %d documents"):format(SEED, CASES))
        local random = generator(SEED)
        for case = 1, CASES do
            local value = random_value(random, 1)
            local message = "SEED=" .. SEED .. ", document " .. case
            local text = assert(json.serialize(value))
            assert.is_true(is_same(value, cjson.decode(text)), message)
            assert.is_true(is_same(value, json.deserialize(text)), message)
            assert.equal(text, json.serialize(json.deserialize(text)), message)
            assert.is_true(is_same(value, json.deserialize(cjson.encode(value))), message)
        end
    end)

    -- What cjson accepts in a damaged text and json_exact rejects.
    local STRICTER = {
        "invalid UTF%-8", "the key occurs twice", "the number is beyond 2^53", "exponent", "leading zero", "unterminated string",
        "invalid escape", "unexpected character", "unexpected text after the value", "expected a comma or the end",
    }

    it("accepts no damaged text that cjson rejects, and reads the others as cjson does", function()
        print(("json_exact: SEED=%d, %d damaged texts"):format(SEED, CASES))
        local random = generator(SEED)
        local accepted, rejected, stricter = 0, 0, 0
        local BYTES = '{}[]",:\\/0123456789.-+eEtfnu \n\0\1\127\128\195\255'
        for case = 1, CASES do
            local text = assert(json.serialize(random_value(random, 1)))
            for _ = 1, random(3) do
                local at = random(#text + 1)
                local byte = random(#BYTES)
                local kept = random(3) == 1 and at or at + random(3) - 1 -- inserts, or replaces up to two bytes
                text = text:sub(1, at - 1) .. (random(3) > 1 and BYTES:sub(byte, byte) or "") .. text:sub(kept)
            end
            local value, err = json.deserialize(text)
            local expected, why = cjson.decode(text)
            local message = ("SEED=%d, text %d: %q"):format(SEED, case, text)
            if err == nil then
                accepted = accepted + 1
                assert.is_nil(why, message)
                assert.is_true(is_same(expected, value), message)
                assert.is_true(is_same(value, json.deserialize(assert(json.serialize(value)))), message)
            else
                rejected = rejected + 1
                assert.is_nil(value)
                assert.is_string(err)
                if why == nil then
                    stricter = stricter + 1
                    local known = false
                    for _, pattern in ipairs(STRICTER) do
                        known = known or err:find(pattern) ~= nil
                    end
                    assert.is_true(known, message .. ": " .. err)
                end
            end
        end
        assert.is_true(accepted > CASES / 20 and rejected > CASES / 20, accepted .. " accepted, " .. rejected .. " rejected")
        assert.is_true(stricter > 0)
    end)

    it("needs linear time for every shape of text #alone", function()
        local n = 500000
        local shapes = {
            (" "):rep(n), "[" .. (" "):rep(n) .. "]", ("["):rep(n), '"' .. ("\\n"):rep(n) .. '"', '"' .. ("\\u00e9"):rep(n / 2) .. '"',
            '"' .. ("a"):rep(n) .. '"', '"' .. ("\\"):rep(n), ("1"):rep(n), "0." .. ("1"):rep(n), "-" .. ("0"):rep(n),
            "[" .. ("1,"):rep(n / 2) .. "1]", "[" .. ('"",'):rep(n / 3) .. "1]", "[" .. ("[],"):rep(n / 3) .. "{}]",
            '"' .. ("\195\169"):rep(n / 2) .. '"', '"' .. ("a\195\169"):rep(n / 3) .. '"', "{" .. (" "):rep(n) .. '"a":1}',
        }
        for i, text in ipairs(shapes) do
            local started = os.clock()
            local value = json.deserialize(text)
            if value ~= nil then
                assert(json.serialize(value))
            end
            local took = os.clock() - started
            assert.is_true(took < 2, ("shape %d took %.2f s"):format(i, took))
        end
    end)
end)
