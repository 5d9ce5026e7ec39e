import * as random from "./random";

const min = math.min;

/** Seconds before a second try, at least. */
const BASE = 0.05;
const LONGEST = 10;

/** How long to wait before something that has failed is tried once more. */
interface Backoff {
    /** The last wait; 0 after a success. */
    seconds: number;
}

function create(): Backoff {
    return { seconds: 0 };
}

/**
 * The next wait. Each is random between the least and three times the last one, so that those who failed together
 * do not come back together.
 */
function next(backoff: Backoff): number {
    const last = backoff.seconds === 0 ? BASE : backoff.seconds;
    backoff.seconds = min(LONGEST, BASE + random.next() * (last * 3 - BASE));
    return backoff.seconds;
}

/** What was tried has succeeded. */
function reset(backoff: Backoff): void {
    backoff.seconds = 0;
}

export { create as new, next, reset, type Backoff };
