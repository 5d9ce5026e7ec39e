import * as clock from "../base/clock";
import * as gc_barrier from "../base/gc_barrier";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as error_text from "../base/error_text";
import * as rate_limited_log from "../base/rate_limited_log";
import type { Change, Changes, State, PendingChanges } from "./types";

const now = clock.now;
const max = math.max;
const remove = table.remove;

/** So many changes wait for a slow function as they were. */
const MAX_PENDING = 1024;
/** Seconds after which a function that has not returned is complained of. */
const SLOW_AFTER = 1;
/** Seconds that a function has to return when the worker ends. */
const EXIT_GRACE = 0.5;
const POLL_INTERVAL = 0.1;

/** Calls all that were there when the changes came, and are still. */
function call_all(state: State, item: PendingChanges, slice: TimeSlice): void {
    const told: Changes = { revision: item.revision, changes: item.changes };
    for (const callback of item.callbacks) {
        if (state.is_closed) {
            return;
        }
        if (!callback.is_stopped) {
            state.callback_started_at = now();
            const [ok, err] = protected_call(callback.fn, told);
            state.callback_started_at = undefined;
            state.has_warned = false;
            if (!ok) {
                const counters = state.counters;
                counters.callback_errors = counters.callback_errors + 1;
                const text = error_text.of(err, "no reason");
                ngx.log(ngx.WARN, "mirror of ", state.dir, ": on_change: ", text);
            }
            time_slice.yield_if_due(slice);
        }
    }
}

/** Tells what there is. */
function tell_what_waits(this: void, state: State): void {
    const slice = time_slice.start();
    let item = remove(state.pending_changes, 1);
    while (item !== undefined) {
        state.pending_count = state.pending_count - item.changes.length;
        call_all(state, item, slice);
        item = remove(state.pending_changes, 1);
    }
}

/** The same, in a light thread. */
function drain(this: void, state: State): void {
    protected_call(tell_what_waits, state); // nothing throws there, but the mirror waits for the end of it
    state.coalesce_at = MAX_PENDING;
    state.is_notifying = false;
    state.notifier_thread = undefined;
    state.callback_started_at = undefined;
}

/** A change after another one of the same key. */
function join(before: Change, after: Change): Change {
    return gc_barrier.mark_now({ type: after.type, key: after.key, kv: after.kv, old: before.old });
}

/**
 * Makes one difference of all that waits for a function that is slow, so that it takes no more memory than keys do,
 * and nothing is lost.
 */
function coalesce(state: State): void {
    const waiting = state.pending_changes;
    const latest = waiting[waiting.length - 1]!;
    const count = state.pending_count;
    state.pending_changes = [];
    state.pending_count = 0;
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
        state.pending_changes.push({ revision: latest.revision, changes, callbacks: latest.callbacks });
    }
    state.pending_count = changes.length;
    state.coalesce_at = max(MAX_PENDING, 2 * changes.length);
    state.counters.coalesced = state.counters.coalesced + 1;
    rate_limited_log.warn(state.log, `on_change is slow: ${count} changes that waited for it are one difference now`);
}

/** Says once of each call that it takes long. */
function warn_if_slow(state: State): void {
    const called_at = state.callback_started_at;
    if (called_at !== undefined && !state.has_warned && now() - called_at > SLOW_AFTER) {
        state.has_warned = true;
        rate_limited_log.warn(
            state.log,
            `on_change: a function has not returned for ${SLOW_AFTER} s; what follows waits for it`,
        );
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
    state.pending_changes.push({ revision, changes, callbacks });
    state.pending_count = state.pending_count + changes.length;
    if (state.is_notifying && state.pending_count > state.coalesce_at) {
        coalesce(state);
    }
    if (!state.is_notifying && state.pending_changes.length > 0) {
        state.is_notifying = true;
        const thread = ngx.thread.spawn(drain, state); // runs until it waits for something
        if (state.is_notifying as boolean) {
            state.notifier_thread = thread;
        }
    }
    while (state.is_notifying && state.callback_started_at === undefined) {
        time_slice.yield_now(); // it only lets others run
    }
}

/** The timer that the functions ran in is no more. */
function forget(state: State): void {
    state.is_notifying = false;
    state.notifier_thread = undefined;
    state.callback_started_at = undefined;
    state.coalesce_at = MAX_PENDING;
}

/** Waits in the timer that the functions run in until they have returned; a worker that ends waits for none for long. */
function finish(state: State): void {
    state.pending_changes = [];
    let ends_at: number | undefined;
    while (state.is_notifying) {
        if (ngx.worker.exiting()) {
            ends_at ??= now() + EXIT_GRACE;
            if (now() > ends_at && state.notifier_thread !== undefined) {
                ngx.thread.kill(state.notifier_thread);
                return;
            }
        }
        ngx.sleep(POLL_INTERVAL);
    }
}

export { MAX_PENDING, finish, forget, warn_if_slow, notify };
