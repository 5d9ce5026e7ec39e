-- Decoding, validation and transformation of items, with a scripted feed.
local scripted = require "spec.support.scripted_feed"

describe("mirror item", function()
    local feed, m, call_count, lines
    local log = ngx.log

    local function start(opts)
        feed, call_count, lines = scripted.new(), 0, {}
        m = assert(feed:mirror("/a/", opts))
        m:on_change(function() call_count = call_count + 1 end)
        ngx.log = function(_, ...) -- luacheck: ignore 122
            lines[#lines + 1] = table.concat { ... }
        end
    end

    after_each(function()
        ngx.log = log -- luacheck: ignore 122
        m:close()
    end)

    it("is decoded by the option serializer instead of the client's serializer", function()
        start { serializer = "json_exact" }
        feed:full(10, { "/a/1", '{"id":9007199254740991,"list":[]}', 3 }, { "/a/2", '{"id":9007199254740993}', 4 })
        scripted.at(m, 10)
        local document = m:get("/a/1")
        assert.equal('{"id":9007199254740991,"list":[]}', require("resty.etcd.serializers.json_exact").serialize(document))
        assert.equal("decode: $.id: the number is beyond 2^53, and not exact", m:invalid()["/a/2"].err)
        m:close()
        start { serializer = "raw" }
        feed:full(10, { "/a/1", "no JSON", 3 })
        scripted.at(m, 10)
        assert.equal("no JSON", (m:get("/a/1")))
        m:close()
        start { serializer = { serialize = tostring, deserialize = string.upper } }
        feed:full(10, { "/a/1", "text", 3 })
        scripted.at(m, 10)
        assert.equal("TEXT", (m:get("/a/1")))
    end)

    it("passes decode, validate and transform, once per change", function()
        local steps = {}
        start {
            decode = function(bytes, kv)
                steps[#steps + 1] = "decode " .. bytes .. " of " .. kv.key
                return { n = tonumber(bytes) }
            end,
            validate = function(value, key)
                steps[#steps + 1] = "validate " .. value.n .. " of " .. key
                return true
            end,
            transform = function(value, kv)
                steps[#steps + 1] = "transform " .. value.n .. " of " .. kv.mod_revision
                return value.n + 1
            end,
        }
        feed:full(10, { "/a/1", "5", 3 })
        feed:full(11, { "/a/1", "5", 3 })
        scripted.at(m, 11)
        assert.equal(6, m:get("/a/1"))
        assert.same({ "decode 5 of /a/1", "validate 5 of /a/1", "transform 5 of 3" }, steps)
    end)

    local function reject(bytes)
        if bytes == "throw" then
            error("thrown", 0)
        end
        return bytes ~= "bad" and bytes or nil, "said"
    end
    for name, opts in pairs {
        decode = { decode = reject },
        validate = { decode = function(bytes) return bytes end, validate = reject },
        transform = { decode = function(bytes) return bytes end, transform = reject },
    } do
        it("keeps its last good value and is reported if " .. name .. " rejects it", function()
            start(opts)
            feed:full(10, { "/a/1", "good", 3 }, { "/a/2", "bad", 4 })
            feed:put(11, "/a/1", "throw", 3)
            scripted.at(m, 11)
            assert.equal("good", m:get("/a/1"))
            assert.equal("3", select(2, m:get("/a/1")).mod_revision)
            assert.is_nil((m:get("/a/2")))
            assert.same({
                ["/a/1"] = { err = name .. ": thrown", create_revision = "3", mod_revision = "11" },
                ["/a/2"] = { err = name .. ": said", create_revision = "4", mod_revision = "4" },
            }, m:invalid())
            assert.equal(2, m:state().invalid)
            assert.equal(1, m:version())
            assert.equal(1, call_count)
            assert.same({
                "mirror of /a/: invalid item: /a/2: " .. name .. ": said",
                "mirror of /a/: invalid item: /a/1: " .. name .. ": thrown",
            }, lines)
        end)
    end

    it("is invalid if the default serializer cannot decode it", function()
        start()
        feed:full(10, { "/a/1", "{", 3 }, { "/a/2", "", 3 }, { "/a/3", "null", 3 })
        scripted.at(m, 10)
        assert.is_truthy(m:invalid()["/a/1"].err:find("^decode: "))
        assert.is_truthy(m:invalid()["/a/2"].err:find("^decode: "))
        assert.equal(require "cjson".null, m:get("/a/3"))
    end)

    it("is no longer reported as invalid after it is fixed or deleted", function()
        start()
        feed:full(10, { "/a/1", "{", 3 }, { "/a/2", "{", 4 })
        feed:put(11, "/a/1", "1", 3)
        feed:delete(12, "/a/2")
        scripted.at(m, 12)
        assert.same({}, m:invalid())
        assert.equal(1, m:get("/a/1"))
        assert.equal(2, m:version()) -- the deleted item was never visible: no change
    end)

    it("is neither decoded nor logged again by a full state if it is still invalid", function()
        start()
        feed:full(10, { "/a/1", "1", 3 }, { "/a/2", "{", 4 })
        feed:put(11, "/a/1", "{", 3)
        feed:state("compacted", 12, { "/a/1", "{", 11, 3 }, { "/a/2", "{", 4 })
        scripted.at(m, 12)
        assert.equal(1, m:get("/a/1"))
        assert.equal(2, #lines)
        assert.equal(2, m:stats().invalid)
        assert.equal("11", m:invalid()["/a/1"].mod_revision)
        assert.equal("4", m:invalid()["/a/2"].mod_revision)
        feed:state("compacted", 13, { "/a/2", "2", 13, 4 })
        scripted.at(m, 13)
        assert.same({}, m:invalid())
        assert.equal("/a/2", scripted.keys(m:all()))
    end)

    it("loses its old value if it was deleted and created again with an invalid value", function()
        start()
        feed:full(10, { "/a/1", "1", 3 }, { "/a/2", "2", 3 })
        feed:state("compacted", 12, { "/a/1", "{", 11, 11 }, { "/a/2", "{", 12, 3 })
        scripted.at(m, 12)
        assert.is_nil((m:get("/a/1")))
        assert.equal(2, m:get("/a/2"))
        feed:delete(13, "/a/2")
        feed:put(14, "/a/2", "{")
        scripted.at(m, 14)
        assert.is_nil((m:get("/a/2")))
        assert.equal("14", m:invalid()["/a/2"].mod_revision)
    end)

    it("is logged in one line without its value, at a limited rate", function()
        start { decode = function() return nil, "bad\nline" end }
        local items = {}
        for i = 1, 1000 do
            items[i] = { ("/a/%04d"):format(i), "secret", 3 }
        end
        feed:full(10, unpack(items))
        scripted.at(m, 10)
        assert.equal(1000, m:stats().invalid)
        assert.equal("mirror of /a/: invalid item: /a/0001: decode: bad?line", lines[1])
        assert.is_true(#lines >= 20 and #lines <= 25)
        m.log.tokens = 1
        feed:put(11, "/a/0001", "secret")
        scripted.at(m, 11)
        assert.is_truthy(lines[#lines]:find("%(and 9%d%d others%)$"))
    end)

    it("is invalid if decode throws an object whose __tostring throws", function()
        local thrower = setmetatable({}, { __tostring = function() error("no") end })
        start { decode = function() error(thrower) end }
        feed:full(10, { "/a/1", "1", 3 })
        scripted.at(m, 10)
        assert.equal("decode: no value", m:invalid()["/a/1"].err)
    end)
end)
