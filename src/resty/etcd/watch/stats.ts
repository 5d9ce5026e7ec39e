import type { Subscriber } from "./types";

/** What has come to a feed and its stream so far. */
interface FeedStats {
    /** Batches taken out of the feed. */
    batches: number;
    /** Events that wait for the consumer. */
    queued: number;
    /** How often the consumer was too slow for a stream that it shared. */
    overflows: number;
    /** The stream stands. */
    connected: boolean;
    /** Streams opened. */
    opened: number;
    /** How they ended, by name: `closed`, `timeout` (silent for too long), `unavailable`, `connect_failed`, `compacted`... */
    close_reasons: LuaMap<string, number>;
    events: number;
    /** Events that had been delivered already, or never should have come. */
    dropped: number;
    /** Full states read for this feed. */
    lists: number;
    /** Consumers that the stream serves now. */
    subscribers: number;
    /** Where the stream comes from. */
    endpoint?: string;
    /** Why there is no stream now, or why the last one ended. */
    last_error?: string;
}

/** `connecting`, `listing`, `watching`, `behind` (its consumer is too slow), `closed` or `failed`. */
function state(subscriber: Subscriber): string {
    const { is_closed: closed, err, shared_watch, pending_state: needs } = subscriber;
    if (closed) {
        return "closed";
    }
    if (err !== undefined) {
        return "failed";
    }
    if (needs !== undefined && shared_watch?.next_revision !== undefined) {
        return "listing";
    }
    if (shared_watch === undefined || shared_watch.is_blocked) {
        return "behind";
    }
    return shared_watch.is_connected ? "watching" : "connecting";
}

/** What has come to the feed and to the stream that serves it. */
function stats(subscriber: Subscriber): FeedStats {
    const { shared_watch, batches, lists, queue, overflows: times_behind } = subscriber;
    const counted: FeedStats = {
        batches,
        lists,
        overflows: times_behind,
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
        counted.endpoint = endpoint;
    }
    const err = subscriber.err ?? shared_watch?.last_error;
    if (err !== undefined) {
        counted.last_error = tostring(err);
    }
    return counted;
}

export { state, stats, type FeedStats };
