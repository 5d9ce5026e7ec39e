import type { Subscriber, SubscriberOptions } from "./types";
import type { RawKv } from "../protocol/message";
import * as semaphore from "ngx.semaphore";
import * as batch_queue from "./batch_queue";
import * as clock from "../base/clock";
import type { EtcdError } from "../protocol/errors";
import type { Batch, Reason } from "./feed";

const max = math.max;

function create(wants: SubscriberOptions, next: number, needs: Reason | undefined): Result<Subscriber> {
    const [ready, err] = semaphore.new(0);
    if (ready === undefined) {
        return $multi(undefined, err);
    }
    const {
        range,
        shared_range: hub_range,
        relist,
        progress,
        prev_kv,
        filters,
        idle_timeout,
        max_events,
        max_bytes,
    } = wants;
    return $multi({
        range,
        shared_range: hub_range,
        relist,
        progress,
        prev_kv,
        filters,
        idle_timeout,
        max_events,
        max_bytes,
        queue: batch_queue.new(max_events, max_bytes),
        ready,
        is_waiting: false,
        shared_watch: undefined,
        history: undefined,
        history_token: undefined,
        next_revision: next,
        unknown_before: undefined,
        pending_state: needs,
        buffered: [],
        list_revision: undefined,
        epoch: 0,
        is_listing: false,
        delivered_revision: 0,
        err: undefined,
        is_closed: false,
        last_received_at: clock.now(),
        batches: 0,
        lists: 0,
        overflows: 0,
        last_overflow_at: 0,
        isolated_until: 0,
    });
}

/** Wakes the one who waits for batches. */
function wake(subscriber: Subscriber): void {
    if (subscriber.is_waiting) {
        subscriber.is_waiting = false;
        subscriber.ready.post(1);
    }
}

function weigh_kv(kv: RawKv | undefined): number {
    return kv === undefined ? 0 : kv.key.length + (kv.value ?? "").length + 100;
}

/** About how much memory the events take. */
function weigh(batch: Batch): number {
    let bytes = 0;
    for (const event of batch.events) {
        bytes = bytes + weigh_kv(event.kv) + weigh_kv(event.prev_kv);
    }
    return bytes;
}

/** Puts a batch into the queue, unless it has been there. */
function put(subscriber: Subscriber, batch: Batch): void {
    if (batch.revision >= subscriber.next_revision) {
        subscriber.next_revision = batch.revision + 1;
        batch_queue.push(subscriber.queue, batch, weigh(batch));
        wake(subscriber);
    }
}

/** The state that it waits for will be read later, so it needs nothing of what comes now. */
function ignores_events(subscriber: Subscriber): boolean {
    return subscriber.pending_state !== undefined && !subscriber.is_listing && subscriber.list_revision === undefined;
}

/** It waits for a first state, of whatever revision that will be: nothing that it has been told can be lost. */
function is_new(subscriber: Subscriber): boolean {
    return subscriber.pending_state === "list" && subscriber.list_revision === undefined;
}

/** Takes a batch of events, into the queue or aside until the state before it is known. */
function offer(subscriber: Subscriber, batch: Batch): void {
    if (subscriber.pending_state === undefined) {
        put(subscriber, batch);
    } else if (!ignores_events(subscriber) && batch.revision >= subscriber.next_revision) {
        subscriber.buffered.push(batch);
        subscriber.queue.events = subscriber.queue.events + batch.events.length;
        subscriber.queue.bytes = subscriber.queue.bytes + weigh(batch);
    }
}

/** Forgets what was put aside. */
function drop_held(subscriber: Subscriber): void {
    for (const batch of subscriber.buffered) {
        subscriber.queue.events = subscriber.queue.events - batch.events.length;
        subscriber.queue.bytes = subscriber.queue.bytes - weigh(batch);
    }
    subscriber.buffered = [];
}

/** Notes how far etcd has come, where the consumer wants to know. */
function advance(subscriber: Subscriber, revision: number): void {
    if (subscriber.pending_state === undefined && revision >= subscriber.next_revision) {
        subscriber.next_revision = revision + 1;
        if (subscriber.progress) {
            batch_queue.push_progress(subscriber.queue, revision);
            wake(subscriber);
        }
    }
}

/** Takes the full state that it has waited for, and what came in the meantime. */
function accept_full_state(subscriber: Subscriber, full: RawKv[], revision: number): void {
    const reason = subscriber.pending_state ?? "list";
    const held = subscriber.buffered;
    drop_held(subscriber);
    subscriber.pending_state = undefined;
    subscriber.list_revision = undefined;
    subscriber.last_received_at = clock.now();
    subscriber.lists = subscriber.lists + 1;
    subscriber.next_revision = max(subscriber.next_revision, revision + 1);
    batch_queue.push_full(subscriber.queue, { revision, events: [], full, reason });
    wake(subscriber);
    for (const batch of held) {
        put(subscriber, batch);
    }
}

/** Its revisions are gone: only a full state helps. */
function require_full_state(subscriber: Subscriber, reason: Reason): void {
    drop_held(subscriber);
    subscriber.epoch = subscriber.epoch + 1;
    const { pending_state: needs, list_revision: list_at } = subscriber;
    if (needs === undefined || list_at !== undefined || (needs === "compacted" && reason === "restored")) {
        subscriber.pending_state = reason;
    }
    subscriber.list_revision = undefined;
    subscriber.next_revision = 0;
}

/** No more will come. */
function fail(subscriber: Subscriber, err: EtcdError): void {
    drop_held(subscriber);
    subscriber.shared_watch = undefined;
    subscriber.err ??= err;
    wake(subscriber);
}

export {
    accept_full_state,
    create as new,
    drop_held,
    fail,
    offer,
    ignores_events,
    is_new,
    require_full_state,
    advance,
    wake,
};
