import type { Message } from "../protocol/message";

/** Options of a range read that are fields of its request. */
const RANGE_OPTIONS = [
    "revision",
    "limit",
    "sort_order",
    "sort_target",
    "serializable",
    "keys_only",
    "count_only",
    "min_mod_revision",
    "max_mod_revision",
    "min_create_revision",
    "max_create_revision",
];

/** Checks the options that only watches have. Returns an error text, or nil if they are valid. */
function check_watch_opts(opts: { start_revision?: unknown; require_leader?: unknown } | undefined): Problem {
    if (opts?.require_leader !== undefined && typeof opts.require_leader !== "boolean") {
        return "require_leader must be boolean";
    }
    // some versions of etcd reject a negative revision, others create a watch that never delivers an event
    const from = tostring(opts?.start_revision);
    return string.sub(from, 1, 1) === "-" ? "start_revision must not be negative" : undefined;
}

/** Copies the named options that are not nil into a request. */
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

export { check_watch_opts, copy, RANGE_OPTIONS };
