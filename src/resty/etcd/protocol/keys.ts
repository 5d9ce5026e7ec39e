import type { Message } from "./message";

const byte = string.byte;
const sub = string.sub;
const char = string.char;

/** As `range_end`: every key from `key` on. As `key`: the first key of all. */
const ZERO = "\0";

/**
 * The first key after all keys that start with `prefix`, as etcd computes it: the last byte that is
 * not 0xff is incremented and what follows it is dropped. A prefix of nothing but 0xff, and the empty
 * one, end at the end of the key space.
 */
function prefix_end(prefix: string): string {
    let last = prefix.length;
    while (last > 0 && byte(prefix, last) === 0xff) {
        last = last - 1;
    }
    return last === 0 ? ZERO : sub(prefix, 1, last - 1) + char(byte(prefix, last) + 1);
}

/** `key` behind `prefix`; both are taken as they are. */
function with_prefix(prefix: string | undefined, key: string): string {
    return typeof prefix === "string" ? prefix + key : key;
}

/**
 * A caller's `range_end` in the client's part of the key space. "\0" means to the end of that part, "" the
 * key alone.
 */
function real_range_end(prefix: string, range_end: unknown): unknown {
    if (typeof range_end !== "string" || range_end === "" || prefix === "") {
        return range_end;
    }
    return range_end === ZERO ? prefix_end(prefix) : with_prefix(prefix, range_end);
}

/** Key and range end of all keys that start with `dir`. */
function prefix_range(prefix: string, dir: string): Message {
    const start = with_prefix(prefix, dir);
    const request: Message = new LuaMap();
    request.set("key", start === "" ? ZERO : start);
    request.set("range_end", prefix_end(start));
    return request;
}

export { ZERO, prefix_end, prefix_range, real_range_end, with_prefix };
