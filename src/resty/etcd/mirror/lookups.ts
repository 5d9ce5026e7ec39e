import * as clock from "../base/clock";
import * as indexes from "./indexes";
import * as lists from "./lists";
import * as stores from "./store";
import type { Kv, State } from "./types";

const now = clock.now;

/** `value, kv`; `nil, nil` for an absent key; `nil, "not ready"` before the first full state. */
type LookupResult = LuaMultiReturn<[value: any, kv: Kv | string | undefined]>; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value

/**
 * Looks a key up. It never yields, allocates nothing, and works in every phase.
 * @returns the value and the kv; nil and nil for an absent key; nil and "not ready" before the first full state
 */
function get(this: State, key: string): LookupResult {
    const store = this.store;
    const kv = store.kvs.get(key);
    if (kv === undefined) {
        return $multi(undefined, store.miss_reason);
    }
    return $multi(kv.value, kv);
}

/** Returns all kvs in the order of their keys. The array is made once per change and must not be written to. */
function all(this: State): Result<readonly Kv[]> {
    const store = this.store;
    if (store.miss_reason !== undefined) {
        return $multi(undefined, store.miss_reason);
    }
    return $multi(lists.all(store));
}

/**
 * Returns the kvs whose keys start with a prefix, in the order of their keys. The array is made once per change and
 * must not be written to.
 * @param dir the mirror's prefix, or a longer one
 */
function prefix(this: State, dir: string): Result<readonly Kv[]> {
    if (typeof dir !== "string") {
        return $multi(undefined, "prefix must be string");
    }
    const store = this.store;
    if (store.miss_reason !== undefined) {
        return $multi(undefined, store.miss_reason);
    }
    return $multi(lists.by_prefix(store, dir));
}

/**
 * Returns the kvs with a value in an index, in the order of their keys.
 * @returns an array that must not be written to
 */
function by(this: State, name: string, value: AnyNotNil): Result<readonly Kv[]> {
    const { by_name, building } = this.indexes;
    const index = by_name.get(name);
    if (index === undefined) {
        return $multi(undefined, building.get(name) === true ? stores.NOT_READY : `no index ${tostring(name)}`);
    }
    const store = this.store;
    if (store.miss_reason !== undefined) {
        return $multi(undefined, store.miss_reason);
    }
    return $multi(indexes.find(store, index, value));
}

/** Returns etcd's revision of the content; 0 before the first full state. */
function revision(this: State): number {
    return this.store.revision;
}

/** Returns the number of changes of the content; 0 before the first full state. */
function version(this: State): number {
    return this.store.version;
}

/** Returns the number of keys. */
function count(this: State): number {
    return this.store.key_count;
}

/** Reports whether there is a full state: from then on, a key that is not found is absent in etcd. */
function ready(this: State): boolean {
    return this.store.miss_reason === undefined;
}

/** Returns the seconds since the last response from etcd; infinite if there was none. */
function age(this: State): number {
    const { feed, has_received, last_received_at } = this.loop;
    if (feed !== undefined && has_received) {
        return feed.age();
    }
    return last_received_at !== undefined ? now() - last_received_at : math.huge;
}

export { age, all, by, count, get, prefix, ready, revision, version, type LookupResult };
