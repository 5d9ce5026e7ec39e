import type { Subscriber, SharedWatch, SubscriberOptions } from "./types";
import * as clock from "../base/clock";
import type { Core } from "../call/client_state";
import * as key_range from "../protocol/key_range";
import * as subscriber from "./subscriber";
import * as shared_watch from "./shared_watch";
import * as batch_queue from "./batch_queue";

const now = clock.now;
const max = math.max;

/** A consumer that is too slow twice within so many seconds keeps a stream of its own for as long. */
const APART = 5;

/** The consumer takes along what its stream has learnt of etcd. */
function carry_history(consumer: Subscriber, hub: SharedWatch): void {
    consumer.known = shared_watch.copy_known(hub.known);
    consumer.past = hub.past;
}

/** The consumer is too slow for the others: it goes on later, on a stream of its own. */
function detach(hub: SharedWatch, consumer: Subscriber, revision: number): void {
    const time = now();
    if (consumer.times_behind > 0 && time - consumer.behind_at < APART) {
        consumer.apart_until = time + APART;
    }
    consumer.behind_at = time;
    consumer.times_behind = consumer.times_behind + 1;
    if (consumer.needs === undefined) {
        consumer.next = max(consumer.next, revision);
    } else {
        subscriber.drop_held(consumer); // it goes on behind its state, of whatever revision that will be
    }
    carry_history(consumer, hub);
    shared_watch.unsubscribe(consumer);
}

/**
 * Parts with consumers that have no room, unless one is alone.
 * @returns that one
 */
function detach_slow(hub: SharedWatch, revision: number): Subscriber | undefined {
    for (const consumer of hub.consumers) {
        if (batch_queue.is_full(consumer.queue) && !subscriber.ignores_events(consumer)) {
            if (hub.consumers.length === 1 && consumer.needs === undefined) {
                return consumer;
            }
            detach(hub, consumer, revision);
        }
    }
    return undefined;
}

/** Streams of the hub's kind can serve the consumer. */
function is_compatible(hub: SharedWatch, wants: SubscriberOptions): boolean {
    return (
        key_range.contains(hub.range, wants.hub_range) &&
        hub.filters === wants.filters &&
        (hub.prev_kv || !wants.prev_kv) &&
        hub.silence <= wants.silence
    );
}

/** What the consumer takes along from another stream is true of this one too, as far as is known. */
function has_past_of(hub: SharedWatch, consumer: Subscriber): boolean {
    if (consumer.past !== undefined) {
        return consumer.past === hub.past;
    }
    const cluster_id = consumer.known?.cluster_id;
    const other_id = hub.known.cluster_id;
    return cluster_id === undefined || other_id === undefined || cluster_id === other_id;
}

/** The stream is where the consumer can join it. */
function can_join(hub: SharedWatch, consumer: Subscriber, from: number | undefined): boolean {
    const next = hub.next;
    if (from !== undefined) {
        return next !== undefined && next <= from;
    }
    if (consumer.needs === undefined) {
        // it begins now: only where that has not been asked for yet
        return next === undefined && !hub.running && hub.known.cluster_id === undefined;
    }
    // one that begins in the future would leave out what comes before
    return !hub.apart && (next === undefined || next <= hub.known.revision + 1);
}

/** The stream that may serve the consumer and has come furthest. */
function find(core: Core, consumer: Subscriber, from: number | undefined): SharedWatch | undefined {
    let best: SharedWatch | undefined;
    if (now() < consumer.apart_until) {
        return undefined;
    }
    for (const hub of shared_watch.watches_of(core)) {
        const may_serve = is_compatible(hub, consumer) && has_past_of(hub, consumer) && can_join(hub, consumer, from);
        if (may_serve && (best === undefined || (hub.next ?? 0) > (best.next ?? 0))) {
            best = hub;
        }
    }
    return best;
}

function add(hub: SharedWatch, consumer: Subscriber): void {
    consumer.hub = hub;
    hub.consumers.push(consumer);
    shared_watch.wake_timer(hub);
}

/** Lets a new stream serve the consumer from revision `next` on. */
function open_for(
    consumer: Subscriber,
    core: Core,
    next: number | undefined,
    run: SharedWatch["run"],
): Result<SharedWatch> {
    let apart = false;
    for (const other of shared_watch.watches_of(core)) {
        apart = apart || (!other.apart && is_compatible(other, consumer));
    }
    const [hub, err] = shared_watch.new(core, consumer, next, apart, run);
    if (hub === undefined) {
        return $multi(undefined, err);
    }
    const [ok, start_err] = shared_watch.start(hub, 0);
    if (ok === undefined) {
        return $multi(undefined, start_err);
    }
    shared_watch.watches_of(core).push(hub);
    add(hub, consumer);
    return $multi(hub);
}

/**
 * Lets a stream serve the consumer: one that runs, if there is one that has not passed revision `from`.
 * @param from nil if the consumer begins now, or with the state as it will be read
 */
function join(
    consumer: Subscriber,
    core: Core,
    from: number | undefined,
    run: SharedWatch["run"],
): Result<SharedWatch> {
    const hub = find(core, consumer, from);
    if (hub === undefined) {
        return open_for(consumer, core, from, run);
    }
    add(hub, consumer);
    return $multi(hub);
}

/** The other stream may take over the consumers of this one, which has begun apart. */
function may_take_over(other: SharedWatch, hub: SharedWatch): boolean {
    return (
        other !== hub &&
        !other.apart &&
        other.next !== undefined &&
        other.next <= hub.next! &&
        other.known.cluster_id === hub.known.cluster_id &&
        !hub.past.lost
    );
}

/** Hands the consumers of a stream that began apart to the one that it has caught up with. */
function merge(hub: SharedWatch): void {
    if (!hub.apart) {
        return;
    }
    const time = now();
    for (const consumer of hub.consumers) {
        for (const other of shared_watch.watches_of(hub.core)) {
            if (time >= consumer.apart_until && may_take_over(other, hub) && is_compatible(other, consumer)) {
                if (consumer.needs === undefined) {
                    consumer.next = max(consumer.next, hub.next!);
                }
                shared_watch.unsubscribe(consumer);
                add(other, consumer);
                break;
            }
        }
    }
}

/** Gives each consumer of a narrower range than the stream's a stream of its own, which goes on where that stands. */
function split(hub: SharedWatch): void {
    for (const consumer of hub.consumers) {
        if (!key_range.contains(consumer.hub_range, hub.range)) {
            carry_history(consumer, hub);
            shared_watch.unsubscribe(consumer);
            const next = max(consumer.next, hub.next ?? 0); // what it holds reaches as far as the stream does
            if (consumer.needs === undefined) {
                consumer.next = next;
            }
            const [own] = open_for(consumer, hub.core, next > 0 ? next : undefined, hub.run);
            if (own === undefined) {
                subscriber.drop_held(consumer); // it is tried again when its consumer asks
            }
        }
    }
}

export { join, detach_slow, merge, open_for, split };
