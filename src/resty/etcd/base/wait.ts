import type { Semaphore } from "ngx.semaphore";

/** How a wait ended; `cannot_wait` in phases that cannot yield, such as header_filter and log. */
type WaitOutcome = "posted" | "timeout" | "cannot_wait";

/** Shortest wait in seconds: semaphores drop fractions of a millisecond, and a loop that waits for 0 ms would spin. */
const MIN_WAIT = 0.001;

/**
 * Waits for a post to a semaphore.
 * @param seconds time limit; 0 tests the semaphore without yielding
 * @returns the outcome; with `cannot_wait` also the error text
 */
function wait(
    semaphore: Semaphore,
    seconds: number,
): LuaMultiReturn<[outcome: WaitOutcome, reason?: string | undefined]> {
    const limit = seconds > 0 ? math.max(seconds, MIN_WAIT) : 0;
    // init has no request, and the method throws; other phases that cannot yield return "API disabled in ..."
    const [ok, posted, err] = protected_call(semaphore.wait, semaphore, limit);
    if (!ok) {
        return $multi("cannot_wait", tostring(posted));
    }
    if (posted === true) {
        return $multi("posted");
    }
    if (err === "timeout") {
        return $multi("timeout");
    }
    return $multi("cannot_wait", tostring(err));
}

/** Wakes all light threads that wait for a semaphore. */
function wake_all(semaphore: Semaphore): void {
    const waiting = -semaphore.count();
    if (waiting > 0) {
        semaphore.post(waiting);
    }
}

export { wait, wake_all, type WaitOutcome };
