import type { RunTurn, SharedWatch, Subscriber, SubscriberOptions } from "./types";
import * as batch_queue from "./batch_queue";
import * as histories from "./history";
import type { Core } from "../call/client_state";
import type { KeyRange } from "../protocol/key_range";
import * as key_range from "../protocol/key_range";
import * as shared_watches from "./shared_watch";
import * as subscribers from "./subscriber";

const max = math.max;

/**
 * Returns the range that the watch of a subscriber covers. It is wider than the subscriber's own if the user allows that,
 * because each watch takes a connection. Nothing else widens a watch: over a transport that multiplexes watches on one
 * connection, this can return the subscriber's own range.
 */
function range_of(options: SubscriberOptions): KeyRange {
    return options.shared_range ?? options.range;
}

/** Lets the subscriber take what its watch knows of etcd to its next one. */
function carry_history(subscriber: Subscriber, shared_watch: SharedWatch): void {
    subscribers.set_history(subscriber, histories.copy(shared_watch.history), shared_watch.history_token);
}

/** Detaches a slow subscriber from its watch. It resumes later on a separate one. */
function detach(shared_watch: SharedWatch, subscriber: Subscriber, revision: number): void {
    subscribers.note_overflow(subscriber);
    subscribers.drop_buffered(subscriber); // it joins a watch after its full state, which is of a later revision
    subscribers.skip_to(subscriber, revision);
    carry_history(subscriber, shared_watch);
    shared_watches.unsubscribe(subscriber);
}

/**
 * Detaches the subscribers whose queues are full, so that a slow one does not stall the others.
 * A full subscriber that is alone stays: the shared watch pauses instead.
 * @param revision of the batch that is to be delivered
 * @returns the subscriber that stays although its queue is full, or nil
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

/** Reports whether a watch delivers what the options ask for, from whatever revision on. */
function is_compatible(shared_watch: SharedWatch, options: SubscriberOptions): boolean {
    return (
        key_range.contains(shared_watch.range, range_of(options)) &&
        shared_watch.filters === options.filters &&
        (shared_watch.prev_kv || !options.prev_kv) &&
        shared_watch.idle_timeout <= options.idle_timeout
    );
}

/** Reports whether nothing contradicts that the watch and the subscriber have seen the same history of etcd. */
function has_history_of(shared_watch: SharedWatch, subscriber: Subscriber): boolean {
    if (subscriber.history_token !== undefined) {
        return subscriber.history_token === shared_watch.history_token;
    }
    const cluster_id = subscriber.history?.cluster_id;
    const other_id = shared_watch.history.cluster_id;
    return cluster_id === undefined || other_id === undefined || cluster_id === other_id;
}

/** Reports whether the position of the watch lets the subscriber join. */
function can_join(shared_watch: SharedWatch, subscriber: Subscriber, from: number | undefined): boolean {
    const next = shared_watch.next_revision;
    if (from !== undefined) {
        return next !== undefined && next <= from;
    }
    if (subscriber.pending_state === undefined) {
        // it starts at the current revision: too late if the watch has asked for that already
        return next === undefined && !shared_watch.is_streaming && shared_watch.history.cluster_id === undefined;
    }
    // a watch that starts at a future revision does not deliver what comes before
    return !shared_watch.is_catching_up && (next === undefined || next <= shared_watch.history.revision + 1);
}

/** Returns the watch with the latest position that the subscriber can join; nil if there is none. */
function find(core: Core, subscriber: Subscriber, from: number | undefined): SharedWatch | undefined {
    let best: SharedWatch | undefined;
    if (subscribers.is_isolated(subscriber)) {
        return undefined;
    }
    for (const shared_watch of shared_watches.watches_of(core)) {
        const is_candidate =
            is_compatible(shared_watch, subscriber.options) &&
            has_history_of(shared_watch, subscriber) &&
            can_join(shared_watch, subscriber, from);
        if (is_candidate && (best === undefined || (shared_watch.next_revision ?? 0) > (best.next_revision ?? 0))) {
            best = shared_watch;
        }
    }
    return best;
}

/**
 * Creates a watch that serves the subscriber from a revision on.
 * @param next nil for the current revision
 */
function open_for(subscriber: Subscriber, core: Core, next: number | undefined, run: RunTurn): Result<SharedWatch> {
    const options = subscriber.options;
    let is_catching_up = false;
    for (const other of shared_watches.watches_of(core)) {
        is_catching_up = is_catching_up || (!other.is_catching_up && is_compatible(other, options));
    }
    const [shared_watch, err] = shared_watches.new(core, subscriber, range_of(options), next, is_catching_up, run);
    if (shared_watch === undefined) {
        return $multi(undefined, err);
    }
    const [ok, start_err] = shared_watches.start(shared_watch);
    if (ok === undefined) {
        return $multi(undefined, start_err);
    }
    shared_watches.publish(shared_watch);
    shared_watches.subscribe(shared_watch, subscriber);
    return $multi(shared_watch);
}

/**
 * Lets a watch serve the subscriber: an existing one that has not passed its start revision, or a new one.
 * @param from nil to start at the current revision, or with the full state that will be read
 */
function join(subscriber: Subscriber, core: Core, from: number | undefined, run: RunTurn): Result<SharedWatch> {
    const shared_watch = find(core, subscriber, from);
    if (shared_watch === undefined) {
        return open_for(subscriber, core, from, run);
    }
    shared_watches.subscribe(shared_watch, subscriber);
    return $multi(shared_watch);
}

/** Reports whether a watch that was catching up has reached the other one. */
function has_caught_up(shared_watch: SharedWatch, other: SharedWatch): boolean {
    return (
        other !== shared_watch &&
        !other.is_catching_up &&
        other.next_revision !== undefined &&
        other.next_revision <= shared_watch.next_revision! &&
        other.history.cluster_id === shared_watch.history.cluster_id &&
        !shared_watch.history_token.lost
    );
}

/** Moves the subscribers of a watch that was catching up to the watch that it has reached. */
function merge(shared_watch: SharedWatch): void {
    if (!shared_watch.is_catching_up) {
        return;
    }
    for (const subscriber of shared_watch.subscribers) {
        for (const other of shared_watches.watches_of(shared_watch.core)) {
            if (
                !subscribers.is_isolated(subscriber) &&
                has_caught_up(shared_watch, other) &&
                is_compatible(other, subscriber.options)
            ) {
                subscribers.skip_to(subscriber, shared_watch.next_revision!);
                shared_watches.unsubscribe(subscriber);
                shared_watches.subscribe(other, subscriber);
                break;
            }
        }
    }
}

/** Moves each subscriber that needs less than the whole range of the watch to a separate watch with the same position. */
function split(shared_watch: SharedWatch): void {
    for (const subscriber of shared_watch.subscribers) {
        if (!key_range.contains(range_of(subscriber.options), shared_watch.range)) {
            carry_history(subscriber, shared_watch);
            shared_watches.unsubscribe(subscriber);
            // everything before the position of the watch is in the queue or the buffer
            const next = max(subscriber.next_revision, shared_watch.next_revision ?? 0);
            subscribers.skip_to(subscriber, next);
            const [opened] = open_for(subscriber, shared_watch.core, next > 0 ? next : undefined, shared_watch.run);
            if (opened === undefined) {
                subscribers.drop_buffered(subscriber); // its feed tries again at the next call of `next`
            }
        }
    }
}

export { detach_slow, join, merge, open_for, split };
