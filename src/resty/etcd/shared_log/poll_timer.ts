import * as clock from "../base/clock";
import * as coordinators from "./coordinator";
import type { Coordinator } from "./coordinator";
import * as timers from "../base/timers";

const now = clock.now;

/** Seconds without a round after which the timer counts as dropped: nginx drops timers if too many are running. */
const DROPPED_AFTER = 2;
/** Seconds after which the work continues in a new timer: nginx frees what a timer has allocated only when it ends. */
const TIMER_LIFETIME = 300;

/** Polls all logs of a worker in one timer: the wakeups of a timer are the cost, not the polls. */
interface PollTimer {
    /** Seconds between two rounds. */
    readonly interval: number;
    /** Those that have readers. */
    coordinators: Coordinator[];
    readonly is_polled: LuaSet<Coordinator>;
    /** Number of the current timer. An older one ends. */
    turn: number;
    is_running: boolean;
    last_polled_at: number;
}

function create(interval: number): PollTimer {
    return { interval, coordinators: [], is_polled: new LuaSet(), turn: 0, is_running: false, last_polled_at: 0 };
}

/** Removes coordinators that have no readers any more. */
function remove_idle(poll_timer: PollTimer): void {
    const busy: Coordinator[] = [];
    const idle: Coordinator[] = [];
    for (const coordinator of poll_timer.coordinators) {
        if (coordinator.reader_count > 0) {
            busy.push(coordinator);
        } else {
            poll_timer.is_polled.delete(coordinator);
            idle.push(coordinator);
        }
    }
    poll_timer.coordinators = busy;
    for (const coordinator of idle) {
        coordinators.resign(coordinator);
    }
}

/** Polls all logs once. Reports whether a coordinator has no readers any more. */
function poll_all(poll_timer: PollTimer): boolean {
    let has_idle = false;
    for (const coordinator of poll_timer.coordinators) {
        if (coordinator.reader_count > 0) {
            coordinators.poll(coordinator);
        } else {
            has_idle = true;
        }
    }
    return has_idle;
}

function stop(poll_timer: PollTimer): void {
    poll_timer.is_running = false;
    const rest = poll_timer.coordinators;
    poll_timer.coordinators = [];
    for (const coordinator of rest) {
        poll_timer.is_polled.delete(coordinator);
        coordinators.resign(coordinator);
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
        if (poll_all(poll_timer)) {
            remove_idle(poll_timer);
        }
        if (now() - since > TIMER_LIFETIME && ngx.timer.at(0, run, poll_timer, turn)[0] !== undefined) {
            return;
        }
        ngx.sleep(poll_timer.interval);
    }
}

/** Makes sure that a coordinator with readers is polled. */
function ensure(poll_timer: PollTimer, coordinator: Coordinator): void {
    const time = now();
    const is_running = poll_timer.is_running && time - poll_timer.last_polled_at < DROPPED_AFTER;
    const is_polled = poll_timer.is_polled.has(coordinator);
    if ((is_running && is_polled) || coordinator.reader_count === 0 || ngx.worker.exiting()) {
        return;
    }
    if (!is_polled) {
        poll_timer.is_polled.add(coordinator);
        const all = poll_timer.coordinators;
        all.push(coordinator);
    }
    if (!is_running) {
        poll_timer.turn = poll_timer.turn + 1;
        poll_timer.last_polled_at = time;
        const [ok] = timers.at(0, run, poll_timer, poll_timer.turn);
        poll_timer.is_running = ok !== undefined;
        coordinators.set_polled(coordinator, poll_timer.is_running);
    }
}

export { create as new, ensure, type PollTimer };
