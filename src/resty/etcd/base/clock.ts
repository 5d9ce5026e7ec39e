import * as ffi from "ffi";

// Declared under a private name: LuaJIT rejects a second, different declaration of clock_gettime by another library.
ffi.cdef('int resty_etcd_clock_gettime(int clock, int32_t *out) __asm__("clock_gettime");');

const C = ffi.C;
const CLOCK_MONOTONIC = ffi.os === "OSX" ? 6 : ffi.os === "BSD" ? 4 : 1;
// a struct of two int64, declared as int32 halves: reading an int64 allocates a cdata object
const buffer = ffi.new("int32_t[4]");
const LOW = ffi.abi("le") ? 0 : 1;

/**
 * Returns the monotonic time in seconds since an arbitrary start. Unlike `ngx.now`, it never jumps and is not cached per
 * event loop iteration.
 */
function now(): number {
    C.resty_etcd_clock_gettime(CLOCK_MONOTONIC, buffer);
    return buffer[LOW]! + buffer[LOW + 2]! * 1e-9;
}

export { now };
