-- Cost of the guard around the methods of clients (protocol/guarded_methods): nanoseconds per call of a method that does
-- nothing, with and without it.
--   tools/resty-run bench/guarded_methods.lua
local clock = require "resty.etcd.base.clock"
local guarded_methods = require "resty.etcd.protocol.guarded_methods"

local CALLS, ROUNDS = 20000000, 5

local plain = {}
function plain.get(self, key, opts)
    return self.core, key, opts
end
local guarded = guarded_methods.new({ get = plain.get }, "core")

-- Returns the nanoseconds of one call: the least of several rounds.
local function measure(methods, calls)
    local object, opts, least = setmetatable({ core = 1 }, { __index = methods }), {}, math.huge
    for _ = 1, ROUNDS do
        local started, sum = clock.now(), 0
        for i = 1, calls do
            local core, key = object:get(i, opts)
            sum = sum + core + key
        end
        least = math.min(least, clock.now() - started)
        assert(sum > 0)
    end
    return least / calls * 1e9
end

for _, mode in ipairs { "compiled", "interpreted" } do
    local calls = CALLS
    if mode == "interpreted" then
        jit.off()
        jit.flush()
        calls = CALLS / 10
    end
    local without, with = measure(plain, calls), measure(guarded, calls)
    print(("%s: %.1f ns per call without the guard, %.1f ns with it: %.1f ns"):format(mode, without, with, with - without))
end
