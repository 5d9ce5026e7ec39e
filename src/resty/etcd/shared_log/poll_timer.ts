import * as clock from "../base/clock";
import * as coordinator from "./coordinator";
import type { Coordinator } from "./coordinator";
import * as timers from "../base/timers";

const now = clock.now;
const guard = pcall as unknown as GuardedCall;

/** Seconds after which a timer that has not been heard of is lost: nginx drops timers when there are too many. */
const LOST = 2;
/** Seconds after which the work goes on in a new timer: what nginx keeps for one is only freed when it ends. */
const SHIFT = 300;
/** Seconds for which a hub rests that has thrown. */
const REST = 1;

/** Looks around for all hubs of a worker, in one timer: waking up is what costs, not what is looked at then. */
interface Ticker {
    /** Seconds between two rounds. */
    readonly interval: number;
    /** Those that have readers. */
    hubs: Coordinator[];
    /** Of the timer at work; one of an earlier turn ends. */
    turn: number;
    is_running: boolean;
    ticked: number;
}

function create(interval: number): Ticker {
    return { interval, hubs: [], turn: 0, is_running: false, ticked: 0 };
}

function tick(hub: Coordinator): void {
    const time = now();
    if (time < hub.rests_until) {
        return;
    }
    const [ok, err] = guard(coordinator.tick, hub);
    if (!ok) {
        hub.rests_until = time + REST;
        ngx.log(ngx.ERR, "shared log of watches: ", err);
    }
}

/** Lets those go that nobody reads from any more. */
function drop_idle(ticker: Ticker): void {
    const busy: Coordinator[] = [];
    const idle: Coordinator[] = [];
    for (const hub of ticker.hubs) {
        if (hub.reader_count > 0) {
            busy.push(hub);
        } else {
            hub.is_ticking = false;
            idle.push(hub);
        }
    }
    ticker.hubs = busy;
    for (const hub of idle) {
        coordinator.leave(hub);
    }
}

/** One round; true if there is nothing to do any more for some. */
function go_round(ticker: Ticker): boolean {
    let is_idle = false;
    for (const hub of ticker.hubs) {
        if (hub.reader_count > 0) {
            tick(hub);
        } else {
            is_idle = true;
        }
    }
    return is_idle;
}

function stop(ticker: Ticker): void {
    ticker.is_running = false;
    const left = ticker.hubs;
    ticker.hubs = [];
    for (const hub of left) {
        hub.is_ticking = false;
        coordinator.leave(hub);
    }
}

function run(_premature: boolean, ticker: Ticker, turn: number): void {
    const since = now();
    while (ticker.turn === turn) {
        if (ticker.hubs.length === 0 || ngx.worker.exiting()) {
            stop(ticker);
            return;
        }
        ticker.ticked = now();
        if (go_round(ticker)) {
            drop_idle(ticker);
        }
        if (now() - since > SHIFT && ngx.timer.at(0, run, ticker, turn)[0] !== undefined) {
            return;
        }
        ngx.sleep(ticker.interval);
    }
}

/** Sees to it that a hub with readers is ticking. */
function ensure(ticker: Ticker, hub: Coordinator): void {
    const time = now();
    const is_running = ticker.is_running && time - ticker.ticked < LOST;
    if ((is_running && hub.is_ticking) || hub.reader_count === 0 || ngx.worker.exiting()) {
        return;
    }
    if (!hub.is_ticking) {
        hub.is_ticking = true;
        const all = ticker.hubs;
        all.push(hub);
    }
    if (!is_running) {
        ticker.turn = ticker.turn + 1;
        ticker.ticked = time;
        const [ok] = timers.at(0, run, ticker, ticker.turn);
        ticker.is_running = ok !== undefined;
        hub.is_alone = ok === undefined && hub.log === undefined;
    }
}

export { create as new, ensure, type Ticker };
