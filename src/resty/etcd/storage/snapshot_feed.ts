import type { RawKv } from "../protocol/message";
import * as clock from "../base/clock";
import type { EtcdError } from "../protocol/errors";
import type { Batch, Feed } from "../watch/feed";
import * as snapshot_writers from "./snapshot_writer";
import type { SnapshotWriter } from "./snapshot_writer";
import * as time_slice from "../base/time_slice";
import * as snapshot_file from "./snapshot_file";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Seconds that etcd has for the first state, before that of the file is told. */
const HEAD_START = 0.1;
/** Seconds after a change before it is written to the file. */
const INTERVAL = 5;

/** What is known of a file, by whoever opens one feed after the other. */
interface File {
    readonly path: string;
    readonly identity: string;
    /** nil in the workers that do not write. */
    writer: SnapshotWriter | undefined;
    /** A state was told, by etcd or out of the file: it is not read any more. */
    is_used: boolean;
    /** What was told out of the file, until it can be compared with what etcd has. */
    last_reported: RawKv[] | undefined;
    /** When the state out of the file was etcd's, while there is no newer one. */
    last_received_at: number | undefined;
}

interface Fields {
    readonly inner: Feed;
    readonly file: File;
    /** When etcd has had its time. */
    readonly starts_at: number;
}

interface SnapshotFeed extends Fields, Methods {}

/** The state out of the file; nil if it cannot be used. */
function read(file: File): Batch | undefined {
    file.is_used = true;
    const [snapshot, err, is_there] = snapshot_file.read(file.path, file.identity);
    if (snapshot === undefined) {
        ngx.log(is_there ? ngx.WARN : ngx.INFO, "snapshot is not used: ", err);
        return undefined;
    }
    file.last_received_at = snapshot.last_received_at;
    file.last_reported = snapshot.kvs;
    return { revision: snapshot.revision, events: [], full: snapshot.kvs, reason: "snapshot" };
}

/** A key has the same revisions in both and another value: so these are not of one history. */
function contradicts(told: RawKv[], full: RawKv[]): boolean {
    const slice = time_slice.yield_and_start();
    let at = 1;
    for (const kv of full) {
        time_slice.yield_if_due(slice);
        let old = told[at - 1];
        while (old !== undefined && old.key < kv.key) {
            time_slice.yield_if_due(slice);
            at = at + 1;
            old = told[at - 1];
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
 * etcd's first state after that of the file. Where etcd was set up anew and filled by the same steps, revisions alone
 * do not tell that its values are others.
 */
function compare(file: File, batch: Batch): Batch {
    const told = file.last_reported;
    const full = batch.full;
    if (told === undefined || full === undefined) {
        return batch;
    }
    file.last_reported = undefined;
    if (!contradicts(told, full)) {
        return batch;
    }
    return { revision: batch.revision, events: batch.events, full, reason: "restored" };
}

function pass_on(feed: Fields, batch: Batch): Result<Batch, EtcdError> {
    const file = feed.file;
    file.is_used = true;
    const compared = compare(file, batch);
    file.last_received_at = undefined;
    if (file.writer !== undefined) {
        snapshot_writers.note(file.writer, compared, feed.inner.age());
    }
    return $multi(compared);
}

function next(this: SnapshotFeed, timeout: number | undefined): Result<Batch, EtcdError> {
    const inner = this.inner;
    const file = this.file;
    let left = timeout;
    if (!file.is_used) {
        const began = now();
        const head_start = max(0, this.starts_at - began);
        const waits = min(timeout ?? head_start, head_start);
        const [batch, err] = inner.next(waits);
        if (batch !== undefined) {
            return pass_on(this, batch);
        }
        if (err.name !== "timeout" || waits >= head_start) {
            const stored = read(file);
            if (stored !== undefined) {
                return $multi(stored);
            }
        }
        if (err.name !== "timeout") {
            return $multi(undefined, err);
        }
        if (timeout !== undefined) {
            left = max(0, timeout - (now() - began));
        }
    }
    const [batch, err] = inner.next(left);
    if (batch === undefined) {
        return $multi(undefined, err);
    }
    return pass_on(this, batch);
}

function age(this: SnapshotFeed): number {
    const heard_at = this.file.last_received_at;
    if (heard_at !== undefined) {
        return max(0, ngx.now() - heard_at);
    }
    return this.inner.age();
}

function current_error(this: SnapshotFeed): EtcdError | undefined {
    const inner = this.inner;
    return inner.current_error !== undefined ? inner.current_error() : undefined;
}

function close(this: SnapshotFeed): void {
    this.inner.close();
    const snapshot_writer = this.file.writer;
    if (snapshot_writer !== undefined) {
        snapshot_writers.detach(snapshot_writer);
    }
}

const methods = { age, close, current_error, next };
type Methods = typeof methods;
const mt: LuaMetatable<SnapshotFeed, Methods> = { __index: methods };

/**
 * What is to be known of a file. One worker writes it.
 * @param identity what it is a state of
 * @param interval seconds after a change before it is written
 */
function file_of(path: string, identity: string, interval?: number): File {
    const file: File = {
        path,
        identity,
        writer: undefined,
        is_used: false,
        last_reported: undefined,
        last_received_at: undefined,
    };
    if (ngx.worker.id() === 0) {
        file.writer = snapshot_writers.new(path, identity, interval ?? INTERVAL);
    }
    return file;
}

/** Tells the state out of a file first, if etcd does not answer at once, and keeps the file up to date. */
function wrap(inner: Feed, file: File): Feed {
    if (file.writer !== undefined) {
        snapshot_writers.attach(file.writer);
    }
    const fields: Fields = { inner, file, starts_at: now() + HEAD_START };
    return setmetatable(fields as SnapshotFeed, mt);
}

export { file_of, wrap, type File };
