local bed = require "spec.support.bed"

describe("client", function()
    local prefix = bed.key("setx")
    local key = prefix .. "k"
    local cli

    setup(function()
        cli = assert(bed.new())
    end)

    after_each(function()
        assert(cli:rmdir(prefix))
    end)

    local function read()
        local kvs = assert(cli:get(key)).body.kvs
        return kvs and kvs[1]
    end

    it("setnx writes a key only if it does not exist", function()
        local res = assert(cli:setnx(key, { 1 }))
        assert.equal(200, res.status)
        assert.is_true(res.body.succeeded)
        assert.same({ 1 }, read().value)
        res = assert(cli:setnx(key, { 2 }))
        assert.equal(200, res.status)
        assert.is_nil(res.body.succeeded)
        assert.same({ 1 }, read().value)
        assert.equal("1", read().version)
    end)

    it("setx writes a key only if it exists", function()
        local res = assert(cli:setx(key, { 1 }))
        assert.equal(200, res.status)
        assert.is_true(res.body.succeeded)
        assert.is_nil(read())
        assert(cli:set(key, { 1 }))
        res = assert(cli:setx(key, { 2 }))
        assert.is_nil(res.body.succeeded)
        assert.same({ 2 }, read().value)
    end)

    it("setnx and setx apply key_prefix, lease and prev_kv", function()
        local mine = assert(bed.new { key_prefix = prefix })
        local id = assert(cli:grant(60)).body.ID
        finally(function()
            assert(cli:revoke(id))
        end)
        assert.is_true(assert(mine:setnx("k", { 1 }, { lease = id })).body.succeeded)
        assert.equal(id, read().lease)
        local body = assert(mine:setx("k", { 2 }, { prev_kv = true })).body
        assert.same({ 1 }, body.responses[1].response_put.prev_kv.value)
        assert.equal(key, body.responses[1].response_put.prev_kv.key)
        assert.same({ 2 }, read().value)
        assert.is_nil(read().lease)
    end)
end)
