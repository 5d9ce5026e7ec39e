import table_new = require("table.new");
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as error_text from "../base/error_text";
import * as rate_limited_log from "../base/rate_limited_log";
import * as indexes from "./indexes";
import type { Bucket, Buckets, Index, Invalid, Kv, State, Store, Values } from "./types";

/** Tables that are made beside those in use, in slices, to be put in their place at once. */
interface NewTables {
    readonly kvs: LuaMap<string, Kv>;
    readonly sorted: string[];
    /** Keys that are not in their order yet. */
    readonly unsorted_keys: string[];
    readonly invalid_items: LuaMap<string, Invalid>;
}

/** What changed keys are found under, by the name of the index. */
type IndexValues = LuaMap<string, Values>;

function create(size: number): NewTables {
    return {
        kvs: table_new(0, size) as LuaMap<string, Kv>,
        sorted: table_new(size, 0) as string[],
        unsorted_keys: [],
        invalid_items: new LuaMap(),
    };
}

function keep(draft: NewTables, key: string, kv: Kv): void {
    const sorted = draft.sorted;
    sorted.push(key);
    draft.kvs.set(key, kv);
}

/** @param size how many keys may come: a large table takes long to grow */
function new_index_values(store: Store, size: number): IndexValues {
    const found: IndexValues = new LuaMap();
    for (const [name] of store.indexes) {
        found.set(name, table_new(0, size) as Values);
    }
    return found;
}

/** Asks one index about a key. Where its function throws, the key is not found under anything there. */
function ask_index(state: State, index: Index, kv: Kv): AnyNotNil | undefined {
    const [ok, value] = indexes.ask(index, kv);
    if (!ok) {
        const counters = state.counters;
        counters.index_errors = counters.index_errors + 1;
        rate_limited_log.warn(state.log, `index ${index.name}: ${kv.key}: ${error_text.of(value, "no reason")}`);
        return undefined;
    }
    return value as AnyNotNil | undefined;
}

/** Asks all indexes about a changed key. */
function ask_indexes(state: State, kv: Kv, found: IndexValues): void {
    for (const [name, index] of state.indexes) {
        const value = ask_index(state, index, kv);
        if (value !== undefined) {
            found.get(name)!.set(kv.key, value);
        }
    }
}

function forget_prefixes(store: Store): void {
    store.lists = new LuaMap();
    store.list_count = 0;
}

/** Arrays of before the latest change are nobody's any more. */
function forget_lists(store: Store): void {
    store.list = undefined;
    forget_prefixes(store);
}

/** The same keys are found there, and each is what it was. */
function is_unchanged(
    old: Bucket,
    bucket: Bucket,
    before: NewTables["kvs"],
    kvs: NewTables["kvs"],
    slice: TimeSlice,
): boolean {
    const { keys } = bucket;
    const old_keys = old.keys;
    if (keys.length !== old_keys.length) {
        return false;
    }
    for (const i of $range(1, keys.length)) {
        time_slice.yield_if_due(slice);
        const key = keys[i - 1]!;
        if (key !== old_keys[i - 1] || kvs.get(key) !== before.get(key)) {
            return false;
        }
    }
    return true;
}

/** A bucket in which nothing has changed stays, and so does the array that was made of it, or is made meanwhile. */
function keep_buckets(buckets: Buckets, index: Index, state: State, draft: NewTables, slice: TimeSlice): void {
    for (const [value, bucket] of buckets) {
        time_slice.yield_if_due(slice);
        const old = index.buckets.get(value);
        if (old !== undefined && is_unchanged(old, bucket, state.kvs, draft.kvs, slice)) {
            buckets.set(value, old);
        }
    }
}

/**
 * Puts the draft in the place of what is in use. Only the last step changes anything, and it is short.
 * @returns false if the mirror was closed meanwhile: it is as it was
 */
function swap_in(state: State, draft: NewTables, found: IndexValues, slice: TimeSlice): boolean {
    const { kvs, sorted, unsorted_keys: added } = draft;
    const all_buckets = new LuaMap<string, Buckets>();
    const all_values = new LuaMap<string, Values>();
    for (const [name, index] of state.indexes) {
        const buckets: Buckets = new LuaMap();
        const values = table_new(0, sorted.length + added.length) as Values;
        const fresh = found.get(name)!;
        for (const keys of [sorted, added]) {
            for (const key of keys) {
                time_slice.yield_if_due(slice);
                const is_as_before = kvs.get(key) === state.kvs.get(key);
                const known = is_as_before ? index.values : fresh;
                indexes.add(buckets, values, key, known.get(key));
            }
        }
        keep_buckets(buckets, index, state, draft, slice);
        all_buckets.set(name, buckets);
        all_values.set(name, values);
    }
    if (state.is_closed) {
        return false;
    }
    state.kvs = kvs;
    state.key_count = sorted.length + added.length;
    state.sorted = sorted;
    state.unsorted_keys = added;
    state.has_deleted_keys = false;
    state.invalid_items = draft.invalid_items;
    for (const [name, index] of state.indexes) {
        index.buckets = all_buckets.get(name)!;
        index.values = all_values.get(name)!;
    }
    forget_lists(state);
    return true;
}

export {
    ask_index,
    ask_indexes,
    create,
    new_index_values,
    forget_lists,
    forget_prefixes,
    keep,
    swap_in,
    type NewTables,
    type IndexValues,
};
