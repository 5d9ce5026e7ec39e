import * as clock from "../base/clock";
import * as decimal from "../base/decimal";
import * as dict_values from "../base/dict_values";
import * as random from "../base/random";
import type { LogDict } from "./records";

/**
 * The log in the shared dict: a chain of epochs, each with one writer.
 *
 * An epoch has a head (the number of its last published chunk), records in numbered chunks, and a header (the state that
 * it starts from). It can have a base (all keys as of its start) and a link to its successor. To write, a worker creates
 * its own epoch, complete except for the link that leads to it, seals the last epoch of the chain, and links its own
 * epoch behind it. A worker that takes over from a dead writer and a writer that compacts its log do the same.
 *
 * Why no event is lost, delivered twice or torn, wherever a worker is stopped or killed:
 * - Only the writer that created an epoch writes its chunks, and it never writes a published chunk again. One `incr` of
 *   the head publishes chunks after all of them are stored. Readers read published chunks only.
 * - Sealing is an `incr` of the same head, by SEAL. What the `incr` returns with which a writer publishes therefore shows
 *   it whether its epoch was sealed before. A writer that was stopped meanwhile counts nothing as published, and stops.
 * - A link names the last chunk of the sealed epoch that counts. It is written with `safe_add`, so that only one of
 *   several successors succeeds. Readers of a sealed epoch wait for its link. Chunks whose `incr` came after the seal are
 *   complete, so it does not matter whether the link counts them: the successor continues after those that it counts.
 * - Epochs before one with a base are removed only after that one was linked. A late writer can remove only epochs
 *   before its own base, which the current chain does not need. A reader that is still there starts again at the root.
 * - The root, the epoch where reading starts, is a hint. A late writer can set it back to an epoch that was removed.
 *   The current writer corrects it with its next heartbeat, because it knows the root from its epoch's header.
 * - A link is kept while thousands of epochs follow, so that the `safe_add` of a late writer fails for that long.
 * - Counters are overwritten in place, which needs no memory: the log can be marked as broken even in a full dict.
 * A missing key is detected by its number, whatever has removed it, and a changed one by its checksum. The log is then
 * abandoned, and replaced by one with another name.
 *
 * Each operation on the dict is atomic. If a worker dies during one, nginx's master releases the lock of the dict. A
 * worker that is stopped during one blocks all users of the dict until it continues; only nginx could change that.
 */
interface Log {
    readonly dict: LogDict;
    /** Prefix of the keys of all logs that replace one another. */
    readonly namespace: string;
    /** Prefix of this log's keys. No two logs have the same. */
    readonly name: string;
}

/** The way from an epoch to its successor. */
interface Link {
    /** The successor. */
    to: number;
    /** Last chunk of the sealed epoch that counts. */
    at: number;
    /** Last chunk of the successor that repeats what came before: reading continues after it. */
    skip: number;
    /** Set if the successor does not continue the sealed epoch: why readers must take its base instead. */
    reason: string | undefined;
}

const format = string.format;
const floor = math.floor;
const match = string.match;
const now = clock.now;

/** Added to an epoch's head to seal it: above any chunk number, and exact in a double although several workers add it. */
const SEAL = 2 ** 42;

/** Counters that a log has from its start. */
const COUNTERS = ["root", "epochs", "broken", "swept", "candidate", "0h"];

/** Maximum bytes of a link: three numbers and a reason. */
const MAX_LINK_SIZE = 128;
/** Seconds that a time of another worker can be later than now: a worker can be interrupted between two operations. */
const CLOCK_TOLERANCE = 1;
/** Maximum seconds before an abandoned log is replaced: a later time is not of this driver. */
const MAX_RETRY_DELAY = 600;

/** Key of the error of the worker that writes, see writer_error.ts. */
const ERROR_KEY = "error";

function nil_if_empty(text: string | undefined): string | undefined {
    if (text === "") {
        return undefined;
    }
    return text;
}

/** Returns a counter; nil if it is missing, or no longer one. */
function get_number(log: Log, key: string): number | undefined {
    return dict_values.get_integer(log.dict, log.name + key);
}

/** Returns a time of the clock of all workers; nil if it is missing, or later than now. */
function get_time(log: Log, key: string): number | undefined {
    return dict_values.get_time(log.dict, log.name + key, now(), CLOCK_TOLERANCE);
}

/** Overwrites a number that exists. */
function set_number(log: Log, key: string, value: number): void {
    log.dict.safe_set(log.name + key, value);
}

/** Returns the key of a part of an epoch. */
function key_of(log: Log, epoch: number, part: string): string {
    return `${log.name}${epoch}${part}`;
}

function log_with_id(dict: LogDict, namespace: string, id: number): Log {
    return { dict, namespace, name: `${namespace}${format("%x", id)}|` };
}

/** Returns the current log of a namespace, or nil if it has none. */
function current(dict: LogDict, namespace: string): Log | undefined {
    const id = dict_values.get_integer(dict, `${namespace}now`);
    return id !== undefined ? log_with_id(dict, namespace, id) : undefined;
}

function remove_counters(log: Log): void {
    for (const name of COUNTERS) {
        log.dict.delete(log.name + name);
    }
    log.dict.delete(log.name + ERROR_KEY);
}

/**
 * Creates the first log of a namespace, or one that replaces a broken one.
 * @param broken the log to replace; nil if there was none
 * @returns the log, or that of another worker that was faster; nil and an error if the dict has no room for it
 */
function create(dict: LogDict, namespace: string, broken: Log | undefined): Result<Log> {
    // by time and at random: a name must not recur, not even after the dict has lost all keys
    const id = floor(now() * 1e6) * 256 + random.below(256);
    const log = log_with_id(dict, namespace, id);
    dict.safe_add(`${namespace}retry`, 0);
    for (const name of COUNTERS) {
        const [ok, err] = dict.safe_add(log.name + name, 0);
        if (!ok) {
            remove_counters(log);
            return $multi(undefined, err ?? "");
        }
    }
    if (broken === undefined) {
        const [ok, err] = dict.safe_add(`${namespace}now`, id);
        const existing = ok ? undefined : current(dict, namespace);
        if (existing !== undefined || err === "no memory") {
            remove_counters(log);
            if (existing === undefined) {
                return $multi(undefined, "no memory");
            }
            return $multi(existing);
        }
        if (ok) {
            return $multi(log);
        }
    }
    dict.safe_set(`${namespace}now`, id); // also if another program has written something else there
    return $multi(log);
}

/** Removes the keys of a namespace, so that the next worker creates another log. */
function forget_current(dict: LogDict, namespace: string): void {
    dict.delete(`${namespace}now`);
    dict.delete(`${namespace}retry`);
}

/** Reports whether the log was abandoned or has lost its counters: a new one is needed. */
function is_broken(log: Log): boolean {
    return get_number(log, "broken") !== 0;
}

/** Sets the earliest time at which a broken log can be replaced. */
function delay_retry(dict: LogDict, namespace: string, seconds: number): void {
    dict.safe_set(`${namespace}retry`, now() + seconds);
}

/** Abandons the log. All workers read from etcd themselves until it is replaced, in `retry_after` seconds. */
function mark_broken(log: Log, retry_after: number): void {
    set_number(log, "broken", 1);
    delay_retry(log.dict, log.namespace, retry_after);
}

/** Returns the seconds until a broken log can be replaced. */
function seconds_until_retry(dict: LogDict, namespace: string): number {
    const time = now();
    return (dict_values.get_time(dict, `${namespace}retry`, time, MAX_RETRY_DELAY) ?? 0) - time;
}

/** Returns the number of an epoch's last published chunk, or nil if the epoch is missing; and whether it is sealed. */
function head(log: Log, epoch: number): LuaMultiReturn<[position: number | undefined, is_sealed: boolean]> {
    const value = get_number(log, `${epoch}h`);
    if (value === undefined || value < SEAL) {
        return $multi(value, false);
    }
    return $multi(value % SEAL, true);
}

/**
 * Publishes chunks that are stored.
 * @param last number of the last of them: the head must be that afterwards
 * @returns false if the epoch was sealed before, or its head is missing or wrong; and whether the latter is the case
 */
function publish(
    log: Log,
    epoch: number,
    count: number,
    last: number,
): LuaMultiReturn<[ok: boolean, is_lost: boolean]> {
    const value = dict_values.increment(log.dict, key_of(log, epoch, "h"), count);
    if (value !== undefined && value >= SEAL) {
        return $multi(false, false);
    }
    return $multi(value === last, value !== last);
}

/** Ends an epoch: nothing is published in it any more. */
function seal(log: Log, epoch: number): void {
    dict_values.increment(log.dict, key_of(log, epoch, "h"), SEAL);
}

/** Returns the number of a new epoch; nil if the counter is missing. */
function allocate_epoch(log: Log): number | undefined {
    return dict_values.increment(log.dict, `${log.name}epochs`, 1);
}

/** Returns the link to an epoch's successor, or nil if none was written yet. */
function link_of(log: Log, epoch: number): Link | undefined {
    const value = dict_values.get_text(log.dict, key_of(log, epoch, "n"), MAX_LINK_SIZE);
    const [to_text, at_text, skip_text, reason] = match(value ?? "", "^(%d+) (%d+) (%d+) (%l*)$");
    const to = decimal.parse(to_text);
    const at = decimal.parse(at_text);
    const skip = decimal.parse(skip_text);
    if (to === undefined || at === undefined || skip === undefined || to <= epoch) {
        return undefined; // links lead forward: one that does not would be followed for ever
    }
    return { to, at, skip, reason: nil_if_empty(reason) };
}

/**
 * Links a successor behind a sealed epoch.
 * @returns false and `exists` if the epoch has a successor already, false and `no memory` if the dict is full
 */
function add_link(log: Log, epoch: number, link: Link): LuaMultiReturn<[ok: boolean, err?: string]> {
    const text = format("%d %d %d %s", link.to, link.at, link.skip, link.reason ?? "");
    return log.dict.safe_add(key_of(log, epoch, "n"), text);
}

/**
 * Records that an epoch's writer is alive. The clock is that of the machine, the same in all workers.
 * @param last_received when a writer of the log last received a response from etcd; 0 if none did
 */
function heartbeat(log: Log, epoch: number, last_received: number): void {
    set_number(log, `${epoch}c`, last_received);
    set_number(log, `${epoch}l`, now());
}

/** Returns when a writer up to this epoch last received a response from etcd; 0 if none did. */
function last_received_at(log: Log, epoch: number): number {
    return get_time(log, `${epoch}c`) ?? 0;
}

/** Records that an epoch's writer stops: another worker can take over without waiting for the heartbeat to age. */
function release(log: Log, epoch: number): void {
    set_number(log, `${epoch}l`, 0);
}

/** Returns the seconds since the last heartbeat of an epoch's writer. */
function seconds_since_heartbeat(log: Log, epoch: number): number {
    return now() - (get_time(log, `${epoch}l`) ?? 0);
}

/** Reports whether an epoch is sealed. */
function is_sealed(log: Log, epoch: number): boolean {
    const [, sealed] = head(log, epoch);
    return sealed;
}

/** Reports whether two logs are the same, or both absent. */
function is_same(a: Log | undefined, b: Log | undefined): boolean {
    return a === b || (a !== undefined && b !== undefined && a.name === b.name);
}

export {
    ERROR_KEY,
    add_link,
    allocate_epoch,
    create,
    current,
    delay_retry,
    forget_current,
    get_number,
    get_time,
    head,
    heartbeat,
    is_broken,
    is_same,
    is_sealed,
    key_of,
    last_received_at,
    link_of,
    mark_broken,
    nil_if_empty,
    publish,
    release,
    remove_counters,
    seal,
    seconds_since_heartbeat,
    seconds_until_retry,
    set_number,
    type Link,
    type Log,
};
