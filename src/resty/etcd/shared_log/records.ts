import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";

const crc32 = ngx.crc32_long;
const format = string.format;
const match = string.match;
const sub = string.sub;

/** What the log needs of a shared dict. */
type NodeDict = Pick<ngx.SharedDict, "get" | "safe_add" | "safe_set" | "incr" | "delete" | "ttl" | "free_space">;

/**
 * Bytes of a piece: with its key and header it takes four pages of the dict. Larger ones often find no room that is all
 * in one place, and with smaller ones writing takes longer.
 */
const PIECE = 16 * 1024 - 256;
/** What a piece costs in the dict beside its bytes, about. */
const OVERHEAD = 200;

/** What a piece begins with: checksum, its number, 1 if it is the last of a record, two numbers of the writer's. */
const HEADER = "^(%x%x%x%x%x%x%x%x)(%d+) ([01]) (%d+) (%d+)\n()";

interface Record {
    payload: string;
    revision: number;
    /** Bytes of the log up to here, since its base. */
    total: number;
}

interface Stored extends Record {
    /** Number of its last piece. */
    last: number;
}

/**
 * Writes a record from piece `first` on. Nobody reads it until its writer says so elsewhere.
 * @returns the number of its last piece; nil and an error if the dict does not take it
 */
function write(dict: NodeDict, prefix: string, first: number, record: Record): Result<number> {
    const payload = record.payload;
    let number = first;
    let from = 1;
    while (true) {
        const to = from + PIECE - 1;
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
 * Reads the record that begins with piece `first`.
 * @returns nil if a piece is missing or is not what was written
 */
function read(dict: NodeDict, prefix: string, first: number): Stored | undefined {
    let number = first;
    const parts: string[] = [];
    while (true) {
        const [value] = dict.get(`${prefix}${number}`);
        if (typeof value !== "string") {
            return undefined;
        }
        const [sum, told, is_last, revision, total, from] = match(value, HEADER);
        if (from === undefined || tonumber(told) !== number || tonumber(sum, 16) !== crc32(sub(value, 9))) {
            return undefined;
        }
        parts.push(sub(value, from as unknown as number));
        if (is_last === "1") {
            return {
                payload: parts.length === 1 ? parts[0]! : parts.join(""),
                last: number,
                revision: tonumber(revision)!,
                total: tonumber(total)!,
            };
        }
        number = number + 1;
    }
}

/** Removes pieces from the first on until one is missing. */
function remove(dict: NodeDict, prefix: string, slice: TimeSlice): void {
    let number = 1;
    let key = `${prefix}${number}`;
    while (dict.ttl(key)[0] !== undefined) {
        dict.delete(key);
        time_slice.yield_if_due(slice);
        number = number + 1;
        key = `${prefix}${number}`;
    }
}

export { OVERHEAD, PIECE, read, remove, write, type NodeDict, type Record, type Stored };
