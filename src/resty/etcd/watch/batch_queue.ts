import type { Batch } from "./feed";

/** Batches that wait for their consumer. */
interface BatchQueue {
    readonly items: LuaMap<number, Item>;
    first: number;
    last: number;
    /** What waits, without full states. */
    events: number;
    bytes: number;
    readonly max_events: number;
    readonly max_bytes: number;
    /** Where a full state waits that became necessary. */
    full_at: number | undefined;
}

interface Item {
    batch: Batch;
    bytes: number;
}

function create(max_events: number, max_bytes: number): BatchQueue {
    return { items: new LuaMap(), first: 1, last: 0, events: 0, bytes: 0, max_events, max_bytes, full_at: undefined };
}

function is_empty(queue: BatchQueue): boolean {
    return queue.first > queue.last;
}

/** No more fits in. A single batch always does, however large. */
function is_full(queue: BatchQueue): boolean {
    return queue.events >= queue.max_events || queue.bytes >= queue.max_bytes;
}

/** Enough has been taken out that it is worth going on. */
function has_room(queue: BatchQueue): boolean {
    return queue.events <= queue.max_events / 2 && queue.bytes <= queue.max_bytes / 2;
}

function push(queue: BatchQueue, batch: Batch, bytes: number): void {
    queue.last = queue.last + 1;
    queue.items.set(queue.last, { batch, bytes });
    queue.events = queue.events + batch.events.length;
    queue.bytes = queue.bytes + bytes;
}

/** Moves how far etcd has come, where nothing else has happened since it was told last. */
function push_progress(queue: BatchQueue, revision: number): void {
    const last = queue.items.get(queue.last);
    if (last !== undefined && last.batch.full === undefined && last.batch.events.length === 0) {
        last.batch = { revision, events: [] };
    } else {
        push(queue, { revision, events: [] }, 0);
    }
}

function drop_last(queue: BatchQueue): void {
    const item = queue.items.get(queue.last)!;
    queue.items.delete(queue.last);
    queue.last = queue.last - 1;
    queue.events = queue.events - item.batch.events.length;
    queue.bytes = queue.bytes - item.bytes;
}

/**
 * Adds a full state. One that became necessary takes the place of another such one that still waits, and of all that
 * came after that; the first list stays, as what is told later is told as the difference to it.
 */
function push_full(queue: BatchQueue, batch: Batch): void {
    const full_at = queue.full_at;
    if (full_at !== undefined) {
        if (queue.items.get(full_at)!.batch.reason === "restored") {
            batch.reason = "restored";
        }
        while (queue.last >= full_at) {
            drop_last(queue);
        }
    }
    push(queue, batch, 0);
    if (batch.reason !== "list") {
        queue.full_at = queue.last;
    }
}

/** The oldest batch, nil if there is none. */
function pop(queue: BatchQueue): Batch | undefined {
    const first = queue.first;
    const item = queue.items.get(first);
    if (item === undefined) {
        return undefined;
    }
    queue.items.delete(first);
    queue.first = first + 1;
    queue.events = queue.events - item.batch.events.length;
    queue.bytes = queue.bytes - item.bytes;
    if (queue.full_at === first) {
        queue.full_at = undefined;
    }
    return item.batch;
}

function clear(queue: BatchQueue): void {
    while (pop(queue) !== undefined) {
        // each one is dropped
    }
}

export { clear, create as new, has_room, is_empty, is_full, pop, push, push_full, push_progress, type BatchQueue };
