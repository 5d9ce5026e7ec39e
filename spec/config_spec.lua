-- The configuration centre: documents by name, of a real etcd.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.clock"
local config = require "resty.etcd.config"
local scripted = require "spec.support.scripted"

describe("the configuration centre", function()
    local cli, dir, conf

    before_each(function()
        dir = bed.key("config")
        cli = assert(bed.new { key_prefix = dir })
        conf = assert(config.new(cli, "/conf/"))
    end)

    after_each(function()
        conf:close()
        assert(bed.new():rmdir(dir))
    end)

    local function put(...)
        local revision = assert(conf:put(...))
        scripted.at(conf.mirror, tonumber(revision))
        return revision
    end

    it("gives documents with their revisions", function()
        local none, why = conf:get("limits")
        assert.is_nil(none)
        assert.equal("not ready", why)
        assert(conf:wait_ready(3))
        none, why = conf:get("limits")
        assert.is_nil(none)
        assert.is_nil(why)
        local revision = put("limits", { rate = 5 })
        local document, at = conf:get("limits")
        assert.same({ rate = 5 }, document)
        assert.equal(revision, at)
        assert.same({ rate = 5 }, cli:get("/conf/limits").body.kvs[1].value)
    end)

    it("writes only over the revision that was read", function()
        assert(conf:wait_ready(3))
        local first = assert(conf:put("limits", 1, { if_revision = 0 }))
        local again, err = conf:put("limits", 2, { if_revision = 0 })
        assert.is_nil(again)
        assert.equal("conflict", err.name)
        assert.equal("the document is not at revision 0", tostring(err))
        local second = assert(conf:put("limits", 2, { if_revision = first }))
        again, err = conf:put("limits", 3, { if_revision = tonumber(first) })
        assert.is_nil(again)
        assert.equal("conflict", err.name)
        scripted.at(conf.mirror, tonumber(second))
        assert.equal(2, (conf:get("limits")))
    end)

    it("tells of changes of one document, and of its end", function()
        assert(conf:wait_ready(3))
        local told = {}
        local cancel = assert(conf:watch("limits", function(document, revision)
            told[#told + 1] = { document, revision }
        end))
        put("others", 1)
        local first = put("limits", 1)
        cli:delete("/conf/limits")
        local stop = clock.now() + 3
        while #told < 2 and clock.now() < stop do
            ngx.sleep(0.005)
        end
        assert.same({ { 1, first }, {} }, told)
        cancel()
        put("limits", 2)
        ngx.sleep(0.02)
        assert.equal(2, #told)
    end)

    it("reads a document as it was", function()
        local first = assert(conf:put("limits", { n = 1 }))
        local second = assert(conf:put("limits", { n = 2 }))
        local document, at = conf:history("limits", first)
        assert.equal(1, document.n)
        assert.equal(first, at)
        assert.equal(2, conf:history("limits", tonumber(second)).n)
        local none, why = conf:history("limits", tonumber(first) - 1)
        assert.is_nil(none)
        assert.is_nil(why)
        local _, err = conf:history("limits", tonumber(second) + 1000000)
        assert.equal("out_of_range", err.name)
    end)

    it("says what is wrong with a call", function()
        local function name_of(_, err)
            return err.name .. ": " .. tostring(err)
        end
        assert.equal("bad_request: key should not be empty", name_of(conf:put("", 1)))
        assert.equal("bad_request: key must be string", name_of(conf:put(nil, 1)))
        assert.equal("bad_request: opts must be table", name_of(conf:put("a", 1, 5)))
        assert.equal("bad_request: opts.if_revision must be a revision", name_of(conf:put("a", 1, { if_revision = "x" })))
        assert.is_truthy(name_of(conf:put("a", print)):find("^bad_request: "))
        assert.equal("bad_request: revision must be a revision", name_of(conf:history("a", "x")))
        assert.equal("callback must be function", select(2, conf:watch("a")))
        assert.equal("unknown option x", select(2, config.new(cli, "/conf/", { x = 1 })))
    end)
end)
