describe("resty.etcd.utils", function()
    local utils = require "resty.etcd.utils"

    describe("normalize", function()
        local function joins(expected, ...)
            assert.equal(expected, utils.normalize(...))
        end

        it("joins parts with one slash and starts with one", function()
            joins("/a/b/c", "a", "b", "c")
            joins("/a/b/c", "/a/", "/b/", "/c/")
            joins("/a/b", "a//b")
            joins("/a", "a")
        end)

        it("returns the root if there are no parts", function()
            joins("/")
            joins("/", "")
            joins("/", "/")
            joins("/", "///", "//")
            joins("/", nil)
        end)

        it("skips empty parts, and nils at any position", function()
            joins("/a/b", "a", "", "b")
            joins("/a/b", "a", nil, "b")
            joins("/a/b/c", nil, "a", nil, nil, "b", "c", nil)
        end)

        it("resolves dots, within a part and across parts", function()
            joins("/a/b", "a", ".", "b")
            joins("/b", "a", "..", "b")
            joins("/a/c", "a/b/../c")
            joins("/a/c", "a/b", "../c")
            joins("/a/.../b", "a", "...", "b")
            joins("/a/.b/c.", "a/.b/c.")
        end)

        it("never goes above the root", function()
            joins("/", "..")
            joins("/a", "../../a")
            joins("/b", "a", "../../..", "b")
        end)
    end)

    describe("is_empty_str", function()
        it("is true for nil, the empty string and white space", function()
            assert.is_true(utils.is_empty_str(nil) and true)
            assert.is_true(utils.is_empty_str("") and true)
            assert.is_true(utils.is_empty_str(" ") and true)
            assert.is_true(utils.is_empty_str(" \t\r\n") and true)
        end)

        it("is false for any other string", function()
            assert.is_false(utils.is_empty_str("a") or false)
            assert.is_false(utils.is_empty_str("  a  ") or false)
            assert.is_false(utils.is_empty_str("0") or false)
        end)
    end)

    describe("get_real_key", function()
        it("returns the prefix followed by the unchanged key", function()
            assert.equal("/pre/key", utils.get_real_key("/pre", "/key"))
            assert.equal("/pre//key", utils.get_real_key("/pre/", "/key"))
            assert.equal("prekey", utils.get_real_key("pre", "key"))
            assert.equal("/pre", utils.get_real_key("/pre", ""))
        end)

        it("returns the unchanged key if there is no prefix", function()
            assert.equal("/key", utils.get_real_key("", "/key"))
            assert.equal("/key", utils.get_real_key(nil, "/key"))
        end)
    end)
end)

describe("resty.etcd.serializers", function()
    it("json is the shared cjson.safe", function()
        local json = require "resty.etcd.serializers.json"
        local cjson = require "cjson.safe"
        assert.equal('{"a":[1,"b",true,null]}', json.serialize { a = { 1, "b", true, cjson.null } })
        assert.same({ a = { 1, "b", true, cjson.null } }, json.deserialize('{"a":[1,"b",true,null]}'))
        finally(function()
            cjson.encode_number_precision(14)
        end)
        cjson.encode_number_precision(3)
        assert.equal("1.23", json.serialize(1.23456))
    end)

    it("json returns nil and an error if the text is not JSON", function()
        local json = require "resty.etcd.serializers.json"
        local value, err = json.deserialize("{broken")
        assert.is_nil(value)
        assert.is_string(err)
        local bytes, encode_err = json.serialize(print)
        assert.is_nil(bytes)
        assert.equal("Cannot serialise function: type not supported", encode_err)
    end)

    it("raw returns strings unchanged", function()
        local raw = require "resty.etcd.serializers.raw"
        local all = {}
        for byte = 0, 255 do
            all[#all + 1] = string.char(byte)
        end
        local bytes = table.concat(all)
        assert.equal(bytes, raw.serialize(bytes))
        assert.equal(bytes, raw.deserialize(bytes))
        assert.equal("", raw.serialize(""))
    end)

    it("raw returns an error with the type if the value is not a string", function()
        local raw = require "resty.etcd.serializers.raw"
        for _, value in ipairs { { 12, "number" }, { true, "boolean" }, { {}, "table" }, { print, "function" } } do
            local bytes, err = raw.serialize(value[1])
            assert.is_nil(bytes)
            assert.equal("unsupported type for " .. value[2], err)
        end
        assert.same({ nil, "unsupported type for nil" }, { raw.serialize(nil) })
    end)
end)
