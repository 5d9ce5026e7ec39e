import * as clock from "./clock";
import type { Core } from "./core";
import * as health from "./health";

const min = math.min;
const guard = pcall as unknown as GuardedCall;

/** Seconds before a second round of tries; it doubles with each round. */
const FIRST = 0.025;
const LONGEST = 1;

/**
 * Lets some time pass before an endpoint is asked once more. A client under the health check that all share goes
 * on at once, as such clients always did.
 * @param tries how often the call was tried
 * @returns false if there is no time for another try
 */
function before_try(core: Core, tries: number, deadline: number | undefined): boolean {
    const n = core.endpoints.length;
    let seconds = 0;
    // up to the last endpoint, the next one is another
    if (tries >= n && (core.health !== undefined || core.order !== undefined)) {
        const round = math.floor(tries / n) - 1;
        seconds = health.jittered(min(LONGEST, FIRST * 2 ** min(round, 10)));
    }
    if (deadline !== undefined && clock.now() + seconds >= deadline) {
        return false;
    }
    if (seconds > 0) {
        guard(ngx.sleep, seconds); // throws in a phase that cannot wait
    }
    return true;
}

export { before_try };
