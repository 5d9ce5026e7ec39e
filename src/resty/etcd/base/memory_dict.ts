import * as clock from "./clock";

const now = clock.now;

/** The part of a shared dict's methods that is needed here. Times to live are in seconds. */
type Dict = Pick<ngx.SharedDict, "get" | "set" | "add" | "delete">;
type Value = ngx.DictValue;

interface Fields {
    readonly values: LuaMap<string, Value>;
    readonly ends: LuaMap<string, number>;
    /** Values that will be set before what has expired is thrown away. */
    sets_left: number;
}

/** How often a value is set between two times that what has expired is thrown away. */
const SETS = 100;

interface MemoryDict extends Fields, Methods {}

function get(this: MemoryDict, key: string): LuaMultiReturn<[value: Value | undefined]> {
    const ends = this.ends.get(key);
    if (ends !== undefined && ends <= now()) {
        return $multi(undefined);
    }
    return $multi(this.values.get(key));
}

function throw_away(dict: MemoryDict): void {
    const time = now();
    for (const [key, ends] of dict.ends) {
        if (ends <= time) {
            dict.values.delete(key);
            dict.ends.delete(key);
        }
    }
    dict.sets_left = SETS;
}

function set(this: MemoryDict, key: string, value: Value, exptime?: number): LuaMultiReturn<[ok: boolean]> {
    this.sets_left = this.sets_left - 1;
    if (this.sets_left < 1) {
        throw_away(this);
    }
    this.values.set(key, value);
    if (exptime !== undefined) {
        this.ends.set(key, now() + exptime);
    } else {
        this.ends.delete(key);
    }
    return $multi(true);
}

function add(
    this: MemoryDict,
    key: string,
    value: Value,
    exptime?: number,
): LuaMultiReturn<[ok: boolean, err?: string]> {
    const [known] = this.get(key);
    if (known !== undefined) {
        return $multi(false, "exists");
    }
    this.set(key, value, exptime);
    return $multi(true);
}

function delete_key(this: MemoryDict, key: string): void {
    this.values.delete(key);
    this.ends.delete(key);
}

const methods = { add, delete: delete_key, get, set };
type Methods = typeof methods;
const mt: LuaMetatable<MemoryDict, Methods> = { __index: methods };

/** A worker's own stand-in for a shared dict, for few keys: it looks at all of them now and then. */
function create(): Dict {
    const fields: Fields = { values: new LuaMap(), ends: new LuaMap(), sets_left: SETS };
    return setmetatable(fields as MemoryDict, mt) as unknown as Dict;
}

export { create as new, type Dict };
