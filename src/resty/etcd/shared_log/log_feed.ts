import * as semaphore from "ngx.semaphore";
import type { Semaphore } from "ngx.semaphore";
import * as clock from "../base/clock";
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
import type { NodeDict } from "./records";
import * as poll_timers from "./poll_timer";
import type { PollTimer } from "./poll_timer";
import * as epoch_header from "./epoch_header";
import type { Source } from "./writer";
import * as writers from "./writer";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Seconds after which something that is missing will not come any more. */
const LOST = 1;
/** Seconds between two looks after which they say nothing about each other. */
const STALL = 0.5;
/** Seconds within which a worker that died is followed by another one, surely. */
const UNDECIDED = 10;
/** Seconds after which it looks again for what is missing. */
const REJOIN_INTERVAL = 0.02;
/** Seconds for which it waits at most, before it looks around. */
const PATIENCE = 1;
/** How often a log that is behind is looked at again, before it is believed. */
const TRIES = 10;

interface Fields {
    readonly coordinator: Coordinator;
    readonly poll_timer: PollTimer;
    readonly signal: Semaphore;
    /** Where it stands in the log, or stood at last. */
    cursor: Cursor | undefined;
    /** It goes on from there; else it has to join. */
    is_following: boolean;
    /** A feed of its own, while there is no log. */
    own: Source | undefined;
    /** Everything up to it was delivered. */
    revision: number;
    cluster_id: string | undefined;
    /** Since when something has been missing in the log. */
    lost_since: number | undefined;
    /** When that was seen last. */
    missed_at: number;
    next_join: number;
    tries: number;
    readonly since: number;
    /** Since it has waited last. */
    readonly slice: TimeSlice;
    is_closed: boolean;
}

/** A feed out of the log that one worker writes for all. */
interface LogFeed extends Fields, Methods {}

/** Something is missing in the log. A reader that was slow starts again; if it stays away the log is given up. */
function note_loss(feed: Fields, log: Log, finding: ReadOutcome | undefined): void {
    if (finding !== "lost" && finding !== "between") {
        feed.lost_since = undefined;
        return;
    }
    const time = now();
    if (feed.lost_since === undefined || time - feed.missed_at > STALL) {
        feed.lost_since = time; // also if the worker was stopped meanwhile
    }
    feed.missed_at = time;
    if (finding === "lost") {
        feed.is_following = false;
    }
    if (time - feed.lost_since > (finding === "lost" ? LOST : UNDECIDED)) {
        feed.lost_since = undefined;
        coordinators.give_up(feed.coordinator, log, undefined);
    }
}

/** True if etcd was restored from a backup since the reader was told anything, or if that cannot be known. */
function is_other_history(feed: Fields, cursor: Cursor, cluster_id: string | undefined): boolean {
    if (feed.own !== undefined) {
        return cluster_id !== (feed.own.cluster_id() ?? feed.cluster_id);
    }
    const stood = feed.cursor;
    return stood === undefined || stood.log.name !== cursor.log.name || cursor.history > stood.epoch;
}

/** Reads the state of the log from its base on; nil if it is of no use yet. */
function join(feed: Fields, log: Log): Batch | undefined {
    const cursor = cursors.new(log);
    const [batch, finding] = cursors.join_root(cursor);
    note_loss(feed, log, finding);
    if (batch === undefined) {
        return undefined;
    }
    const start = epoch_header.read(log, cursor.epoch);
    let cluster_id = feed.cluster_id;
    if (start !== undefined) {
        cluster_id = start.cluster_id;
    }
    if (feed.revision > 0 && is_other_history(feed, cursor, cluster_id)) {
        batch.reason = "restored"; // revisions that are the same may stand for something else
    }
    feed.tries = 0;
    feed.cursor = cursor;
    feed.is_following = true;
    feed.cluster_id = cluster_id;
    if (feed.own !== undefined) {
        feed.own.close();
        feed.own = undefined;
    }
    return batch;
}

/**
 * What was delivered so far was another log's, or etcd's own: this log may be behind, often only by a moment. Then
 * the reader stays where it is; one that has etcd itself for as long as it takes.
 */
function may_join(feed: Fields, log: Log): boolean {
    const time = now();
    if (feed.revision === 0) {
        return true;
    }
    if (time < feed.next_join) {
        return false;
    }
    const tail = feed.coordinator.tail;
    const [at] = logs.head(log, tail);
    const start = at !== undefined && writers.start_after(log, tail, at);
    if (start === false || start === undefined || start.revision >= feed.revision) {
        return true;
    }
    feed.tries = feed.tries + 1;
    if (feed.tries > TRIES) {
        feed.tries = 0;
        feed.next_join = time + PATIENCE;
        return feed.own === undefined;
    }
    return false;
}

/** What the log has for the reader now; nil for nothing. */
function read(feed: Fields, log: Log): Batch | undefined {
    const cursor = feed.cursor;
    if (cursor === undefined || !feed.is_following || cursor.log.name !== log.name) {
        if (!may_join(feed, log)) {
            return undefined;
        }
        return join(feed, log);
    }
    const [batch, finding] = cursors.next(cursor);
    note_loss(feed, log, finding);
    return batch;
}

/** Waits for etcd itself, or for something new in the log. */
function wait(feed: Fields, seconds: number): Result<Batch, EtcdError> {
    if (feed.own !== undefined && feed.tries === 0) {
        return feed.own.next(seconds);
    }
    feed.signal.wait(seconds);
    return $multi(undefined, errors.local_error("timeout", "timeout"));
}

/** Goes on without a log. */
function go_alone(feed: Fields): EtcdError | undefined {
    feed.is_following = false;
    const from = feed.revision > 0 ? feed.revision + 1 : undefined;
    const [own, err] = feed.coordinator.open_source(from, feed.cluster_id);
    feed.own = own;
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
            time_slice.yield_if_due(this.slice); // whoever is behind may have thousands to read
            batch = read(this, log);
        } else {
            this.tries = 0; // nothing to wait for any more
            if (coordinator.is_alone && this.own === undefined) {
                const err = go_alone(this);
                if (err !== undefined) {
                    return $multi(undefined, err);
                }
            }
        }
        if (batch === undefined) {
            const left = deadline !== undefined ? deadline - now() : PATIENCE;
            const longest = this.lost_since !== undefined || this.tries > 0 ? REJOIN_INTERVAL : PATIENCE;
            const [own_batch, err] = wait(this, max(0, min(left, longest)));
            this.slice.since = now();
            const is_late = deadline !== undefined && now() >= deadline;
            if (own_batch === undefined && (is_late || err.name !== "timeout")) {
                return $multi(undefined, err);
            }
            batch = own_batch;
        }
        if (batch !== undefined) {
            this.revision = batch.revision;
            return $multi(batch);
        }
    }
    return $multi(undefined, errors.local_error("closed", "closed"));
}

function age(this: LogFeed): number {
    if (this.own !== undefined) {
        return this.own.age();
    }
    const coordinator = this.coordinator;
    let contact = 0;
    if (coordinator.log !== undefined) {
        contact = logs.number_at(coordinator.log, `${coordinator.tail}c`) ?? 0;
    }
    return now() - (contact > 0 ? contact : this.since);
}

function close(this: LogFeed): void {
    if (this.is_closed) {
        return;
    }
    this.is_closed = true;
    const coordinator = this.coordinator;
    coordinator.readers.delete(this.signal);
    coordinator.reader_count = coordinator.reader_count - 1;
    this.signal.post(1);
    if (this.own !== undefined) {
        this.own.close();
    }
}

const methods = { age, close, next };
type Methods = typeof methods;
const mt: LuaMetatable<LogFeed, Methods> = { __index: methods };

/** Makes what one worker has of a log. */
function new_coordinator(dict: NodeDict, base: string, open_source: OpenSource, retry: number): Coordinator {
    return coordinators.new(dict, base, open_source, retry, writer_loop.lead);
}

/** One more reader of a worker. */
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
        own: undefined,
        revision: 0,
        cluster_id: undefined,
        lost_since: undefined,
        missed_at: 0,
        next_join: 0,
        tries: 0,
        since: now(),
        slice: time_slice.start(),
        is_closed: false,
    };
    coordinator.readers.add(signal);
    coordinator.reader_count = coordinator.reader_count + 1;
    poll_timers.ensure(poll_timer, coordinator);
    return $multi(setmetatable(fields as LogFeed, mt));
}

export { attach, new_coordinator };
