import * as clock from "../base/clock";
import type { Endpoint } from "./endpoint";

const now = clock.now;

/** Measured latencies by host. */
interface Latency {
    /** Exponential moving average of the call times, in seconds. */
    readonly seconds: LuaMap<string, number>;
    /** Time of the last measurement, or of the start of the call that measures. */
    readonly measured_at: LuaMap<string, number>;
    /** Time of the next removal of unused hosts. */
    forget_at: number;
}

/** Weight of the newest measurement in the moving average. */
const WEIGHT = 0.2;
/** Seconds after which a measurement is out of date: one call then goes to the endpoint to measure it again. */
const MEASUREMENT_LIFETIME = 30;
/** Seconds without a call after which a host is removed. */
const FORGET_AFTER = 600;

function create(): Latency {
    return { seconds: new LuaMap(), measured_at: new LuaMap(), forget_at: now() + FORGET_AFTER };
}

/** Removes unused hosts, which remain when DNS records or the member list change. */
function forget_old(latency: Latency, time: number): void {
    for (const [host, measured_at] of latency.measured_at) {
        if (time - measured_at > FORGET_AFTER) {
            latency.seconds.delete(host);
            latency.measured_at.delete(host);
        }
    }
    latency.forget_at = time + FORGET_AFTER;
}

/** Records the time that a call took. */
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
    return measured_at !== undefined && time - measured_at <= MEASUREMENT_LIFETIME;
}

/**
 * Returns the expected time of a call in seconds: 0 if the endpoint must be measured, so that the next call goes there;
 * infinity while that first call runs.
 */
function expected(latency: Latency, host: string, time: number): number {
    if (!is_measured(latency, host, time)) {
        return 0;
    }
    return latency.seconds.get(host) ?? math.huge;
}

/** Returns the endpoint with the shorter expected time, for a call that starts now. */
function faster(latency: Latency, first: Endpoint, second: Endpoint): Endpoint {
    const time = now();
    let best = first;
    if (expected(latency, second.http_host, time) < expected(latency, first.http_host, time)) {
        best = second;
    }
    if (!is_measured(latency, best.http_host, time)) {
        latency.measured_at.set(best.http_host, time); // this call measures it; concurrent calls do not
    }
    return best;
}

export { create as new, note, faster, type Latency };
