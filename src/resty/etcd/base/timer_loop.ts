import * as clock from "./clock";
import * as timer_hosts from "./timer_host";
import type { LoopOptions, TimerLoop, Turn } from "./timer_host";

const now = clock.now;

/*
 * Background work of a worker, in turns. A loop has a function that makes one turn and returns when the next one is due.
 * Turns run as light threads of a timer (the host) that the loops of a worker share.
 *
 * - nginx frees what a timer has allocated only when it ends. So a host is replaced after some time or work. It is let
 *   go of only when its successor runs: nginx drops timers without notice if too many of them run.
 * - A turn can be long: the reading of a stream, or a poll that sleeps in between. It calls `must_hand_over` where it can
 *   be interrupted, and returns if that is so. A turn that cannot be interrupted keeps its host.
 * - A function of a user's can terminate the timer it is called in (`ngx.exit`), and with it all turns there. Loops that
 *   call such functions are private: no other loop shares their host. A watchdog finds terminated hosts.
 * - When the worker is exiting, each loop gets one last turn. It finds out with `ngx.worker.exiting()`.
 */

/**
 * Has turns made, the first one after some seconds. A loop that has been started already stays as it is.
 * @returns true; or nil and why no timer can be created
 */
function start(loop: TimerLoop, seconds: number): Result<true> {
    if (loop.is_started) {
        return $multi(true);
    }
    const group = loop.group;
    const [watched, err] = timer_hosts.ensure_watchdog();
    if (watched === undefined) {
        return $multi(undefined, err);
    }
    if (group.current === undefined) {
        const [requested, request_err] = timer_hosts.request_host(group);
        if (requested === undefined) {
            return $multi(undefined, request_err);
        }
    }
    loop.is_started = true;
    loop.is_last_turn = false;
    loop.starts = loop.starts + 1;
    if (loop.host === undefined) {
        loop.due = now() + seconds; // else when the turn ends that was running when it was stopped
    }
    const loops = group.loops;
    loops.push(loop);
    timer_hosts.watch_group(group);
    timer_hosts.notify(group.current);
    return $multi(true);
}

/** Makes the next turn due now; during a turn, as soon as that ends. */
function wake(loop: TimerLoop): void {
    loop.is_woken = loop.host !== undefined;
    if (loop.due !== undefined) {
        loop.due = 0;
        timer_hosts.notify(loop.group.current);
    }
}

/** Ends the loop: a turn that is running returns, and no other follows. */
function stop(loop: TimerLoop): void {
    timer_hosts.remove(loop);
    timer_hosts.notify(loop.group.current);
}

/** Counts work that a turn has done, besides the turn itself. */
function note_work(loop: TimerLoop, units: number): void {
    const host = loop.host;
    if (host !== undefined) {
        host.work = host.work + units;
    }
}

/** Reports whether the running turn should return, because a new host runs that can continue its work. */
function must_hand_over(loop: TimerLoop): boolean {
    const current = loop.group.current;
    return current !== undefined && current !== loop.host;
}

/**
 * Creates a loop. `start` has its turns made.
 * @param name what log lines begin with
 */
function create(name: string, run: Turn, options: LoopOptions): TimerLoop {
    return {
        name,
        run,
        options,
        group: options.is_private === true ? timer_hosts.new_group() : timer_hosts.shared_group,
        is_started: false,
        due: undefined,
        host: undefined,
        is_woken: false,
        is_last_turn: false,
        starts: 0,
    };
}

export { create as new, must_hand_over, note_work, start, stop, wake, type LoopOptions, type TimerLoop, type Turn };
