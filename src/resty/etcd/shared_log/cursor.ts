import type { RawKv } from "../protocol/message";
import type { Batch, Reason } from "../watch/feed";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as logs from "./log";
import type { Link, Log } from "./log";
import * as kv_merge from "../storage/kv_merge";
import type { Changes } from "../storage/kv_merge";
import * as kv_encoding from "../storage/kv_encoding";
import * as records from "./records";
import type { Stored } from "./records";
import * as epoch_header from "./epoch_header";

/** A place in the log. */
interface Cursor {
    readonly log: Log;
    epoch: number;
    /** Last piece that was read. */
    position: number;
    /** Everything up to it was read. */
    revision: number;
    /** As of the latest base that was read: the epoch with which etcd's history became another one. */
    history: number;
}

/** What is found at a cursor. */
type ReadOutcome =
    /** A record, or a link to a state that begins anew. */
    | "record"
    | "reset"
    /** Nothing yet. */
    | "end"
    /** What is next is being decided: whoever has sealed an epoch links another one, or somebody else does. */
    | "between"
    /** Something that should be there is not. */
    | "lost";

function create(log: Log): Cursor {
    return { log, epoch: 0, position: 0, revision: 0, history: 0 };
}

/** Moves on to what is next, through links; a record is read, and the cursor stands behind it. */
function step(cursor: Cursor): LuaMultiReturn<[finding: ReadOutcome, record?: Stored | undefined, link?: Link]> {
    const log = cursor.log;
    while (true) {
        const epoch = cursor.epoch;
        const [head, is_sealed] = logs.head(log, epoch);
        if (head === undefined) {
            return $multi("lost");
        }
        let last = head;
        if (is_sealed) {
            const link = logs.link_of(log, epoch);
            if (link === undefined) {
                return $multi("between");
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
            return $multi("lost");
        }
        cursor.position = record.last;
        cursor.revision = record.revision;
        return $multi("record", record);
    }
}

/** Reads the base of an epoch and stands at its beginning; nil if it is not all there. */
function read_base(cursor: Cursor, epoch: number, slice: TimeSlice): RawKv[] | undefined {
    const log = cursor.log;
    const start = epoch_header.read(log, epoch);
    if (start === undefined) {
        return undefined;
    }
    const kvs: RawKv[] = [];
    const prefix = logs.key_of(log, epoch, "b");
    let number = 1;
    while (number <= start.pieces) {
        const record = records.read(log.dict, prefix, number);
        if (record === undefined) {
            return undefined;
        }
        kv_encoding.decode_kvs(record.payload, kvs, slice);
        number = record.last + 1;
        time_slice.yield_if_due(slice);
    }
    cursor.epoch = epoch;
    cursor.position = 0;
    cursor.revision = start.revision;
    cursor.history = start.history;
    return kvs;
}

function note(changes: Changes, record: Stored, slice: TimeSlice): void {
    for (const event of kv_encoding.decode_events(record.payload, slice)) {
        changes.set(event.kv.key, event);
    }
}

/**
 * Reads a base and all that has happened since, and stands at the end of the log.
 * @param epoch the base's; 0 as long as there is none
 * @returns the state; nil and `end` if there is none yet, nil and `lost` if something is missing
 */
function join(cursor: Cursor, epoch: number, reason: Reason): LuaMultiReturn<[Batch | undefined, ReadOutcome?]> {
    const slice = time_slice.start();
    let why = reason;
    let kvs: RawKv[] | undefined;
    let changes: Changes = new LuaMap();
    cursor.epoch = 0;
    cursor.position = 0;
    if (epoch !== 0) {
        kvs = read_base(cursor, epoch, slice);
        if (kvs === undefined) {
            return $multi(undefined, "lost");
        }
    }
    while (true) {
        const [finding, record, link] = step(cursor);
        if (finding === "record") {
            note(changes, record!, slice);
        } else if (finding === "reset") {
            why = link!.reason as Reason;
            changes = new LuaMap();
            kvs = read_base(cursor, link!.to, slice);
            if (kvs === undefined) {
                return $multi(undefined, "lost");
            }
        } else if (finding === "lost" || finding === "between" || kvs === undefined) {
            return $multi(undefined, finding);
        } else {
            const full = kv_merge.apply(kvs, changes, slice);
            return $multi({ revision: cursor.revision, events: [], full, reason: why });
        }
    }
}

/** Joins where reading begins now. */
function join_root(cursor: Cursor): LuaMultiReturn<[Batch | undefined, ReadOutcome?]> {
    const root = logs.number_at(cursor.log, "root");
    if (root === undefined) {
        return $multi(undefined, "lost");
    }
    return join(cursor, root, "list");
}

/** Follows a link to a state that begins anew. The cursor stays where it is if that cannot be read to its end now. */
function follow_reset(cursor: Cursor, link: Link): LuaMultiReturn<[Batch | undefined, (ReadOutcome | undefined)?]> {
    const ahead = create(cursor.log);
    const [batch, finding] = join(ahead, link.to, link.reason as Reason);
    if (batch === undefined) {
        return $multi(undefined, finding);
    }
    if (ahead.history > cursor.epoch) {
        batch.reason = "restored"; // even if another reset came after it
    }
    cursor.epoch = ahead.epoch;
    cursor.position = ahead.position;
    cursor.revision = ahead.revision;
    cursor.history = ahead.history;
    return $multi(batch);
}

/**
 * The next batch after the cursor.
 * @returns nil and `end` if there is none yet, nil and `lost` if something is missing
 */
function next(cursor: Cursor): LuaMultiReturn<[Batch | undefined, (ReadOutcome | undefined)?]> {
    const [finding, record, link] = step(cursor);
    if (finding === "record") {
        return $multi({
            revision: cursor.revision,
            events: kv_encoding.decode_events(record!.payload, time_slice.start()),
        });
    }
    if (finding === "reset") {
        return follow_reset(cursor, link!);
    }
    return $multi(undefined, finding);
}

export { create as new, join, join_root, next, step, type Cursor, type ReadOutcome };
