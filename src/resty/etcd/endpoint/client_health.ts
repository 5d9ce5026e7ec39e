import * as backoff from "../base/backoff";
import * as checks from "../base/checks";
import type { OptionRule, OptionTable } from "../base/checks";
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

/** Option `health`: the client's own health check, instead of the shared one. */
interface HealthOptions {
    /** Consecutive failures after which an endpoint is ejected; default 3. */
    max_fails?: number;
    /** Seconds of the first ejection; default 1. The time doubles with each further failure, with jitter. */
    fail_timeout?: number;
    /** Longest ejection in seconds; default 30. */
    max_fail_timeout?: number;
    /** If all endpoints are ejected, probes one of them nevertheless, at most five times per second; default true. */
    fail_open?: boolean;
    /** Retries failed calls on other endpoints if repeating them is safe; default true. */
    retry?: boolean;
    /** Average number of retries per call; default 0.2. */
    retry_budget?: number;
    /** Load-balancing policy: "round_robin" (default), or "latency", which uses the faster one of two endpoints. */
    policy?: "round_robin" | "latency";
    /** Name of a shared dict that shares the state between workers. */
    shm_name?: string;
}

/** Hosts of the endpoints at which a call has failed. */
type Tried = LuaMap<string, true>;

/** The state of a client's own health check. */
interface Health {
    readonly max_fails: number;
    readonly fail_timeout: number;
    readonly max_fail_timeout: number;
    readonly fail_open: boolean;
    readonly retry: boolean;
    readonly budget: RetryBudget;
    /**
     * Three keys per endpoint: the number of consecutive failures, the ejection (expires with it), and the probe lock, which
     * is set with `add` so that only one call probes.
     */
    readonly dict: Dict;
    /** Nil unless the policy is "latency". */
    readonly latency: Latency | undefined;
    /** Earliest time of the next probe while all endpoints are ejected. */
    next_fail_open_at: number;
}

const PREFIX = "resty.etcd|";
const FAILS = `${PREFIX}fails|`;
const EJECTED = `${PREFIX}away|`;
const PROBE = `${PREFIX}probe|`;

/** Shortest time in seconds between two probes of ejected endpoints, for all clients of a worker together. */
const MIN_PROBE_INTERVAL = 0.2;
/** Seconds after which a probe lock expires, because the call that probes can be killed. */
const PROBE_TIME = 5;
/** Seconds without a failure after which the number of failures is reset; an ejection is added to them. */
const FORGET_AFTER = 600;
/** Shortest expiry in seconds: in a shared dict, 0 means that the value does not expire. */
const MIN_EXPIRY = 0.001;

/** Greatest number in the options: they are finite. */
const MAX_NUMBER = 1e9;

/** Time of the last probe of an endpoint by this worker, by host. All its clients share it, which limits their probes. */
const probed_at = memory_dict.new();

function unsigned(name: string): OptionRule {
    return { name, type: "number", min: 0, max: MAX_NUMBER, expected: "unsigned number" };
}

const OPTIONS: OptionTable = {
    subject: "opts.health",
    rules: [
        unsigned("max_fails"),
        unsigned("fail_timeout"),
        unsigned("max_fail_timeout"),
        unsigned("retry_budget"),
        { name: "fail_open", type: "boolean" },
        { name: "retry", type: "boolean" },
        { name: "policy", values: ["round_robin", "latency"] },
        { name: "shm_name", check: checks.check_shared_dict },
    ],
};

/** Checks the option. Returns an error text, or nil if it is valid. */
function check(opts: unknown): Problem {
    return typeof opts !== "object" ? "opts.health must be table or ignore" : checks.check_options(opts, OPTIONS);
}

/** Creates a health check. The options must have been checked. */
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

/** Reports whether the last probe of an endpoint is long enough ago: `n` ejected endpoints share the rate of probes. */
function is_probe_due(host: string, n: number): boolean {
    const [time] = probed_at.get(host);
    return time === undefined || now() - (time as number) >= n * MIN_PROBE_INTERVAL;
}

/** Takes the probe lock of an endpoint if its ejection has ended; returns true if this call must probe it. */
function try_acquire_probe(health: Health, host: string, n: number): boolean {
    const dict = health.dict;
    const [ejected_at] = dict.get(EJECTED + host);
    if (ejected_at !== undefined || !is_probe_due(host, n)) {
        return false;
    }
    const [is_first] = dict.add(PROBE + host, 1, PROBE_TIME);
    if (is_first) {
        probed_at.set(host, now(), FORGET_AFTER);
    }
    return is_first;
}

/** Counts a failure. Returns true if it ejects the endpoint after a healthy period, which is logged. */
function failed(health: Health, host: string): boolean {
    const dict = health.dict;
    const [ejected_at] = dict.get(EJECTED + host);
    if (ejected_at !== undefined) {
        return false; // the call started before the ejection
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
 * Records a success, which ends the ejection of the endpoint.
 * @param seconds latency of the call; nil if it says nothing about the endpoint
 */
function succeeded(health: Health, host: string, seconds: number | undefined): void {
    if (fails_of(health, host) > 0) {
        const dict = health.dict;
        dict.delete(FAILS + host);
        dict.delete(EJECTED + host);
        dict.delete(PROBE + host);
        probed_at.delete(host);
    }
    if (health.latency !== undefined && seconds !== undefined) {
        latencies.note(health.latency, host, seconds);
    }
}

/** Releases the probe of an endpoint, because nothing was sent to it. */
function not_attempted(health: Health, host: string): void {
    health.dict.delete(PROBE + host);
    probed_at.delete(host);
}

/** Reports whether a host is usable: users can have written other values to their endpoints. */
function is_host(host: unknown): boolean {
    return typeof host === "string";
}

/**
 * Returns the endpoint whose ejection or probe is the longest ago, if `fail_open` allows a probe now. Called when no
 * endpoint is available.
 */
function pick_fail_open(health: Health, endpoints: readonly Endpoint[]): Endpoint | undefined {
    const time = now();
    if (!health.fail_open || time < health.next_fail_open_at) {
        return undefined;
    }
    health.next_fail_open_at = time + MIN_PROBE_INTERVAL;
    let oldest: Endpoint | undefined;
    let oldest_failure = math.huge;
    for (const endpoint of endpoints) {
        const host = endpoint.http_host;
        if (is_host(host) && is_probe_due(host, endpoints.length)) {
            const [ejected_at] = health.dict.get(EJECTED + host);
            const [last_probe] = probed_at.get(host);
            const last_failure = max((ejected_at as number | undefined) ?? 0, (last_probe as number | undefined) ?? 0);
            if (last_failure < oldest_failure) {
                oldest = endpoint;
                oldest_failure = last_failure;
            }
        }
    }
    if (oldest !== undefined) {
        probed_at.set(oldest.http_host, time, FORGET_AFTER);
    }
    return oldest;
}

/**
 * Returns the next available endpoint, or the faster one of the next two, among those that the call has not tried. An
 * endpoint whose probe is due comes first.
 */
function pick_untried(
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
                if (try_acquire_probe(health, host, n)) {
                    return endpoint;
                }
            } else if (health.latency === undefined) {
                return endpoint;
            } else if (first === undefined) {
                first = endpoint;
            } else {
                return latencies.faster(health.latency, first, endpoint);
            }
        }
    }
    return first;
}

/**
 * Chooses an endpoint, if possible one that the call has not tried.
 * @param start position in the ring
 * @param tried endpoints at which the call has failed
 */
function pick(
    health: Health,
    endpoints: readonly Endpoint[],
    start: number,
    tried: Tried | undefined,
): Endpoint | undefined {
    let endpoint = pick_untried(health, endpoints, start, tried);
    if (endpoint === undefined && tried !== undefined) {
        endpoint = pick_untried(health, endpoints, start, undefined);
    }
    return endpoint ?? pick_fail_open(health, endpoints);
}

export { check, create as new, failed, pick, succeeded, not_attempted, type Health, type HealthOptions, type Tried };
