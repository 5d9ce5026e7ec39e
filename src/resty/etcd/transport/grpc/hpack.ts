/** Header blocks of HTTP/2 (HPACK, RFC 7541): decodes those of responses, encodes those of requests. */
import * as http2_errors from "./http2_error";
import * as hpack_tables from "./hpack_table";
import * as huffman from "./huffman";
import type { Headers } from "../transport";
import type { DynamicTable, HeaderField } from "./hpack_table";
import type { ConnectionError } from "./http2_error";
import { ErrorCode } from "./http2_error";

const byte = string.byte;
const char = string.char;
const find = string.find as StringFind;
const floor = math.floor;
const sub = string.sub;

/** Size in bytes of the dynamic table that the peer can use until it has received the settings (section 4.2). */
const INITIAL_CAPACITY = 4096;

/**
 * Size in bytes of a header list, as SETTINGS_MAX_HEADER_LIST_SIZE counts it. It also bounds what a few bytes can expand
 * to that refer to the same large field again and again. gRPC's other implementations accept 16 KiB.
 */
const MAX_LIST_SIZE = 64 * 1024;

/** Integers up to this one are accepted: no length or index is larger. */
const MAX_INTEGER = 2 ** 24;

/** Decoded blocks that are kept, and the length of the longest in bytes. The text of each error is another block. */
const MAX_KEPT = 64;
const MAX_KEPT_LENGTH = 1024;

/** Fields that belong to a connection of HTTP/1 and must not occur (RFC 9113, section 8.2.2). */
const FORBIDDEN: Readonly<Record<string, true>> = {
    connection: true,
    ["keep-alive"]: true,
    ["proxy-connection"]: true,
    ["transfer-encoding"]: true,
    upgrade: true,
};

/** A decoded header block. */
interface HeaderBlock {
    /** Fields by name, `:status` included. The values of a repeated field are joined by `, `. */
    readonly headers: Headers;
    /** The block violates a rule for responses: its stream is in error, the connection is not. */
    readonly is_malformed: boolean;
}

/** What is known of the peer's blocks. */
interface Decoder {
    readonly dynamic: DynamicTable;
    /** The largest capacity of the dynamic table that the peer can choose. */
    max_capacity: number;
    /** Decoded blocks by their bytes. They are used while the dynamic table has no capacity: a block then stands for itself. */
    kept: LuaMap<string, HeaderBlock>;
    kept_count: number;
}

/** A block while it is decoded. */
interface Work {
    readonly block: string;
    at: number;
    list_size: number;
    has_regular_field: boolean;
    is_malformed: boolean;
    readonly headers: Headers;
}

type Failure = ConnectionError | undefined;

function create(): Decoder {
    return {
        dynamic: hpack_tables.new(INITIAL_CAPACITY),
        max_capacity: INITIAL_CAPACITY,
        kept: new LuaMap(),
        kept_count: 0,
    };
}

/** Limits the dynamic table to SETTINGS_HEADER_TABLE_SIZE, once the peer has acknowledged the setting. */
function limit_capacity(decoder: Decoder, max_capacity: number): void {
    decoder.max_capacity = max_capacity;
}

function malformed(text: string): ConnectionError {
    return http2_errors.new(ErrorCode.COMPRESSION_ERROR, `malformed header block: ${text}`);
}

/**
 * Reads an integer (section 5.1).
 * @param limit 2^n - 1 for a prefix of n bits
 * @returns the integer, or nil if it is malformed or too large
 */
function read_integer(work: Work, limit: number): number | undefined {
    const block = work.block;
    const first = byte(block, work.at) as number | undefined;
    if (first === undefined) {
        return undefined;
    }
    let value = first % (limit + 1);
    work.at = work.at + 1;
    if (value < limit) {
        return value;
    }
    let scale = 1;
    while (true) {
        const next_byte = byte(block, work.at) as number | undefined;
        // the scale bounds the zeros that can follow the last digit
        if (next_byte === undefined || scale > MAX_INTEGER) {
            return undefined;
        }
        value = value + (next_byte % 128) * scale;
        scale = scale * 128;
        work.at = work.at + 1;
        if (next_byte < 128) {
            return value <= MAX_INTEGER ? value : undefined;
        }
    }
}

/** Reads a string (section 5.2), or returns nil if it is malformed. */
function read_string(work: Work): string | undefined {
    const is_huffman = ((byte(work.block, work.at) as number | undefined) ?? 0) >= 128;
    const length = read_integer(work, 127);
    if (length === undefined || work.at + length - 1 > work.block.length) {
        return undefined;
    }
    const text = sub(work.block, work.at, work.at + length - 1);
    work.at = work.at + length;
    return is_huffman ? huffman.decode(text) : text;
}

/** Reports whether a field can occur in a response at this place (RFC 9113, sections 8.2 and 8.3). */
function is_valid(work: Work, field: HeaderField): boolean {
    const [is_pseudo] = find(field.name, "^:");
    if (is_pseudo !== undefined) {
        const [is_number] = find(field.value, "^%d%d%d$");
        const is_first = !work.has_regular_field && work.headers.get(":status") === undefined;
        return field.name === ":status" && is_first && is_number !== undefined;
    }
    work.has_regular_field = true;
    const [bad_character] = find(field.name, "[^!-9;-@[-~]");
    const [bad_value] = find(field.value, "[%z\r\n]");
    return (
        field.name !== "" &&
        bad_character === undefined &&
        bad_value === undefined &&
        FORBIDDEN[field.name] === undefined
    );
}

/** Adds a field to the decoded block. Returns an error if the list becomes too large. */
function add_field(work: Work, field: HeaderField): Failure {
    work.list_size = work.list_size + field.name.length + field.value.length + hpack_tables.OVERHEAD;
    if (work.list_size > MAX_LIST_SIZE) {
        return http2_errors.new(ErrorCode.ENHANCE_YOUR_CALM, "header list too large");
    }
    if (!is_valid(work, field)) {
        work.is_malformed = true;
        return undefined;
    }
    const before = work.headers.get(field.name);
    work.headers.set(field.name, before !== undefined ? `${before}, ${field.value}` : field.value);
    return undefined;
}

/** Decodes a literal field (section 6.2), and adds it to the dynamic table if it is to be indexed. */
function decode_literal(decoder: Decoder, work: Work, limit: number, is_indexed: boolean): Failure {
    const index = read_integer(work, limit);
    if (index === undefined) {
        return malformed("integer");
    }
    let name: string | undefined;
    if (index === 0) {
        name = read_string(work);
    } else {
        const field = hpack_tables.get(decoder.dynamic, index);
        if (field === undefined) {
            return malformed("index");
        }
        name = field.name;
    }
    if (name === undefined) {
        return malformed("name");
    }
    const value = read_string(work);
    if (value === undefined) {
        return malformed("value");
    }
    const field = { name, value };
    if (is_indexed) {
        hpack_tables.add(decoder.dynamic, field);
    }
    return add_field(work, field);
}

function decode_indexed(decoder: Decoder, work: Work): Failure {
    const index = read_integer(work, 127);
    let field: HeaderField | undefined;
    if (index !== undefined) {
        field = hpack_tables.get(decoder.dynamic, index);
    }
    if (field === undefined) {
        return malformed("index");
    }
    return add_field(work, field);
}

/** Decodes a change of the dynamic table's capacity, which must come before all fields (section 4.2). */
function decode_capacity(decoder: Decoder, work: Work): Failure {
    const capacity = read_integer(work, 31);
    if (capacity === undefined || capacity > decoder.max_capacity || work.list_size > 0) {
        return malformed("table size");
    }
    hpack_tables.resize(decoder.dynamic, capacity);
    return undefined;
}

/** Decodes the field, or the change of the table, at the position. */
function decode_next(decoder: Decoder, work: Work): Failure {
    const first = byte(work.block, work.at);
    if (first >= 128) {
        return decode_indexed(decoder, work);
    }
    if (first >= 64) {
        return decode_literal(decoder, work, 63, true);
    }
    if (first >= 32) {
        return decode_capacity(decoder, work);
    }
    return decode_literal(decoder, work, 15, false);
}

function keep(decoder: Decoder, block: string, decoded: HeaderBlock): void {
    if (decoder.kept_count >= MAX_KEPT) {
        decoder.kept = new LuaMap();
        decoder.kept_count = 0;
    }
    decoder.kept.set(block, decoded);
    decoder.kept_count = decoder.kept_count + 1;
}

/**
 * Decodes the header block of a response. Each block must be decoded, in the order of arrival, because it can change the
 * state. The result can be shared: it must not be changed.
 * @returns the block; or nil and an error of the connection
 */
function decode(decoder: Decoder, block: string): Result<HeaderBlock, ConnectionError> {
    const is_stateless = decoder.dynamic.capacity === 0;
    if (is_stateless) {
        const decoded = decoder.kept.get(block);
        if (decoded !== undefined) {
            return $multi(decoded);
        }
    }
    const work: Work = {
        block,
        at: 1,
        list_size: 0,
        has_regular_field: false,
        is_malformed: false,
        headers: new LuaMap(),
    };
    while (work.at <= block.length) {
        const failure = decode_next(decoder, work);
        if (failure !== undefined) {
            return $multi(undefined, failure);
        }
    }
    const decoded = { headers: work.headers, is_malformed: work.is_malformed };
    if (is_stateless && decoder.dynamic.capacity === 0 && block.length <= MAX_KEPT_LENGTH) {
        keep(decoder, block, decoded);
    }
    return $multi(decoded);
}

/** Returns an integer behind a prefix whose other bits are in `first`. */
function encode_integer(first: number, limit: number, value: number): string {
    if (value < limit) {
        return char(first + value);
    }
    let out = char(first + limit);
    let rest = value - limit;
    while (rest >= 128) {
        out = out + char(128 + (rest % 128));
        rest = floor(rest / 128);
    }
    return out + char(rest);
}

function encode_string(text: string): string {
    return encode_integer(0, 127, text.length) + text;
}

/**
 * Returns a field of a request that no peer keeps.
 * @param is_secret intermediaries must not keep it either
 */
function encode_field(name: string, value: string, is_secret: boolean): string {
    return char(is_secret ? 16 : 0) + encode_string(name) + encode_string(value);
}

/**
 * Returns the header block of a gRPC request. It depends on nothing else, so a caller can use it again for all requests
 * with the same method, token and metadata.
 * @param path name of the method, with its leading slash
 * @param metadata further fields, as `encode_field` returns them
 */
function encode_request(path: string, authority: string, metadata: string): string {
    // static fields 3 and 6: POST and http; 4, 1 and 31: the names of the others
    const pseudo = char(0x83, 0x86, 0x04) + encode_string(path) + char(0x01) + encode_string(authority);
    const content_type = char(0x0f, 0x10) + encode_string("application/grpc");
    return pseudo + content_type + encode_field("te", "trailers", false) + metadata;
}

export {
    MAX_LIST_SIZE,
    create as new,
    decode,
    encode_field,
    encode_request,
    limit_capacity,
    type Decoder,
    type HeaderBlock,
};
