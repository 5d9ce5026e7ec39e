-- Generated from src/resty/etcd/base/gc_barrier.ts by TypeScriptToLua. Do not edit.
local _M = {}
local last_marked

--- Marks a new object for the garbage collector now, and returns it. LuaJIT re-traverses large tables atomically at the
--- end of a cycle, which takes 20 ms for 100,000 unmarked objects. Storing the object in an upvalue triggers the write
--- barrier, so it is traversed incrementally instead.
---@generic T
---@param object T
---@return T
local function mark_now(object)
    last_marked = object
    return last_marked
end
_M.mark_now = mark_now

return _M
