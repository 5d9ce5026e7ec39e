import * as clock from "./clock";

const now = clock.now;
const guard = pcall as unknown as GuardedCall;

/**
 * Seconds of work after which others get their turn. Far less than the 10 ms that are not to be reached: LuaJIT now and
 * then doubles its table of strings in one go, which takes 7 ms where there are 260,000 of them, and nobody knows when.
 */
const LONGEST = 0.001;

/** A pause of 0 would be logged by an nginx without OpenResty's patches, each time. */
const PAUSE = 0.001;

/** A stretch of work that is not to hold up the worker. */
interface Slice {
    since: number;
}

/** Seconds after which a call that may wait has surely done so. */
const WAIT = 0.0005;

function begin(): Slice {
    return { since: now() };
}

/** Whether there is anybody to let run: not while nginx starts, where programs may have put a blocking sleep. */
function may_pause(): boolean {
    const phase = ngx.get_phase();
    return phase !== "init" && phase !== "init_worker";
}

/** Lets others run, in phases that can wait. */
function pause(): void {
    if (may_pause()) {
        guard(ngx.sleep, PAUSE); // throws in a phase that cannot wait
    }
}

/** Begins one after a pause, for work that comes after other work of unknown length. */
function begin_anew(): Slice {
    pause();
    return begin();
}

/** Lets others run if the stretch has been long, in phases that can wait. To be called often. */
function breathe(slice: Slice): void {
    if (now() - slice.since > LONGEST) {
        pause();
        slice.since = now();
    }
}

/**
 * For work on what comes now and then: it begins anew if one has waited for it.
 * @param since when one began to wait
 */
function go_on(slice: Slice, since: number): void {
    const time = now();
    if (time - since > WAIT) {
        slice.since = time;
    }
}

export { begin, begin_anew, breathe, go_on, may_pause, pause, type Slice };
