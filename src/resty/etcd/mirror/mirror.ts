import type { ClientState as ClientState } from "../call/client_state";
import * as keys from "../protocol/keys";
import * as semaphore from "ngx.semaphore";
import * as clock from "../base/clock";
import * as draft from "./rebuild";
import * as indexes from "./indexes";
import * as complaints from "./rate_limited_log";
import * as items from "./decode";
import * as options from "./options";
import * as reads from "./lookups";
import * as reports from "./status";
import type { Status } from "./status";
import * as runner from "./run_loop";
import * as sorted from "./sorted_keys";
import * as feeds from "./feed_source";
import * as teller from "./notifier";
import * as truth from "./linearizable";
import type { Callback, Change, Changes, Index, IndexFn, Kv, OnChange, Options, Source, State } from "./types";
import * as waiting from "./wait_ready";
import * as slices from "../base/time_slice";
import * as timers from "../base/timers";

const guard = pcall as unknown as GuardedCall;

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
    const slice = slices.start();
    sorted.sort_pending(state);
    for (const key of state.sorted) {
        slices.yield_if_due(slice);
        indexes.add(made.buckets, made.values, key, draft.ask_index(state, made, state.kvs.get(key)!));
    }
    state.indexes.set(made.name, made);
}

function make_index(premature: boolean, state: State, made: Index): void {
    if (!premature && runner.acquire(state)) {
        const [ok, err] = guard(fill_index, state, made);
        state.lock.post(1);
        if (!ok) {
            complaints.warn(state, `index ${made.name} is not made: ${complaints.text_of(err, "no reason")}`);
        }
    }
    state.making.delete(made.name);
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
    if (this.indexes.get(name) !== undefined || this.making.get(name) === true) {
        return $multi(undefined, `there is an index ${name} already`);
    }
    this.making.set(name, true);
    const [ok, err] = timers.at(0, make_index, this, indexes.create(name, fn));
    if (ok === undefined) {
        this.making.delete(name);
        return $multi(undefined, err);
    }
    return $multi(true);
}

/** Ends the mirror at once. What it holds can still be read. */
function close(this: State): true {
    this.wake.post(1);
    runner.finish(this);
    return true;
}

const methods = {
    age: reads.age,
    all: reads.all,
    by: reads.by,
    close,
    count: reads.count,
    get: reads.get,
    get_linearizable: truth.get_linearizable,
    index,
    invalid: reports.invalid,
    on_change,
    prefix: reads.prefix,
    ready: reads.ready,
    revision: reads.revision,
    state: reports.state_of,
    stats: reports.stats,
    version: reads.version,
    wait_ready: waiting.wait_ready,
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
        const [found, source_err] = feeds.choose(cli, dir, opts ?? {});
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
        decode: opts?.decode ?? items.by_serializer(cli),
        cut: keys.with_prefix(cli.key_prefix, "").length,
        source: chosen,
        kvs: new LuaMap(),
        key_count: 0,
        sorted: [],
        added: [],
        has_gaps: false,
        list: undefined,
        lists: new LuaMap(),
        list_count: 0,
        indexes: new LuaMap(),
        bad: new LuaMap(),
        at_revision: 0,
        changed: 0,
        counters: {
            batches: 0,
            puts: 0,
            deletes: 0,
            full: {},
            invalid: 0,
            callback_errors: 0,
            merged: 0,
            index_errors: 0,
            failures: 0,
        },
        absent: reads.NOT_READY,
        is_closed: false,
        life: { running: false, missed: 0 },
        timers: 0,
        is_taking: false,
        feed: undefined,
        has_heard: false,
        heard_at: undefined,
        failure: undefined,
        callbacks: [],
        untold: [],
        untold_count: 0,
        merge_at: teller.MANY,
        is_telling: false,
        teller: undefined,
        called_at: undefined,
        is_complained: false,
        waiters: setmetatable(new LuaMap(), { __mode: "k" }),
        lock,
        wake,
        making: new LuaMap(),
        log_tokens: complaints.BURST,
        log_refilled: clock.now(),
        log_withheld: 0,
    };
    for (const [name, fn] of pairs(opts?.index ?? {})) {
        state.indexes.set(name, indexes.create(name, fn));
    }
    const [ok, err] = runner.begin(state);
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
