import * as clock from "./clock";
import * as phase from "./phase";

const now = clock.now;

/**
 * Seconds of work after which others get their turn. Far less than the 10 ms that are not to be reached: LuaJIT now and
 * then doubles its table of strings in one go, which takes 7 ms where there are 260,000 of them, and nobody knows when.
 */
const MAX_SLICE = 0.001;

/** A pause of 0 would be logged by an nginx without OpenResty's patches, each time. */
const YIELD_TIME = 0.001;

/** A stretch of work that is not to hold up the worker. */
interface TimeSlice {
    since: number;
}

/** Seconds after which a call that may wait has surely done so. */
const MIN_WAIT = 0.0005;

function start(): TimeSlice {
    return { since: now() };
}

/** Lets others run, in phases that can wait. */
function yield_now(): void {
    if (phase.can_wait()) {
        protected_call(ngx.sleep, YIELD_TIME); // throws across a C call, as in the main chunk of a module
    }
}

/** Begins one after a pause, for work that comes after other work of unknown length. */
function yield_and_start(): TimeSlice {
    yield_now();
    return start();
}

/** Lets others run if the stretch has been long, in phases that can wait. To be called often. */
function yield_if_due(slice: TimeSlice): void {
    if (now() - slice.since > MAX_SLICE) {
        yield_now();
        slice.since = now();
    }
}

/**
 * For work on what comes now and then: it begins anew if one has waited for it.
 * @param since when one began to wait
 */
function restart_after_wait(slice: TimeSlice, since: number): void {
    const time = now();
    if (time - since > MIN_WAIT) {
        slice.since = time;
    }
}

export { start, yield_and_start, yield_if_due, restart_after_wait, yield_now, type TimeSlice };
