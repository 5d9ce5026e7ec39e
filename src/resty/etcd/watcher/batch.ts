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
    /** Of a deletion only `key` and `mod_revision`; where it was found out afterwards, only `key`. */
    kv: KeyValue;
    /** What it was before; nil if there was nothing, if it was not asked for, or if nobody knows any more. */
    prev_kv?: KeyValue;
}

/** All that one revision has changed. */
interface WatchBatch {
    /** Everything up to it has been told, this batch included. */
    revision: number;
    events: WatchEvent[];
    /** The events were found out by reading all keys: they are what has changed altogether. */
    synthetic?: true;
    /** Why all keys were read: `list`, `compacted` or `restored`. */
    reason?: string;
}

/** How a watcher's batches are made. */
interface BatchStyle {
    readonly prefix_length: number;
    /** Nil leaves values as they are. */
    readonly serializer: Serializer | undefined;
    readonly prev_kv: boolean;
    readonly no_put: boolean;
    readonly no_delete: boolean;
}

/** A key as the watcher's user knows it: the raw one is shared with others. */
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
    const made: WatchEvent = { type: event.type, kv: to_user(style, event.kv, is_put) };
    if (style.prev_kv && event.prev_kv !== undefined) {
        made.prev_kv = to_user(style, event.prev_kv, true);
    }
    events.push(made);
}

/** A batch for the watcher's user. Large ones take several turns. */
function make(style: BatchStyle, batch: Batch): WatchBatch {
    const events: WatchEvent[] = [];
    const slice = time_slice.start();
    for (const event of batch.events) {
        add_event(style, event, events);
        time_slice.yield_if_due(slice);
    }
    return { revision: batch.revision, events };
}

/**
 * What has changed by a full state, as events.
 * @param known the keys that were told of before, nil if all of the state is news
 * @param revisions the keys of the state
 */
function make_of_full(
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

export { make, make_of_full, type BatchStyle, type WatchBatch, type WatchEvent };
