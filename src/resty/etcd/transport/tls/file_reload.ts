import * as clock from "../../base/clock";

/** Files are not looked at more often, in seconds. */
const RECHECK = 3;

/** What was made of files. */
interface Reloadable {
    /** What was in them. */
    readonly source: string;
    /** When that was last read. */
    checked_at: number;
}

function read_file(path: string): Result<string> {
    const [file, err] = io.open(path, "rb");
    if (file === undefined) {
        return $multi(undefined, err);
    }
    const text: string | undefined = file.read("*a");
    file.close();
    if (text === undefined) {
        return $multi(undefined, `${path}: cannot be read`); // a directory
    }
    return $multi(text);
}

/**
 * What was made of files, up to date. To be called at handshakes: files that have changed are noticed within `RECHECK`
 * seconds; while nothing can be made of them, as in the middle of their replacement, what there was serves.
 * @param known what there is already
 * @param load makes it of `from`, or returns `known` if its source is the same
 */
function reload_if_changed<T extends Reloadable, From>(
    known: T | undefined,
    load: (this: void, from: From, known: T | undefined) => Result<T>,
    from: From,
): Result<T> {
    const time = clock.now();
    if (known !== undefined && time - known.checked_at < RECHECK) {
        return $multi(known);
    }
    const [made, err] = load(from, known);
    if (made !== undefined) {
        made.checked_at = time;
        return $multi(made);
    }
    if (known === undefined) {
        return $multi(undefined, err as string);
    }
    ngx.log(ngx.WARN, err, ": what was read before still serves");
    known.checked_at = time;
    return $multi(known);
}

export { read_file, reload_if_changed, type Reloadable };
