import * as clock from "./clock";

const now = clock.now;

/** Seconds of work after which others get their turn: 4 ms, so that with what comes before it 10 are not reached. */
const LONGEST = 0.004;

/** A pause of 0 would be logged by an nginx without OpenResty's patches, each time. */
const PAUSE = 0.001;

/** A stretch of work that is not to hold up the worker. */
interface Slice {
    since: number;
}

function begin(): Slice {
    return { since: now() };
}

/** Begins one after a pause, for work that comes after other work of unknown length. */
function begin_anew(): Slice {
    ngx.sleep(PAUSE);
    return begin();
}

/** Lets others run if the stretch has been long. To be called often, and only where waiting is possible. */
function breathe(slice: Slice): void {
    if (now() - slice.since > LONGEST) {
        ngx.sleep(PAUSE);
        slice.since = now();
    }
}

export { begin, begin_anew, breathe, type Slice };
