import type { ClientState } from "../call/client_state";
import * as phase from "../base/phase";
import * as rate_limited_log from "../base/rate_limited_log";
import * as errors from "../protocol/errors";
import type { MethodResult } from "../protocol/errors";
import * as build_index from "./build_index";
import * as decode from "./decode";
import * as feed_source from "./feed_source";
import * as indexes from "./indexes";
import * as linearizable from "./linearizable";
import * as lookups from "./lookups";
import * as notifier from "./notifier";
import * as options from "./options";
import * as run_loop from "./run_loop";
import * as status from "./status";
import type { Status } from "./status";
import * as stores from "./store";
import type { Change, Changes, Kv, Options, Source, State } from "./types";
import * as wait_ready from "./wait_ready";
import * as wait_revision from "./wait_revision";
import * as waiters from "./waiters";

/** The keys below a prefix, as etcd has them, in the memory of this worker. */
interface Mirror extends State, Methods {}

const methods = {
    age: lookups.age,
    all: lookups.all,
    by: lookups.by,
    close: run_loop.close,
    count: lookups.count,
    get: lookups.get,
    get_linearizable: linearizable.get_linearizable,
    index: build_index.add_index,
    invalid: status.invalid,
    on_change: notifier.on_change,
    prefix: lookups.prefix,
    ready: lookups.ready,
    revision: lookups.revision,
    state: status.state_of,
    stats: status.stats,
    version: lookups.version,
    wait_ready: wait_ready.wait_ready,
    wait_revision: wait_revision.wait_revision,
};
type Methods = typeof methods;
const mt: LuaMetatable<Mirror, Methods> = { __index: methods };

/**
 * Mirrors all keys that start with a prefix. It starts immediately, in a timer of this worker.
 * @param dir as for `readdir`
 * @param source opens the feeds, instead of what the options say
 * @returns the mirror; nil, an error text and the details with the name `bad_request` or `not_in_phase`
 */
function create(cli: ClientState, dir: string, opts?: Options, source?: Source): MethodResult<Mirror> {
    const problem = typeof dir !== "string" ? "prefix must be string" : options.check(dir, opts);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    if (phase.is_init()) {
        const text = "mirrors cannot be created in init: no worker process exists yet";
        return errors.to_result(errors.local_error("not_in_phase", text));
    }
    const given = opts ?? {};
    let chosen = source;
    if (chosen === undefined) {
        const [by_options, source_err] = feed_source.choose(cli, dir, given);
        if (by_options === undefined) {
            return errors.bad_request(source_err);
        }
        chosen = by_options;
    }
    const log = rate_limited_log.new(`mirror of ${dir}`);
    const [notifications, notifier_err] = notifier.new(log);
    if (notifications === undefined) {
        return errors.bad_request(notifier_err);
    }
    const state: State = {
        cli,
        dir,
        mode: given.mode ?? "worker",
        decoder: decode.new(cli, given, log),
        store: stores.new(),
        indexes: indexes.new(given.index, log),
        notifications,
        loop: run_loop.new(chosen),
        ready_waiters: waiters.new(),
        revision_waiters: waiters.new(),
        next_confirmation_at: 0,
        log,
    };
    const [ok, err] = run_loop.begin(state);
    if (ok === undefined) {
        return errors.bad_request(err);
    }
    return $multi(setmetatable(state as Mirror, mt));
}

/** `create` as a method of a client. */
function mirror(this: ClientState, dir: string, opts?: Options): MethodResult<Mirror> {
    return create(this, dir, opts);
}

export { create as new, mirror, type Change, type Changes, type Kv, type Mirror, type Options, type Status };
