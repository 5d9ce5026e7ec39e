import * as clock from "./clock";
import * as phase from "./phase";
import * as wait from "./wait";

const now = clock.now;

/**
 * Seconds of work after which a loop yields. The goal is to block the worker for less than 10 ms; at any time LuaJIT
 * can double its string table on top of that, which takes 7 ms for 260,000 strings.
 */
const MAX_SLICE = 0.001;

/** Work since the last yield. */
interface TimeSlice {
    since: number;
}

/** Seconds after which a call that can wait is assumed to have waited, and thus yielded. */
const MIN_WAIT = 0.0005;

function start(): TimeSlice {
    return { since: now() };
}

/** Yields to other requests, in phases that can wait. */
function yield_now(): void {
    if (phase.can_wait()) {
        // not 0: an nginx without OpenResty's patches logs a warning then. It throws across a C call, as in the main chunk
        protected_call(wait.sleep, wait.MIN_PAUSE);
    }
}

/** Yields and starts a slice, for work that follows other work of unknown length. */
function yield_and_start(): TimeSlice {
    yield_now();
    return start();
}

/** Yields if the time slice is used up. Call it in every loop over keys; it does nothing in phases that cannot wait. */
function yield_if_due(slice: TimeSlice): void {
    if (now() - slice.since > MAX_SLICE) {
        yield_now();
        slice.since = now();
    }
}

/**
 * Starts the slice again if the caller has waited, for work on input that arrives irregularly.
 * @param since time before the call that could wait
 */
function restart_after_wait(slice: TimeSlice, since: number): void {
    const time = now();
    if (time - since > MIN_WAIT) {
        slice.since = time;
    }
}

export { start, yield_and_start, yield_if_due, restart_after_wait, type TimeSlice };
