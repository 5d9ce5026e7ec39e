import type { RawKv } from "../protocol/message";
import * as clock from "../base/clock";
import type { Batch } from "../watch/feed";
import * as kv_merge from "./kv_merge";
import type { Changes } from "./kv_merge";
import * as temp_files from "./temp_files";
import * as time_slice from "../base/time_slice";
import * as snapshot_file from "./snapshot_file";
import type { Snapshot } from "./snapshot_file";

const now = clock.now;

/** Seconds after which a timer that should have run was dropped by nginx, as too many of them ran. */
const START_TIME = 60;

/** Keeps a file up to date with what goes by. */
interface SnapshotWriter {
    readonly path: string;
    readonly identity: string;
    /** Seconds after a change before it is written. */
    readonly interval: number;
    /** All keys, as they were when they were last put together; nil while nothing is known. */
    kvs: RawKv[] | undefined;
    /** What has happened since. */
    changes: Changes;
    revision: number;
    last_received_at: number;
    /** Full states so far. */
    fulls: number;
    /** Something has changed since it was written. */
    is_dirty: boolean;
    /** There is a feed. */
    is_fed: boolean;
    /** What a worker left that was killed while it wrote has been looked for. */
    is_clean: boolean;
    /** A timer is set, or it is being written. */
    is_planned: boolean;
    /** By then it should have been written. */
    due: number;
    readonly save: (this: void, premature: boolean, snapshot_writer: SnapshotWriter) => void;
    /** As the last attempt ended: it is logged once. */
    failure: Problem;
}

function is_newer(snapshot_writer: SnapshotWriter, fulls: number): boolean {
    return snapshot_writer.fulls !== fulls;
}

function needs_writing(snapshot_writer: SnapshotWriter): boolean {
    return snapshot_writer.is_dirty;
}

/** Writes what there is at this moment; what comes meanwhile is for the next time. */
function write(snapshot_writer: SnapshotWriter, kvs: RawKv[]): Result<true> {
    if (!snapshot_writer.is_clean) {
        snapshot_writer.is_clean = true;
        temp_files.remove(snapshot_writer.path);
    }
    const changes = snapshot_writer.changes;
    const fulls = snapshot_writer.fulls;
    const snapshot: Snapshot = {
        identity: snapshot_writer.identity,
        revision: snapshot_writer.revision,
        last_received_at: snapshot_writer.last_received_at,
        kvs,
    };
    snapshot_writer.changes = new LuaMap();
    snapshot.kvs = kv_merge.apply(snapshot.kvs, changes, time_slice.start());
    if (!is_newer(snapshot_writer, fulls)) {
        snapshot_writer.kvs = snapshot.kvs;
    }
    return snapshot_file.write(snapshot_writer.path, snapshot);
}

/** Lets go of the keys where no more will come: the next feed begins with all of them. */
function forget(snapshot_writer: SnapshotWriter): void {
    if (!snapshot_writer.is_fed && !snapshot_writer.is_planned) {
        snapshot_writer.kvs = undefined;
        snapshot_writer.changes = new LuaMap();
        snapshot_writer.is_dirty = false;
    }
}

function plan(snapshot_writer: SnapshotWriter): void {
    const [planned] = ngx.timer.at(snapshot_writer.interval, snapshot_writer.save, snapshot_writer);
    snapshot_writer.is_planned = planned !== undefined;
    snapshot_writer.due = now() + snapshot_writer.interval + START_TIME;
}

/** In a timer; nginx runs it early when the worker ends. */
function save(_premature: boolean, snapshot_writer: SnapshotWriter): void {
    while (needs_writing(snapshot_writer) && snapshot_writer.kvs !== undefined) {
        snapshot_writer.is_dirty = false;
        const [ok, err] = write(snapshot_writer, snapshot_writer.kvs);
        if (ok === undefined && err !== snapshot_writer.failure) {
            ngx.log(ngx.WARN, "snapshot is not written: ", err);
        }
        snapshot_writer.failure = err;
        if (!ngx.worker.exiting()) {
            break; // what has come meanwhile has time
        }
    }
    snapshot_writer.is_planned = false;
    if (needs_writing(snapshot_writer) || (snapshot_writer.failure !== undefined && snapshot_writer.is_fed)) {
        snapshot_writer.is_dirty = true;
        plan(snapshot_writer);
    }
    forget(snapshot_writer);
}

/** Takes note of a batch. */
function note(snapshot_writer: SnapshotWriter, batch: Batch, age: number): void {
    snapshot_writer.revision = batch.revision;
    snapshot_writer.last_received_at = ngx.now() - age;
    if (batch.full !== undefined) {
        snapshot_writer.kvs = batch.full;
        snapshot_writer.changes = new LuaMap();
        snapshot_writer.fulls = snapshot_writer.fulls + 1;
    } else if (batch.events.length === 0 || snapshot_writer.kvs === undefined) {
        return;
    }
    for (const event of batch.events) {
        snapshot_writer.changes.set(event.kv.key, event);
    }
    snapshot_writer.is_dirty = true;
    if (!snapshot_writer.is_planned || now() > snapshot_writer.due) {
        plan(snapshot_writer); // also if nginx has dropped the timer
    }
}

/** A feed begins. */
function attach(snapshot_writer: SnapshotWriter): void {
    snapshot_writer.is_fed = true;
}

/** The feed has ended: what it told last is still written, if that can be done. */
function detach(snapshot_writer: SnapshotWriter): void {
    snapshot_writer.is_fed = false;
    forget(snapshot_writer);
}

function create(path: string, identity: string, interval: number): SnapshotWriter {
    return {
        path,
        identity,
        interval,
        save,
        kvs: undefined,
        changes: new LuaMap(),
        revision: 0,
        last_received_at: 0,
        fulls: 0,
        due: 0,
        is_dirty: false,
        is_fed: false,
        is_clean: false,
        is_planned: false,
        failure: undefined,
    };
}

export { attach, create as new, note, detach, type SnapshotWriter };
