import type { Semaphore } from "ngx.semaphore";
import type { Backoff } from "../base/backoff";
import type { Core } from "../call/client_state";
import type { EtcdError } from "../protocol/errors";
import type { KeyRange } from "../protocol/key_range";
import type { Stream } from "../transport/transport";
import type { BatchQueue } from "./batch_queue";
import type { Batch, Reason } from "./feed";

/** What a consumer wants. */
interface SubscriberOptions {
    readonly range: KeyRange;
    /** The stream that may serve it covers this. */
    readonly hub_range: KeyRange;
    /** A full state may come at any time. */
    readonly relist: boolean;
    readonly progress: boolean;
    readonly prev_kv: boolean;
    /** Sorted, in one string; "" for none. */
    readonly filters: string;
    readonly silence: number;
    readonly max_events: number;
    readonly max_bytes: number;
}

/** One consumer of a stream: what waits for it, and where it stands. */
interface Subscriber extends SubscriberOptions {
    readonly queue: BatchQueue;
    readonly ready: Semaphore;
    /** A light thread waits in `next`. */
    waiting: boolean;
    /** The stream that serves it; nil while its consumer is behind, and at the end. */
    hub: SharedWatch | undefined;
    /** What is known of etcd apart from that stream; nil for nothing. */
    known: HistoryPoint | undefined;
    /** The past that this is part of, if it was learnt by a stream. */
    past: HistoryToken | undefined;
    /** First revision that is not in its queue yet. */
    next: number;
    /** Nothing is known of what is before this revision, which a caller has chosen. */
    unknown_before: number | undefined;
    /** The full state that it waits for, and what came meanwhile. */
    needs: Reason | undefined;
    held: Batch[];
    /** That state is of this revision; nil for the latest. */
    list_at: number | undefined;
    /** Counts how often its revisions were lost: a state read before is of no use. */
    epoch: number;
    /** Somebody reads that state. */
    listing: boolean;
    /** Everything up to it has been taken out of the queue. */
    delivered: number;
    /** Why no more will come, once the queue is empty. */
    err: EtcdError | undefined;
    closed: boolean;
    /** When etcd was heard of apart from the stream. */
    heard_at: number;
    batches: number;
    lists: number;
    /** How often it was too slow for a stream that it shared. */
    times_behind: number;
    /** When it was that last. */
    behind_at: number;
    /** Until then it has a stream of its own: it was too slow twice within a short time. */
    apart_until: number;
}

/** What is known of the etcd behind a stream. */
interface HistoryPoint {
    cluster_id: string | undefined;
    raft_term: number;
    /** A revision that it surely had. */
    revision: number;
}

/** What etcd had done when something was learnt of it. It may be lost by a restore from a backup. */
interface HistoryToken {
    lost: boolean;
}

/** A stream of events that resumes by itself, and the consumers that it serves. */
interface SharedWatch {
    readonly core: Core;
    readonly range: KeyRange;
    readonly prev_kv: boolean;
    readonly filters: string;
    readonly silence: number;
    /** What its timer does. */
    readonly run: (this: void, premature: boolean, hub: SharedWatch) => void;
    /** Wakes the timer. */
    readonly wake: Semaphore;
    poked: boolean;
    /** Its timer runs. */
    running: boolean;
    /** By then it should. */
    due: number;
    consumers: Subscriber[];
    /** All consumers have what is before it; nil while that is to be found out. */
    next: number | undefined;
    /** Nothing is known of what is before this revision. */
    readonly unknown_before: number | undefined;
    readonly known: HistoryPoint;
    /** The past that this is part of. */
    past: HistoryToken;
    /** It began behind a stream of the same kind, and ends when it has come as far. */
    readonly apart: boolean;
    stream: Stream | undefined;
    connected: boolean;
    heard_at: number;
    /** The only consumer is too slow, and the stream is not read until it has taken something. */
    blocked: boolean;
    readonly room: Semaphore;
    opened: number;
    readonly ends: LuaMap<string, number>;
    events: number;
    dropped: number;
    last_error: EtcdError | undefined;
    readonly backoff: Backoff;
    /** When it was opened anew without a pause. */
    hurried_at: number;
    /** When it last said what is the matter, by name of the trouble. */
    readonly said_at: LuaMap<string, number>;
}

export type { Subscriber, SharedWatch, HistoryPoint, HistoryToken, SubscriberOptions };
