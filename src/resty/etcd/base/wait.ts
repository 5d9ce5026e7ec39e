import type { Semaphore } from "ngx.semaphore";

/** How a wait ended; `cannot_wait` in phases that cannot yield, such as header_filter and log. */
type WaitOutcome = "posted" | "timeout" | "cannot_wait";

/** Shortest pause in seconds: semaphores drop fractions of a millisecond, and a loop that waits for 0 ms would spin. */
const MIN_PAUSE = 0.001;
/** Longest pause in seconds: nginx's timers count milliseconds in 32 bits, and a longer pause would end immediately. */
const MAX_PAUSE = 2147483;
/** Pause in seconds instead of NaN, which no comparison holds for. It is long enough for the loop not to spin. */
const NAN_PAUSE = 1;

/**
 * Returns a time that nginx can wait for. All timers, sleeps and waits of the driver use it: whatever a server sends, and
 * whatever is computed from it, no loop spins and none waits forever.
 */
function bounded(seconds: number): number {
    if (seconds >= MIN_PAUSE && seconds <= MAX_PAUSE) {
        return seconds;
    }
    if (seconds > MAX_PAUSE) {
        return MAX_PAUSE;
    }
    return seconds < MIN_PAUSE ? MIN_PAUSE : NAN_PAUSE;
}

/** Sleeps, at least for the shortest pause. Raises an error in phases that cannot yield, as `ngx.sleep` does. */
function sleep(seconds: number): void {
    ngx.sleep(bounded(seconds));
}

/**
 * Waits for a post to a semaphore.
 * @param seconds time limit; 0 or less tests the semaphore without yielding
 * @returns the outcome; with `cannot_wait` also the error text
 */
function wait(
    semaphore: Semaphore,
    seconds: number,
): LuaMultiReturn<[outcome: WaitOutcome, reason?: string | undefined]> {
    const limit = seconds <= 0 ? 0 : bounded(seconds);
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

export { MIN_PAUSE, bounded, sleep, wait, wake_all, type WaitOutcome };
