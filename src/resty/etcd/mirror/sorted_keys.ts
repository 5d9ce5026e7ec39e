import table_new = require("table.new");
import * as protocol_keys from "../protocol/keys";
import type { Kv, Store } from "./types";

const floor = math.floor;
const max = math.max;
const insert = table.insert;
const remove = table.remove;
const sort = table.sort;

/** Where the first key is that is not before `key`, counted from 1. */
function lower_bound(keys: readonly string[], key: string): number {
    let low = 1;
    let high = keys.length + 1;
    while (low < high) {
        const middle = floor((low + high) / 2);
        if (keys[middle - 1]! < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/** Puts a key where it belongs, unless it is there. */
function put(keys: string[], key: string): void {
    const last = keys[keys.length - 1];
    if (last === undefined || last < key) {
        keys.push(key); // most come in order
        return;
    }
    const at = lower_bound(keys, key);
    if (keys[at - 1] !== key) {
        insert(keys, at, key);
    }
}

function take(keys: string[], key: string): void {
    const at = lower_bound(keys, key);
    if (keys[at - 1] === key) {
        remove(keys, at);
    }
}

/** Brings the order of the keys up to date, in one pass. */
function sort_pending(store: Store): void {
    const added = store.unsorted_keys;
    if (added.length === 0 && !store.has_deleted_keys) {
        return;
    }
    sort(added);
    const old = store.sorted;
    const kvs = store.kvs;
    const keys = table_new(store.key_count, 0) as string[];
    let last: string | undefined;
    let next = 1;
    let key: string | undefined = added[0];
    for (const i of $range(1, old.length)) {
        const known = old[i - 1]!;
        while (key !== undefined && key < known) {
            if (key !== last && kvs.get(key) !== undefined) {
                keys.push(key);
                last = key;
            }
            next = next + 1;
            key = added[next - 1];
        }
        if (known !== last && kvs.get(known) !== undefined) {
            keys.push(known);
            last = known;
        }
    }
    while (key !== undefined) {
        if (key !== last && kvs.get(key) !== undefined) {
            keys.push(key);
            last = key;
        }
        next = next + 1;
        key = added[next - 1];
    }
    store.sorted = keys;
    store.unsorted_keys = [];
    store.has_deleted_keys = false;
}

/** What these keys stand for, as a new array. */
function pick(store: Store, keys: readonly string[]): readonly Kv[] {
    const n = keys.length;
    const kvs = store.kvs;
    const list = table_new(n, 0) as Kv[];
    for (const i of $range(1, n)) {
        list[i - 1] = kvs.get(keys[i - 1]!)!;
    }
    return list;
}

/** All keys that start with `prefix`, as a new array. */
function pick_prefix(store: Store, prefix: string): readonly Kv[] {
    sort_pending(store);
    const sorted = store.sorted;
    const end = protocol_keys.prefix_end(prefix);
    const first = lower_bound(sorted, prefix);
    const after = end === protocol_keys.ZERO ? sorted.length + 1 : lower_bound(sorted, end);
    const kvs = store.kvs;
    const list = table_new(max(0, after - first), 0) as Kv[];
    for (const i of $range(first, after - 1)) {
        list[i - first] = kvs.get(sorted[i - 1]!)!;
    }
    return list;
}

export { lower_bound, pick, pick_prefix, put, sort_pending, take };
