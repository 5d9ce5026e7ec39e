import * as ffi from "ffi";

// A name of our own, so that another library's declaration of clock_gettime cannot clash with it.
ffi.cdef('int resty_etcd_clock_gettime(int clock, int32_t *out) __asm__("clock_gettime");');

const C = ffi.C;
const CLOCK_MONOTONIC = ffi.os === "OSX" ? 6 : ffi.os === "BSD" ? 4 : 1;
// two int64, seen as halves: reading an int64 would make an object of it
const buffer = ffi.new("int32_t[4]");
const LOW = ffi.abi("le") ? 0 : 1;

/**
 * Seconds of a clock that never jumps, unlike `ngx.now`, and that is read anew at each call.
 * @returns seconds since some fixed moment
 */
function now(): number {
    C.resty_etcd_clock_gettime(CLOCK_MONOTONIC, buffer);
    return buffer[LOW]! + buffer[LOW + 2]! * 1e-9;
}

export { now };
