import * as clock from "./clock";

const now = clock.now;

/** The methods of a shared dict that the driver uses. Expiry times are in seconds. */
type Dict = Pick<ngx.SharedDict, "get" | "set" | "delete" | "safe_add" | "safe_set">;
type Value = ngx.DictValue;

interface Fields {
    readonly values: LuaMap<string, Value>;
    /** By key; nil for values that do not expire. */
    readonly expires_at: LuaMap<string, number>;
    /** Calls of `set` until expired values are removed next. */
    sets_left: number;
}

/** Calls of `set` between two removals of expired values: the cost of a removal is spread over them. */
const SETS_PER_SWEEP = 100;

interface MemoryDict extends Fields, Methods {}

function get(this: MemoryDict, key: string): LuaMultiReturn<[value: Value | undefined]> {
    const expires_at = this.expires_at.get(key);
    if (expires_at !== undefined && expires_at <= now()) {
        return $multi(undefined);
    }
    return $multi(this.values.get(key));
}

function remove_expired(dict: MemoryDict): void {
    const time = now();
    for (const [key, expires_at] of dict.expires_at) {
        if (expires_at <= time) {
            dict.values.delete(key);
            dict.expires_at.delete(key);
        }
    }
    dict.sets_left = SETS_PER_SWEEP;
}

function set(this: MemoryDict, key: string, value: Value, exptime?: number): LuaMultiReturn<[ok: boolean]> {
    this.sets_left = this.sets_left - 1;
    if (this.sets_left < 1) {
        remove_expired(this);
    }
    this.values.set(key, value);
    if (exptime !== undefined) {
        this.expires_at.set(key, now() + exptime);
    } else {
        this.expires_at.delete(key);
    }
    return $multi(true);
}

function add(
    this: MemoryDict,
    key: string,
    value: Value,
    exptime?: number,
): LuaMultiReturn<[ok: boolean, err?: string]> {
    const [existing] = this.get(key);
    if (existing !== undefined) {
        return $multi(false, "exists");
    }
    this.set(key, value, exptime);
    return $multi(true);
}

function delete_key(this: MemoryDict, key: string): void {
    this.values.delete(key);
    this.expires_at.delete(key);
}

const methods = { delete: delete_key, get, safe_add: add, safe_set: set, set };
type Methods = typeof methods;
const mt: LuaMetatable<MemoryDict, Methods> = { __index: methods };

/** Creates a replacement for a shared dict in the memory of this worker. Meant for few keys: it scans all of them regularly. */
function create(): Dict {
    const fields: Fields = { values: new LuaMap(), expires_at: new LuaMap(), sets_left: SETS_PER_SWEEP };
    return setmetatable(fields as MemoryDict, mt) as unknown as Dict;
}

export { create as new, type Dict };
