import type { Options } from "./types";

/** Types of the options. */
const KINDS: Record<string, string> = {
    decode: "function",
    validate: "function",
    transform: "function",
    index: "table",
    shared_prefix: "string",
    idle_timeout: "number",
    mode: "string",
    shm_name: "string",
    snapshot: "string",
    snapshot_interval: "number",
};

/** What is wrong with an index; nil if nothing is. */
function check_index(name: unknown, fn: unknown): Problem {
    if (typeof name !== "string") {
        return "the name of an index must be string";
    }
    return typeof fn !== "function" ? `index ${name} must be function` : undefined;
}

/** What is wrong with a number of seconds to wait; nil if nothing is. */
function check_timeout(timeout: unknown): Problem {
    const is_right = timeout === undefined || (typeof timeout === "number" && timeout === timeout);
    return is_right ? undefined : "timeout must be number of seconds";
}

/** What is wrong with the options of a mirror; nil if nothing is. */
function check(dir: string, opts: unknown): Problem {
    if (opts === undefined) {
        return undefined;
    }
    if (typeof opts !== "object") {
        return "opts must be table";
    }
    for (const [name, value] of pairs(opts as Record<string, unknown>)) {
        const kind = KINDS[tostring(name)];
        if (kind === undefined) {
            return `unknown option ${tostring(name)}`;
        }
        if (type(value) !== kind) {
            return `opts.${name} must be ${kind}`;
        }
    }
    const { index, mode, shared_prefix, idle_timeout, snapshot_interval } = opts as Options;
    for (const [name, fn] of pairs(index ?? {})) {
        const wrong = check_index(name, fn);
        if (wrong !== undefined) {
            return wrong;
        }
    }
    if (mode !== undefined && (mode as string) !== "worker" && (mode as string) !== "shared") {
        return 'opts.mode must be "worker" or "shared"';
    }
    if (mode === "shared" && (opts as Options).shm_name === undefined) {
        return 'opts.mode "shared" needs opts.shm_name';
    }
    if (snapshot_interval !== undefined && snapshot_interval <= 0) {
        return "opts.snapshot_interval must be a number of seconds";
    }
    if (shared_prefix !== undefined && string.sub(dir, 1, shared_prefix.length) !== shared_prefix) {
        return "opts.shared_prefix must be the prefix or a part of it";
    }
    return idle_timeout === undefined || idle_timeout > 0 ? undefined : "opts.idle_timeout must be a number of seconds";
}

export { check, check_index, check_timeout };
