import * as clock from "../../base/clock";
import * as printable from "../../base/printable";

/** Seconds between two checks of a file. */
const CHECK_INTERVAL = 3;

/** A value loaded from files. */
interface Reloadable {
    /** Content of the files. */
    readonly source: string;
    /** Time at which the files were last read. */
    checked_at: number;
}

/**
 * Returns a value loaded from files, and reloads it if they have changed; checks at most every `CHECK_INTERVAL` seconds. If
 * loading fails, as while a file is being replaced, the previous value is kept.
 * @param known the previous value; nil if there is none
 * @param load loads the value from `from`, or returns `known` if the content is the same
 */
function reload_if_changed<T extends Reloadable, From>(
    known: T | undefined,
    load: (this: void, from: From, known: T | undefined) => Result<T>,
    from: From,
): Result<T> {
    const time = clock.now();
    if (known !== undefined && time - known.checked_at < CHECK_INTERVAL) {
        return $multi(known);
    }
    const [value, err] = load(from, known);
    if (value !== undefined) {
        value.checked_at = time;
        return $multi(value);
    }
    if (known === undefined) {
        return $multi(undefined, err as string);
    }
    ngx.log(ngx.WARN, printable.of(err), "; keeping the previously loaded file");
    known.checked_at = time;
    return $multi(known);
}

export { reload_if_changed, type Reloadable };
