import type { Subscriber } from "./types";

/** What has come to a feed and its stream so far. */
interface FeedStats {
    /** Batches taken out of the feed. */
    batches: number;
    /** Events that wait for the consumer. */
    queued: number;
    /** How often the consumer was too slow for a stream that it shared. */
    times_behind: number;
    /** The stream stands. */
    connected: boolean;
    /** Streams opened. */
    opened: number;
    /** How they ended, by name: `closed`, `timeout` (silent for too long), `unavailable`, `connect_failed`, `compacted`... */
    ends: LuaMap<string, number>;
    events: number;
    /** Events that had been delivered already, or never should have come. */
    dropped: number;
    /** Full states read for this feed. */
    lists: number;
    /** Consumers that the stream serves now. */
    consumers: number;
    /** Where the stream comes from. */
    endpoint?: string;
    /** Why there is no stream now, or why the last one ended. */
    last_error?: string;
}

/** `connecting`, `listing`, `watching`, `behind` (its consumer is too slow), `closed` or `failed`. */
function state(consumer: Subscriber): string {
    const { closed, err, hub, needs } = consumer;
    if (closed) {
        return "closed";
    }
    if (err !== undefined) {
        return "failed";
    }
    if (needs !== undefined && hub?.next !== undefined) {
        return "listing";
    }
    if (hub === undefined || hub.blocked) {
        return "behind";
    }
    return hub.connected ? "watching" : "connecting";
}

/** What has come to the feed and to the stream that serves it. */
function stats(consumer: Subscriber): FeedStats {
    const { hub, batches, lists, queue, times_behind } = consumer;
    const counted: FeedStats = {
        batches,
        lists,
        times_behind,
        queued: queue.events,
        connected: hub?.connected === true,
        opened: hub?.opened ?? 0,
        ends: hub?.ends ?? new LuaMap(),
        events: hub?.events ?? 0,
        dropped: hub?.dropped ?? 0,
        consumers: hub?.consumers.length ?? 0,
    };
    const endpoint = hub?.stream?.endpoint;
    if (endpoint !== undefined) {
        counted.endpoint = endpoint;
    }
    const err = consumer.err ?? hub?.last_error;
    if (err !== undefined) {
        counted.last_error = tostring(err);
    }
    return counted;
}

export { state, stats, type FeedStats };
