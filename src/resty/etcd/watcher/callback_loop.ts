import * as clock from "../base/clock";
import type { EtcdError } from "../protocol/errors";
import * as watchdog from "../base/watchdog";
import type { Heartbeat } from "../base/watchdog";
import * as timers from "../base/timers";
import type { WatchBatch } from "./batch";

const now = clock.now;

/** nginx frees what a timer took when it ends, so callbacks go on in another one after so many batches. */
const BATCHES_PER_TIMER = 1000;
/** A timer that waits for batches looks up so often, in seconds. */
const POLL_INTERVAL = 1;
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
    readonly run: (this: void, premature: boolean, loop: CallbackLoop, id: number) => void;
    /** Timers so far: they are numbered. */
    timers: number;
    /** The timer that may push. */
    turn: number;
    /** Times that the callback threw, or ended its timer. */
    errors: number;
}

function note_error(loop: CallbackLoop, text: string): void {
    loop.errors = loop.errors + 1;
    ngx.log(ngx.ERR, "on_batch of a watcher: ", text);
}

/** Calls back; whatever the user's function does, the stream goes on. */
function call_back(loop: CallbackLoop, batch: WatchBatch | undefined, err: EtcdError | undefined): void {
    const [ok, thrown] = protected_call(loop.on_batch, batch, err);
    if (!ok) {
        const [has_text, text] = protected_call(tostring, thrown);
        note_error(loop, has_text && typeof text === "string" ? text : "an error without text");
    }
}

/** Gives the turn to a new timer. */
function start(loop: CallbackLoop): Result<true> {
    const id = loop.timers + 1;
    const [ok, err] = timers.at(0, loop.run, loop, id);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    loop.timers = id;
    loop.turn = id;
    loop.running = false;
    loop.missed = 0;
    return $multi(true);
}

function is_running(loop: CallbackLoop): boolean {
    return loop.running;
}

/** Hands over to a new timer; false if nginx has dropped that. */
function hand_over(loop: CallbackLoop): boolean {
    const own = loop.turn;
    if (start(loop)[0] === undefined) {
        return false;
    }
    const give_up = now() + START_TIME;
    while (!is_running(loop) && now() < give_up) {
        ngx.sleep(0.005);
    }
    if (is_running(loop)) {
        return true;
    }
    loop.turn = own;
    loop.running = true;
    return false;
}

/** Calls back with what comes. */
function work(loop: CallbackLoop): void {
    let count = 0;
    while (true) {
        const [batch, err] = loop.source.next(POLL_INTERVAL);
        if (batch !== undefined) {
            call_back(loop, batch, undefined);
            count = count + 1;
        } else if (err.name !== "timeout") {
            watchdog.release(loop);
            if (err.name !== "closed") {
                call_back(loop, undefined, err);
            }
            return;
        }
        if (ngx.worker.exiting()) {
            loop.source.close();
            watchdog.release(loop);
            return;
        }
        if (count >= BATCHES_PER_TIMER) {
            if (hand_over(loop)) {
                return;
            }
            count = 0;
        }
    }
}

function run(premature: boolean, loop: CallbackLoop, id: number): void {
    if (id !== loop.turn) {
        return; // it comes too late
    }
    if (premature) {
        loop.source.close();
        watchdog.release(loop);
        return;
    }
    const signs = watchdog.start_heartbeat(loop);
    work(loop);
    ngx.thread.kill(signs);
}

/**
 * Has a function called with each batch, in timers, until the source has no more or the worker ends.
 * @returns what it has come to so far
 */
function create(source: Source, on_batch: OnBatch): Result<CallbackLoop> {
    const loop: CallbackLoop = { source, on_batch, run, timers: 0, turn: 0, running: false, missed: 0, errors: 0 };
    const [ok, err] = start(loop);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    const [kept, keep_err] = watchdog.supervise(loop, had_begun => {
        if (had_begun) {
            note_error(loop, "it has ended its timer");
        }
        start(loop);
    });
    if (kept === undefined) {
        return $multi(undefined, keep_err);
    }
    return $multi(loop);
}

export { create as new, type CallbackLoop };
