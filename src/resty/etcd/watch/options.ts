import type { SubscriberOptions } from "./types";
import * as key_range from "../protocol/key_range";

const sort = table.sort;
const concat = table.concat;

const DEFAULT_IDLE_TIMEOUT = 60;
const DEFAULT_EVENTS = 10000;
const DEFAULT_BYTES = 16 * 1024 * 1024;

/** What a consumer wants to be fed with. Keys are as etcd stores them, without any of the client's prefix. */
interface FeedOptions {
    /** Any bytes; "" with a `range_end` is the first key of all. */
    key: string;
    /** As etcd takes it: nil or "" for the key alone, "\0" for all keys from `key` on. */
    range_end?: string;
    /**
     * First revision to report. Without it and without `list` the feed begins `from_now` on.
     */
    start_revision?: number;
    /** The feed begins with what comes after `open`, which asks etcd for its revision before it returns. */
    from_now?: boolean;
    /**
     * Everything before `start_revision` has been seen: an etcd that is not there yet was restored from a backup.
     * Without it such a revision is waited for.
     */
    resumed?: boolean;
    /** The cluster that the revisions are of, if that is known: another one was restored from a backup. */
    cluster_id?: string;
    /** The first batch is the full state, reason `list`: at `start_revision` - 1 or `from_now` if given. */
    list?: boolean;
    /**
     * When events are gone for good, after a compaction or a restore from a backup, the feed goes on with a full
     * state, reason `compacted` or `restored`. Without it that is a final error of this name.
     */
    relist?: boolean;
    /** Also batches without events, whenever etcd says how far it has come. */
    progress?: boolean;
    /** Events carry what the key was before; others on the same stream may get it too. */
    prev_kv?: boolean;
    /** "NOPUT", "NODELETE": events that etcd leaves out. */
    filters?: string[];
    /** Seconds without any byte after which the stream counts as dead and is opened again; default 60. */
    idle_timeout?: number;
    /** A wider range, for a stream that also serves others within that range. */
    shared_range?: { key: string; range_end?: string };
    /** Events that may wait for the consumer; default 10,000. */
    max_queue?: number;
    /** Bytes of events that may wait for the consumer; default 16 MiB. */
    max_queue_bytes?: number;
}

/** Checks the options. Returns nil and what is wrong with them, if anything is. */
function read(opts: FeedOptions): Result<SubscriberOptions> {
    const range = key_range.of(opts.key, opts.range_end);
    if (range.key === "" || key_range.is_empty(range)) {
        return $multi(undefined, "no key is in this range");
    }
    const shared = opts.shared_range;
    const shared_range = shared !== undefined ? key_range.of(shared.key, shared.range_end) : undefined;
    if (shared_range !== undefined && !key_range.contains(shared_range, range)) {
        return $multi(undefined, "the range to share does not contain the keys");
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
        max_events: opts.max_queue ?? DEFAULT_EVENTS,
        max_bytes: opts.max_queue_bytes ?? DEFAULT_BYTES,
    });
}

export { read, type FeedOptions };
