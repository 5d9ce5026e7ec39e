local dict_values = require "resty.etcd.base.dict_values"

local dict = ngx.shared.test

describe("values of shared dicts", function()
    after_each(function()
        dict:delete("dict_values")
    end)

    local function read(value)
        dict:set("dict_values", value)
        return {
            number = dict_values.get_number(dict, "dict_values"), integer = dict_values.get_integer(dict, "dict_values"),
            time = dict_values.get_time(dict, "dict_values", 100, 10), text = dict_values.get_text(dict, "dict_values", 8),
            line = dict_values.get_line(dict, "dict_values", 8), has = dict_values.has(dict, "dict_values"),
        }
    end

    it("are absent when their type or their range is wrong", function()
        assert.same({ has = true, number = 5, integer = 5, time = 5 }, read(5))
        assert.same({ has = true, number = 110.5 }, read(110.5))
        assert.same({ has = true, number = 110, integer = 110, time = 110 }, read(110))
        assert.same({ has = true, number = 2 ^ 53 - 1, integer = 2 ^ 53 - 1 }, read(2 ^ 53 - 1))
        for _, value in ipairs { -1, 2 ^ 53, 2 ^ 53 + 2, math.huge, -math.huge, 0 / 0, true, false } do
            assert.same({ has = true }, read(value))
        end
        assert.same({ has = false }, read(nil))
        assert.same({ has = true, text = "12345678", line = "12345678" }, read("12345678"))
        for _, value in ipairs { "a\nb", "a\r", "\0", "\127", "\255" } do
            assert.same({ has = true, text = value }, read(value))
        end
        assert.same({ has = true }, read("123456789"))
    end)

    it("are incremented only while they are integers", function()
        for _, value in ipairs { 0.5, -5, math.huge, 0 / 0, true, "1" } do
            dict:set("dict_values", value)
            assert.is_nil(dict_values.increment(dict, "dict_values", 1))
        end
        dict:delete("dict_values")
        assert.is_nil(dict_values.increment(dict, "dict_values", 1))
        dict:set("dict_values", 1)
        assert.equal(3, dict_values.increment(dict, "dict_values", 2))
    end)
end)
