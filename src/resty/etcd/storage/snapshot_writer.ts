import type { RawKv } from "../protocol/message";
import type { Batch } from "../watch/feed";
import type { Mutable } from "../base/mutable";
import * as kv_merge from "./kv_merge";
import type { Changes } from "./kv_merge";
import * as time_slice from "../base/time_slice";
import * as timer_loop from "../base/timer_loop";
import type { TimerLoop } from "../base/timer_loop";
import * as printable from "../base/printable";
import * as snapshot_file from "./snapshot_file";

/** Keeps a snapshot file up to date with the batches of a feed. */
interface SnapshotWriter {
    readonly path: string;
    readonly identity: string;
    /** Seconds between a change and its write to the file. */
    readonly interval: number;
    /** All keys without `changes`; nil before the first full state, and after the feed has ended. */
    readonly kvs: RawKv[] | undefined;
    /** Events since `kvs`. */
    readonly changes: Changes;
    readonly revision: number;
    readonly last_received_at: number;
    /** Number of full states so far. */
    readonly full_states: number;
    /** There are changes that were not written yet. */
    readonly is_dirty: boolean;
    /** A feed is open. */
    readonly has_feed: boolean;
    /** Each of its turns writes the file. It is started while there is something to write. */
    readonly loop: TimerLoop;
    /** Error of the last write: it is logged only if it is another one than before. */
    readonly last_error: Problem;
}

type State = Mutable<SnapshotWriter>;

function has_new_full_state(writer: SnapshotWriter, full_states: number): boolean {
    return writer.full_states !== full_states;
}

function needs_writing(writer: SnapshotWriter): boolean {
    return writer.is_dirty;
}

/** Writes the current state. Batches that arrive meanwhile are written the next time. */
function write(writer: State, kvs: RawKv[]): Result<true> {
    const { changes, full_states, identity, last_received_at, revision } = writer;
    writer.changes = new LuaMap();
    const merged = kv_merge.apply(kvs, changes, time_slice.start());
    if (!has_new_full_state(writer, full_states)) {
        writer.kvs = merged;
    }
    return snapshot_file.write(writer.path, { identity, revision, last_received_at, kvs: merged });
}

/** Frees the keys, unless a feed is open: the next feed begins with a full state. */
function free_if_unused(writer: State): void {
    if (!writer.has_feed) {
        writer.kvs = undefined;
        writer.changes = new LuaMap();
        writer.is_dirty = false;
    }
}

/**
 * Writes the file. When the worker is exiting, it writes again until the file is up to date.
 * @returns seconds until the next write, or nil if nothing is left to write
 */
function run(writer: State): number | undefined {
    while (needs_writing(writer) && writer.kvs !== undefined) {
        writer.is_dirty = false;
        const [ok, err] = write(writer, writer.kvs);
        if (ok === undefined && err !== writer.last_error) {
            const cause = printable.of(err);
            ngx.log(ngx.WARN, "snapshot: not written: ", cause, "; retrying in ", writer.interval, " s");
        }
        writer.last_error = err;
        if (!ngx.worker.exiting()) {
            break; // what has changed meanwhile is written after the next interval
        }
    }
    if (needs_writing(writer) || (writer.last_error !== undefined && writer.has_feed)) {
        writer.is_dirty = true;
        return writer.interval;
    }
    free_if_unused(writer);
    return undefined;
}

/**
 * Notes a batch, which is written to the file later.
 * @param age seconds since the last response from etcd
 */
function note(writer: State, batch: Batch, age: number): void {
    writer.revision = batch.revision;
    writer.last_received_at = ngx.now() - age;
    if (batch.full !== undefined) {
        writer.kvs = batch.full;
        writer.changes = new LuaMap();
        writer.full_states = writer.full_states + 1;
    } else if (batch.events.length === 0 || writer.kvs === undefined) {
        return;
    }
    for (const event of batch.events) {
        writer.changes.set(event.kv.key, event);
    }
    writer.is_dirty = true;
    timer_loop.start(writer.loop, writer.interval);
}

/** Notes that a feed was opened. */
function attach(writer: State): void {
    writer.has_feed = true;
}

/** Notes that the feed was closed. Changes that were not written yet are still written. */
function detach(writer: State): void {
    writer.has_feed = false;
    if (!writer.loop.is_started) {
        free_if_unused(writer);
    }
}

/** @param interval seconds between a change and its write to the file */
function create(path: string, identity: string, interval: number): SnapshotWriter {
    const writer: SnapshotWriter = {
        path,
        identity,
        interval,
        loop: timer_loop.new("snapshot", () => run(writer), {}),
        kvs: undefined,
        changes: new LuaMap(),
        revision: 0,
        last_received_at: 0,
        full_states: 0,
        is_dirty: false,
        has_feed: false,
        last_error: undefined,
    };
    return writer;
}

export { attach, create as new, note, detach, type SnapshotWriter };
