import * as clock from "../base/clock";
import * as errors from "../protocol/errors";
import type { EtcdError, MethodResult } from "../protocol/errors";
import * as indexes from "./indexes";
import * as lists from "./lists";
import type { Kv, State, Store } from "./types";

const now = clock.now;

/** The error of lookups before the first full state. Made once, because lookups must not allocate. */
const NOT_READY = errors.local_error("not_ready", "not ready");
NOT_READY.retryable = true;

/** `value, kv`; `nil, nil` for an absent key; `nil, nil`, an error text and the details on failure. */
type LookupResult = LuaMultiReturn<[value: any, kv: Kv | undefined, err?: string, details?: EtcdError]>; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value

/**
 * Returns the result of `get` for a key that the mirror does not have. The key is checked only here, so that a hit costs
 * one table access.
 */
function miss(store: Store, key: unknown): LookupResult {
    if (typeof key !== "string") {
        const [, message, details] = errors.bad_request("key must be string");
        return $multi(undefined, undefined, message, details);
    }
    if (!store.is_ready) {
        return $multi(undefined, undefined, NOT_READY.message, NOT_READY);
    }
    return $multi(undefined, undefined);
}

/**
 * Looks a key up. It never yields, allocates nothing, and works in every phase.
 * @returns the value and the kv; nil and nil for an absent key; nil, nil, "not ready" and the details before the first
 *   full state
 */
function get(this: State, key: string): LookupResult {
    const store = this.store;
    const kv = store.kvs.get(key);
    if (kv === undefined) {
        return miss(store, key);
    }
    return $multi(kv.value, kv);
}

/**
 * Returns all kvs in the order of their keys. The array is made once per change and must not be written to.
 * @returns nil, "not ready" and the details before the first full state
 */
function all(this: State): MethodResult<readonly Kv[]> {
    const store = this.store;
    if (!store.is_ready) {
        return errors.to_result(NOT_READY);
    }
    return $multi(lists.all(store));
}

/**
 * Returns the kvs whose keys start with a prefix, in the order of their keys. The array is made once per change and
 * must not be written to.
 * @param dir the mirror's prefix, or a longer one
 * @returns nil, an error text and the details if the prefix is no string, and before the first full state
 */
function prefix(this: State, dir: string): MethodResult<readonly Kv[]> {
    if (typeof dir !== "string") {
        return errors.bad_request("prefix must be string");
    }
    const store = this.store;
    if (!store.is_ready) {
        return errors.to_result(NOT_READY);
    }
    return $multi(lists.by_prefix(store, dir));
}

/**
 * Returns the kvs with a value in an index, in the order of their keys.
 * @returns an array that must not be written to; nil, an error text and the details if there is no such index, and
 *   before the first full state
 */
function by(this: State, name: string, value: AnyNotNil): MethodResult<readonly Kv[]> {
    const { by_name, pending } = this.indexes;
    const index = by_name.get(name);
    if (index === undefined && pending.get(name) === undefined) {
        return errors.bad_request(`no index ${tostring(name)}`);
    }
    const store = this.store;
    if (index === undefined || !store.is_ready) {
        return errors.to_result(NOT_READY);
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
    return this.store.is_ready;
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
