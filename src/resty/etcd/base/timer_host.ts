import * as clock from "./clock";
import * as error_text from "./error_text";
import * as timers from "./timers";
import type { Semaphore } from "ngx.semaphore";
import * as semaphore from "ngx.semaphore";

type Thread = ngx.thread.Thread;

const now = clock.now;
const min = math.min;
const max = math.max;

/*
 * The timers of base/timer_loop, which explains what they are for.
 */

/** Makes one turn. Returns the seconds until the next one, or nil to end the loop. */
type Turn = (this: void) => number | undefined;

interface LoopOptions {
    /** The turns call functions of users, which can terminate the timer: no other loop shares it. */
    is_private?: boolean;
    /** Called if a turn was terminated together with its timer, before the next turn. */
    on_terminated?: (this: void) => void;
    /**
     * Seconds that a running turn has to return after the worker began to exit; then it is killed. Default: no limit. The
     * last turn, which follows, is not killed: it must limit the time that it takes.
     */
    exit_grace?: number;
}

interface TimerLoop {
    /** What log lines begin with, like `watch of /routes/`. */
    readonly name: string;
    readonly run: Turn;
    readonly options: LoopOptions;
    /** The loops that it shares hosts with. */
    readonly group: Group;
    /** It is part of its group: more turns will come. */
    is_started: boolean;
    /** When the next turn is due; nil while one is running. */
    due: number | undefined;
    /** The host of the turn that is running. */
    host: Host | undefined;
    /** It was woken during its turn: the next one follows immediately. */
    is_woken: boolean;
    /** The last turn, of a worker that is exiting, has begun. */
    is_last_turn: boolean;
    /** Times that it was started: tells a turn of before a stop from those after it. */
    starts: number;
}

/** Loops that share hosts. */
interface Group {
    /** The function of its hosts' timers. */
    readonly run_host: (this: void, premature: boolean, host: Host) => void;
    loops: TimerLoop[];
    /** The host that new turns run in. */
    current: Host | undefined;
    /** A host whose timer nginx has not run yet, and might have dropped. */
    requested: Host | undefined;
}

interface RunningTurn {
    readonly loop: TimerLoop;
    /** What `starts` of the loop was. */
    readonly start: number;
    thread: Thread | undefined;
    is_over: boolean;
}

/** A timer that turns run in. */
interface Host {
    readonly group: Group;
    /** Wakes its main thread. */
    readonly signal: Semaphore;
    /** The main thread has something to look for. */
    is_notified: boolean;
    created_at: number;
    /** Turns and other units of work so far. */
    work: number;
    turns: RunningTurn[];
    /** Checks of the watchdog since its main thread last ran. */
    missed: number;
}

/** Seconds within which a host notices that the worker is exiting. */
const POLL_INTERVAL = 0.5;
/** Seconds after which a host is replaced. */
const MAX_AGE = 300;
/** Units of work after which a host is replaced: a batch of events leaves some 100 bytes in nginx's pool. */
const MAX_WORK = 10000;
/** Seconds after which a timer that has not started counts as dropped. */
const START_TIME = 1;
/** Seconds between two checks of the watchdog. */
const CHECK_INTERVAL = 1;
/** Checks without a sign of a host's main thread after which the host counts as terminated. */
const MAX_MISSED = 3;
/** The shortest wait in seconds: nginx without OpenResty's patches logs each wait of 0. */
const YIELD_TIME = 0.001;
/** Seconds before the next turn after one that raised an error. */
const ERROR_DELAY = 1;

/** Groups with loops, for the watchdog. */
const groups = new LuaSet<Group>();
/** Hosts that run, including those that were replaced and still have turns. */
const hosts = new LuaSet<Host>();
let has_watchdog = false;

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

function remove(loop: TimerLoop): void {
    const group = loop.group;
    if (loop.is_started) {
        loop.is_started = false;
        loop.due = undefined;
        group.loops = without(group.loops, loop);
        if (group.loops.length === 0) {
            groups.delete(group);
        }
    }
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
        loop.due = now() + (loop.is_woken ? 0 : seconds!);
    }
}

function run_turn(host: Host, turn: RunningTurn): void {
    const loop = turn.loop;
    const [ok, result] = protected_call(loop.run);
    let seconds = result as number | undefined;
    if (!ok) {
        ngx.log(ngx.ERR, loop.name, ": ", error_text.of(result, "an error without text"));
        seconds = ERROR_DELAY;
    }
    end_turn(turn, seconds);
    notify(host);
    notify(loop.group.current);
}

/** Starts a turn, which runs until it waits for something. */
function start_turn(host: Host, loop: TimerLoop, is_last: boolean): void {
    const turn: RunningTurn = { loop, start: loop.starts, thread: undefined, is_over: false };
    loop.due = undefined;
    loop.is_woken = false;
    loop.host = host;
    loop.is_last_turn = is_last;
    host.work = host.work + 1;
    host.turns.push(turn);
    turn.thread = ngx.thread.spawn(run_turn, host, turn);
}

/** Starts all turns that are due. Returns the seconds until the next one is. */
function start_due_turns(host: Host, is_exiting: boolean): number {
    const time = now();
    let wait = POLL_INTERVAL;
    for (const loop of host.group.loops) {
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
        } else {
            running.push(turn);
        }
    }
    host.turns = running;
}

/** Kills turns that have not returned although the worker is exiting. Their loops make the last turn after that. */
function kill_late_turns(host: Host, exiting_for: number): void {
    for (const turn of host.turns) {
        const grace = turn.loop.options.exit_grace;
        if (!turn.is_over && !turn.loop.is_last_turn && grace !== undefined && exiting_for >= grace) {
            end_turn(turn, 0); // `reap` kills its thread
        }
    }
}

/** Requests a host, unless a request is pending. */
function request_host(group: Group): Result<true> {
    const time = now();
    const requested = group.requested;
    if (requested !== undefined && time - requested.created_at < START_TIME) {
        return $multi(true);
    }
    const [signal, err] = semaphore.new(0);
    if (signal === undefined) {
        return $multi(undefined, err);
    }
    const host: Host = { group, signal, is_notified: false, created_at: time, work: 0, turns: [], missed: 0 };
    const [ok, timer_err] = timers.at(0, group.run_host, host);
    if (ok === undefined) {
        return $multi(undefined, timer_err);
    }
    group.requested = host;
    return $multi(true);
}

/** Reports whether a host can end: no turn is running, and a successor runs or the group has no loops. */
function is_done(host: Host): boolean {
    const group = host.group;
    return host.turns.length === 0 && (group.current !== host || group.loops.length === 0);
}

/** A function, because TypeScript does not see that the turns change the field. */
function is_notified(host: Host): boolean {
    return host.is_notified;
}

/** The main thread of a host. */
function run_host(_premature: boolean, host: Host): void {
    const group = host.group;
    if (group.requested !== host) {
        return; // it counted as dropped, and another one was requested
    }
    group.requested = undefined;
    notify(group.current); // which is replaced
    group.current = host;
    host.created_at = now();
    hosts.add(host);
    let exiting_since: number | undefined;
    while (true) {
        host.missed = 0;
        if (ngx.worker.exiting()) {
            exiting_since ??= now();
            kill_late_turns(host, now() - exiting_since);
        }
        let wait = POLL_INTERVAL;
        host.is_notified = false;
        if (group.current === host) {
            wait = start_due_turns(host, exiting_since !== undefined);
            if (exiting_since === undefined && (host.work >= MAX_WORK || now() - host.created_at >= MAX_AGE)) {
                request_host(group);
            }
        }
        reap(host);
        if (is_done(host)) {
            break;
        }
        host.signal.wait(is_notified(host) ? YIELD_TIME : max(YIELD_TIME, wait));
    }
    hosts.delete(host);
    if (group.current === host) {
        group.current = undefined;
    }
}

function new_group(): Group {
    return { run_host, loops: [], current: undefined, requested: undefined };
}

/** The group of all loops that are not private. */
const shared_group = new_group();

/** Makes the turns of a terminated host due again, in another host. */
function on_host_terminated(host: Host): void {
    const group = host.group;
    hosts.delete(host);
    if (group.current === host) {
        group.current = undefined;
    }
    for (const turn of host.turns) {
        const { loop } = turn;
        if (!turn.is_over) {
            end_turn(turn, 0);
            if (loop.options.on_terminated !== undefined) {
                loop.options.on_terminated();
            }
        }
    }
}

function check_hosts(premature: boolean): void {
    if (premature) {
        return;
    }
    const terminated: Host[] = [];
    for (const host of hosts) {
        host.missed = host.missed + 1;
        if (host.missed > MAX_MISSED) {
            terminated.push(host);
        }
    }
    for (const host of terminated) {
        on_host_terminated(host);
    }
    for (const group of groups) {
        if (group.current === undefined) {
            request_host(group);
        }
    }
}

/** Starts the watchdog of this worker. nginx repeats `ngx.timer.every` even where it has dropped one run. */
function ensure_watchdog(): Result<true> {
    if (!has_watchdog) {
        const [started, err] = timers.every(CHECK_INTERVAL, check_hosts);
        if (started === undefined) {
            return $multi(undefined, err);
        }
        has_watchdog = true;
    }
    return $multi(true);
}

/** Makes the watchdog request a host for a group that has none. */
function watch_group(group: Group): void {
    groups.add(group);
}

export {
    ensure_watchdog,
    new_group,
    notify,
    remove,
    request_host,
    shared_group,
    watch_group,
    type Group,
    type LoopOptions,
    type TimerLoop,
    type Turn,
};
