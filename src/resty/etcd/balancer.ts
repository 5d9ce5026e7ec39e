import type { Endpoint } from "./endpoint";
import health_check = require("./health_check");
import * as log from "./log";

/** The endpoints of a client and its place in their ring. */
interface Ring {
    endpoints: Endpoint[];
    /** Choices made so far, from a random start unless the user gives one. */
    init_count: number;
    /** The process that rolled the random start; nil for a start of the user's. */
    rolled_in: number | undefined;
}

const floor = math.floor;

let rolls = 0;

/** A start that differs between workers and clients, without touching Lua's own random numbers. */
function roll(): number {
    rolls = rolls + 1;
    return ngx.crc32_short(`${ngx.worker.pid()}:${rolls}:${ngx.now()}`) % 100003;
}

/**
 * Picks the next healthy endpoint of the ring.
 * @returns the endpoint, nil if there is none
 */
function choose_endpoint(ring: Ring): Endpoint | undefined {
    // workers inherit a client made before they were forked: each starts elsewhere
    if (ring.rolled_in !== undefined && ring.rolled_in !== ngx.worker.pid()) {
        ring.rolled_in = ngx.worker.pid();
        ring.init_count = roll();
    }
    const endpoints = ring.endpoints;
    const n = endpoints.length;
    for (const _ of $range(1, n)) {
        ring.init_count = ring.init_count + 1;
        const endpoint = endpoints[floor(ring.init_count) % n];
        if (endpoint !== undefined && health_check.get_target_status(endpoint.http_host)[0] === true) {
            if (log.info_enabled()) {
                // nginx prints the name of the function that logs: users look for it
                ngx.log(ngx.INFO, "choose endpoint: ", endpoint.http_host);
            }
            return endpoint;
        }
    }
    return undefined;
}

/** Counts a failed attempt against an endpoint. */
function report_failure(endpoint: Endpoint): void {
    health_check.report_failure(endpoint.http_host);
}

/** How many endpoints a call may try, and whether it goes on at all. */
function max_tries(ring: Ring): number {
    const conf = health_check.conf;
    if (conf?.retry !== true || health_check.get_check_mode() === health_check.DISABLED_MODE) {
        return 1;
    }
    return ring.endpoints.length * conf.max_fails + 1;
}

export { choose_endpoint, max_tries, report_failure, roll, type Ring };
