import * as cjson from "cjson.safe";
import * as json_limits from "./json_limits";
import * as utf8 from "../base/utf8";

const char = string.char;
const concat = table.concat;
const find = string.find as StringFind;
const floor = math.floor;
const format = string.format;
const gsub = string.gsub;
const sort = table.sort;

const MAX_DEPTH = json_limits.MAX_DEPTH;
const MAX_EXACT = json_limits.MAX_EXACT;

/*
 * A JSON writer whose output `json_reader` reads as the same value. It writes integers up to 2^53 and fractions with all
 * their digits, keys in byte order, so that equal documents have equal bytes, and rejects what JSON has no form for. cjson
 * cannot serve here: Debian's writes 14 digits, OpenResty's at most 16, where a fraction can need 17.
 *
 * The writer has no recursion: open arrays and objects are in arrays of its state.
 */

interface Writer {
    /** The parts of the output. */
    readonly parts: string[];
    /** Number of parts. */
    length: number;
    /** Number of open tables. */
    depth: number;
    /** The open tables, the outermost first. Above `depth` they are left over. */
    readonly tables: LuaTable<string | number>[];
    /** The sorted keys of the open objects; false for arrays. */
    readonly keys: (string[] | false)[];
    /** How many values of each open table are written. */
    readonly written: number[];
    /** Number of values of each open table. */
    readonly counts: number[];
    /** Key or position of the value that is being written, in each open table. */
    readonly places: (string | number)[];
}

const ESCAPES = new LuaTable<string, string>();
for (const code of $range(0, 0x1f)) {
    ESCAPES.set(char(code), format("\\u%04x", code));
}
ESCAPES.set("\b", "\\b");
ESCAPES.set("\f", "\\f");
ESCAPES.set("\n", "\\n");
ESCAPES.set("\r", "\\r");
ESCAPES.set("\t", "\\t");
ESCAPES.set('"', '\\"');
ESCAPES.set("\\", "\\\\");

/** Pattern of a byte that must be escaped, or is not ASCII. */
const SPECIAL = "[^]-\x7f !#-[]";

function failure(writer: Writer, what: string): string {
    return `${json_limits.path_of(writer.places, writer.depth)}: ${what}`;
}

function append(writer: Writer, part: string): void {
    writer.parts[writer.length] = part;
    writer.length = writer.length + 1;
}

/** Returns a string in quotes; nil and a text if it is not UTF-8. */
function quoted(value: string): Result<string> {
    const [special] = find(value, SPECIAL);
    if (special === undefined) {
        return $multi(`"${value}"`);
    }
    if (utf8.find_invalid(value) !== undefined) {
        return $multi(undefined, "the string is not UTF-8");
    }
    const [escaped] = gsub(value, '[%z\x01-\x1f"\\]', ESCAPES as unknown as Record<string, string>);
    return $multi(`"${escaped}"`);
}

/** Returns the shortest digits that are read as the same number. */
function digits_of(value: number): string {
    for (const precision of $range(14, 16)) {
        const digits = format(`%.${precision}g`, value);
        if (tonumber(digits) === value) {
            return digits;
        }
    }
    return format("%.17g", value);
}

/** Returns a number as JSON; nil and a text if JSON cannot represent it, or it is not exact. */
function number_text(value: number): Result<string> {
    if (value !== value || value === math.huge || value === -math.huge) {
        return $multi(undefined, "NaN and infinite numbers have no form in JSON");
    }
    if (value > MAX_EXACT || value < -MAX_EXACT) {
        return $multi(undefined, "the number is beyond 2^53, and not exact");
    }
    if (floor(value) === value) {
        return $multi(value === 0 && 1 / value < 0 ? "-0" : format("%.0f", value));
    }
    return $multi(digits_of(value));
}

/**
 * Returns the keys of an object in byte order; false for an array.
 * @returns nil and a text if the table is neither
 */
function keys_of(value: LuaTable): Result<string[] | false> {
    const keys: string[] = [];
    let string_count = 0;
    let position_count = 0;
    let last = 0;
    for (const [key] of pairs(value)) {
        if (typeof key === "string") {
            keys[string_count] = key;
            string_count = string_count + 1;
        } else if (typeof key === "number" && key >= 1 && floor(key) === key) {
            position_count = position_count + 1;
            last = key > last ? key : last;
        } else {
            return $multi(undefined, "a key is neither a string nor a position");
        }
    }
    if (string_count > 0 && position_count > 0) {
        return $multi(undefined, "the table is both an array and an object");
    }
    if (last > position_count) {
        return $multi(undefined, "the array has gaps");
    }
    if (position_count > 0 || (string_count === 0 && json_limits.is_marked_array(value))) {
        return $multi(false);
    }
    sort(keys);
    return $multi(keys);
}

/** Reports whether a table is one of the open tables. */
function is_open(writer: Writer, value: object): boolean {
    for (const i of $range(1, writer.depth)) {
        if ((writer.tables[i - 1] as object) === value) {
            return true;
        }
    }
    return false;
}

/** Writes the beginning of a table. */
function open(writer: Writer, value: LuaTable<string | number>): Problem {
    const depth = writer.depth;
    if (depth >= MAX_DEPTH) {
        const what = is_open(writer, value) ? "the table contains itself" : `nested more than ${MAX_DEPTH} levels deep`;
        return failure(writer, what);
    }
    const [keys, err] = keys_of(value as unknown as LuaTable);
    if (keys === undefined) {
        return failure(writer, err);
    }
    append(writer, keys === false ? "[" : "{");
    writer.tables[depth] = value;
    writer.keys[depth] = keys;
    writer.counts[depth] = keys === false ? value.length() : keys.length;
    writer.written[depth] = 0;
    writer.depth = depth + 1;
    return undefined;
}

/** Writes one value, or the beginning of a table. */
function write_value(writer: Writer, value: unknown): Problem {
    if (typeof value === "string") {
        const [text, err] = quoted(value);
        if (text === undefined) {
            return failure(writer, err);
        }
        append(writer, text);
    } else if (typeof value === "number") {
        const [text, err] = number_text(value);
        if (text === undefined) {
            return failure(writer, err);
        }
        append(writer, text);
    } else if (typeof value === "boolean") {
        append(writer, value ? "true" : "false");
    } else if (value === undefined || value === cjson.null) {
        append(writer, "null");
    } else if (type(value) === "table") {
        return open(writer, value as LuaTable<string | number>);
    } else if (json_limits.is_empty_array(value)) {
        append(writer, "[]");
    } else {
        return failure(writer, `${type(value)} has no form in JSON`);
    }
    return undefined;
}

/** Writes what is between two values of the innermost table, and the key of the second one. Returns that value. */
function next_value(writer: Writer): Result<unknown> {
    const top = writer.depth - 1;
    const index = writer.written[top]!;
    const keys = writer.keys[top]!;
    writer.written[top] = index + 1;
    if (index > 0) {
        append(writer, ",");
    }
    const place = keys === false ? index + 1 : keys[index]!;
    writer.places[top] = place;
    if (typeof place === "string") {
        const [text, err] = quoted(place);
        if (text === undefined) {
            return $multi(undefined, failure(writer, err));
        }
        append(writer, text);
        append(writer, ":");
    }
    return $multi(writer.tables[top]!.get(place));
}

/**
 * Encodes a value as JSON; nil becomes null.
 * @returns the bytes; nil and an error text, with the path of the value, if JSON cannot represent it exactly
 */
function encode(value: unknown): Result<string> {
    const writer: Writer = {
        parts: [],
        length: 0,
        depth: 0,
        tables: [],
        keys: [],
        written: [],
        counts: [],
        places: [],
    };
    let err = write_value(writer, value);
    while (err === undefined && writer.depth > 0) {
        const top = writer.depth - 1;
        if (writer.written[top] === writer.counts[top]) {
            append(writer, writer.keys[top] === false ? "]" : "}");
            writer.depth = top;
        } else {
            const [next, next_err] = next_value(writer);
            err = next_err ?? write_value(writer, next);
        }
    }
    if (err !== undefined) {
        return $multi(undefined, err);
    }
    return $multi(concat(writer.parts));
}

export { encode };
