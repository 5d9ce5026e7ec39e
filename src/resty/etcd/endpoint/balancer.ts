import type { Endpoint } from "./endpoint";
import type { EtcdError } from "../protocol/errors";
import type { Health, Tried } from "./client_health";
import * as client_health from "./client_health";
import shared_health = require("./shared_health");
import * as log from "../base/log";
import * as half_open from "./half_open";

/** The endpoints of a client and its place in their ring. */
interface Ring {
    endpoints: Endpoint[];
    /** Choices made so far, from a random start unless the user gives one. */
    init_count: number;
    /** The process that rolled the random start; nil for a start of the user's. */
    rolled_in: number | undefined;
    /** The client's own health check; nil for the one that all share. */
    readonly health: Health | undefined;
}

const floor = math.floor;

let rolls = 0;

/** A start that differs between workers and clients, without touching Lua's own random numbers. */
function random_start(): number {
    rolls = rolls + 1;
    return ngx.crc32_short(`${ngx.worker.pid()}:${rolls}:${ngx.now()}`) % 100003;
}

/**
 * The next endpoint of the ring that the shared health check lets through.
 * @returns the endpoint; or nil, and whether another call is trying one
 */
function next_available(ring: Ring): LuaMultiReturn<[endpoint: Endpoint | undefined, is_on_trial: boolean]> {
    const endpoints = ring.endpoints;
    const n = endpoints.length;
    let is_on_trial = false;
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
                is_on_trial = true;
            }
        }
    }
    return $multi(undefined, is_on_trial);
}

/** Where bans have ended, calls do not rush upon an endpoint that may still be down: one goes, the others wait. */
function next_healthy(ring: Ring, deadline: number | undefined): Endpoint | undefined {
    let [endpoint, is_on_trial] = next_available(ring);
    while (is_on_trial && half_open.wait_for_probe(deadline)) {
        [endpoint, is_on_trial] = next_available(ring);
    }
    return endpoint;
}

/**
 * Picks the endpoint of the next try.
 * @param tried those that have failed the same call; the health check that all share does not ask
 * @param deadline of the call; nil for none
 * @returns the endpoint, nil if none may be used
 */
function choose_endpoint(ring: Ring, tried: Tried | undefined, deadline: number | undefined): Endpoint | undefined {
    // workers inherit a client made before they were forked: each starts elsewhere
    if (ring.rolled_in !== undefined && ring.rolled_in !== ngx.worker.pid()) {
        ring.rolled_in = ngx.worker.pid();
        ring.init_count = random_start();
    }
    let endpoint: Endpoint | undefined;
    const own = ring.health;
    if (own !== undefined) {
        ring.init_count = ring.init_count + 1;
        endpoint = client_health.pick(own, ring.endpoints, floor(ring.init_count), tried);
    } else {
        endpoint = next_healthy(ring, deadline);
    }
    if (endpoint !== undefined && log.info_enabled()) {
        // nginx prints the name of the function that logs: users look for it
        ngx.log(ngx.INFO, "choose endpoint: ", endpoint.http_host);
    }
    return endpoint;
}

/** Counts a failed attempt against an endpoint. */
function report_failure(ring: Ring, http_host: string): void {
    const own = ring.health;
    if (own === undefined) {
        shared_health.report_failure(http_host);
        if (shared_health.is_banned(http_host)) {
            half_open.note_ban(http_host);
        }
        half_open.on_failure(http_host);
    } else if (client_health.failed(own, http_host)) {
        ngx.log(ngx.WARN, "update endpoint: ", http_host, " to unhealthy");
    }
}

/** Counts an answer in an endpoint's favour. */
function report_success(ring: Ring, http_host: string, seconds: number | undefined): void {
    const own = ring.health;
    if (own === undefined) {
        half_open.on_success(http_host);
    } else {
        client_health.succeeded(own, http_host, seconds);
    }
}

/** What was chosen was not tried after all. */
function report_not_attempted(ring: Ring, http_host: string): void {
    const own = ring.health;
    if (own === undefined) {
        half_open.on_failure(http_host);
    } else {
        client_health.not_attempted(own, http_host);
    }
}

/** What is no failure in the view that all share: a refusal, an answer that makes no sense, or no try at all. */
function report_inconclusive(ring: Ring, http_host: string, err: EtcdError): void {
    const own = ring.health;
    if (err.name === "bad_request") {
        report_not_attempted(ring, http_host);
    } else if (own === undefined) {
        half_open.on_success(http_host);
    } else if (err.name === "bad_reply") {
        report_failure(ring, http_host);
    } else {
        client_health.succeeded(own, http_host, undefined);
    }
}

/** How many endpoints a call may try, and whether it goes on at all. */
function max_tries(ring: Ring): number {
    const own = ring.health;
    if (own !== undefined) {
        client_health.credit_retry_budget(own);
        return own.retry ? 2 * ring.endpoints.length + 1 : 1;
    }
    const conf = shared_health.conf;
    if (conf?.retry !== true || shared_health.get_check_mode() === shared_health.DISABLED_MODE) {
        return 1;
    }
    return ring.endpoints.length * conf.max_fails + 1;
}

/** Whether another try would be within the client's means. */
function has_retry(ring: Ring): boolean {
    const own = ring.health;
    return own === undefined || client_health.has_retry(own);
}

/** Whether another try is within the client's means; it is taken out of them. */
function may_retry(ring: Ring): boolean {
    const own = ring.health;
    return own === undefined || client_health.spend_retry(own);
}

export {
    choose_endpoint,
    has_retry,
    max_tries,
    may_retry,
    report_failure,
    report_inconclusive,
    report_success,
    report_not_attempted,
    random_start,
    type Ring,
};
