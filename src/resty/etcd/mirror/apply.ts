import table_new = require("table.new");
import * as gc_barrier from "../base/gc_barrier";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import type { RawEvent } from "../protocol/message";
import type { Batch } from "../watch/feed";
import * as decode from "./decode";
import * as indexes from "./indexes";
import type { IndexValues } from "./indexes";
import * as lists from "./lists";
import * as rebuild from "./rebuild";
import * as sorted_keys from "./sorted_keys";
import * as stores from "./store";
import type { Change, Invalid, Kv, State } from "./types";

/** Events that are applied to the tables in use, in less than 10 ms; for more of them new tables are built. */
const MAX_IN_PLACE = 128;
/** Unsorted keys after which they are sorted in, even if no list is asked for. */
const MAX_UNSORTED = 4096;

/** The effect of an event: a new kv, an invalid item, or else a deletion. */
interface Step {
    readonly key: string;
    readonly kv: Kv | undefined;
    readonly invalid: Invalid | undefined;
}

/** Runs the user's functions. It changes nothing, and can yield. */
function prepare(state: State, events: RawEvent[], new_values: IndexValues, slice: TimeSlice): Step[] {
    const decoder = state.decoder;
    const steps: Step[] = [];
    for (const event of events) {
        time_slice.yield_if_due(slice);
        const raw = event.kv;
        const key = decode.key_of(decoder, raw);
        if (event.type === "DELETE") {
            steps.push({ key, kv: undefined, invalid: undefined });
        } else {
            const [kv, err] = decode.make(decoder, raw, key);
            if (kv === undefined) {
                steps.push({ key, kv: undefined, invalid: decode.reject(decoder, raw, key, err) });
            } else {
                indexes.compute_values(state.indexes, kv, new_values);
                steps.push({ key, kv, invalid: undefined });
            }
        }
    }
    return steps;
}

/**
 * Changes the tables in use, without yielding.
 * @returns the changes of the content
 */
function commit_in_place(state: State, steps: Step[], new_values: IndexValues): Change[] {
    const changes: Change[] = [];
    const store = state.store;
    for (const step of steps) {
        const { key, kv, invalid } = step;
        if (invalid !== undefined) {
            stores.set_invalid(store, key, invalid);
        } else {
            if (kv !== undefined) {
                changes.push({ type: "PUT", key, kv, old: stores.put(store, key, kv) });
            } else {
                const old = stores.remove(store, key);
                if (old !== undefined) {
                    changes.push({ type: "DELETE", key, old });
                }
            }
            indexes.update_all(state.indexes, key, new_values);
        }
    }
    if (changes.length > 0) {
        lists.clear(store.lists);
    }
    return changes;
}

/**
 * Builds new tables and swaps them in.
 * @returns the changes of the content; nil if the mirror was closed meanwhile
 */
function commit_by_rebuild(
    state: State,
    steps: Step[],
    new_values: IndexValues,
    slice: TimeSlice,
): Change[] | undefined {
    const store = state.store;
    const tables = rebuild.new(store.key_count);
    const changes: Change[] = [];
    const by_key = table_new(0, steps.length) as LuaMap<string, Step>;
    const unsorted = tables.unsorted;
    const kvs = store.kvs;
    for (const [key, item] of store.invalid_items) {
        tables.invalid_items.set(key, item);
    }
    for (const step of steps) {
        time_slice.yield_if_due(slice);
        const key = step.key;
        by_key.set(key, step);
        if (step.invalid !== undefined) {
            tables.invalid_items.set(key, step.invalid);
        } else {
            tables.invalid_items.delete(key);
        }
        if (step.kv !== undefined && kvs.get(key) === undefined) {
            unsorted.push(key);
            tables.kvs.set(key, step.kv);
            changes.push({ type: "PUT", key, kv: step.kv });
        }
    }
    sorted_keys.sort_pending(store);
    for (const key of store.order.sorted) {
        time_slice.yield_if_due(slice);
        const old = kvs.get(key)!;
        const step = by_key.get(key);
        if (step === undefined || step.invalid !== undefined) {
            rebuild.append(tables, key, old);
        } else if (step.kv !== undefined) {
            rebuild.append(tables, key, step.kv);
            changes.push({ type: "PUT", key, kv: step.kv, old });
        } else {
            changes.push(gc_barrier.mark_now({ type: "DELETE", key, old }));
        }
    }
    return rebuild.swap_in(state, tables, new_values, slice) ? changes : undefined;
}

/**
 * Applies the events of one revision.
 * @returns the changes of the content, all of them visible; nil if the mirror was closed meanwhile
 */
function apply_events(state: State, events: RawEvent[]): Change[] | undefined {
    const slice = time_slice.start();
    const new_values = indexes.new_values(state.indexes, events.length);
    const steps = prepare(state, events, new_values, slice);
    if (steps.length > MAX_IN_PLACE) {
        return commit_by_rebuild(state, steps, new_values, slice);
    }
    if (state.loop.is_closed) {
        return undefined;
    }
    const changes = commit_in_place(state, steps, new_values);
    if (state.store.order.unsorted.length > MAX_UNSORTED) {
        sorted_keys.sort_pending(state.store);
    }
    return changes;
}

/** Reports whether the mirror already has this revision of a key, as a kv or as an invalid item. */
function is_same(raw: RawEvent["kv"], known: { mod_revision: string; create_revision: string } | undefined): boolean {
    return (
        known !== undefined && known.mod_revision === raw.mod_revision && known.create_revision === raw.create_revision
    );
}

/** Reports whether a key of a full state cannot be so if the mirror has all changes up to a revision. */
function is_contradiction(state: State, raw: RawEvent["kv"], until: number): boolean {
    const store = state.store;
    const key = decode.key_of(state.decoder, raw);
    const item = store.invalid_items.get(key);
    const known = item ?? store.kvs.get(key);
    if (known === undefined) {
        return tonumber(raw.mod_revision)! <= until;
    }
    const version = item === undefined ? store.kvs.get(key)!.version : undefined;
    if (raw.create_revision !== known.create_revision) {
        return tonumber(raw.create_revision)! <= until;
    }
    if (raw.mod_revision === known.mod_revision) {
        return version !== undefined && version !== raw.version;
    }
    const is_older = version !== undefined && tonumber(raw.version)! <= tonumber(version)!;
    return is_older || tonumber(raw.mod_revision)! <= until;
}

/**
 * Reports whether a full state is of another history than the mirror's content: etcd was restored from a backup, although
 * cluster ID, revision and raft term do not show it.
 * @param until the mirror has all changes up to this revision; 0 if it has no state
 */
function contradicts(state: State, full: readonly RawEvent["kv"][], until: number): boolean {
    const slice = time_slice.start();
    for (const raw of full) {
        if (is_contradiction(state, raw, until)) {
            return true;
        }
        time_slice.yield_if_due(slice);
    }
    return false;
}

/**
 * Applies a full state. Kvs of unchanged keys stay the same tables.
 * @param has_diverged whether etcd's history is another one, so that an equal revision does not mean an equal value
 * @returns the changes of the content, all of them visible; empty for the very first state: see `all_as_changes`; nil
 *   if the mirror was closed meanwhile
 */
function apply_full_state(state: State, batch: Batch, has_diverged: boolean): Change[] | undefined {
    const slice = time_slice.yield_and_start(); // the read of the full state can have used the time slice
    const full = batch.full!;
    const { decoder, store } = state;
    const kvs = store.kvs;
    const tables = rebuild.new(full.length);
    const is_first = store.version === 0;
    const changes: Change[] = [];
    const new_values = indexes.new_values(state.indexes, is_first || has_diverged ? full.length : 0);
    for (const raw of full) {
        time_slice.yield_if_due(slice);
        const key = decode.key_of(decoder, raw);
        const old = kvs.get(key);
        const old_invalid = store.invalid_items.get(key);
        if (!has_diverged && is_same(raw, old_invalid ?? old)) {
            if (old_invalid !== undefined) {
                tables.invalid_items.set(key, old_invalid);
            }
            if (old !== undefined) {
                rebuild.append(tables, key, old);
            }
        } else {
            const [kv, err] = decode.make(decoder, raw, key);
            if (kv !== undefined) {
                indexes.compute_values(state.indexes, kv, new_values);
                rebuild.append(tables, key, kv);
                if (!is_first) {
                    changes.push(gc_barrier.mark_now({ type: "PUT", key, kv, old }));
                }
            } else {
                tables.invalid_items.set(key, decode.reject(decoder, raw, key, err));
                // a key that was deleted and created again is another item: its old value is not kept
                if (old !== undefined && (has_diverged || old.create_revision === raw.create_revision)) {
                    rebuild.append(tables, key, old);
                }
            }
        }
    }
    sorted_keys.sort_pending(store);
    for (const key of store.order.sorted) {
        time_slice.yield_if_due(slice);
        if (tables.kvs.get(key) === undefined) {
            changes.push(gc_barrier.mark_now({ type: "DELETE", key, old: kvs.get(key) }));
        }
    }
    if (changes.length === 0 && !is_first) {
        if (state.loop.is_closed) {
            return undefined;
        }
        // the other tables are equal: they stay, and so do the arrays that were made from them
        stores.replace_invalid_items(store, tables.invalid_items);
        return changes;
    }
    return rebuild.swap_in(state, tables, new_values, slice) ? changes : undefined;
}

/** Returns the first state as changes. Separate, because a mirror without callbacks does not need so long a list. */
function all_as_changes(state: State): Change[] {
    const slice = time_slice.start();
    const changes: Change[] = [];
    const store = state.store;
    sorted_keys.sort_pending(store);
    for (const key of store.order.sorted) {
        time_slice.yield_if_due(slice);
        changes.push(gc_barrier.mark_now({ type: "PUT", key, kv: store.kvs.get(key)! }));
    }
    return changes;
}

export { all_as_changes, apply_events, apply_full_state, contradicts };
