import * as random from "./random";

const min = math.min;

/** Shortest delay in seconds. */
const MIN_DELAY = 0.05;
/** Longest delay in seconds. */
const MAX_DELAY = 10;
/** Doublings after which the delay no longer grows; keeps 2 ** n finite. */
const MAX_DOUBLINGS = 30;

/**
 * Returns the delay in seconds after the n-th failure in a row, counted from 0: `first`, doubled each time up to `max`.
 * It is jittered, so that workers that failed together do not return together.
 */
function exponential(first: number, max: number, n: number): number {
    return random.jittered(min(max, first * 2 ** min(n, MAX_DOUBLINGS)));
}

/** State of a backoff with decorrelated jitter: each delay depends on the one before it. */
interface Backoff {
    /** The last delay in seconds; 0 after a success. */
    seconds: number;
}

function create(): Backoff {
    return { seconds: 0 };
}

/**
 * Returns the next delay: random between the shortest one and three times the last one, so that workers that failed
 * together do not return together.
 */
function next(backoff: Backoff): number {
    const last = backoff.seconds === 0 ? MIN_DELAY : backoff.seconds;
    backoff.seconds = min(MAX_DELAY, MIN_DELAY + random.next() * (last * 3 - MIN_DELAY));
    return backoff.seconds;
}

/** Resets the delay after a success. */
function reset(backoff: Backoff): void {
    backoff.seconds = 0;
}

export { create as new, exponential, next, reset, type Backoff };
