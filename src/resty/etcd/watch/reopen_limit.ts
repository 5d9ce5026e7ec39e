import * as token_bucket from "../base/token_bucket";
import type { Core } from "../call/client_state";

const max = math.max;

/** Least number of failed streams of a client that are opened again without a further delay. */
const MIN_BURST = 10;
/** The same for each watch of the client: each reopens immediately after a disconnect, and again after a compaction. */
const BURST_PER_WATCH = 2;
/** Least number of failed streams per second that are opened again after that. */
const MIN_RATE = 5;
/** The same for each watch: none waits longer for the others than its own delay lasts, which is 10 s at most. */
const RATE_PER_WATCH = 0.1;

/**
 * Returns the seconds before a watch of a client opens another stream after one that etcd has answered but not kept. An
 * endpoint that answers looks healthy, so no health check limits such attempts, and the delay of each watch alone would let
 * many watches send hundreds of calls per second at first.
 */
function delay(core: Core): number {
    const watches = core.shared_watches?.length ?? 0;
    let bucket = core.reopen_limit;
    if (bucket === undefined) {
        bucket = token_bucket.new(MIN_BURST, MIN_RATE);
        core.reopen_limit = bucket;
    }
    const burst = max(bucket.capacity, BURST_PER_WATCH * watches);
    if (burst > bucket.capacity) {
        token_bucket.resize(bucket, burst, max(MIN_RATE, (burst / BURST_PER_WATCH) * RATE_PER_WATCH));
    }
    return token_bucket.reserve(bucket, 1);
}

export { delay };
