import type { EtcdError } from "../protocol/errors";
import type { RawEvent, RawKv } from "../protocol/message";

/** Where a full state comes from: the first list, or one that became necessary, or a file. */
type Reason = "list" | "compacted" | "restored" | "snapshot";

/**
 * What has changed by one revision: all of its events; none, where etcd only told that it has come so far; or
 * all keys as they are at that revision, which takes the place of everything before.
 */
interface Batch {
    /** Everything up to it has been delivered, this batch included. Exact up to 2^53. */
    revision: number;
    events: RawEvent[];
    /** All keys, in the order of their bytes; `events` is empty then. */
    full?: RawKv[];
    /** Why all keys are told. */
    reason?: Reason;
}

/** Batches in the order of their revisions, without gap or repetition, wherever they come from. */
interface Feed {
    /**
     * The next batch. May be called from one light thread at a time, whichever.
     * @param timeout seconds to wait; nil waits for ever
     * @returns nil and an error named `timeout` if none came, and then it may be called again; any other error is final
     */
    next(timeout: number | undefined): Result<Batch, EtcdError>;
    /** Seconds since etcd was last heard of by the stream behind it. */
    age(): number;
    /** Why etcd cannot be followed at the moment, or for good; nil if nothing is known to be wrong. */
    current_error?(): EtcdError | undefined;
    /** Ends it and frees what it holds, at once. A `next` that waits answers `closed`. */
    close(): void;
}

export type { Batch, Feed, Reason };
