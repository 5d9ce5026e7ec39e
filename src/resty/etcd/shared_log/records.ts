import * as decimal from "../base/decimal";
import * as dict_values from "../base/dict_values";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";

const crc32 = ngx.crc32_long;
const format = string.format;
const match = string.match;
const sub = string.sub;

/** The methods of a shared dict that the log uses. */
type LogDict = Pick<ngx.SharedDict, "get" | "safe_add" | "safe_set" | "incr" | "delete" | "ttl" | "free_space">;

/**
 * Maximum payload of a chunk in bytes. With its key and header, a chunk takes four pages of the dict. Larger chunks often
 * find no contiguous room, and smaller ones make writing slower.
 */
const CHUNK_SIZE = 16 * 1024 - 256;
/** Maximum bytes of the header of a chunk. */
const MAX_HEADER_SIZE = 128;
/** Approximate size in bytes of a chunk in the dict, besides its payload. */
const CHUNK_OVERHEAD = 200;

/** Header of a chunk: checksum of the rest, number of the chunk, 1 if it is the record's last, revision, total. */
const CHUNK_HEADER = "^(%x%x%x%x%x%x%x%x)(%d+) ([01]) (%d+) (%d+)\n()";

/** A batch of events, or a part of a base. */
interface LogRecord {
    payload: string;
    revision: number;
    /** Bytes of the log up to the end of the record, counted from the base. */
    total: number;
}

interface StoredRecord extends LogRecord {
    /** Number of the record's last chunk. */
    last: number;
}

/**
 * Writes a record as chunks from number `first` on. Readers do not see it before its writer publishes it.
 * @returns the number of its last chunk; nil and an error if the dict has no room for it
 */
function write(dict: LogDict, prefix: string, first: number, record: LogRecord): Result<number> {
    const payload = record.payload;
    let number = first;
    let from = 1;
    while (true) {
        const to = from + CHUNK_SIZE - 1;
        const is_last = to >= payload.length;
        const rest =
            format("%d %d %d %d\n", number, is_last ? 1 : 0, record.revision, record.total) + sub(payload, from, to);
        const [ok, err] = dict.safe_set(`${prefix}${number}`, format("%08x", crc32(rest)) + rest);
        if (!ok) {
            return $multi(undefined, err ?? "");
        }
        if (is_last) {
            return $multi(number);
        }
        number = number + 1;
        from = to + 1;
    }
}

/**
 * Reads the record that begins with chunk `first`.
 * @returns nil if a chunk is missing or damaged
 */
function read(dict: LogDict, prefix: string, first: number): StoredRecord | undefined {
    let number = first;
    const parts: string[] = [];
    while (true) {
        const value = dict_values.get_text(dict, `${prefix}${number}`, CHUNK_SIZE + MAX_HEADER_SIZE);
        if (value === undefined) {
            return undefined;
        }
        const [sum, own_number, is_last, revision_text, total_text, from] = match(value, CHUNK_HEADER);
        if (from === undefined || decimal.parse(own_number) !== number || tonumber(sum, 16) !== crc32(sub(value, 9))) {
            return undefined;
        }
        const revision = decimal.parse(revision_text);
        const total = decimal.parse(total_text);
        if (revision === undefined || total === undefined) {
            return undefined;
        }
        parts.push(sub(value, from as unknown as number));
        if (is_last === "1") {
            return {
                payload: parts.length === 1 ? parts[0]! : parts.join(""),
                last: number,
                revision,
                total,
            };
        }
        number = number + 1;
    }
}

/** Removes chunks from the first one on, until one is missing. */
function remove(dict: LogDict, prefix: string, slice: TimeSlice): void {
    let number = 1;
    let key = `${prefix}${number}`;
    while (dict.ttl(key)[0] !== undefined) {
        dict.delete(key);
        time_slice.yield_if_due(slice);
        number = number + 1;
        key = `${prefix}${number}`;
    }
}

export { CHUNK_OVERHEAD, CHUNK_SIZE, read, remove, write, type LogDict, type LogRecord, type StoredRecord };
