import type { Mutable } from "../base/mutable";
import * as timer_loop from "../base/timer_loop";
import type { TimerLoop } from "../base/timer_loop";
import * as waits from "../base/wait";
import * as coordinators from "./coordinator";
import type { Coordinator } from "./coordinator";

/** Polls all logs of a worker in one loop: its wakeups are the cost, not the polls. */
interface PollTimer {
    /** Seconds between two rounds. */
    readonly interval: number;
    readonly loop: TimerLoop;
    /** Those that have readers, and those that have just lost the last one. */
    readonly coordinators: Coordinator[];
    readonly is_polled: LuaSet<Coordinator>;
}

type State = Mutable<PollTimer>;

/** Removes coordinators, which resign. */
function remove(poll_timer: PollTimer, removed: Coordinator[]): void {
    for (const coordinator of removed) {
        poll_timer.is_polled.delete(coordinator);
    }
    for (const coordinator of removed) {
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

/** Removes coordinators that have no readers any more. */
function remove_idle(poll_timer: State): void {
    const busy: Coordinator[] = [];
    const idle: Coordinator[] = [];
    for (const coordinator of poll_timer.coordinators) {
        if (coordinator.reader_count > 0) {
            busy.push(coordinator);
        } else {
            idle.push(coordinator);
        }
    }
    poll_timer.coordinators = busy;
    remove(poll_timer, idle);
}

/** Polls until there are no readers any more, or the worker is exiting: the coordinators then resign. */
function run(poll_timer: State): number | undefined {
    while (poll_timer.coordinators.length > 0) {
        if (ngx.worker.exiting()) {
            const all = poll_timer.coordinators;
            poll_timer.coordinators = [];
            remove(poll_timer, all);
            return undefined;
        }
        if (poll_all(poll_timer)) {
            remove_idle(poll_timer);
        }
        if (timer_loop.must_hand_over(poll_timer.loop)) {
            return 0;
        }
        waits.sleep(poll_timer.interval);
    }
    return undefined;
}

/** @param interval seconds between two rounds */
function create(interval: number): PollTimer {
    const poll_timer: PollTimer = {
        interval,
        loop: timer_loop.new("shared watch log", () => run(poll_timer), {}),
        coordinators: [],
        is_polled: new LuaSet(),
    };
    return poll_timer;
}

/** Makes sure that a coordinator with readers is polled. */
function ensure(poll_timer: PollTimer, coordinator: Coordinator): void {
    if (coordinator.reader_count === 0 || ngx.worker.exiting()) {
        return;
    }
    const is_polled = poll_timer.is_polled.has(coordinator);
    if (!is_polled) {
        poll_timer.is_polled.add(coordinator);
        const all = poll_timer.coordinators;
        all.push(coordinator);
    }
    if (!poll_timer.loop.is_started) {
        const [ok] = timer_loop.start(poll_timer.loop, 0);
        coordinators.set_polled(coordinator, ok !== undefined);
    }
}

export { create as new, ensure, type PollTimer };
