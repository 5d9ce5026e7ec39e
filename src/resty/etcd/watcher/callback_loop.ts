import * as clock from "../base/clock";
import type { EtcdError } from "../protocol/errors";
import * as watchdog from "../base/watchdog";
import type { Heartbeat } from "../base/watchdog";
import * as timers from "../base/timers";
import type { WatchBatch } from "./batch";

const now = clock.now;
const guard = pcall as unknown as GuardedCall;

/** nginx frees what a timer took when it ends, so callbacks go on in another one after so many batches. */
const BATCHES_PER_TIMER = 1000;
/** A timer that waits for batches looks up so often, in seconds. */
const LOOK = 1;
/** How long a timer may take to start: nginx drops timers when too many of them run. */
const START_TIME = 1;

type OnBatch = (this: void, batch: WatchBatch | undefined, err?: EtcdError) => unknown;

/** Where batches come from. */
interface Source {
    next(timeout?: number): Result<WatchBatch, EtcdError>;
    close(): unknown;
}

/** Gives the batches of a watcher to a callback, in one timer after the other. */
interface CallbackLoop extends Heartbeat {
    readonly source: Source;
    readonly on_batch: OnBatch;
    /** What a timer does. */
    readonly run: (this: void, premature: boolean, push: CallbackLoop, id: number) => void;
    /** Timers so far: they are numbered. */
    timers: number;
    /** The timer that may push. */
    turn: number;
    /** Times that the callback threw, or ended its timer. */
    errors: number;
}

function note_error(push: CallbackLoop, text: string): void {
    push.errors = push.errors + 1;
    ngx.log(ngx.ERR, "on_batch of a watcher: ", text);
}

/** Calls back; whatever the user's function does, the stream goes on. */
function call_back(push: CallbackLoop, batch: WatchBatch | undefined, err: EtcdError | undefined): void {
    const [ok, thrown] = guard(push.on_batch, batch, err);
    if (!ok) {
        const [has_text, text] = guard(tostring, thrown);
        note_error(push, has_text && typeof text === "string" ? text : "an error without text");
    }
}

/** Gives the turn to a new timer. */
function start(push: CallbackLoop): Result<true> {
    const id = push.timers + 1;
    const [ok, err] = timers.at(0, push.run, push, id);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    push.timers = id;
    push.turn = id;
    push.running = false;
    push.missed = 0;
    return $multi(true);
}

function is_running(push: CallbackLoop): boolean {
    return push.running;
}

/** Hands over to a new timer; false if nginx has dropped that. */
function hand_over(push: CallbackLoop): boolean {
    const own = push.turn;
    if (start(push)[0] === undefined) {
        return false;
    }
    const give_up = now() + START_TIME;
    while (!is_running(push) && now() < give_up) {
        ngx.sleep(0.005);
    }
    if (is_running(push)) {
        return true;
    }
    push.turn = own;
    push.running = true;
    return false;
}

/** Calls back with what comes. */
function work(push: CallbackLoop): void {
    let count = 0;
    while (true) {
        const [batch, err] = push.source.next(LOOK);
        if (batch !== undefined) {
            call_back(push, batch, undefined);
            count = count + 1;
        } else if (err.name !== "timeout") {
            watchdog.release(push);
            if (err.name !== "closed") {
                call_back(push, undefined, err);
            }
            return;
        }
        if (ngx.worker.exiting()) {
            push.source.close();
            watchdog.release(push);
            return;
        }
        if (count >= BATCHES_PER_TIMER) {
            if (hand_over(push)) {
                return;
            }
            count = 0;
        }
    }
}

function run(premature: boolean, push: CallbackLoop, id: number): void {
    if (id !== push.turn) {
        return; // it comes too late
    }
    if (premature) {
        push.source.close();
        watchdog.release(push);
        return;
    }
    const signs = watchdog.start_heartbeat(push);
    work(push);
    ngx.thread.kill(signs);
}

/**
 * Has a function called with each batch, in timers, until the source has no more or the worker ends.
 * @returns what it has come to so far
 */
function create(source: Source, on_batch: OnBatch): Result<CallbackLoop> {
    const push: CallbackLoop = { source, on_batch, run, timers: 0, turn: 0, running: false, missed: 0, errors: 0 };
    const [ok, err] = start(push);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    const [kept, keep_err] = watchdog.supervise(push, had_begun => {
        if (had_begun) {
            note_error(push, "it has ended its timer");
        }
        start(push);
    });
    if (kept === undefined) {
        return $multi(undefined, keep_err);
    }
    return $multi(push);
}

export { create as new, type CallbackLoop };
