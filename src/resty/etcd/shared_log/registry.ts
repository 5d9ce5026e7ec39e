import * as clock from "../base/clock";
import * as dict_values from "../base/dict_values";
import * as cleanup from "./cleanup";
import * as logs from "./log";
import type { LogDict } from "./records";

/*
 * The logs in a dict, whatever their content. A log whose identity is not used any more, because nginx was reloaded with
 * other endpoints, would otherwise keep its memory for good. Each worker that has readers of a log notes the time, whether
 * it writes or not: a log without such a note for `UNUSED_AFTER` has no users in any generation of workers. If one
 * continues that was stopped for longer, it finds no log and creates another one, as after a loss of the dict.
 */

const min = math.min;
const now = clock.now;

/** Version of the keys, which is a part of them. */
const PREFIX = "etcd logs 1|";
/** Maximum number of slots: the number in the dict can be that of another program. */
const MAX_SLOTS = 1000;
/** Maximum bytes of a namespace, and what it looks like, see open. */
const MAX_NAMESPACE = 128;
const NAMESPACE = "^.*|$";
/** Seconds that a time of another worker can be later than now: a worker can be interrupted between two operations. */
const CLOCK_TOLERANCE = 1;
/** Seconds between two notes that a log is used. */
const NOTE_INTERVAL = 5;
/** Seconds without a note after which a log is removed: reloads and restarts of mirrors take less. */
const UNUSED_AFTER = 60;
/** Seconds between two searches for logs that are not used, of all workers. */
const SEARCH_INTERVAL = 10;
/**
 * Seconds after the last search after which the next one removes nothing: all workers were stopped, for example by a
 * freezer of containers, and have not noted yet which logs they use. Less than UNUSED_AFTER.
 */
const MAX_SEARCH_DELAY = 30;

function slot_key(slot: number): string {
    return `${PREFIX}${slot}`;
}

function used_key(namespace: string): string {
    return `${namespace}used`;
}

/** Returns a time of the clock of all workers; nil if it is missing, or later than now. */
function get_time(dict: LogDict, key: string): number | undefined {
    return dict_values.get_time(dict, key, now(), CLOCK_TOLERANCE);
}

/** Returns the highest slot that was ever used. */
function last_slot(dict: LogDict): number {
    return min(dict_values.get_integer(dict, `${PREFIX}slots`) ?? 0, MAX_SLOTS);
}

/** Returns the namespace of a log in a slot; nil if there is none: its keys are removed, so no other text is one. */
function namespace_in(dict: LogDict, slot: number): string | undefined {
    const [namespace] = string.match(dict_values.get_line(dict, slot_key(slot), MAX_NAMESPACE) ?? "", NAMESPACE);
    return namespace;
}

/** Raises the number of the highest slot. Another program can have put something else there. */
function note_slot(dict: LogDict, last: number, slot: number): void {
    const key = `${PREFIX}slots`;
    dict.safe_add(key, 0);
    if (dict_values.get_integer(dict, key) === undefined) {
        dict.safe_set(key, slot);
        return;
    }
    for (const _ of $range(last + 1, slot)) {
        dict_values.increment(dict, key, 1);
    }
}

/**
 * Puts a log into the first free slot, unless it has one.
 * @returns false if the dict has no room for it
 */
function register(dict: LogDict, namespace: string): boolean {
    const last = last_slot(dict);
    for (const slot of $range(1, last)) {
        if (namespace_in(dict, slot) === namespace) {
            return true;
        }
    }
    for (const slot of $range(1, MAX_SLOTS)) {
        const [ok, err] = dict.safe_add(slot_key(slot), namespace);
        if (ok) {
            note_slot(dict, last, slot);
            return true;
        }
        if (err !== "exists") {
            return false;
        }
    }
    return false;
}

/** Notes that a worker has readers of a log. */
function note_used(dict: LogDict, namespace: string): void {
    const key = used_key(namespace);
    const used_at = get_time(dict, key);
    if (used_at === undefined) {
        if (register(dict, namespace)) {
            dict.safe_set(key, now());
        }
    } else if (now() - used_at >= NOTE_INTERVAL) {
        dict.safe_set(key, now());
    }
}

/** Removes the log of a namespace. Who comes meanwhile finds no current log, and creates another one. */
function remove(dict: LogDict, namespace: string, slot: number): void {
    const log = logs.current(dict, namespace);
    logs.forget_current(dict, namespace);
    dict.delete(slot_key(slot));
    dict.delete(used_key(namespace));
    if (log !== undefined) {
        cleanup.remove_log(log);
    }
    ngx.log(ngx.NOTICE, "shared watch log: removed a log that no worker has used for ", UNUSED_AFTER, " s");
}

/** Reports whether it is time for a search, which then is this worker's. */
function try_start_search(dict: LogDict): boolean {
    const key = `${PREFIX}searched`;
    const searched_at = get_time(dict, key);
    if (searched_at === undefined) {
        dict.safe_set(key, now()); // overwritten in place from then on
        return false;
    }
    const seconds = now() - searched_at;
    if (seconds < SEARCH_INTERVAL) {
        return false;
    }
    dict.safe_set(key, now());
    return seconds < MAX_SEARCH_DELAY;
}

/** Removes the logs in the dict that are not used. */
function remove_unused(dict: LogDict): void {
    if (!try_start_search(dict)) {
        return;
    }
    for (const slot of $range(1, last_slot(dict))) {
        const namespace = namespace_in(dict, slot);
        if (namespace !== undefined) {
            const used_at = get_time(dict, used_key(namespace));
            if (used_at === undefined) {
                dict.safe_set(used_key(namespace), now()); // another program has removed it: the time counts from now on
            } else if (now() - used_at > UNUSED_AFTER) {
                remove(dict, namespace, slot);
            }
        }
    }
}

export { note_used, remove_unused };
