import * as keys from "../protocol/keys";
import type { Message } from "../transport/transport";
import * as utils from "../utils";

/** What is wrong with a key that a caller gave; nil if nothing is. */
function check_key(key: unknown): string | undefined {
    if (typeof key !== "string") {
        return "key must be string";
    }
    return key === "" ? "key should not be empty" : undefined;
}

/** What is wrong with a method's options; nil if nothing is. */
function check_opts(opts: unknown): string | undefined {
    if (opts === undefined) {
        return undefined;
    }
    if (typeof opts !== "object") {
        return "opts must be table";
    }
    const timeout = (opts as { timeout?: unknown }).timeout;
    if (timeout !== undefined && (typeof timeout !== "number" || timeout < 0 || timeout !== timeout)) {
        return "opts.timeout must be number of seconds";
    }
    return undefined;
}

/** What is wrong with a watch's options; nil if nothing is. */
function check_watch_opts(
    opts: { start_revision?: unknown; require_leader?: unknown } | undefined,
): string | undefined {
    const wrong = check_opts(opts);
    if (wrong !== undefined) {
        return wrong;
    }
    if (opts?.require_leader !== undefined && typeof opts.require_leader !== "boolean") {
        return "require_leader must be boolean";
    }
    // some versions of etcd refuse it, others keep a watch that never tells anything
    const from = tostring(opts?.start_revision);
    return string.sub(from, 1, 1) === "-" ? "start_revision must not be negative" : undefined;
}

/**
 * A caller's `range_end` in the client's part of the key space. "\0" means to the end of that part, "" the
 * key alone.
 */
function real_range_end(prefix: string, range_end: unknown): unknown {
    if (typeof range_end !== "string" || range_end === "" || prefix === "") {
        return range_end;
    }
    return range_end === keys.ZERO ? keys.prefix_end(prefix) : utils.get_real_key(prefix, range_end);
}

/** Copies the named options that are set. */
function copy(from: object | undefined, names: readonly string[], to: Message): void {
    if (from !== undefined) {
        for (const name of names) {
            const value = (from as Record<string, unknown>)[name];
            if (value !== undefined) {
                to.set(name, value);
            }
        }
    }
}

/** Key and range end of all keys that start with `dir`. */
function prefix_range(prefix: string, dir: string): Message {
    const start = utils.get_real_key(prefix, dir);
    const request: Message = new LuaMap();
    request.set("key", start === "" ? keys.ZERO : start);
    request.set("range_end", keys.prefix_end(start));
    return request;
}

export { check_key, check_opts, check_watch_opts, copy, prefix_range, real_range_end };
