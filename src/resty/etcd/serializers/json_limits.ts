import * as cjson from "cjson.safe";

const concat = table.concat;
const sub = string.sub;

/** Depth of nested arrays and objects, as of cjson. */
const MAX_DEPTH = 1000;
/** 2^53. Up to this magnitude a Lua number represents each integer; beyond, neighbors become equal. */
const MAX_EXACT = 9007199254740992;
/** Bytes of a path in an error text. Its keys come from documents. */
const MAX_PATH = 200;

/** What OpenResty's fork of cjson has in addition to the original, which Debian packages. */
interface ArraySupport {
    readonly array_mt?: object;
    readonly empty_array_mt?: object;
    readonly empty_array?: unknown;
}

const { array_mt: cjson_array_mt, empty_array_mt, empty_array } = cjson as ArraySupport;

/** The metatable of arrays. With it, an empty table is an array. cjson's where cjson has one, so that both keep arrays. */
const array_mt = (cjson_array_mt ?? {}) as LuaMetatable<object>;

/** Reports whether a table is an array even if it is empty. */
function is_marked_array(value: object): boolean {
    const mt = getmetatable(value);
    return mt !== undefined && (mt === array_mt || mt === empty_array_mt);
}

/** Reports whether a value is the constant of OpenResty's cjson for an empty array. */
function is_empty_array(value: unknown): boolean {
    return value !== undefined && value === empty_array;
}

/**
 * Returns where in a document a value is: `$.routes[2].host`. Positions in arrays count from 1, as in Lua.
 * @param places keys and positions, the outermost first
 * @param depth number of places
 */
function path_of(places: readonly (string | number)[], depth: number): string {
    const parts = ["$"];
    let length = 0;
    for (const i of $range(1, depth)) {
        const place = places[i - 1]!;
        const part = typeof place === "number" ? `[${place}]` : `.${place}`;
        length = length + part.length;
        parts.push(part);
        if (length > MAX_PATH) {
            break;
        }
    }
    const path = concat(parts);
    return path.length > MAX_PATH ? `${sub(path, 1, MAX_PATH)}...` : path;
}

export { MAX_DEPTH, MAX_EXACT, array_mt, is_empty_array, is_marked_array, path_of };
