import * as clock from "../base/clock";
import type { Mutable } from "../base/mutable";
import type { Batch, Feed } from "../watch/feed";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as logs from "./log";
import * as kv_encoding from "../storage/kv_encoding";
import * as records from "./records";
import type { LogRecord } from "./records";
import * as cleanup from "./cleanup";
import * as epoch_header from "./epoch_header";
import type { EpochHeader } from "./epoch_header";
import * as writer_error from "./writer_error";
import * as waits from "../base/wait";

const now = clock.now;
const max = math.max;

/** Cause of a broken log that lacks keys: the dict has evicted them, or another program has removed them. */
const KEYS_MISSING = "keys are missing from the dict";

/** Seconds for which epochs before a new base are kept, so that their readers reach it without a full state. */
const KEEP_TIME = 5;
/** Seconds between two checks for epochs that can be removed. */
const CLEANUP_INTERVAL = 1;
/** Free bytes that the dict must have while something can be removed: a takeover or a compaction cannot wait for room. */
const RESERVE = 64 * 1024;
/** Seconds between two checks whether the compaction is done that an append waits for. */
const COMPACTION_POLL_INTERVAL = 0.005;

/** A feed straight from etcd. */
interface Source extends Feed {
    /** Returns the ID of the cluster that it reads from; nil before it is known. */
    cluster_id(): string | undefined;
}

/** Why a writer has stopped. */
type StopReason =
    /** Another worker has sealed its epoch. */
    | "fenced"
    /** The log cannot be continued. */
    | "broken"
    /** This worker does not need the log any more, or is exiting. */
    | "resigned";

/** The state of the worker that writes the log. */
interface Writer {
    readonly log: logs.Log;
    /** Its epoch: the last one of the chain. */
    readonly epoch: number;
    /** Its last published chunk. */
    readonly position: number;
    readonly revision: number;
    /** The epoch whose base its own epoch builds on: where reading starts. */
    readonly root: number;
    readonly base_bytes: number;
    /** Bytes of the log since the base. */
    readonly log_bytes: number;
    /** As in the header of its epoch. */
    readonly history: number;
    readonly cluster_id: string | undefined;
    readonly next_cleanup_at: number;
    readonly is_compacting: boolean;
    /** Earliest time of the next compaction, after one that failed. */
    readonly next_compaction_at: number;
    /** Where the batches come from; nil before the first one is requested. */
    readonly source: Source | undefined;
    readonly source_opened_at: number;
    /** When a writer of the log last received a response from etcd; 0 if none did. */
    readonly last_received_at: number;
    /** The value that readers find of the error of this writer or its predecessor, see writer_error.ts. */
    readonly published_error: string;
    readonly stop_reason: StopReason | undefined;
    /** Cause of `broken`. */
    readonly stop_detail: Problem;
}

type State = Mutable<Writer>;

/** Records that a writer has copied into a new epoch before it links it. */
interface CopiedRecords {
    /** Their last chunk; 0 if nothing was copied. */
    position: number;
    bytes: number;
    /** Revision of the last one; that of the epoch's base if nothing was copied. */
    revision: number;
}

function stop(writer: State, reason: StopReason, detail?: Problem): void {
    if (writer.stop_reason === undefined) {
        writer.stop_reason = reason;
        writer.stop_detail = detail;
        if (writer.source !== undefined) {
            writer.source.close(); // wakes the light thread that waits for its next batch
        }
    }
}

/** Sets the feed that the writer reads from. The feed of a writer that was stopped meanwhile is closed. */
function set_source(writer: State, source: Source): void {
    writer.source = source;
    writer.source_opened_at = now();
    if (writer.stop_reason !== undefined) {
        source.close();
    }
}

/**
 * Reports whether an epoch has a successor. If one is missing that has, the chain has moved on, and the epoch was
 * removed; one without was dropped by the dict.
 */
function has_successor(log: logs.Log, epoch: number): boolean {
    return logs.link_of(log, epoch) !== undefined;
}

/** Stops a writer whose epoch is missing. */
function on_epoch_missing(writer: Writer): void {
    stop(writer, has_successor(writer.log, writer.epoch) ? "fenced" : "broken", KEYS_MISSING);
}

/** Lets another worker take over immediately. */
function release(writer: Writer): void {
    const log = writer.log;
    const [head, is_sealed] = logs.head(log, writer.epoch);
    if (head === undefined) {
        return;
    }
    logs.release(log, writer.epoch);
    if (!is_sealed) {
        logs.seal(log, writer.epoch); // all workers poll the head and notice that
    }
}

/**
 * Publishes what the writer knows of etcd. Before it has a response from its own source, what its predecessor has
 * published holds: a source that was just opened knows nothing.
 */
function publish_contact(writer: State): void {
    const { log, source } = writer;
    if (source !== undefined) {
        const received_at = now() - source.age();
        if (received_at > writer.source_opened_at) {
            writer.last_received_at = max(writer.last_received_at, received_at);
        }
        const err = source.current_error !== undefined ? source.current_error() : undefined;
        const value = writer_error.encode(err);
        const is_known = err !== undefined || writer.last_received_at > writer.source_opened_at;
        if (is_known && value !== writer.published_error) {
            writer.published_error = value;
            writer_error.publish(log, value);
        }
    }
    logs.heartbeat(log, writer.epoch, writer.last_received_at);
}

/** Records a heartbeat, unless another worker has sealed the writer's epoch. Corrects the root if a late writer set it. */
function heartbeat(writer: Writer): void {
    const log = writer.log;
    const [head, is_sealed] = logs.head(log, writer.epoch);
    if (head === undefined || (!is_sealed && head !== writer.position)) {
        on_epoch_missing(writer);
    } else if (is_sealed) {
        stop(writer, "fenced");
    }
    if (writer.stop_reason !== undefined) {
        return;
    }
    publish_contact(writer);
    if (logs.get_number(log, "root") !== writer.root) {
        logs.set_number(log, "root", writer.root);
    }
}

/**
 * Makes this worker the writer, unless another worker is faster.
 * @param tail the last epoch of the chain, whose writer has resigned or died
 * @returns nil and `lost` if another worker was faster; nil and another error if the log is broken
 */
function take_over(log: logs.Log, tail: number): Result<Writer> {
    const [, is_sealed] = logs.head(log, tail);
    if (!is_sealed) {
        logs.seal(log, tail);
    }
    const [at] = logs.head(log, tail);
    let header: EpochHeader | undefined;
    if (at !== undefined) {
        header = epoch_header.of_successor(log, tail, at);
    }
    const epoch = logs.allocate_epoch(log);
    if (at === undefined || header === undefined || epoch === undefined) {
        return $multi(undefined, has_successor(log, tail) ? "lost" : KEYS_MISSING);
    }
    const [created, err] = epoch_header.create_epoch(log, epoch, header);
    if (!created) {
        cleanup.remove_epoch(log, epoch, time_slice.start());
        return $multi(undefined, err ?? "");
    }
    const last_received_at = logs.last_received_at(log, tail);
    logs.heartbeat(log, epoch, last_received_at);
    writer_error.reserve(log);
    const [linked, link_err] = logs.add_link(log, tail, { to: epoch, at, skip: 0, reason: undefined });
    if (!linked) {
        cleanup.remove_epoch(log, epoch, time_slice.start());
        return $multi(undefined, link_err === "exists" ? "lost" : (link_err ?? ""));
    }
    const root = logs.get_number(log, "root");
    if (root === undefined) {
        return $multi(undefined, KEYS_MISSING);
    }
    if (root > tail) {
        logs.release(log, epoch); // this worker was stopped for so long that even the link of `tail` was removed
        return $multi(undefined, "lost");
    }
    return $multi({
        log,
        epoch,
        position: 0,
        revision: header.revision,
        root: header.root,
        base_bytes: header.base_bytes,
        log_bytes: header.log_bytes,
        history: header.history,
        cluster_id: header.cluster_id,
        next_cleanup_at: 0,
        is_compacting: false,
        next_compaction_at: 0,
        source: undefined,
        source_opened_at: 0,
        last_received_at,
        published_error: writer_error.read(log),
        stop_reason: undefined,
        stop_detail: undefined,
    });
}

/**
 * Links an epoch with a base behind the writer's, and makes it the writer's. It must not yield: what the old epoch gets
 * meanwhile would be missing in the new one.
 * @param copied what the epoch holds after its base
 * @param reason set if the epoch does not continue the old one: why readers need its base
 * @returns false and an error if the epoch could not be created, false if the writer was stopped
 */
function switch_epoch(
    writer: State,
    epoch: number,
    header: EpochHeader,
    copied: CopiedRecords,
    reason: string | undefined,
): LuaMultiReturn<[ok: boolean, err?: string | undefined]> {
    const log = writer.log;
    const [created, err] = epoch_header.create_epoch(log, epoch, header);
    if (!created) {
        return $multi(false, err);
    }
    logs.publish(log, epoch, copied.position, copied.position);
    logs.heartbeat(log, epoch, writer.last_received_at);
    logs.seal(log, writer.epoch);
    const link = { to: epoch, at: writer.position, skip: copied.position, reason };
    const [linked, link_err] = logs.add_link(log, writer.epoch, link);
    const root = logs.get_number(log, "root");
    if (root === undefined || link_err === "no memory") {
        stop(writer, "broken", link_err ?? KEYS_MISSING);
        return $multi(false);
    }
    if (!linked || root > writer.epoch) {
        stop(writer, "fenced");
        return $multi(false);
    }
    logs.set_number(log, "root", epoch);
    writer.epoch = epoch;
    writer.position = copied.position;
    writer.revision = copied.revision;
    writer.root = epoch;
    writer.base_bytes = header.base_bytes;
    writer.log_bytes = copied.bytes;
    writer.history = header.history;
    writer.cluster_id = header.cluster_id;
    return $multi(true);
}

function start_compaction(writer: State): void {
    writer.is_compacting = true;
}

/** @param retry_in seconds before the next compaction can start */
function end_compaction(writer: State, retry_in: number): void {
    writer.is_compacting = false;
    writer.next_compaction_at = now() + retry_in;
}

/**
 * Removes the oldest epochs that are not needed any more, even if slow readers are still there.
 * @returns false if there was nothing to remove
 */
function remove_oldest(writer: Writer, slice: TimeSlice): boolean {
    const log = writer.log;
    const root = writer.root;
    if (!cleanup.can_remove(log, root)) {
        return false;
    }
    cleanup.remove_before(log, cleanup.oldest_removable_base(log, root), slice);
    return true;
}

function keep_reserve(writer: Writer, slice: TimeSlice): void {
    while (writer.log.dict.free_space() < RESERVE && remove_oldest(writer, slice)) {
        // until there is enough
    }
}

/**
 * Stores a record of an epoch that is not linked yet. In a full dict it removes old epochs to make room.
 * @returns the number of the record's last chunk
 */
function store(writer: Writer, prefix: string, first: number, record: LogRecord, slice: TimeSlice): Result<number> {
    keep_reserve(writer, slice);
    while (true) {
        const [last, err] = records.write(writer.log.dict, prefix, first, record);
        if (last !== undefined) {
            return $multi(last);
        }
        if (!remove_oldest(writer, slice)) {
            return $multi(undefined, err);
        }
    }
}

/** Reports whether the log must not grow while it is compacted: the dict could not hold the new base and the copies. */
function must_wait_for_compaction(writer: Writer): boolean {
    // at worst, all records of the log are of new keys, or came after the base was begun
    const needed = writer.base_bytes + writer.log_bytes + RESERVE;
    return writer.is_compacting && writer.log.dict.free_space() < needed;
}

/** Appends a batch of events. */
function append(writer: State, batch: Batch): void {
    const slice = time_slice.start();
    const payload = kv_encoding.encode_events(batch.events, slice);
    keep_reserve(writer, slice);
    while (must_wait_for_compaction(writer)) {
        if (!remove_oldest(writer, slice)) {
            waits.sleep(COMPACTION_POLL_INTERVAL);
        }
    }
    while (writer.stop_reason === undefined) {
        const log = writer.log; // from here until the record is published nothing must yield: see switch_epoch
        const epoch = writer.epoch;
        const position = writer.position;
        const total = writer.log_bytes + payload.length + records.CHUNK_OVERHEAD;
        const record = { payload, revision: batch.revision, total };
        const [last, err] = records.write(log.dict, logs.key_of(log, epoch, "r"), position + 1, record);
        if (last !== undefined) {
            const [published, is_missing] = logs.publish(log, epoch, last - position, last);
            if (is_missing) {
                on_epoch_missing(writer);
                return;
            }
            if (!published) {
                stop(writer, "fenced");
                return;
            }
            writer.position = last;
            writer.revision = batch.revision;
            writer.log_bytes = total;
            return;
        }
        if (!remove_oldest(writer, slice)) {
            stop(writer, "broken", err);
        }
    }
}

/** Removes epochs whose readers had time to move on. */
function clean_up(writer: State): void {
    const time = now();
    if (time >= writer.next_cleanup_at) {
        writer.next_cleanup_at = time + CLEANUP_INTERVAL;
        const base = cleanup.newest_base_of_age(writer.log, writer.root, KEEP_TIME);
        if (base !== undefined) {
            cleanup.remove_before(writer.log, base, time_slice.start());
        }
    }
}

export {
    append,
    clean_up,
    end_compaction,
    heartbeat,
    KEYS_MISSING,
    release,
    set_source,
    start_compaction,
    stop,
    store,
    switch_epoch,
    take_over,
    type Source,
    type Writer,
};
