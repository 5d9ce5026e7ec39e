import * as sorted_keys from "./sorted_keys";
import type { Kv, Lists, Store } from "./types";

/** Arrays of different prefixes that are kept; at the next one, all of them are dropped. */
const MAX_PREFIXES = 1000;

function create(): Lists {
    return { all: undefined, by_prefix: new LuaMap(), prefix_count: 0 };
}

function clear_prefixes(lists: Lists): void {
    lists.by_prefix = new LuaMap();
    lists.prefix_count = 0;
}

/** Drops all arrays. To be called after each change. */
function clear(lists: Lists): void {
    lists.all = undefined;
    clear_prefixes(lists);
}

/** Returns all kvs in the order of their keys. */
function all(store: Store): readonly Kv[] {
    const lists = store.lists;
    let list = lists.all;
    if (list === undefined) {
        sorted_keys.sort_pending(store);
        list = sorted_keys.pick(store.kvs, store.order.sorted);
        lists.all = list;
    }
    return list;
}

/** Returns the kvs whose keys start with a prefix, in the order of their keys. */
function by_prefix(store: Store, prefix: string): readonly Kv[] {
    const lists = store.lists;
    let list = lists.by_prefix.get(prefix);
    if (list === undefined) {
        list = sorted_keys.pick_prefix(store, prefix);
        if (lists.prefix_count >= MAX_PREFIXES) {
            clear_prefixes(lists);
        }
        lists.prefix_count = lists.prefix_count + 1;
        lists.by_prefix.set(prefix, list);
    }
    return list;
}

export { all, by_prefix, clear, create as new };
