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
const LATE = 60;

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
    heard_at: number;
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
    readonly save: (this: void, premature: boolean, keeper: SnapshotWriter) => void;
    /** As the last attempt ended: it is logged once. */
    failure: string | undefined;
}

function is_newer(keeper: SnapshotWriter, fulls: number): boolean {
    return keeper.fulls !== fulls;
}

function needs_writing(keeper: SnapshotWriter): boolean {
    return keeper.is_dirty;
}

/** Writes what there is at this moment; what comes meanwhile is for the next time. */
function write(keeper: SnapshotWriter, kvs: RawKv[]): Result<true> {
    if (!keeper.is_clean) {
        keeper.is_clean = true;
        temp_files.remove(keeper.path);
    }
    const changes = keeper.changes;
    const fulls = keeper.fulls;
    const snapshot: Snapshot = {
        identity: keeper.identity,
        revision: keeper.revision,
        heard_at: keeper.heard_at,
        kvs,
    };
    keeper.changes = new LuaMap();
    snapshot.kvs = kv_merge.apply(snapshot.kvs, changes, time_slice.start());
    if (!is_newer(keeper, fulls)) {
        keeper.kvs = snapshot.kvs;
    }
    return snapshot_file.write(keeper.path, snapshot);
}

/** Lets go of the keys where no more will come: the next feed begins with all of them. */
function forget(keeper: SnapshotWriter): void {
    if (!keeper.is_fed && !keeper.is_planned) {
        keeper.kvs = undefined;
        keeper.changes = new LuaMap();
        keeper.is_dirty = false;
    }
}

function plan(keeper: SnapshotWriter): void {
    const [planned] = ngx.timer.at(keeper.interval, keeper.save, keeper);
    keeper.is_planned = planned !== undefined;
    keeper.due = now() + keeper.interval + LATE;
}

/** In a timer; nginx runs it early when the worker ends. */
function save(_premature: boolean, keeper: SnapshotWriter): void {
    while (needs_writing(keeper) && keeper.kvs !== undefined) {
        keeper.is_dirty = false;
        const [ok, err] = write(keeper, keeper.kvs);
        if (ok === undefined && err !== keeper.failure) {
            ngx.log(ngx.WARN, "snapshot is not written: ", err);
        }
        keeper.failure = err;
        if (!ngx.worker.exiting()) {
            break; // what has come meanwhile has time
        }
    }
    keeper.is_planned = false;
    if (needs_writing(keeper) || (keeper.failure !== undefined && keeper.is_fed)) {
        keeper.is_dirty = true;
        plan(keeper);
    }
    forget(keeper);
}

/** Takes note of a batch. */
function note(keeper: SnapshotWriter, batch: Batch, age: number): void {
    keeper.revision = batch.revision;
    keeper.heard_at = ngx.now() - age;
    if (batch.full !== undefined) {
        keeper.kvs = batch.full;
        keeper.changes = new LuaMap();
        keeper.fulls = keeper.fulls + 1;
    } else if (batch.events.length === 0 || keeper.kvs === undefined) {
        return;
    }
    for (const event of batch.events) {
        keeper.changes.set(event.kv.key, event);
    }
    keeper.is_dirty = true;
    if (!keeper.is_planned || now() > keeper.due) {
        plan(keeper); // also if nginx has dropped the timer
    }
}

/** A feed begins. */
function attach(keeper: SnapshotWriter): void {
    keeper.is_fed = true;
}

/** The feed has ended: what it told last is still written, if that can be done. */
function detach(keeper: SnapshotWriter): void {
    keeper.is_fed = false;
    forget(keeper);
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
        heard_at: 0,
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
