import * as backoff from "../base/backoff";
import * as clock from "../base/clock";
import type { Endpoint } from "./endpoint";
import type { Dict } from "../base/memory_dict";
import type { Latency } from "./latency";
import * as latencies from "./latency";
import * as memory_dict from "../base/memory_dict";
import type { RetryBudget } from "./retry_budget";
import * as retry_budget from "./retry_budget";

const now = clock.now;
const max = math.max;

/** A client's own view of its endpoints, in the place of the health check that all clients share. */
interface HealthOptions {
    /** Failures in a row after which an endpoint is left alone; default 3. */
    max_fails?: number;
    /** Seconds that it is left alone first; default 1. The time doubles with each failure after it, with jitter. */
    fail_timeout?: number;
    /** Seconds that it is left alone at most; default 30. */
    max_fail_timeout?: number;
    /** Where every endpoint is left alone, one is tried all the same, five times a second at most; default true. */
    fail_open?: boolean;
    /** Calls that may be sent again go on to other endpoints; default true. */
    retry?: boolean;
    /** Tries beyond the first that are allowed per call in the long run; default 0.2. */
    retry_budget?: number;
    /** "round_robin" (default), or "latency": the quicker of two. */
    policy?: "round_robin" | "latency";
    /** Name of a shared dict: the workers then share what they know. */
    shm_name?: string;
}

/** Endpoints by host. */
type Tried = LuaMap<string, true>;

interface Health {
    readonly max_fails: number;
    readonly fail_timeout: number;
    readonly max_fail_timeout: number;
    readonly fail_open: boolean;
    readonly retry: boolean;
    readonly budget: RetryBudget;
    /** Failures in a row by `f|host`; `away|host` while it is left alone; `probe|host` while one call tries it again. */
    readonly dict: Dict;
    /** nil unless the quicker of two is chosen. */
    readonly latency: Latency | undefined;
    next_fail_open_at: number;
}

const PREFIX = "resty.etcd|";
const FAILS = `${PREFIX}fails|`;
const EJECTED = `${PREFIX}away|`;
const PROBE = `${PREFIX}probe|`;

/** Seconds between two tries of endpoints that are left alone, however many clients a worker has. */
const MIN_PROBE_INTERVAL = 0.2;
/** How long a call that tries an endpoint again keeps others from it, should it never tell how it ended. */
const PROBE_TIME = 5;
/** A run of failures is forgotten after so many seconds without another, but not while an endpoint is left alone. */
const FORGET_AFTER = 600;
/** The least that a shared dict can tell from "for ever", in seconds. */
const MIN_EXPIRY = 0.001;

/** When this worker has last tried an endpoint that had failed, by host: all its clients spare etcd together. */
const tried_at = memory_dict.new();

/** What is wrong with the options; nil if nothing is. */
function check(opts: unknown): Problem {
    if (typeof opts !== "object") {
        return "opts.health must be table or ignore";
    }
    const given = opts as Record<string, unknown>;
    for (const name of ["max_fails", "fail_timeout", "max_fail_timeout", "retry_budget"]) {
        const value = given[name];
        if (value !== undefined && (typeof value !== "number" || value < 0 || value !== value || value === math.huge)) {
            return `opts.health.${name} must be unsigned number`;
        }
    }
    for (const name of ["fail_open", "retry"]) {
        const value = given[name];
        if (value !== undefined && typeof value !== "boolean") {
            return `opts.health.${name} must be boolean`;
        }
    }
    const policy = given.policy ?? "round_robin";
    if (policy !== "round_robin" && policy !== "latency") {
        return 'opts.health.policy must be "round_robin" or "latency"';
    }
    const shm_name = given.shm_name;
    if (shm_name !== undefined && (typeof shm_name !== "string" || ngx.shared[shm_name] === undefined)) {
        return `failed to get ngx.shared dict: ${tostring(shm_name)}`;
    }
    return undefined;
}

/** Takes options that were checked. */
function create(opts: HealthOptions): Health {
    return {
        max_fails: max(1, opts.max_fails ?? 3),
        fail_timeout: opts.fail_timeout ?? 1,
        max_fail_timeout: opts.max_fail_timeout ?? 30,
        fail_open: opts.fail_open !== false,
        retry: opts.retry !== false,
        budget: retry_budget.new(opts.retry_budget ?? 0.2),
        dict: opts.shm_name !== undefined ? ngx.shared[opts.shm_name]! : memory_dict.new(),
        latency: opts.policy === "latency" ? latencies.new() : undefined,
        next_fail_open_at: 0,
    };
}

function fails_of(health: Health, host: string): number {
    const [fails] = health.dict.get(FAILS + host);
    return (fails as number | undefined) ?? 0;
}

/** Whether no call of this worker has just tried a failed endpoint; each of `n` has its turn. */
function is_rested(host: string, n: number): boolean {
    const [tried] = tried_at.get(host);
    return tried === undefined || now() - (tried as number) >= n * MIN_PROBE_INTERVAL;
}

/** It is time to try a failed endpoint again, and for this call to do so. */
function may_probe(health: Health, host: string, n: number): boolean {
    const dict = health.dict;
    const [away] = dict.get(EJECTED + host);
    if (away !== undefined || !is_rested(host, n)) {
        return false;
    }
    const [is_first] = dict.add(PROBE + host, 1, PROBE_TIME);
    if (is_first) {
        tried_at.set(host, now(), FORGET_AFTER);
    }
    return is_first;
}

/** Notes a failure; true if the endpoint is left alone from now on. */
function failed(health: Health, host: string): boolean {
    const dict = health.dict;
    const [away] = dict.get(EJECTED + host);
    if (away !== undefined) {
        return false; // the failure of a call from before
    }
    const fails = fails_of(health, host) + 1;
    dict.set(FAILS + host, fails, FORGET_AFTER + health.max_fail_timeout);
    if (fails < health.max_fails) {
        return false;
    }
    const seconds = backoff.exponential(health.fail_timeout, health.max_fail_timeout, fails - health.max_fails);
    dict.set(EJECTED + host, now(), max(MIN_EXPIRY, seconds));
    dict.delete(PROBE + host);
    return fails === health.max_fails;
}

/**
 * Notes a success: the endpoint is as good as any.
 * @param seconds that it took, if that is to count
 */
function succeeded(health: Health, host: string, seconds: number | undefined): void {
    if (fails_of(health, host) > 0) {
        const dict = health.dict;
        dict.delete(FAILS + host);
        dict.delete(EJECTED + host);
        dict.delete(PROBE + host);
        tried_at.delete(host);
    }
    if (health.latency !== undefined && seconds !== undefined) {
        latencies.note(health.latency, host, seconds);
    }
}

/** Notes that a call was not made after all. */
function not_attempted(health: Health, host: string): void {
    health.dict.delete(PROBE + host);
    tried_at.delete(host);
}

/** Users may have written to endpoints. */
function is_host(host: unknown): boolean {
    return typeof host === "string";
}

/** Where no endpoint may be used: the one that has been left alone for the longest, once in a while. */
function pick_fail_open(health: Health, endpoints: readonly Endpoint[]): Endpoint | undefined {
    const time = now();
    if (!health.fail_open || time < health.next_fail_open_at) {
        return undefined;
    }
    health.next_fail_open_at = time + MIN_PROBE_INTERVAL;
    let best: Endpoint | undefined;
    let best_since = math.huge;
    for (const endpoint of endpoints) {
        const host = endpoint.http_host;
        if (is_host(host) && is_rested(host, endpoints.length)) {
            const [since] = health.dict.get(EJECTED + host);
            const [tried] = tried_at.get(host);
            const left_at = max((since as number | undefined) ?? 0, (tried as number | undefined) ?? 0);
            if (left_at < best_since) {
                best = endpoint;
                best_since = left_at;
            }
        }
    }
    if (best !== undefined) {
        tried_at.set(best.http_host, time, FORGET_AFTER);
    }
    return best;
}

/** The next endpoint that may be used, or the quicker of the next two, of those that a call has not tried yet. */
function pick_of(
    health: Health,
    endpoints: readonly Endpoint[],
    start: number,
    tried: Tried | undefined,
): Endpoint | undefined {
    const n = endpoints.length;
    let first: Endpoint | undefined;
    for (const i of $range(0, n - 1)) {
        const endpoint = endpoints[(start + i) % n]!;
        const host = endpoint.http_host;
        if (is_host(host) && tried?.get(host) !== true) {
            if (fails_of(health, host) >= health.max_fails) {
                if (may_probe(health, host, n)) {
                    return endpoint;
                }
            } else if (health.latency === undefined) {
                return endpoint;
            } else if (first === undefined) {
                first = endpoint;
            } else {
                return latencies.quicker(health.latency, first, endpoint);
            }
        }
    }
    return first;
}

/**
 * Chooses an endpoint.
 * @param start counts the choices of the ring
 * @param tried the endpoints that have failed the same call
 */
function pick(
    health: Health,
    endpoints: readonly Endpoint[],
    start: number,
    tried: Tried | undefined,
): Endpoint | undefined {
    let endpoint = pick_of(health, endpoints, start, tried);
    if (endpoint === undefined && tried !== undefined) {
        endpoint = pick_of(health, endpoints, start, undefined);
    }
    return endpoint ?? pick_fail_open(health, endpoints);
}

export { check, create as new, failed, pick, succeeded, not_attempted, type Health, type HealthOptions, type Tried };
