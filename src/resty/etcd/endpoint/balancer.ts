import type { Dict } from "../base/memory_dict";
import * as memory_dict from "../base/memory_dict";
import type { Endpoint } from "./endpoint";
import * as last_failures from "./last_failures";
import * as masked_url from "./masked_url";
import type { Health, Tried } from "./client_health";
import * as client_health from "./client_health";
import shared_health = require("./shared_health");
import * as log from "../base/log";
import * as half_open from "./half_open";

/** The endpoints of a client and its position in their ring. */
interface Ring {
    endpoints: Endpoint[];
    /** Position of the last choice: counts up from a random start, or from the option `init_count`. */
    init_count: number;
    /** PID of the process that chose the random start; nil if the user set `init_count`. */
    start_pid: number | undefined;
    /** The client's own health check; nil if it uses the shared one. */
    readonly health: Health | undefined;
}

/** A choice that was made. */
interface Choice {
    /** Nil if no endpoint is available. */
    readonly endpoint: Endpoint | undefined;
}

const floor = math.floor;

/** A deadline that has passed: a choice with it does not wait. */
const PASSED = 0;

/** Last failures of endpoints, if no shared dict holds them. */
const worker_failures = memory_dict.new();

/** Random starts chosen by this worker: makes those of the same millisecond differ. */
let start_count = 0;

/** Returns a start position that differs between workers and clients, without using the program's `math.random`. */
function random_start(): number {
    start_count = start_count + 1;
    return ngx.crc32_short(`${ngx.worker.pid()}:${start_count}:${ngx.now()}`) % 100003;
}

/**
 * Returns the next endpoint of the ring that the shared health check allows.
 * @returns the endpoint; or nil, and whether another call is probing an endpoint
 */
function next_available(ring: Ring): LuaMultiReturn<[endpoint: Endpoint | undefined, is_probing: boolean]> {
    const endpoints = ring.endpoints;
    const n = endpoints.length;
    let is_probing = false;
    for (const _ of $range(1, n)) {
        ring.init_count = ring.init_count + 1;
        const endpoint = endpoints[floor(ring.init_count) % n];
        const host = endpoint?.http_host;
        const [is_healthy] = shared_health.get_target_status(host as string);
        if (typeof host === "string") {
            if (is_healthy === false) {
                half_open.note_ban(host);
            } else if (is_healthy === true) {
                if (half_open.try_acquire(host)) {
                    return $multi(endpoint, false);
                }
                is_probing = true;
            }
        }
    }
    return $multi(undefined, is_probing);
}

/** Like `next_available`, but waits for the outcome if another call is probing an endpoint whose ban has ended. */
function next_healthy(
    ring: Ring,
    deadline: number | undefined,
): LuaMultiReturn<[endpoint: Endpoint | undefined, is_probing: boolean]> {
    let [endpoint, is_probing] = next_available(ring);
    while (is_probing && half_open.wait_for_probe(deadline)) {
        [endpoint, is_probing] = next_available(ring);
    }
    return $multi(endpoint, is_probing);
}

/** Returns the endpoint with a host if the health check allows it; nil otherwise. It does not count as a step in the ring. */
function find_available(ring: Ring, http_host: string, tried: Tried | undefined): Endpoint | undefined {
    for (const endpoint of ring.endpoints) {
        if (endpoint.http_host === http_host) {
            const own = ring.health;
            if (own !== undefined) {
                return client_health.can_prefer(own, http_host, tried) ? endpoint : undefined;
            }
            const [is_healthy] = shared_health.get_target_status(http_host);
            return is_healthy === true && half_open.try_acquire(http_host) ? endpoint : undefined;
        }
    }
    return undefined;
}

/**
 * Chooses the endpoint of the next attempt.
 * @param tried endpoints at which the call has failed; ignored with the shared health check
 * @param deadline of the call; nil for none
 * @param prefer host of the endpoint to choose if the health check allows it; nil for the next one of the ring
 * @returns the endpoint; or nil if none is available now, and whether another call is probing an endpoint
 */
function choose_endpoint(
    ring: Ring,
    tried: Tried | undefined,
    deadline: number | undefined,
    prefer?: string,
): LuaMultiReturn<[endpoint: Endpoint | undefined, is_probing: boolean]> {
    // workers that inherited a client created before the fork must not all start at the same endpoint
    if (ring.start_pid !== undefined && ring.start_pid !== ngx.worker.pid()) {
        ring.start_pid = ngx.worker.pid();
        ring.init_count = random_start();
    }
    let endpoint = prefer !== undefined ? find_available(ring, prefer, tried) : undefined;
    let is_probing = false;
    const own = ring.health;
    if (endpoint !== undefined) {
        // no step in the ring
    } else if (own !== undefined) {
        ring.init_count = ring.init_count + 1;
        endpoint = client_health.pick(own, ring.endpoints, floor(ring.init_count), tried);
    } else {
        [endpoint, is_probing] = next_healthy(ring, deadline);
    }
    if (endpoint !== undefined && log.info_enabled()) {
        // nginx prints the name of the calling function, which users search for: it stays choose_endpoint
        ngx.log(ngx.INFO, "choose endpoint: ", masked_url.mask(endpoint.http_host));
    }
    return $multi(endpoint, is_probing);
}

/** Chooses the endpoint of a call's first attempt. Returns nil if that has to wait for the probe of another call. */
function choose_without_waiting(ring: Ring): Choice | undefined {
    const [endpoint, is_probing] = choose_endpoint(ring, undefined, PASSED);
    return endpoint === undefined && is_probing ? undefined : { endpoint };
}

/** The outcome of an attempt, as far as it concerns the endpoint. */
type AttemptOutcome =
    /** The endpoint sent a response, also an error response below HTTP status 500. */
    | "success"
    /** The endpoint sent a response that etcd does not send. */
    | "bad_reply"
    /** No connection, no response, or an error response of 500 and above. */
    | "failure"
    /** No TLS session. An option of the client can be the cause: `sni`, the CA, its certificate. */
    | "tls_failure"
    /** The endpoint was chosen, but nothing was sent to it. */
    | "not_attempted";

function log_recovery(http_host: string): void {
    ngx.log(ngx.NOTICE, "endpoint ", masked_url.mask(http_host), ": healthy again");
}

/** Reports an outcome to the shared health check. */
function report_to_shared(http_host: string, outcome: AttemptOutcome): void {
    if (outcome === "failure" || outcome === "tls_failure") {
        shared_health.report_failure(http_host);
        if (shared_health.is_banned(http_host)) {
            half_open.note_ban(http_host);
        }
        half_open.on_failure(http_host);
    } else if (outcome === "not_attempted") {
        half_open.on_failure(http_host);
    } else if (half_open.on_success(http_host)) {
        log_recovery(http_host); // malformed responses included: lua-resty-etcd 1.10 did not report them either
    }
}

function report_to_client_health(
    health: Health,
    http_host: string,
    outcome: AttemptOutcome,
    seconds: number | undefined,
): void {
    if (outcome === "success") {
        if (client_health.succeeded(health, http_host, seconds)) {
            log_recovery(http_host);
        }
    } else if (outcome === "not_attempted") {
        client_health.not_attempted(health, http_host);
    } else if (outcome === "tls_failure") {
        client_health.tls_failed(health, http_host);
    } else if (client_health.failed(health, http_host)) {
        ngx.log(ngx.WARN, "update endpoint: ", masked_url.mask(http_host), " to unhealthy");
    }
}

/**
 * Reports the outcome of an attempt to the client's health check.
 * @param seconds latency of a successful attempt; nil if it says nothing about the endpoint
 */
function report(ring: Ring, http_host: string, outcome: AttemptOutcome, seconds?: number): void {
    if (ring.health === undefined) {
        report_to_shared(http_host, outcome);
    } else {
        report_to_client_health(ring.health, http_host, outcome, seconds);
    }
}

/** Returns the dict with the last failures: the one that the client's health check shares with other workers, if it does. */
function failures_of(ring: Ring): Dict {
    if (ring.health !== undefined) {
        return ring.health.dict;
    }
    const shm_name = shared_health.conf?.shm_name;
    const shared = shm_name !== undefined ? ngx.shared[shm_name] : undefined;
    return shared ?? worker_failures;
}

/** Stores why an endpoint failed, for the hint of errors of calls that find no endpoint. */
function note_failure(ring: Ring, http_host: string, text: string): void {
    const has_host = string.sub(text, 1, http_host.length) === http_host;
    last_failures.note(failures_of(ring), http_host, has_host ? text : `${masked_url.mask(http_host)}: ${text}`);
}

/** Returns the last failure of each endpoint as one text, or nil if none is known. */
function last_failures_of(ring: Ring): string | undefined {
    return last_failures.text_of(failures_of(ring), ring.endpoints);
}

/** Takes an endpoint out of use for a while, because it is of another cluster. Its successful calls are no reason to keep it. */
function report_other_cluster(ring: Ring, http_host: string): void {
    if (ring.health === undefined) {
        report_to_shared(http_host, "failure");
    } else if (client_health.eject(ring.health, http_host)) {
        ngx.log(ngx.WARN, "update endpoint: ", masked_url.mask(http_host), " to unhealthy");
    }
}

export {
    choose_endpoint,
    choose_without_waiting,
    last_failures_of,
    note_failure,
    random_start,
    report,
    report_other_cluster,
    type AttemptOutcome,
    type Choice,
    type Ring,
};
