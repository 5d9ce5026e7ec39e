import type { Batch, RawKv } from "./feed";
import * as collapse from "./node/collapse";
import type { Changes } from "./node/collapse";
import * as slices from "./slice";
import * as snapshots from "./snapshot";
import type { Snapshot } from "./snapshot";

/** Keeps a file up to date with what goes by. */
interface Keeper {
    readonly path: string;
    readonly identity: string;
    /** Seconds after a change before it is written. */
    readonly interval: number;
    /** All keys, as they were when they were last put together. */
    kvs: RawKv[];
    /** What has happened since. */
    changes: Changes;
    revision: number;
    heard_at: number;
    /** Full states so far. */
    fulls: number;
    /** Something has changed since it was written. */
    is_dirty: boolean;
    /** A timer is set, or it is being written. */
    is_planned: boolean;
    readonly save: (this: void, premature: boolean, keeper: Keeper) => void;
    /** As the last attempt ended: it is logged once. */
    failure: string | undefined;
}

function is_newer(keeper: Keeper, fulls: number): boolean {
    return keeper.fulls !== fulls;
}

function needs_writing(keeper: Keeper): boolean {
    return keeper.is_dirty;
}

/** Writes what there is at this moment; what comes meanwhile is for the next time. */
function write(keeper: Keeper): Result<true> {
    const changes = keeper.changes;
    const fulls = keeper.fulls;
    const snapshot: Snapshot = {
        identity: keeper.identity,
        revision: keeper.revision,
        heard_at: keeper.heard_at,
        kvs: keeper.kvs,
    };
    keeper.changes = new LuaMap();
    snapshot.kvs = collapse.apply(snapshot.kvs, changes, slices.begin());
    if (!is_newer(keeper, fulls)) {
        keeper.kvs = snapshot.kvs;
    }
    return snapshots.write(keeper.path, snapshot);
}

function plan(keeper: Keeper): void {
    const [planned] = ngx.timer.at(keeper.interval, keeper.save, keeper);
    keeper.is_planned = planned !== undefined;
}

/** In a timer; nginx runs it early when the worker ends. */
function save(_premature: boolean, keeper: Keeper): void {
    while (needs_writing(keeper)) {
        keeper.is_dirty = false;
        const [ok, err] = write(keeper);
        if (ok === undefined && err !== keeper.failure) {
            ngx.log(ngx.WARN, "snapshot is not written: ", err);
        }
        keeper.failure = err;
        if (!ngx.worker.exiting()) {
            break; // what has come meanwhile has time
        }
    }
    keeper.is_planned = false;
    if (needs_writing(keeper) || keeper.failure !== undefined) {
        keeper.is_dirty = true;
        plan(keeper);
    }
}

/** Takes note of a batch. */
function note(keeper: Keeper, batch: Batch, age: number): void {
    keeper.revision = batch.revision;
    keeper.heard_at = ngx.now() - age;
    if (batch.full !== undefined) {
        keeper.kvs = batch.full;
        keeper.changes = new LuaMap();
        keeper.fulls = keeper.fulls + 1;
    } else if (batch.events.length === 0) {
        return;
    }
    for (const event of batch.events) {
        keeper.changes.set(event.kv.key, event);
    }
    keeper.is_dirty = true;
    if (!keeper.is_planned) {
        plan(keeper);
    }
}

function create(path: string, identity: string, interval: number): Keeper {
    return {
        path,
        identity,
        interval,
        save,
        kvs: [],
        changes: new LuaMap(),
        revision: 0,
        heard_at: 0,
        fulls: 0,
        is_dirty: false,
        is_planned: false,
        failure: undefined,
    };
}

export { create as new, note, type Keeper };
