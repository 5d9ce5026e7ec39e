-- IDs are random without a device, as in a chroot that has no /dev.
local random = require "resty.etcd.base.random"
local unique_id = require "resty.etcd.base.unique_id"

describe("unique ID", function()
    it("is random if /dev/urandom is missing", function()
        local open, below, seen, opened = io.open, random.below, {}, 0
        io.open = function(...) -- luacheck: ignore 122
            opened = opened + 1
            return nil, tostring(...) .. ": No such file or directory"
        end
        random.below = function() return 0 end -- the weaker generator
        local ids = {}
        for i = 1, 1000 do
            ids[i] = unique_id.id()
        end
        io.open, random.below = open, below -- luacheck: ignore 122
        for _, id in ipairs(ids) do
            assert.is_nil(seen[id])
            assert.is_truthy(id:find("^%d+$"))
            assert.is_true(tonumber(id) > 0 and tonumber(id) <= 2 ^ 53)
            seen[id] = true
        end
        assert.equal(0, opened)
    end)
end)
