local memory_dict = require "resty.etcd.base.memory_dict"

local function size(dict)
    local n = 0
    for _ in pairs(dict.values) do
        n = n + 1
    end
    return n
end

describe("memory_dict", function()
    it("removes expired keys, so that former hosts do not accumulate", function()
        local dict = memory_dict.new()
        dict:set("kept", 1)
        dict:set("young", 2, 60)
        for i = 1, 1000 do
            dict:set("host " .. i, i, 0)
        end
        assert.is_true(size(dict) <= 102)
        assert.equal(1, (dict:get("kept")))
        assert.equal(2, (dict:get("young")))
        assert.is_nil((dict:get("host 1000")))
    end)

    it("adds a key only if it does not exist or has expired", function()
        local dict = memory_dict.new()
        assert.is_true((dict:safe_add("k", 1, 60)))
        assert.is_false((dict:safe_add("k", 2)))
        assert.equal(1, (dict:get("k")))
        dict:set("k", 2, 0.01)
        ngx.sleep(0.02)
        assert.is_nil((dict:get("k")))
        assert.is_true((dict:safe_add("k", 3)))
        assert.equal(3, (dict:get("k")))
        dict:delete("k")
        assert.is_nil((dict:get("k")))
    end)
end)
