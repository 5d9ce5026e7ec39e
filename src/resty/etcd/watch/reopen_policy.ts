import * as backoffs from "../base/backoff";
import type { Backoff } from "../base/backoff";
import * as clock from "../base/clock";
import type { EtcdError } from "../protocol/errors";
import type { Mutable } from "../base/mutable";

const now = clock.now;
const min = math.min;

/** Seconds for which a stream must have been connected to count as healthy. */
const HEALTHY_AFTER = 1;
/** Minimum interval in seconds between reopenings without a delay, which follow the end of a healthy stream. */
const MIN_REOPEN_INTERVAL = 0.1;
/** Maximum delay in seconds while no endpoint is available: asking the health check again costs no connection. */
const NO_ENDPOINT_DELAY = 1;

/** When a shared watch opens its next stream. Written by this file. */
interface ReopenPolicy {
    readonly backoff: Backoff;
    /** Time of the last reopening without a delay. */
    readonly last_immediate: number;
    /** etcd has answered during the last session. */
    readonly was_answered: boolean;
}

function create(): ReopenPolicy {
    return { backoff: backoffs.new(), last_immediate: 0, was_answered: true };
}

/**
 * Returns the delay in seconds before the next stream.
 * @param connected_at when etcd confirmed the watch on the stream that has ended; nil if it did not
 * @param has_delivered events came through it
 * @param is_answered etcd has answered a request of the session: an outage, if there was one, is over
 */
function next_delay(
    policy: Mutable<ReopenPolicy>,
    err: EtcdError,
    connected_at: number | undefined,
    has_delivered: boolean,
    is_answered: boolean,
): number {
    const backoff = policy.backoff;
    const time = now();
    const is_healthy = has_delivered || (connected_at !== undefined && time - connected_at > HEALTHY_AFTER);
    if (is_healthy || (is_answered && !policy.was_answered)) {
        backoffs.reset(backoff);
    }
    policy.was_answered = is_answered;
    const was_healthy = connected_at !== undefined && backoff.seconds === 0;
    const delay = backoffs.next(backoff);
    if (was_healthy && time - policy.last_immediate > MIN_REOPEN_INTERVAL) {
        policy.last_immediate = time;
        return 0;
    }
    return err.name === "no_endpoint" ? min(delay, NO_ENDPOINT_DELAY) : delay;
}

export { create as new, next_delay, type ReopenPolicy };
