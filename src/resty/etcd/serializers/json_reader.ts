import * as cjson from "cjson.safe";
import * as json_limits from "./json_limits";
import * as utf8 from "../base/utf8";

const byte = string.byte as (this: void, text: string, at: number) => number | undefined;
const find = string.find as StringFind;
const sub = string.sub;

const MAX_DEPTH = json_limits.MAX_DEPTH;
const MAX_EXACT = json_limits.MAX_EXACT;

/*
 * A JSON reader for documents that are written back: what it accepts, `json_writer` writes with the same meaning. It
 * rejects what cjson changes without notice (integers beyond 2^53, keys that occur twice, invalid UTF-8), and gives
 * arrays a metatable, so that empty ones remain arrays. cjson cannot serve here: Debian's has no metatables, none of
 * its versions notices an integer that it rounds, and their settings cannot reject the rest.
 *
 * The reader has no recursion: open arrays and objects are in arrays of its state. Each byte is looked at a bounded
 * number of times.
 */

interface Reader {
    readonly text: string;
    /** Position of the next byte. */
    at: number;
    /** Number of open arrays and objects. */
    depth: number;
    /** The open arrays and objects, the outermost first. Above `depth` they are left over. */
    readonly containers: LuaTable<string | number>[];
    /** Where in each of them the next value belongs: a key, or a position. */
    readonly places: (string | number)[];
}

/** A value, or nil and an error text. JSON's null is `cjson.null`. */
type ReadResult = LuaMultiReturn<[value: unknown, err?: string | undefined]>;

const QUOTE = 0x22;
const COMMA = 0x2c;
const DOT = 0x2e;
const DIGIT_9 = 0x39;
const UPPER_E = 0x45;
const LOWER_E = 0x65;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** What a character after a backslash stands for. */
const ESCAPED: Record<string, string | undefined> = {
    '"': '"',
    "\\": "\\",
    "/": "/",
    b: "\b",
    f: "\f",
    n: "\n",
    r: "\r",
    t: "\t",
};

function syntax_error(at: number, what: string): string {
    return `invalid JSON at byte ${at}: ${what}`;
}

function value_error(reader: Reader, what: string): string {
    return `${json_limits.path_of(reader.places, reader.depth)}: ${what}`;
}

/** Returns the first byte at or after the position that is not white space, and moves the position there. */
function next_byte(reader: Reader): number | undefined {
    const c = byte(reader.text, reader.at);
    if (c === undefined || c > 0x20) {
        return c;
    }
    const [at] = find(reader.text, "[^ \t\r\n]", reader.at);
    reader.at = at ?? reader.text.length + 1;
    return byte(reader.text, reader.at);
}

/** Returns the number of four hexadecimal digits, or nil. */
function hex_at(text: string, at: number): number | undefined {
    const [from] = find(text, "^%x%x%x%x", at);
    return from !== undefined ? tonumber(sub(text, at, at + 3), 16) : undefined;
}

/**
 * Reads what follows a backslash.
 * @param at position of the character after the backslash
 * @returns the characters and the position after them, or nil
 */
function read_escape(text: string, at: number): LuaMultiReturn<[chars?: string | undefined, after?: number]> {
    const name = sub(text, at, at);
    if (name !== "u") {
        return $multi(ESCAPED[name], at + 1);
    }
    const code = hex_at(text, at + 1);
    if (code === undefined || (code >= 0xdc00 && code <= 0xdfff)) {
        return $multi();
    }
    if (code < 0xd800 || code > 0xdfff) {
        return $multi(utf8.encode(code), at + 5);
    }
    const low = sub(text, at + 5, at + 6) === "\\u" ? hex_at(text, at + 7) : undefined;
    if (low === undefined || low < 0xdc00 || low > 0xdfff) {
        return $multi();
    }
    return $multi(utf8.encode(0x10000 + (code - 0xd800) * 0x400 + (low - 0xdc00)), at + 11);
}

/** Reads the rest of a string from its first escape on. */
function read_escaped(reader: Reader, from: number, escape_at: number): Result<string> {
    const text = reader.text;
    const parts: string[] = [];
    let start = from;
    let at: number | undefined = escape_at;
    while (at !== undefined && byte(text, at) === BACKSLASH) {
        const [chars, after] = read_escape(text, at + 1);
        if (chars === undefined) {
            return $multi(undefined, syntax_error(at, "invalid escape"));
        }
        parts.push(sub(text, start, at - 1));
        parts.push(chars);
        start = after!;
        [at] = find(text, '[%z\x01-\x1f"\\]', start);
    }
    if (at === undefined || byte(text, at) !== QUOTE) {
        return $multi(undefined, syntax_error(at ?? text.length + 1, "unterminated string"));
    }
    parts.push(sub(text, start, at - 1));
    reader.at = at + 1;
    return $multi(table.concat(parts));
}

/** Reads a string, whose quote is at the position. */
function read_string(reader: Reader): Result<string> {
    const text = reader.text;
    const from = reader.at + 1;
    const [at] = find(text, '[%z\x01-\x1f"\\]', from);
    if (at !== undefined) {
        const c = byte(text, at);
        if (c === QUOTE) {
            reader.at = at + 1;
            return $multi(sub(text, from, at - 1));
        }
        if (c === BACKSLASH) {
            return read_escaped(reader, from, at);
        }
    }
    return $multi(undefined, syntax_error(at ?? text.length + 1, "unterminated string"));
}

/** Returns the position of the last byte of a number whose integer part ends at a position. */
function number_end(text: string, integer_end: number): number {
    const c = byte(text, integer_end + 1);
    if (c !== DOT && c !== LOWER_E && c !== UPPER_E) {
        return integer_end;
    }
    const [, fraction_end] = find(text, "^%.%d+", integer_end + 1);
    const mantissa_end = fraction_end ?? integer_end;
    const [, exponent_end] = find(text, "^[eE][+-]?%d+", mantissa_end + 1);
    return exponent_end ?? mantissa_end;
}

/** Reads a number. */
function read_number(reader: Reader): Result<number> {
    const { text, at } = reader;
    const [, integer_end] = find(text, "^-?%d+", at);
    if (integer_end === undefined) {
        return $multi(undefined, syntax_error(at, "unexpected character"));
    }
    const [leading_zero] = find(text, "^-?0%d", at);
    if (leading_zero !== undefined) {
        return $multi(undefined, syntax_error(at, "leading zero"));
    }
    const last = number_end(text, integer_end);
    const digits = sub(text, at, last);
    const value = tonumber(digits);
    if (value === undefined) {
        return $multi(undefined, value_error(reader, "the exponent has too many digits"));
    }
    if (value >= MAX_EXACT || value <= -MAX_EXACT) {
        const is_exact = digits === "9007199254740992" || digits === "-9007199254740992";
        if (!is_exact) {
            return $multi(undefined, value_error(reader, "the number is beyond 2^53, and not exact"));
        }
    }
    reader.at = last + 1;
    return $multi(value);
}

/** Reads `true`, `false`, `null`, or a number, which begins with the byte `c`. */
function read_simple(reader: Reader, c: number): ReadResult {
    const { text, at } = reader;
    if (c <= DIGIT_9) {
        return read_number(reader);
    }
    if (sub(text, at, at + 3) === "true") {
        reader.at = at + 4;
        return $multi(true);
    }
    if (sub(text, at, at + 4) === "false") {
        reader.at = at + 5;
        return $multi(false);
    }
    if (sub(text, at, at + 3) === "null") {
        reader.at = at + 4;
        return $multi(cjson.null);
    }
    return $multi(undefined, syntax_error(at, "unexpected character"));
}

/** Reads a key and its colon, which becomes the place of the next value in the innermost object. */
function read_key(reader: Reader): Problem {
    if (next_byte(reader) !== QUOTE) {
        return syntax_error(reader.at, "expected a key");
    }
    const [key, err] = read_string(reader);
    if (key === undefined) {
        return err;
    }
    reader.places[reader.depth - 1] = key;
    if (reader.containers[reader.depth - 1]!.get(key) !== undefined) {
        return value_error(reader, "the key occurs twice");
    }
    if (next_byte(reader) !== COLON) {
        return syntax_error(reader.at, "expected a colon");
    }
    reader.at = reader.at + 1;
    return undefined;
}

/** Puts a value into the innermost open array or object. */
function attach(reader: Reader, value: unknown): void {
    const depth = reader.depth;
    if (depth > 0) {
        reader.containers[depth - 1]!.set(reader.places[depth - 1]!, value);
    }
}

/**
 * Reads the beginning of an array or an object, up to its first value.
 * @returns the container if it is empty; nil; nil and an error text
 */
function open(reader: Reader, c: number): LuaMultiReturn<[empty: object | undefined, err?: string | undefined]> {
    const container = new LuaTable<string | number>();
    const is_array = c === OPEN_ARRAY;
    if (is_array) {
        setmetatable(container, json_limits.array_mt);
    }
    reader.at = reader.at + 1;
    if (next_byte(reader) === (is_array ? CLOSE_ARRAY : CLOSE_OBJECT)) {
        reader.at = reader.at + 1;
        return $multi(container);
    }
    if (reader.depth >= MAX_DEPTH) {
        return $multi(undefined, value_error(reader, `nested more than ${MAX_DEPTH} levels deep`));
    }
    attach(reader, container);
    reader.containers[reader.depth] = container;
    reader.places[reader.depth] = 1;
    reader.depth = reader.depth + 1;
    return $multi(undefined, is_array ? undefined : read_key(reader));
}

/**
 * Reads what follows a value, up to the next one: closes arrays and objects, or reads a comma and a key.
 * @returns whether the text has ended; nil and an error text
 */
function advance(reader: Reader): Result<boolean> {
    while (reader.depth > 0) {
        const c = next_byte(reader);
        const place = reader.places[reader.depth - 1]!;
        const is_array = typeof place === "number";
        if (c === COMMA) {
            reader.at = reader.at + 1;
            if (typeof place === "number") {
                reader.places[reader.depth - 1] = place + 1;
                return $multi(false);
            }
            const err = read_key(reader);
            if (err !== undefined) {
                return $multi(undefined, err);
            }
            return $multi(false);
        }
        if (c !== (is_array ? CLOSE_ARRAY : CLOSE_OBJECT)) {
            return $multi(undefined, syntax_error(reader.at, "expected a comma or the end of the array or object"));
        }
        reader.at = reader.at + 1;
        reader.depth = reader.depth - 1;
    }
    if (next_byte(reader) !== undefined) {
        return $multi(undefined, syntax_error(reader.at, "unexpected text after the value"));
    }
    return $multi(true);
}

/** Reads the value at the position, or the beginning of an array or object: then nil without an error. */
function read_value(reader: Reader): ReadResult {
    const c = next_byte(reader);
    if (c === QUOTE) {
        return read_string(reader);
    }
    if (c === OPEN_OBJECT || c === OPEN_ARRAY) {
        return open(reader, c);
    }
    if (c === undefined) {
        return $multi(undefined, syntax_error(reader.at, "unexpected end"));
    }
    return read_simple(reader, c);
}

/**
 * Decodes JSON.
 * @returns the value, with `cjson.null` for null; nil and an error text if the bytes are not JSON, or have a value that
 *   cannot be written back: an integer beyond 2^53, or a key that occurs twice
 */
function decode(text: string): ReadResult {
    if (typeof text !== "string") {
        return $multi(undefined, `invalid JSON: ${type(text)} instead of string`);
    }
    const invalid_at = utf8.find_invalid(text);
    if (invalid_at !== undefined) {
        return $multi(undefined, syntax_error(invalid_at, "invalid UTF-8"));
    }
    const reader: Reader = { text, at: 1, depth: 0, containers: [], places: [] };
    let root: unknown;
    while (true) {
        const [value, err] = read_value(reader);
        if (err !== undefined) {
            return $multi(undefined, err);
        }
        if (value !== undefined) {
            attach(reader, value);
            root ??= value;
            const [has_ended, advance_err] = advance(reader);
            if (advance_err !== undefined) {
                return $multi(undefined, advance_err);
            }
            if (has_ended) {
                return $multi(reader.containers[0] ?? root);
            }
        }
    }
}

export { decode };
