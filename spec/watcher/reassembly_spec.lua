local reassembly = require "resty.etcd.watch.reassembly"

local MIB = 1024 * 1024

-- Adds fragments until one is rejected. Returns their number and the error.
local function add_fragments(kv, prev_kv)
    local reassembler, count = reassembly.new(1), 0
    while count < 2000 do
        count = count + 1
        local batches, problem = reassembly.add(reassembler, { fragment = true, events = { { kv = kv, prev_kv = prev_kv } } }, 1)
        if not batches then
            return count, problem
        end
    end
    return count
end

describe("fragments of a watch that never end", function()
    local long = ("x"):rep(MIB)

    local function kv(key, value)
        return { key = key, value = value, mod_revision = "2", create_revision = "2", version = "1" }
    end

    for name, fields in pairs {
        ["keys"] = { kv(long) }, ["values"] = { kv("k", long) },
        ["keys of previous kvs"] = { kv("k"), kv(long) }, ["values of previous kvs"] = { kv("k"), kv("k", long) },
    } do
        it("are an error after 512 MiB of " .. name, function()
            local count, problem = add_fragments(fields[1], fields[2])
            assert.equals("malformed reply: watch fragments exceed 512 MiB", problem)
            assert.is_true(count > 500 and count <= 513, count)
        end)
    end
end)
