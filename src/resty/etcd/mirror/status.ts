import * as timer_loop from "../base/timer_loop";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as lookups from "./lookups";
import type { Invalid, LoopCounters, State } from "./types";

/** The state of a mirror, for status pages. */
interface Status {
    /** "starting" before the first full state, "ready", "retrying" while etcd cannot be followed, "closed". */
    readonly status: "starting" | "ready" | "retrying" | "closed";
    readonly ready: boolean;
    readonly revision: number;
    readonly version: number;
    /** Number of keys. */
    readonly count: number;
    /** Seconds since the last response from etcd. */
    readonly age: number;
    /** Number of invalid items. */
    readonly invalid: number;
    /** Changes that the callbacks of `on_change` have not received yet. */
    readonly pending_changes: number;
    readonly prefix: string;
    readonly mode: string;
    /** Why etcd cannot be followed. */
    readonly err: string | undefined;
}

/** Numbers since the mirror was created. */
interface Stats extends LoopCounters {
    /** Items that `decode`, `validate` or `transform` rejected. */
    readonly invalid: number;
    /** Errors that callbacks of `on_change` have thrown. */
    readonly callback_errors: number;
    /** Times that changes which waited for a callback were merged into one difference. */
    readonly coalesced: number;
    /** Errors that index functions have thrown. */
    readonly index_errors: number;
}

/** Returns the invalid items by key. */
function invalid(this: State): Record<string, Invalid> {
    const copy: Record<string, Invalid> = {};
    for (const [key, item] of this.store.invalid_items) {
        copy[key] = item;
    }
    return copy;
}

/** Returns why etcd cannot be followed; nil if no error is known. */
function current_error(state: State): EtcdError | undefined {
    const { last_error, feed } = state.loop;
    const known = last_error ?? (feed?.current_error !== undefined ? feed.current_error() : undefined);
    return known ?? errors.of_timer(timer_loop.problem(state.loop.timer));
}

function state_of(this: State): Status {
    const store = this.store;
    let invalid_count = 0;
    for (const [_] of store.invalid_items) {
        invalid_count = invalid_count + 1;
    }
    const err = current_error(this);
    const ready = store.is_ready;
    let status: Status["status"] = ready ? "ready" : "starting";
    if (this.loop.is_closed) {
        status = "closed";
    } else if (err !== undefined) {
        status = "retrying";
    }
    const message = err !== undefined ? errors.to_text_with_hint(err) : undefined;
    return {
        status,
        ready,
        revision: store.revision,
        version: store.version,
        count: store.key_count,
        age: lookups.age.call(this),
        invalid: invalid_count,
        pending_changes: this.notifications.pending_count,
        prefix: this.dir,
        mode: this.mode,
        err: message,
    };
}

function stats(this: State): Stats {
    const { batches, puts, deletes, full, failures } = this.loop.counters;
    const full_states: Record<string, number> = {};
    for (const [reason, count] of pairs(full)) {
        full_states[reason] = count;
    }
    return {
        batches,
        puts,
        deletes,
        full: full_states,
        failures,
        invalid: this.decoder.rejected_count,
        callback_errors: this.notifications.error_count,
        coalesced: this.notifications.coalesced_count,
        index_errors: this.indexes.error_count,
    };
}

export { invalid, state_of, stats, current_error, type Stats, type Status };
