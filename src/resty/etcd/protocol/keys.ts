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

export { ZERO, prefix_end };
