import * as semaphore from "ngx.semaphore";
import type { Semaphore } from "ngx.semaphore";
import * as clock from "../base/clock";
import * as wait from "../base/wait";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as status from "./status";
import type { State, Waiters } from "./types";

const now = clock.now;
const min = math.min;

function create(): Waiters {
    return setmetatable(new LuaMap(), { __mode: "k" });
}

/** Wakes all callers that wait. */
function wake_all(waiters: Waiters): void {
    for (const [waiter] of waiters) {
        waiter.post(1);
    }
}

/** Adds a caller that waits. It is removed when its semaphore is collected as garbage. */
function add(waiters: Waiters): Result<Semaphore> {
    const [waiter, err] = semaphore.new(0);
    if (waiter === undefined) {
        return $multi(undefined, err);
    }
    waiters.set(waiter, true);
    return $multi(waiter);
}

/** Returns the time at which a wait ends. */
function deadline_of(timeout: number | undefined): number {
    return timeout !== undefined ? now() + timeout : math.huge;
}

/**
 * Waits until the caller is woken, or for some seconds.
 * @param goal what has not happened if the deadline passes: the beginning of the error text
 * @returns why the wait ends without success: the mirror is closed, the deadline has passed, or the phase cannot yield
 */
function pause(
    state: State,
    waiter: Semaphore,
    deadline: number,
    seconds: number,
    goal: string,
): EtcdError | undefined {
    if (state.loop.is_closed) {
        return errors.local_error("closed", "the mirror is closed");
    }
    const left = deadline - now();
    if (left <= 0) {
        const cause = status.current_error(state);
        const suffix = cause !== undefined ? `: ${errors.to_text_with_hint(cause)}` : "";
        return errors.out_of_time(`${goal}: timeout${suffix}`);
    }
    const [outcome, reason] = wait.wait(waiter, min(left, seconds));
    if (outcome === "cannot_wait") {
        return errors.local_error("not_in_phase", `waiting for the mirror: ${tostring(reason)}`);
    }
    return undefined;
}

export { add, deadline_of, create as new, pause, wake_all };
