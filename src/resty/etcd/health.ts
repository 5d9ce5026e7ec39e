import * as clock from "./clock";
import type { Endpoint } from "./endpoint";
import type { Dict } from "./memory_dict";
import * as memory_dict from "./memory_dict";
import * as random from "./random";

const now = clock.now;
const max = math.max;
const min = math.min;

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
    choice?: "round_robin" | "latency";
    /** Name of a shared dict: the workers then share what they know. */
    shm_name?: string;
}

interface Health {
    readonly max_fails: number;
    readonly fail_timeout: number;
    readonly max_fail_timeout: number;
    readonly fail_open: boolean;
    readonly retry: boolean;
    readonly retry_budget: number;
    readonly by_latency: boolean;
    /** Failures in a row by `f|host`; `away|host` while it is left alone; `probe|host` while one call tries it again. */
    readonly dict: Dict;
    /** Seconds that calls take, a moving average, by host; and when it was last brought up to date. */
    readonly latency: LuaMap<string, number>;
    readonly measured_at: LuaMap<string, number>;
    /** Retries that may be made now. */
    tokens: number;
    next_open: number;
}

const PREFIX = "resty.etcd|";
const FAILS = `${PREFIX}fails|`;
const AWAY = `${PREFIX}away|`;
const PROBE = `${PREFIX}probe|`;

/** Retries that may be made in a burst. */
const MAX_TOKENS = 10;
/** Seconds between two tries while every endpoint is left alone. */
const OPEN_GAP = 0.2;
/** How long a call that tries an endpoint again keeps others from it, should it never tell how it ended. */
const PROBE_TIME = 5;
/** Weight of the newest measurement. */
const WEIGHT = 0.2;
/** After so many seconds an endpoint is measured anew. */
const MEASURE_AGAIN = 30;
/** A run of failures is forgotten after so many seconds without another. */
const MEMORY = 600;

/** What is wrong with the options; nil if nothing is. */
function check(opts: unknown): string | undefined {
    if (typeof opts !== "object") {
        return "opts.health must be table or ignore";
    }
    const given = opts as Record<string, unknown>;
    for (const name of ["max_fails", "fail_timeout", "max_fail_timeout", "retry_budget"]) {
        const value = given[name];
        if (value !== undefined && (typeof value !== "number" || value < 0 || value !== value)) {
            return `opts.health.${name} must be unsigned number`;
        }
    }
    for (const name of ["fail_open", "retry"]) {
        const value = given[name];
        if (value !== undefined && typeof value !== "boolean") {
            return `opts.health.${name} must be boolean`;
        }
    }
    const choice = given.choice ?? "round_robin";
    if (choice !== "round_robin" && choice !== "latency") {
        return 'opts.health.choice must be "round_robin" or "latency"';
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
        fail_timeout: max(0.001, opts.fail_timeout ?? 1),
        max_fail_timeout: max(0.001, opts.max_fail_timeout ?? 30),
        fail_open: opts.fail_open !== false,
        retry: opts.retry !== false,
        retry_budget: opts.retry_budget ?? 0.2,
        by_latency: opts.choice === "latency",
        dict: opts.shm_name !== undefined ? ngx.shared[opts.shm_name]! : memory_dict.new(),
        latency: new LuaMap(),
        measured_at: new LuaMap(),
        tokens: MAX_TOKENS,
        next_open: 0,
    };
}

function fails_of(health: Health, host: string): number {
    const [fails] = health.dict.get(FAILS + host);
    return (fails as number | undefined) ?? 0;
}

/** It is time to try a failed endpoint again, and for this call to do so. */
function may_probe(health: Health, host: string): boolean {
    const dict = health.dict;
    const [away] = dict.get(AWAY + host);
    if (away !== undefined) {
        return false;
    }
    const [is_first] = dict.add(PROBE + host, 1, PROBE_TIME);
    return is_first;
}

/** Half of it to all of it: workers and clients that failed together come back one by one. */
function jittered(seconds: number): number {
    return seconds * (0.5 + 0.5 * random.next());
}

/** Notes a failure; true if the endpoint is left alone from now on. */
function failed(health: Health, host: string): boolean {
    const dict = health.dict;
    const [away] = dict.get(AWAY + host);
    if (away !== undefined) {
        return false; // the failure of a call from before
    }
    const fails = fails_of(health, host) + 1;
    dict.set(FAILS + host, fails, MEMORY);
    if (fails < health.max_fails) {
        return false;
    }
    const doubled = health.fail_timeout * 2 ** min(20, fails - health.max_fails);
    dict.set(AWAY + host, now(), jittered(min(health.max_fail_timeout, doubled)));
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
        dict.delete(AWAY + host);
        dict.delete(PROBE + host);
    }
    if (health.by_latency && seconds !== undefined) {
        const known = health.latency.get(host) ?? seconds;
        health.latency.set(host, known + WEIGHT * (seconds - known));
        health.measured_at.set(host, now());
    }
}

/** What a call to the endpoint is expected to take; 0 where that is to be found out. */
function expected(health: Health, host: string, time: number): number {
    const measured_at = health.measured_at.get(host);
    if (measured_at === undefined || time - measured_at > MEASURE_AGAIN) {
        health.measured_at.set(host, time); // by this call, not by all who come while it lasts
        return 0;
    }
    return health.latency.get(host) ?? 0;
}

/** Where no endpoint may be used: the one that has been left alone for the longest, once in a while. */
function open_one(health: Health, endpoints: readonly Endpoint[]): Endpoint | undefined {
    const time = now();
    if (!health.fail_open || time < health.next_open) {
        return undefined;
    }
    health.next_open = time + OPEN_GAP;
    let best: Endpoint | undefined;
    let best_since = math.huge;
    for (const endpoint of endpoints) {
        const [since] = health.dict.get(AWAY + endpoint.http_host);
        const left_at = (since as number | undefined) ?? 0;
        if (left_at < best_since) {
            best = endpoint;
            best_since = left_at;
        }
    }
    return best;
}

/**
 * Chooses an endpoint.
 * @param start counts the choices of the ring
 */
function pick(health: Health, endpoints: readonly Endpoint[], start: number): Endpoint | undefined {
    const n = endpoints.length;
    let first: Endpoint | undefined;
    for (const i of $range(0, n - 1)) {
        const endpoint = endpoints[(start + i) % n]!;
        const host = endpoint.http_host;
        if (fails_of(health, host) >= health.max_fails) {
            if (may_probe(health, host)) {
                return endpoint;
            }
        } else if (!health.by_latency) {
            return endpoint;
        } else if (first === undefined) {
            first = endpoint;
        } else {
            const time = now();
            const is_quicker = expected(health, host, time) < expected(health, first.http_host, time);
            return is_quicker ? endpoint : first;
        }
    }
    return first ?? open_one(health, endpoints);
}

/** Each call adds to the retries that are allowed. */
function note_call(health: Health): void {
    health.tokens = min(MAX_TOKENS, health.tokens + health.retry_budget);
}

/** Takes one retry out of the budget; false if there is none. */
function take_retry(health: Health): boolean {
    if (health.tokens < 1) {
        return false;
    }
    health.tokens = health.tokens - 1;
    return true;
}

export {
    check,
    create as new,
    failed,
    jittered,
    note_call,
    pick,
    succeeded,
    take_retry,
    type Health,
    type HealthOptions,
};
