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
import * as subscriber from "./subscriber";

const now = clock.now;
const max = math.max;
const min = math.min;

/** How long a timer may take to start: nginx drops timers when too many of them run. */
const START_TIME = 1;

/** The streams of a client. */
function watches_of(core: Core): SharedWatch[] {
    core.hubs ??= [];
    return core.hubs as SharedWatch[];
}

/** Wakes the hub's timer. */
function wake_timer(hub: SharedWatch): void {
    if (!hub.poked) {
        hub.poked = true;
        hub.wake.post(1);
    }
}

/** Starts the hub's timer. */
function start(hub: SharedWatch, delay: number): Result<true> {
    const [ok, err] = timers.at(delay, hub.run, hub);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    hub.running = false;
    hub.due = now() + delay + START_TIME;
    return $multi(true);
}

/** Starts its timer once more if nginx has dropped it. */
function restart_if_lost(hub: SharedWatch): void {
    if (!hub.running && now() > hub.due) {
        start(hub, 0);
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
    consumer: Subscriber,
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
        range: consumer.hub_range,
        prev_kv: consumer.prev_kv,
        filters: consumer.filters,
        silence: consumer.silence,
        run,
        wake,
        poked: false,
        running: false,
        due: 0,
        consumers: [],
        next,
        unknown_before: consumer.unknown_before,
        known: copy(consumer.known),
        past: consumer.past ?? { lost: false },
        apart,
        stream: undefined,
        connected: false,
        heard_at: now(),
        blocked: false,
        room,
        opened: 0,
        ends: new LuaMap(),
        events: 0,
        dropped: 0,
        last_error: undefined,
        backoff: backoffs.new(),
        hurried_at: 0,
        said_at: new LuaMap(),
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
function unsubscribe(consumer: Subscriber): void {
    const hub = consumer.hub;
    if (hub !== undefined) {
        consumer.hub = undefined;
        hub.consumers = without(hub.consumers, consumer);
        if (hub.consumers.length === 0) {
            // nobody may join it on its way out
            hub.core.hubs = without(watches_of(hub.core), hub);
        }
        wake_timer(hub);
    }
}

/**
 * From which revision etcd is asked for events: once more for the last one that is known. Before 3.4.36 and 3.5.18 a
 * deletion in the very revision of a compaction is gone, and etcd does not say so to whoever begins there.
 */
function request_revision(hub: SharedWatch): number {
    const next = hub.next!;
    return next === hub.unknown_before ? next : max(next - 1, 1);
}

/** Gives each consumer its part of a batch. All of them have room. */
function deliver(hub: SharedWatch, batch: Batch): void {
    const { revision } = batch;
    hub.next = revision + 1;
    hub.known.revision = max(hub.known.revision, revision);
    hub.events = hub.events + batch.events.length;
    for (const consumer of hub.consumers) {
        const events = key_range.filter_events(consumer.range, batch.events);
        if (events !== undefined) {
            subscriber.offer(consumer, events === batch.events ? batch : { revision, events });
        }
    }
}

/** All events up to `revision` have been delivered. */
function progress(hub: SharedWatch, revision: number): void {
    if (revision >= hub.next!) {
        hub.next = revision + 1;
        hub.known.revision = max(hub.known.revision, revision);
        for (const consumer of hub.consumers) {
            subscriber.advance(consumer, revision);
        }
    }
}

/**
 * Revisions are gone. Consumers that need them need a full state now, or have come to their end; those that stand
 * behind them go on.
 */
function on_revisions_lost(hub: SharedWatch, reason: Reason, err: EtcdError): void {
    let oldest = err.compact_revision;
    let next: number | undefined;
    if (oldest !== undefined && (hub.next === undefined || oldest <= request_revision(hub))) {
        oldest = undefined; // the stream has no need of what is before: nobody knows what is gone
    }
    if (oldest !== undefined) {
        hub.known.revision = max(hub.known.revision, oldest);
    }
    if (reason === "restored") {
        hub.past.lost = true; // whoever has left the stream with this past will be told too
        hub.past = { lost: false };
    }
    for (const consumer of hub.consumers) {
        if (oldest !== undefined && consumer.next > oldest) {
            next = min(next ?? consumer.next, consumer.next);
        } else if (consumer.relist || subscriber.is_new(consumer)) {
            subscriber.require_full_state(consumer, reason);
        } else {
            unsubscribe(consumer);
            subscriber.fail(consumer, err);
        }
    }
    if (next !== undefined) {
        next = min(next, hub.known.revision + 1); // states are read that may be no newer
    }
    hub.next = next;
}

/** Ends it, and all of its consumers with it. */
function end(hub: SharedWatch, err: EtcdError): void {
    for (const consumer of hub.consumers) {
        unsubscribe(consumer);
        subscriber.fail(consumer, err);
    }
}

/** Seconds since etcd was heard of last. */
function age(hub: SharedWatch): number {
    const stream = hub.stream;
    const heard_at = stream !== undefined ? max(hub.heard_at, stream.heard_at()) : hub.heard_at;
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
