import type { Message } from "./message";

const byte = string.byte;
const sub = string.sub;
const char = string.char;

/** As `range_end`: no upper end. As `key`: the first key of the key space. */
const ZERO = "\0";

/**
 * Returns the first key after all keys that start with `prefix`, as etcd computes it: the last byte that is not 0xff is
 * incremented, and the bytes after it are dropped. For the empty prefix, and for one that consists of 0xff only, that is
 * the end of the key space.
 */
function prefix_end(prefix: string): string {
    let last = prefix.length;
    while (last > 0 && byte(prefix, last) === 0xff) {
        last = last - 1;
    }
    return last === 0 ? ZERO : sub(prefix, 1, last - 1) + char(byte(prefix, last) + 1);
}

/** Returns `key` prepended with the client's `prefix`, without adding a separator. */
function with_prefix(prefix: string | undefined, key: string): string {
    return typeof prefix === "string" ? prefix + key : key;
}

/**
 * Converts a caller's `range_end`, which is relative to the client's prefix, to that of the request. "\0" means the end of
 * the keys below the prefix, "" a single key.
 */
function real_range_end(prefix: string, range_end: unknown): unknown {
    if (typeof range_end !== "string" || range_end === "" || prefix === "") {
        return range_end;
    }
    return range_end === ZERO ? prefix_end(prefix) : with_prefix(prefix, range_end);
}

/** Returns `key` and `range_end` of the range of all keys that start with `dir`. */
function prefix_range(prefix: string, dir: string): Message {
    const start = with_prefix(prefix, dir);
    const request: Message = new LuaMap();
    request.set("key", start === "" ? ZERO : start);
    request.set("range_end", prefix_end(start));
    return request;
}

export { ZERO, prefix_end, prefix_range, real_range_end, with_prefix };
