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
/** Seconds between two log lines about the same error. */
const LOG_INTERVAL = 10;

/** When a shared watch opens its next stream, and when it logs that. Written by this file. */
interface ReopenPolicy {
    readonly backoff: Backoff;
    /** Time of the last reopening without a delay. */
    readonly last_immediate: number;
    /** Times of the last log lines, by the name of the error. */
    readonly last_logged_at: LuaMap<string, number>;
}

function create(): ReopenPolicy {
    return { backoff: backoffs.new(), last_immediate: 0, last_logged_at: new LuaMap() };
}

/**
 * Returns the delay in seconds before the next stream.
 * @param connected_at when etcd confirmed the watch on the stream that has ended; nil if it did not
 * @param has_delivered events came through it
 */
function next_delay(
    policy: Mutable<ReopenPolicy>,
    err: EtcdError,
    connected_at: number | undefined,
    has_delivered: boolean,
): number {
    const backoff = policy.backoff;
    const time = now();
    if (has_delivered || (connected_at !== undefined && time - connected_at > HEALTHY_AFTER)) {
        backoffs.reset(backoff);
    }
    const was_healthy = connected_at !== undefined && backoff.seconds === 0;
    const delay = backoffs.next(backoff);
    if (was_healthy && time - policy.last_immediate > MIN_REOPEN_INTERVAL) {
        policy.last_immediate = time;
        return 0;
    }
    return err.name === "no_endpoint" ? min(delay, NO_ENDPOINT_DELAY) : delay;
}

/** Reports whether an error is to be logged now. */
function is_log_due(policy: ReopenPolicy, err: EtcdError): boolean {
    const time = now();
    const last = policy.last_logged_at.get(err.name);
    if (last !== undefined && time - last <= LOG_INTERVAL) {
        return false;
    }
    policy.last_logged_at.set(err.name, time);
    return true;
}

export { create as new, is_log_due, next_delay, type ReopenPolicy };
