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
    readonly shared_range: KeyRange;
    /** A full state may come at any time. */
    readonly relist: boolean;
    readonly progress: boolean;
    readonly prev_kv: boolean;
    /** Sorted, in one string; "" for none. */
    readonly filters: string;
    readonly idle_timeout: number;
    readonly max_events: number;
    readonly max_bytes: number;
}

/** One consumer of a stream: what waits for it, and where it stands. */
interface Subscriber extends SubscriberOptions {
    readonly queue: BatchQueue;
    readonly ready: Semaphore;
    /** A light thread waits in `next`. */
    is_waiting: boolean;
    /** The stream that serves it; nil while its consumer is behind, and at the end. */
    shared_watch: SharedWatch | undefined;
    /** What is known of etcd apart from that stream; nil for nothing. */
    history: HistoryPoint | undefined;
    /** The past that this is part of, if it was learnt by a stream. */
    history_token: HistoryToken | undefined;
    /** First revision that is not in its queue yet. */
    next_revision: number;
    /** Nothing is known of what is before this revision, which a caller has chosen. */
    unknown_before: number | undefined;
    /** The full state that it waits for, and what came meanwhile. */
    pending_state: Reason | undefined;
    buffered: Batch[];
    /** That state is of this revision; nil for the latest. */
    list_revision: number | undefined;
    /** Counts how often its revisions were lost: a state read before is of no use. */
    epoch: number;
    /** Somebody reads that state. */
    is_listing: boolean;
    /** Everything up to it has been taken out of the queue. */
    delivered_revision: number;
    /** Why no more will come, once the queue is empty. */
    err: EtcdError | undefined;
    is_closed: boolean;
    /** When etcd was heard of apart from the stream. */
    last_received_at: number;
    batches: number;
    lists: number;
    /** How often it was too slow for a stream that it shared. */
    overflows: number;
    /** When it was that last. */
    last_overflow_at: number;
    /** Until then it has a stream of its own: it was too slow twice within a short time. */
    isolated_until: number;
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
    readonly idle_timeout: number;
    /** What its timer does. */
    readonly run: (this: void, premature: boolean, shared_watch: SharedWatch) => void;
    /** Wakes the timer. */
    readonly wake: Semaphore;
    is_woken: boolean;
    /** Its timer runs. */
    is_running: boolean;
    /** By then it should. */
    start_deadline: number;
    subscribers: Subscriber[];
    /** All consumers have what is before it; nil while that is to be found out. */
    next_revision: number | undefined;
    /** Nothing is known of what is before this revision. */
    readonly unknown_before: number | undefined;
    readonly history: HistoryPoint;
    /** The past that this is part of. */
    history_token: HistoryToken;
    /** It began behind a stream of the same kind, and ends when it has come as far. */
    readonly is_catching_up: boolean;
    stream: Stream | undefined;
    is_connected: boolean;
    last_received_at: number;
    /** The only consumer is too slow, and the stream is not read until it has taken something. */
    is_blocked: boolean;
    readonly resume_signal: Semaphore;
    open_count: number;
    readonly close_reasons: LuaMap<string, number>;
    events: number;
    dropped: number;
    last_error: EtcdError | undefined;
    readonly backoff: Backoff;
    /** When it was opened anew without a pause. */
    last_immediate_reopen: number;
    /** When it last said what is the matter, by name of the trouble. */
    readonly last_logged_at: LuaMap<string, number>;
}

export type { Subscriber, SharedWatch, HistoryPoint, HistoryToken, SubscriberOptions };
