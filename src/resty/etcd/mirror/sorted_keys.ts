import table_new = require("table.new");
import * as protocol_keys from "../protocol/keys";
import type { KeyOrder, Kv, Store } from "./types";

const floor = math.floor;
const max = math.max;
const insert = table.insert;
const remove = table.remove;
const sort = table.sort;

/** Returns the index, counted from 1, of the first key that is not less than `key`. */
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

/** Inserts a key, unless the array has it. */
function insert_key(keys: string[], key: string): void {
    const last = keys[keys.length - 1];
    if (last === undefined || last < key) {
        keys.push(key); // the usual case: keys come in order
        return;
    }
    const at = lower_bound(keys, key);
    if (keys[at - 1] !== key) {
        insert(keys, at, key);
    }
}

/** Removes a key, if the array has it. */
function remove_key(keys: string[], key: string): void {
    const at = lower_bound(keys, key);
    if (keys[at - 1] === key) {
        remove(keys, at);
    }
}

function create(): KeyOrder {
    return { sorted: [], unsorted: [], has_deleted: false };
}

function note_added(order: KeyOrder, key: string): void {
    order.unsorted.push(key);
}

function note_deleted(order: KeyOrder): void {
    order.has_deleted = true;
}

function replace(order: KeyOrder, sorted: string[], unsorted: string[]): void {
    order.sorted = sorted;
    order.unsorted = unsorted;
    order.has_deleted = false;
}

/** Sorts added keys in and drops deleted ones, in one pass. */
function sort_pending(store: Store): void {
    const order = store.order;
    const added = order.unsorted;
    if (added.length === 0 && !order.has_deleted) {
        return;
    }
    sort(added);
    const old = order.sorted;
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
    replace(order, keys, []);
}

/** Returns the kvs of these keys as a new array. */
function pick(kvs: Store["kvs"], keys: readonly string[]): readonly Kv[] {
    const n = keys.length;
    const list = table_new(n, 0) as Kv[];
    for (const i of $range(1, n)) {
        list[i - 1] = kvs.get(keys[i - 1]!)!;
    }
    return list;
}

/** Returns the kvs of all keys that start with `prefix` as a new array. */
function pick_prefix(store: Store, prefix: string): readonly Kv[] {
    sort_pending(store);
    const sorted = store.order.sorted;
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

export { create as new, insert_key, note_added, note_deleted, pick, pick_prefix, remove_key, replace, sort_pending };
