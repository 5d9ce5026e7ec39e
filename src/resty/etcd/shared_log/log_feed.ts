import * as semaphore from "ngx.semaphore";
import type { Semaphore } from "ngx.semaphore";
import * as clock from "../base/clock";
import * as waits from "../base/wait";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import type { Batch, Feed } from "../watch/feed";
import * as time_slice from "../base/time_slice";
import type { TimeSlice } from "../base/time_slice";
import * as logs from "./log";
import type { Log } from "./log";
import * as cursors from "./cursor";
import type { Cursor, ReadOutcome } from "./cursor";
import * as coordinators from "./coordinator";
import type { Coordinator, OpenSource } from "./coordinator";
import * as writer_loop from "./writer_loop";
import type { LogDict } from "./records";
import * as poll_timers from "./poll_timer";
import type { PollTimer } from "./poll_timer";
import * as epoch_header from "./epoch_header";
import type { Source } from "./writer";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Seconds after which a missing key counts as lost. A reader that was left behind only needs to join again. */
const MISSING_TIMEOUT = 1;
/** Seconds after which a sealed epoch without link counts as damaged: several workers in a row can die in a takeover. */
const UNLINKED_TIMEOUT = 10;
/** Seconds between two reads of the log after which they say nothing about the time between: the worker stood still. */
const MAX_READ_GAP = 0.5;
/** Seconds between two reads of a log in which something is missing, or that is behind. */
const RETRY_INTERVAL = 0.02;
/** Maximum seconds of a wait. The timer that polls is checked after each. */
const MAX_WAIT = 1;
/** Reads of a log that is behind the reader, before it counts as behind for long. */
const MAX_BEHIND_READS = 10;

interface Fields {
    readonly coordinator: Coordinator;
    readonly poll_timer: PollTimer;
    readonly signal: Semaphore;
    /** Current or last position in the log. */
    cursor: Cursor | undefined;
    /** Reading continues at the cursor. Otherwise the reader must join the log again. */
    is_following: boolean;
    /** Feed straight from etcd, while no log is usable. */
    direct: Source | undefined;
    direct_opened_at: number;
    /** Last revision that was returned. */
    revision: number;
    /** ID of the cluster that the last batch from the log was from. */
    cluster_id_of_log: string | undefined;
    /** Since when something has been missing in the log. */
    missing_since: number | undefined;
    /** When that was last noticed. */
    missing_noticed_at: number;
    next_join_at: number;
    /** Reads so far of a log that is behind. */
    behind_reads: number;
    readonly created_at: number;
    /** Restarted by each wait. */
    readonly slice: TimeSlice;
    is_closed: boolean;
}

/** A feed from the log. */
interface LogFeed extends Fields, Methods {}

/** Tracks for how long something has been missing. A reader joins again first; if that does not help, it abandons the log. */
function track_missing(feed: Fields, log: Log, outcome: ReadOutcome | undefined): void {
    if (outcome !== "missing" && outcome !== "unlinked") {
        feed.missing_since = undefined;
        return;
    }
    const time = now();
    if (feed.missing_since === undefined || time - feed.missing_noticed_at > MAX_READ_GAP) {
        feed.missing_since = time;
    }
    feed.missing_noticed_at = time;
    if (outcome === "missing") {
        feed.is_following = false;
    }
    if (time - feed.missing_since > (outcome === "missing" ? MISSING_TIMEOUT : UNLINKED_TIMEOUT)) {
        feed.missing_since = undefined;
        coordinators.abandon_log(feed.coordinator, log, undefined);
    }
}

/** Reports whether etcd's history has diverged since the last batch that the reader returned, as far as can be known. */
function has_diverged(feed: Fields, cursor: Cursor, log_cluster_id: string | undefined): boolean {
    if (feed.direct !== undefined) {
        return log_cluster_id !== (feed.direct.cluster_id() ?? feed.cluster_id_of_log);
    }
    const last = feed.cursor;
    return last === undefined || last.log.name !== cursor.log.name || cursor.history > last.epoch;
}

/** Returns the ID of the cluster that the state behind a cursor is from. */
function cluster_of(feed: Fields, cursor: Cursor): string | undefined {
    const header = epoch_header.read(cursor.log, cursor.epoch);
    return header !== undefined ? header.cluster_id : feed.cluster_id_of_log;
}

/** Reads the full state from the log and continues from there; nil if it cannot be read yet. */
function join(feed: Fields, log: Log): Batch | undefined {
    const cursor = cursors.new(log);
    const [batch, outcome] = cursors.join_root(cursor);
    track_missing(feed, log, outcome);
    if (batch === undefined) {
        return undefined;
    }
    const log_cluster_id = cluster_of(feed, cursor);
    if (feed.revision > 0 && has_diverged(feed, cursor, log_cluster_id)) {
        batch.reason = "restored"; // the same revisions can belong to other changes
    }
    feed.behind_reads = 0;
    feed.cursor = cursor;
    feed.is_following = true;
    feed.cluster_id_of_log = log_cluster_id;
    if (feed.direct !== undefined) {
        feed.direct.close();
        feed.direct = undefined;
    }
    return batch;
}

/**
 * Reports whether the reader can join the log. If its last batch came from another log, or from etcd, this log can be
 * behind it, usually for a moment only. A reader with a feed straight from etcd then waits for as long as it takes.
 */
function can_join(feed: Fields, log: Log): boolean {
    const time = now();
    if (feed.revision === 0) {
        return true;
    }
    if (time < feed.next_join_at) {
        return false;
    }
    const tail = feed.coordinator.tail;
    const [at] = logs.head(log, tail);
    const end = at !== undefined ? epoch_header.of_successor(log, tail, at) : undefined;
    if (end === undefined || end.revision >= feed.revision) {
        return true;
    }
    feed.behind_reads = feed.behind_reads + 1;
    if (feed.behind_reads > MAX_BEHIND_READS) {
        feed.behind_reads = 0;
        feed.next_join_at = time + MAX_WAIT;
        return feed.direct === undefined;
    }
    return false;
}

/** Returns the log's next batch, or nil if there is none for the reader now. */
function read(feed: Fields, log: Log): Batch | undefined {
    const cursor = feed.cursor;
    if (cursor === undefined || !feed.is_following || cursor.log.name !== log.name) {
        if (!can_join(feed, log)) {
            return undefined;
        }
        return join(feed, log);
    }
    const [batch, outcome] = cursors.next(cursor);
    track_missing(feed, log, outcome);
    if (batch?.full !== undefined) {
        feed.cluster_id_of_log = cluster_of(feed, cursor);
    }
    return batch;
}

/** Waits for a batch straight from etcd, or until there can be something new in the log. */
function wait(feed: Fields, seconds: number): Result<Batch, EtcdError> {
    const since = now();
    let batch: Batch | undefined;
    let err: EtcdError | undefined;
    if (feed.direct !== undefined && feed.behind_reads === 0) {
        [batch, err] = feed.direct.next(seconds);
    } else {
        waits.wait(feed.signal, seconds);
        err = errors.local_error("timeout", "timeout");
    }
    time_slice.restart_after_wait(feed.slice, since);
    if (batch === undefined) {
        return $multi(undefined, err!);
    }
    return $multi(batch);
}

/** Opens a feed straight from etcd that continues after the last batch. */
function open_direct(feed: Fields): EtcdError | undefined {
    feed.is_following = false;
    const from = feed.revision > 0 ? feed.revision + 1 : undefined;
    const [direct, err] = feed.coordinator.open_source(from, feed.cluster_id_of_log);
    feed.direct = direct;
    feed.direct_opened_at = now();
    return err;
}

function next(this: LogFeed, timeout: number | undefined): Result<Batch, EtcdError> {
    const coordinator = this.coordinator;
    const deadline = timeout !== undefined ? now() + timeout : undefined;
    while (!this.is_closed && !ngx.worker.exiting()) {
        poll_timers.ensure(this.poll_timer, coordinator);
        const log = coordinator.log;
        let batch: Batch | undefined;
        if (log !== undefined) {
            time_slice.yield_if_due(this.slice); // a reader that is behind reads thousands of records without a wait
            batch = read(this, log);
        } else {
            this.behind_reads = 0;
            if (coordinator.is_unavailable && this.direct === undefined) {
                const err = open_direct(this);
                if (err !== undefined) {
                    return $multi(undefined, err);
                }
            }
        }
        if (batch === undefined) {
            const left = deadline !== undefined ? deadline - now() : MAX_WAIT;
            const longest = this.missing_since !== undefined || this.behind_reads > 0 ? RETRY_INTERVAL : MAX_WAIT;
            const [direct_batch, err] = wait(this, max(0, min(left, longest)));
            const is_late = deadline !== undefined && now() >= deadline;
            if (direct_batch === undefined && (is_late || err.name !== "timeout")) {
                return $multi(undefined, err);
            }
            batch = direct_batch;
        }
        if (batch !== undefined) {
            this.revision = batch.revision;
            return $multi(batch);
        }
    }
    return $multi(undefined, errors.local_error("closed", "closed"));
}

/** Returns when the feed straight from etcd last received a response; nil if it has none, or has received none yet. */
function direct_received_at(feed: Fields): number | undefined {
    if (feed.direct === undefined) {
        return undefined;
    }
    const received_at = now() - feed.direct.age();
    return received_at > feed.direct_opened_at ? received_at : undefined;
}

/** Implements `Feed.age`. A feed that was just opened has received nothing: the last response to the log counts then. */
function age(this: LogFeed): number {
    const received_at = direct_received_at(this) ?? coordinators.last_received_at(this.coordinator);
    return now() - (received_at > 0 ? received_at : this.created_at);
}

/** Implements `Feed.current_error`: that of the feed straight from etcd, or of the worker that writes the log. */
function current_error(this: LogFeed): EtcdError | undefined {
    const direct = this.direct;
    if (direct !== undefined) {
        const err = direct.current_error !== undefined ? direct.current_error() : undefined;
        if (err !== undefined || direct_received_at(this) !== undefined) {
            return err;
        }
    }
    return coordinators.current_error(this.coordinator);
}

function cluster_id(this: LogFeed): string | undefined {
    return this.direct !== undefined ? this.direct.cluster_id() : this.cluster_id_of_log;
}

function close(this: LogFeed): void {
    if (this.is_closed) {
        return;
    }
    this.is_closed = true;
    coordinators.remove_reader(this.coordinator, this.signal);
    this.signal.post(1);
    if (this.direct !== undefined) {
        this.direct.close();
    }
}

const methods = { age, close, cluster_id, current_error, next };
type Methods = typeof methods;
const mt: LuaMetatable<LogFeed, Methods> = { __index: methods };

/** Creates a worker's view of a log. */
function new_coordinator(
    dict: LogDict,
    namespace: string,
    range_key: string,
    open_source: OpenSource,
    retry_after: number,
): Coordinator {
    return coordinators.new(dict, namespace, range_key, open_source, retry_after, writer_loop.start);
}

/** Adds a reader to a worker's view of a log. */
function attach(poll_timer: PollTimer, coordinator: Coordinator): Result<Feed, EtcdError> {
    const [signal, err] = semaphore.new(0);
    if (signal === undefined) {
        return $multi(undefined, errors.local_error("bad_request", err));
    }
    const fields: Fields = {
        coordinator,
        poll_timer,
        signal,
        cursor: undefined,
        is_following: false,
        direct: undefined,
        direct_opened_at: 0,
        revision: 0,
        cluster_id_of_log: undefined,
        missing_since: undefined,
        missing_noticed_at: 0,
        next_join_at: 0,
        behind_reads: 0,
        created_at: now(),
        slice: time_slice.start(),
        is_closed: false,
    };
    coordinators.add_reader(coordinator, signal);
    poll_timers.ensure(poll_timer, coordinator);
    return $multi(setmetatable(fields as LogFeed, mt));
}

export { attach, new_coordinator };
