import table_new = require("table.new");
import * as error_text from "../base/error_text";
import type { RateLimitedLog } from "../base/rate_limited_log";
import * as rate_limited_log from "../base/rate_limited_log";
import * as printable from "../base/printable";
import * as sorted_keys from "./sorted_keys";
import type { Buckets, Index, IndexFn, Indexes, Kv, Store, Values } from "./types";

/** The values of changed keys, by the name of the index. */
type IndexValues = LuaMap<string, Values>;

function create_index(name: string, fn: IndexFn): Index {
    return { name, fn, buckets: new LuaMap(), values: new LuaMap() };
}

function create(fns: Record<string, IndexFn> | undefined, log: RateLimitedLog): Indexes {
    const by_name = new LuaMap<string, Index>();
    for (const [name, fn] of pairs(fns ?? {})) {
        by_name.set(name, create_index(name, fn));
    }
    return { by_name, pending: new LuaMap(), building: undefined, log, error_count: 0, is_calling: false };
}

/** Notes that an index must be built. */
function add_pending(indexes: Indexes, name: string, fn: IndexFn): void {
    indexes.pending.set(name, fn);
}

/** Starts to build a pending index; nil if there is none. */
function start_building(indexes: Indexes): Index | undefined {
    const [first] = next(indexes.pending);
    const name = first as string | undefined;
    indexes.building = name;
    return name !== undefined ? create_index(name, indexes.pending.get(name)!) : undefined;
}

/** Notes that a function has interrupted the building of the index: it is still pending. */
function interrupt_building(indexes: Indexes): void {
    indexes.building = undefined;
    indexes.is_calling = false;
}

/**
 * Ends the building of an index.
 * @param index nil if it was not built
 */
function end_building(indexes: Indexes, name: string, index: Index | undefined): void {
    indexes.building = undefined;
    indexes.pending.delete(name);
    if (index !== undefined) {
        indexes.by_name.set(name, index);
    }
}

/** Reports whether there is any index, also one that is not built yet. */
function is_used(indexes: Indexes): boolean {
    const [name] = next(indexes.by_name);
    const [pending_name] = next(indexes.pending);
    return name !== undefined || pending_name !== undefined;
}

/** Builds no pending index any more. */
function drop_pending(indexes: Indexes): void {
    for (const [name] of indexes.pending) {
        indexes.pending.delete(name);
    }
}

/** Reports whether a value can be a table key: nil and NaN cannot. */
function is_table_key(value: unknown): boolean {
    return value !== undefined && value === value;
}

/**
 * Calls an index function.
 * @returns true and the value or a new array of values, if any; false and an error if it throws
 */
function call(index: Index, kv: Kv): LuaMultiReturn<[ok: boolean, value: unknown]> {
    const [ok, value] = protected_call(index.fn, kv.value, kv);
    if (!ok || typeof value !== "object") {
        if (is_table_key(value)) {
            return $multi(ok, value);
        }
        return $multi(ok, undefined);
    }
    const copy: unknown[] = [];
    for (const one of value as unknown[]) {
        if (is_table_key(one)) {
            copy.push(one);
        }
    }
    return $multi(true, copy);
}

/** Returns the value of one index for a key, or nil. If the function throws, the key has no value in this index. */
function value_of(indexes: Indexes, index: Index, kv: Kv): AnyNotNil | undefined {
    indexes.is_calling = true;
    const [ok, value] = call(index, kv);
    indexes.is_calling = false;
    if (!ok) {
        indexes.error_count = indexes.error_count + 1;
        rate_limited_log.warn(
            indexes.log,
            `index ${index.name}: ${printable.key(kv.key)}: ${error_text.of(value, "no reason")}`,
        );
        return undefined;
    }
    return value as AnyNotNil | undefined;
}

/**
 * Makes the tables for the values of changed keys.
 * @param size upper bound for the number of keys: growing a large table takes long
 */
function new_values(indexes: Indexes, size: number): IndexValues {
    const new_index_values: IndexValues = new LuaMap();
    for (const [name] of indexes.by_name) {
        new_index_values.set(name, table_new(0, size) as Values);
    }
    return new_index_values;
}

/** Computes the values of all indexes for a changed key. */
function compute_values(indexes: Indexes, kv: Kv, new_index_values: IndexValues): void {
    for (const [name, index] of indexes.by_name) {
        const value = value_of(indexes, index, kv);
        if (value !== undefined) {
            new_index_values.get(name)!.set(kv.key, value);
        }
    }
}

function add_to(buckets: Buckets, value: AnyNotNil, key: string): void {
    const bucket = buckets.get(value);
    if (bucket === undefined) {
        buckets.set(value, { keys: [key], list: undefined });
    } else {
        sorted_keys.insert_key(bucket.keys, key);
        bucket.list = undefined;
    }
}

function remove_from(buckets: Buckets, value: AnyNotNil, key: string): void {
    const bucket = buckets.get(value);
    if (bucket !== undefined) {
        sorted_keys.remove_key(bucket.keys, key);
        bucket.list = undefined;
        if (bucket.keys.length === 0) {
            buckets.delete(value);
        }
    }
}

/** Adds a key under a value, or under each of an array of values; nil removes its values. */
function add(buckets: Buckets, values: Values, key: string, value: AnyNotNil | undefined): void {
    if (value === undefined) {
        values.delete(key);
        return;
    }
    values.set(key, value);
    if (typeof value === "object") {
        for (const one of value as AnyNotNil[]) {
            add_to(buckets, one, key);
        }
    } else {
        add_to(buckets, value, key);
    }
}

/** Moves a key to the buckets of its new value. */
function update(index: Index, key: string, value: AnyNotNil | undefined): void {
    const buckets = index.buckets;
    const old = index.values.get(key);
    if (typeof old === "object") {
        for (const one of old as AnyNotNil[]) {
            remove_from(buckets, one, key);
        }
    } else if (old !== undefined) {
        if (old === value) {
            buckets.get(old)!.list = undefined; // the key's kv has changed
            return;
        }
        remove_from(buckets, old, key);
    }
    add(buckets, index.values, key, value);
}

/** Moves a key to the buckets of its new values in all indexes. */
function update_all(indexes: Indexes, key: string, new_index_values: IndexValues): void {
    for (const [name, index] of indexes.by_name) {
        update(index, key, new_index_values.get(name)!.get(key));
    }
}

/** Replaces the content of an index. */
function replace(index: Index, buckets: Buckets, values: Values): void {
    index.buckets = buckets;
    index.values = values;
}

/** An empty, write-protected array, returned whenever an index has no key for a value. */
const NOTHING = setmetatable([] as Kv[], {
    __newindex: () => {
        error("read-only", 2);
    },
}) as readonly Kv[];

/** Returns the kvs with a value, in the order of their keys. */
function find(store: Store, index: Index, value: AnyNotNil): readonly Kv[] {
    const bucket = index.buckets.get(value);
    if (bucket === undefined) {
        return NOTHING;
    }
    let list = bucket.list;
    if (list === undefined) {
        list = sorted_keys.pick(store.kvs, bucket.keys);
        bucket.list = list;
    }
    return list;
}

export {
    add,
    add_pending,
    compute_values,
    drop_pending,
    end_building,
    find,
    interrupt_building,
    is_used,
    create as new,
    new_values,
    replace,
    start_building,
    update_all,
    value_of,
    type IndexValues,
};
