import * as lists from "./lists";
import * as sorted_keys from "./sorted_keys";
import type { Invalid, Kv, Store } from "./types";

function create(): Store {
    return {
        kvs: new LuaMap(),
        key_count: 0,
        order: sorted_keys.new(),
        lists: lists.new(),
        invalid_items: new LuaMap(),
        revision: 0,
        version: 0,
        is_ready: false,
    };
}

/**
 * Adds or replaces a key.
 * @returns the kv before
 */
function put(store: Store, key: string, kv: Kv): Kv | undefined {
    const kvs = store.kvs;
    const old = kvs.get(key);
    kvs.set(key, kv);
    store.invalid_items.delete(key);
    if (old === undefined) {
        store.key_count = store.key_count + 1;
        sorted_keys.note_added(store.order, key);
    }
    return old;
}

/**
 * Deletes a key.
 * @returns the kv before; nil if there was none
 */
function remove(store: Store, key: string): Kv | undefined {
    const kvs = store.kvs;
    const old = kvs.get(key);
    store.invalid_items.delete(key);
    if (old !== undefined) {
        kvs.delete(key);
        store.key_count = store.key_count - 1;
        sorted_keys.note_deleted(store.order);
    }
    return old;
}

/** Notes that the latest value of a key is invalid. The key keeps its last good value, or stays absent. */
function set_invalid(store: Store, key: string, item: Invalid): void {
    store.invalid_items.set(key, item);
}

function replace_invalid_items(store: Store, items: Store["invalid_items"]): void {
    store.invalid_items = items;
}

/** Replaces all keys. */
function replace(
    store: Store,
    kvs: Store["kvs"],
    sorted: string[],
    unsorted: string[],
    invalid_items: Store["invalid_items"],
): void {
    store.kvs = kvs;
    store.key_count = sorted.length + unsorted.length;
    store.invalid_items = invalid_items;
    sorted_keys.replace(store.order, sorted, unsorted);
    lists.clear(store.lists);
}

/** Ends the application of a batch. */
function advance(store: Store, revision: number, has_changed: boolean): void {
    store.revision = revision;
    if (has_changed) {
        store.version = store.version + 1;
    }
}

/** Notes that the first full state is visible: an absent key is absent in etcd from now on. */
function mark_ready(store: Store): void {
    store.is_ready = true;
}

export { advance, mark_ready, create as new, put, remove, replace, replace_invalid_items, set_invalid };
