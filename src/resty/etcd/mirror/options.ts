import type { OptionRule, OptionTable } from "../base/checks";
import * as checks from "../base/checks";
import * as serializers from "../serializers/serializer";
import type { Options } from "./types";

const sub = string.sub;

/** Checks an index. Returns an error text, or nil. */
function check_index(name: unknown, fn: unknown): Problem {
    if (typeof name !== "string") {
        return "the name of an index must be string";
    }
    return typeof fn !== "function" ? `index ${name} must be function` : undefined;
}

function check_indexes(this: void, value: unknown): Problem {
    for (const [name, fn] of pairs(value as Record<string, unknown>)) {
        const problem = check_index(name, fn);
        if (problem !== undefined) {
            return problem;
        }
    }
    return undefined;
}

const RULES: readonly OptionRule[] = [
    { name: "decode", type: "function" },
    { name: "serializer", check: serializers.check },
    { name: "validate", type: "function" },
    { name: "transform", type: "function" },
    { name: "index", type: "table", check: check_indexes },
    { name: "shared_prefix", type: "string" },
    { name: "idle_timeout", type: "number", above: 0, expected: "a number of seconds" },
    { name: "mode", values: ["worker", "shared"] },
    { name: "shm_name", type: "string" },
    { name: "snapshot", type: "string" },
    { name: "snapshot_interval", type: "number", above: 0, expected: "a number of seconds" },
];
const OPTIONS: OptionTable = { rules: RULES };

/** Checks the options of a mirror. Returns an error text, or nil. */
function check(dir: string, opts: unknown): Problem {
    const problem = checks.check_options(opts, OPTIONS);
    if (problem !== undefined || opts === undefined) {
        return problem;
    }
    const { decode, mode, serializer, shared_prefix, shm_name } = opts as Options;
    if (decode !== undefined && serializer !== undefined) {
        return "opts.decode and opts.serializer exclude each other";
    }
    if (mode === "shared" && shm_name === undefined) {
        return 'opts.mode "shared" needs opts.shm_name';
    }
    if (shared_prefix !== undefined && sub(dir, 1, shared_prefix.length) !== shared_prefix) {
        return "opts.shared_prefix must be the prefix or a part of it";
    }
    return undefined;
}

const ON_CHANGE_OPTIONS: OptionTable = { rules: [{ name: "initial", type: "boolean" }] };

/** Checks the arguments of `on_change`. Returns an error text, or nil. */
function check_on_change(fn: unknown, opts: unknown): Problem {
    if (typeof fn !== "function") {
        return "callback must be function";
    }
    return checks.check_options(opts, ON_CHANGE_OPTIONS);
}

const check_timeout = checks.check_timeout;

export { RULES, check, check_index, check_on_change, check_timeout };
