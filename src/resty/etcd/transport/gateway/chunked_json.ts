import * as cjson from "cjson.safe";
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

/** Up to so many bytes are decoded in one go, in about a millisecond. */
const LONG = 64 * 1024;
/** Bytes of a part of what is longer. */
const PART = 2 * 1024;
/** Bytes at both ends of a text between which there must be nothing but the list. */
const MARGIN = 1024;

/** A text whose length comes from one list of objects. */
interface Cut {
    /** The decoded rest of the text, and the message in it, without the list. */
    readonly json: unknown;
    readonly fields: Fields;
    readonly name: string;
    /** Where the first item begins and the last one ends. */
    readonly first: number;
    readonly last: number;
}

/** The message in what was decoded. */
function inside(json: unknown, envelope: string | undefined): unknown {
    if (envelope === undefined || typeof json !== "object") {
        return json;
    }
    return (json as Fields).get(envelope);
}

function decode_at_once(message: MessageType, text: string, envelope: string | undefined): Decoded {
    const [json] = cjson.decode(text);
    return $multi(json, json_codec.decode(message, inside(json, envelope)));
}

/**
 * Takes the list out of a long text. A mere guess where it begins and ends is enough: with a number in its place the
 * rest must be JSON that has this number there, and each part of the list must be JSON by itself. Then they are what
 * the text says, as what comes before the list has not begun a string that it does not end.
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
 * @returns where it ends, and where the next one begins
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
 * Decodes the items of a list, part by part, between which others have their turn.
 * @returns nil if some part is not JSON by itself; the second is the name of a malformed field
 */
function decode_items(
    message: MessageType,
    text: string,
    found: Cut,
): LuaMultiReturn<[items: unknown[] | undefined, bad?: string]> {
    const slice = time_slice.start();
    const name = found.name;
    const last = found.last;
    const items: unknown[] = [];
    const part: Fields = new LuaMap();
    let at = found.first;
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

/** What the text says, and the name of a malformed field. */
type Decoded = LuaMultiReturn<[json: unknown, bad?: string | undefined]>;

/**
 * Decodes a message's JSON, and turns it into the message in place. A long one is decoded in parts, so that the worker
 * is not busy with it for long; whoever is not able to wait gets it all the same.
 * @param envelope the field of the JSON that holds the message, where it is not the JSON itself
 * @returns all that the text says, nil if it is not JSON; and the name of a field of the message that is malformed
 */
function decode(message: MessageType, text: string, envelope?: string): Decoded {
    let found: Cut | undefined;
    if (text.length > LONG) {
        found = cut(text, envelope);
    }
    if (found === undefined) {
        return decode_at_once(message, text, envelope);
    }
    const [items, bad_item] = decode_items(message, text, found);
    if (items === undefined) {
        return decode_at_once(message, text, envelope);
    }
    const bad = bad_item ?? json_codec.decode(message, found.fields);
    found.fields.set(found.name, items);
    return $multi(found.json, bad);
}

export { LONG, decode };
