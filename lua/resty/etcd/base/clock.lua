-- Generated from src/resty/etcd/base/clock.ts by TypeScriptToLua. Do not edit.
local _M = {}
local ffi = require("ffi")
ffi.cdef("int resty_etcd_clock_gettime(int clock, int32_t *out) __asm__(\"clock_gettime\");")
local C = ffi.C
local CLOCK_MONOTONIC = ffi.os == "OSX" and 6 or (ffi.os == "BSD" and 4 or 1)
local buffer = ffi.new("int32_t[4]")
local LOW = ffi.abi("le") and 0 or 1

--- Returns the monotonic time in seconds since an arbitrary start. Unlike `ngx.now`, it never jumps and is not cached per
--- event loop iteration.
---@return number
local function now()
    C.resty_etcd_clock_gettime(CLOCK_MONOTONIC, buffer)
    return buffer[LOW] + buffer[LOW + 2] * 1e-9
end
_M.now = now

return _M
