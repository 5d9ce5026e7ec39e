-- Generated from src/resty/etcd/base/gc_barrier.ts by TypeScriptToLua. Do not edit.
local _M = {}
local object_shown

--- Lets the garbage collector meet a new object now. It looks again at large tables at the end of its cycle, in one
--- go, and what it has not met by then it follows in the same go: for 100,000 objects that takes 20 ms and more. But an
--- object that is put into an upvalue is met at once, and followed step by step.
---@generic T
---@param object T
---@return T
local function mark_now(object)
    object_shown = object
    return object_shown
end
_M.mark_now = mark_now

return _M
