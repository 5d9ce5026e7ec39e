import * as clock from "./clock";

const now = clock.now;

/** The part of a shared dict's methods that is needed here. Times to live are in seconds. */
type Dict = Pick<ngx.SharedDict, "get" | "set" | "add" | "delete">;
type Value = ngx.DictValue;

interface Fields {
    readonly values: LuaMap<string, Value>;
    readonly ends: LuaMap<string, number>;
}

interface MemoryDict extends Fields, Methods {}

function get(this: MemoryDict, key: string): LuaMultiReturn<[value: Value | undefined]> {
    const ends = this.ends.get(key);
    if (ends !== undefined && ends <= now()) {
        return $multi(undefined);
    }
    return $multi(this.values.get(key));
}

function set(this: MemoryDict, key: string, value: Value, exptime?: number): LuaMultiReturn<[ok: boolean]> {
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

/** A worker's own stand-in for a shared dict. Its keys must be few: what has expired stays until it is overwritten. */
function create(): Dict {
    const fields: Fields = { values: new LuaMap(), ends: new LuaMap() };
    return setmetatable(fields as MemoryDict, mt) as unknown as Dict;
}

export { create as new, type Dict };
