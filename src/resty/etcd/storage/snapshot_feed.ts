import type { RawKv } from "../protocol/message";
import type { Mutable } from "../base/mutable";
import * as clock from "../base/clock";
import type { EtcdError } from "../protocol/errors";
import type { Batch, Feed } from "../watch/feed";
import * as file_access from "./file_access";
import * as snapshot_writers from "./snapshot_writer";
import type { SnapshotWriter } from "./snapshot_writer";
import * as time_slice from "../base/time_slice";
import * as printable from "../base/printable";
import * as snapshot_file from "./snapshot_file";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Seconds that etcd has to deliver the first state before that of the file is used: the file can be old. */
const HEAD_START = 0.1;
/** Default seconds between a change and its write to the file. */
const DEFAULT_INTERVAL = 5;

/** State of a snapshot file, common to the feeds that are opened with it one after another. */
interface SnapshotState {
    readonly path: string;
    /** See `Snapshot`. */
    readonly identity: string;
    /** nil in the workers that do not write the file. */
    readonly writer: SnapshotWriter | undefined;
    /** A state was delivered, from etcd or from the file: the file is not read any more. */
    readonly is_done: boolean;
    /** Keys from the file that were delivered, until they are compared with those of etcd. */
    readonly delivered_kvs: RawKv[] | undefined;
    /** `last_received_at` of the file by `clock.now`, while its state is the newest that was delivered. */
    readonly last_received_at: number | undefined;
}

type State = Mutable<SnapshotState>;

interface Fields {
    readonly inner: Feed;
    readonly snapshot: SnapshotState;
    /** End of etcd's head start. */
    readonly read_file_at: number;
}

/** A feed that delivers the state of a snapshot file if etcd does not deliver one soon. */
interface SnapshotFeed extends Fields, Methods {}

/** Returns the state of the file, or nil if it cannot be used. */
function read(state: State): Batch | undefined {
    state.is_done = true;
    const [snapshot, err, exists] = snapshot_file.read(state.path, state.identity);
    if (snapshot === undefined) {
        ngx.log(exists ? ngx.WARN : ngx.INFO, "snapshot: not used: ", printable.of(err), "; waiting for etcd");
        return undefined;
    }
    // the file has wall time, because it outlives the machine's uptime; from here on, the clock can be set
    state.last_received_at = now() - max(0, ngx.now() - snapshot.last_received_at);
    state.delivered_kvs = snapshot.kvs;
    return { revision: snapshot.revision, events: [], full: snapshot.kvs, reason: "snapshot" };
}

/** Reports whether a key has the same revisions in both states but another value: their histories differ. */
function contradicts(delivered: RawKv[], full: RawKv[]): boolean {
    const slice = time_slice.yield_and_start();
    let at = 1;
    for (const kv of full) {
        time_slice.yield_if_due(slice);
        let old = delivered[at - 1];
        while (old !== undefined && old.key < kv.key) {
            time_slice.yield_if_due(slice);
            at = at + 1;
            old = delivered[at - 1];
        }
        if (old !== undefined && old.key === kv.key) {
            const is_same = old.mod_revision === kv.mod_revision && old.create_revision === kv.create_revision;
            if (is_same && (old.value ?? "") !== (kv.value ?? "")) {
                return true;
            }
        }
    }
    return false;
}

/**
 * Compares etcd's first state with that of the file. Revisions alone do not tell whether the histories differ: where etcd
 * was set up again and filled by the same steps, other values have the same revisions.
 */
function compare(state: State, batch: Batch): Batch {
    const delivered = state.delivered_kvs;
    const full = batch.full;
    if (delivered === undefined || full === undefined) {
        return batch;
    }
    state.delivered_kvs = undefined;
    if (!contradicts(delivered, full)) {
        return batch;
    }
    return { revision: batch.revision, events: batch.events, full, reason: "restored" };
}

/** Handles a batch from etcd. */
function deliver(feed: Fields, batch: Batch): Result<Batch, EtcdError> {
    const state: State = feed.snapshot;
    state.is_done = true;
    const compared = compare(state, batch);
    state.last_received_at = undefined;
    if (state.writer !== undefined) {
        snapshot_writers.note(state.writer, compared, feed.inner.age());
    }
    return $multi(compared);
}

function next(this: SnapshotFeed, timeout: number | undefined): Result<Batch, EtcdError> {
    const inner = this.inner;
    const state = this.snapshot;
    let left = timeout;
    if (!state.is_done) {
        const started_at = now();
        const head_start = max(0, this.read_file_at - started_at);
        const seconds = min(timeout ?? head_start, head_start);
        const [batch, err] = inner.next(seconds);
        if (batch !== undefined) {
            return deliver(this, batch);
        }
        if (err.name !== "timeout" || seconds >= head_start) {
            const stored = read(state);
            if (stored !== undefined) {
                return $multi(stored);
            }
        }
        if (err.name !== "timeout") {
            return $multi(undefined, err);
        }
        if (timeout !== undefined) {
            left = max(0, timeout - (now() - started_at));
        }
    }
    const [batch, err] = inner.next(left);
    if (batch === undefined) {
        return $multi(undefined, err);
    }
    return deliver(this, batch);
}

function age(this: SnapshotFeed): number {
    const last_received_at = this.snapshot.last_received_at;
    if (last_received_at !== undefined) {
        return now() - last_received_at;
    }
    return this.inner.age();
}

function current_error(this: SnapshotFeed): EtcdError | undefined {
    const inner = this.inner;
    return inner.current_error !== undefined ? inner.current_error() : undefined;
}

function cluster_id(this: SnapshotFeed): string | undefined {
    const inner = this.inner;
    return inner.cluster_id !== undefined ? inner.cluster_id() : undefined;
}

function close(this: SnapshotFeed): void {
    this.inner.close();
    const writer = this.snapshot.writer;
    if (writer !== undefined) {
        snapshot_writers.detach(writer);
    }
}

const methods = { age, close, cluster_id, current_error, next };
type Methods = typeof methods;
const mt: LuaMetatable<SnapshotFeed, Methods> = { __index: methods };

/**
 * Creates the state of a snapshot file. Worker 0 writes the file.
 * @param identity names the content: endpoints, user and keys
 * @param interval seconds between a change and its write to the file
 */
function new_state(path: string, identity: string, interval?: number): SnapshotState {
    let writer: SnapshotWriter | undefined;
    const worker_id = ngx.worker.id();
    if (worker_id === undefined) {
        // the privileged agent: its file would belong to root, and the workers could not read it
        ngx.log(ngx.NOTICE, "snapshot: not written by this process, only by worker 0: ", printable.of(path));
    } else if (worker_id === 0) {
        file_access.warn_if_folder_is_shared(path);
        writer = snapshot_writers.new(path, identity, interval ?? DEFAULT_INTERVAL);
    }
    return { path, identity, writer, is_done: false, delivered_kvs: undefined, last_received_at: undefined };
}

/** Puts the state of a snapshot file in front of a feed, and keeps the file up to date with its batches. */
function wrap(inner: Feed, snapshot: SnapshotState): Feed {
    if (snapshot.writer !== undefined) {
        snapshot_writers.attach(snapshot.writer);
    }
    const fields: Fields = { inner, snapshot, read_file_at: now() + HEAD_START };
    return setmetatable(fields as SnapshotFeed, mt);
}

export { new_state, wrap, type SnapshotState };
