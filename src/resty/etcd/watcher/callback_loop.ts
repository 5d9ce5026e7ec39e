import * as error_text from "../base/error_text";
import type { EtcdError, MethodResult } from "../protocol/errors";
import type { Mutable } from "../base/mutable";
import * as timer_loops from "../base/timer_loop";
import type { TimerLoop } from "../base/timer_loop";
import type { WatchBatch } from "./batch";

/** Maximum seconds of a wait for a batch, so that the turn notices a successor of its timer and the worker's exit. */
const POLL_INTERVAL = 1;
/** Work units of a callback for base/timer_loop: what a user's function allocates of nginx's memory is unknown. */
const CALLBACK_WORK = 10;

type OnBatch = (this: void, batch: WatchBatch | undefined, err?: string, details?: EtcdError) => unknown;

/** Where batches come from. */
interface Source {
    next(timeout?: number): MethodResult<WatchBatch>;
    close(): unknown;
}

/** Calls a user's function with the batches of a watcher. Written by this file. */
interface CallbackLoop {
    readonly source: Source;
    readonly on_batch: OnBatch;
    /** Private, because the function can terminate its timer. */
    readonly loop: TimerLoop | undefined;
    /** How often the function raised an error, or terminated its timer. */
    readonly errors: number;
}

type State = Mutable<CallbackLoop>;

function note_error(callback_loop: State, text: string): void {
    callback_loop.errors = callback_loop.errors + 1;
    ngx.log(ngx.ERR, "on_batch of a watcher: ", text);
}

/** Calls the user's function. The watcher continues if it raises an error. */
function call_back(callback_loop: State, batch: WatchBatch | undefined, err?: string, details?: EtcdError): void {
    const [ok, thrown] = protected_call(callback_loop.on_batch, batch, err, details);
    if (!ok) {
        note_error(callback_loop, error_text.of(thrown, "an error without text"));
    }
    timer_loops.note_work(callback_loop.loop!, CALLBACK_WORK);
}

/** Calls the function until the watcher ends, the worker is exiting, or another timer continues. */
function run(callback_loop: State): number | undefined {
    const source = callback_loop.source;
    while (!ngx.worker.exiting()) {
        const [batch, err, details] = source.next(POLL_INTERVAL);
        if (batch !== undefined) {
            call_back(callback_loop, batch);
        } else if (details.name !== "timeout") {
            if (details.name !== "closed") {
                call_back(callback_loop, undefined, err, details);
            }
            return undefined;
        }
        if (timer_loops.must_hand_over(callback_loop.loop!)) {
            return 0;
        }
    }
    source.close();
    return undefined;
}

/** Has a function called with each batch, in timers, until the source ends or the worker is exiting. */
function create(source: Source, on_batch: OnBatch): Result<CallbackLoop> {
    const callback_loop: State = { source, on_batch, loop: undefined, errors: 0 };
    callback_loop.loop = timer_loops.new("on_batch of a watcher", () => run(callback_loop), {
        is_private: true,
        on_terminated: () => {
            note_error(callback_loop, "the callback terminated its timer");
        },
    });
    const [ok, err] = timer_loops.start(callback_loop.loop, 0);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    return $multi(callback_loop);
}

export { create as new, type CallbackLoop };
