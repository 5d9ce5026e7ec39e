import * as semaphores from "ngx.semaphore";
import type { Semaphore } from "ngx.semaphore";
import * as clock from "../base/clock";
import * as wait from "../base/wait";

const now = clock.now;

/** Of an endpoint that was banned, until it answers again: one call tries it, the others wait for how that ends. */
interface HalfOpen {
    /** Until when the call that tries it now keeps others from it; 0 if there is none. */
    ends_by: number;
    /** When the endpoint was seen banned last. */
    banned_at: number;
}

/** How long the others wait at most: the call may have been killed, or may have much time. */
const MAX_PROBE_TIME = 1;
/** Seconds between two tries, of whichever endpoints: many may come back at the same moment, or fail several times. */
const MIN_PROBE_INTERVAL = 0.125;
/** Seconds after which an endpoint that nobody has come back to is forgotten. */
const FORGET_AFTER = 3600;

/** By host: the health check that they belong to is one for all clients of a worker, too. */
const by_host = new LuaMap<string, HalfOpen>();
/** Until then no call tries another endpoint. */
let next_try = 0;
/** Calls that wait; for whichever trial ends first. */
let waiting: Semaphore | undefined;

function forget_old(time: number): void {
    for (const [host, half_open] of by_host) {
        if (time - half_open.banned_at > FORGET_AFTER) {
            by_host.delete(host);
        }
    }
}

/** Notes that an endpoint is banned. */
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

/** Whether a call may use an endpoint that is not banned; if it is on trial, that is now this call's. */
function try_acquire(host: string): boolean {
    const half_open = by_host.get(host);
    if (half_open === undefined) {
        return true;
    }
    const time = now();
    if (time < half_open.ends_by || time < next_try) {
        return false;
    }
    half_open.ends_by = time + MAX_PROBE_TIME;
    next_try = time + MIN_PROBE_INTERVAL;
    return true;
}

function wake_waiters(): void {
    if (waiting !== undefined) {
        wait.wake_all(waiting);
    }
}

/** The endpoint has let a call down, or was not tried after all. */
function on_failure(host: string): void {
    const half_open = by_host.get(host);
    if (half_open !== undefined) {
        half_open.ends_by = 0;
        wake_waiters();
    }
}

/** The endpoint has answered. */
function on_success(host: string): void {
    const half_open = by_host.get(host);
    if (half_open !== undefined) {
        by_host.delete(host);
        next_try = 0;
        wake_waiters();
    }
}

/** There are no bans any more: all may go on. */
function forget_all(): void {
    for (const [host] of by_host) {
        by_host.delete(host);
    }
    wake_waiters();
}

/**
 * Waits until a trial has ended.
 * @returns whether it is worth while to look for an endpoint again
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
    if (next_try > time) {
        until = math.min(until, next_try);
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
    const is_early = next_try > time;
    next_try = 0;
    return is_early;
}

export { note_ban, on_failure, forget_all, try_acquire, on_success, wait_for_probe };
