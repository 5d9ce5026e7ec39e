import * as clock from "../base/clock";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as logs from "./log";
import type { Log } from "./log";
import * as records from "./records";
import * as epoch_header from "./epoch_header";

const max = math.max;
const now = clock.now;

/** Epochs that are gone over once more: a writer that was stopped may have left a last piece there. */
const CLEANUP_INTERVAL = 16;
/** Epochs whose links are kept, so that a late writer cannot link to them. */
const LINKS = 4096;

/** Removes an epoch, but for the link to its successor. */
function remove_epoch(log: Log, epoch: number, slice: TimeSlice): void {
    const dict = log.dict;
    records.remove(dict, logs.key_of(log, epoch, "b"), slice);
    records.remove(dict, logs.key_of(log, epoch, "r"), slice);
    for (const what of ["h", "s", "c", "l"]) {
        dict.delete(logs.key_of(log, epoch, what));
    }
}

/** The newest base that is there for so many seconds: for as long readers could leave what is before it. */
function settled(log: Log, root: number, seconds: number): number | undefined {
    const swept = logs.number_at(log, "swept") ?? root;
    const made_by = now() - seconds;
    for (const epoch of $range(root, swept + 1, -1)) {
        const start = epoch_header.read(log, epoch);
        if (start !== undefined && start.root === epoch && start.made_at <= made_by) {
            return epoch;
        }
    }
    return undefined;
}

/** The oldest base that was not swept to: of what may be removed, what is before it is missed least. */
function oldest(log: Log, root: number): number {
    const swept = logs.number_at(log, "swept") ?? root;
    for (const epoch of $range(swept + 1, root - 1)) {
        const start = epoch_header.read(log, epoch);
        if (start !== undefined && start.root === epoch) {
            return epoch;
        }
    }
    return root;
}

/** True if there are epochs before `root` that were not removed yet. */
function is_due(log: Log, root: number): boolean {
    return (logs.number_at(log, "swept") ?? root) < root;
}

/** Removes the epochs before `root`. */
function before(log: Log, root: number, slice: TimeSlice): void {
    const swept = logs.number_at(log, "swept") ?? 0;
    for (const epoch of $range(max(1, swept - CLEANUP_INTERVAL), root - 1)) {
        remove_epoch(log, epoch, slice);
    }
    for (const epoch of $range(max(1, swept - LINKS), root - 1 - LINKS)) {
        log.dict.delete(logs.key_of(log, epoch, "n"));
    }
    if (root > swept) {
        logs.set_number(log, "swept", root);
    }
}

/** Removes a log that was given up. */
function all(log: Log): void {
    const last = logs.number_at(log, "epochs") ?? 0;
    before(log, last + 1, time_slice.start());
    for (const epoch of $range(max(0, last - LINKS), last)) {
        log.dict.delete(logs.key_of(log, epoch, "n"));
    }
    logs.forget(log);
}

export { all, before, is_due, oldest, remove_epoch, settled };
