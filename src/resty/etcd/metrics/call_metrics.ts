import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";

/** What is known of a call when it has ended; for a stream, of its opening. */
interface CallInfo {
    /** Name of the RPC, such as `Range`. */
    rpc: string;
    /** The endpoint of the last try; nil if there was none. */
    endpoint?: string;
    /** From its beginning to its end, all tries and waits included. */
    ms: number;
    /** Bytes of the request's body, times the tries. */
    sent: number;
    /** Bytes of the bodies of the answers. */
    received: number;
    /** How often it was tried. */
    tries: number;
    /** `ok`, or the name of the error. */
    outcome: string;
    /** The error, if there was one. */
    err?: EtcdError;
}

/** Called after each call. What it throws is logged, once a client. */
type OnCall = (this: void, info: CallInfo) => void;

/** Counters of one RPC, since the client was made. */
interface RpcStats {
    /** Calls by their outcome: `ok`, or the name of the error. */
    outcomes: Record<string, number>;
    /** Tries beyond the first. */
    retries: number;
    sent: number;
    received: number;
    /** Seconds that the calls took together. */
    seconds: number;
    /** Calls that took at most so many seconds: one number for each of `buckets`, each counting all faster ones too. */
    within: number[];
}

/** Counters by name of the RPC. */
type Stats = Record<string, RpcStats>;

interface Meter {
    readonly on_call: OnCall | undefined;
    /** nil where nothing is counted. */
    readonly stats: Stats | undefined;
    has_complained: boolean;
}

/** Upper bounds in seconds. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

function create(on_call: OnCall | undefined, counts: boolean): Meter {
    return { on_call, stats: counts ? {} : undefined, has_complained: false };
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

/** Takes note of a call that has ended. */
function record(meter: Meter, info: CallInfo): void {
    if (meter.stats !== undefined) {
        count(meter.stats, info);
    }
    if (meter.on_call !== undefined) {
        const [ok, err] = protected_call(meter.on_call, info);
        if (!ok && !meter.has_complained) {
            meter.has_complained = true;
            ngx.log(ngx.WARN, "on_call: ", tostring(err));
        }
    }
}

/** Why there are no counters. */
function not_counting(): EtcdError {
    return errors.local_error("bad_request", "opts.metrics is not set");
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
