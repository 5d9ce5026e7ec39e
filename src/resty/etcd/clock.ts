import * as ffi from "ffi";

// A name of our own, so that another library's declaration of clock_gettime cannot clash with it.
ffi.cdef('int resty_etcd_clock_gettime(int clock, int64_t *out) __asm__("clock_gettime");');

const C = ffi.C;
const CLOCK_MONOTONIC = ffi.os === "OSX" ? 6 : ffi.os === "BSD" ? 4 : 1;
const buffer = ffi.new("int64_t[2]");

/**
 * Seconds of a clock that never jumps, unlike `ngx.now`, and that is read anew at each call.
 * @returns seconds since some fixed moment
 */
function now(): number {
    C.resty_etcd_clock_gettime(CLOCK_MONOTONIC, buffer);
    return tonumber(buffer[0])! + tonumber(buffer[1])! * 1e-9;
}

export { now };
