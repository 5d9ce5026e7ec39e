import * as clock from "../base/clock";
import * as coordinators from "./coordinator";
import type { Coordinator } from "./coordinator";
import * as timers from "../base/timers";

const now = clock.now;

/** Seconds after which a timer that has not been heard of is lost: nginx drops timers when there are too many. */
const LOST_AFTER = 2;
/** Seconds after which the work goes on in a new timer: what nginx keeps for one is only freed when it ends. */
const TIMER_LIFETIME = 300;
/** Seconds for which a hub rests that has thrown. */
const ERROR_PAUSE = 1;

/** Looks around for all hubs of a worker, in one timer: waking up is what costs, not what is looked at then. */
interface PollTimer {
    /** Seconds between two rounds. */
    readonly interval: number;
    /** Those that have readers. */
    coordinators: Coordinator[];
    /** Of the timer at work; one of an earlier turn ends. */
    turn: number;
    is_running: boolean;
    last_polled_at: number;
}

function create(interval: number): PollTimer {
    return { interval, coordinators: [], turn: 0, is_running: false, last_polled_at: 0 };
}

function tick(coordinator: Coordinator): void {
    const time = now();
    if (time < coordinator.paused_until) {
        return;
    }
    const [ok, err] = protected_call(coordinators.poll, coordinator);
    if (!ok) {
        coordinator.paused_until = time + ERROR_PAUSE;
        ngx.log(ngx.ERR, "shared log of watches: ", err);
    }
}

/** Lets those go that nobody reads from any more. */
function drop_idle(poll_timer: PollTimer): void {
    const busy: Coordinator[] = [];
    const idle: Coordinator[] = [];
    for (const coordinator of poll_timer.coordinators) {
        if (coordinator.reader_count > 0) {
            busy.push(coordinator);
        } else {
            coordinator.is_polled = false;
            idle.push(coordinator);
        }
    }
    poll_timer.coordinators = busy;
    for (const coordinator of idle) {
        coordinators.leave(coordinator);
    }
}

/** One round; true if there is nothing to do any more for some. */
function go_round(poll_timer: PollTimer): boolean {
    let is_idle = false;
    for (const coordinator of poll_timer.coordinators) {
        if (coordinator.reader_count > 0) {
            tick(coordinator);
        } else {
            is_idle = true;
        }
    }
    return is_idle;
}

function stop(poll_timer: PollTimer): void {
    poll_timer.is_running = false;
    const left = poll_timer.coordinators;
    poll_timer.coordinators = [];
    for (const coordinator of left) {
        coordinator.is_polled = false;
        coordinators.leave(coordinator);
    }
}

function run(_premature: boolean, poll_timer: PollTimer, turn: number): void {
    const since = now();
    while (poll_timer.turn === turn) {
        if (poll_timer.coordinators.length === 0 || ngx.worker.exiting()) {
            stop(poll_timer);
            return;
        }
        poll_timer.last_polled_at = now();
        if (go_round(poll_timer)) {
            drop_idle(poll_timer);
        }
        if (now() - since > TIMER_LIFETIME && ngx.timer.at(0, run, poll_timer, turn)[0] !== undefined) {
            return;
        }
        ngx.sleep(poll_timer.interval);
    }
}

/** Sees to it that a hub with readers is ticking. */
function ensure(poll_timer: PollTimer, coordinator: Coordinator): void {
    const time = now();
    const is_running = poll_timer.is_running && time - poll_timer.last_polled_at < LOST_AFTER;
    if ((is_running && coordinator.is_polled) || coordinator.reader_count === 0 || ngx.worker.exiting()) {
        return;
    }
    if (!coordinator.is_polled) {
        coordinator.is_polled = true;
        const all = poll_timer.coordinators;
        all.push(coordinator);
    }
    if (!is_running) {
        poll_timer.turn = poll_timer.turn + 1;
        poll_timer.last_polled_at = time;
        const [ok] = timers.at(0, run, poll_timer, poll_timer.turn);
        poll_timer.is_running = ok !== undefined;
        coordinator.is_alone = ok === undefined && coordinator.log === undefined;
    }
}

export { create as new, ensure, type PollTimer };
