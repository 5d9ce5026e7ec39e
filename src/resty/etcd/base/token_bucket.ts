import * as clock from "./clock";

const now = clock.now;
const min = math.min;

/** A limit of a rate: a burst of tokens, then a number of them per second. */
interface TokenBucket {
    capacity: number;
    per_second: number;
    /** Tokens at `refilled_at`; negative if tokens of the future were reserved. */
    tokens: number;
    refilled_at: number;
}

function create(capacity: number, per_second: number): TokenBucket {
    return { capacity, per_second, tokens: capacity, refilled_at: now() };
}

/** Changes the limits. A capacity that grows adds its tokens immediately. */
function resize(bucket: TokenBucket, capacity: number, per_second: number): void {
    bucket.tokens = bucket.tokens + capacity - bucket.capacity;
    bucket.capacity = capacity;
    bucket.per_second = per_second;
}

/** Takes tokens, also those of the future. Returns the seconds until they can be used: 0 if they are there. */
function reserve(bucket: TokenBucket, count: number): number {
    const time = now();
    const refilled = bucket.tokens + (time - bucket.refilled_at) * bucket.per_second;
    bucket.refilled_at = time;
    bucket.tokens = min(bucket.capacity, refilled) - count;
    return bucket.tokens >= 0 ? 0 : -bucket.tokens / bucket.per_second;
}

export { create as new, reserve, resize, type TokenBucket };
