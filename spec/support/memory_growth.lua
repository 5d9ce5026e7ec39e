-- Bytes that remain after each of many steps, such as probes and renewals.
--
-- The steps are made in rounds. Between two rounds no call is in progress, so that the memory differs by what the steps have
-- left: on a real etcd by 2 KB of several MB. While calls are in progress it varies by 300 KB.
--
-- Every other round also leaks a known number of bytes. The memory must grow by it in these rounds: this shows, in each
-- run, that a leak of that size would be found.
local bed = require "spec.support.bed"
local clock = require "resty.etcd.base.clock"
local ffi = require "ffi"
local http1 = require "resty.etcd.transport.http.http1"
local new_table = require "table.new"
local resource_usage = require "spec.support.resource_usage"
local semaphore = require "ngx.semaphore"
local timer_supervisor = require "resty.etcd.base.timer_supervisor"

local M = {}

ffi.cdef [[
    struct resty_etcd_mallinfo2 {
        size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
    };
    struct resty_etcd_mallinfo2 resty_etcd_mallinfo2(void) __asm__("mallinfo2");
    void *malloc(size_t);
    void free(void *);
]]

-- Rounds before the measurement: pools of connections and LuaJIT's buffers get their sizes.
local WARM_UP = 3
-- Measured rounds of each kind.
local ROUNDS = 5
-- Bytes that one leaked object takes of Lua and of malloc: a string with its header of 24 bytes, and a block with its size.
local OBJECT, STRING, BLOCK = 64, 39, 56

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

-- Replaces a function of a table, which `n` objects call again and again, by one that waits until the next round. Methods:
-- `make_steps` lets the waiting calls pass, and waits until all objects call again; `restore`.
function M.gate(object, name, n)
    local original, is_open, waiting = object[name], false, 0
    local signal = semaphore.new(0)
    local self = {}
    object[name] = function(...)
        if not is_open then
            waiting = waiting + 1
            local ok, err = signal:wait(600)
            assert(ok or is_open, err)
        end
        return original(...)
    end
    local function release()
        if waiting > 0 then
            signal:post(waiting)
            waiting = 0
        end
    end
    function self.make_steps()
        release()
        M.wait_for(60, function() return waiting == n end)
    end
    function self.restore()
        object[name], is_open = original, true
        release()
    end
    return self
end

local function median(list)
    table.sort(list)
    return list[math.ceil(#list / 2)]
end

-- Empties the cache of response heads. It holds up to 64, and gets another one in each second.
local function forget_heads()
    local function replace(fn)
        for i = 1, debug.getinfo(fn, "u").nups do
            local name, value = debug.getupvalue(fn, i)
            if name == "parsed_heads" then
                debug.setupvalue(fn, i, {})
            elseif name == "remember" then
                replace(value)
            end
        end
    end
    replace(http1.read_head)
end

-- Returns the bytes that remain after each step, of Lua objects and of malloc, and the same for rounds with a leak of
-- `leak` bytes of each kind for each step. `make_steps` makes `steps` steps, and returns when no call is in progress.
local function per_step(make_steps, steps, leak)
    local objects = math.ceil(steps * leak / OBJECT)
    local strings, blocks, leaked = new_table(objects * ROUNDS, 0), new_table(objects * ROUNDS, 0), 0
    local function leak_once()
        for _ = 1, objects do
            leaked = leaked + 1
            strings[leaked] = ("%0" .. STRING .. "d"):format(leaked)
            blocks[leaked] = tonumber(ffi.cast("uintptr_t", ffi.C.malloc(BLOCK)))
        end
    end
    local last_lua, last_malloc
    local function round()
        make_steps()
        ngx.sleep(0.2) -- timers whose turns have ended are replaced
        forget_heads()
        local lua, malloc = M.memory()
        local by_lua, by_malloc = lua - (last_lua or lua), malloc - (last_malloc or malloc)
        last_lua, last_malloc = lua, malloc
        return by_lua / steps, by_malloc / steps
    end
    for _ = 1, WARM_UP do
        round()
    end
    local lua, malloc, lua_with_leak, malloc_with_leak = {}, {}, {}, {}
    for i = 1, ROUNDS do
        lua[i], malloc[i] = round()
        leak_once()
        lua_with_leak[i], malloc_with_leak[i] = round()
    end
    for i = 1, leaked do
        ffi.C.free(ffi.cast("void *", blocks[i]))
    end
    return median(lua), median(malloc), median(lua_with_leak), median(malloc_with_leak)
end

-- Asserts that less than `bound` bytes remain after each step, and that a leak of the double is found in the same way.
function M.assert_below(bound, what, make_steps, steps)
    local lua, malloc, lua_with_leak, malloc_with_leak = per_step(make_steps, steps, 2 * bound)
    print(("growth per %s: %.1f bytes of Lua, %.1f of malloc; with a leak of %.1f bytes: %.1f, %.1f")
        :format(what, lua, malloc, 2 * bound, lua_with_leak, malloc_with_leak))
    assert(lua < bound and malloc < bound, "the memory grows")
    assert(lua_with_leak > bound and malloc_with_leak > bound, "a leak would not be found")
end

-- What the specs of growth use: objects that are closed, and whose keys are removed, at the end of a test. Register `open`
-- with before_each and `close` with after_each.
function M.new_objects()
    local self, list = { dir = bed.key("growth") }, {}
    function self.keep(object)
        list[#list + 1] = assert(object)
        return object
    end
    -- Returns a client. One slow response of a busy etcd must not ban the only endpoint. The pool of idle connections
    -- would grow with the most calls at a time, which follow from the load of the machine.
    function self.new_client()
        return assert(bed.new { timeout = 10, keepalive_pool = 1, health = { max_fails = 1e6 } })
    end
    function self.open()
        list = {}
    end
    function self.close()
        for _, object in ipairs(list) do
            object:close()
        end
        assert(self.new_client():rmdir(self.dir))
    end
    return self
end

-- Makes the memory of this worker comparable: each timer is replaced after its turn, and no code is compiled, because
-- that is memory, too. Returns a function that restores both.
function M.steady()
    local pool = timer_supervisor.pool_of("short")
    local max_leftovers = pool.max_leftovers
    pool.max_leftovers = 1
    jit.off()
    jit.flush()
    return function()
        pool.max_leftovers = max_leftovers
        jit.on()
    end
end

return M
