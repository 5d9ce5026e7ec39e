import * as semaphores from "ngx.semaphore";
import type { Semaphore } from "ngx.semaphore";
import * as clock from "./clock";
import * as wait from "./wait";
import type { WaitOutcome } from "./wait";

const now = clock.now;

/** One run of the work, and the calls that wait for it. */
interface Run<R> {
    /** Time from which waiters no longer count on the run: its light thread can be killed with its request. */
    ends_by: number;
    /** Set when waiters are released; the work itself can take longer. */
    is_released: boolean;
    /** Set together with `is_released`. */
    result: R | undefined;
    /** Created by the first waiter. */
    waiters: Semaphore | undefined;
}

/**
 * Work that runs at most once at a time per worker, for all calls that need it. There is no lock to release: a run
 * that was killed loses its claim when its time limit passes, and the next call starts another.
 */
interface SingleFlight<R> {
    /** The run started last; nil after it has finished. */
    latest: Run<R> | undefined;
}

function create<R>(): SingleFlight<R> {
    return { latest: undefined };
}

/** Returns the run that is in progress, or nil if there is none or its time limit has passed. */
function running<R>(flight: SingleFlight<R>): Run<R> | undefined {
    const run = flight.latest;
    return run !== undefined && now() < run.ends_by ? run : undefined;
}

/**
 * Starts a run, instead of the latest one if that did not finish. The caller must do the work and call `finish`.
 * @param seconds time limit, after which the run counts as lost
 */
function start<R>(flight: SingleFlight<R>, seconds: number): Run<R> {
    const run: Run<R> = { ends_by: now() + seconds, is_released: false, result: undefined, waiters: undefined };
    flight.latest = run;
    return run;
}

/** Sets another time limit, counted from now. */
function extend<R>(run: Run<R>, seconds: number): void {
    run.ends_by = now() + seconds;
}

/** Passes the result to the waiters while the work continues. Only the first result of a run counts. */
function release<R>(run: Run<R>, result: R): void {
    if (run.is_released) {
        return;
    }
    run.is_released = true;
    run.result = result;
    if (run.waiters !== undefined) {
        wait.wake_all(run.waiters);
    }
}

/** Ends a run. A run that was replaced passes its result to its own waiters and does not affect its successor. */
function finish<R>(flight: SingleFlight<R>, run: Run<R>, result: R): void {
    if (flight.latest === run) {
        flight.latest = undefined;
    }
    release(run, result);
}

/** Waits for a post, the run's time limit or the deadline, whichever comes first. */
function wait_once<R>(
    run: Run<R>,
    seconds: number,
): LuaMultiReturn<[outcome: WaitOutcome, reason?: string | undefined]> {
    if (run.waiters === undefined) {
        const [waiters, err] = semaphores.new(0);
        if (waiters === undefined) {
            return $multi("cannot_wait", err);
        }
        run.waiters = waiters;
    }
    return wait.wait(run.waiters, seconds);
}

/**
 * Waits until the result of a run is there.
 * @param deadline of the caller; nil for none
 * @returns `released`; `lost` if the run's time limit passed, so that the caller can start another; `timeout` if the
 * deadline passed; or `cannot_wait` and the error text
 */
function wait_for<R>(
    run: Run<R>,
    deadline: number | undefined,
): LuaMultiReturn<[outcome: "released" | "lost" | "timeout" | "cannot_wait", reason?: string | undefined]> {
    // The time limit can be extended while calls wait. After a busy period of the worker, a wait can time out in the same turn
    // of nginx in which the run was released, before the post arrives: the run decides, not the outcome of the wait.
    while (!run.is_released) {
        const time = now();
        if (deadline !== undefined && time >= deadline) {
            return $multi("timeout");
        }
        if (time >= run.ends_by) {
            return $multi("lost");
        }
        const [outcome, reason] = wait_once(run, math.min(deadline ?? math.huge, run.ends_by) - time);
        if (outcome === "cannot_wait") {
            return $multi("cannot_wait", reason);
        }
    }
    return $multi("released");
}

export { create as new, extend, finish, release, running, start, wait_for, type Run, type SingleFlight };
