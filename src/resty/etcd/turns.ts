import * as clock from "./clock";

const now = clock.now;
const guard = pcall as unknown as GuardedCall;

/** Seconds of work after which others get their turn. */
const SLICE = 0.004;
/** How long they have it at least: nginx without OpenResty's patches warns of 0. */
const PAUSE = 0.001;

/**
 * To be called again and again in long work: lets others have their turn once it is due.
 * @param since when the work began or went on
 * @returns since when it goes on
 */
function give_way(since: number): number {
    if (now() - since < SLICE) {
        return since;
    }
    guard(ngx.sleep, PAUSE); // throws in a phase that cannot wait
    return now();
}

export { give_way };
