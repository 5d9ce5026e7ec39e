import * as semaphore from "ngx.semaphore";
import * as clock from "../base/clock";
import * as wait from "../base/wait";
import * as errors from "../protocol/errors";
import type { EtcdError, MethodResult } from "../protocol/errors";
import * as options from "./options";
import * as lookups from "./lookups";
import * as status from "./status";
import type { State, Waiters } from "./types";

const now = clock.now;
const min = math.min;

/** Longest single wait in seconds. */
const POLL_INTERVAL = 10;

function create(): Waiters {
    return setmetatable(new LuaMap(), { __mode: "k" });
}

/** Wakes all callers of `wait_ready`: the mirror is ready, or closed. */
function wake_all(waiters: Waiters): void {
    for (const [waiter] of waiters) {
        waiter.post(1);
    }
}

/** Returns the error for a deadline that has passed, with its cause if that is known. */
function timeout_error(state: State): EtcdError {
    const cause = status.current_error(state);
    const suffix = cause !== undefined ? `: ${errors.to_text(cause)}` : "";
    return errors.out_of_time(`the mirror is not ready: timeout${suffix}`);
}

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
    const [waiter, create_err] = semaphore.new(0);
    if (waiter === undefined) {
        return errors.bad_request(create_err);
    }
    this.waiters.set(waiter, true);
    const deadline = timeout !== undefined ? now() + timeout : math.huge;
    while (!this.loop.is_closed) {
        const left = deadline - now();
        if (left <= 0) {
            return errors.to_result(timeout_error(this));
        }
        const [outcome, reason] = wait.wait(waiter, min(left, POLL_INTERVAL));
        if (outcome === "cannot_wait") {
            return errors.to_result(errors.local_error("not_in_phase", `waiting for the mirror: ${tostring(reason)}`));
        }
        if (lookups.ready.call(this)) {
            return $multi(true);
        }
    }
    return errors.to_result(errors.local_error("closed", "the mirror is closed"));
}

export { create as new, wait_ready, wake_all };
