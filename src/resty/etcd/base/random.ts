const floor = math.floor;

// minimal standard generator (Park and Miller 1988, multiplier of 1993): its products are exact in a double
const MODULUS = 2147483647;
const FACTOR = 48271;

let state = 0;
let seeded_in: number | undefined;

/**
 * Returns a number in [0, 1) for jitter and choices, from a sequence that differs between workers. It does not use
 * `math.random`, whose state and seed belong to the program.
 */
function next(): number {
    const pid = ngx.worker.pid();
    if (seeded_in !== pid) {
        seeded_in = pid;
        state = (ngx.crc32_short(`${pid}:${ngx.now()}`) % (MODULUS - 1)) + 1;
    }
    state = (state * FACTOR) % MODULUS;
    return (state - 1) / (MODULUS - 1);
}

/** Returns an integer from 0 to `n` - 1. */
function below(n: number): number {
    return floor(next() * n);
}

/** Returns one half to all of `seconds`, so that workers and clients that failed together do not return together. */
function jittered(seconds: number): number {
    return seconds * (0.5 + 0.5 * next());
}

export { below, jittered, next };
