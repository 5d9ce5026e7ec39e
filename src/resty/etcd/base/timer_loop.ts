import * as clock from "./clock";
import * as printable from "./printable";
import * as timer_host from "./timer_host";
import * as timer_supervisor from "./timer_supervisor";
import * as timer_turns from "./timer_turns";
import type { LoopOptions, TimerLoop, Turn } from "./timer_types";
import * as wait from "./wait";

const now = clock.now;

/*
 * Background work of a worker, in turns. A loop has a function that makes one turn and returns when the next one is due.
 * Turns run as light threads of a few timers (hosts) that all loops of a worker share.
 *
 * - nginx frees what a timer has allocated only when it ends: the context of each light thread, and something for each
 *   connection. So a host is replaced after some time, or when it has left much behind. It ends only when its successor
 *   runs: nginx drops a timer without notice if too many timers run.
 * - A turn can be long: a poll that sleeps in between. It calls `must_hand_over` where it can be interrupted, and returns
 *   if that is so. A turn that cannot be interrupted keeps its host. A stream lasts as long as the worker, and its
 *   connection belongs to its host: such turns have hosts apart from the others, and leave nothing behind meanwhile.
 * - A user's function can terminate the timer it is called in (`ngx.exit`), and with it all turns there. Loops that
 *   call such functions have a pool of hosts apart from the others. The supervisor finds terminated hosts.
 * - When the worker is exiting, each loop gets one last turn. The turn checks `ngx.worker.exiting()`.
 */

/**
 * Starts a loop: its first turn is due after some seconds. Does nothing if the loop is started already. If nginx has no
 * timer for it, it waits: see `problem`.
 * @returns true; or nil and why no timer can be created
 */
function start(loop: TimerLoop, seconds: number): Result<true> {
    if (loop.is_started) {
        return $multi(true);
    }
    const [ok, err] = timer_supervisor.ensure();
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    loop.is_last_turn = false;
    loop.starts = loop.starts + 1;
    if (loop.host === undefined) {
        loop.due = now() + (seconds === 0 ? 0 : wait.bounded(seconds)); // else when the turn ends that was running when it was stopped
    }
    timer_turns.add(loop);
    timer_host.assign(loop.pool);
    return $multi(true);
}

/** Makes the next turn due immediately, or as soon as the running turn ends. */
function wake(loop: TimerLoop): void {
    loop.is_woken = loop.host !== undefined;
    if (loop.due !== undefined) {
        loop.due = 0;
        timer_turns.notify(loop.home);
    }
}

/** Stops a loop: the running turn continues until it returns, and no other turn follows. */
function stop(loop: TimerLoop): void {
    timer_turns.remove(loop);
}

/** Stops a loop and kills its running turn. A turn cannot do that to itself. */
function kill(loop: TimerLoop): void {
    timer_turns.remove(loop);
    timer_turns.kill(loop);
}

/** Counts light threads and connections that a turn has made, in addition to the turn itself. */
function note_leftovers(loop: TimerLoop, count: number): void {
    const host = loop.host;
    if (host !== undefined) {
        host.leftovers = host.leftovers + count;
    }
}

/** Reports whether the running turn must return, because another host continues the loop. */
function must_hand_over(loop: TimerLoop): boolean {
    const host = loop.host;
    return host !== undefined && (loop.options.pool === "streams" ? host.is_evicted : host.is_retired);
}

/** Returns why the next turn is late; nil if it is not. */
function problem(loop: TimerLoop): Problem {
    return timer_supervisor.problem_of(loop);
}

/**
 * Creates a loop. `start` starts it.
 * @param name what log lines begin with
 */
function create(name: string, run: Turn, options: LoopOptions): TimerLoop {
    return {
        name: printable.key(name),
        run,
        options,
        pool: timer_supervisor.pool_of(options.pool),
        home: undefined,
        is_started: false,
        due: undefined,
        host: undefined,
        is_woken: false,
        is_last_turn: false,
        starts: 0,
    };
}

/**
 * Runs a function once, in a timer that loops share. It is not repeated if the timer is terminated.
 * @returns the loop of its only turn; nil if nginx has no timer for it now
 */
function run_once(name: string, fn: (this: void) => void): TimerLoop | undefined {
    const loop: TimerLoop = create(
        name,
        () => {
            fn();
            return undefined;
        },
        {
            on_terminated: () => {
                stop(loop);
                return false;
            },
        },
    );
    const pool = loop.pool;
    loop.starts = 1;
    loop.due = now();
    timer_turns.add(loop);
    timer_host.assign(pool);
    if (loop.home === undefined && pool.requested === undefined) {
        stop(loop);
        return undefined;
    }
    return loop;
}

export {
    create as new,
    kill,
    must_hand_over,
    note_leftovers,
    problem,
    run_once,
    start,
    stop,
    wake,
    type LoopOptions,
    type TimerLoop,
    type Turn,
};
