import * as ffi from "ffi";
import * as random from "./random";

// a private name, so that declarations of the same function in other libraries do not conflict
ffi.cdef('long resty_etcd_getrandom(void *buffer, size_t length, unsigned int flags) __asm__("getrandom");');

const byte = string.byte;
const format = string.format;
const C = ffi.C;

/** Returns EAGAIN instead of waiting for the kernel to collect entropy, which can take minutes after a boot. */
const GRND_NONBLOCK = 1;

/** Returns at most 16 random bytes of the kernel, or nil if it has none yet. Raises an error if the C library lacks the function. */
function from_kernel(this: void, n: number): string | undefined {
    const buffer = ffi.new("char[16]");
    const length = tonumber(C.resty_etcd_getrandom(buffer, n, GRND_NONBLOCK));
    return length === n ? ffi.string(buffer, n) : undefined;
}

/**
 * Returns random bytes of the system: of getrandom, which needs no file, as in a bare chroot; or of the device, where the C
 * library is older than glibc 2.25. Without either, returns those of a weaker generator.
 */
function bytes(n: number): string {
    const [ok, random_bytes] = protected_call(from_kernel, n);
    if (ok && random_bytes !== undefined) {
        return random_bytes as string;
    }
    const [file] = io.open("/dev/urandom", "rb");
    if (file !== undefined) {
        const text: string | undefined = file.read(n);
        file.close();
        if (text !== undefined && text.length === n) {
            return text;
        }
    }
    let text = "";
    for (const _ of $range(1, n)) {
        text = text + string.char(random.below(256));
    }
    return text;
}

/** Returns a positive number of 52 random bits as decimal text: unique, and exact as a Lua number. */
function id(): string {
    const text = bytes(7);
    let value = (byte(text, 1) % 16) + 1;
    for (const i of $range(2, 7)) {
        value = value * 256 + byte(text, i);
    }
    return format("%d", value);
}

export { id };
