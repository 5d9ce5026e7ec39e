import * as clock from "./clock";
import * as printable from "./printable";
import * as error_text from "./error_text";
import type { Host, HostPool, RunningTurn, TimerLoop } from "./timer_types";
import * as wait_bounds from "./wait";

const now = clock.now;
const min = math.min;

/*
 * The turns of loops in a host, for base/timer_host.
 */

/** Seconds before the next turn after one that raised an error. */
const ERROR_DELAY = 1;

/** Number of loops that are started. */
let started = 0;

function count_started(): number {
    return started;
}

/** Wakes the main thread of a host, which starts turns that are due and frees those that are over. */
function notify(host: Host | undefined): void {
    if (host !== undefined && !host.is_notified) {
        host.is_notified = true;
        if (host.signal.count() < 0) {
            host.signal.post(1); // only if it waits: a wait for what has been posted does not yield
        }
    }
}

function without<T>(list: readonly T[], item: T): T[] {
    const rest: T[] = [];
    for (const other of list) {
        if (other !== item) {
            rest.push(other);
        }
    }
    return rest;
}

/** Notes that a loop is started: it waits for a host. */
function add(loop: TimerLoop): void {
    const waiting = loop.pool.waiting;
    loop.is_started = true;
    loop.home = undefined;
    waiting.push(loop);
    started = started + 1;
}

/** Makes a host run the next turns of a loop. */
function move_to(host: Host, loop: TimerLoop): void {
    const loops = host.loops;
    loops.push(loop);
    loop.home = host;
}

/** Takes a loop from the host of its next turns, or from the loops that wait for a host. */
function detach(loop: TimerLoop): void {
    const { home, pool } = loop;
    if (home !== undefined) {
        loop.home = undefined;
        home.loops = without(home.loops, loop);
        notify(home);
    } else {
        pool.waiting = without(pool.waiting, loop);
    }
}

function remove(loop: TimerLoop): void {
    if (loop.is_started) {
        loop.is_started = false;
        loop.due = undefined;
        started = started - 1;
        detach(loop);
    }
}

/** Makes the hosts of another pool run the next turns of a loop that is started. */
function change_pool(loop: TimerLoop, pool: HostPool): void {
    detach(loop);
    loop.pool = pool;
    const waiting = pool.waiting; // not before: it can be the pool of before
    waiting.push(loop);
}

/** Notes the end of a turn. */
function end_turn(turn: RunningTurn, seconds: number | undefined): void {
    const loop = turn.loop;
    turn.is_over = true;
    loop.host = undefined;
    if (!loop.is_started) {
        return; // stopped during the turn
    }
    if (loop.starts !== turn.start) {
        loop.due = now(); // started again during the turn
    } else if (loop.is_last_turn || (seconds === undefined && !loop.is_woken)) {
        remove(loop);
    } else {
        loop.due = now() + (loop.is_woken ? 0 : wait_bounds.bounded(seconds!));
    }
}

function run_turn(host: Host, turn: RunningTurn): void {
    const loop = turn.loop;
    const [ok, result] = protected_call(loop.run);
    let seconds = result as number | undefined;
    if (!ok) {
        ngx.log(ngx.ERR, loop.name, ": ", printable.of(error_text.of(result, "an error without text")));
        seconds = ERROR_DELAY;
    }
    end_turn(turn, seconds);
    notify(host);
    notify(loop.home);
}

/** Starts a turn, which runs until it waits for something. */
function start_turn(host: Host, loop: TimerLoop, is_last: boolean): void {
    const turn: RunningTurn = { loop, start: loop.starts, thread: undefined, is_over: false };
    loop.due = undefined;
    loop.is_woken = false;
    loop.host = host;
    loop.is_last_turn = is_last;
    host.turns.push(turn);
    turn.thread = ngx.thread.spawn(run_turn, host, turn);
}

/** Starts all turns that are due. Returns the seconds until the next one is, at most `longest`. */
function start_due(host: Host, is_exiting: boolean, longest: number): number {
    const time = now();
    let wait = longest;
    for (const loop of host.loops) {
        const due = loop.due;
        if (due !== undefined) {
            if (due <= time || is_exiting) {
                start_turn(host, loop, is_exiting);
            } else {
                wait = min(wait, due - time);
            }
        }
    }
    return wait;
}

/** Frees the light threads of turns that are over: nginx keeps them until their parent has killed or joined them. */
function reap(host: Host): void {
    const running: RunningTurn[] = [];
    for (const turn of host.turns) {
        if (turn.is_over) {
            ngx.thread.kill(turn.thread!);
            host.leftovers = host.leftovers + 1; // its context
        } else {
            running.push(turn);
        }
    }
    host.turns = running;
}

/** Kills turns that have not returned although the worker is exiting. Their loops make the last turn after that. */
function kill_late(host: Host, exiting_for: number): void {
    for (const turn of host.turns) {
        const grace = turn.loop.options.exit_grace;
        if (!turn.is_over && !turn.loop.is_last_turn && grace !== undefined && exiting_for >= grace) {
            end_turn(turn, 0); // `reap` kills its thread
        }
    }
}

/** Kills the running turn of a loop that was removed. */
function kill(loop: TimerLoop): void {
    const host = loop.host;
    if (host !== undefined) {
        for (const turn of host.turns) {
            if (turn.loop === loop && !turn.is_over) {
                end_turn(turn, undefined); // `reap` kills its thread
            }
        }
        notify(host);
    }
}

export {
    add,
    change_pool,
    count_started,
    end_turn,
    kill,
    kill_late,
    move_to,
    notify,
    reap,
    remove,
    start_due,
    without,
};
