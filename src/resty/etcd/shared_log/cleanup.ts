import * as clock from "../base/clock";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as logs from "./log";
import type { Log } from "./log";
import * as records from "./records";
import * as epoch_header from "./epoch_header";

const max = math.max;
const now = clock.now;

/** Epochs before the last cleanup that are cleaned again: a writer that was stopped can have stored a chunk there since. */
const REPEATED_EPOCHS = 16;
/** Epochs that are removed in one call at most: the numbers in the dict can be those of another program. */
const MAX_REMOVED = 8192;
/** Epochs for which the link of a removed epoch is kept, so that a late writer cannot link its own epoch there. */
const KEPT_LINKS = 4096;

/** Removes an epoch, except for the link to its successor. */
function remove_epoch(log: Log, epoch: number, slice: TimeSlice): void {
    const dict = log.dict;
    records.remove(dict, logs.key_of(log, epoch, "b"), slice);
    records.remove(dict, logs.key_of(log, epoch, "r"), slice);
    for (const part of ["h", "s", "c", "l"]) {
        dict.delete(logs.key_of(log, epoch, part));
    }
}

/**
 * Returns the epoch before which all epochs were removed; 0 if that is not known.
 * @param root the epoch whose base is in use, which was not removed
 */
function removed_before(log: Log, root: number): number {
    const epoch = logs.get_number(log, "swept");
    return epoch !== undefined && epoch <= root ? epoch : 0;
}

/** Returns when the base of an epoch was written, or nil if the epoch has no own base. */
function base_written_at(log: Log, epoch: number): number | undefined {
    const header = epoch_header.read(log, epoch);
    if (header === undefined || header.root !== epoch) {
        return undefined;
    }
    return header.created_at;
}

/** Returns the newest base of at least this age: readers had as long to move on from the epochs before it. */
function newest_base_of_age(log: Log, root: number, seconds: number): number | undefined {
    const oldest = max(removed_before(log, root), root - MAX_REMOVED);
    const written_by = now() - seconds;
    for (const epoch of $range(root, oldest + 1, -1)) {
        const written_at = base_written_at(log, epoch);
        if (written_at !== undefined && written_at <= written_by) {
            return epoch;
        }
    }
    return undefined;
}

/** Returns the oldest base before which something can be removed: those epochs are the least likely to have readers. */
function oldest_removable_base(log: Log, root: number): number {
    const oldest = max(removed_before(log, root), root - MAX_REMOVED);
    for (const epoch of $range(oldest + 1, root - 1)) {
        if (base_written_at(log, epoch) !== undefined) {
            return epoch;
        }
    }
    return root;
}

/** Reports whether there are epochs before `root` that were not removed yet. */
function can_remove(log: Log, root: number): boolean {
    return removed_before(log, root) < root;
}

/** Removes the epochs before `base`, the epoch of a base. */
function remove_before(log: Log, base: number, slice: TimeSlice): void {
    const removed = removed_before(log, base);
    const first = max(1, base - MAX_REMOVED);
    for (const epoch of $range(max(first, removed - REPEATED_EPOCHS), base - 1)) {
        remove_epoch(log, epoch, slice);
    }
    for (const epoch of $range(max(first, removed - KEPT_LINKS), base - 1 - KEPT_LINKS)) {
        log.dict.delete(logs.key_of(log, epoch, "n"));
    }
    if (base > removed) {
        logs.set_number(log, "swept", base);
    }
}

/** Removes a log that was abandoned. */
function remove_log(log: Log): void {
    const last = logs.get_number(log, "epochs") ?? 0;
    remove_before(log, last + 1, time_slice.start());
    for (const epoch of $range(max(0, last - KEPT_LINKS), last)) {
        log.dict.delete(logs.key_of(log, epoch, "n"));
    }
    logs.remove_counters(log);
}

export { can_remove, newest_base_of_age, oldest_removable_base, remove_before, remove_epoch, remove_log };
