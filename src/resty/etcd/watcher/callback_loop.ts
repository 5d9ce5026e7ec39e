import * as error_text from "../base/error_text";
import type { EtcdError, MethodResult } from "../protocol/errors";
import type { Mutable } from "../base/mutable";
import * as timer_loops from "../base/timer_loop";
import type { TimerLoop } from "../base/timer_loop";
import * as printable from "../base/printable";
import type { WatchBatch } from "./batch";

/** Maximum seconds of a wait for a batch, so that the turn notices a successor of its timer and the worker's exit. */
const POLL_INTERVAL = 1;

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
    readonly loop: TimerLoop | undefined;
    /** The function has not returned yet. */
    readonly is_calling: boolean;
    /** How often the function raised an error, or terminated its timer. */
    readonly errors: number;
}

type State = Mutable<CallbackLoop>;

function note_error(callback_loop: State, text: string): void {
    callback_loop.errors = callback_loop.errors + 1;
    ngx.log(ngx.ERR, "on_batch of a watcher: ", printable.of(text));
}

/** Calls the user's function. The watcher continues if it raises an error. */
function call_back(callback_loop: State, batch: WatchBatch | undefined, err?: string, details?: EtcdError): void {
    callback_loop.is_calling = true;
    const [ok, thrown] = protected_call(callback_loop.on_batch, batch, err, details);
    callback_loop.is_calling = false;
    if (!ok) {
        note_error(callback_loop, error_text.of(thrown, "an error without text"));
    }
    timer_loops.note_leftovers(callback_loop.loop!, 1); // what the function has made is unknown
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

/**
 * Handles that the timer was terminated: by the function, unless it was not running. A batch that it was called with is
 * not repeated.
 */
function on_terminated(callback_loop: State): boolean {
    const was_calling = callback_loop.is_calling;
    callback_loop.is_calling = false;
    if (was_calling) {
        note_error(callback_loop, "the callback terminated its timer");
    }
    return was_calling;
}

/** Has a function called with each batch, in timers, until the source ends or the worker is exiting. */
function create(source: Source, on_batch: OnBatch): Result<CallbackLoop> {
    const callback_loop: State = { source, on_batch, loop: undefined, is_calling: false, errors: 0 };
    callback_loop.loop = timer_loops.new("on_batch of a watcher", () => run(callback_loop), {
        pool: "user_functions",
        on_terminated: () => on_terminated(callback_loop),
    });
    const [ok, err] = timer_loops.start(callback_loop.loop, 0);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    return $multi(callback_loop);
}

export { create as new, type CallbackLoop };
