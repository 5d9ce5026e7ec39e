import * as clock from "../base/clock";
import * as gc_barrier from "../base/gc_barrier";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as rate_limited_log from "./rate_limited_log";
import type { Change, Changes, State, Untold } from "./types";

const now = clock.now;
const max = math.max;
const guard = pcall as unknown as GuardedCall;
const remove = table.remove;

/** So many changes wait for a slow function as they were. */
const MANY = 1024;
/** Seconds after which a function that has not returned is complained of. */
const SLOW = 1;
/** Seconds that a function has to return when the worker ends. */
const GRACE = 0.5;
const LOOK = 0.1;

/** Calls all that were there when the changes came, and are still. */
function call_all(state: State, item: Untold, slice: TimeSlice): void {
    const told: Changes = { revision: item.revision, changes: item.changes };
    for (const callback of item.callbacks) {
        if (state.is_closed) {
            return;
        }
        if (!callback.is_stopped) {
            state.called_at = now();
            const [ok, err] = guard(callback.fn, told);
            state.called_at = undefined;
            state.is_complained = false;
            if (!ok) {
                const counters = state.counters;
                counters.callback_errors = counters.callback_errors + 1;
                const text = rate_limited_log.text_of(err, "no reason");
                ngx.log(ngx.WARN, "mirror of ", state.dir, ": on_change: ", text);
            }
            time_slice.yield_if_due(slice);
        }
    }
}

/** Tells what there is. */
function tell_what_waits(this: void, state: State): void {
    const slice = time_slice.start();
    let item = remove(state.untold, 1);
    while (item !== undefined) {
        state.untold_count = state.untold_count - item.changes.length;
        call_all(state, item, slice);
        item = remove(state.untold, 1);
    }
}

/** The same, in a light thread. */
function drain(this: void, state: State): void {
    guard(tell_what_waits, state); // nothing throws there, but the mirror waits for the end of it
    state.merge_at = MANY;
    state.is_telling = false;
    state.teller = undefined;
    state.called_at = undefined;
}

/** A change after another one of the same key. */
function join(before: Change, after: Change): Change {
    return gc_barrier.mark_now({ type: after.type, key: after.key, kv: after.kv, old: before.old });
}

/**
 * Makes one difference of all that waits for a function that is slow, so that it takes no more memory than keys do,
 * and nothing is lost.
 */
function merge(state: State): void {
    const waiting = state.untold;
    const latest = waiting[waiting.length - 1]!;
    const count = state.untold_count;
    state.untold = [];
    state.untold_count = 0;
    const slice = time_slice.start();
    const by_key = new LuaMap<string, Change>();
    const keys: string[] = [];
    for (const item of waiting) {
        for (const change of item.changes) {
            time_slice.yield_if_due(slice);
            const key = change.key;
            const before = by_key.get(key);
            if (before === undefined) {
                keys.push(key);
                by_key.set(key, change);
            } else {
                by_key.set(key, join(before, change));
            }
        }
    }
    const changes: Change[] = [];
    for (const key of keys) {
        time_slice.yield_if_due(slice);
        const change = by_key.get(key)!;
        if (change.kv !== undefined || change.old !== undefined) {
            changes.push(change); // else it came and went
        }
    }
    if (changes.length > 0) {
        state.untold.push({ revision: latest.revision, changes, callbacks: latest.callbacks });
    }
    state.untold_count = changes.length;
    state.merge_at = max(MANY, 2 * changes.length);
    state.counters.merged = state.counters.merged + 1;
    rate_limited_log.warn(state, `on_change is slow: ${count} changes that waited for it are one difference now`);
}

/** Says once of each call that it takes long. */
function warn_if_slow(state: State): void {
    const called_at = state.called_at;
    if (called_at !== undefined && !state.is_complained && now() - called_at > SLOW) {
        state.is_complained = true;
        rate_limited_log.warn(state, `on_change: a function has not returned for ${SLOW} s; what follows waits for it`);
    }
}

/**
 * Tells those who want to hear of changes, which they can all see already. Functions that do not wait have returned
 * when this does; others are left to themselves, and what follows is told after them. Only one light thread may do this.
 */
function notify(state: State, revision: number, changes: Change[]): void {
    const callbacks = state.callbacks;
    if (changes.length === 0 || callbacks.length === 0) {
        return;
    }
    state.untold.push({ revision, changes, callbacks });
    state.untold_count = state.untold_count + changes.length;
    if (state.is_telling && state.untold_count > state.merge_at) {
        merge(state);
    }
    if (!state.is_telling && state.untold.length > 0) {
        state.is_telling = true;
        const thread = ngx.thread.spawn(drain, state); // runs until it waits for something
        if (state.is_telling as boolean) {
            state.teller = thread;
        }
    }
    while (state.is_telling && state.called_at === undefined) {
        time_slice.yield_now(); // it only lets others run
    }
}

/** The timer that the functions ran in is no more. */
function forget(state: State): void {
    state.is_telling = false;
    state.teller = undefined;
    state.called_at = undefined;
    state.merge_at = MANY;
}

/** Waits in the timer that the functions run in until they have returned; a worker that ends waits for none for long. */
function finish(state: State): void {
    state.untold = [];
    let ends_at: number | undefined;
    while (state.is_telling) {
        if (ngx.worker.exiting()) {
            ends_at ??= now() + GRACE;
            if (now() > ends_at && state.teller !== undefined) {
                ngx.thread.kill(state.teller);
                return;
            }
        }
        ngx.sleep(LOOK);
    }
}

export { MANY, finish, forget, warn_if_slow, notify };
