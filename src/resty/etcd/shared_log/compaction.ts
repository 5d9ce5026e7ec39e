import type { RawKv } from "../protocol/message";
import type { Batch, Reason } from "../watch/feed";
import * as time_slice from "../base/time_slice";
import * as logs from "./log";
import * as cursors from "./cursor";
import type { Cursor } from "./cursor";
import * as kv_encoding from "../storage/kv_encoding";
import * as records from "./records";
import * as cleanup from "./cleanup";
import * as writers from "./writer";
import type { Writer } from "./writer";
import * as epoch_header from "./epoch_header";
import type { Beginning } from "./epoch_header";

const max = math.max;

/** A log is shorter than this, or than its base. */
const SHORT = 256 * 1024;
/** Epochs in the chain that have no base: each one is a step for those who join. */
const MANY = 64;

type IsWanted = (this: void) => boolean;

/**
 * Writes all keys aside, as the base of an epoch that is not in the chain yet.
 * @param is_wanted asked now and then
 * @returns how many pieces it has, and their bytes; nil, 0 and an error if it could not be written
 */
function write_base(
    writer: Writer,
    epoch: number,
    kvs: RawKv[],
    revision: number,
    is_wanted: IsWanted,
): LuaMultiReturn<[count: number | undefined, bytes: number, err?: string | undefined]> {
    const prefix = logs.key_of(writer.log, epoch, "b");
    const slice = time_slice.start();
    const n = kvs.length;
    let parts: string[] = [];
    let size = 0;
    let bytes = 0;
    let count = 0;
    for (const i of $range(1, n + 1)) {
        const part = i <= n ? kv_encoding.encode(kvs[i - 1]!, false) : "";
        if (size > 0 && (i > n || size + part.length > records.PIECE)) {
            const record = { payload: parts.join(""), revision, total: 0 };
            const [last, err] = writers.store(writer, prefix, count + 1, record, slice);
            if (last === undefined) {
                return $multi(undefined, 0, err);
            }
            if (!is_wanted()) {
                return $multi(undefined, 0, "not wanted");
            }
            count = last;
            bytes = bytes + size + records.OVERHEAD;
            parts = [];
            size = 0;
        }
        parts.push(part);
        size = size + part.length;
        time_slice.yield_if_due(slice);
    }
    return $multi(count, bytes);
}

/**
 * Puts an epoch with a base behind the writer's and makes it the writer's. Nothing waits in here.
 * @param position pieces that the new epoch has already
 * @returns nil, or why the epoch could not even be prepared
 */
function switch_epoch(
    writer: Writer,
    epoch: number,
    start: Beginning,
    position: number,
    reason: Reason | undefined,
): string | undefined {
    const log = writer.log;
    const [prepared, err] = epoch_header.prepare(log, epoch, start);
    if (!prepared) {
        return err;
    }
    logs.publish(log, epoch, position);
    logs.heartbeat(log, epoch, logs.number_at(log, `${writer.epoch}c`) ?? 0);
    logs.seal(log, writer.epoch);
    const link = { to: epoch, at: writer.position, skip: position, reason };
    const [linked, link_err] = logs.add_link(log, writer.epoch, link);
    const root = logs.number_at(log, "root");
    if (root === undefined || link_err === "no memory") {
        writers.stop(writer, "broken", link_err ?? writers.MISSING);
        return undefined;
    }
    if (!linked || root > writer.epoch) {
        writers.stop(writer, "deposed");
        return undefined;
    }
    logs.set_number(log, "root", epoch);
    writer.epoch = epoch;
    writer.position = position;
    writer.root = epoch;
    writer.base_bytes = start.base_bytes;
    writer.history = start.history;
    return undefined;
}

/** Begins anew with a full state. */
function reset_to_full_state(writer: Writer, batch: Batch, cluster_id: string | undefined): void {
    const log = writer.log;
    const epoch = logs.allocate_epoch(log);
    if (epoch === undefined) {
        writers.stop(writer, "broken", writers.MISSING);
        return;
    }
    const revision = batch.revision;
    const is_wanted = (): boolean => writer.stop_reason === undefined;
    const [count, bytes, base_err] = write_base(writer, epoch, batch.full!, revision, is_wanted);
    let err = base_err;
    if (count !== undefined) {
        const history = batch.reason === "restored" ? epoch : writer.history;
        const start = { revision, root: epoch, pieces: count, base_bytes: bytes, log_bytes: 0, history, cluster_id };
        err = switch_epoch(writer, epoch, start, 0, batch.reason ?? "list");
    }
    if (writer.epoch !== epoch) {
        writers.stop(writer, "broken", err);
        cleanup.remove_epoch(log, epoch, time_slice.start());
        return;
    }
    writer.revision = revision;
    writer.log_bytes = 0;
    writer.cluster_id = cluster_id;
}

/** Copies what came after the base; then, without waiting, puts base and copies in the place of the log. */
function copy_and_move(writer: Writer, cursor: Cursor, epoch: number, start: Beginning): string | undefined {
    const prefix = logs.key_of(writer.log, epoch, "r");
    const slice = time_slice.start();
    let position = 0;
    let total = 0;
    while (writer.stop_reason === undefined) {
        const [finding, record] = cursors.step(cursor);
        if (finding === "end") {
            if (cursor.epoch !== writer.epoch || cursor.position !== writer.position) {
                return "taken over"; // sealed: what else was published cannot be read yet
            }
            const err = switch_epoch(writer, epoch, start, position, undefined);
            if (writer.epoch === epoch) {
                writer.log_bytes = total;
            }
            return err;
        }
        if (record === undefined) {
            return finding;
        }
        total = total + record.payload.length + records.OVERHEAD;
        record.total = total;
        const [last, err] = writers.store(writer, prefix, position + 1, record, slice);
        if (last === undefined) {
            return err;
        }
        position = last;
        time_slice.yield_if_due(slice);
    }
    return "over";
}

/** True if a new base is due. */
function is_due(writer: Writer): boolean {
    const base_bytes = writer.base_bytes;
    const log_bytes = writer.log_bytes;
    if (writer.root === 0) {
        return false;
    }
    const longest = max(SHORT, base_bytes);
    if (log_bytes > longest || writer.epoch - writer.root > MANY) {
        return true;
    }
    // the new one needs room beside the old one, and there is nothing that could be removed for it
    const log = writer.log;
    return log_bytes > longest / 4 && log.dict.free_space() < 2 * base_bytes && !cleanup.is_due(log, writer.root);
}

/**
 * Puts a new base under the log. The writer may add to it meanwhile.
 * @returns nil, or why that did not succeed
 */
function compact(writer: Writer): string | undefined {
    const log = writer.log;
    const root = writer.root;
    const cursor = cursors.new(log);
    const [full] = cursors.join(cursor, root, "list");
    const epoch = logs.allocate_epoch(log);
    if (full === undefined || epoch === undefined) {
        return writers.MISSING;
    }
    const is_wanted = (): boolean => writer.stop_reason === undefined && writer.root === root;
    const revision = full.revision;
    const [count, bytes, base_err] = write_base(writer, epoch, full.full!, revision, is_wanted);
    let err = base_err;
    if (count !== undefined) {
        const history = writer.history;
        const cluster_id = writer.cluster_id;
        const start = { revision, root: epoch, pieces: count, base_bytes: bytes, log_bytes: 0, history, cluster_id };
        err = copy_and_move(writer, cursor, epoch, start);
    }
    if (writer.epoch !== epoch) {
        cleanup.remove_epoch(log, epoch, time_slice.start());
    }
    return err;
}

export { compact, is_due, reset_to_full_state };
