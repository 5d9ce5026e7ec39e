import type { Endpoint } from "./endpoint";
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

/** What an attempt says about its endpoint. */
type AttemptOutcome =
    /** The endpoint answered, if only with an error below HTTP status 500. */
    | "success"
    /** The endpoint answered with something that etcd does not send. */
    | "bad_reply"
    /** No connection, no answer, or an error of the server. */
    | "failure"
    /** The endpoint was chosen, but nothing was sent to it. */
    | "not_attempted";

/** Reports to the health check that all clients share. */
function report_to_shared(http_host: string, outcome: AttemptOutcome): void {
    if (outcome === "failure") {
        shared_health.report_failure(http_host);
        if (shared_health.is_banned(http_host)) {
            half_open.note_ban(http_host);
        }
        half_open.on_failure(http_host);
    } else if (outcome === "not_attempted") {
        half_open.on_failure(http_host);
    } else {
        half_open.on_success(http_host); // lua-resty-etcd 1.10 did not report malformed answers either
    }
}

function report_to_client_health(
    health: Health,
    http_host: string,
    outcome: AttemptOutcome,
    seconds: number | undefined,
): void {
    if (outcome === "success") {
        client_health.succeeded(health, http_host, seconds);
    } else if (outcome === "not_attempted") {
        client_health.not_attempted(health, http_host);
    } else if (client_health.failed(health, http_host)) {
        ngx.log(ngx.WARN, "update endpoint: ", http_host, " to unhealthy");
    }
}

/**
 * Reports the outcome of an attempt to the client's health check.
 * @param seconds that a successful attempt took; nil if its duration says nothing about the endpoint
 */
function report(ring: Ring, http_host: string, outcome: AttemptOutcome, seconds?: number): void {
    if (ring.health === undefined) {
        report_to_shared(http_host, outcome);
    } else {
        report_to_client_health(ring.health, http_host, outcome, seconds);
    }
}

export { choose_endpoint, random_start, report, type AttemptOutcome, type Ring };
