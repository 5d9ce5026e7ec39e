import * as printable from "../base/printable";
import type { ErrorResult, EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";

/** A call that has ended; for a stream, its opening. */
interface CallInfo {
    /** Name of the RPC, such as `Range`. */
    rpc: string;
    /** Endpoint of the last attempt; nil if there was none. */
    endpoint?: string;
    /** Duration in milliseconds, all attempts and waits included. */
    ms: number;
    /** Bytes of the request body, times the attempts. */
    sent: number;
    /** Bytes of the response bodies. */
    received: number;
    /** Number of attempts. */
    tries: number;
    /** `ok`, or the name of the error. */
    outcome: string;
    /** Nil for a call that succeeded. */
    err?: EtcdError;
}

/** Called after each call. Errors that it raises are logged once per client. */
type OnCall = (this: void, info: CallInfo) => void;

/** Counters of one RPC since the client was created. */
interface RpcStats {
    /** Number of calls by outcome: `ok`, or the name of the error. */
    outcomes: Record<string, number>;
    /** Attempts after the first. */
    retries: number;
    sent: number;
    received: number;
    /** Sum of the durations in seconds. */
    seconds: number;
    /** Cumulative histogram: for each upper bound in `buckets`, the number of calls that took no longer. */
    within: number[];
}

/** Counters by RPC name. */
type Stats = Record<string, RpcStats>;

interface Meter {
    readonly on_call: OnCall | undefined;
    /** Nil without `metrics`. */
    readonly stats: Stats | undefined;
    has_logged_error: boolean;
}

/** Upper bounds of the histogram in seconds. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

function create(on_call: OnCall | undefined, counts: boolean): Meter {
    return { on_call, stats: counts ? {} : undefined, has_logged_error: false };
}

function new_stats(): RpcStats {
    const within: number[] = [];
    for (const _ of buckets) {
        within.push(0);
    }
    return { outcomes: {}, retries: 0, sent: 0, received: 0, seconds: 0, within };
}

function count(stats: Stats, info: CallInfo): void {
    let row = stats[info.rpc];
    if (row === undefined) {
        row = new_stats();
        stats[info.rpc] = row;
    }
    const seconds = info.ms / 1000;
    row.outcomes[info.outcome] = (row.outcomes[info.outcome] ?? 0) + 1;
    row.retries = row.retries + (info.tries > 1 ? info.tries - 1 : 0);
    row.sent = row.sent + info.sent;
    row.received = row.received + info.received;
    row.seconds = row.seconds + seconds;
    const within = row.within;
    for (const i of $range(buckets.length, 1, -1)) {
        if (seconds > buckets[i - 1]!) {
            break;
        }
        within[i - 1] = within[i - 1]! + 1;
    }
}

/** Counts a call that has ended, and passes it to `on_call`. */
function record(meter: Meter, info: CallInfo): void {
    if (meter.stats !== undefined) {
        count(meter.stats, info);
    }
    if (meter.on_call !== undefined) {
        const [ok, err] = protected_call(meter.on_call, info);
        if (!ok && !meter.has_logged_error) {
            meter.has_logged_error = true;
            ngx.log(ngx.WARN, "on_call: ", printable.of(err));
        }
    }
}

/** Returns the error of a client without counters. */
function not_counting(): ErrorResult {
    return errors.bad_request("opts.metrics is not set");
}

export {
    buckets,
    create as new,
    not_counting,
    record,
    type CallInfo,
    type Meter,
    type OnCall,
    type RpcStats,
    type Stats,
};
