import type { SubscriberOptions } from "./types";
import * as key_range from "../protocol/key_range";

const sort = table.sort;
const concat = table.concat;

/** Seconds. */
const DEFAULT_IDLE_TIMEOUT = 60;
const DEFAULT_MAX_EVENTS = 10000;
const DEFAULT_MAX_BYTES = 16 * 1024 * 1024;

/** What a feed delivers. Keys are as etcd stores them, with the client's prefix. */
interface FeedOptions {
    /** Any bytes; "" with a `range_end` is the start of the key space. */
    key: string;
    /** As in etcd: nil or "" for the key alone, "\0" for all keys from `key` on. */
    range_end?: string;
    /** First revision to report. Without it and without `list` the feed starts as with `from_now`. */
    start_revision?: number;
    /** The feed starts after the current revision, which `open` asks etcd for before it returns. */
    from_now?: boolean;
    /**
     * Everything before `start_revision` has been seen: if etcd has not reached it, etcd was restored from a backup.
     * Without `resumed` the feed waits for such a revision.
     */
    resumed?: boolean;
    /** ID of the cluster that the revisions are of, if it is known: with another ID, etcd was restored from a backup. */
    cluster_id?: string;
    /** The first batch is the full state, reason `list`: at `start_revision` - 1 or `from_now` if given. */
    list?: boolean;
    /**
     * Events that are lost, after a compaction or a restore from a backup, are replaced by a full state, reason `compacted`
     * or `restored`. Without it, they end the feed with an error of this name.
     */
    relist?: boolean;
    /** Batches without events report etcd's current revision, whenever etcd sends that. */
    progress?: boolean;
    /** Events carry the previous key-value pair. Other subscribers of the same watch can receive it, too. */
    prev_kv?: boolean;
    /** "NOPUT", "NODELETE": events that etcd leaves out. */
    filters?: string[];
    /** Seconds without any byte after which the stream is checked, and opened again if it is dead; default 60. */
    idle_timeout?: number;
    /** A wider range that the watch can cover, to be shared with other feeds within that range. */
    shared_range?: { key: string; range_end?: string };
    /** Maximum number of events in the queue; default 10,000. */
    max_queue?: number;
    /** Maximum size in bytes of the events in the queue; default 16 MiB. */
    max_queue_bytes?: number;
}

/** Converts the options, and checks what can be wrong with ranges. Returns nil and an error text if they are invalid. */
function read(opts: FeedOptions): Result<SubscriberOptions> {
    const range = key_range.of(opts.key, opts.range_end);
    if (range.key === "" || key_range.is_empty(range)) {
        return $multi(undefined, "the range contains no key");
    }
    const shared = opts.shared_range;
    const shared_range = shared !== undefined ? key_range.of(shared.key, shared.range_end) : undefined;
    if (shared_range !== undefined && !key_range.contains(shared_range, range)) {
        return $multi(undefined, "opts.shared_prefix must be a prefix of all watched keys");
    }
    const filters: string[] = [];
    for (const filter of opts.filters ?? []) {
        filters.push(filter);
    }
    sort(filters);
    return $multi({
        range,
        shared_range,
        relist: opts.relist === true,
        progress: opts.progress === true,
        prev_kv: opts.prev_kv === true,
        filters: concat(filters, " "),
        idle_timeout: opts.idle_timeout ?? DEFAULT_IDLE_TIMEOUT,
        max_events: opts.max_queue ?? DEFAULT_MAX_EVENTS,
        max_bytes: opts.max_queue_bytes ?? DEFAULT_MAX_BYTES,
    });
}

export { read, type FeedOptions };
