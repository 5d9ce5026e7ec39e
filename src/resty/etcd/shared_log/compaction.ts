import type { Batch } from "../watch/feed";
import * as time_slice from "../base/time_slice";
import * as logs from "./log";
import * as cursors from "./cursor";
import type { Cursor } from "./cursor";
import * as kv_encoding from "../storage/kv_encoding";
import * as records from "./records";
import * as cleanup from "./cleanup";
import * as writers from "./writer";
import type { Writer } from "./writer";
import type { EpochHeader } from "./epoch_header";

const max = math.max;

/** Bytes that a log can always grow to before it is compacted, even if its base is smaller. */
const MIN_LOG_BYTES = 256 * 1024;
/** Epochs without base after which a log is compacted: a worker that joins reads through all of them. */
const MAX_EPOCHS = 64;

/** Reports whether the base that is being written is still needed. */
type IsNeeded = (this: void) => boolean;

/** Outcome of a switch to an epoch with a new base: no error if the writer was stopped. */
type SwitchResult = LuaMultiReturn<[ok: boolean, err?: string | undefined]>;

/**
 * Writes a full state as the base of an epoch that is not linked yet.
 * @returns the epoch's header; nil and an error if the base could not be written or is not needed any more
 */
function write_base(
    writer: Writer,
    epoch: number,
    full: Batch,
    history: number,
    cluster_id: string | undefined,
    is_needed: IsNeeded,
): Result<EpochHeader> {
    const prefix = logs.key_of(writer.log, epoch, "b");
    const slice = time_slice.start();
    const kvs = full.full!;
    const revision = full.revision;
    const n = kvs.length;
    let parts: string[] = [];
    let size = 0;
    let base_bytes = 0;
    let chunks = 0;
    for (const i of $range(1, n + 1)) {
        const part = i <= n ? kv_encoding.encode(kvs[i - 1]!, false) : "";
        if (size > 0 && (i > n || size + part.length > records.CHUNK_SIZE)) {
            const record = { payload: parts.join(""), revision, total: 0 };
            const [last, err] = writers.store(writer, prefix, chunks + 1, record, slice);
            if (last === undefined) {
                return $multi(undefined, err);
            }
            if (!is_needed()) {
                return $multi(undefined, "the new base is not needed any more");
            }
            chunks = last;
            base_bytes = base_bytes + size + records.CHUNK_OVERHEAD;
            parts = [];
            size = 0;
        }
        parts.push(part);
        size = size + part.length;
        time_slice.yield_if_due(slice);
    }
    return $multi({ revision, root: epoch, chunks, base_bytes, log_bytes: 0, history, cluster_id });
}

/** Switches to a new epoch whose base is a full state from etcd. */
function switch_to_full_state(
    writer: Writer,
    epoch: number,
    batch: Batch,
    cluster_id: string | undefined,
): SwitchResult {
    const history = batch.reason === "restored" ? epoch : writer.history;
    const is_needed = (): boolean => writer.stop_reason === undefined;
    const [header, err] = write_base(writer, epoch, batch, history, cluster_id, is_needed);
    if (header === undefined) {
        return $multi(false, err);
    }
    const copied = { position: 0, bytes: 0, revision: batch.revision };
    return writers.switch_epoch(writer, epoch, header, copied, batch.reason ?? "list");
}

/** Replaces the content of the log by a full state from etcd. */
function reset_to_full_state(writer: Writer, batch: Batch, cluster_id: string | undefined): void {
    const log = writer.log;
    const epoch = logs.allocate_epoch(log);
    if (epoch === undefined) {
        writers.stop(writer, "broken", writers.KEYS_MISSING);
        return;
    }
    const [ok, err] = switch_to_full_state(writer, epoch, batch, cluster_id);
    if (!ok) {
        writers.stop(writer, "broken", err);
        cleanup.remove_epoch(log, epoch, time_slice.start());
    }
}

/** Copies the records after the base to the new epoch. When it has reached the end of the log, it switches. */
function copy_and_switch(writer: Writer, cursor: Cursor, epoch: number, header: EpochHeader): SwitchResult {
    const prefix = logs.key_of(writer.log, epoch, "r");
    const slice = time_slice.start();
    let position = 0;
    let bytes = 0;
    while (writer.stop_reason === undefined) {
        const [outcome, record] = cursors.step(cursor);
        if (outcome === "end") {
            if (cursor.epoch !== writer.epoch || cursor.position !== writer.position) {
                return $multi(false, "another worker has taken over"); // the epoch is sealed: the link of another worker hides records
            }
            const copied = { position, bytes, revision: writer.revision };
            return writers.switch_epoch(writer, epoch, header, copied, undefined);
        }
        if (record === undefined) {
            return $multi(false, outcome);
        }
        bytes = bytes + record.payload.length + records.CHUNK_OVERHEAD;
        record.total = bytes;
        const [last, err] = writers.store(writer, prefix, position + 1, record, slice);
        if (last === undefined) {
            return $multi(false, err);
        }
        position = last;
        time_slice.yield_if_due(slice);
    }
    return $multi(false);
}

/** Reports whether the log must be compacted. */
function is_due(writer: Writer): boolean {
    const base_bytes = writer.base_bytes;
    const log_bytes = writer.log_bytes;
    if (writer.root === 0) {
        return false;
    }
    const max_log_bytes = max(MIN_LOG_BYTES, base_bytes);
    if (log_bytes > max_log_bytes || writer.epoch - writer.root > MAX_EPOCHS) {
        return true;
    }
    // earlier if room gets short: the new base needs room next to the old one, and nothing can be removed for it
    const log = writer.log;
    return (
        log_bytes > max_log_bytes / 4 && log.dict.free_space() < 2 * base_bytes && !cleanup.can_remove(log, writer.root)
    );
}

/**
 * Replaces the base and the records of the log by a new base. The writer can append meanwhile.
 * @returns false if that failed, and an error unless the writer was stopped
 */
function compact(writer: Writer): SwitchResult {
    const log = writer.log;
    const root = writer.root;
    const cursor = cursors.new(log);
    const [full] = cursors.join(cursor, root, "list");
    const epoch = logs.allocate_epoch(log);
    if (full === undefined || epoch === undefined) {
        return $multi(false, writers.KEYS_MISSING);
    }
    const is_needed = (): boolean => writer.stop_reason === undefined && writer.root === root;
    const [header, base_err] = write_base(writer, epoch, full, writer.history, writer.cluster_id, is_needed);
    let is_switched = false;
    let err = base_err;
    if (header !== undefined) {
        [is_switched, err] = copy_and_switch(writer, cursor, epoch, header);
    }
    if (!is_switched) {
        cleanup.remove_epoch(log, epoch, time_slice.start());
    }
    return $multi(is_switched, err);
}

export { compact, is_due, reset_to_full_state };
