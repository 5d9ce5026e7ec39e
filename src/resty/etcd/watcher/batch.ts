import type { KeyValue, RawEvent, RawKv } from "../protocol/message";
import type { Batch } from "../watch/feed";
import type { Serializer } from "../serializers/serializer";
import * as time_slice from "../base/time_slice";
import type { KnownKeys } from "./known_keys";
import * as known_keys from "./known_keys";

const sub = string.sub;

/** A change of one key. */
interface WatchEvent {
    type: "PUT" | "DELETE";
    /** Of a deletion only `key` and `mod_revision`; in a synthetic batch only `key`. */
    kv: KeyValue;
    /** The key before the change. Nil if it did not exist, without the option `prev_kv`, and if etcd has compacted it. */
    prev_kv?: KeyValue;
}

/** All changes of one revision. */
interface WatchBatch {
    /** Everything up to this revision has been delivered with this batch. */
    revision: number;
    events: WatchEvent[];
    /** The events are the difference to a full state, which was read: one for each key that has changed. */
    synthetic?: true;
    /** Why the full state was read: `list`, `compacted` or `restored`. */
    reason?: string;
}

/** How a feed's batches are converted for the user of a watcher. */
interface BatchStyle {
    readonly prefix_length: number;
    /** Nil keeps values as etcd stores them. */
    readonly serializer: Serializer | undefined;
    readonly prev_kv: boolean;
    readonly no_put: boolean;
    readonly no_delete: boolean;
}

/** Returns a key for the user: a copy, because other subscribers share the raw one. */
function to_user(style: BatchStyle, kv: RawKv, is_put: boolean): KeyValue {
    const { create_revision, mod_revision, version, lease } = kv;
    const copy: KeyValue = { key: sub(kv.key, style.prefix_length + 1), create_revision, mod_revision, version };
    if (lease !== undefined) {
        copy.lease = lease;
    }
    if (is_put) {
        const bytes = kv.value ?? "";
        if (style.serializer !== undefined) {
            const [value] = style.serializer.deserialize(bytes);
            copy.value = value;
        } else {
            copy.value = bytes;
        }
    }
    return copy;
}

function add_event(style: BatchStyle, event: RawEvent, events: WatchEvent[]): void {
    const is_put = event.type === "PUT";
    if ((is_put && style.no_put) || (!is_put && style.no_delete)) {
        return;
    }
    const user_event: WatchEvent = { type: event.type, kv: to_user(style, event.kv, is_put) };
    if (style.prev_kv && event.prev_kv !== undefined) {
        user_event.prev_kv = to_user(style, event.prev_kv, true);
    }
    events.push(user_event);
}

/** Converts a batch of events for the user. Yields while it handles many events. */
function from_events(style: BatchStyle, batch: Batch): WatchBatch {
    const events: WatchEvent[] = [];
    const slice = time_slice.start();
    for (const event of batch.events) {
        add_event(style, event, events);
        time_slice.yield_if_due(slice);
    }
    return { revision: batch.revision, events };
}

/**
 * Converts a full state into a batch of events: the difference to what was delivered before.
 * @param known the keys that were delivered before; nil if all keys of the state are new
 * @param revisions the keys of the state
 */
function from_full_state(
    style: BatchStyle,
    batch: Batch,
    known: KnownKeys | undefined,
    revisions: LuaMap<string, string>,
): WatchBatch {
    const events: WatchEvent[] = [];
    const reason = batch.reason ?? "list";
    const slice = time_slice.start();
    for (const kv of batch.full!) {
        if (known === undefined || known_keys.has_changed(known, kv, reason)) {
            add_event(style, { type: "PUT", kv }, events);
        }
        time_slice.yield_if_due(slice);
    }
    if (known !== undefined) {
        for (const [key] of known.revisions) {
            if (revisions.get(key) === undefined) {
                add_event(style, { type: "DELETE", kv: { key } as RawKv }, events);
            }
            time_slice.yield_if_due(slice);
        }
    }
    return { revision: batch.revision, events, synthetic: true, reason };
}

export { from_events, from_full_state, type BatchStyle, type WatchBatch, type WatchEvent };
