import * as clock from "./clock";
import * as timer_hosts from "./timer_host";
import type { LoopOptions, TimerLoop, Turn } from "./timer_host";

const now = clock.now;

/*
 * Background work of a worker, in turns. A loop has a function that makes one turn and returns when the next one is due.
 * Turns run as light threads of a timer (the host) that the loops of a worker share.
 *
 * - nginx frees what a timer has allocated only when it ends. So a host is replaced after some time or work. It ends
 *   only when its successor runs: nginx drops a timer without notice if too many timers run.
 * - A turn can be long: the reading of a stream, or a poll that sleeps in between. It calls `must_hand_over` where it can
 *   be interrupted, and returns if that is so. A turn that cannot be interrupted keeps its host.
 * - A user's function can terminate the timer it is called in (`ngx.exit`), and with it all turns there. Loops that
 *   call such functions are private: no other loop shares their host. A watchdog finds terminated hosts.
 * - When the worker is exiting, each loop gets one last turn. The turn checks `ngx.worker.exiting()`.
 */

/**
 * Starts a loop: its first turn is due after some seconds. Does nothing if the loop is started already.
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

/** Makes the next turn due immediately, or as soon as the running turn ends. */
function wake(loop: TimerLoop): void {
    loop.is_woken = loop.host !== undefined;
    if (loop.due !== undefined) {
        loop.due = 0;
        timer_hosts.notify(loop.group.current);
    }
}

/** Stops a loop: the running turn continues until it returns, and no other turn follows. */
function stop(loop: TimerLoop): void {
    timer_hosts.remove(loop);
    timer_hosts.notify(loop.group.current);
}

/** Counts units of work that a turn has done. The turn itself counts as one. */
function note_work(loop: TimerLoop, units: number): void {
    const host = loop.host;
    if (host !== undefined) {
        host.work = host.work + units;
    }
}

/** Reports whether the running turn must return, because a new host runs that continues the loop. */
function must_hand_over(loop: TimerLoop): boolean {
    const current = loop.group.current;
    return current !== undefined && current !== loop.host;
}

/**
 * Creates a loop. `start` starts it.
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
