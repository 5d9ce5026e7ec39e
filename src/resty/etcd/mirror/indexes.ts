import * as sorted_keys from "./sorted_keys";
import type { Buckets, Index, IndexFn, Kv, Store, Values } from "./types";

function create(name: string, fn: IndexFn): Index {
    return { name, fn, buckets: new LuaMap(), values: new LuaMap() };
}

/** NaN and nil cannot be looked up. */
function is_key(value: unknown): boolean {
    return value !== undefined && value === value;
}

/**
 * Asks the user's function what a key is found under.
 * @returns true and the value or a new array of values, if any; false and an error if it throws
 */
function ask(index: Index, kv: Kv): LuaMultiReturn<[ok: boolean, value: unknown]> {
    const [ok, value] = protected_call(index.fn, kv.value, kv);
    if (!ok || typeof value !== "object") {
        if (is_key(value)) {
            return $multi(ok, value);
        }
        return $multi(ok, undefined);
    }
    const copy: unknown[] = [];
    for (const one of value as unknown[]) {
        if (is_key(one)) {
            copy.push(one);
        }
    }
    return $multi(true, copy);
}

function add_to(buckets: Buckets, value: AnyNotNil, key: string): void {
    const bucket = buckets.get(value);
    if (bucket === undefined) {
        buckets.set(value, { keys: [key], list: undefined });
    } else {
        sorted_keys.put(bucket.keys, key);
        bucket.list = undefined;
    }
}

function remove_from(buckets: Buckets, value: AnyNotNil, key: string): void {
    const bucket = buckets.get(value);
    if (bucket !== undefined) {
        sorted_keys.take(bucket.keys, key);
        bucket.list = undefined;
        if (bucket.keys.length === 0) {
            buckets.delete(value);
        }
    }
}

/** Lets a key be found under a value, or an array of values; under none if it is nil. */
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

/** Moves a key from what it was found under. */
function update(index: Index, key: string, value: AnyNotNil | undefined): void {
    const buckets = index.buckets;
    const old = index.values.get(key);
    if (typeof old === "object") {
        for (const one of old as AnyNotNil[]) {
            remove_from(buckets, one, key);
        }
    } else if (old !== undefined) {
        if (old === value) {
            buckets.get(old)!.list = undefined; // what it stands for is another
            return;
        }
        remove_from(buckets, old, key);
    }
    add(buckets, index.values, key, value);
}

/** An array that cannot be written to, shared by all who find nothing. */
const NOTHING = setmetatable([] as Kv[], {
    __newindex: () => {
        error("read-only", 2);
    },
}) as readonly Kv[];

/** All keys that are found under a value. */
function find(store: Store, index: Index, value: AnyNotNil): readonly Kv[] {
    const bucket = index.buckets.get(value);
    if (bucket === undefined) {
        return NOTHING;
    }
    let list = bucket.list;
    if (list === undefined) {
        list = sorted_keys.pick(store, bucket.keys);
        bucket.list = list;
    }
    return list;
}

export { NOTHING, add, ask, create, find, update };
