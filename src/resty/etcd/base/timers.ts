/**
 * Has a function called by a timer. `ngx.timer.at`, but for a worker's last phase, where that throws.
 * @returns true; or nil and why there is no timer
 */
function at<Args extends unknown[]>(
    seconds: number,
    fn: (this: void, premature: boolean, ...args: Args) => void,
    ...args: Args
): Result<true> {
    const [ok, started, err] = protected_call(ngx.timer.at, seconds, fn, ...args);
    if (!ok) {
        return $multi(undefined, tostring(started));
    }
    if (started === undefined) {
        return $multi(undefined, tostring(err));
    }
    return $multi(true);
}

export { at };
