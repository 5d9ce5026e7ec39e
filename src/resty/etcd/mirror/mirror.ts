import type { ClientState } from "../call/client_state";
import * as keys from "../protocol/keys";
import * as semaphore from "ngx.semaphore";
import * as rebuild from "./rebuild";
import * as indexes from "./indexes";
import * as error_text from "../base/error_text";
import * as rate_limited_log from "../base/rate_limited_log";
import * as decode from "./decode";
import * as options from "./options";
import * as lookups from "./lookups";
import * as status from "./status";
import type { Status } from "./status";
import * as run_loop from "./run_loop";
import * as sorted_keys from "./sorted_keys";
import * as feed_source from "./feed_source";
import * as notifier from "./notifier";
import * as linearizable from "./linearizable";
import type { Callback, Change, Changes, Index, IndexFn, Kv, OnChange, Options, Source, State } from "./types";
import * as wait_ready from "./wait_ready";
import * as time_slice from "../base/time_slice";
import * as timers from "../base/timers";

/** Keys below a prefix, as etcd has them, in this worker's memory. */
interface Mirror extends State, Methods {}

/**
 * Has a function called after each real change, when all of it is visible.
 * @returns a function that ends it
 */
function on_change(this: State, callback: OnChange): Result<(this: void) => void> {
    if (typeof callback !== "function") {
        return $multi(undefined, "callback must be function");
    }
    const added: Callback = { fn: callback, is_stopped: false };
    const all: Callback[] = [];
    for (const one of this.callbacks) {
        all.push(one);
    }
    all.push(added);
    this.callbacks = all;
    return $multi(() => {
        added.is_stopped = true;
        const others: Callback[] = [];
        for (const one of this.callbacks) {
            if (one !== added) {
                others.push(one);
            }
        }
        this.callbacks = others;
    });
}

/** Makes an index of what is there already. Nothing else changes the mirror meanwhile. */
function fill_index(this: void, state: State, made: Index): void {
    const slice = time_slice.start();
    sorted_keys.sort_pending(state);
    for (const key of state.sorted) {
        time_slice.yield_if_due(slice);
        indexes.add(made.buckets, made.values, key, rebuild.ask_index(state, made, state.kvs.get(key)!));
    }
    state.indexes.set(made.name, made);
}

function make_index(premature: boolean, state: State, made: Index): void {
    if (!premature && run_loop.acquire(state)) {
        const [ok, err] = protected_call(fill_index, state, made);
        state.lock.post(1);
        if (!ok) {
            rate_limited_log.warn(state.log, `index ${made.name} is not made: ${error_text.of(err, "no reason")}`);
        }
    }
    state.building_indexes.delete(made.name);
}

/** Adds an index; where there are keys already it is made in the background, and `by` says "not ready" till then. */
function index(this: State, name: string, fn: IndexFn): Result<true> {
    const wrong = options.check_index(name, fn);
    if (wrong !== undefined) {
        return $multi(undefined, wrong);
    }
    if (this.is_closed) {
        return $multi(undefined, "the mirror is closed");
    }
    if (this.indexes.get(name) !== undefined || this.building_indexes.get(name) === true) {
        return $multi(undefined, `there is an index ${name} already`);
    }
    this.building_indexes.set(name, true);
    const [ok, err] = timers.at(0, make_index, this, indexes.create(name, fn));
    if (ok === undefined) {
        this.building_indexes.delete(name);
        return $multi(undefined, err);
    }
    return $multi(true);
}

/** Ends the mirror at once. What it holds can still be read. */
function close(this: State): true {
    this.wake.post(1);
    run_loop.finish(this);
    return true;
}

const methods = {
    age: lookups.age,
    all: lookups.all,
    by: lookups.by,
    close,
    count: lookups.count,
    get: lookups.get,
    get_linearizable: linearizable.get_linearizable,
    index,
    invalid: status.invalid,
    on_change,
    prefix: lookups.prefix,
    ready: lookups.ready,
    revision: lookups.revision,
    state: status.state_of,
    stats: status.stats,
    version: lookups.version,
    wait_ready: wait_ready.wait_ready,
};
type Methods = typeof methods;
const mt: LuaMetatable<Mirror, Methods> = { __index: methods };

/**
 * Mirrors all keys that start with a prefix. It begins at once, in a timer of this worker.
 * @param dir as for `readdir`
 * @param source where its batches come from, in the place of what the options say
 */
function create(cli: ClientState, dir: string, opts?: Options, source?: Source): Result<Mirror> {
    const wrong = typeof dir !== "string" ? "prefix must be string" : options.check(dir, opts);
    if (wrong !== undefined) {
        return $multi(undefined, wrong);
    }
    if (ngx.get_phase() === "init") {
        return $multi(undefined, "mirrors cannot be made in init: no worker is there yet");
    }
    let chosen = source;
    if (chosen === undefined) {
        const [found, source_err] = feed_source.choose(cli, dir, opts ?? {});
        if (found === undefined) {
            return $multi(undefined, source_err);
        }
        chosen = found;
    }
    const [lock, lock_err] = semaphore.new(1);
    if (lock === undefined) {
        return $multi(undefined, lock_err);
    }
    const [wake, wake_err] = semaphore.new(0);
    if (wake === undefined) {
        return $multi(undefined, wake_err);
    }
    const state: State = {
        cli,
        dir,
        opts: opts ?? {},
        decode: opts?.decode ?? decode.by_serializer(cli),
        prefix_length: keys.with_prefix(cli.key_prefix, "").length,
        source: chosen,
        kvs: new LuaMap(),
        key_count: 0,
        sorted: [],
        unsorted_keys: [],
        has_deleted_keys: false,
        list: undefined,
        lists: new LuaMap(),
        list_count: 0,
        indexes: new LuaMap(),
        invalid_items: new LuaMap(),
        at_revision: 0,
        data_version: 0,
        counters: {
            batches: 0,
            puts: 0,
            deletes: 0,
            full: {},
            invalid: 0,
            callback_errors: 0,
            coalesced: 0,
            index_errors: 0,
            failures: 0,
        },
        miss_reason: lookups.NOT_READY,
        is_closed: false,
        life: { running: false, missed: 0 },
        timers: 0,
        is_applying: false,
        feed: undefined,
        has_received: false,
        last_received_at: undefined,
        last_error: undefined,
        callbacks: [],
        pending_changes: [],
        pending_count: 0,
        coalesce_at: notifier.MAX_PENDING,
        is_notifying: false,
        notifier_thread: undefined,
        callback_started_at: undefined,
        has_warned: false,
        waiters: setmetatable(new LuaMap(), { __mode: "k" }),
        lock,
        wake,
        building_indexes: new LuaMap(),
        log: rate_limited_log.new(`mirror of ${dir}`),
    };
    for (const [name, fn] of pairs(opts?.index ?? {})) {
        state.indexes.set(name, indexes.create(name, fn));
    }
    const [ok, err] = run_loop.begin(state);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    return $multi(setmetatable(state as Mirror, mt));
}

/** The same as a method of a client. */
function mirror(this: ClientState, dir: string, opts?: Options): Result<Mirror> {
    return create(this, dir, opts);
}

export { create as new, mirror, type Change, type Changes, type Kv, type Mirror, type Options, type Status };
