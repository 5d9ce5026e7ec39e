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
 */
function before_try(core: Core, tries: number, deadline: number | undefined): void {
    const n = core.endpoints.length;
    if (core.health === undefined && core.order === undefined) {
        return;
    }
    if (tries < n) {
        return; // the next one is another endpoint
    }
    const round = math.floor(tries / n) - 1;
    let seconds = health.jittered(min(LONGEST, FIRST * 2 ** min(round, 10)));
    if (deadline !== undefined) {
        seconds = min(seconds, deadline - clock.now());
    }
    if (seconds > 0) {
        guard(ngx.sleep, seconds); // throws in a phase that cannot wait
    }
}

export { before_try };
