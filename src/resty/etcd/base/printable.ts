import * as error_text from "./error_text";
import * as utf8 from "./utf8";

const byte = string.byte as (
    this: void,
    text: string,
    from: number,
    to?: number,
) => LuaMultiReturn<[a?: number, b?: number, c?: number, d?: number]>;
const concat = table.concat;
const find = string.find as StringFind;
const max = math.max;
const sub = string.sub;

/** Maximum bytes of a text of a server, a library or a user's function: nginx without patches cuts its lines there. */
const MAX_TEXT = 2048;
/** Maximum bytes of a key, a prefix or a name. A log line can contain several of them. */
const MAX_KEY = 256;

/** Stands for each character that is removed. */
const REPLACEMENT = "?";
/** Follows a text that is cut. */
const CUT = "...";

/** Pattern of a byte that is not a printable character of ASCII. */
const NOT_PLAIN = "[^ -~]";

/** Reports whether a valid character of two bytes is a control character (C1), or changes the direction of the text. */
function is_control_of_two(a: number, b: number): boolean {
    return (a === 0xc2 && b < 0xa0) || (a === 0xd8 && b === 0x9c);
}

/** Reports whether a valid character of three bytes separates lines, or changes the direction of the text. */
function is_control_of_three(a: number, b: number, c: number): boolean {
    if (a !== 0xe2) {
        return false;
    }
    if (b === 0x80) {
        return c === 0x8e || c === 0x8f || (c >= 0xa8 && c <= 0xae);
    }
    return b === 0x81 && c >= 0xa6 && c <= 0xa9;
}

/** Returns the length of the character at a byte that is not plain, if it can be shown; 0 otherwise. */
function shown_length(text: string, at: number): number {
    const [a, b, c, d] = byte(text, at, at + 3);
    const length = utf8.length_of(a!, b, c, d);
    if ((length === 2 && is_control_of_two(a!, b!)) || (length === 3 && is_control_of_three(a!, b!, c!))) {
        return 0;
    }
    return length;
}

/** Replaces each byte that cannot be shown, and each character that would change what people read. */
function clean(text: string): string {
    let [at] = find(text, NOT_PLAIN);
    if (at === undefined) {
        return text;
    }
    const parts: string[] = [];
    let from = 1;
    while (at !== undefined) {
        const length = shown_length(text, at);
        if (length === 0) {
            parts.push(sub(text, from, at - 1));
            parts.push(REPLACEMENT);
            from = at + 1;
        }
        at = at + max(1, length);
        [at] = find(text, NOT_PLAIN, at);
    }
    parts.push(sub(text, from));
    return concat(parts);
}

/**
 * Returns text from outside the driver in a form that cannot do harm where people read it: in a log line, an error text or
 * the label of a metric. Etcd, other tenants' keys, files and functions of users must not add lines to a log or send escape
 * sequences to a terminal. Control characters (C0, DEL, C1), line separators, characters that change the direction of the
 * text, and bytes that are not UTF-8 become `?`; a longer text is cut. All other texts are returned unchanged.
 * @param value text; any other value is converted
 * @param limit maximum number of bytes, `MAX_TEXT` by default
 */
function of(value: unknown, limit = MAX_TEXT): Printable {
    let text = typeof value === "string" ? value : error_text.of(value, "nil");
    if (text.length > limit) {
        text = sub(text, 1, limit - CUT.length) + CUT;
    }
    return clean(text) as Printable;
}

/** Returns a key, a prefix or a name in the same form. */
function key(value: unknown): Printable {
    return of(value, MAX_KEY);
}

export { key, of, MAX_KEY, MAX_TEXT };
