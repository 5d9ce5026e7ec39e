import type { EtcdError } from "../protocol/errors";
import type { RawEvent, RawKv } from "../protocol/message";

/** Why a batch is a full state: first list, revisions lost by a compaction or a restore from a backup, snapshot file. */
type Reason = "list" | "compacted" | "restored" | "snapshot";

/**
 * The changes of one revision: all of its events, or none if only etcd's current revision is reported. Or a full state: all
 * keys at that revision, which replaces everything before.
 */
interface Batch {
    /** Everything up to this revision has been delivered with this batch. Exact up to 2^53. */
    revision: number;
    events: RawEvent[];
    /** The full state: all keys, in the order of their bytes. `events` is empty then. */
    full?: RawKv[];
    /** Set with `full`. */
    reason?: Reason;
}

/** A source of batches in the order of their revisions, without gap or repetition. */
interface Feed {
    /**
     * Returns the next batch. One light thread at a time can call it.
     * @param timeout seconds to wait; nil waits without a limit
     * @returns nil and an error: `timeout` if no batch came, after which it can be called again; any other error is final
     */
    next(timeout: number | undefined): Result<Batch, EtcdError>;
    /** Returns the seconds since the last response from etcd. */
    age(): number;
    /** A light thread that waits in `next` can be killed: the next call returns what it would have returned. */
    readonly survives_kill?: true;
    /** Returns why etcd cannot be followed at the moment, or permanently; nil if no error is known. */
    current_error?(): EtcdError | undefined;
    /** Returns the ID of the cluster that the batches are from; nil if it is not known. */
    cluster_id?(): string | undefined;
    /** Ends the feed and frees its resources immediately. A waiting `next` returns the error `closed`. */
    close(): void;
}

export type { Batch, Feed, Reason };
