import * as backoff from "../base/backoff";
import * as checks from "../base/checks";
import type { OptionRule, OptionTable } from "../base/checks";
import * as clock from "../base/clock";
import * as dict_values from "../base/dict_values";
import type { Endpoint } from "./endpoint";
import type { Dict } from "../base/memory_dict";
import type { Latency } from "./latency";
import * as latencies from "./latency";
import * as memory_dict from "../base/memory_dict";
import type { RetryBudget } from "./retry_budget";
import * as retry_budget from "./retry_budget";
import type { TlsFailures } from "./tls_failures";
import * as tls_failures from "./tls_failures";

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
     * Three keys per endpoint: the number of consecutive failures, the end of the ejection, and the probe lock with its
     * end, which is set with `add` so that only one call probes. The ends are those of the monotonic clock, because a
     * shared dict expires keys by the wall clock, which can be set back.
     */
    readonly dict: Dict;
    /** Part of the keys: which clients share the state in the dict. */
    scope: string;
    /** Nil unless the policy is "latency". */
    readonly latency: Latency | undefined;
    readonly tls_failures: TlsFailures;
    /** Earliest time of the next probe while all endpoints are ejected. */
    next_fail_open_at: number;
}

const PREFIX = "resty.etcd|";
const FAILS = `${PREFIX}fails|`;
const EJECTED = `${PREFIX}away|`;
const PROBE = `${PREFIX}probe|`;

/** Shortest time in seconds between two probes of ejected endpoints, for all clients of a worker together. */
const MIN_PROBE_INTERVAL = 0.2;
/** Longest ejection in seconds by a client with other options: an end after that is not of this driver. */
const MAX_OTHER_EJECTION = 600;
/** Seconds after which a probe lock expires, because the call that probes can be killed. */
const PROBE_TIME = 5;
/** Seconds after the last failure after which the state of an endpoint is removed; a wall clock set forward ends it earlier. */
const FORGET_AFTER = 86400;

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
        scope: "",
        latency: opts.policy === "latency" ? latencies.new() : undefined,
        tls_failures: tls_failures.new(),
        next_fail_open_at: 0,
    };
}

/** Returns the key of a part of an endpoint's state. */
function key_of(health: Health, part: string, host: string): string {
    return part + health.scope + host;
}

/**
 * Sets which clients share the state in a shared dict: those that reach the endpoints in the same way.
 * @param identity of `identity.of_health`
 */
function set_scope(health: Health, identity: string): void {
    health.scope = `${identity}|`;
}

function fails_of(health: Health, host: string): number {
    return dict_values.get_integer(health.dict, key_of(health, FAILS, host)) ?? 0;
}

/** Reports whether the last probe of an endpoint is long enough ago: `n` ejected endpoints share the rate of probes. */
function is_probe_due(host: string, n: number): boolean {
    const time = dict_values.get_number(probed_at, host);
    return time === undefined || now() - time >= n * MIN_PROBE_INTERVAL;
}

/** Returns when the ejection of an endpoint ends; nil if it is not ejected. */
function ejection_end_of(health: Health, host: string): number | undefined {
    return dict_values.get_time(
        health.dict,
        key_of(health, EJECTED, host),
        now(),
        max(health.max_fail_timeout, MAX_OTHER_EJECTION),
    );
}

/** Reports whether the ejection of an endpoint has not ended. */
function is_ejected(health: Health, host: string): boolean {
    return (ejection_end_of(health, host) ?? 0) > now();
}

/** Takes the probe lock of an endpoint if its ejection has ended; returns true if this call must probe it. */
function try_acquire_probe(health: Health, host: string, n: number): boolean {
    if (is_ejected(health, host) || !is_probe_due(host, n)) {
        return false;
    }
    const dict = health.dict;
    const time = now();
    const lock = key_of(health, PROBE, host);
    if ((dict_values.get_time(dict, lock, time, PROBE_TIME) ?? 0) <= time) {
        dict.delete(lock); // the wall clock was set back, or another program has written the key
    }
    const [is_first] = dict.safe_add(lock, time + PROBE_TIME, PROBE_TIME);
    if (is_first) {
        probed_at.set(host, now(), FORGET_AFTER);
    }
    return is_first;
}

/**
 * Counts failures.
 * @param least number of failures that the endpoint has then at least
 * @returns true if that ejects the endpoint after a healthy period, which is logged
 */
function count_failure(health: Health, host: string, least: number): boolean {
    if (is_ejected(health, host)) {
        return false; // the call started before the ejection
    }
    const dict = health.dict;
    const fails = max(fails_of(health, host) + 1, least);
    const kept_for = FORGET_AFTER + health.max_fail_timeout;
    dict.safe_set(key_of(health, FAILS, host), fails, kept_for); // evicts nothing: the dict can hold data of others
    if (fails < health.max_fails) {
        return false;
    }
    const seconds = backoff.exponential(health.fail_timeout, health.max_fail_timeout, fails - health.max_fails);
    dict.safe_set(key_of(health, EJECTED, host), now() + seconds, kept_for);
    dict.delete(key_of(health, PROBE, host));
    return fails === health.max_fails;
}

/** Counts a failure. Returns true if it ejects the endpoint after a healthy period, which is logged. */
function failed(health: Health, host: string): boolean {
    return count_failure(health, host, 0);
}

/** Ejects an endpoint that cannot serve this client, however well it answers. Returns true as `failed` does. */
function eject(health: Health, host: string): boolean {
    return count_failure(health, host, health.max_fails);
}

/** Reports whether an endpoint can be chosen before others: nothing speaks against it. */
function can_prefer(health: Health, host: string, tried: Tried | undefined): boolean {
    const has_failed = fails_of(health, host) >= health.max_fails || tls_failures.must_avoid(health.tls_failures, host);
    return !has_failed && tried?.get(host) !== true;
}

/**
 * Records a failure of the TLS session, which does not eject the endpoint: the cause can be an option of the client. A
 * probe that fails in this way leaves the endpoint as it was.
 */
function tls_failed(health: Health, host: string): void {
    tls_failures.note(health.tls_failures, host, health.fail_timeout, health.max_fail_timeout);
    health.dict.delete(key_of(health, PROBE, host));
}

/**
 * Records a success, which ends the ejection of the endpoint.
 * @param seconds latency of the call; nil if it says nothing about the endpoint
 * @returns true if the endpoint was ejected
 */
function succeeded(health: Health, host: string, seconds: number | undefined): boolean {
    const fails = fails_of(health, host);
    tls_failures.forget(health.tls_failures, host);
    if (fails > 0) {
        const dict = health.dict;
        dict.delete(key_of(health, FAILS, host));
        dict.delete(key_of(health, EJECTED, host));
        dict.delete(key_of(health, PROBE, host));
        probed_at.delete(host);
    }
    if (health.latency !== undefined && seconds !== undefined) {
        latencies.note(health.latency, host, seconds);
    }
    return fails >= health.max_fails;
}

/** Releases the probe of an endpoint, because nothing was sent to it. */
function not_attempted(health: Health, host: string): void {
    health.dict.delete(key_of(health, PROBE, host));
    probed_at.delete(host);
}

/** Reports whether a host is usable: users can have written other values to their endpoints. */
function is_host(host: unknown): boolean {
    return typeof host === "string";
}

/**
 * Returns the endpoint whose ejection ends first, or whose probe is the longest ago, if `fail_open` allows a probe now.
 * Called when no endpoint is available.
 */
function pick_fail_open(health: Health, endpoints: readonly Endpoint[]): Endpoint | undefined {
    const time = now();
    if (!health.fail_open || time < health.next_fail_open_at) {
        return undefined;
    }
    health.next_fail_open_at = time + MIN_PROBE_INTERVAL;
    let best: Endpoint | undefined;
    let lowest_rank = math.huge;
    for (const endpoint of endpoints) {
        const host = endpoint.http_host;
        if (is_host(host) && is_probe_due(host, endpoints.length)) {
            const last_probe = dict_values.get_number(probed_at, host);
            const rank = max(ejection_end_of(health, host) ?? 0, last_probe ?? 0);
            if (rank < lowest_rank) {
                best = endpoint;
                lowest_rank = rank;
            }
        }
    }
    if (best !== undefined) {
        probed_at.set(best.http_host, time, FORGET_AFTER);
    }
    return best;
}

/**
 * Returns the next available endpoint, or the faster one of the next two, among those that the call has not tried. An
 * endpoint whose probe is due comes first.
 * @param avoided TLS failures of endpoints that are left out
 */
function pick_untried(
    health: Health,
    endpoints: readonly Endpoint[],
    start: number,
    tried: Tried | undefined,
    avoided: TlsFailures | undefined,
): Endpoint | undefined {
    const n = endpoints.length;
    let first: Endpoint | undefined;
    for (const i of $range(0, n - 1)) {
        const endpoint = endpoints[(start + i) % n]!;
        const host = endpoint.http_host;
        const is_untried = is_host(host) && tried?.get(host) !== true;
        if (is_untried && (avoided === undefined || !tls_failures.must_avoid(avoided, host))) {
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
    let endpoint = pick_untried(health, endpoints, start, tried, health.tls_failures);
    endpoint ??= pick_untried(health, endpoints, start, tried, undefined);
    if (endpoint === undefined && tried !== undefined) {
        endpoint = pick_untried(health, endpoints, start, undefined, undefined);
    }
    return endpoint ?? pick_fail_open(health, endpoints);
}

export {
    can_prefer,
    check,
    create as new,
    eject,
    failed,
    not_attempted,
    pick,
    set_scope,
    succeeded,
    tls_failed,
    type Health,
    type HealthOptions,
    type Tried,
};
