import type { RequestContext, Headers } from "../transport";
import * as clock from "../../base/clock";
import type { Fault } from "../fault";
import * as faults from "../fault";
import type { ExtraHeaders, RequestTemplate } from "./types";
import * as socket_reader from "./socket_reader";
import type { SocketReader } from "./socket_reader";
import type { Target } from "../../endpoint/url";

const byte = string.byte;
const sub = string.sub;
const find = string.find as StringFind;
const match = string.match;
const lower = string.lower;
const concat = table.concat;
const format = string.format;
const floor = math.floor;
const max = math.max;
const min = math.min;
const now = clock.now;
/** `table.clone` exists in OpenResty's LuaJIT only. */
const [has_clone, table_clone] = pcall(require, "table.clone");
const read_line = socket_reader.read_line;
const read_exact = socket_reader.read_exact;

/** Share of the time by which the deadline of the server precedes that of the call. */
const HEAD_START = 0.1;
/** Upper bound in seconds of that share. */
const MAX_HEAD_START = 0.1;

/** Longest body in bytes. etcd sends nothing that long. */
const MAX_BODY = 512 * 1024 * 1024;

type CloneTable = (this: void, headers: Headers) => Headers;

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

/** Longest timeout in milliseconds: gRPC allows 8 digits. */
const MAX_SERVER_TIME = 99999999;

/** Formats the beginning of all requests that share a template. */
function format_head(method: string, path: string, target: Target, extra: ExtraHeaders): string {
    return `${method} ${path} HTTP/1.1\r\nHost: ${extra.host ?? target.authority}\r\n${extra.block}`;
}

/**
 * Returns the timeout for the server in the format of gRPC, or nil if none is sent. It is a little shorter than the time
 * left, so that the error of the server arrives before the deadline.
 */
function server_time(context: RequestContext): string | undefined {
    const deadline = context.deadline;
    if (deadline === undefined || !context.send_timeout_header) {
        return undefined;
    }
    const left = deadline - now();
    const rest = left - min(MAX_HEAD_START, left * HEAD_START);
    if (rest * 1000 > MAX_SERVER_TIME) {
        return undefined;
    }
    return format("%dm", max(1, floor(rest * 1000)));
}

/** Formats the header fields that differ between requests. */
function format_own_fields(context: RequestContext): string {
    const time = server_time(context);
    let fields = time !== undefined ? `Grpc-Timeout: ${time}\r\n` : "";
    if (context.token !== undefined) {
        fields = `${fields}Authorization: ${context.token}\r\n`;
    }
    if (context.require_leader) {
        fields = `${fields}Grpc-Metadata-hasleader: true\r\n`;
    }
    return fields;
}

/** Formats a request. */
function format_request(template: RequestTemplate, context: RequestContext, body: string): string {
    const fields = format_own_fields(context);
    if (template.method === "GET") {
        return `${template.head}${fields}\r\n`;
    }
    return `${template.head}${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** Parses the header fields after the status line. Returns nil if they are malformed. */
function parse_fields(head: string, from: number): Headers | undefined {
    const headers: Headers = new LuaMap();
    let start = from;
    while (start <= head.length) {
        let [stop] = find(head, "\r\n", start, true);
        stop ??= head.length + 1;
        const [colon] = find(head, ":", start, true);
        if (colon === undefined || colon >= stop || colon === start) {
            return undefined;
        }
        let value_at = colon + 1;
        while (byte(head, value_at) === 32) {
            value_at = value_at + 1;
        }
        const name = sub(head, start, colon - 1);
        const value = sub(head, value_at, stop - 1);
        const earlier = headers.get(name);
        headers.set(name, earlier !== undefined ? `${earlier}, ${value}` : value);
        start = stop + 2;
    }
    return headers;
}

/** Returns a header field by its name in lower case; names are case-insensitive. */
function field(headers: Headers, name: string): string | undefined {
    for (const [key, value] of headers) {
        if (key.length === name.length && lower(key) === name) {
            return value;
        }
    }
    return undefined;
}

function has_token(value: string | undefined, token: string): boolean {
    if (value === undefined) {
        return false;
    }
    const [from] = find(lower(value), token, 1, true);
    return from !== undefined;
}

/**
 * Determines from the header fields how the body ends.
 * @returns the head; nil if the length of the body is invalid
 */
function make_head(status: number, headers: Headers, is_http11: boolean): Head | undefined {
    const connection = field(headers, "connection");
    let keepalive = !has_token(connection, "close");
    if (!is_http11) {
        keepalive = has_token(connection, "keep-alive");
    }
    if (has_token(field(headers, "transfer-encoding"), "chunked")) {
        return { status, headers, framing: "chunked", length: 0, keepalive };
    }
    if (status === 204 || status === 304) {
        return { status, headers, framing: "length", length: 0, keepalive };
    }
    const length_text = field(headers, "content-length");
    if (length_text === undefined) {
        return { status, headers, framing: "close", length: 0, keepalive: false };
    }
    const [digits] = match(length_text, "^(%d+)%s*$");
    const length = tonumber(digits);
    if (length === undefined || length > MAX_BODY) {
        return undefined;
    }
    return { status, headers, framing: "length", length, keepalive };
}

/**
 * Parses status line and header fields.
 * @returns the head; nil if it is malformed
 */
function parse_head(text: string): Head | undefined {
    // digits only: "1e9" and "inf" are numbers to Lua
    const [digits] = match(text, "^HTTP/1%.%d ([1-9]%d%d)");
    const status = tonumber(digits);
    if (status === undefined) {
        return undefined;
    }
    const [line_end] = find(text, "\r\n", 10, true);
    const headers = parse_fields(text, line_end !== undefined ? line_end + 2 : text.length + 1);
    if (headers === undefined) {
        return undefined;
    }
    return make_head(status, headers, byte(text, 8) === 49);
}

/** Parsed heads by text. The heads of a server differ only in length and, once per second, in the date. */
let parsed_heads = new LuaMap<string, Head>();
let parsed_count = 0;
/** Heads that are cached before the cache is emptied. */
const MAX_PARSED = 64;

function remember(text: string, head: Head): void {
    if (parsed_count >= MAX_PARSED) {
        parsed_heads = new LuaMap();
        parsed_count = 0;
    }
    parsed_heads.set(text, head);
    parsed_count = parsed_count + 1;
}

/** Returns a copy of the header fields, which the caller can change. */
function own_headers(head: Head): Headers {
    if (has_clone) {
        return (table_clone as CloneTable)(head.headers);
    }
    const copy: Headers = new LuaMap();
    for (const [name, value] of head.headers) {
        copy.set(name, value);
    }
    return copy;
}

/** Reads the head of the final response and skips interim ones (1xx). */
function read_head(source: SocketReader): Result<Head, Fault> {
    while (true) {
        const [text, err] = socket_reader.read_head(source);
        if (text === undefined) {
            return $multi(undefined, err);
        }
        let head = parsed_heads.get(text);
        if (head === undefined) {
            head = parse_head(text);
            if (head === undefined) {
                return $multi(undefined, faults.make_fault("malformed", "malformed reply: bad HTTP head"));
            }
            remember(text, head);
        }
        if (head.status >= 200) {
            return $multi(head);
        }
    }
}

/** Parses the first line of a chunk. Returns its size, or nil if the line is malformed. */
function parse_chunk_size(line: string): number | undefined {
    const [digits] = match(line, "^(%x+)%s*$");
    const hex = digits ?? match(line, "^(%x+)%s*;")[0];
    if (hex === undefined || hex.length > 8) {
        return undefined;
    }
    const size = tonumber(hex, 16);
    return size !== undefined && size <= MAX_BODY ? size : undefined;
}

/** Skips trailer fields up to the empty line. Returns a fault or nil. */
function skip_trailers(source: SocketReader): Fault | undefined {
    for (const _ of $range(1, 100)) {
        const [line, err] = read_line(source);
        if (line === undefined) {
            return err;
        }
        if (line === "") {
            return undefined;
        }
    }
    return faults.make_fault("malformed", "malformed reply: too many trailers");
}

function read_chunked(source: SocketReader): Result<string, Fault> {
    const parts: string[] = [];
    let total = 0;
    while (true) {
        const [line, err] = read_line(source);
        if (line === undefined) {
            return $multi(undefined, err);
        }
        const size = parse_chunk_size(line);
        if (size === undefined || total + size > MAX_BODY) {
            return $multi(undefined, faults.make_fault("malformed", "malformed reply: bad chunk size"));
        }
        if (size === 0) {
            const trailer_err = skip_trailers(source);
            if (trailer_err !== undefined) {
                return $multi(undefined, trailer_err);
            }
            return $multi(concat(parts));
        }
        const [data, data_err] = read_exact(source, size);
        if (data === undefined) {
            return $multi(undefined, data_err);
        }
        const [end, end_err] = read_exact(source, 2);
        if (end === undefined) {
            return $multi(undefined, end_err);
        }
        if (end !== "\r\n") {
            return $multi(undefined, faults.make_fault("malformed", "malformed reply: bad chunk end"));
        }
        parts.push(data);
        total = total + size;
    }
}

/** Reads a body that ends when the server closes the connection. */
function read_to_end(source: SocketReader): Result<string, Fault> {
    if (source.sock.receiveany === undefined) {
        const [text, read_err] = source.sock.receive("*a");
        if (text === undefined) {
            return $multi(undefined, faults.of_socket(read_err));
        }
        return $multi(text);
    }
    const parts: string[] = [socket_reader.take_all(source)];
    let total = parts[0]!.length;
    while (total <= MAX_BODY) {
        const err = socket_reader.read_more(source);
        if (err?.kind === "closed") {
            return $multi(concat(parts));
        }
        if (err !== undefined) {
            return $multi(undefined, err);
        }
        total = total + socket_reader.available(source);
        parts.push(socket_reader.take_all(source));
    }
    return $multi(undefined, faults.make_fault("malformed", "malformed reply: body too long"));
}

/** Reads the complete body. */
function read_body(source: SocketReader, head: Head): Result<string, Fault> {
    if (head.framing === "length") {
        return read_exact(source, head.length);
    }
    if (head.framing === "chunked") {
        return read_chunked(source);
    }
    return read_to_end(source);
}

export {
    field,
    format_head,
    format_request,
    own_headers,
    parse_chunk_size,
    read_body,
    read_head,
    server_time,
    type Head,
};
