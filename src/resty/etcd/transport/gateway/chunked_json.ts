import * as cjson from "../../base/private_cjson";
import * as clock from "../../base/clock";
import * as gc_barrier from "../../base/gc_barrier";
import * as time_slice from "../../base/time_slice";
import type { TimeSlice } from "../../base/time_slice";
import type { MessageType } from "../../protocol/schema";
import * as failures from "../failure";
import type { LocalFailure } from "../transport";
import * as json_codec from "./json_codec";
import type { Fields } from "./json_codec";
import * as json_scan from "./json_scan";

const byte = string.byte;
const concat = table.concat;
const find = string.find as StringFind;
const now = clock.now;
const sub = string.sub;

/** Bytes of a text that is decoded in one call. */
const LONG = json_scan.LONG;
/** Nested arrays and objects that are decoded in parts. A reply has 6, and 3 for each transaction in a transaction. */
const MAX_DEPTH = 32;
/** Members of an object that is decoded in parts: LuaJIT moves all of them whenever their number doubles. */
const MAX_MEMBERS = 1000;
/** Longest string with escapes, in bytes: cjson decodes it in one call. base64 has none. */
const MAX_ESCAPED = 4 * 1024 * 1024;
/**
 * Bytes of the longest response per value that a response can have, whatever its length: 2,097,152 values by default. kvs
 * have 35 bytes per value or more, unless keys and values are very short.
 */
const BYTES_PER_VALUE = 32;
/** Bytes of base64 that are decoded in one call, which takes 2 ms; a multiple of 4. */
const BASE64_PIECE = 1024 * 1024;

/** Bounds for decoding one text. */
interface Limits {
    /** Nil for none. */
    readonly deadline: number | undefined;
    /** Bytes of the longest response. */
    readonly max_response_size: number;
}

/** A long text that is being decoded. */
interface Reader {
    readonly text: string;
    readonly slice: TimeSlice;
    readonly deadline: number | undefined;
    /** Values that the text can still have. */
    values_left: number;
    /** Name of a malformed field. */
    bad: string | undefined;
    /** Why decoding was stopped, although the text can be valid. */
    failure: LocalFailure | undefined;
}

/** A value and the position after it; nil if the text is malformed or decoding was stopped. */
type ReadResult = LuaMultiReturn<[value: unknown, next: number] | [value: undefined, next?: undefined]>;

/** What an array or object is in the schema: the type of an object, or a list in a field of a type. */
interface Shape {
    readonly message: MessageType | undefined;
    /** Nil for an object. */
    readonly list: string | undefined;
}

/** An array or object that the schema does not contain. */
const UNKNOWN: Shape = { message: undefined, list: undefined };

/** Counts values and yields. Reports whether decoding goes on. */
function proceed(reader: Reader, count: number): boolean {
    reader.values_left = reader.values_left - count;
    if (reader.values_left < 0) {
        reader.failure = failures.local_failure("too_large", "response with too many values", true);
        return false;
    }
    time_slice.yield_if_due(reader.slice);
    if (reader.deadline !== undefined && now() >= reader.deadline) {
        reader.failure = failures.local_failure("timeout", "timeout", true);
        return false;
    }
    return reader.bad === undefined;
}

/** Converts decoded JSON of a message in place, and notes a malformed field. */
function convert(reader: Reader, message: MessageType | undefined, json: Fields): void {
    if (message !== undefined) {
        reader.bad ??= json_codec.decode(message, json);
    }
}

/** Decodes long base64 in pieces. Returns nil if it is malformed or decoding was stopped. */
function decode_bytes(reader: Reader, text: string): string | undefined {
    const pieces: string[] = [];
    for (const at of $range(1, text.length, BASE64_PIECE)) {
        const piece = ngx.decode_base64(sub(text, at, at + BASE64_PIECE - 1));
        const is_last = at + BASE64_PIECE > text.length;
        if (piece === undefined || (!is_last && piece.length !== (BASE64_PIECE / 4) * 3) || !proceed(reader, 0)) {
            return undefined;
        }
        pieces.push(piece);
    }
    return concat(pieces);
}

/** Converts a value as that of a field. Returns nil if the field is zero or malformed. */
function convert_field(reader: Reader, message: MessageType | undefined, name: string, value: unknown): unknown {
    const is_bytes = message?.get(name)?.scalar === "bytes";
    if (is_bytes && typeof value === "string" && value.length > BASE64_PIECE) {
        const bytes = decode_bytes(reader, value);
        if (bytes === undefined) {
            reader.bad ??= name;
        }
        return bytes;
    }
    const fields: Fields = new LuaMap();
    fields.set(name, value);
    convert(reader, message, fields);
    return fields.get(name);
}

/**
 * Returns what the value of a field is in the schema, by its first character.
 * @returns nil if it is a scalar, or of another type than the field
 */
function shape_of(message: MessageType | undefined, name: string, first: number): Shape | undefined {
    const field = message?.get(name);
    if (field === undefined) {
        return UNKNOWN;
    }
    if (field.repeated === true) {
        return first === json_scan.OPEN_ARRAY ? { message, list: name } : undefined;
    }
    return field.message !== undefined && first === json_scan.OPEN_OBJECT
        ? { message: field.message, list: undefined }
        : undefined;
}

/** As `shape_of`, for an item of an array. */
function shape_of_item(shape: Shape, first: number): Shape | undefined {
    const { message, list } = shape;
    if (message === undefined || list === undefined) {
        return UNKNOWN;
    }
    const inner = message.get(list)!.message;
    return inner !== undefined && first === json_scan.OPEN_OBJECT ? { message: inner, list: undefined } : undefined;
}

/** Reads a long string. */
function read_string(reader: Reader, at: number): ReadResult {
    const text = reader.text;
    let [stop, next] = json_scan.string_end(text, at + 1, at + LONG);
    while (stop === undefined) {
        if (next === undefined || !proceed(reader, 0)) {
            return $multi(undefined);
        }
        [stop, next] = json_scan.string_end(text, next, next + LONG);
    }
    const raw = json_scan.between(text, at, stop);
    time_slice.yield_if_due(reader.slice);
    const [escape] = find(raw, "\\", 1, true);
    const [zero] = find(raw, "\0", 1, true); // cjson does not accept it
    time_slice.yield_if_due(reader.slice);
    if (escape === undefined && zero === undefined) {
        return $multi(raw, stop + 1);
    }
    if (raw.length > MAX_ESCAPED) {
        return $multi(undefined);
    }
    const [decoded] = cjson.decode(`["${raw}"]`);
    return $multi((decoded as string[] | undefined)?.[0], stop + 1);
}

/** Adds the items of a part to an array. Returns their number; 0 if the part is malformed. */
function add_items(reader: Reader, shape: Shape, part: string, items: unknown[]): number {
    const [list] = cjson.decode(`[${part}]`);
    if (typeof list !== "object") {
        return 0;
    }
    if (shape.list !== undefined) {
        convert_field(reader, shape.message, shape.list, list);
    }
    for (const item of list as unknown[]) {
        items.push(gc_barrier.mark_now(item));
    }
    return (list as unknown[]).length;
}

/** Adds the members of a part to an object; those that it repeats are replaced. Returns their number; 0 if it is malformed. */
function add_members(reader: Reader, shape: Shape, part: string, fields: Fields): number {
    const [json] = cjson.decode(`{${part}}`);
    if (typeof json !== "object") {
        return 0;
    }
    const members = json as Fields;
    let count = 0;
    for (const [name] of members) {
        fields.delete(name);
        count = count + 1;
    }
    convert(reader, shape.message, members);
    for (const [name, value] of members) {
        fields.set(name, value);
    }
    return count;
}

/** Adds a long item to an array, as `read_container` has read it with the shape `inner`. */
function add_item(reader: Reader, shape: Shape, inner: Shape | undefined, value: unknown, items: unknown[]): void {
    let item = value;
    if (inner === undefined && shape.list !== undefined) {
        const list = convert_field(reader, shape.message, shape.list, [value]) as unknown[] | undefined;
        item = list?.[0];
    }
    items.push(gc_barrier.mark_now(item));
}

/** Reads the name of a member of an object. Returns it and the position of the value; nil if it is malformed. */
function read_name(text: string, at: number): LuaMultiReturn<[name: string | undefined, value_at: number]> {
    const [stop] = json_scan.string_end(text, at + 1, at + LONG);
    if (byte(text, at) !== json_scan.QUOTE || stop === undefined) {
        return $multi(undefined, at);
    }
    const colon = json_scan.skip_space(text, stop + 1);
    const [decoded] = cjson.decode(`[${sub(text, at, stop)}]`);
    if (byte(text, colon) !== json_scan.COLON || decoded === undefined) {
        return $multi(undefined, at);
    }
    return $multi((decoded as string[])[0]!, json_scan.skip_space(text, colon + 1));
}

/**
 * Reads an array or object in parts. Items that are long are read in parts, too.
 * @param at position of its opening bracket
 * @param depth of the arrays and objects that contain it
 */
function read_container(reader: Reader, at: number, shape: Shape, depth: number): ReadResult {
    const text = reader.text;
    const is_array = byte(text, at) === json_scan.OPEN_ARRAY;
    const closing = is_array ? json_scan.CLOSE_ARRAY : json_scan.CLOSE_OBJECT;
    const values: unknown[] = [];
    const fields = values as unknown as Fields; // the same table
    let members = 0;
    let next = at + 1;
    while (true) {
        const [part_end, count] = json_scan.part_end(text, next);
        if (!proceed(reader, count)) {
            return $multi(undefined);
        }
        let stop = part_end;
        if (stop !== undefined) {
            const part = sub(text, next, stop - 1);
            const added = is_array ? add_items(reader, shape, part, values) : add_members(reader, shape, part, fields);
            if (added === 0) {
                return $multi(undefined);
            }
            members = members + added;
        } else {
            let name = "";
            let value_at = json_scan.skip_space(text, next);
            if (!is_array) {
                const [given, given_at] = read_name(text, value_at);
                if (given === undefined) {
                    return $multi(undefined);
                }
                name = given;
                value_at = given_at;
            }
            const first = byte(text, value_at);
            const inner = is_array ? shape_of_item(shape, first) : shape_of(shape.message, name, first);
            let value: unknown;
            let after: number | undefined;
            if (first === json_scan.QUOTE) {
                [value, after] = read_string(reader, value_at);
            } else if (depth < MAX_DEPTH && (first === json_scan.OPEN_ARRAY || first === json_scan.OPEN_OBJECT)) {
                [value, after] = read_container(reader, value_at, inner ?? UNKNOWN, depth + 1);
            }
            if (after === undefined) {
                return $multi(undefined);
            }
            if (is_array) {
                add_item(reader, shape, inner, value, values);
            } else {
                fields.set(name, inner === undefined ? convert_field(reader, shape.message, name, value) : value);
                members = members + 1;
            }
            stop = json_scan.skip_space(text, after);
        }
        const c = byte(text, stop);
        if (c === closing) {
            return $multi(values, stop + 1);
        }
        if (c !== json_scan.COMMA || (!is_array && members > MAX_MEMBERS)) {
            return $multi(undefined);
        }
        next = stop + 1;
    }
}

/** The decoded JSON; the name of a malformed field; why decoding was stopped, although the text can be valid. */
type Decoded = LuaMultiReturn<[json: unknown, bad?: string | undefined, failure?: LocalFailure | undefined]>;

/** Returns the message in decoded JSON. */
function inside(json: unknown, envelope: string | undefined): unknown {
    if (envelope === undefined || typeof json !== "object") {
        return json;
    }
    return (json as Fields).get(envelope);
}

function decode_in_parts(message: MessageType, text: string, envelope: string | undefined, limits: Limits): Decoded {
    const reader: Reader = {
        text,
        slice: time_slice.start(),
        deadline: limits.deadline,
        values_left: limits.max_response_size / BYTES_PER_VALUE,
        bad: undefined,
        failure: undefined,
    };
    let shape: Shape = { message, list: undefined };
    if (envelope !== undefined) {
        const outer: MessageType = new LuaMap();
        outer.set(envelope, { number: 1, message });
        shape = { message: outer, list: undefined };
    }
    const at = json_scan.skip_space(text, 1);
    let json: unknown;
    let next: number | undefined;
    if (byte(text, at) === json_scan.OPEN_OBJECT) {
        [json, next] = read_container(reader, at, shape, 1); // no message is an array
    }
    const is_whole = next !== undefined && json_scan.skip_space(text, next) > text.length;
    if (!is_whole || typeof inside(json, envelope) !== "object") {
        reader.bad ??= "body";
    }
    return $multi(is_whole ? json : undefined, reader.bad, reader.failure);
}

/**
 * Decodes JSON, and converts the message in it in place. A long text is decoded in parts with yields in between, so that it
 * does not occupy the worker; in phases that cannot yield, without a pause.
 * @param envelope field that contains the message; nil if the JSON is the message
 * @returns the JSON, nil if the text is not JSON; the name of a malformed field of the message; and why decoding was stopped
 */
function decode(message: MessageType, text: string, envelope: string | undefined, limits: Limits): Decoded {
    if (text.length > LONG) {
        return decode_in_parts(message, text, envelope, limits);
    }
    const [json] = cjson.decode(text);
    return $multi(json, json_codec.decode(message, inside(json, envelope)));
}

export { LONG, decode, type Limits };
