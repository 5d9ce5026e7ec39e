import * as semaphores from "ngx.semaphore";
import type { Semaphore } from "ngx.semaphore";
import * as clock from "../base/clock";
import * as wait from "../base/wait";

const now = clock.now;

/**
 * The half-open state of an endpoint after a ban, as in a circuit breaker: one call probes the endpoint, the others wait
 * for the outcome. It ends with the first response.
 */
interface HalfOpen {
    /** Time until which the current probe blocks other calls; 0 if no call probes. */
    ends_by: number;
    /** Time at which the endpoint was last seen banned. */
    banned_at: number;
}

/** Seconds after which another call can probe: the first one can have been killed, or can have a long timeout. */
const MAX_PROBE_TIME = 1;
/** Shortest time in seconds between two probes, of any endpoints: many bans can end at the same time. */
const MIN_PROBE_INTERVAL = 0.2;
/** Seconds after the last ban after which an endpoint without further calls is removed. */
const FORGET_AFTER = 3600;

/** By host, for all clients of the worker, as the shared health check is. */
const by_host = new LuaMap<string, HalfOpen>();
/** Earliest time of the next probe, of any endpoint. */
let next_probe_at = 0;
/** Calls that wait for the end of any probe. */
let waiting: Semaphore | undefined;

function forget_old(time: number): void {
    for (const [host, half_open] of by_host) {
        if (time - half_open.banned_at > FORGET_AFTER) {
            by_host.delete(host);
        }
    }
}

/** Records that an endpoint is banned. */
function note_ban(host: string): void {
    const time = now();
    const half_open = by_host.get(host);
    if (half_open === undefined) {
        forget_old(time);
        by_host.set(host, { ends_by: 0, banned_at: time });
    } else {
        half_open.banned_at = time;
    }
}

/** Allows a call to use an endpoint that is not banned; in the half-open state only as its probe, which starts now. */
function try_acquire(host: string): boolean {
    const half_open = by_host.get(host);
    if (half_open === undefined) {
        return true;
    }
    const time = now();
    if (time < half_open.ends_by || time < next_probe_at) {
        return false;
    }
    half_open.ends_by = time + MAX_PROBE_TIME;
    next_probe_at = time + MIN_PROBE_INTERVAL;
    return true;
}

function wake_waiters(): void {
    if (waiting !== undefined) {
        wait.wake_all(waiting);
    }
}

/** Ends a probe that failed, or that was not made. */
function on_failure(host: string): void {
    const half_open = by_host.get(host);
    if (half_open !== undefined) {
        half_open.ends_by = 0;
        wake_waiters();
    }
}

/** Ends the half-open state after a response of the endpoint. Returns false if there was none. */
function on_success(host: string): boolean {
    const half_open = by_host.get(host);
    if (half_open === undefined) {
        return false;
    }
    by_host.delete(host);
    next_probe_at = 0;
    wake_waiters();
    return true;
}

/** Ends all half-open states, because the health check was disabled. */
function forget_all(): void {
    for (const [host] of by_host) {
        by_host.delete(host);
    }
    wake_waiters();
}

/**
 * Waits until a probe ends, or until the next one can start.
 * @returns true if an endpoint can be available now
 */
function wait_for_probe(deadline: number | undefined): boolean {
    const time = now();
    if (deadline !== undefined && time >= deadline) {
        return false;
    }
    if (waiting === undefined) {
        [waiting] = semaphores.new(0);
    }
    if (waiting === undefined) {
        return false;
    }
    let until = math.min(time + MAX_PROBE_TIME, deadline ?? math.huge);
    if (next_probe_at > time) {
        until = math.min(until, next_probe_at);
    }
    for (const [, half_open] of by_host) {
        if (half_open.ends_by > time) {
            until = math.min(until, half_open.ends_by);
        }
    }
    const [outcome] = wait.wait(waiting, math.max(0, until - time));
    if (outcome !== "cannot_wait") {
        return true;
    }
    // in phases that cannot wait, calls run one after the other: the interval between probes is skipped
    const was_early = next_probe_at > time;
    next_probe_at = 0;
    return was_early;
}

export { note_ban, on_failure, forget_all, try_acquire, on_success, wait_for_probe };
