import * as wait from "./wait";

/** Converts the results of a protected call. nginx raises an error in a phase without timers, and returns nil and a text for others. */
function result_of(ok: boolean, started: unknown, err: unknown): Result<true> {
    if (!ok) {
        return $multi(undefined, tostring(started));
    }
    if (started === undefined) {
        return $multi(undefined, tostring(err));
    }
    return $multi(true);
}

/**
 * Creates a timer. Unlike `ngx.timer.at` it raises no error, and no time is too short or too long for it.
 * @returns true; or nil and why no timer can be created
 */
function at<Args extends unknown[]>(
    seconds: number,
    fn: (this: void, premature: boolean, ...args: Args) => void,
    ...args: Args
): Result<true> {
    const [ok, started, err] = protected_call(ngx.timer.at, wait.bounded(seconds), fn, ...args);
    return result_of(ok, started, err);
}

/** Creates a timer that runs as soon as nginx is idle. It must not create itself again. */
function start<Args extends unknown[]>(
    fn: (this: void, premature: boolean, ...args: Args) => void,
    ...args: Args
): Result<true> {
    const [ok, started, err] = protected_call(ngx.timer.at, 0, fn, ...args);
    return result_of(ok, started, err);
}

/** Creates a repeated timer. Unlike `ngx.timer.every` it raises no error. */
function every(seconds: number, fn: (this: void, premature: boolean) => void): Result<true> {
    const [ok, started, err] = protected_call(ngx.timer.every, wait.bounded(seconds), fn);
    return result_of(ok, started, err);
}

export { at, every, start };
