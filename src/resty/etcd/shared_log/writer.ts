import * as clock from "../base/clock";
import type { Batch, Feed } from "../watch/feed";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as logs from "./log";
import type { Log } from "./log";
import * as kv_encoding from "../storage/kv_encoding";
import * as records from "./records";
import type { Record } from "./records";
import * as cleanup from "./cleanup";
import * as epoch_header from "./epoch_header";
import type { Beginning } from "./epoch_header";

const now = clock.now;

/** Somebody else has removed what is needed, or the dict has, for others. */
const MISSING = "keys are missing";

/** Seconds for which readers may be on their way out of what is to be removed. */
const GRACE = 5;
/** Bytes of the dict that are kept free, as long as there is anything to remove for it. */
const RESERVE = 64 * 1024;
/** Seconds between two looks whether a new base is done for which the log has to wait. */
const PRESSED = 0.005;

/** A feed out of etcd itself. */
interface Source extends Feed {
    /** The cluster it is fed from, nil before that is known. */
    cluster_id(): string | undefined;
}

/** Why a writer is none any more. */
type StopReason =
    /** Another worker has taken over. */
    | "deposed"
    /** The log cannot go on. */
    | "broken"
    /** It is not wanted any more in this worker. */
    | "leaving";

/** The one who writes the log. */
interface Writer {
    readonly log: Log;
    /** Its epoch, the last one of the chain. */
    epoch: number;
    /** Its last published piece. */
    position: number;
    revision: number;
    /** Where reading begins. */
    root: number;
    base_bytes: number;
    log_bytes: number;
    /** The epoch with which etcd's history became another one. */
    history: number;
    cluster_id: string | undefined;
    /** When it is to look again for what may be removed. */
    tidy_at: number;
    /** A new base is being made. */
    is_compacting: boolean;
    /** Not before that. */
    compact_at: number;
    /** Where the batches come from. */
    source: Source | undefined;
    stop_reason: StopReason | undefined;
    /** Why the log cannot go on. */
    broken_reason: Problem;
}

function stop(writer: Writer, over: StopReason, trouble?: string): void {
    if (writer.stop_reason === undefined) {
        writer.stop_reason = over;
        writer.broken_reason = trouble;
        if (writer.source !== undefined) {
            writer.source.close(); // whoever waits for it goes on at once
        }
    }
}

/** An epoch is gone because others are far ahead, and not because the dict has lost it. */
function is_passed(log: Log, epoch: number): boolean {
    return logs.link_of(log, epoch) !== undefined;
}

/** The writer's epoch is gone. */
function on_epoch_missing(writer: Writer): void {
    const over = is_passed(writer.log, writer.epoch) ? "deposed" : "broken";
    stop(writer, over, MISSING);
}

/** Lets another worker begin at once. */
function leave(writer: Writer): void {
    const log = writer.log;
    const [head, is_sealed] = logs.head(log, writer.epoch);
    if (head === undefined) {
        return;
    }
    logs.release(log, writer.epoch);
    if (!is_sealed) {
        logs.seal(log, writer.epoch); // all look at it
    }
}

/** How far the chain has come at piece `at` of its last epoch, as a successor is to begin. */
function start_after(log: Log, epoch: number, at: number): Beginning | undefined {
    let start: Beginning | undefined = epoch_header.read(log, epoch);
    if (start === undefined) {
        if (epoch !== 0) {
            return undefined;
        }
        start = { revision: 0, root: 0, pieces: 0, base_bytes: 0, log_bytes: 0, history: 0, cluster_id: undefined };
    }
    start.pieces = 0;
    if (at > 0) {
        const record = records.read(log.dict, logs.key_of(log, epoch, "r"), at);
        if (record === undefined) {
            return undefined;
        }
        start.revision = record.revision;
        start.log_bytes = record.total;
    }
    return start;
}

/**
 * Becomes the writer, if no other worker was faster.
 * @param tail the last epoch of the chain, whose writer is gone
 * @returns nil and `lost` if another one was; any other error means that the log is broken
 */
function take_over(log: Log, tail: number): Result<Writer> {
    const [, is_sealed] = logs.head(log, tail);
    if (!is_sealed) {
        logs.seal(log, tail);
    }
    const [at] = logs.head(log, tail);
    let start: Beginning | undefined;
    if (at !== undefined) {
        start = start_after(log, tail, at);
    }
    const epoch = logs.allocate_epoch(log);
    if (at === undefined || start === undefined || epoch === undefined) {
        return $multi(undefined, is_passed(log, tail) ? "lost" : MISSING);
    }
    const [prepared, err] = epoch_header.prepare(log, epoch, start);
    if (!prepared) {
        cleanup.remove_epoch(log, epoch, time_slice.start());
        return $multi(undefined, err ?? "");
    }
    logs.heartbeat(log, epoch, logs.number_at(log, `${tail}c`) ?? 0);
    const [linked, link_err] = logs.add_link(log, tail, { to: epoch, at, skip: 0, reason: undefined });
    if (!linked) {
        cleanup.remove_epoch(log, epoch, time_slice.start());
        return $multi(undefined, link_err === "exists" ? "lost" : (link_err ?? ""));
    }
    const root = logs.number_at(log, "root");
    if (root === undefined) {
        return $multi(undefined, MISSING);
    }
    if (root > tail) {
        logs.release(log, epoch); // stopped for so long that even the link had been removed
        return $multi(undefined, "lost");
    }
    return $multi({
        log,
        epoch,
        position: 0,
        revision: start.revision,
        root: start.root,
        base_bytes: start.base_bytes,
        log_bytes: start.log_bytes,
        history: start.history,
        cluster_id: start.cluster_id,
        tidy_at: 0,
        is_compacting: false,
        compact_at: 0,
        source: undefined,
        stop_reason: undefined,
        broken_reason: undefined,
    });
}

/**
 * Removes the oldest of what is not needed, even if readers that are slow are still there.
 * @returns false if there is nothing left of it
 */
function make_room(writer: Writer, slice: TimeSlice): boolean {
    const log = writer.log;
    const root = writer.root;
    if (!cleanup.is_due(log, root)) {
        return false;
    }
    cleanup.before(log, cleanup.oldest(log, root), slice);
    return true;
}

/** Makes room before it is needed: whoever takes over, or puts a new base in place, cannot wait for any. */
function keep_room(writer: Writer, slice: TimeSlice): void {
    while (writer.log.dict.free_space() < RESERVE && make_room(writer, slice)) {
        // until there is enough
    }
}

/**
 * Writes a record somewhere aside; where there is no memory, as much is removed of what is not needed as it takes.
 * @returns the number of its last piece
 */
function store(writer: Writer, prefix: string, first: number, record: Record, slice: TimeSlice): Result<number> {
    keep_room(writer, slice);
    while (true) {
        const [last, err] = records.write(writer.log.dict, prefix, first, record);
        if (last !== undefined) {
            return $multi(last);
        }
        if (!make_room(writer, slice)) {
            return $multi(undefined, err);
        }
    }
}

/** A new base is being made, and if the log grew on there would be no room for that, and what is copied behind it. */
function must_wait_for_compaction(writer: Writer): boolean {
    // at most all of the log is new keys, or came since the base was begun
    const needed = writer.base_bytes + writer.log_bytes + RESERVE;
    return writer.is_compacting && writer.log.dict.free_space() < needed;
}

/** Adds a batch of events. */
function append(writer: Writer, batch: Batch): void {
    const slice = time_slice.start();
    const payload = kv_encoding.encode_events(batch.events, slice);
    keep_room(writer, slice);
    while (must_wait_for_compaction(writer)) {
        if (!make_room(writer, slice)) {
            ngx.sleep(PRESSED);
        }
    }
    while (writer.stop_reason === undefined) {
        const log = writer.log; // nothing waits from here on
        const epoch = writer.epoch;
        const position = writer.position;
        const total = writer.log_bytes + payload.length + records.OVERHEAD;
        const record = { payload, revision: batch.revision, total };
        const [last, err] = records.write(log.dict, logs.key_of(log, epoch, "r"), position + 1, record);
        if (last !== undefined) {
            const [published, gone] = logs.publish(log, epoch, last - position);
            if (gone) {
                on_epoch_missing(writer);
                return;
            }
            if (!published) {
                stop(writer, "deposed");
                return;
            }
            writer.position = last;
            writer.revision = batch.revision;
            writer.log_bytes = total;
            return;
        }
        if (!make_room(writer, slice)) {
            stop(writer, "broken", err);
        }
    }
}

/** Removes what is not needed any more, after a while. */
function tidy(writer: Writer): void {
    const time = now();
    if (time >= writer.tidy_at) {
        writer.tidy_at = time + GRACE / 5;
        const epoch = cleanup.settled(writer.log, writer.root, GRACE);
        if (epoch !== undefined) {
            cleanup.before(writer.log, epoch, time_slice.start());
        }
    }
}

export {
    append,
    leave,
    on_epoch_missing,
    MISSING,
    start_after,
    stop,
    store,
    take_over,
    tidy,
    type StopReason,
    type Source,
    type Writer,
};
