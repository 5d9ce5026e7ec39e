import * as random from "./random";

const min = math.min;

/** Seconds before a second try, at least. */
const MIN_DELAY = 0.05;
const MAX_DELAY = 10;

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
    const last = backoff.seconds === 0 ? MIN_DELAY : backoff.seconds;
    backoff.seconds = min(MAX_DELAY, MIN_DELAY + random.next() * (last * 3 - MIN_DELAY));
    return backoff.seconds;
}

/** What was tried has succeeded. */
function reset(backoff: Backoff): void {
    backoff.seconds = 0;
}

export { create as new, next, reset, type Backoff };
