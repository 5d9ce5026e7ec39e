import * as clock from "../base/clock";
import type { Endpoint } from "./endpoint";

const now = clock.now;

/** How quick the endpoints are, by host. */
interface Latency {
    /** Seconds that calls take, a moving average. */
    readonly seconds: LuaMap<string, number>;
    /** When an endpoint was measured last, or a call went out to do so. */
    readonly measured_at: LuaMap<string, number>;
    /** When hosts that are not asked any more are to be forgotten. */
    forget_at: number;
}

/** Weight of the newest measurement. */
const WEIGHT = 0.2;
/** After so many seconds an endpoint is measured anew. */
const MEASURE_AGAIN = 30;
/** After so many seconds without a call a host is forgotten. */
const FORGET_AFTER = 600;

function create(): Latency {
    return { seconds: new LuaMap(), measured_at: new LuaMap(), forget_at: now() + FORGET_AFTER };
}

/** Endpoints come and go where names are resolved or members followed. */
function forget_old(latency: Latency, time: number): void {
    for (const [host, measured_at] of latency.measured_at) {
        if (time - measured_at > FORGET_AFTER) {
            latency.seconds.delete(host);
            latency.measured_at.delete(host);
        }
    }
    latency.forget_at = time + FORGET_AFTER;
}

/** Notes how long a call took. */
function note(latency: Latency, host: string, seconds: number): void {
    const known = latency.seconds.get(host) ?? seconds;
    latency.seconds.set(host, known + WEIGHT * (seconds - known));
    const time = now();
    if (time >= latency.forget_at) {
        forget_old(latency, time);
    }
    latency.measured_at.set(host, time);
}

function is_measured(latency: Latency, host: string, time: number): boolean {
    const measured_at = latency.measured_at.get(host);
    return measured_at !== undefined && time - measured_at <= MEASURE_AGAIN;
}

/** What a call to the endpoint is expected to take: nothing where that is to be found out, for ever while it is. */
function expected(latency: Latency, host: string, time: number): number {
    if (!is_measured(latency, host, time)) {
        return 0;
    }
    return latency.seconds.get(host) ?? math.huge;
}

/** The one of the two that is expected to answer sooner, for a call that goes out now. */
function quicker(latency: Latency, first: Endpoint, second: Endpoint): Endpoint {
    const time = now();
    let best = first;
    if (expected(latency, second.http_host, time) < expected(latency, first.http_host, time)) {
        best = second;
    }
    if (!is_measured(latency, best.http_host, time)) {
        latency.measured_at.set(best.http_host, time); // by this call, not by all who come while it lasts
    }
    return best;
}

export { create as new, note, quicker, type Latency };
