import * as byte_parts from "../../base/byte_parts";
import type { RequestContext, Headers } from "../transport";
import * as clock from "../../base/clock";
import type { Fault } from "../fault";
import * as faults from "../fault";
import type { ExtraHeaders, RequestTemplate } from "./types";
import * as response_head from "./response_head";
import type { Head } from "./response_head";
import * as socket_reader from "./socket_reader";
import type { SocketReader } from "./socket_reader";
import type { Target } from "../../endpoint/url";
import * as time_slice from "../../base/time_slice";

const match = string.match;
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

/** Interim responses that are skipped. etcd sends none, and proxies a few at most. */
const MAX_INTERIM = 32;
/** Longest line in front of a chunk in bytes, with its extensions. etcd sends none of these. */
const MAX_CHUNK_LINE = 1024;
/** Trailer fields that are skipped. etcd's gateway sends 3. */
const MAX_TRAILERS = 100;
/** Bytes of one read from a blocking socket replacement. */
const READ_SIZE = 65536;

type CloneTable = (this: void, headers: Headers) => Headers;

/** Longest size of a chunk in hexadecimal digits. */
const MAX_SIZE_DIGITS = 8;

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

/** Parsed heads by text. The heads of a server differ only in length and, once per second, in the date. */
let parsed_heads = new LuaMap<string, Head>();
let parsed_count = 0;
/** Heads that are cached before the cache is emptied. */
const MAX_PARSED = 64;
/** Longest head in bytes that is cached. */
const MAX_CACHED_LENGTH = 4096;

function remember(text: string, head: Head): void {
    if (text.length > MAX_CACHED_LENGTH) {
        return;
    }
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
    for (const _ of $range(0, MAX_INTERIM)) {
        const [text, err] = socket_reader.read_head(source);
        if (text === undefined) {
            return $multi(undefined, err);
        }
        let head = parsed_heads.get(text);
        if (head === undefined) {
            head = response_head.parse(text);
            if (head === undefined) {
                return $multi(undefined, faults.make_fault("malformed", "malformed reply: bad HTTP head"));
            }
            remember(text, head);
        }
        if (head.status >= 200) {
            return $multi(head);
        }
    }
    return $multi(undefined, faults.make_fault("malformed", "malformed reply: too many interim responses"));
}

/** Parses the line in front of a chunk. Returns the size of the chunk, or nil if the line is malformed. */
function parse_chunk_size(line: string): number | undefined {
    if (line.length > MAX_CHUNK_LINE || response_head.has_control_characters(line)) {
        return undefined;
    }
    const [hex] = match(line, "^%x+");
    if (hex === undefined || hex.length > MAX_SIZE_DIGITS) {
        return undefined;
    }
    const [after] = match(line, "^[ \t]*(.?)", hex.length + 1);
    if (after !== "" && after !== ";") {
        return undefined;
    }
    return tonumber(hex, 16);
}

/**
 * Reports whether the trailer section ends with a line.
 * @param count of lines up to this one
 * @returns nil and a fault if there are too many lines, or if this one is malformed
 */
function ends_trailers(line: string, count: number): Result<boolean, Fault> {
    if (count > MAX_TRAILERS) {
        return $multi(undefined, faults.make_fault("malformed", "malformed reply: too many trailers"));
    }
    if (response_head.has_control_characters(line)) {
        return $multi(undefined, faults.make_fault("malformed", "malformed reply: bad trailer"));
    }
    return $multi(line === "");
}

/** Skips trailer fields up to the empty line. Returns a fault or nil. */
function skip_trailers(source: SocketReader): Fault | undefined {
    let count = 0;
    while (true) {
        const [line, err] = read_line(source);
        if (line === undefined) {
            return err;
        }
        count = count + 1;
        const [is_end, bad] = ends_trailers(line, count);
        if (is_end === undefined) {
            return bad;
        }
        if (is_end) {
            return undefined;
        }
    }
}

/** Reads a chunk and the line break after it. */
function read_chunk(source: SocketReader, size: number): Result<string, Fault> {
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
    return $multi(data);
}

function read_chunked(source: SocketReader, max_size: number): Result<string, Fault> {
    const bytes = byte_parts.new();
    const slice = time_slice.start();
    while (true) {
        const [line, err] = read_line(source);
        if (line === undefined) {
            return $multi(undefined, err);
        }
        const size = parse_chunk_size(line);
        if (size === undefined) {
            return $multi(undefined, faults.make_fault("malformed", "malformed reply: bad chunk size"));
        }
        if (bytes.length + size > max_size) {
            return $multi(undefined, faults.too_large(max_size));
        }
        if (size === 0) {
            const trailer_err = skip_trailers(source);
            if (trailer_err !== undefined) {
                return $multi(undefined, trailer_err);
            }
            return $multi(byte_parts.join(bytes));
        }
        const [data, data_err] = read_chunk(source, size);
        if (data === undefined) {
            return $multi(undefined, data_err);
        }
        byte_parts.add(bytes, data);
        time_slice.yield_if_due(slice); // small chunks that have arrived already are read without waiting
    }
}

/** As `read_to_end`, from a blocking socket replacement. */
function read_plain_to_end(source: SocketReader, max_size: number): Result<string, Fault> {
    const bytes = byte_parts.new();
    while (bytes.length <= max_size) {
        const [data, err, partial] = source.sock.receive(READ_SIZE);
        if (data === undefined && err !== "closed") {
            return $multi(undefined, faults.of_socket(err));
        }
        // not every replacement returns a partial result
        byte_parts.add(bytes, data ?? (typeof partial === "string" ? partial : ""));
        if (data === undefined) {
            break;
        }
    }
    if (bytes.length > max_size) {
        return $multi(undefined, faults.too_large(max_size));
    }
    return $multi(byte_parts.join(bytes));
}

/** Reads a body that ends when the server closes the connection. */
function read_to_end(source: SocketReader, max_size: number): Result<string, Fault> {
    if (source.sock.receiveany === undefined) {
        return read_plain_to_end(source, max_size);
    }
    const bytes = byte_parts.new();
    const slice = time_slice.start();
    byte_parts.add(bytes, socket_reader.take_all(source));
    while (bytes.length <= max_size) {
        const err = socket_reader.read_more(source);
        if (err?.kind === "closed") {
            return $multi(byte_parts.join(bytes));
        }
        if (err !== undefined) {
            return $multi(undefined, err);
        }
        byte_parts.add(bytes, socket_reader.take_all(source));
        time_slice.yield_if_due(slice);
    }
    return $multi(undefined, faults.too_large(max_size));
}

/**
 * Reads the complete body.
 * @param max_size bytes of the longest body
 */
function read_body(source: SocketReader, head: Head, max_size: number): Result<string, Fault> {
    if (head.framing === "length") {
        if (head.length > max_size) {
            return $multi(undefined, faults.too_large(max_size));
        }
        return read_exact(source, head.length);
    }
    if (head.framing === "chunked") {
        return read_chunked(source, max_size);
    }
    return read_to_end(source, max_size);
}

export { ends_trailers, format_head, format_request, own_headers, parse_chunk_size, read_body, read_head, server_time };
