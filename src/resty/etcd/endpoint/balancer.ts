import type { Endpoint } from "./endpoint";
import type { EtcdError } from "../protocol/errors";
import type { Health, Tried } from "./client_health";
import * as health from "./client_health";
import health_check = require("./shared_health");
import * as log from "../base/log";
import * as trials from "./half_open";

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
        const [is_healthy] = health_check.get_target_status(host as string);
        if (typeof host === "string") {
            if (is_healthy === false) {
                trials.note_ban(host);
            } else if (is_healthy === true) {
                if (trials.try_acquire(host)) {
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
    while (is_on_trial && trials.wait(deadline)) {
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
        endpoint = health.pick(own, ring.endpoints, floor(ring.init_count), tried);
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
        health_check.report_failure(http_host);
        if (health_check.is_banned(http_host)) {
            trials.note_ban(http_host);
        }
        trials.on_failure(http_host);
    } else if (health.failed(own, http_host)) {
        ngx.log(ngx.WARN, "update endpoint: ", http_host, " to unhealthy");
    }
}

/** Counts an answer in an endpoint's favour. */
function report_success(ring: Ring, http_host: string, seconds: number | undefined): void {
    const own = ring.health;
    if (own === undefined) {
        trials.on_success(http_host);
    } else {
        health.succeeded(own, http_host, seconds);
    }
}

/** What was chosen was not tried after all. */
function report_not_attempted(ring: Ring, http_host: string): void {
    const own = ring.health;
    if (own === undefined) {
        trials.on_failure(http_host);
    } else {
        health.not_attempted(own, http_host);
    }
}

/** What is no failure in the view that all share: a refusal, an answer that makes no sense, or no try at all. */
function report_inconclusive(ring: Ring, http_host: string, err: EtcdError): void {
    const own = ring.health;
    if (err.name === "bad_request") {
        report_not_attempted(ring, http_host);
    } else if (own === undefined) {
        trials.on_success(http_host);
    } else if (err.name === "bad_reply") {
        report_failure(ring, http_host);
    } else {
        health.succeeded(own, http_host, undefined);
    }
}

/** How many endpoints a call may try, and whether it goes on at all. */
function max_tries(ring: Ring): number {
    const own = ring.health;
    if (own !== undefined) {
        health.credit_retry_budget(own);
        return own.retry ? 2 * ring.endpoints.length + 1 : 1;
    }
    const conf = health_check.conf;
    if (conf?.retry !== true || health_check.get_check_mode() === health_check.DISABLED_MODE) {
        return 1;
    }
    return ring.endpoints.length * conf.max_fails + 1;
}

/** Whether another try would be within the client's means. */
function has_retry(ring: Ring): boolean {
    const own = ring.health;
    return own === undefined || health.has_retry(own);
}

/** Whether another try is within the client's means; it is taken out of them. */
function may_retry(ring: Ring): boolean {
    const own = ring.health;
    return own === undefined || health.spend_retry(own);
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
