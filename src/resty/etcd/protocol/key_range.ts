import type { RawEvent } from "./message";
import * as keys from "./keys";

/** Keys from `from` up to, not including, `to`; nil as `to` is the end of the key space. */
interface KeyRange {
    readonly from: string;
    readonly to: string | undefined;
    /** The same as etcd takes it. */
    readonly key: string;
    readonly range_end: string | undefined;
}

/** The range of a key and a range end as etcd takes them. */
function of(key: string, range_end: string | undefined): KeyRange {
    if (range_end === undefined || range_end === "") {
        return { from: key, to: `${key}\0`, key, range_end: undefined };
    }
    const from = key === "" ? keys.ZERO : key;
    const to = range_end === keys.ZERO ? undefined : range_end;
    return { from, to, key: from, range_end };
}

/** Lua compares strings by their bytes here, whatever the locale. */
function has(range: KeyRange, key: string): boolean {
    return key >= range.from && (range.to === undefined || key < range.to);
}

/** No key is in it. */
function is_empty(range: KeyRange): boolean {
    return range.to !== undefined && range.to <= range.from;
}

/** Every key of `inner` is in `outer`. */
function contains(outer: KeyRange, inner: KeyRange): boolean {
    if (inner.from < outer.from) {
        return false;
    }
    return outer.to === undefined || (inner.to !== undefined && inner.to <= outer.to);
}

/**
 * The events whose keys are in the range, in their order.
 * @returns the very same array if all are, nil if none is
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
    const picked: RawEvent[] = [];
    for (const event of events) {
        if (has(range, event.kv.key)) {
            picked.push(event);
        }
    }
    return picked;
}

export { contains, has, is_empty, of, filter_events, type KeyRange };
