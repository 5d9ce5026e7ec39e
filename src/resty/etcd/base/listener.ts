import * as clock from "./clock";
import * as timers from "./timers";

const now = clock.now;

/**
 * Seconds after which a first call that has not returned no longer delays the calls for changes. It runs in the light
 * thread of the program, which is killed with its request, for example if the function ends the request. The first call then
 * never returns.
 */
const MAX_START = 5;

/**
 * A function of the program that is called after changes, and on demand first with the current state. A change that comes
 * while the first call waits for something leads to another call after it, so that they do not overlap.
 */
interface Listener {
    /** The first call has not returned. */
    is_starting: boolean;
    started_at: number;
    /** Calls the function with the current state; nil without a first call. */
    call: ((this: void) => void) | undefined;
    /** There was a change since the first call, or the latest repetition of it, began. */
    has_changed: boolean;
    /** The function is not called any more. */
    is_stopped: boolean;
    /** The state that the function was called with last: a table that is replaced at each change. */
    shown: unknown;
}

/** Different from every state. */
const NOTHING = {};

function create(is_starting: boolean): Listener {
    const listener: Listener = {
        is_starting,
        started_at: now(),
        call: undefined,
        has_changed: false,
        is_stopped: false,
        shown: NOTHING,
    };
    return listener;
}

/**
 * Reports whether the function has not been called with a state yet, and notes that it is called now. Changes are
 * visible before they are reported, so a call can already show the state after the next change.
 */
function accepts_state(listener: Listener, state: unknown): boolean {
    const is_new = state !== listener.shown;
    listener.shown = state;
    return is_new;
}

function take_change(listener: Listener): boolean {
    const has_changed = listener.has_changed && !listener.is_stopped;
    listener.has_changed = false;
    return has_changed;
}

/** Reports whether the first call runs; from `MAX_START` on it counts as killed. */
function is_delayed(listener: Listener): boolean {
    if (listener.is_starting && now() - listener.started_at >= MAX_START) {
        listener.is_starting = false;
    }
    return listener.is_starting;
}

/** Calls the function for a change that the first call has delayed, unless the first call has returned. */
function call_delayed(this: void, premature: boolean, listener: Listener): void {
    if (listener.is_starting && !premature) {
        listener.is_starting = false;
        const call = listener.call;
        if (call !== undefined && take_change(listener)) {
            call();
        }
    }
}

/** Reports whether the function must be called for a change now. If its first call runs, the change is noted instead. */
function accepts_change(listener: Listener): boolean {
    if (!is_delayed(listener)) {
        return !listener.is_stopped;
    }
    if (!listener.has_changed) {
        listener.has_changed = true;
        const [ok] = timers.at(listener.started_at + MAX_START - now(), call_delayed, listener);
        if (ok === undefined) {
            listener.is_starting = false; // calls that overlap are better than a change that is lost
            return !listener.is_stopped;
        }
    }
    return false;
}

/**
 * Makes the first call, and repeats it until there was no change meanwhile.
 * @param call calls the function with the current state, and does not throw
 */
function start(listener: Listener, call: (this: void) => void): void {
    listener.call = call;
    do {
        call();
    } while (take_change(listener) && listener.is_starting);
    listener.is_starting = false;
}

export { accepts_change, accepts_state, create as new, start, type Listener };
