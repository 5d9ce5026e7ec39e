local printable = require "resty.etcd.base.printable"

describe("printable.of", function()
    it("returns harmless text unchanged", function()
        local harmless = {
            "", "etcdserver: permission denied", "http://127.0.0.1:2379: connection refused", "/routes/1", "~ !\"#$%&'()",
            "Grüße", "日本語", "\240\159\152\128", "\194\160", "\239\191\189", ("x"):rep(printable.MAX_TEXT),
            ("ü"):rep(printable.MAX_TEXT / 2),
        }
        for _, text in ipairs(harmless) do
            assert.equal(text, printable.of(text))
        end
    end)

    it("replaces every control character", function()
        for code = 0, 255 do
            if code < 32 or code == 127 then
                assert.equal("a?b", printable.of("a" .. string.char(code) .. "b"), code)
            end
        end
        for code = 0x80, 0x9f do
            assert.equal("a??b", printable.of("a\194" .. string.char(code) .. "b"), code)
        end
    end)

    it("replaces separators of lines, and characters that change the direction of the text", function()
        local replaced = {
            "\216\156", "\226\128\142", "\226\128\143", "\226\128\168", "\226\128\169", "\226\128\170", "\226\128\174",
            "\226\129\166", "\226\129\169",
        }
        for _, text in ipairs(replaced) do
            assert.equal("a" .. ("?"):rep(#text) .. "b", printable.of("a" .. text .. "b"))
        end
    end)

    it("replaces every byte that is not UTF-8, and keeps what is", function()
        local cases = {
            ["\255"] = "?", ["\128"] = "?", ["\155[2J"] = "?[2J", ["\192\175"] = "??", ["\224\128\175"] = "???",
            ["\237\160\128"] = "???", ["\244\144\128\128"] = "????", ["\195"] = "?", ["\195\195\188"] = "?ü",
            ["ü\255ü"] = "ü?ü", ["\226\130"] = "??", ["\10\10"] = "??",
        }
        for text, expected in pairs(cases) do
            assert.equal(expected, printable.of(text))
        end
    end)

    it("returns one line of UTF-8 for any bytes", function()
        local utf8 = require "resty.etcd.base.utf8"
        local all = {}
        for code = 0, 255 do
            all[#all + 1] = string.char(code)
        end
        for a = 0, 255 do
            local text = printable.of(string.char(a) .. table.concat(all, string.char(a)), 10000)
            assert.is_nil(utf8.find_invalid(text))
            assert.is_nil(text:find("%c"))
            assert.equal(text, printable.of(text, 10000))
        end
    end)

    it("cuts long text", function()
        local text = printable.of(("x"):rep(printable.MAX_TEXT + 1))
        assert.equal(printable.MAX_TEXT, #text)
        assert.equal("xx...", text:sub(-5))
        assert.equal(printable.MAX_KEY, #printable.key(("k"):rep(100000)))
        assert.equal("k...", printable.of("kkkkkkkk", 4))
        assert.equal("aü...", printable.of("aüüüüüü", 6))
        assert.equal("a?...", printable.of("aüüüüüü", 5)) -- in the middle of a character
    end)

    it("looks at no more bytes than it returns", function()
        local looks = 0
        debug.sethook(function() looks = looks + 1 end, "", 100)
        jit.off()
        printable.of(("\n"):rep(10 * 1024 * 1024))
        jit.on()
        debug.sethook()
        assert.is_true(looks < 10000, looks)
    end)

    it("converts values that are no text", function()
        assert.equal("nil", printable.of(nil))
        assert.equal("7", printable.of(7))
        assert.equal("a?b", printable.of(setmetatable({}, { __tostring = function() return "a\nb" end })))
        assert.equal("nil", printable.of(setmetatable({}, { __tostring = function() error("no text") end })))
    end)
end)
