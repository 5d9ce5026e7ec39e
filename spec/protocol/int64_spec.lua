local int64 = require "resty.etcd.protocol.int64"
local json_codec = require "resty.etcd.transport.gateway.json_codec"
local schema = require "resty.etcd.protocol.schema"

-- Each text with whether it is an int64 and a uint64, in the form in which etcd writes them.
local TEXTS = {
    { "0", true, true }, { "1", true, true }, { "-1", true, false }, { "123456789012345678", true, true },
    { "9223372036854775807", true, true }, { "9223372036854775808", false, true }, { "-9223372036854775808", true, false },
    { "-9223372036854775809", false, false }, { "18446744073709551615", false, true }, { "18446744073709551616", false, false },
    { "99999999999999999999", false, false }, { "100000000000000000000", false, false },
    { "", false, false }, { "-", false, false }, { "-0", false, false }, { "+1", false, false }, { "01", false, false },
    { "1.0", false, false }, { "1e3", false, false }, { "1e-9", false, false }, { "1e300", false, false },
    { "1e999", false, false }, { "0x10", false, false }, { " 1", false, false }, { "1 ", false, false }, { "1\n", false, false },
    { "1\0", false, false }, { "--1", false, false }, { "1-", false, false }, { "inf", false, false }, { "nan", false, false },
    { "-inf", false, false }, { "\239\188\145", false, false }, { ("1"):rep(100000), false, false },
}

-- Each number with the text of an int64, or false.
local NUMBERS = {
    { 0, "0" }, { -0, "0" }, { 1, "1" }, { -7, "-7" }, { 2 ^ 53 - 1, "9007199254740991" }, { 2 ^ 53, false }, { 0.5, false },
    { 1e300, false }, { 1 / 0, false }, { -1 / 0, false }, { 0 / 0, false },
}

describe("int64 of a server", function()
    it("is accepted if all of its text is digits in the range of the type", function()
        for _, row in ipairs(TEXTS) do
            assert.equal(row[2] and row[1] or nil, int64.read(row[1], true), row[1]:sub(1, 30))
            assert.equal(row[3] and row[1] or nil, int64.read(row[1], false), row[1]:sub(1, 30))
        end
        for _, row in ipairs(NUMBERS) do
            assert.equal(row[2] or nil, int64.read(row[1], true))
        end
        assert.is_nil(int64.read(-7, false))
        for _, other in ipairs { true, {}, ngx.null, print } do
            assert.is_nil(int64.read(other, true))
        end
        assert.is_nil(int64.read(nil, true))
    end)

    it("is checked by the JSON codec in every field of every message", function()
        local seen, fields = {}, 0
        local function check(message, wrap)
            if seen[message] then
                return
            end
            seen[message] = true
            for name, field in pairs(message) do
                if field.message then
                    check(field.message, function(inner) return wrap({ [name] = field.repeated and { inner } or inner }) end)
                elseif field.scalar == "int64" or field.scalar == "uint64" then
                    fields = fields + 1
                    for _, row in ipairs(TEXTS) do
                        local json, top = wrap { [name] = row[1] }
                        local is_valid = row[field.scalar == "int64" and 2 or 3]
                        assert.equal(not is_valid and name or nil, json_codec.decode(top, json), row[1]:sub(1, 30))
                    end
                end
            end
        end
        for name, message in pairs(schema) do
            if name:find("_response$") then
                check(message, function(json) return json, message end)
            end
        end
        assert.is_true(fields > 20, fields .. " fields")
    end)

    it("is a revision, a count or a TTL only if it is exact as a number and not negative", function()
        for text, expected in pairs {
            ["1"] = 1, ["9007199254740991"] = 2 ^ 53 - 1, ["9007199254740992"] = false, ["-1"] = false, ["0"] = 0,
            ["9223372036854775807"] = false, ["18446744073709551615"] = false, x = false, ["1e999"] = false, ["0.5"] = false,
            nan = false,
        } do
            assert.equal(expected or nil, int64.to_number(text), text)
        end
        assert.is_nil(int64.to_number(nil))
        assert.is_nil(int64.to_number({}))
    end)
end)
