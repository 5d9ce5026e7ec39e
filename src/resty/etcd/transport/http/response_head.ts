import type { Headers } from "../transport";

const byte = string.byte;
const find = string.find as StringFind;
const lower = string.lower;
const match = string.match;
const sub = string.sub;

/*
 * A head that two programs understand differently lets a server pass a part of a response off as the next one. What RFC 9112
 * leaves to the receiver is therefore rejected: folded lines, blanks around names, bare line breaks and other control
 * characters, two lengths, and every transfer coding but "chunked".
 */

/** Largest number of header fields. etcd sends 10, and proxies add some. */
const MAX_FIELDS = 256;
/** Digits of a Content-Length that can be exact numbers of Lua. */
const MAX_DIGITS = 15;

const TAB = 9;
const BLANK = 32;
/** Position of the last digit of the status. */
const STATUS_END = 12;

/** A name, in a Lua pattern (RFC 9110, 5.6.2). */
const NAME = "^[%w!#$%%&'*+%-.^_`|~]+$";
/** A control character other than a tab, in a Lua pattern. */
const CONTROL = "[^%C\t]";

/** How a body ends. */
type Framing = "chunked" | "length" | "close";

interface Head {
    readonly status: number;
    readonly headers: Headers;
    readonly framing: Framing;
    /** Bytes of the body; only with framing "length". */
    readonly length: number;
    /** The server accepts another request on this connection. */
    readonly keepalive: boolean;
}

/** The header fields of a response. */
interface Fields {
    /** By name, as received. */
    readonly headers: Headers;
    /** By name in lower case: the spellings of a name are one field. */
    readonly folded: Headers;
}

function is_blank(char: number | undefined): boolean {
    return char === BLANK || char === TAB;
}

/** Reports whether a text contains control characters other than tabs. */
function has_control_characters(text: string): boolean {
    const [at] = find(text, CONTROL);
    return at !== undefined;
}

/** Returns a part of a text without blanks and tabs around it. */
function trimmed(text: string, from: number, to: number): string {
    while (from <= to && is_blank(byte(text, from))) {
        from = from + 1;
    }
    while (to >= from && is_blank(byte(text, to))) {
        to = to - 1;
    }
    return sub(text, from, to);
}

function add_value(fields: Headers, name: string, value: string): void {
    const earlier = fields.get(name);
    fields.set(name, earlier !== undefined ? `${earlier}, ${value}` : value);
}

/** Parses a header field and adds it to `fields`. Returns false if it is malformed. */
function add_field(fields: Fields, line: string): boolean {
    const [colon] = find(line, ":", 1, true);
    if (colon === undefined || has_control_characters(line)) {
        return false;
    }
    const name = sub(line, 1, colon - 1);
    const [is_name] = find(name, NAME);
    if (is_name === undefined) {
        return false;
    }
    const value = trimmed(line, colon + 1, line.length);
    add_value(fields.headers, name, value);
    add_value(fields.folded, lower(name), value);
    return true;
}

/** Parses the header fields after the status line. Returns nil if they are malformed. */
function parse_fields(head: string, from: number): Fields | undefined {
    const fields: Fields = { headers: new LuaMap(), folded: new LuaMap() };
    let start = from;
    let count = 0;
    while (start <= head.length) {
        const [found] = find(head, "\r\n", start, true);
        const stop = found ?? head.length + 1;
        count = count + 1;
        if (count > MAX_FIELDS || !add_field(fields, sub(head, start, stop - 1))) {
            return undefined;
        }
        start = stop + 2;
    }
    return fields;
}

/** Reports whether a list of options contains one. */
function has_option(list: string | undefined, option: string): boolean {
    for (const [each] of string.gmatch(lower(list ?? ""), "[^, \t]+")) {
        if (each === option) {
            return true;
        }
    }
    return false;
}

/** Returns the number that a Content-Length contains, or nil if it is invalid or too large. */
function parse_length(text: string): number | undefined {
    const [digits] = match(text, "^%d+$");
    if (digits === undefined || digits.length > MAX_DIGITS) {
        return undefined;
    }
    return tonumber(digits)!;
}

/**
 * Determines from the header fields how the body ends.
 * @returns the head; nil if that is unclear
 */
function make_head(status: number, is_http11: boolean, fields: Fields): Head | undefined {
    const { headers, folded } = fields;
    const connection = folded.get("connection");
    const coding = folded.get("transfer-encoding");
    const length_text = folded.get("content-length");
    let keepalive = !has_option(connection, "close") && (is_http11 || has_option(connection, "keep-alive"));
    let length: number | undefined;
    if (length_text !== undefined) {
        length = parse_length(length_text);
        if (length === undefined) {
            return undefined;
        }
    }
    if (coding !== undefined && (length !== undefined || !is_http11 || lower(coding) !== "chunked")) {
        return undefined;
    }
    if (status < 200 || status === 204 || status === 304) {
        // a server that announces a body nevertheless can send it, except that a 304 has the length of another response
        keepalive = keepalive && coding === undefined && (status === 304 || (length ?? 0) === 0);
        return { status, headers, framing: "length", length: 0, keepalive };
    }
    if (coding !== undefined) {
        return { status, headers, framing: "chunked", length: 0, keepalive };
    }
    if (length === undefined) {
        return { status, headers, framing: "close", length: 0, keepalive: false };
    }
    return { status, headers, framing: "length", length, keepalive };
}

/**
 * Parses the status line and the header fields of a response.
 * @param text without the empty line at its end
 * @returns the head; nil if it is malformed
 */
function parse(text: string): Head | undefined {
    const [found] = find(text, "\r\n", 1, true);
    const stop = found ?? text.length + 1;
    const line = sub(text, 1, stop - 1);
    // digits only: "1e9" and "inf" are numbers to Lua
    const [minor, digits] = match(line, "^HTTP/1%.([01]) ([1-9]%d%d)");
    const after = byte(line, STATUS_END + 1) as number | undefined;
    if (digits === undefined || (after !== undefined && after !== BLANK) || has_control_characters(line)) {
        return undefined;
    }
    const status = tonumber(digits)!;
    const fields = parse_fields(text, stop + 2);
    // after 101 the connection would speak another protocol, for which the driver does not ask
    if (fields === undefined || status === 101) {
        return undefined;
    }
    return make_head(status, minor === "1", fields);
}

export { has_control_characters, parse, type Head };
