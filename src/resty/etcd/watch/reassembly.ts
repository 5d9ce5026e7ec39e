import type { RawEvent, RawKv } from "../protocol/message";
import type { Batch } from "./feed";
import * as gc_barrier from "../base/gc_barrier";
import type { Mutable } from "../base/mutable";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as completeness from "../protocol/completeness";

/** Maximum approximate size in bytes of buffered fragments, against a server whose fragments never end. */
const MAX_BUFFERED = 512 * 1024 * 1024;

/** A reply on a watch stream, as the transport delivers it. */
interface WatchReply {
    header?: { cluster_id?: string; revision?: string };
    created?: true;
    canceled?: true;
    cancel_reason?: string;
    compact_revision?: string;
    /** More events of the same revisions follow in the next reply. */
    fragment?: true;
    events?: WireEvent[];
}

interface WireEvent {
    type?: "PUT" | "DELETE";
    kv?: RawKv;
    prev_kv?: RawKv;
}

/** Makes batches of the replies of a stream. Written by this file. */
interface Reassembler {
    /**
     * Events of fragments whose last one has not arrived; nil if there are none. One table for each fragment: LuaJIT
     * traverses a large table in one step.
     */
    readonly parts: WireEvent[][] | undefined;
    /** Approximate size of `parts`. */
    readonly bytes: number;
    /** The start revision of the stream. */
    readonly start_revision: number;
    /** Events that were delivered before, or are out of order. */
    readonly dropped: number;
}

type State = Mutable<Reassembler>;

function create(start_revision: number): Reassembler {
    return { parts: undefined, bytes: 0, start_revision, dropped: 0 };
}

/** Returns the events of a reply and of the fragments before it; none while further fragments are to come. */
function collect(reassembler: State, reply: WatchReply): WireEvent[][] {
    const parts = reassembler.parts ?? [];
    if (reply.events !== undefined) {
        parts.push(reply.events);
    }
    if (reply.fragment === true) {
        reassembler.parts = parts;
        return [];
    }
    reassembler.parts = undefined;
    return parts;
}

/** Adds an event to the batch of its revision: the last batch, or a new one. */
function add_event(reassembler: State, event: WireEvent, from: number, batches: Batch[]): void {
    const revision = tonumber(event.kv!.mod_revision)!;
    const batch = batches[batches.length - 1];
    event.type ??= "PUT";
    if (batch !== undefined && revision === batch.revision) {
        batch.events.push(event as RawEvent);
    } else if (revision >= from && (batch === undefined || revision > batch.revision)) {
        if (batch !== undefined) {
            gc_barrier.mark_now(batch); // it is complete
        }
        batches.push({ revision, events: [event as RawEvent] });
    } else if (revision !== reassembler.start_revision) {
        // the start revision overlaps with what was delivered before: its events are expected
        reassembler.dropped = reassembler.dropped + 1;
    }
}

/** Reports whether an event lacks its key, a revision, or its version. */
function has_incomplete(events: readonly WireEvent[], slice: TimeSlice): boolean {
    for (const event of events) {
        if (!completeness.is_complete_event(event)) {
            return true;
        }
        time_slice.yield_if_due(slice);
    }
    return false;
}

function size_of_kv(kv: RawKv | undefined): number {
    return kv !== undefined ? kv.key.length + (kv.value ?? "").length : 0;
}

/** Returns the approximate size of events in memory. */
function size_of(events: readonly WireEvent[]): number {
    let bytes = 0;
    for (const event of events) {
        bytes = bytes + size_of_kv(event.kv) + size_of_kv(event.prev_kv) + 100;
    }
    return bytes;
}

/**
 * Adds a reply, and yields while it handles many events.
 * @param from first revision that was not delivered before: older events are dropped
 * @returns a batch for each revision that is complete, in their order; or nil and an error text
 */
function add(reassembler: State, reply: WatchReply, from: number): Result<Batch[]> {
    const events = reply.events ?? [];
    const slice = time_slice.start();
    if (has_incomplete(events, slice)) {
        return $multi(undefined, "malformed reply: watch event without key, revision or version");
    }
    reassembler.bytes = reply.fragment === true ? reassembler.bytes + size_of(events) : 0;
    if (reassembler.bytes > MAX_BUFFERED) {
        return $multi(undefined, "malformed reply: watch fragments exceed 512 MiB");
    }
    const batches: Batch[] = [];
    for (const part of collect(reassembler, reply)) {
        for (const event of part) {
            time_slice.yield_if_due(slice);
            add_event(reassembler, event, from, batches);
        }
    }
    return $multi(batches);
}

export { add, create as new, type Reassembler, type WatchReply };
