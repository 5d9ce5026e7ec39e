import type { Semaphore } from "ngx.semaphore";
import type { Backoff } from "../base/backoff";
import type { TimerLoop } from "../base/timer_loop";
import type { Core } from "../call/client_state";
import type { EtcdError } from "../protocol/errors";
import type { RawEvent } from "../protocol/message";
import type { KeyRange } from "../protocol/key_range";
import type { Stream } from "../transport/transport";
import type { BatchQueue } from "./batch_queue";
import type { Reason } from "./feed";
import type { ReopenPolicy } from "./reopen_policy";
import type { WatchLog } from "./watch_log";

/** What a subscriber wants to receive. */
interface SubscriberOptions {
    readonly range: KeyRange;
    /** A wider range that its watch can cover, to be shared with others; nil for none. */
    readonly shared_range: KeyRange | undefined;
    /** Lost revisions are made up for by a full state, at any time. */
    readonly relist: boolean;
    /** Batches without events report etcd's current revision. */
    readonly progress: boolean;
    readonly prev_kv: boolean;
    /** Sorted, in one string; "" for none. */
    readonly filters: string;
    /** Seconds without any byte after which the stream is checked. */
    readonly idle_timeout: number;
    readonly max_events: number;
    readonly max_bytes: number;
}

/** What is known of the etcd behind a stream: a point in its history. Written by history.ts. */
interface HistoryPoint {
    readonly cluster_id: string | undefined;
    readonly raft_term: number;
    /** A revision that etcd has reached. */
    readonly revision: number;
    /** The latest event of the range that is known, to be compared with etcd later; nil if none is. */
    readonly last_event?: RawEvent | undefined;
    /** No later event of its key came up to this revision. */
    readonly known_until?: number | undefined;
}

/** Identifies the history in which something was learned. Shared by all who learned in the same one. */
interface HistoryToken {
    /** etcd was restored from a backup since: its history is another one now. */
    readonly lost: boolean;
}

/** A light thread that reads the full state for one subscriber. */
interface ListThread {
    readonly thread: ngx.thread.Thread | undefined;
    readonly is_over: boolean;
}

type RunTurn = (this: void, shared_watch: SharedWatch) => number | undefined;

/** One reader of a shared watch: its position, its queue, and the full state that it waits for. Written by subscriber.ts. */
interface Subscriber {
    readonly options: SubscriberOptions;
    readonly queue: BatchQueue;
    /** Wakes the light thread that waits for batches. */
    readonly ready: Semaphore;
    /** A light thread waits for batches. */
    readonly is_waiting: boolean;
    /** The watch that serves it; nil while its queue is too full for one, and at its end. */
    readonly shared_watch: SharedWatch | undefined;
    /** What it knows of etcd when it joins a watch; nil for nothing. */
    readonly history: HistoryPoint | undefined;
    /** The history of the watch that it left; nil if it has left none. */
    readonly history_token: HistoryToken | undefined;
    /** First revision that is not in its queue yet. */
    readonly next_revision: number;
    /** The start revision that the user chose: what is before it was never seen. Nil if all of that was seen. */
    readonly unknown_before: number | undefined;
    /** Why it waits for a full state; nil if it does not. */
    readonly pending_state: Reason | undefined;
    /** Revision of the full state that it waits for; nil for the current one. */
    readonly list_revision: number | undefined;
    /** Counts how often its revisions were lost: a state read before that is discarded. */
    readonly epoch: number;
    /** A light thread reads the full state. */
    readonly is_listing: boolean;
    /** Delays of the attempts to read the full state. */
    readonly list_backoff: Backoff;
    /** Everything up to this revision has been taken out of the queue. */
    readonly delivered_revision: number;
    /** Why no more batches come when the queue is empty; nil while they do. */
    readonly err: EtcdError | undefined;
    readonly is_closed: boolean;
    /** Time of the last response to the subscriber's own reads. */
    readonly last_received_at: number;
    /** Batches taken out of the queue. */
    readonly batches: number;
    /** Full states received. */
    readonly lists: number;
    /** How often it was too slow for a watch that it shared. */
    readonly overflows: number;
    readonly last_overflow_at: number;
    /** Until then it does not share a watch: it was too slow twice within a short time. */
    readonly isolated_until: number;
}

/** One watch of a client's at etcd, which is reopened after errors, and its subscribers. Written by shared_watch.ts. */
interface SharedWatch {
    readonly core: Core;
    readonly range: KeyRange;
    readonly prev_kv: boolean;
    readonly filters: string;
    readonly idle_timeout: number;
    /** Makes one turn of its loop: opens a stream and stays with it. Returns the delay before the next turn; nil ends it. */
    readonly run: RunTurn;
    readonly loop: TimerLoop | undefined;
    /** Wakes the turn. */
    readonly signal: Semaphore;
    readonly is_woken: boolean;
    /** The light threads that read full states. Written by list.ts. */
    readonly list_threads: LuaMap<Subscriber, ListThread>;
    readonly subscribers: readonly Subscriber[];
    /** First revision that was not delivered to all subscribers; nil until etcd's current revision is known. */
    readonly next_revision: number | undefined;
    /** See `Subscriber`. */
    readonly unknown_before: number | undefined;
    /**
     * Number of keys in the range before `next_revision`; nil if unknown. For a watch without puts, the least number of those
     * that exist since `counted_at`: a deletion that it delivers can be that of a later key.
     */
    readonly key_count: number | undefined;
    /** Revision at which they were counted: events up to it do not change the number. */
    readonly counted_at: number;
    readonly history: HistoryPoint;
    readonly history_token: HistoryToken;
    /** Endpoint that stated `history`: the steps that follow prefer it, so that they are of one member. */
    readonly located_at: string | undefined;
    /** It started behind another watch that can serve its subscribers, and ends when it has caught up with that. */
    readonly is_catching_up: boolean;
    /** A stream is being opened or read. Opening it starts with a read of etcd's current revision. */
    readonly is_streaming: boolean;
    /** Nil while none is open. */
    readonly stream: Stream | undefined;
    /** etcd has confirmed the watch on this stream. */
    readonly is_connected: boolean;
    /** Time of the last response that did not come through the open stream. */
    readonly last_received_at: number;
    /** The queue of its only subscriber is full: the stream is not read until there is room. */
    readonly is_paused: boolean;
    /** Ends a pause. */
    readonly resume_signal: Semaphore;
    /** Streams on which etcd has confirmed the watch. */
    readonly open_count: number;
    /** How streams ended: counts by the name of the error. */
    readonly close_reasons: LuaMap<string, number>;
    /** Events received. */
    readonly events: number;
    /** Events discarded, because they had been delivered already or were out of order. */
    readonly dropped: number;
    readonly last_error: EtcdError | undefined;
    readonly reopen_policy: ReopenPolicy;
    readonly log: WatchLog;
}

export type { HistoryPoint, HistoryToken, ListThread, RunTurn, SharedWatch, Subscriber, SubscriberOptions };
