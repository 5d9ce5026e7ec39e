/**
 * A function of the program that is called after changes, and on demand first with the current state. Its calls do not
 * overlap: a change that comes while the first call waits for something leads to another call after it.
 */
interface Listener {
    /** The first call has not returned. */
    is_starting: boolean;
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
    return { is_starting, has_changed: false, is_stopped: false, shown: NOTHING };
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

/** Reports whether the function must be called for a change now. If its first call runs, the change is noted instead. */
function accepts_change(listener: Listener): boolean {
    listener.has_changed = listener.is_starting;
    return !listener.is_starting && !listener.is_stopped;
}

function take_change(listener: Listener): boolean {
    const has_changed = listener.has_changed && !listener.is_stopped;
    listener.has_changed = false;
    return has_changed;
}

/**
 * Makes the first call, and repeats it until there was no change meanwhile.
 * @param call calls the function with the current state, and does not throw
 */
function start(listener: Listener, call: (this: void) => void): void {
    do {
        call();
    } while (take_change(listener));
    listener.is_starting = false;
}

export { accepts_change, accepts_state, create as new, start, type Listener };
