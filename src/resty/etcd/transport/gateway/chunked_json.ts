import * as cjson from "../../base/private_cjson";
import * as json_codec from "./json_codec";
import type { Fields } from "./json_codec";
import * as gc_barrier from "../../base/gc_barrier";
import type { MessageType } from "../../protocol/schema";
import * as time_slice from "../../base/time_slice";

const replace = string.gsub;
const find = string.find as StringFind;
const match = string.match;
const min = math.min;
const sub = string.sub;

/** Bytes that are decoded in one call, which takes about a millisecond. */
const LONG = 64 * 1024;
/** Bytes of a part of a longer text. */
const PART = 2 * 1024;
/** Bytes at both ends of a text that can contain anything but the list. */
const MARGIN = 1024;

/** A text that is long because of one list of objects. */
interface Cut {
    /** The decoded text without the list, and the message in it. */
    readonly json: unknown;
    readonly fields: Fields;
    readonly name: string;
    /** Positions of the begin of the first item and the end of the last one. */
    readonly first: number;
    readonly last: number;
}

/** Returns the message in decoded JSON. */
function inside(json: unknown, envelope: string | undefined): unknown {
    if (envelope === undefined || typeof json !== "object") {
        return json;
    }
    return (json as Fields).get(envelope);
}

function decode_in_one_call(message: MessageType, text: string, envelope: string | undefined): Decoded {
    const [json] = cjson.decode(text);
    return $multi(json, json_codec.decode(message, inside(json, envelope)));
}

/**
 * Cuts the list out of a long text. Its begin and end are guessed, and the result proves the guess: with a number instead of
 * the list, the rest must be JSON with this number at this place, and each part of the list must be JSON. Both then mean
 * what the text means, because the text before the list contains no unfinished string.
 */
function cut(text: string, envelope: string | undefined): Cut | undefined {
    const beginning = sub(text, 1, MARGIN);
    const ending = sub(text, -MARGIN);
    // positions are numbers
    const [name, first_at] = match(beginning, '"([%w_]+)":%s*%[%s*(){');
    const [closing_at] = match(ending, "^.*}()%s*%]");
    if (name === undefined || closing_at === undefined) {
        return undefined;
    }
    const first = first_at as unknown as number;
    const closing = closing_at as unknown as number;
    const head = sub(beginning, 1, first - 1);
    const tail = sub(ending, closing);
    const [escape] = find(head + tail, "\\", 1, true);
    const [repeated] = find(tail, `"${name}"`, 1, true);
    const [, quotes] = replace(head, '"', "");
    if (escape !== undefined || repeated !== undefined || quotes % 2 === 1) {
        return undefined;
    }
    const [json] = cjson.decode(`${head}7${tail}`);
    const fields = inside(json, envelope);
    if (typeof fields !== "object") {
        return undefined;
    }
    const list = (fields as Fields).get(name);
    if (typeof list !== "object" || (list as unknown[]).length !== 1 || (list as unknown[])[0] !== 7) {
        return undefined;
    }
    (fields as Fields).delete(name);
    return { json, fields: fields as Fields, name, first, last: text.length - ending.length + closing - 1 };
}

/**
 * Finds the end of an item that is followed by another one.
 * @returns positions of its end and of the begin of the next one
 */
function find_end(text: string, from: number): LuaMultiReturn<[stop: number | undefined, next?: number]> {
    let at = from;
    while (true) {
        const [stop] = find(text, "}", at, true);
        if (stop === undefined) {
            return $multi(undefined);
        }
        const [next_at] = match(text, "^,%s*(){", stop + 1);
        if (next_at !== undefined) {
            return $multi(stop, next_at as unknown as number);
        }
        at = stop + 1;
    }
}

/**
 * Decodes the items of a list in parts, and yields in between.
 * @returns the items, nil if some part is not JSON; and the name of a malformed field
 */
function decode_items(
    message: MessageType,
    text: string,
    cut_text: Cut,
): LuaMultiReturn<[items: unknown[] | undefined, bad?: string]> {
    const slice = time_slice.start();
    const name = cut_text.name;
    const last = cut_text.last;
    const items: unknown[] = [];
    const part: Fields = new LuaMap();
    let at = cut_text.first;
    while (at <= last) {
        const [stop, next_at] = find_end(text, at + PART);
        const [list] = cjson.decode(`[${sub(text, at, min(stop ?? last, last))}]`);
        if (typeof list !== "object") {
            return $multi(undefined);
        }
        part.set(name, list);
        const bad = json_codec.decode(message, part);
        if (bad !== undefined) {
            return $multi(items, bad);
        }
        for (const item of list as unknown[]) {
            items.push(gc_barrier.mark_now(item));
        }
        at = next_at ?? last + 1;
        time_slice.yield_if_due(slice);
    }
    return $multi(items);
}

/** The decoded JSON, and the name of a malformed field. */
type Decoded = LuaMultiReturn<[json: unknown, bad?: string | undefined]>;

/**
 * Decodes JSON, and converts the message in it in place. A long text is decoded in parts, so that it does not occupy the
 * worker; in phases that cannot yield, without a pause.
 * @param envelope field that contains the message; nil if the JSON is the message
 * @returns the JSON, nil if the text is not JSON; and the name of a malformed field of the message
 */
function decode(message: MessageType, text: string, envelope?: string): Decoded {
    let cut_text: Cut | undefined;
    if (text.length > LONG) {
        cut_text = cut(text, envelope);
    }
    if (cut_text === undefined) {
        return decode_in_one_call(message, text, envelope);
    }
    const [items, bad_item] = decode_items(message, text, cut_text);
    if (items === undefined) {
        return decode_in_one_call(message, text, envelope);
    }
    const bad = bad_item ?? json_codec.decode(message, cut_text.fields);
    cut_text.fields.set(cut_text.name, items);
    return $multi(cut_text.json, bad);
}

export { LONG, decode };
