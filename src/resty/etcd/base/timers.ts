/** What nginx answers: a number, or nil and why there is no timer. It throws in a phase without timers. */
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
 * Has a function called by a timer: `ngx.timer.at`, without its errors being raised.
 * @returns true; or nil and why there is no timer
 */
function at<Args extends unknown[]>(
    seconds: number,
    fn: (this: void, premature: boolean, ...args: Args) => void,
    ...args: Args
): Result<true> {
    const [ok, started, err] = protected_call(ngx.timer.at, seconds, fn, ...args);
    return result_of(ok, started, err);
}

/** The same for `ngx.timer.every`. */
function every(seconds: number, fn: (this: void, premature: boolean) => void): Result<true> {
    const [ok, started, err] = protected_call(ngx.timer.every, seconds, fn);
    return result_of(ok, started, err);
}

export { at, every };
