import type { Subscriber, SharedWatch, SubscriberOptions } from "./types";
import * as clock from "../base/clock";
import type { Core } from "../call/client_state";
import * as key_range from "../protocol/key_range";
import * as subscribers from "./subscriber";
import * as shared_watches from "./shared_watch";
import * as batch_queue from "./batch_queue";

const now = clock.now;
const max = math.max;

/** A consumer that is too slow twice within so many seconds keeps a stream of its own for as long. */
const ISOLATION_TIME = 5;

/** The consumer takes along what its stream has learnt of etcd. */
function carry_history(subscriber: Subscriber, shared_watch: SharedWatch): void {
    subscriber.history = shared_watches.copy_known(shared_watch.history);
    subscriber.history_token = shared_watch.history_token;
}

/** The consumer is too slow for the others: it goes on later, on a stream of its own. */
function detach(shared_watch: SharedWatch, subscriber: Subscriber, revision: number): void {
    const time = now();
    if (subscriber.overflows > 0 && time - subscriber.last_overflow_at < ISOLATION_TIME) {
        subscriber.isolated_until = time + ISOLATION_TIME;
    }
    subscriber.last_overflow_at = time;
    subscriber.overflows = subscriber.overflows + 1;
    if (subscriber.pending_state === undefined) {
        subscriber.next_revision = max(subscriber.next_revision, revision);
    } else {
        subscribers.drop_held(subscriber); // it goes on behind its state, of whatever revision that will be
    }
    carry_history(subscriber, shared_watch);
    shared_watches.unsubscribe(subscriber);
}

/**
 * Parts with consumers that have no room, unless one is alone.
 * @returns that one
 */
function detach_slow(shared_watch: SharedWatch, revision: number): Subscriber | undefined {
    for (const subscriber of shared_watch.subscribers) {
        if (batch_queue.is_full(subscriber.queue) && !subscribers.ignores_events(subscriber)) {
            if (shared_watch.subscribers.length === 1 && subscriber.pending_state === undefined) {
                return subscriber;
            }
            detach(shared_watch, subscriber, revision);
        }
    }
    return undefined;
}

/** Streams of the hub's kind can serve the consumer. */
function is_compatible(shared_watch: SharedWatch, wants: SubscriberOptions): boolean {
    return (
        key_range.contains(shared_watch.range, wants.shared_range) &&
        shared_watch.filters === wants.filters &&
        (shared_watch.prev_kv || !wants.prev_kv) &&
        shared_watch.idle_timeout <= wants.idle_timeout
    );
}

/** What the consumer takes along from another stream is true of this one too, as far as is known. */
function has_past_of(shared_watch: SharedWatch, subscriber: Subscriber): boolean {
    if (subscriber.history_token !== undefined) {
        return subscriber.history_token === shared_watch.history_token;
    }
    const cluster_id = subscriber.history?.cluster_id;
    const other_id = shared_watch.history.cluster_id;
    return cluster_id === undefined || other_id === undefined || cluster_id === other_id;
}

/** The stream is where the consumer can join it. */
function can_join(shared_watch: SharedWatch, subscriber: Subscriber, from: number | undefined): boolean {
    const next = shared_watch.next_revision;
    if (from !== undefined) {
        return next !== undefined && next <= from;
    }
    if (subscriber.pending_state === undefined) {
        // it begins now: only where that has not been asked for yet
        return next === undefined && !shared_watch.is_running && shared_watch.history.cluster_id === undefined;
    }
    // one that begins in the future would leave out what comes before
    return !shared_watch.is_catching_up && (next === undefined || next <= shared_watch.history.revision + 1);
}

/** The stream that may serve the consumer and has come furthest. */
function find(core: Core, subscriber: Subscriber, from: number | undefined): SharedWatch | undefined {
    let best: SharedWatch | undefined;
    if (now() < subscriber.isolated_until) {
        return undefined;
    }
    for (const shared_watch of shared_watches.watches_of(core)) {
        const may_serve =
            is_compatible(shared_watch, subscriber) &&
            has_past_of(shared_watch, subscriber) &&
            can_join(shared_watch, subscriber, from);
        if (may_serve && (best === undefined || (shared_watch.next_revision ?? 0) > (best.next_revision ?? 0))) {
            best = shared_watch;
        }
    }
    return best;
}

function add(shared_watch: SharedWatch, subscriber: Subscriber): void {
    subscriber.shared_watch = shared_watch;
    shared_watch.subscribers.push(subscriber);
    shared_watches.wake_timer(shared_watch);
}

/** Lets a new stream serve the consumer from revision `next` on. */
function open_for(
    subscriber: Subscriber,
    core: Core,
    next: number | undefined,
    run: SharedWatch["run"],
): Result<SharedWatch> {
    let apart = false;
    for (const other of shared_watches.watches_of(core)) {
        apart = apart || (!other.is_catching_up && is_compatible(other, subscriber));
    }
    const [shared_watch, err] = shared_watches.new(core, subscriber, next, apart, run);
    if (shared_watch === undefined) {
        return $multi(undefined, err);
    }
    const [ok, start_err] = shared_watches.start(shared_watch, 0);
    if (ok === undefined) {
        return $multi(undefined, start_err);
    }
    shared_watches.watches_of(core).push(shared_watch);
    add(shared_watch, subscriber);
    return $multi(shared_watch);
}

/**
 * Lets a stream serve the consumer: one that runs, if there is one that has not passed revision `from`.
 * @param from nil if the consumer begins now, or with the state as it will be read
 */
function join(
    subscriber: Subscriber,
    core: Core,
    from: number | undefined,
    run: SharedWatch["run"],
): Result<SharedWatch> {
    const shared_watch = find(core, subscriber, from);
    if (shared_watch === undefined) {
        return open_for(subscriber, core, from, run);
    }
    add(shared_watch, subscriber);
    return $multi(shared_watch);
}

/** The other stream may take over the consumers of this one, which has begun apart. */
function may_take_over(other: SharedWatch, shared_watch: SharedWatch): boolean {
    return (
        other !== shared_watch &&
        !other.is_catching_up &&
        other.next_revision !== undefined &&
        other.next_revision <= shared_watch.next_revision! &&
        other.history.cluster_id === shared_watch.history.cluster_id &&
        !shared_watch.history_token.lost
    );
}

/** Hands the consumers of a stream that began apart to the one that it has caught up with. */
function merge(shared_watch: SharedWatch): void {
    if (!shared_watch.is_catching_up) {
        return;
    }
    const time = now();
    for (const subscriber of shared_watch.subscribers) {
        for (const other of shared_watches.watches_of(shared_watch.core)) {
            if (
                time >= subscriber.isolated_until &&
                may_take_over(other, shared_watch) &&
                is_compatible(other, subscriber)
            ) {
                if (subscriber.pending_state === undefined) {
                    subscriber.next_revision = max(subscriber.next_revision, shared_watch.next_revision!);
                }
                shared_watches.unsubscribe(subscriber);
                add(other, subscriber);
                break;
            }
        }
    }
}

/** Gives each consumer of a narrower range than the stream's a stream of its own, which goes on where that stands. */
function split(shared_watch: SharedWatch): void {
    for (const subscriber of shared_watch.subscribers) {
        if (!key_range.contains(subscriber.shared_range, shared_watch.range)) {
            carry_history(subscriber, shared_watch);
            shared_watches.unsubscribe(subscriber);
            const next = max(subscriber.next_revision, shared_watch.next_revision ?? 0); // what it holds reaches as far as the stream does
            if (subscriber.pending_state === undefined) {
                subscriber.next_revision = next;
            }
            const [own] = open_for(subscriber, shared_watch.core, next > 0 ? next : undefined, shared_watch.run);
            if (own === undefined) {
                subscribers.drop_held(subscriber); // it is tried again when its consumer asks
            }
        }
    }
}

export { join, detach_slow, merge, open_for, split };
