const floor = math.floor;

const MODULUS = 2147483647;
const FACTOR = 48271;

let state = 0;
let seeded_in: number | undefined;

/**
 * A number in [0, 1) for jitter and choices, from a sequence that differs between workers. Lua's own random
 * numbers are the program's: they are neither seeded nor used here.
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

/** An integer from 0 to `n` - 1. */
function below(n: number): number {
    return floor(next() * n);
}

/** Half of it to all of it: workers and clients that failed together come back one by one. */
function jittered(seconds: number): number {
    return seconds * (0.5 + 0.5 * next());
}

export { below, jittered, next };
