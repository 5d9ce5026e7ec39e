import type { Subscriber, SharedWatch, HistoryPoint } from "./types";
import * as semaphore from "ngx.semaphore";
import * as backoffs from "../base/backoff";
import * as clock from "../base/clock";
import type { Core } from "../call/client_state";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import type { Batch, Reason } from "./feed";
import * as key_range from "../protocol/key_range";
import * as timers from "../base/timers";
import * as subscribers from "./subscriber";

const now = clock.now;
const max = math.max;
const min = math.min;

/** How long a timer may take to start: nginx drops timers when too many of them run. */
const START_TIME = 1;

/** The streams of a client. */
function watches_of(core: Core): SharedWatch[] {
    core.shared_watches ??= [];
    return core.shared_watches as SharedWatch[];
}

/** Wakes the hub's timer. */
function wake_timer(shared_watch: SharedWatch): void {
    if (!shared_watch.is_woken) {
        shared_watch.is_woken = true;
        shared_watch.wake.post(1);
    }
}

/** Starts the hub's timer. */
function start(shared_watch: SharedWatch, delay: number): Result<true> {
    const [ok, err] = timers.at(delay, shared_watch.run, shared_watch);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    shared_watch.is_running = false;
    shared_watch.start_deadline = now() + delay + START_TIME;
    return $multi(true);
}

/** Starts its timer once more if nginx has dropped it. */
function restart_if_lost(shared_watch: SharedWatch): void {
    if (!shared_watch.is_running && now() > shared_watch.start_deadline) {
        start(shared_watch, 0);
    }
}

function copy(known: HistoryPoint | undefined): HistoryPoint {
    if (known === undefined) {
        return { cluster_id: undefined, raft_term: 0, revision: 0 };
    }
    return { cluster_id: known.cluster_id, raft_term: known.raft_term, revision: known.revision };
}

/** A stream of the consumer's kind that begins at `next`. */
function create(
    core: Core,
    subscriber: Subscriber,
    next: number | undefined,
    apart: boolean,
    run: SharedWatch["run"],
): Result<SharedWatch> {
    const [wake, err] = semaphore.new(0);
    const [room, room_err] = semaphore.new(0);
    if (wake === undefined || room === undefined) {
        return $multi(undefined, err ?? room_err ?? "no semaphore");
    }
    return $multi({
        core,
        range: subscriber.shared_range,
        prev_kv: subscriber.prev_kv,
        filters: subscriber.filters,
        idle_timeout: subscriber.idle_timeout,
        run,
        wake,
        is_woken: false,
        is_running: false,
        start_deadline: 0,
        subscribers: [],
        next_revision: next,
        unknown_before: subscriber.unknown_before,
        history: copy(subscriber.history),
        history_token: subscriber.history_token ?? { lost: false },
        is_catching_up: apart,
        stream: undefined,
        is_connected: false,
        last_received_at: now(),
        is_blocked: false,
        resume_signal: room,
        open_count: 0,
        close_reasons: new LuaMap(),
        events: 0,
        dropped: 0,
        last_error: undefined,
        backoff: backoffs.new(),
        last_immediate_reopen: 0,
        last_logged_at: new LuaMap(),
    });
}

function without<T>(list: readonly T[], item: T): T[] {
    const rest: T[] = [];
    for (const other of list) {
        if (other !== item) {
            rest.push(other);
        }
    }
    return rest;
}

/** The stream does not serve the consumer any more. The last one to leave ends it. */
function unsubscribe(subscriber: Subscriber): void {
    const shared_watch = subscriber.shared_watch;
    if (shared_watch !== undefined) {
        subscriber.shared_watch = undefined;
        shared_watch.subscribers = without(shared_watch.subscribers, subscriber);
        if (shared_watch.subscribers.length === 0) {
            // nobody may join it on its way out
            shared_watch.core.shared_watches = without(watches_of(shared_watch.core), shared_watch);
        }
        wake_timer(shared_watch);
    }
}

/**
 * From which revision etcd is asked for events: once more for the last one that is known. Before 3.4.36 and 3.5.18 a
 * deletion in the very revision of a compaction is gone, and etcd does not say so to whoever begins there.
 */
function request_revision(shared_watch: SharedWatch): number {
    const next = shared_watch.next_revision!;
    return next === shared_watch.unknown_before ? next : max(next - 1, 1);
}

/** Gives each consumer its part of a batch. All of them have room. */
function deliver(shared_watch: SharedWatch, batch: Batch): void {
    const { revision } = batch;
    shared_watch.next_revision = revision + 1;
    shared_watch.history.revision = max(shared_watch.history.revision, revision);
    shared_watch.events = shared_watch.events + batch.events.length;
    for (const subscriber of shared_watch.subscribers) {
        const events = key_range.filter_events(subscriber.range, batch.events);
        if (events !== undefined) {
            subscribers.offer(subscriber, events === batch.events ? batch : { revision, events });
        }
    }
}

/** All events up to `revision` have been delivered. */
function progress(shared_watch: SharedWatch, revision: number): void {
    if (revision >= shared_watch.next_revision!) {
        shared_watch.next_revision = revision + 1;
        shared_watch.history.revision = max(shared_watch.history.revision, revision);
        for (const subscriber of shared_watch.subscribers) {
            subscribers.advance(subscriber, revision);
        }
    }
}

/**
 * Revisions are gone. Consumers that need them need a full state now, or have come to their end; those that stand
 * behind them go on.
 */
function on_revisions_lost(shared_watch: SharedWatch, reason: Reason, err: EtcdError): void {
    let oldest = err.compact_revision;
    let next: number | undefined;
    if (
        oldest !== undefined &&
        (shared_watch.next_revision === undefined || oldest <= request_revision(shared_watch))
    ) {
        oldest = undefined; // the stream has no need of what is before: nobody knows what is gone
    }
    if (oldest !== undefined) {
        shared_watch.history.revision = max(shared_watch.history.revision, oldest);
    }
    if (reason === "restored") {
        shared_watch.history_token.lost = true; // whoever has left the stream with this past will be told too
        shared_watch.history_token = { lost: false };
    }
    for (const subscriber of shared_watch.subscribers) {
        if (oldest !== undefined && subscriber.next_revision > oldest) {
            next = min(next ?? subscriber.next_revision, subscriber.next_revision);
        } else if (subscriber.relist || subscribers.is_new(subscriber)) {
            subscribers.require_full_state(subscriber, reason);
        } else {
            unsubscribe(subscriber);
            subscribers.fail(subscriber, err);
        }
    }
    if (next !== undefined) {
        next = min(next, shared_watch.history.revision + 1); // states are read that may be no newer
    }
    shared_watch.next_revision = next;
}

/** Ends it, and all of its consumers with it. */
function end(shared_watch: SharedWatch, err: EtcdError): void {
    for (const subscriber of shared_watch.subscribers) {
        unsubscribe(subscriber);
        subscribers.fail(subscriber, err);
    }
}

/** Seconds since etcd was heard of last. */
function age(shared_watch: SharedWatch): number {
    const stream = shared_watch.stream;
    const heard_at =
        stream !== undefined
            ? max(shared_watch.last_received_at, stream.last_received_at())
            : shared_watch.last_received_at;
    return now() - heard_at;
}

/** For consumers whose program ends. */
function exiting(): EtcdError {
    return errors.local_error("closed", "closed: the worker is exiting");
}

export {
    age,
    request_revision,
    copy as copy_known,
    create as new,
    deliver,
    end,
    exiting,
    watches_of,
    unsubscribe,
    on_revisions_lost,
    wake_timer,
    progress,
    restart_if_lost,
    start,
};
