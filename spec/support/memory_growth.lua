-- Memory that remains after each of many steps, such as probes and renewals.
local clock = require "resty.etcd.base.clock"
local ffi = require "ffi"
local resource_usage = require "spec.support.resource_usage"

local M = {}

ffi.cdef [[
    struct resty_etcd_mallinfo2 {
        size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
    };
    struct resty_etcd_mallinfo2 resty_etcd_mallinfo2(void) __asm__("mallinfo2");
]]

-- Returns the bytes of live Lua objects, and those that malloc has given out, which include the pools of nginx's timers.
function M.memory()
    local lua = resource_usage.lua_memory() * 1024
    local info = ffi.C.resty_etcd_mallinfo2()
    return lua, tonumber(info.uordblks) + tonumber(info.hblkhd)
end

function M.wait_for(seconds, condition)
    local stop = clock.now() + seconds
    while not condition() do
        assert(clock.now() < stop, "the condition did not hold in time")
        ngx.sleep(0.02)
    end
end

-- Returns the least memory while a counter advances by `count`: timers are replaced several times meanwhile.
local function least_memory(counter, count)
    local last = counter() + count
    local least_lua, least_malloc = math.huge, math.huge
    while counter() < last do
        ngx.sleep(0.25) -- full collections take most of the time of more frequent looks
        local lua, malloc = M.memory()
        least_lua, least_malloc = math.min(least_lua, lua), math.min(least_malloc, malloc)
    end
    return least_lua, least_malloc
end

-- Returns the bytes that remain after each step that `counter` counts: of Lua objects, and of malloc. Memory varies with the
-- calls in progress and with idle connections, but only growth makes each of the last windows exceed all first ones.
function M.per_step(counter, count)
    least_memory(counter, count)
    local lua, malloc, lua_after, malloc_after = 0, 0, math.huge, math.huge
    for _ = 1, 3 do
        local least_lua, least_malloc = least_memory(counter, count)
        lua, malloc = math.max(lua, least_lua), math.max(malloc, least_malloc)
    end
    for _ = 1, 3 do
        local least_lua, least_malloc = least_memory(counter, count)
        lua_after, malloc_after = math.min(lua_after, least_lua), math.min(malloc_after, least_malloc)
    end
    local steps = 3 * count -- between the middles of both groups
    return (lua_after - lua) / steps, (malloc_after - malloc) / steps
end

return M
