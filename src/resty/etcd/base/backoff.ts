import * as random from "./random";

const min = math.min;

/** Shortest delay in seconds. */
const FIRST_DELAY = 0.07;
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

/** State of a backoff whose delays each depend on the one before. */
interface Backoff {
    /** The last delay in seconds; 0 after a success. */
    seconds: number;
}

function create(): Backoff {
    return { seconds: 0 };
}

/**
 * Returns the next delay: random between the last one and twice the last one, so that workers that failed together do not
 * return together. None is shorter than the last one: with decorrelated jitter, where that is possible, delays grow by
 * 10 % per failure only, and 50 watches make twice as many attempts.
 */
function next(backoff: Backoff): number {
    const last = backoff.seconds === 0 ? FIRST_DELAY : backoff.seconds;
    backoff.seconds = min(MAX_DELAY, last * (1 + random.next()));
    return backoff.seconds;
}

/** Resets the delay after a success. */
function reset(backoff: Backoff): void {
    backoff.seconds = 0;
}

export { create as new, exponential, next, reset, type Backoff };
