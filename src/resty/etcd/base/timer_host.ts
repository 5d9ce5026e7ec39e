import * as backoff from "./backoff";
import * as clock from "./clock";
import * as timers from "./timers";
import * as timer_turns from "./timer_turns";
import * as waits from "./wait";
import type { Host, HostPool, TimerLoop } from "./timer_types";
import * as semaphore from "ngx.semaphore";

const now = clock.now;
const max = math.max;
const notify = timer_turns.notify;

/*
 * The timers of base/timer_loop, which explains what they are for.
 */

/** Seconds within which a host notices that the worker is exiting. */
const POLL_INTERVAL = 0.5;
/** Seconds after which a host of turns that hand over is replaced, whatever they have left behind. */
const MAX_AGE = 300;
/**
 * Ended light threads and connections after which a host is replaced: nginx frees the 260 to 290 bytes of each only with
 * the timer, and searches their list whenever a light thread is started or killed.
 */
const MAX_LEFTOVERS = 1000;
/** Retired hosts of streams with fewer running turns than that are emptied when there are too many hosts. */
const FEW_TURNS = 250;
/** Seconds after which a timer that has not started counts as dropped. */
const START_TIME = 1;
/** Seconds before the next request after one that nginx refused or dropped; doubles with each in a row. */
const FIRST_DELAY = 0.5;
/** Longest such delay in seconds: nginx logs an alert for each timer that it drops. */
const MAX_DELAY = 5;

function is_retired(host: Host): boolean {
    return host.is_retired;
}

/** A function, because TypeScript does not see that the turns change the field. */
function is_notified(host: Host): boolean {
    return host.is_notified;
}

/** Counts a request that nginx refused or dropped. */
function note_failed_request(pool: HostPool): void {
    pool.requested = undefined;
    pool.next_request_at = now() + backoff.exponential(FIRST_DELAY, MAX_DELAY, pool.failed_requests);
    pool.failed_requests = pool.failed_requests + 1;
}

/** Requests a host, unless a request is pending. Reports whether one can be expected. */
function request(pool: HostPool, replaces: Host | undefined): boolean {
    const time = now();
    const requested = pool.requested;
    if (requested !== undefined) {
        if (time - requested.created_at < START_TIME) {
            return true;
        }
        note_failed_request(pool);
    }
    if (time < pool.next_request_at) {
        return false;
    }
    const [signal] = semaphore.new(0);
    if (signal === undefined) {
        return false;
    }
    const host: Host = {
        pool,
        replaces,
        signal,
        is_notified: false,
        created_at: time,
        leftovers: 0,
        loops: [],
        turns: [],
        is_retired: false,
        is_evicted: false,
        missed: 0,
    };
    const [ok] = timers.start(pool.run_host, host);
    if (ok === undefined) {
        note_failed_request(pool);
        return false;
    }
    pool.requested = host;
    return true;
}

/** Returns the host with the fewest loops; nil if none runs. */
function least_used(pool: HostPool): Host | undefined {
    let chosen: Host | undefined;
    for (const host of pool.hosts) {
        if (chosen === undefined || host.loops.length < chosen.loops.length) {
            chosen = host;
        }
    }
    return chosen;
}

/**
 * Gives hosts to the loops that wait for one. While hosts have as many loops as they should, and the pool can have more
 * hosts, the loops wait for another one; if nginx has no timer for it, they share those that run.
 */
function assign(pool: HostPool): void {
    const waiting = pool.waiting;
    let count = 0;
    while (count < waiting.length) {
        const host = least_used(pool);
        const wants_another = host === undefined || host.loops.length >= pool.loops_per_host;
        if (wants_another && pool.hosts.length < pool.max_hosts && request(pool, undefined)) {
            break;
        }
        if (host === undefined) {
            break;
        }
        timer_turns.move_to(host, waiting[count]!);
        count = count + 1;
        notify(host);
    }
    if (count > 0) {
        const rest: TimerLoop[] = [];
        for (const i of $range(count + 1, waiting.length)) {
            rest.push(waiting[i - 1]!);
        }
        pool.waiting = rest;
    }
}

/** Lets a host take the loops of another one, which ends with the last of its turns, unless it has ended already. */
function take_over(host: Host, old: Host): void {
    const pool = host.pool;
    const others = timer_turns.without(pool.hosts, old);
    if (others.length === pool.hosts.length) {
        return;
    }
    pool.hosts = others;
    pool.retired.push(old);
    old.is_retired = true;
    host.loops = old.loops;
    old.loops = [];
    for (const loop of host.loops) {
        loop.home = host;
    }
    notify(old);
}

/** Empties the retired host with the fewest turns, if these are few: its streams are opened again in another host. */
function evict(pool: HostPool): void {
    let chosen: Host | undefined;
    for (const host of pool.retired) {
        if (chosen === undefined || host.turns.length < chosen.turns.length) {
            chosen = host;
        }
    }
    if (chosen !== undefined && chosen.turns.length < FEW_TURNS) {
        chosen.is_evicted = true;
    }
}

/** Requests a successor of a host that has lasted long enough. */
function replace_if_worn(host: Host): void {
    const pool = host.pool;
    if (host.leftovers < pool.max_leftovers && now() - host.created_at < pool.max_age) {
        return;
    }
    if (pool.retired.length < pool.max_hosts) {
        request(pool, host);
    } else {
        evict(pool);
    }
}

/** Reports whether a host can end: no turn is running, and no loop will start one. */
function is_done(host: Host): boolean {
    return host.turns.length === 0 && (host.is_retired || host.loops.length === 0);
}

/** Removes a host that has ended. Its loops wait for another one. */
function forget(host: Host): void {
    const pool = host.pool;
    pool.hosts = timer_turns.without(pool.hosts, host);
    pool.retired = timer_turns.without(pool.retired, host);
    const { waiting } = pool;
    const time = now();
    for (const loop of host.loops) {
        loop.home = undefined;
        if (loop.due !== undefined) {
            loop.due = max(loop.due, time); // it is late from now on, not since the host was terminated
        }
        waiting.push(loop);
    }
    host.loops = [];
}

/** The main thread of a host. */
function run_host(_premature: boolean, host: Host): void {
    const { pool, replaces } = host;
    if (pool.requested !== host) {
        return; // it counted as dropped, and another one was requested
    }
    pool.requested = undefined;
    pool.failed_requests = 0;
    pool.next_request_at = 0;
    host.created_at = now();
    pool.hosts.push(host);
    if (replaces !== undefined) {
        take_over(host, replaces);
    }
    assign(pool);
    let exiting_since: number | undefined;
    while (true) {
        host.missed = 0;
        if (ngx.worker.exiting()) {
            exiting_since ??= now();
            timer_turns.kill_late(host, now() - exiting_since);
        }
        host.is_notified = false;
        const wait = timer_turns.start_due(host, exiting_since !== undefined, POLL_INTERVAL);
        if (exiting_since === undefined && !is_retired(host)) {
            replace_if_worn(host);
        }
        timer_turns.reap(host);
        if (is_done(host)) {
            break;
        }
        // nginx without OpenResty's patches logs each wait of 0
        waits.wait(host.signal, is_notified(host) ? waits.MIN_PAUSE : max(waits.MIN_PAUSE, wait));
    }
    forget(host);
}

/**
 * Makes the turns of a terminated host due again, in another host.
 * @param next_pool where loops continue whose functions have terminated it
 */
function on_terminated(host: Host, next_pool: HostPool): void {
    forget(host);
    for (const turn of host.turns) {
        const { loop } = turn;
        if (!turn.is_over) {
            timer_turns.end_turn(turn, 0);
            const { on_terminated: callback } = loop.options;
            if (callback !== undefined && callback() && loop.is_started) {
                timer_turns.change_pool(loop, next_pool);
            }
        }
    }
}

function new_pool(max_hosts: number, loops_per_host: number, max_age: number): HostPool {
    return {
        run_host,
        max_hosts,
        loops_per_host,
        max_age,
        max_leftovers: MAX_LEFTOVERS,
        hosts: [],
        retired: [],
        waiting: [],
        requested: undefined,
        failed_requests: 0,
        next_request_at: 0,
    };
}

export { MAX_AGE, assign, new_pool, on_terminated };
