import type { RawEvent } from "../protocol/message";
import type { Batch } from "../watch/feed";
import * as gc_barrier from "../base/gc_barrier";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as rebuild from "./rebuild";
import * as indexes from "./indexes";
import * as decode from "./decode";
import * as sorted_keys from "./sorted_keys";
import table_new = require("table.new");
import type { Change, Invalid, Kv, State } from "./types";

const sub = string.sub;

/** Up to so many events are taken in as they are, in less than 10 ms; for more of them the tables are made anew. */
const FEW = 128;
/** Keys that wait to be put in order, and that nobody has asked for. */
const MANY_ADDED = 4096;

/** What an event comes to: a new value, an item that is not taken in, or else a deletion. */
interface Step {
    readonly key: string;
    readonly kv: Kv | undefined;
    readonly invalid: Invalid | undefined;
}

/** The user's functions are run, nothing is changed yet. */
function prepare(state: State, events: RawEvent[], found: rebuild.IndexValues, slice: TimeSlice): Step[] {
    const steps: Step[] = [];
    for (const event of events) {
        time_slice.yield_if_due(slice);
        const raw = event.kv;
        const key = sub(raw.key, state.prefix_length + 1);
        if (event.type === "DELETE") {
            steps.push({ key, kv: undefined, invalid: undefined });
        } else {
            const [kv, err] = decode.make(state, raw, key);
            if (kv === undefined) {
                steps.push({ key, kv: undefined, invalid: decode.reject(state, raw, key, err) });
            } else {
                rebuild.ask_indexes(state, kv, found);
                steps.push({ key, kv, invalid: undefined });
            }
        }
    }
    return steps;
}

/** Changes the tables in one go; returns what was really changed. */
function commit(state: State, steps: Step[], found: rebuild.IndexValues): Change[] {
    const changes: Change[] = [];
    const { kvs, unsorted_keys: added } = state;
    for (const step of steps) {
        const key = step.key;
        const kv = step.kv;
        if (step.invalid !== undefined) {
            state.invalid_items.set(key, step.invalid);
        } else {
            const old = kvs.get(key);
            state.invalid_items.delete(key);
            if (kv !== undefined) {
                kvs.set(key, kv);
                if (old === undefined) {
                    state.key_count = state.key_count + 1;
                    added.push(key);
                }
                changes.push({ type: "PUT", key, kv, old });
            } else if (old !== undefined) {
                kvs.delete(key);
                state.key_count = state.key_count - 1;
                state.has_deleted_keys = true;
                changes.push({ type: "DELETE", key, old });
            }
            for (const [name, index] of state.indexes) {
                indexes.update(index, key, found.get(name)!.get(key));
            }
        }
    }
    if (changes.length > 0) {
        rebuild.forget_lists(state);
    }
    return changes;
}

/** The same for many events of one revision: the tables are made anew, and taken into use at once. */
function commit_many(state: State, steps: Step[], found: rebuild.IndexValues, slice: TimeSlice): Change[] | undefined {
    const made = rebuild.create(state.key_count);
    const changes: Change[] = [];
    const by_key = table_new(0, steps.length) as LuaMap<string, Step>;
    const added = made.unsorted_keys;
    const kvs = state.kvs;
    for (const [key, item] of state.invalid_items) {
        made.invalid_items.set(key, item);
    }
    for (const step of steps) {
        time_slice.yield_if_due(slice);
        const key = step.key;
        by_key.set(key, step);
        if (step.invalid !== undefined) {
            made.invalid_items.set(key, step.invalid);
        } else {
            made.invalid_items.delete(key);
        }
        if (step.kv !== undefined && kvs.get(key) === undefined) {
            added.push(key);
            made.kvs.set(key, step.kv);
            changes.push({ type: "PUT", key, kv: step.kv });
        }
    }
    sorted_keys.sort_pending(state);
    for (const key of state.sorted) {
        time_slice.yield_if_due(slice);
        const old = kvs.get(key)!;
        const step = by_key.get(key);
        if (step === undefined || step.invalid !== undefined) {
            rebuild.keep(made, key, old);
        } else if (step.kv !== undefined) {
            rebuild.keep(made, key, step.kv);
            changes.push({ type: "PUT", key, kv: step.kv, old });
        } else {
            changes.push(gc_barrier.mark_now({ type: "DELETE", key, old }));
        }
    }
    return rebuild.swap_in(state, made, found, slice) ? changes : undefined;
}

/**
 * Takes in what one revision has changed.
 * @returns what is different now, for readers; all of it is visible. nil if the mirror was closed meanwhile
 */
function take_events(state: State, events: RawEvent[]): Change[] | undefined {
    const slice = time_slice.start();
    const found = rebuild.new_index_values(state, events.length);
    const steps = prepare(state, events, found, slice);
    if (steps.length > FEW) {
        return commit_many(state, steps, found, slice);
    }
    if (state.is_closed) {
        return undefined;
    }
    const changes = commit(state, steps, found);
    if (state.unsorted_keys.length > MANY_ADDED) {
        sorted_keys.sort_pending(state);
    }
    return changes;
}

/** What is held of a key, taken in or not, is what etcd has. */
function is_same(raw: RawEvent["kv"], held: { mod_revision: string; create_revision: string } | undefined): boolean {
    return held !== undefined && held.mod_revision === raw.mod_revision && held.create_revision === raw.create_revision;
}

/**
 * Takes in a full state: what has not changed is left as it is.
 * @param is_other etcd's history is another one, so that equal revisions say nothing
 * @returns what is different now, for readers; all of it is visible. Nothing for the very first state: see `all_new`.
 * nil if the mirror was closed meanwhile
 */
function take_full(state: State, batch: Batch, is_other: boolean): Change[] | undefined {
    const slice = time_slice.yield_and_start(); // whoever has read all this may have worked for long
    const full = batch.full!;
    const kvs = state.kvs;
    const made = rebuild.create(full.length);
    const is_first = state.data_version === 0;
    const changes: Change[] = [];
    const found = rebuild.new_index_values(state, is_first || is_other ? full.length : 0);
    for (const raw of full) {
        time_slice.yield_if_due(slice);
        const key = sub(raw.key, state.prefix_length + 1);
        const held = kvs.get(key);
        const bad = state.invalid_items.get(key);
        if (!is_other && is_same(raw, bad ?? held)) {
            if (bad !== undefined) {
                made.invalid_items.set(key, bad);
            }
            if (held !== undefined) {
                rebuild.keep(made, key, held);
            }
        } else {
            const [kv, err] = decode.make(state, raw, key);
            if (kv !== undefined) {
                rebuild.ask_indexes(state, kv, found);
                rebuild.keep(made, key, kv);
                if (!is_first) {
                    changes.push(gc_barrier.mark_now({ type: "PUT", key, kv, old: held }));
                }
            } else {
                made.invalid_items.set(key, decode.reject(state, raw, key, err));
                // what was deleted and written anew is not the same item any more
                if (held !== undefined && (is_other || held.create_revision === raw.create_revision)) {
                    rebuild.keep(made, key, held);
                }
            }
        }
    }
    sorted_keys.sort_pending(state);
    for (const key of state.sorted) {
        time_slice.yield_if_due(slice);
        if (made.kvs.get(key) === undefined) {
            changes.push(gc_barrier.mark_now({ type: "DELETE", key, old: kvs.get(key) }));
        }
    }
    if (changes.length === 0 && !is_first) {
        if (state.is_closed) {
            return undefined;
        }
        state.invalid_items = made.invalid_items; // all else is as it was, and stays the same tables
        return changes;
    }
    return rebuild.swap_in(state, made, found, slice) ? changes : undefined;
}

/** The first state as changes, for those who want to hear of it: a list as long as that is not made for nobody. */
function all_new(state: State): Change[] {
    const slice = time_slice.start();
    const changes: Change[] = [];
    sorted_keys.sort_pending(state);
    for (const key of state.sorted) {
        time_slice.yield_if_due(slice);
        changes.push(gc_barrier.mark_now({ type: "PUT", key, kv: state.kvs.get(key)! }));
    }
    return changes;
}

export { all_new, take_events, take_full };
