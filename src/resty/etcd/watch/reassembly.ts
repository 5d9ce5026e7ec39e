import type { RawEvent, RawKv } from "../protocol/message";
import type { Batch } from "./feed";
import * as gc_barrier from "../base/gc_barrier";
import * as time_slice from "../base/time_slice";

/** A broken server must not fill the memory with fragments that never end. */
const MAX_BUFFERED = 512 * 1024 * 1024;

/** A reply of a watch, as the transport gives it. */
interface WatchReply {
    header?: { cluster_id?: string; revision?: string };
    created?: true;
    canceled?: true;
    cancel_reason?: string;
    compact_revision?: string;
    /** More of the same revisions follows in the next reply. */
    fragment?: true;
    events?: WireEvent[];
}

interface WireEvent {
    type?: "PUT" | "DELETE";
    kv?: RawKv;
    prev_kv?: RawKv;
}

/** Makes batches of a stream's replies. */
interface Reassembler {
    /** Events of replies that were not the last of their kind: not in one table, as large ones burden the collector. */
    parts: WireEvent[][] | undefined;
    bytes: number;
    /** The first revision that was asked for. */
    readonly first: number;
    /** Events that were delivered before, or that went back in time. */
    dropped: number;
}

function create(first: number): Reassembler {
    return { parts: undefined, bytes: 0, first, dropped: 0 };
}

/** All events of replies that belong together, none while some are missing. */
function join(joiner: Reassembler, reply: WatchReply): WireEvent[][] {
    const parts = joiner.parts ?? [];
    if (reply.events !== undefined) {
        parts.push(reply.events);
    }
    if (reply.fragment === true) {
        joiner.parts = parts;
        return [];
    }
    joiner.parts = undefined;
    return parts;
}

/** Adds an event to the batch of its revision, the last one or a new one. */
function add_event(joiner: Reassembler, event: WireEvent, from: number, batches: Batch[]): void {
    const revision = tonumber(event.kv!.mod_revision)!;
    const batch = batches[batches.length - 1];
    event.type ??= "PUT";
    if (batch !== undefined && revision === batch.revision) {
        batch.events.push(event as RawEvent);
    } else if (revision >= from && (batch === undefined || revision > batch.revision)) {
        if (batch !== undefined) {
            gc_barrier.mark_now(batch); // nothing is added to it any more
        }
        batches.push({ revision, events: [event as RawEvent] });
    } else if (revision !== joiner.first) {
        joiner.dropped = joiner.dropped + 1; // and not asked for once more
    }
}

/** Not what etcd sends. */
function is_malformed(events: WireEvent[]): boolean {
    for (const event of events) {
        const kv = event.kv as Partial<RawKv> | undefined;
        if (kv === undefined || kv.key === undefined || tonumber(kv.mod_revision) === undefined) {
            return true;
        }
    }
    return false;
}

/**
 * Takes a reply and makes one batch of each revision that is complete with it. Many events take several turns.
 * @param from first revision that was not delivered before: older events are dropped
 * @returns the batches in the order of their revisions; nil if the reply is not what etcd sends
 */
function add(joiner: Reassembler, reply: WatchReply, from: number): Batch[] | undefined {
    if (is_malformed(reply.events ?? [])) {
        return undefined;
    }
    if (reply.fragment === true) {
        for (const event of reply.events ?? []) {
            joiner.bytes = joiner.bytes + (event.kv?.value ?? "").length + (event.prev_kv?.value ?? "").length + 100;
        }
        if (joiner.bytes > MAX_BUFFERED) {
            return undefined;
        }
    } else {
        joiner.bytes = 0;
    }
    const batches: Batch[] = [];
    const slice = time_slice.start();
    for (const part of join(joiner, reply)) {
        for (const event of part) {
            time_slice.yield_if_due(slice);
            add_event(joiner, event, from, batches);
        }
    }
    return batches;
}

export { add, create as new, type Reassembler, type WatchReply };
