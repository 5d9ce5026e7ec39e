import * as semaphore from "ngx.semaphore";
import * as clock from "../base/clock";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as options from "./options";
import * as lookups from "./lookups";
import * as status from "./status";
import type { State } from "./types";

const now = clock.now;
const min = math.min;

/** Seconds of one wait among several. */
const POLL_INTERVAL = 10;

/** The time is over; and what has taken it, as far as that is known. */
function not_in_time(state: State): EtcdError {
    const trouble = status.current_error(state);
    const why = trouble !== undefined ? `: ${errors.to_text(trouble)}` : "";
    return errors.local_error("timeout", `the mirror is not ready: timeout${why}`);
}

/**
 * Waits for the first full state.
 * @param timeout seconds; nil waits for ever
 * @returns true; nil and an error named `timeout` or `closed`, or `bad_request` where nothing can wait
 */
function wait_ready(this: State, timeout?: number): Result<true, EtcdError> {
    const wrong = options.check_timeout(timeout);
    if (wrong !== undefined) {
        return $multi(undefined, errors.local_error("bad_request", wrong));
    }
    if (lookups.ready.call(this)) {
        return $multi(true);
    }
    const [waiter, create_err] = semaphore.new(0);
    if (waiter === undefined) {
        return $multi(undefined, errors.local_error("bad_request", create_err));
    }
    this.waiters.set(waiter, true);
    const deadline = timeout !== undefined ? now() + timeout : math.huge;
    while (!this.is_closed) {
        const left = deadline - now();
        if (left <= 0) {
            return $multi(undefined, not_in_time(this));
        }
        const [ran, ok, err] = protected_call(waiter.wait, waiter, min(left, POLL_INTERVAL));
        if (!ran || (ok === undefined && err !== "timeout")) {
            let why: unknown = ok; // a phase that cannot wait: it throws
            if (ran) {
                why = err; // or says so
            }
            return $multi(undefined, errors.local_error("bad_request", `waiting for the mirror: ${tostring(why)}`));
        }
        if (lookups.ready.call(this)) {
            return $multi(true);
        }
    }
    return $multi(undefined, errors.local_error("closed", "the mirror is closed"));
}

export { wait_ready };
