import type { RawEvent, RawKv } from "../protocol/message";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";

const min = math.min;
const sort = table.sort;

/** Keys that are sorted in one call: about a millisecond of work. */
const RUN = 1024;

/** The last event of each key. */
type Changes = LuaMap<string, RawEvent>;

/** Merges two neighboring sorted runs: `from` to `middle`, and the rest up to `to`. Counted from 1. */
function merge_runs(keys: string[], into: string[], from: number, middle: number, to: number, slice: TimeSlice): void {
    let left = from;
    let right = middle + 1;
    for (const i of $range(from, to)) {
        if (right > to || (left <= middle && keys[left - 1]! <= keys[right - 1]!)) {
            into[i - 1] = keys[left - 1]!;
            left = left + 1;
        } else {
            into[i - 1] = keys[right - 1]!;
            right = right + 1;
        }
        if (i % RUN === 0) {
            time_slice.yield_if_due(slice);
        }
    }
}

/** Sorts the keys with a merge sort that yields. */
function sort_yielding(keys: string[], slice: TimeSlice): string[] {
    const n = keys.length;
    let sorted: string[] = [];
    for (const from of $range(1, n, RUN)) {
        const run: string[] = [];
        for (const i of $range(from, min(from + RUN - 1, n))) {
            run.push(keys[i - 1]!);
        }
        sort(run);
        for (const key of run) {
            sorted.push(key);
        }
        time_slice.yield_if_due(slice);
    }
    let size = RUN;
    while (size < n) {
        const merged: string[] = [];
        for (const from of $range(1, n, 2 * size)) {
            merge_runs(sorted, merged, from, min(from + size - 1, n), min(from + 2 * size - 1, n), slice);
        }
        sorted = merged;
        size = size * 2;
    }
    return sorted;
}

/** Returns the keys after the changes, in the order of their bytes. */
function apply(kvs: RawKv[], changes: Changes, slice: TimeSlice): RawKv[] {
    const changed: string[] = [];
    for (const [key] of changes) {
        changed.push(key);
    }
    if (changed.length === 0) {
        return kvs;
    }
    const keys = sort_yielding(changed, slice);
    const result: RawKv[] = [];
    let next = 1;
    let key = keys[0];
    for (const kv of kvs) {
        while (key !== undefined && key <= kv.key) {
            const event = changes.get(key)!;
            if (event.type === "PUT") {
                result.push(event.kv);
            }
            next = next + 1;
            key = keys[next - 1];
        }
        if (changes.get(kv.key) === undefined) {
            result.push(kv);
        }
        time_slice.yield_if_due(slice);
    }
    for (const i of $range(next, keys.length)) {
        const event = changes.get(keys[i - 1]!)!;
        if (event.type === "PUT") {
            result.push(event.kv);
        }
        time_slice.yield_if_due(slice);
    }
    return result;
}

export { apply, type Changes };
