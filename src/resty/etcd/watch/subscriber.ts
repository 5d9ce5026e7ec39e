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
    const { range, hub_range, relist, progress, prev_kv, filters, silence, max_events, max_bytes } = wants;
    return $multi({
        range,
        hub_range,
        relist,
        progress,
        prev_kv,
        filters,
        silence,
        max_events,
        max_bytes,
        queue: batch_queue.new(max_events, max_bytes),
        ready,
        waiting: false,
        hub: undefined,
        known: undefined,
        past: undefined,
        next,
        unknown_before: undefined,
        needs,
        held: [],
        list_at: undefined,
        epoch: 0,
        listing: false,
        delivered: 0,
        err: undefined,
        closed: false,
        heard_at: clock.now(),
        batches: 0,
        lists: 0,
        times_behind: 0,
        behind_at: 0,
        apart_until: 0,
    });
}

/** Wakes the one who waits for batches. */
function wake(consumer: Subscriber): void {
    if (consumer.waiting) {
        consumer.waiting = false;
        consumer.ready.post(1);
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
function put(consumer: Subscriber, batch: Batch): void {
    if (batch.revision >= consumer.next) {
        consumer.next = batch.revision + 1;
        batch_queue.push(consumer.queue, batch, weigh(batch));
        wake(consumer);
    }
}

/** The state that it waits for will be read later, so it needs nothing of what comes now. */
function ignores_events(consumer: Subscriber): boolean {
    return consumer.needs !== undefined && !consumer.listing && consumer.list_at === undefined;
}

/** It waits for a first state, of whatever revision that will be: nothing that it has been told can be lost. */
function is_new(consumer: Subscriber): boolean {
    return consumer.needs === "list" && consumer.list_at === undefined;
}

/** Takes a batch of events, into the queue or aside until the state before it is known. */
function offer(consumer: Subscriber, batch: Batch): void {
    if (consumer.needs === undefined) {
        put(consumer, batch);
    } else if (!ignores_events(consumer) && batch.revision >= consumer.next) {
        consumer.held.push(batch);
        consumer.queue.events = consumer.queue.events + batch.events.length;
        consumer.queue.bytes = consumer.queue.bytes + weigh(batch);
    }
}

/** Forgets what was put aside. */
function drop_held(consumer: Subscriber): void {
    for (const batch of consumer.held) {
        consumer.queue.events = consumer.queue.events - batch.events.length;
        consumer.queue.bytes = consumer.queue.bytes - weigh(batch);
    }
    consumer.held = [];
}

/** Notes how far etcd has come, where the consumer wants to know. */
function advance(consumer: Subscriber, revision: number): void {
    if (consumer.needs === undefined && revision >= consumer.next) {
        consumer.next = revision + 1;
        if (consumer.progress) {
            batch_queue.push_progress(consumer.queue, revision);
            wake(consumer);
        }
    }
}

/** Takes the full state that it has waited for, and what came in the meantime. */
function accept_full_state(consumer: Subscriber, full: RawKv[], revision: number): void {
    const reason = consumer.needs ?? "list";
    const held = consumer.held;
    drop_held(consumer);
    consumer.needs = undefined;
    consumer.list_at = undefined;
    consumer.heard_at = clock.now();
    consumer.lists = consumer.lists + 1;
    consumer.next = max(consumer.next, revision + 1);
    batch_queue.push_full(consumer.queue, { revision, events: [], full, reason });
    wake(consumer);
    for (const batch of held) {
        put(consumer, batch);
    }
}

/** Its revisions are gone: only a full state helps. */
function require_full_state(consumer: Subscriber, reason: Reason): void {
    drop_held(consumer);
    consumer.epoch = consumer.epoch + 1;
    const { needs, list_at } = consumer;
    if (needs === undefined || list_at !== undefined || (needs === "compacted" && reason === "restored")) {
        consumer.needs = reason;
    }
    consumer.list_at = undefined;
    consumer.next = 0;
}

/** No more will come. */
function fail(consumer: Subscriber, err: EtcdError): void {
    drop_held(consumer);
    consumer.hub = undefined;
    consumer.err ??= err;
    wake(consumer);
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
