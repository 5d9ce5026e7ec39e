import type { RawKv } from "../protocol/message";
import type { Batch } from "./feed";
import type { Mutable } from "../base/mutable";

/** Batches that wait to be taken, and behind them those that wait for a full state to be read. Written by this file. */
interface BatchQueue {
    readonly items: LuaMap<number, Item>;
    readonly first: number;
    readonly last: number;
    /** Queued and buffered, without full states. */
    readonly events: number;
    /** Their approximate size in memory. */
    readonly bytes: number;
    readonly max_events: number;
    readonly max_bytes: number;
    /** Position of a full state that replaced lost revisions; nil if none is queued. */
    readonly full_at: number | undefined;
    /** Batches after a full state that has not been read yet. */
    readonly buffered: readonly Item[];
}

interface Item {
    readonly batch: Batch;
    readonly bytes: number;
}

type Queue = Mutable<BatchQueue>;

function create(max_events: number, max_bytes: number): BatchQueue {
    return {
        items: new LuaMap(),
        first: 1,
        last: 0,
        events: 0,
        bytes: 0,
        max_events,
        max_bytes,
        full_at: undefined,
        buffered: [],
    };
}

function is_empty(queue: BatchQueue): boolean {
    return queue.first > queue.last;
}

/** Reports whether a limit is reached. The batch that reaches it is still accepted, however large it is. */
function is_full(queue: BatchQueue): boolean {
    return queue.events >= queue.max_events || queue.bytes >= queue.max_bytes;
}

/** Reports whether a queue that was full is half empty: refilling it earlier would pause and resume for each batch. */
function has_room(queue: BatchQueue): boolean {
    return queue.events <= queue.max_events / 2 && queue.bytes <= queue.max_bytes / 2;
}

function size_of_kv(kv: RawKv | undefined): number {
    return kv === undefined ? 0 : kv.key.length + (kv.value ?? "").length + 100;
}

/** Returns the approximate size of a batch in memory. */
function size_of(batch: Batch): number {
    let bytes = 0;
    for (const event of batch.events) {
        bytes = bytes + size_of_kv(event.kv) + size_of_kv(event.prev_kv);
    }
    return bytes;
}

function count(queue: Queue, item: Item): void {
    queue.events = queue.events + item.batch.events.length;
    queue.bytes = queue.bytes + item.bytes;
}

function uncount(queue: Queue, item: Item): void {
    queue.events = queue.events - item.batch.events.length;
    queue.bytes = queue.bytes - item.bytes;
}

function append(queue: Queue, item: Item): void {
    queue.last = queue.last + 1;
    queue.items.set(queue.last, item);
    count(queue, item);
}

function push(queue: Queue, batch: Batch): void {
    append(queue, { batch, bytes: size_of(batch) });
}

/** Adds a batch without events. It replaces one that is the last in the queue. */
function push_progress(queue: Queue, revision: number): void {
    const batch: Batch = { revision, events: [] };
    const last = queue.items.get(queue.last);
    if (last !== undefined && last.batch.full === undefined && last.batch.events.length === 0) {
        queue.items.set(queue.last, { batch, bytes: 0 });
    } else {
        push(queue, batch);
    }
}

function drop_last(queue: Queue): void {
    uncount(queue, queue.items.get(queue.last)!);
    queue.items.delete(queue.last);
    queue.last = queue.last - 1;
}

/**
 * Adds a full state. One that replaces lost revisions also replaces a queued one of this kind and all batches behind
 * that. A first list stays queued, because watchers report what follows as the difference to it.
 */
function push_full(queue: Queue, batch: Batch): void {
    const full_at = queue.full_at;
    if (full_at !== undefined) {
        if (queue.items.get(full_at)!.batch.reason === "restored") {
            batch.reason = "restored";
        }
        while (queue.last >= full_at) {
            drop_last(queue);
        }
    }
    push(queue, batch);
    if (batch.reason !== "list") {
        queue.full_at = queue.last;
    }
}

/** Keeps a batch until the full state before it has been read. */
function buffer(queue: Queue, batch: Batch): void {
    const item: Item = { batch, bytes: size_of(batch) };
    (queue.buffered as Item[]).push(item);
    count(queue, item);
}

/** Empties the buffer and returns what was in it, for `append`. */
function take_buffered(queue: Queue): readonly Item[] {
    const buffered = queue.buffered;
    for (const item of buffered) {
        uncount(queue, item);
    }
    queue.buffered = [];
    return buffered;
}

/** Removes and returns the oldest batch; nil if there is none. */
function pop(queue: Queue): Batch | undefined {
    const first = queue.first;
    const item = queue.items.get(first);
    if (item === undefined) {
        return undefined;
    }
    queue.items.delete(first);
    queue.first = first + 1;
    uncount(queue, item);
    if (queue.full_at === first) {
        queue.full_at = undefined;
    }
    return item.batch;
}

/** Removes everything. */
function clear(queue: Queue): void {
    take_buffered(queue);
    while (pop(queue) !== undefined) {
        // dropped
    }
}

export {
    append,
    buffer,
    clear,
    create as new,
    has_room,
    is_empty,
    is_full,
    pop,
    push,
    push_full,
    push_progress,
    take_buffered,
    type BatchQueue,
};
