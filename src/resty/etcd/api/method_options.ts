import type { OptionTable } from "../base/checks";
import * as checks from "../base/checks";
import * as foreign_options from "../base/foreign_options";
import type { Habit, KnownOptions } from "../base/foreign_options";
import * as warn_once from "../base/warn_once";
import * as request_options from "./request_options";

/** Greatest timeout in seconds that is not logged: who writes more often means milliseconds. */
const LONG_TIMEOUT = 600;
/** The same for watches, whose timeout is the time without a byte. */
const LONG_WATCH_TIMEOUT = 3600;

const USE_REVISION: Habit = ["use revision", "revision"];
const USE_START: Habit = ["use start_revision", "start_revision"];
const USE_PREV_KV: Habit = ["use prev_kv", "prev_kv"];
const USE_READDIR: Habit = ["use readdir"];
const USE_RMDIR: Habit = ["use rmdir"];
const USE_WATCHDIR: Habit = ["use watchdir"];
const USE_TXN: Habit = ["compare in a txn, or use setnx or setx"];

const RANGE_HABITS: Record<string, Habit> = {
    rev: USE_REVISION,
    sort: ["use sort_order and sort_target", "sort_order"],
    order: ["use sort_order", "sort_order"],
    quorum: ["reads are linearizable, unless serializable is set", "serializable"],
    consistent: ["reads are linearizable, unless serializable is set", "serializable"],
    linearizable: ["reads are linearizable, unless serializable is set", "serializable"],
    consistency: ["reads are linearizable, unless serializable is set", "serializable"],
    wait: ["use watch"],
};
const PUT_HABITS: Record<string, Habit> = {
    ttl: ["grant a lease, and pass its ID as lease", "lease"],
    lease_id: ["use lease", "lease"],
    leaseid: ["use lease", "lease"],
    prevExist: USE_TXN,
    prevIndex: USE_TXN,
    prevValue: USE_TXN,
    mod_revision: USE_TXN,
    return_prev: USE_PREV_KV,
};
const WATCH_HABITS: Record<string, Habit> = {
    revision: USE_START,
    rev: USE_START,
    waitIndex: USE_START,
    from: USE_START,
    filter: ["use filters", "filters"],
};
const DELETE_HABITS: Record<string, Habit> = {
    return_prev: USE_PREV_KV,
    prevIndex: ["compare in a txn"],
    prevValue: ["compare in a txn"],
};
const PUT_OPTIONS = ["timeout", "lease", "prev_kv", "ignore_value", "ignore_lease", "idempotent"];
const WATCH_OPTIONS = [
    "timeout",
    "start_revision",
    "progress_notify",
    "filters",
    "prev_kv",
    "watch_id",
    "fragment",
    "need_cancel",
    "require_leader",
];

/** Returns a copy of `habits` with the same advice for the ways to ask for a prefix. */
function with_prefix(habits: Record<string, Habit>, advice: Habit): Record<string, Habit> {
    const all: Record<string, Habit> = { prefix: advice, recursive: advice, dir: advice };
    for (const [name, habit] of pairs(habits)) {
        all[name] = habit;
    }
    return all;
}

/** Methods whose options have a past: other fields are accepted. */
const METHODS = {
    get: foreign_options.new(
        "get",
        with_prefix(RANGE_HABITS, USE_READDIR),
        ["timeout", "range_end"],
        request_options.RANGE_OPTIONS,
    ),
    readdir: foreign_options.new("readdir", RANGE_HABITS, ["timeout"], request_options.RANGE_OPTIONS),
    set: foreign_options.new("set", PUT_HABITS, PUT_OPTIONS),
    setnx: foreign_options.new("setnx", PUT_HABITS, PUT_OPTIONS),
    setx: foreign_options.new("setx", PUT_HABITS, PUT_OPTIONS),
    delete: foreign_options.new("delete", with_prefix(DELETE_HABITS, USE_RMDIR), ["timeout", "prev_kv", "range_end"]),
    rmdir: foreign_options.new("rmdir", DELETE_HABITS, ["timeout", "prev_kv"]),
    txn: foreign_options.new("txn", {}, ["timeout", "idempotent"]),
    watch: foreign_options.new("watch", with_prefix(WATCH_HABITS, USE_WATCHDIR), WATCH_OPTIONS),
    watchdir: foreign_options.new("watchdir", WATCH_HABITS, WATCH_OPTIONS),
};

/** An option that lua-resty-etcd 1.10 does not have. A value that is ignored would make a write less safe than it looks. */
const IDEMPOTENT: OptionTable = { rules: [{ name: "idempotent", type: "boolean" }], ignores_unknown: true };

/** Logs a timeout that can only be meant in milliseconds, once per worker. */
function warn_if_long(subject: string, timeout: unknown, limit: number): void {
    if (typeof timeout === "number" && timeout > limit) {
        warn_once.warn(subject, `timeout ${timeout} is in seconds, not in milliseconds`);
    }
}

/**
 * Checks the options that all methods have in common, and logs fields that resemble an option of the method.
 * @returns an error text, or nil if the options are valid
 */
function check(method: keyof typeof METHODS, opts: object | undefined): Problem {
    if (opts === undefined) {
        return undefined;
    }
    const known: KnownOptions = METHODS[method];
    let problem = checks.check_method_options(opts);
    if (problem === undefined && known.names.has("idempotent")) {
        problem = checks.check_options(opts, IDEMPOTENT);
    }
    if (problem === undefined) {
        const is_watch = method === "watch" || method === "watchdir";
        warn_if_long(method, (opts as { timeout?: unknown }).timeout, is_watch ? LONG_WATCH_TIMEOUT : LONG_TIMEOUT);
        foreign_options.warn_if_similar(opts, known);
    }
    return problem;
}

/** Checks the options of a method that only takes a timeout: unknown ones are errors. Returns an error text, or nil. */
function check_timeout_only(method: string, opts: { timeout?: number } | undefined): Problem {
    const problem = checks.check_timeout_options(opts);
    if (problem === undefined) {
        warn_if_long(method, opts?.timeout, LONG_TIMEOUT);
    }
    return problem;
}

export { check, check_timeout_only };
