import type { Subscriber } from "./types";

/** Counters of a feed and of the watch that serves it. */
interface FeedStats {
    /** Batches taken out of the feed. */
    batches: number;
    /** Events in the queue. */
    queued: number;
    /** How often batches were taken too slowly for a watch that others share. */
    overflows: number;
    /** etcd has confirmed the watch on the current stream. */
    connected: boolean;
    /** Streams on which etcd confirmed the watch. */
    opened: number;
    /** How streams ended, by name: `closed`, `timeout` (silent for too long), `unavailable`, `connect_failed`, `compacted`... */
    close_reasons: LuaMap<string, number>;
    /** Events received on the stream, of all keys that it covers. */
    events: number;
    /** Events discarded, because they had been delivered already or were out of order. */
    dropped: number;
    /** Full states read for this feed. */
    lists: number;
    /** Subscribers that the watch serves now. */
    subscribers: number;
    /** Endpoint of the current stream. */
    endpoint?: string;
    /** Why there is no stream now, or why the last one ended. */
    last_error?: string;
}

/** Returns `connecting`, `listing`, `watching`, `behind` (batches are not taken fast enough), `closed` or `failed`. */
function state(subscriber: Subscriber): string {
    const { is_closed, err, shared_watch, pending_state } = subscriber;
    if (is_closed) {
        return "closed";
    }
    if (err !== undefined) {
        return "failed";
    }
    if (pending_state !== undefined && shared_watch?.next_revision !== undefined) {
        return "listing";
    }
    if (shared_watch === undefined || shared_watch.is_paused) {
        return "behind";
    }
    return shared_watch.is_connected ? "watching" : "connecting";
}

/** Returns the counters of a subscriber and of the watch that serves it. */
function stats(subscriber: Subscriber): FeedStats {
    const { shared_watch, batches, lists, queue, overflows } = subscriber;
    const counters: FeedStats = {
        batches,
        lists,
        overflows,
        queued: queue.events,
        connected: shared_watch?.is_connected === true,
        opened: shared_watch?.open_count ?? 0,
        close_reasons: shared_watch?.close_reasons ?? new LuaMap(),
        events: shared_watch?.events ?? 0,
        dropped: shared_watch?.dropped ?? 0,
        subscribers: shared_watch?.subscribers.length ?? 0,
    };
    const endpoint = shared_watch?.stream?.endpoint;
    if (endpoint !== undefined) {
        counters.endpoint = endpoint;
    }
    const err = subscriber.err ?? shared_watch?.last_error;
    if (err !== undefined) {
        counters.last_error = tostring(err);
    }
    return counters;
}

export { state, stats, type FeedStats };
