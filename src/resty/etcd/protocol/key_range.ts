import type { RawEvent } from "./message";
import * as keys from "./keys";

/** The keys from `from` (inclusive) to `to` (exclusive). If `to` is nil, the range has no upper end. */
interface KeyRange {
    readonly from: string;
    readonly to: string | undefined;
    /** The same range as in etcd's requests. */
    readonly key: string;
    readonly range_end: string | undefined;
}

/** Returns the range of `key` and `range_end` of a request. */
function of(key: string, range_end: string | undefined): KeyRange {
    if (range_end === undefined || range_end === "") {
        return { from: key, to: `${key}\0`, key, range_end: undefined };
    }
    const from = key === "" ? keys.ZERO : key;
    const to = range_end === keys.ZERO ? undefined : range_end;
    return { from, to, key: from, range_end };
}

/** Reports whether a key is in the range. LuaJIT compares strings by bytes, independent of the locale. */
function has(range: KeyRange, key: string): boolean {
    return key >= range.from && (range.to === undefined || key < range.to);
}

/** Reports whether the range contains no keys. */
function is_empty(range: KeyRange): boolean {
    return range.to !== undefined && range.to <= range.from;
}

/** Reports whether all keys of `inner` are in `outer`. */
function contains(outer: KeyRange, inner: KeyRange): boolean {
    if (inner.from < outer.from) {
        return false;
    }
    return outer.to === undefined || (inner.to !== undefined && inner.to <= outer.to);
}

/**
 * Returns the events whose keys are in the range, in the same order.
 * @returns the given array if all are, nil if none is
 */
function filter_events(range: KeyRange, events: RawEvent[]): RawEvent[] | undefined {
    let count = 0;
    for (const event of events) {
        if (has(range, event.kv.key)) {
            count = count + 1;
        }
    }
    if (count === events.length || count === 0) {
        return count === 0 ? undefined : events;
    }
    const selected: RawEvent[] = [];
    for (const event of events) {
        if (has(range, event.kv.key)) {
            selected.push(event);
        }
    }
    return selected;
}

export { contains, has, is_empty, of, filter_events, type KeyRange };
