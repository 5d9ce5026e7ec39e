-- The settings of cjson hold for all programs of a worker: those of the driver's instance must not depend on them.
local bed = require "spec.support.bed"
local cjson = require "cjson.safe"
local discovery = require "resty.etcd.discovery"

local SETTINGS = {
    { "decode_max_depth", 1, 1000 },
    { "encode_max_depth", 1, 1000 },
    { "encode_number_precision", 1, 14 },
    { "decode_invalid_numbers", false, true },
    { "encode_escape_forward_slash", false, true },
    { "decode_array_with_array_mt", true, false },
}

describe("settings of the shared cjson", function()
    it("affect no reply of etcd, and no instance of service discovery", function()
        local cli = assert(bed.new { key_prefix = bed.key("private_cjson"), serializer = "raw" })
        finally(function()
            for _, setting in ipairs(SETTINGS) do
                if cjson[setting[1]] then
                    cjson[setting[1]](setting[3])
                end
            end
            assert(cli:rmdir("/"))
        end)
        local found = assert(discovery.new(cli))
        assert(found:wait_ready(3))
        local watch = assert(cli:watcher("/", { prefix = true }))
        for _, setting in ipairs(SETTINGS) do
            if cjson[setting[1]] then
                cjson[setting[1]](setting[2])
            end
        end
        local res = assert(cli:txn(
            { { key = "/a", target = "CREATE", create_revision = "0" } },
            { { requestPut = { key = "/a", value = "1" } }, { requestTxn = { success = { { requestRange = { key = "/a" } } } } } }
        ))
        assert.equal("1", res.body.responses[2].response_txn.responses[1].response_range.kvs[1].value)
        local batch = assert(watch:next(3))
        assert.equal("/a", batch.events[1].key or batch.events[1].kv.key)
        assert.equal(200, cli:get("/a").status)
        local put = cli:set("/services/web/1", '{"host":"10.0.0.1","port":80,"meta":{"a":{"b":{"c":[1]}}}}')
        assert(found.mirror:wait_revision(put.body.header.revision, 3))
        assert.equal(1, found:peers("web")[1].meta.a.b.c[1])
        watch:close()
        found:close()
    end)
end)
