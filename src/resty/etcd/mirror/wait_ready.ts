import * as errors from "../protocol/errors";
import type { MethodResult } from "../protocol/errors";
import * as lookups from "./lookups";
import * as options from "./options";
import type { State } from "./types";
import * as waiters from "./waiters";

/** Longest single wait in seconds. */
const POLL_INTERVAL = 10;

/**
 * Waits for the first full state.
 * @param timeout seconds; nil waits without a limit
 * @returns true; nil, an error text and the details with the name `timeout` or `closed`, or `not_in_phase` in a phase
 *   that cannot yield
 */
function wait_ready(this: State, timeout?: number): MethodResult<true> {
    const problem = options.check_timeout(timeout);
    if (problem !== undefined) {
        return errors.bad_request(problem);
    }
    if (lookups.ready.call(this)) {
        return $multi(true);
    }
    const [waiter, create_err] = waiters.add(this.ready_waiters);
    if (waiter === undefined) {
        return errors.bad_request(create_err);
    }
    const deadline = waiters.deadline_of(timeout);
    while (!lookups.ready.call(this)) {
        const err = waiters.pause(this, waiter, deadline, POLL_INTERVAL, "the mirror is not ready");
        if (err !== undefined) {
            return errors.to_result(err);
        }
    }
    return $multi(true);
}

export { wait_ready };
