import table_new = require("table.new");
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as indexes from "./indexes";
import type { IndexValues } from "./indexes";
import * as stores from "./store";
import type { Bucket, Buckets, Index, Invalid, Kv, State, Values } from "./types";

/** Tables that are built in slices next to those in use, which they then replace in one step. */
interface NewTables {
    readonly kvs: LuaMap<string, Kv>;
    readonly sorted: string[];
    /** Keys that `sorted` lacks. */
    readonly unsorted: string[];
    readonly invalid_items: LuaMap<string, Invalid>;
}

/** @param size expected number of keys */
function create(size: number): NewTables {
    return {
        kvs: table_new(0, size) as LuaMap<string, Kv>,
        sorted: table_new(size, 0) as string[],
        unsorted: [],
        invalid_items: new LuaMap(),
    };
}

/** Adds a key that is greater than all keys added before. */
function append(tables: NewTables, key: string, kv: Kv): void {
    const sorted = tables.sorted;
    sorted.push(key);
    tables.kvs.set(key, kv);
}

/** Reports whether a bucket has the same keys as before, with the same kvs. */
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

/** Reuses the unchanged buckets, so that the arrays that `by` has returned, or returns meanwhile, stay the same. */
function reuse_buckets(buckets: Buckets, index: Index, state: State, tables: NewTables, slice: TimeSlice): void {
    for (const [value, bucket] of buckets) {
        time_slice.yield_if_due(slice);
        const old = index.buckets.get(value);
        if (old !== undefined && is_unchanged(old, bucket, state.store.kvs, tables.kvs, slice)) {
            buckets.set(value, old);
        }
    }
}

/**
 * Replaces the tables in use. The last step is short, and the only one that changes anything.
 * @returns false if the mirror was closed meanwhile: nothing has changed then
 */
function swap_in(state: State, tables: NewTables, new_values: IndexValues, slice: TimeSlice): boolean {
    const { kvs, sorted, unsorted } = tables;
    const store = state.store;
    const all_buckets = new LuaMap<string, Buckets>();
    const all_values = new LuaMap<string, Values>();
    for (const [name, index] of state.indexes.by_name) {
        const buckets: Buckets = new LuaMap();
        const values = table_new(0, sorted.length + unsorted.length) as Values;
        const changed_values = new_values.get(name)!;
        for (const keys of [sorted, unsorted]) {
            for (const key of keys) {
                time_slice.yield_if_due(slice);
                const is_same_kv = kvs.get(key) === store.kvs.get(key);
                const source = is_same_kv ? index.values : changed_values;
                indexes.add(buckets, values, key, source.get(key));
            }
        }
        reuse_buckets(buckets, index, state, tables, slice);
        all_buckets.set(name, buckets);
        all_values.set(name, values);
    }
    if (state.loop.is_closed) {
        return false;
    }
    stores.replace(store, kvs, sorted, unsorted, tables.invalid_items);
    for (const [name, index] of state.indexes.by_name) {
        indexes.replace(index, all_buckets.get(name)!, all_values.get(name)!);
    }
    return true;
}

export { append, create as new, swap_in, type NewTables };
