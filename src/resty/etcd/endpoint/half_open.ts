import * as semaphore from "ngx.semaphore";
import type { Semaphore } from "ngx.semaphore";
import * as clock from "../base/clock";

const now = clock.now;
const guard = pcall as unknown as GuardedCall;

/** Of an endpoint that was banned, until it answers again: one call tries it, the others wait for how that ends. */
interface HalfOpen {
    /** Until when the call that tries it now keeps others from it; 0 if there is none. */
    ends_by: number;
    /** When the endpoint was seen banned last. */
    banned_at: number;
}

/** How long the others wait at most: the call may have been killed, or may have much time. */
const LONGEST = 1;
/** Seconds between two tries, of whichever endpoints: many may come back at the same moment, or fail several times. */
const GAP = 0.125;
/** Seconds after which an endpoint that nobody has come back to is forgotten. */
const MEMORY = 3600;

/** By host: the health check that they belong to is one for all clients of a worker, too. */
const trials = new LuaMap<string, HalfOpen>();
/** Until then no call tries another endpoint. */
let next_try = 0;
/** Calls that wait; for whichever trial ends first. */
let waiting: Semaphore | undefined;

function forget_old(time: number): void {
    for (const [host, trial] of trials) {
        if (time - trial.banned_at > MEMORY) {
            trials.delete(host);
        }
    }
}

/** Notes that an endpoint is banned. */
function note_ban(host: string): void {
    const time = now();
    const trial = trials.get(host);
    if (trial === undefined) {
        forget_old(time);
        trials.set(host, { ends_by: 0, banned_at: time });
    } else {
        trial.banned_at = time;
    }
}

/** Whether a call may use an endpoint that is not banned; if it is on trial, that is now this call's. */
function try_acquire(host: string): boolean {
    const trial = trials.get(host);
    if (trial === undefined) {
        return true;
    }
    const time = now();
    if (time < trial.ends_by || time < next_try) {
        return false;
    }
    trial.ends_by = time + LONGEST;
    next_try = time + GAP;
    return true;
}

function wake_all(): void {
    if (waiting !== undefined && waiting.count() < 0) {
        waiting.post(-waiting.count());
    }
}

/** The endpoint has let a call down, or was not tried after all. */
function on_failure(host: string): void {
    const trial = trials.get(host);
    if (trial !== undefined) {
        trial.ends_by = 0;
        wake_all();
    }
}

/** The endpoint has answered. */
function on_success(host: string): void {
    const trial = trials.get(host);
    if (trial !== undefined) {
        trials.delete(host);
        next_try = 0;
        wake_all();
    }
}

/** There are no bans any more: all may go on. */
function forget_all(): void {
    for (const [host] of trials) {
        trials.delete(host);
    }
    wake_all();
}

/**
 * Waits until a trial has ended.
 * @returns whether it is worth while to look for an endpoint again
 */
function wait(deadline: number | undefined): boolean {
    const time = now();
    if (deadline !== undefined && time >= deadline) {
        return false;
    }
    if (waiting === undefined) {
        const [made] = semaphore.new(0);
        waiting = made;
    }
    if (waiting === undefined) {
        return false;
    }
    let until = math.min(time + LONGEST, deadline ?? math.huge);
    if (next_try > time) {
        until = math.min(until, next_try);
    }
    for (const [, trial] of trials) {
        if (trial.ends_by > time) {
            until = math.min(until, trial.ends_by);
        }
    }
    const [ran, ok, err] = guard(waiting.wait, waiting, math.max(0.001, until - time));
    if (ran && (ok === true || err === "timeout")) {
        return true;
    }
    // a phase that cannot wait: it throws, or says so; calls come one by one there and need no pause between them
    const is_early = next_try > time;
    next_try = 0;
    return is_early;
}

export { note_ban, on_failure, forget_all, try_acquire, on_success, wait };
