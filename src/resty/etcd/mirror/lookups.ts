import * as clock from "../base/clock";
import * as rebuild from "./rebuild";
import * as indexes from "./indexes";
import * as sorted_keys from "./sorted_keys";
import type { Kv, State } from "./types";

const now = clock.now;

/** Arrays of different prefixes that are kept at most. */
const MAX_LISTS = 1000;
const NOT_READY = "not ready";

/** `value, kv`; `nil, nil` if there is none; `nil, "not ready"` before the first full state. */
type Found = LuaMultiReturn<[value: any, kv: Kv | string | undefined]>; // eslint-disable-line @typescript-eslint/no-explicit-any -- any Lua value

/**
 * Looks a key up. It never yields, allocates nothing, and may be used in every phase.
 * @returns the value and the key's kv; nil and nil for a key that is not there; nil and "not ready"
 */
function get(this: State, key: string): Found {
    const kv = this.kvs.get(key);
    if (kv === undefined) {
        return $multi(undefined, this.miss_reason);
    }
    return $multi(kv.value, kv);
}

/** All keys in their order: an array that is made once per change, and is not to be written to. */
function all(this: State): Result<readonly Kv[]> {
    if (this.miss_reason !== undefined) {
        return $multi(undefined, this.miss_reason);
    }
    let list = this.list;
    if (list === undefined) {
        sorted_keys.sort_pending(this);
        list = sorted_keys.pick(this, this.sorted);
        this.list = list;
    }
    return $multi(list);
}

/** The same of all keys that start with a prefix, which is the mirror's own or longer. */
function prefix(this: State, dir: string): Result<readonly Kv[]> {
    if (typeof dir !== "string") {
        return $multi(undefined, "prefix must be string");
    }
    if (this.miss_reason !== undefined) {
        return $multi(undefined, this.miss_reason);
    }
    let list = this.lists.get(dir);
    if (list === undefined) {
        list = sorted_keys.pick_prefix(this, dir);
        if (this.list_count >= MAX_LISTS) {
            rebuild.forget_prefixes(this);
        }
        this.list_count = this.list_count + 1;
        this.lists.set(dir, list);
    }
    return $multi(list);
}

/**
 * All keys that are found under a value in an index.
 * @returns an array in the order of the keys, which is not to be written to
 */
function by(this: State, name: string, value: AnyNotNil): Result<readonly Kv[]> {
    const index = this.indexes.get(name);
    if (index === undefined) {
        return $multi(undefined, this.building_indexes.get(name) === true ? NOT_READY : `no index ${tostring(name)}`);
    }
    if (this.miss_reason !== undefined) {
        return $multi(undefined, this.miss_reason);
    }
    return $multi(indexes.find(this, index, value));
}

/** etcd's revision that is mirrored; 0 before the first full state. */
function revision(this: State): number {
    return this.at_revision;
}

/** How often something has really changed; 0 before the first full state. */
function version(this: State): number {
    return this.data_version;
}

/** How many keys there are. */
function count(this: State): number {
    return this.key_count;
}

/** There is a full state: from now on what is not found is not there. */
function ready(this: State): boolean {
    return this.miss_reason === undefined;
}

/** Seconds since etcd was last heard of; infinite if it never was. */
function age(this: State): number {
    if (this.feed !== undefined && this.has_received) {
        return this.feed.age();
    }
    return this.last_received_at !== undefined ? now() - this.last_received_at : math.huge;
}

export { NOT_READY, age, all, by, count, get, prefix, ready, revision, version, type Found };
