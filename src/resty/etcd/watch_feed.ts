import type { Core } from "./core";
import * as errors from "./errors";
import type { EtcdError } from "./errors";
import type { Feed } from "./feed";

/** What a consumer wants to be fed with. Keys are as etcd stores them, without any of the client's prefix. */
interface FeedOptions {
    /** Any bytes; "" with a `range_end` is the first key of all. */
    key: string;
    /** As etcd takes it: nil or "" for the key alone, "\0" for all keys from `key` on. */
    range_end?: string;
    /**
     * First revision to report. Without it and without `list` the feed begins with what comes after `open`, which
     * asks etcd for its revision before it returns.
     */
    start_revision?: number;
    /**
     * Everything before `start_revision` has been seen: an etcd that is not there yet was restored from a backup.
     * Without it such a revision is waited for.
     */
    resumed?: boolean;
    /** The cluster that the revisions are of, if that is known: another one was restored from a backup. */
    cluster_id?: string;
    /** The first batch is the full state, reason `list`: at `start_revision` - 1 if that is given, else as it is now. */
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
    silence?: number;
    /** A wider range, for a stream that also serves others within that range. */
    share?: { key: string; range_end?: string };
    /** Events that may wait for the consumer; default 10,000. */
    max_queue?: number;
    /** Bytes of events that may wait for the consumer; default 16 MiB. */
    max_queue_bytes?: number;
}

/** What has come to a stream so far. */
interface StreamStats {
    /** The stream stands. */
    connected: boolean;
    /** Streams opened. */
    opened: number;
    /** How they ended, by name: `closed`, `silence`, `unavailable`, `connect_failed`, `compacted`... */
    ends: LuaMap<string, number>;
    events: number;
    /** Events that had been delivered already, or never should have come. */
    dropped: number;
    /** Full states read. */
    lists: number;
    /** Consumers that the stream serves now. */
    consumers: number;
    /** Why there is no stream now, or why the last one ended. */
    last_error?: string;
}

/**
 * A feed out of etcd itself. Events and keys in its batches may be shared with other consumers: they are read,
 * never written to. One that is dropped without `close` is closed when it is collected as garbage.
 */
interface WatchFeed extends Feed {
    /** Everything up to it has been delivered by `next`; 0 before anything is known. */
    revision(): number;
    /** The cluster it is fed from, nil before it has answered. */
    cluster_id(): string | undefined;
    /** `connecting`, `listing`, `watching`, `behind` (the consumer is too slow), `closed` or `failed`. */
    state(): string;
    stats(): StreamStats;
}

/**
 * Opens a feed. Only without `list` and `start_revision` does it wait for etcd, in phases that can wait.
 * All else goes on in timers.
 * @param core a client
 */
function open(_core: Core, _opts: FeedOptions): Result<WatchFeed, EtcdError> {
    return $multi(undefined, errors.failure("bad_request", "under construction"));
}

export { open, type FeedOptions, type StreamStats, type WatchFeed };
