import type { HistoryPoint, HistoryToken, SharedWatch, Subscriber, SubscriberOptions } from "./types";
import type { RawKv } from "../protocol/message";
import * as semaphore from "ngx.semaphore";
import * as backoffs from "../base/backoff";
import * as batch_queue from "./batch_queue";
import * as clock from "../base/clock";
import * as waits from "../base/wait";
import type { Mutable } from "../base/mutable";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import type { Batch, Reason } from "./feed";

const now = clock.now;
const max = math.max;

/** Seconds. A subscriber that is too slow twice within this time does not share a watch for the same time. */
const ISOLATION_TIME = 5;

/** Where a subscriber starts. See `Subscriber` for the fields. */
interface StartPosition {
    readonly next_revision: number;
    readonly unknown_before: number | undefined;
    readonly pending_state: Reason | undefined;
    readonly list_revision: number | undefined;
    readonly history: HistoryPoint | undefined;
}

type State = Mutable<Subscriber>;

function create(options: SubscriberOptions, start: StartPosition): Result<Subscriber> {
    const [ready, err] = semaphore.new(0);
    if (ready === undefined) {
        return $multi(undefined, err);
    }
    return $multi({
        options,
        queue: batch_queue.new(options.max_events, options.max_bytes),
        ready,
        is_waiting: false,
        shared_watch: undefined,
        history: start.history,
        history_token: undefined,
        next_revision: start.next_revision,
        unknown_before: start.unknown_before,
        pending_state: start.pending_state,
        list_revision: start.list_revision,
        epoch: 0,
        is_listing: false,
        list_backoff: backoffs.new(),
        delivered_revision: 0,
        err: undefined,
        is_closed: false,
        last_received_at: now(),
        batches: 0,
        lists: 0,
        overflows: 0,
        last_overflow_at: 0,
        isolated_until: 0,
    });
}

/** Wakes the light thread that waits in `wait`. */
function wake(subscriber: State): void {
    if (subscriber.is_waiting) {
        subscriber.is_waiting = false;
        subscriber.ready.post(1);
    }
}

/**
 * Waits until there can be a batch.
 * @returns nil; or an error if the phase cannot wait
 */
function wait(subscriber: State, seconds: number): EtcdError | undefined {
    subscriber.is_waiting = true;
    const [outcome, reason] = waits.wait(subscriber.ready, seconds);
    subscriber.is_waiting = false;
    if (outcome === "cannot_wait") {
        return errors.local_error("not_in_phase", `waiting for events: ${reason}`);
    }
    return undefined;
}

/** Sets the watch that serves the subscriber from now on. */
function attach(subscriber: State, shared_watch: SharedWatch): void {
    subscriber.shared_watch = shared_watch;
}

/** The watch does not serve the subscriber any more. */
function detach(subscriber: State): void {
    subscriber.shared_watch = undefined;
}

/** Reports whether the full state that it waits for will be read later: nothing that arrives before that is needed. */
function ignores_events(subscriber: Subscriber): boolean {
    return subscriber.pending_state !== undefined && !subscriber.is_listing && subscriber.list_revision === undefined;
}

/** Reports whether it waits for its first full state, of any revision: no revision before that can be lost. */
function is_new(subscriber: Subscriber): boolean {
    return subscriber.pending_state === "list" && subscriber.list_revision === undefined;
}

/** Reports whether it does not share a watch for the time being. */
function is_isolated(subscriber: Subscriber): boolean {
    return now() < subscriber.isolated_until;
}

/**
 * Returns the revision at which a watch must start to serve the subscriber; nil for any, because it waits for a full
 * state that will be read.
 */
function start_revision(subscriber: Subscriber): number | undefined {
    if (subscriber.pending_state !== undefined && subscriber.list_revision === undefined) {
        return undefined;
    }
    return subscriber.next_revision;
}

/** Accepts a batch of events: queued, or buffered until the full state before it has been read. */
function offer(subscriber: State, batch: Batch): void {
    if (batch.revision < subscriber.next_revision) {
        return;
    }
    if (subscriber.pending_state === undefined) {
        subscriber.next_revision = batch.revision + 1;
        batch_queue.push(subscriber.queue, batch);
        wake(subscriber);
    } else if (!ignores_events(subscriber)) {
        batch_queue.buffer(subscriber.queue, batch);
    }
}

/** Notes that there are no events for the subscriber up to a revision. */
function skip_to(subscriber: State, next_revision: number): void {
    if (subscriber.pending_state === undefined) {
        subscriber.next_revision = max(subscriber.next_revision, next_revision);
    }
}

/** Notes etcd's current revision, and reports it if the subscriber has asked for that. */
function advance(subscriber: State, revision: number): void {
    if (subscriber.pending_state === undefined && revision >= subscriber.next_revision) {
        subscriber.next_revision = revision + 1;
        if (subscriber.options.progress) {
            batch_queue.push_progress(subscriber.queue, revision);
            wake(subscriber);
        }
    }
}

/** A light thread has begun to read the full state. */
function start_list(subscriber: State): void {
    subscriber.is_listing = true;
}

/** The light thread that read the full state has ended. */
function end_list(subscriber: State): void {
    subscriber.is_listing = false;
}

/** Discards the batches that wait for the full state. */
function drop_buffered(subscriber: Subscriber): void {
    batch_queue.take_buffered(subscriber.queue);
}

/** The state at `list_revision` was compacted away: the current one is read instead. */
function drop_list_revision(subscriber: State): void {
    subscriber.pending_state = "compacted";
    subscriber.list_revision = undefined;
}

/** Queues the full state that the subscriber has waited for, and the batches that were buffered meanwhile. */
function accept_full_state(subscriber: State, full: RawKv[], revision: number): void {
    const reason = subscriber.pending_state ?? "list";
    const buffered = batch_queue.take_buffered(subscriber.queue);
    subscriber.pending_state = undefined;
    subscriber.list_revision = undefined;
    backoffs.reset(subscriber.list_backoff);
    subscriber.last_received_at = now();
    subscriber.lists = subscriber.lists + 1;
    subscriber.next_revision = max(subscriber.next_revision, revision + 1);
    batch_queue.push_full(subscriber.queue, { revision, events: [], full, reason });
    wake(subscriber);
    for (const item of buffered) {
        const { batch } = item;
        if (batch.revision >= subscriber.next_revision) {
            subscriber.next_revision = batch.revision + 1;
            batch_queue.append(subscriber.queue, item);
        }
    }
}

/** The revisions that the subscriber needs are lost: it waits for a full state now. */
function require_full_state(subscriber: State, reason: Reason): void {
    drop_buffered(subscriber);
    subscriber.epoch = subscriber.epoch + 1;
    const { pending_state, list_revision } = subscriber;
    if (
        pending_state === undefined ||
        list_revision !== undefined ||
        (pending_state === "compacted" && reason === "restored")
    ) {
        subscriber.pending_state = reason;
    }
    subscriber.list_revision = undefined;
    subscriber.next_revision = 0;
}

/** The queue was too full for a shared watch. */
function note_overflow(subscriber: State): void {
    const time = now();
    if (subscriber.overflows > 0 && time - subscriber.last_overflow_at < ISOLATION_TIME) {
        subscriber.isolated_until = time + ISOLATION_TIME;
    }
    subscriber.last_overflow_at = time;
    subscriber.overflows = subscriber.overflows + 1;
}

/** Sets what the subscriber knows of etcd when it joins its next watch. */
function set_history(subscriber: State, history: HistoryPoint, token: HistoryToken): void {
    subscriber.history = history;
    subscriber.history_token = token;
}

/** Removes the oldest batch from the queue and returns it; nil if there is none. */
function take(subscriber: State): Batch | undefined {
    const batch = batch_queue.pop(subscriber.queue);
    if (batch !== undefined) {
        // a full state can be older than what was delivered: etcd was restored from a backup
        subscriber.delivered_revision =
            batch.full !== undefined ? batch.revision : max(subscriber.delivered_revision, batch.revision);
        subscriber.batches = subscriber.batches + 1;
    }
    return batch;
}

/** Ends the subscriber: after the batches in its queue comes the error. */
function fail(subscriber: State, err: EtcdError): void {
    drop_buffered(subscriber);
    subscriber.err ??= err;
    wake(subscriber);
}

/** Marks the subscriber as closed; its watch removes it at its next check. Safe in a finalizer. */
function mark_closed(subscriber: State): void {
    subscriber.is_closed = true;
}

/** Ends the subscriber and discards its queue. */
function close(subscriber: State): void {
    subscriber.is_closed = true;
    batch_queue.clear(subscriber.queue);
    wake(subscriber);
}

export {
    accept_full_state,
    advance,
    attach,
    close,
    create as new,
    detach,
    drop_buffered,
    drop_list_revision,
    end_list,
    fail,
    ignores_events,
    is_isolated,
    is_new,
    mark_closed,
    note_overflow,
    offer,
    require_full_state,
    set_history,
    skip_to,
    start_list,
    start_revision,
    take,
    wait,
};
