import type { RawKv } from "../protocol/message";
import type { Batch, Reason } from "../watch/feed";
import type { Mutable } from "../base/mutable";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as logs from "./log";
import type { Link, Log } from "./log";
import * as kv_merge from "../storage/kv_merge";
import type { Changes } from "../storage/kv_merge";
import * as kv_encoding from "../storage/kv_encoding";
import * as records from "./records";
import type { StoredRecord } from "./records";
import * as epoch_header from "./epoch_header";

/** A reader's position in the log. */
interface Cursor {
    readonly log: Log;
    readonly epoch: number;
    /** Last chunk that was read. */
    readonly position: number;
    /** Last revision that was read. */
    readonly revision: number;
    /** `history` in the header of the last base that was read. */
    readonly history: number;
}

type State = Mutable<Cursor>;

/** What follows a cursor. */
type ReadOutcome =
    /** A record. */
    | "record"
    /** A link to an epoch that does not continue this one: its base must be read. */
    | "reset"
    /** Nothing yet. */
    | "end"
    /** A sealed epoch without link: the worker that sealed it, or another one, is about to link a successor. */
    | "unlinked"
    /** A key that must exist does not, or is damaged. */
    | "missing";

function create(log: Log): Cursor {
    return { log, epoch: 0, position: 0, revision: 0, history: 0 };
}

/** Moves the cursor through links to the next record, reads the record, and moves the cursor behind it. */
function step(cursor: State): LuaMultiReturn<[outcome: ReadOutcome, record?: StoredRecord | undefined, link?: Link]> {
    const log = cursor.log;
    while (true) {
        const epoch = cursor.epoch;
        const [head, is_sealed] = logs.head(log, epoch);
        if (head === undefined) {
            return $multi("missing");
        }
        let last = head;
        if (is_sealed) {
            const link = logs.link_of(log, epoch);
            if (link === undefined) {
                return $multi("unlinked");
            }
            last = link.at;
            if (cursor.position >= last) {
                if (link.reason !== undefined) {
                    return $multi("reset", undefined, link);
                }
                cursor.epoch = link.to;
                cursor.position = link.skip;
                continue;
            }
        }
        if (cursor.position >= last) {
            return $multi("end");
        }
        const record = records.read(log.dict, logs.key_of(log, epoch, "r"), cursor.position + 1);
        if (record === undefined) {
            return $multi("missing");
        }
        cursor.position = record.last;
        cursor.revision = record.revision;
        return $multi("record", record);
    }
}

/** Reads the base of an epoch and moves the cursor to its first record; nil if a part of the base is missing or damaged. */
function read_base(cursor: State, epoch: number, slice: TimeSlice): RawKv[] | undefined {
    const log = cursor.log;
    const header = epoch_header.read(log, epoch);
    if (header === undefined) {
        return undefined;
    }
    const kvs: RawKv[] = [];
    const prefix = logs.key_of(log, epoch, "b");
    let number = 1;
    while (number <= header.chunks) {
        const record = records.read(log.dict, prefix, number);
        if (record === undefined) {
            return undefined;
        }
        if (!kv_encoding.decode_kvs(record.payload, kvs, slice)) {
            return undefined;
        }
        number = record.last + 1;
        time_slice.yield_if_due(slice);
    }
    cursor.epoch = epoch;
    cursor.position = 0;
    cursor.revision = header.revision;
    cursor.history = header.history;
    return kvs;
}

/** Adds the events of a record. Returns false if the record is damaged. */
function add_changes(changes: Changes, record: StoredRecord, slice: TimeSlice): boolean {
    const events = kv_encoding.decode_events(record.payload, slice);
    for (const event of events ?? []) {
        changes.set(event.kv.key, event);
    }
    return events !== undefined;
}

/**
 * Reads a base and all records after it, and moves the cursor to the end of the log.
 * @param epoch the epoch of the base; 0 while the log has none
 * @param reason why the reader needs the full state
 * @returns the full state; nil and `end` if the log has no base yet, nil and another outcome if it cannot be read
 */
function join(cursor: State, epoch: number, reason: Reason): LuaMultiReturn<[Batch | undefined, ReadOutcome?]> {
    const slice = time_slice.start();
    let last_reason = reason;
    let kvs: RawKv[] | undefined;
    let changes: Changes = new LuaMap();
    cursor.epoch = 0;
    cursor.position = 0;
    if (epoch !== 0) {
        kvs = read_base(cursor, epoch, slice);
        if (kvs === undefined) {
            return $multi(undefined, "missing");
        }
    }
    while (true) {
        const [outcome, record, link] = step(cursor);
        if (outcome === "record") {
            if (!add_changes(changes, record!, slice)) {
                return $multi(undefined, "missing");
            }
        } else if (outcome === "reset") {
            last_reason = link!.reason as Reason;
            changes = new LuaMap();
            kvs = read_base(cursor, link!.to, slice);
            if (kvs === undefined) {
                return $multi(undefined, "missing");
            }
        } else if (outcome !== "end" || kvs === undefined) {
            return $multi(undefined, outcome);
        } else {
            const full = kv_merge.apply(kvs, changes, slice);
            return $multi({ revision: cursor.revision, events: [], full, reason: last_reason });
        }
    }
}

/** Joins at the root. */
function join_root(cursor: Cursor): LuaMultiReturn<[Batch | undefined, ReadOutcome?]> {
    const root = logs.get_number(cursor.log, "root");
    if (root === undefined) {
        return $multi(undefined, "missing");
    }
    return join(cursor, root, "list");
}

/** Follows a link to an epoch that does not continue this one. The cursor stays if its state cannot be read yet. */
function follow_reset(cursor: State, link: Link): LuaMultiReturn<[Batch | undefined, (ReadOutcome | undefined)?]> {
    const ahead = create(cursor.log);
    const [batch, outcome] = join(ahead, link.to, link.reason as Reason);
    if (batch === undefined) {
        return $multi(undefined, outcome);
    }
    if (ahead.history > cursor.epoch) {
        batch.reason = "restored"; // even if another reset came after the restore
    }
    cursor.epoch = ahead.epoch;
    cursor.position = ahead.position;
    cursor.revision = ahead.revision;
    cursor.history = ahead.history;
    return $multi(batch);
}

/**
 * Returns the next batch after the cursor.
 * @returns nil and `end` if there is none yet, nil and another outcome if it cannot be read
 */
function next(cursor: Cursor): LuaMultiReturn<[Batch | undefined, (ReadOutcome | undefined)?]> {
    const [outcome, record, link] = step(cursor);
    if (outcome === "record") {
        const events = kv_encoding.decode_events(record!.payload, time_slice.start());
        if (events === undefined) {
            return $multi(undefined, "missing");
        }
        return $multi({ revision: cursor.revision, events });
    }
    if (outcome === "reset") {
        return follow_reset(cursor, link!);
    }
    return $multi(undefined, outcome);
}

export { create as new, join, join_root, next, step, type Cursor, type ReadOutcome };
