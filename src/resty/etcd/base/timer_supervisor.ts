import * as clock from "./clock";
import * as printable from "./printable";
import * as timers from "./timers";
import * as timer_host from "./timer_host";
import * as timer_turns from "./timer_turns";
import * as wait from "./wait";
import type { Host, HostPool, TimerLoop } from "./timer_types";

const now = clock.now;

/*
 * One timer of the worker that finds hosts which a function of the user has terminated, and requests hosts again that
 * nginx has refused or dropped. No function of the user runs in it, and it keeps running while there are loops: other
 * programs that use up all timers cannot take it away.
 */

/** Seconds between two checks. */
const CHECK_INTERVAL = 1;
/** Seconds within which it ends when the worker is exiting, or no loop is left. */
const POLL_INTERVAL = 0.5;
/** Checks without a sign of a host's main thread after which the host counts as terminated. */
const MAX_MISSED = 3;
/** Seconds that a turn can wait for a timer before that is an error. */
const LATE_AFTER = 2;
/** Seconds between two attempts to start the supervisor of a module that lasts as long as the worker. */
const REPEAT_INTERVAL = 5;
/** Seconds after which the supervisor of any other module is started: nginx drops some of these timers if too many run. */
const START_DELAYS = [0, 1, 5];
/** Seconds after which `ensure` asks again for a supervisor that has not started. */
const START_TIME = 6;

const LATE = "timer: not started: lua_max_running_timers, lua_max_pending_timers or worker_connections is reached";

const LOADED_IN = ngx.get_phase();
const LOADED_BY = ngx.worker.pid();

/** Turns that end soon, or hand over. */
const short = timer_host.new_pool(4, 500, timer_host.MAX_AGE);
/** Streams stay in their hosts. */
const streams = timer_host.new_pool(8, 250, math.huge);
/** Turns that call functions of users: as long as there are few of them, each has its own host. */
const user_functions = timer_host.new_pool(8, 1, timer_host.MAX_AGE);
/** The same for loops whose functions have terminated a timer: they do not do that to others again. */
const culprits = timer_host.new_pool(2, 1, timer_host.MAX_AGE);

const POOLS = [short, streams, user_functions, culprits];
const BY_NAME = { short, streams, user_functions };

let is_running = false;
let is_repeated = false;
let requested_at = -math.huge;
let has_logged_late = false;

/** Returns why the next turn of a loop is late; nil if it is not. */
function problem_of(loop: TimerLoop): Problem {
    const due = loop.due;
    const is_late = due !== undefined && loop.home === undefined && now() - due > LATE_AFTER;
    return is_late ? LATE : undefined;
}

/** Logs, once, that turns are late, and when they no longer are. */
function log_late(): void {
    let first: TimerLoop | undefined;
    let count = 0;
    for (const pool of POOLS) {
        for (const loop of pool.waiting) {
            if (problem_of(loop) !== undefined) {
                first ??= loop;
                count = count + 1;
            }
        }
    }
    if (first !== undefined && !has_logged_late) {
        ngx.log(ngx.WARN, first.name, ": ", LATE, "; retrying (", count - 1, " others wait too)");
    } else if (first === undefined && has_logged_late) {
        ngx.log(ngx.NOTICE, "timers: nginx runs all of them again");
    }
    has_logged_late = first !== undefined;
}

function count_misses(hosts: Host[], terminated: Host[]): void {
    for (const host of hosts) {
        host.missed = host.missed + 1;
        if (host.missed > MAX_MISSED) {
            terminated.push(host);
        }
    }
}

function check_pool(pool: HostPool): void {
    const terminated: Host[] = [];
    count_misses(pool.hosts, terminated);
    count_misses(pool.retired, terminated);
    for (const host of terminated) {
        timer_host.on_terminated(host, culprits);
    }
}

function check(): void {
    for (const pool of POOLS) {
        check_pool(pool);
    }
    for (const pool of POOLS) {
        timer_host.assign(pool);
    }
    log_late();
}

/** The supervisor. Ends immediately if another one runs. */
function supervise(premature: boolean): void {
    if (premature || is_running) {
        return;
    }
    is_running = true;
    let check_at = now() + CHECK_INTERVAL;
    while (timer_turns.count_started() > 0 && !ngx.worker.exiting()) {
        if (now() >= check_at) {
            check_at = now() + CHECK_INTERVAL;
            const [ok, err] = protected_call(check);
            if (!ok) {
                ngx.log(ngx.ERR, "timers: ", printable.of(err));
            }
        }
        wait.sleep(POLL_INTERVAL);
    }
    is_running = false;
    requested_at = -math.huge;
}

/**
 * Reports whether this module lasts as long as the worker. With `lua_code_cache off` each request loads it again, and a
 * repeated timer would keep it in memory after that. It is certain if the module was loaded before the fork, or in
 * init_worker.
 */
function is_permanent(): boolean {
    return LOADED_IN === "init_worker" || ngx.get_phase() === "init_worker" || ngx.worker.pid() !== LOADED_BY;
}

/** Makes sure that a supervisor runs, or will run. */
function ensure(): Result<true> {
    const time = now();
    if (is_running || time - requested_at < START_TIME) {
        return $multi(true);
    }
    if (is_permanent()) {
        if (!is_repeated) {
            const [ok, err] = timers.every(REPEAT_INTERVAL, supervise);
            if (ok === undefined) {
                return $multi(undefined, err);
            }
            is_repeated = true;
        }
        timers.start(supervise); // if nginx refuses or drops it, the repeated one follows
    } else {
        for (const seconds of START_DELAYS) {
            const [ok, err] = timers.at(seconds, supervise);
            if (ok === undefined) {
                return $multi(undefined, err);
            }
        }
    }
    requested_at = time;
    return $multi(true);
}

/** Returns the pool for the loops of one kind. */
function pool_of(name: keyof typeof BY_NAME | undefined): HostPool {
    return BY_NAME[name ?? "short"];
}

export { ensure, pool_of, problem_of };
