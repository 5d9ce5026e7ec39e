import * as completeness from "../protocol/completeness";
import type { RawEvent, RawKv } from "../protocol/message";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";

const byte = string.byte as (s: string, from: number, to: number) => LuaMultiReturn<number[]>;
const char = string.char;
const floor = math.floor;
const sub = string.sub;

/** Bytes of flags and lengths in front of a key's strings: flags, two lengths of four bytes, four lengths of one byte. */
const HEADER_SIZE = 13;

const DELETION = 1;
const WITH_VALUE = 2;
const WITH_LEASE = 4;

/** The greatest int64, which has 19 digits. */
const MAX_INT64 = "9223372036854775807";
const ZERO = 48;
const NINE = 57;

/** Encodes a key. Lengths come first, so that decoding needs no search. */
function encode(kv: RawKv, is_deletion: boolean): string {
    const key = kv.key;
    const value = kv.value ?? "";
    const created = is_deletion ? "" : kv.create_revision;
    const modified = kv.mod_revision;
    const version = is_deletion ? "" : kv.version;
    const lease = kv.lease ?? "";
    let flags = is_deletion ? DELETION : 0;
    if (kv.value !== undefined) {
        flags = flags + WITH_VALUE;
    }
    if (kv.lease !== undefined) {
        flags = flags + WITH_LEASE;
    }
    const k = key.length;
    const v = value.length;
    const header = char(
        flags,
        k % 256,
        floor(k / 256) % 256,
        floor(k / 65536) % 256,
        floor(k / 16777216),
        v % 256,
        floor(v / 256) % 256,
        floor(v / 65536) % 256,
        floor(v / 16777216),
        created.length,
        modified.length,
        version.length,
        lease.length,
    );
    return `${header}${key}${value}${created}${modified}${version}${lease}`;
}

/** Encodes the events of a revision, without previous values. */
function encode_events(events: RawEvent[], slice: TimeSlice): string {
    const parts: string[] = [];
    for (const event of events) {
        parts.push(encode(event.kv, event.type === "DELETE"));
        time_slice.yield_if_due(slice);
    }
    return parts.join("");
}

/** Reports whether a text is an int64 of 0 or more. It runs for each number of each key: a loop is faster than a pattern. */
function is_int64(text: string): boolean {
    const length = text.length;
    if (length < 1 || length > MAX_INT64.length) {
        return false;
    }
    for (const i of $range(1, length)) {
        const [digit] = byte(text, i, i);
        if (digit! < ZERO || digit! > NINE) {
            return false;
        }
    }
    return length < MAX_INT64.length || text <= MAX_INT64;
}

/** Reports whether a lease ID is an int64, which can be negative. */
function is_lease(text: string): boolean {
    return is_int64(sub(text, 1, 1) === "-" ? sub(text, 2) : text);
}

/** Reports whether the numbers of a key are int64. */
function has_int64s(kv: RawKv, is_deletion: boolean): boolean {
    const is_lease_valid = kv.lease === undefined || is_lease(kv.lease);
    return (
        is_int64(kv.mod_revision) &&
        (is_deletion || (is_int64(kv.create_revision) && is_int64(kv.version) && is_lease_valid))
    );
}

/**
 * Decodes one key.
 * @param at position of its first byte, counted from 1
 * @returns an event and the position of the next key; or nil if a part of the key is missing or absurd
 */
function decode(
    bytes: string,
    at: number,
): LuaMultiReturn<[event: RawEvent, next: number] | [event: undefined, next?: undefined]> {
    const [flags, k0, k1, k2, k3, v0, v1, v2, v3, c, m, n, l] = byte(bytes, at, at + HEADER_SIZE - 1);
    if (l === undefined) {
        return $multi(undefined);
    }
    const key_at = at + HEADER_SIZE;
    const value_at = key_at + k0! + k1! * 256 + k2! * 65536 + k3! * 16777216;
    const created_at = value_at + v0! + v1! * 256 + v2! * 65536 + v3! * 16777216;
    const modified_at = created_at + c!;
    const version_at = modified_at + m!;
    const lease_at = version_at + n!;
    const next = lease_at + l;
    const is_deletion = flags! % 2 === DELETION;
    const kv = {
        key: sub(bytes, key_at, value_at - 1),
        mod_revision: sub(bytes, modified_at, version_at - 1),
    } as RawKv;
    if (!is_deletion) {
        kv.create_revision = sub(bytes, created_at, modified_at - 1);
        kv.version = sub(bytes, version_at, lease_at - 1);
        if (flags! >= WITH_LEASE) {
            kv.lease = sub(bytes, lease_at, next - 1);
        }
        if (flags! % WITH_LEASE >= WITH_VALUE) {
            kv.value = sub(bytes, value_at, created_at - 1);
        }
    }
    if (next > bytes.length + 1 || !has_int64s(kv, is_deletion)) {
        return $multi(undefined);
    }
    const event: RawEvent = { type: is_deletion ? "DELETE" : "PUT", kv };
    if (!completeness.is_complete_event(event)) {
        return $multi(undefined);
    }
    return $multi(event, next);
}

/** Returns the events in `bytes`; nil if one of them is incomplete: another program has written the bytes. */
function decode_events(bytes: string, slice: TimeSlice): RawEvent[] | undefined {
    const events: RawEvent[] = [];
    let at = 1;
    while (at <= bytes.length) {
        const [event, next] = decode(bytes, at);
        if (event === undefined) {
            return undefined;
        }
        events.push(event);
        at = next;
        time_slice.yield_if_due(slice);
    }
    return events;
}

/**
 * Decodes the keys in `bytes` and appends them to `kvs`.
 * @returns false if one of them is incomplete, or a deletion: another program has written the bytes
 */
function decode_kvs(bytes: string, kvs: RawKv[], slice: TimeSlice): boolean {
    let at = 1;
    while (at <= bytes.length) {
        const [event, next] = decode(bytes, at);
        if (event === undefined || event.type === "DELETE") {
            return false;
        }
        kvs.push(event.kv);
        at = next;
        time_slice.yield_if_due(slice);
    }
    return true;
}

export { decode_events, decode_kvs, encode, encode_events };
