import * as clock from "../base/clock";
import * as random from "../base/random";
import type { NodeDict } from "./records";

/**
 * The log in the shared dict: a chain of epochs, each with one writer.
 *
 * An epoch has a head (the number of its last published piece), pieces, a note of what it begins with, perhaps a base
 * (all keys, as they were when it began), and perhaps a successor. Whoever wants to write creates an epoch of its own,
 * complete but for the link that leads to it, seals the last one of the chain, and links its own behind it. Taking
 * over from a dead writer and putting a new base under a long log are the same thing.
 *
 * Why nothing is lost, told twice or torn, wherever a worker is stopped or killed:
 * - Only its own writer writes the pieces of an epoch, and each number once. They are published by one `incr` of the
 *   head, after they were written. What was not published is never read.
 * - Sealing is an `incr` of the same head by SEAL. So a writer learns from its own `incr` whether it was still the
 *   writer: one that was stopped for long publishes nothing any more, and goes.
 * - A link says which piece of the sealed epoch is the last, and is written by `safe_add`: of several successors one
 *   wins. Readers of a sealed epoch wait for the link. The pieces that a late `incr` has published after the seal are
 *   complete, so a link may count them in or not.
 * - What comes before an epoch with a base is removed after this one was linked. A late writer may remove only what
 *   comes before its own base, which nobody needs then; a reader that was in there starts again at the root.
 * - The root, where reading begins, is a hint. A late writer may set it back to what is gone; the writer of the day
 *   sets it right with its next sign of life, as it knows from its own epoch what that stands on.
 * - Links outlive their epochs by thousands of them, so that a late `safe_add` fails for as long.
 * - Numbers are overwritten in place, which needs no memory: a full dict can still say that the log is broken.
 * A missing key, whatever removed it, is noticed by number, a changed one by checksum; then the log is given up for a
 * new one under another name.
 *
 * Each operation on the dict is whole by itself. A worker that dies within one loses nginx's lock to the master, which
 * frees it; one that is stopped within one holds up all users of the dict until it goes on, which only nginx can change.
 */
interface Log {
    readonly dict: NodeDict;
    /** Of the logs that come one after the other. */
    readonly base: string;
    /** In front of all of this log's keys. */
    readonly name: string;
}

/** How an epoch is followed by another. */
interface Link {
    to: number;
    /** Last piece that counts. */
    at: number;
    /** Reading goes on after this piece. */
    skip: number;
    /** The other one begins anew, for this reason, with its base. */
    reason: string | undefined;
}

const format = string.format;
const floor = math.floor;
const match = string.match;
const now = clock.now;

const SEAL = 2 ** 42;

/** Numbers that a log has from its first moment. */
const NUMBERS = ["root", "epochs", "broken", "swept", "candidate", "0h"];

function not_empty(text: string | undefined): string | undefined {
    if (text === "") {
        return undefined;
    }
    return text;
}

function number_at(log: Log, key: string): number | undefined {
    const [value] = log.dict.get(log.name + key);
    return value as number | undefined;
}

/** Overwrites a number that is there. */
function set_number(log: Log, key: string, value: number): void {
    log.dict.safe_set(log.name + key, value);
}

function key_of(log: Log, epoch: number, what: string): string {
    return `${log.name}${epoch}${what}`;
}

function log_named(dict: NodeDict, base: string, id: number): Log {
    return { dict, base, name: `${base}${format("%x", id)}|` };
}

/** Which log is the one of the day. */
function current(dict: NodeDict, base: string): Log | undefined {
    const [id] = dict.get(`${base}now`);
    if (id === undefined) {
        return undefined;
    }
    return log_named(dict, base, id as number);
}

/** Removes a log's own numbers. */
function forget(log: Log): void {
    for (const name of NUMBERS) {
        log.dict.delete(log.name + name);
    }
}

/**
 * Starts a log: the first one, or one in the place of a broken one.
 * @param old what was found instead
 * @returns nil and an error if the dict has no room for it
 */
function begin(dict: NodeDict, base: string, old: Log | undefined): Result<Log> {
    // names are never used again, even if the dict has forgotten all of them
    const id = floor(now() * 1e6) * 256 + random.below(256);
    const log = log_named(dict, base, id);
    dict.safe_add(`${base}retry`, 0);
    for (const name of NUMBERS) {
        const [ok, err] = dict.safe_add(log.name + name, 0);
        if (!ok) {
            forget(log);
            return $multi(undefined, err ?? "");
        }
    }
    if (old === undefined) {
        const [ok] = dict.safe_add(`${base}now`, id);
        if (!ok) {
            forget(log);
            const found = current(dict, base);
            if (found === undefined) {
                return $multi(undefined, "no memory");
            }
            return $multi(found);
        }
    } else {
        dict.safe_set(`${base}now`, id);
    }
    return $multi(log);
}

/** True if the log cannot be used any more, and a new one is needed. */
function is_broken(log: Log): boolean {
    return number_at(log, "broken") !== 0;
}

/** Gives the log up. All workers go on by themselves until then. */
function mark_broken(log: Log, retry_after: number): void {
    set_number(log, "broken", 1);
    log.dict.safe_set(`${log.base}retry`, now() + retry_after);
}

/** Seconds until a new log may be tried in the place of a broken one. */
function retry_in(dict: NodeDict, base: string): number {
    const [at] = dict.get(`${base}retry`);
    return ((at as number | undefined) ?? 0) - now();
}

/** Number of the last published piece of an epoch, and whether it is sealed; nil if the epoch is gone. */
function head(log: Log, epoch: number): LuaMultiReturn<[position: number | undefined, is_sealed: boolean]> {
    const value = number_at(log, `${epoch}h`);
    if (value === undefined || value < SEAL) {
        return $multi(value, false);
    }
    return $multi(value % SEAL, true);
}

/**
 * Publishes pieces that were written.
 * @returns false if the epoch is sealed, and they are not published
 */
function publish(log: Log, epoch: number, count: number): LuaMultiReturn<[ok: boolean, gone: boolean]> {
    const [value] = log.dict.incr(key_of(log, epoch, "h"), count);
    return $multi(value !== undefined && value < SEAL, value === undefined);
}

function seal(log: Log, epoch: number): void {
    log.dict.incr(key_of(log, epoch, "h"), SEAL);
}

/** Takes a number for a new epoch. */
function allocate_epoch(log: Log): number | undefined {
    const [value] = log.dict.incr(`${log.name}epochs`, 1);
    return value;
}

function link_of(log: Log, epoch: number): Link | undefined {
    const [value] = log.dict.get(key_of(log, epoch, "n"));
    if (typeof value !== "string") {
        return undefined;
    }
    const [to, at, skip, reason] = match(value, "^(%d+) (%d+) (%d+) (%l*)$");
    if (to === undefined) {
        return undefined;
    }
    return {
        to: tonumber(to)!,
        at: tonumber(at)!,
        skip: tonumber(skip)!,
        reason: not_empty(reason),
    };
}

/**
 * Puts an epoch into the chain, after the one before was sealed.
 * @returns false and `exists` if another one was there first, false and `no memory` if the dict is full
 */
function add_link(log: Log, epoch: number, link: Link): LuaMultiReturn<[ok: boolean, err?: string]> {
    const text = format("%d %d %d %s", link.to, link.at, link.skip, link.reason ?? "");
    return log.dict.safe_add(key_of(log, epoch, "n"), text);
}

/** A sign of life of an epoch's writer. The clock is the machine's, the same for all workers. */
function heartbeat(log: Log, epoch: number, contact: number | undefined): void {
    if (contact !== undefined) {
        set_number(log, `${epoch}c`, contact);
    }
    set_number(log, `${epoch}l`, now());
}

/** The writer leaves: another one may begin at once. */
function release(log: Log, epoch: number): void {
    set_number(log, `${epoch}l`, 0);
}

/** Seconds since the last sign of life of an epoch's writer. */
function seconds_since_heartbeat(log: Log, epoch: number): number {
    return now() - (number_at(log, `${epoch}l`) ?? 0);
}

export {
    add_link,
    begin,
    current,
    forget,
    mark_broken,
    head,
    is_broken,
    key_of,
    link_of,
    not_empty,
    number_at,
    publish,
    release,
    heartbeat,
    retry_in,
    seal,
    set_number,
    seconds_since_heartbeat,
    allocate_epoch,
    type Link,
    type Log,
};
