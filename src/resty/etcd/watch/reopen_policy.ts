import * as backoffs from "../base/backoff";
import type { Backoff } from "../base/backoff";
import * as clock from "../base/clock";
import * as token_bucket from "../base/token_bucket";
import type { TokenBucket } from "../base/token_bucket";
import type { EtcdError } from "../protocol/errors";
import type { Mutable } from "../base/mutable";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Least time in seconds for which a stream must have been connected to count as healthy. */
const HEALTHY_AFTER = 1;
/** Least time in seconds for which a stream must have been connected, unless it has delivered events, not to be limited. */
const UNLIMITED_AFTER = 10;
/** Minimum interval in seconds between reopenings without a delay, which follow the end of a healthy stream. */
const MIN_REOPEN_INTERVAL = 0.1;
/** Maximum delay in seconds while no endpoint is available: asking the health check again costs no connection. */
const NO_ENDPOINT_DELAY = 1;
/** Streams that a watch opens in a burst if etcd answers: after a disconnect, a compaction, and once more. */
const BURST = 3;
/** Streams per second after that. Each takes up to five calls: three reads, the watch, and the read of a full state. */
const STREAMS_PER_SECOND = 1;
/** Attempts at calls that count as one stream: a rejected token is sent up to seven times, and replaced by a login. */
const ATTEMPTS_PER_STREAM = 3;

/** When a shared watch opens its next stream. Written by this file. */
interface ReopenPolicy {
    readonly backoff: Backoff;
    /** Limits the streams that etcd has answered. */
    readonly limit: TokenBucket;
    /** Time of the last reopening without a delay. */
    readonly last_immediate: number;
    /** etcd has answered during the last session. */
    readonly was_answered: boolean;
    /** An answer can still end the delay of an outage: none has done that since the last healthy stream. */
    readonly can_recover: boolean;
}

/** How a session with a stream has ended. */
interface SessionEnd {
    readonly err: EtcdError;
    /** When etcd confirmed the watch; nil if it did not. */
    readonly connected_at: number | undefined;
    /** Events came through the stream. */
    readonly has_delivered: boolean;
    /** etcd has answered a request: an outage, if there was one, is over. */
    readonly is_answered: boolean;
    /** Attempts at the calls before the stream was open. */
    readonly attempts: number;
}

function create(): ReopenPolicy {
    return {
        backoff: backoffs.new(),
        limit: token_bucket.new(BURST, STREAMS_PER_SECOND),
        last_immediate: 0,
        was_answered: true,
        can_recover: true,
    };
}

/** Returns the seconds for which the stream was connected. */
function connected_for(end: SessionEnd): number {
    return end.connected_at !== undefined ? now() - end.connected_at : 0;
}

/**
 * Resets the delay after real progress: the stream has delivered events, or was connected for longer than the delay before
 * it. The first answer after an outage resets the delay too, but only once before the next healthy stream: an endpoint
 * that is banned and released in turns would keep the delay short for ever.
 */
function reset_after_progress(policy: Mutable<ReopenPolicy>, end: SessionEnd): void {
    const { backoff } = policy;
    if (end.has_delivered || connected_for(end) > max(HEALTHY_AFTER, backoff.seconds)) {
        backoffs.reset(backoff);
        policy.can_recover = true;
    } else if (end.is_answered && !policy.was_answered && policy.can_recover) {
        backoffs.reset(backoff);
        policy.can_recover = false;
    }
    policy.was_answered = end.is_answered;
}

/** Returns the delay in seconds before the next stream. */
function next_delay(policy: Mutable<ReopenPolicy>, end: SessionEnd): number {
    const backoff = policy.backoff;
    const time = now();
    reset_after_progress(policy, end);
    const was_healthy = end.connected_at !== undefined && backoff.seconds === 0;
    let delay = backoffs.next(backoff);
    if (was_healthy && time - policy.last_immediate > MIN_REOPEN_INTERVAL) {
        policy.last_immediate = time;
        delay = 0;
    }
    if (end.err.name === "no_endpoint") {
        return min(delay, NO_ENDPOINT_DELAY);
    }
    return end.is_answered
        ? max(delay, token_bucket.reserve(policy.limit, max(1, end.attempts / ATTEMPTS_PER_STREAM)))
        : delay;
}

/** Reports whether the limit of the client applies to the next stream too: etcd answers, but does not keep the stream. */
function is_limited_by_client(end: SessionEnd): boolean {
    return end.is_answered && !end.has_delivered && connected_for(end) < UNLIMITED_AFTER;
}

export { create as new, is_limited_by_client, next_delay, type ReopenPolicy, type SessionEnd };
