import type { HistoryPoint, Subscriber, SubscriberOptions } from "./types";
import * as batch_queue from "./batch_queue";
import * as clock from "../base/clock";
import type { Core } from "../call/client_state";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import type { Batch } from "./feed";
import * as phases from "../base/phase";
import type { KeyRange } from "../protocol/key_range";
import * as options from "./options";
import type { FeedOptions } from "./options";
import * as reads from "./reads";
import * as run_loop from "./run_loop";
import * as shared_watches from "./shared_watch";
import * as sharing from "./sharing";
import * as subscribers from "./subscriber";
import * as timer_loop from "../base/timer_loop";
import * as watch_errors from "./errors";
import * as watch_stats from "./stats";
import type { FeedStats } from "./stats";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Maximum seconds of a wait in `next`, so that the worker's exit is noticed. */
const POLL_INTERVAL = 1;

interface Fields {
    readonly core: Core;
    readonly subscriber: Subscriber;
    readonly survives_kill: true;
    /** Closes the subscriber when the feed is collected as garbage. */
    readonly guard: object;
    /** First revision that it reports; nil if that was not known when the feed was opened. */
    readonly from: number | undefined;
    /** ID of the cluster that its last watch was of. */
    cluster: string | undefined;
}

/**
 * A feed from etcd itself. Events and keys in its batches can be shared with other subscribers: they must not be modified.
 * A feed that is dropped without `close` is closed when it is collected as garbage.
 */
interface WatchFeed extends Fields, Methods {}

/** Lets a subscriber without a watch join one again, as soon as its queue has room. */
function rejoin(feed: Fields): void {
    const subscriber = feed.subscriber;
    const is_behind = subscriber.shared_watch === undefined && !subscriber.is_listing;
    if (is_behind && subscriber.err === undefined && batch_queue.has_room(subscriber.queue)) {
        sharing.join(subscriber, feed.core, subscribers.start_revision(subscriber), run_loop.run);
    }
}

/** Continues what waited for room in the queue. */
function after_take(feed: Fields): void {
    const { shared_watch, queue } = feed.subscriber;
    if (shared_watch === undefined) {
        rejoin(feed);
    } else if (batch_queue.has_room(queue)) {
        shared_watches.resume(shared_watch);
    }
}

/** Ends the subscriber and discards its queue: the stream, or the handling of queued batches, would delay the exit. */
function end_for_exit(subscriber: Subscriber): void {
    if (subscriber.err === undefined) {
        shared_watches.fail(subscriber, watch_errors.exiting());
    }
    batch_queue.clear(subscriber.queue);
}

/** Implements `Feed.next`. */
function next_batch(this: WatchFeed, timeout: number | undefined): Result<Batch, EtcdError> {
    const subscriber = this.subscriber;
    const deadline = timeout !== undefined ? now() + timeout : undefined;
    while (true) {
        if (subscriber.is_closed) {
            return $multi(undefined, errors.local_error("closed", "closed"));
        }
        if (ngx.worker.exiting()) {
            end_for_exit(subscriber);
        }
        const batch = subscribers.take(subscriber);
        if (batch !== undefined) {
            after_take(this);
            return $multi(batch);
        }
        if (subscriber.err !== undefined) {
            return $multi(undefined, subscriber.err);
        }
        rejoin(this);
        const left = deadline !== undefined ? deadline - now() : POLL_INTERVAL;
        if (left <= 0) {
            return $multi(undefined, errors.local_error("timeout", "timeout"));
        }
        const err = subscribers.wait(subscriber, min(left, POLL_INTERVAL));
        if (err !== undefined) {
            return $multi(undefined, err);
        }
    }
}

/** Implements `Feed.close`. */
function close(this: WatchFeed): void {
    shared_watches.unsubscribe(this.subscriber);
    subscribers.close(this.subscriber);
}

/** Implements `Feed.age`. */
function age(this: WatchFeed): number {
    const { shared_watch, last_received_at } = this.subscriber;
    const own = now() - last_received_at;
    return shared_watch !== undefined ? min(own, shared_watches.age(shared_watch)) : own;
}

/** Implements `Feed.current_error`: no stream is connected, or no full state can be read. */
function current_error(this: WatchFeed): EtcdError | undefined {
    const { err, shared_watch, pending_state } = this.subscriber;
    if (err !== undefined || shared_watch === undefined || (shared_watch.is_connected && pending_state === undefined)) {
        return err;
    }
    return shared_watch.last_error ?? errors.of_timer(timer_loop.problem(shared_watch.loop!));
}

/** Returns the revision up to which `next` has delivered everything; 0 before any is known. */
function revision(this: WatchFeed): number {
    const { shared_watch, delivered_revision, queue, pending_state } = this.subscriber;
    if (pending_state === undefined && shared_watch?.next_revision !== undefined && batch_queue.is_empty(queue)) {
        return max(delivered_revision, shared_watch.next_revision - 1);
    }
    return delivered_revision;
}

/** Returns the ID of the cluster that the feed is from; nil before etcd has answered. */
function cluster_id(this: WatchFeed): string | undefined {
    const shared_watch = this.subscriber.shared_watch;
    if (shared_watch !== undefined) {
        this.cluster = shared_watch.history.cluster_id;
    }
    return this.cluster;
}

/** Returns `connecting`, `listing`, `watching`, `behind` (batches are not taken fast enough), `closed` or `failed`. */
function state(this: WatchFeed): string {
    return watch_stats.state(this.subscriber);
}

/** Returns the counters of the feed and of the watch that serves it. */
function stats(this: WatchFeed): FeedStats {
    return watch_stats.stats(this.subscriber);
}

const methods = { age, close, cluster_id, current_error, next: next_batch, revision, state, stats };
type Methods = typeof methods;
const mt: LuaMetatable<WatchFeed, Methods> = { __index: methods };

function misuse(text: string): LuaMultiReturn<[feed: undefined, err: EtcdError]> {
    return $multi(undefined, errors.local_error("bad_request", text));
}

/** Asks etcd for its current revision, for a feed that starts there. Returns nil if the phase cannot wait. */
function read_start(
    core: Core,
    range: KeyRange,
): LuaMultiReturn<[current: HistoryPoint | undefined, err?: EtcdError | undefined]> {
    if (!phases.can_wait()) {
        return $multi(undefined);
    }
    return reads.current_revision(core, range, { quiet: true });
}

/** Creates the subscriber of a feed. */
function create_subscriber(
    opts: FeedOptions,
    subscriber_options: SubscriberOptions,
    from: number | undefined,
    current: HistoryPoint | undefined,
): Result<Subscriber> {
    const has_list = opts.list === true;
    let history = current;
    let unknown_before: number | undefined;
    if (!has_list && opts.resumed !== true) {
        unknown_before = opts.start_revision;
    }
    if (opts.resumed === true || opts.cluster_id !== undefined) {
        history = { cluster_id: opts.cluster_id, raft_term: 0, revision: (opts.start_revision ?? 1) - 1 };
    }
    const [subscriber, err] = subscribers.new(subscriber_options, {
        next_revision: from ?? 0,
        unknown_before,
        pending_state: has_list ? "list" : undefined,
        list_revision: has_list && from !== undefined && from > 1 ? from - 1 : undefined,
        history,
    });
    if (subscriber === undefined) {
        return $multi(undefined, err);
    }
    if (has_list && from === 1) {
        subscribers.accept_full_state(subscriber, [], 0); // revision 0 is no state: etcd takes it for the current one
    }
    return $multi(subscriber);
}

/** Closes the subscriber when the returned object is collected as garbage. Its watch does the rest. */
function make_guard(subscriber: Subscriber): object {
    const proxy = newproxy(true);
    const proxy_mt = getmetatable(proxy) as { __gc?: (this: void) => void };
    proxy_mt.__gc = () => {
        subscribers.mark_closed(subscriber);
    };
    return proxy;
}

/**
 * Opens a feed. It waits for etcd only if it starts at the current revision, and only in phases that can wait; in other
 * phases such a feed starts a moment later. Everything else happens in timers.
 * @param core a client
 */
function open(core: Core, opts: FeedOptions): Result<WatchFeed, EtcdError> {
    if (phases.is_init()) {
        const text = "watches need timers, which the init phase does not have";
        return $multi(undefined, errors.local_error("not_in_phase", text));
    }
    const [subscriber_options, problem] = options.read(opts);
    if (subscriber_options === undefined) {
        return misuse(problem);
    }
    let from = opts.start_revision;
    let current: HistoryPoint | undefined;
    if (from === undefined && (opts.from_now === true || opts.list !== true)) {
        const [point, err] = read_start(core, subscriber_options.range);
        if (err !== undefined) {
            return $multi(undefined, err);
        }
        if (point !== undefined) {
            current = point;
            from = point.revision + 1;
        }
    }
    const [subscriber, create_err] = create_subscriber(opts, subscriber_options, from, current);
    if (subscriber === undefined) {
        return misuse(create_err);
    }
    // a feed that resumes has seen a history that an existing watch does not know
    const connect = opts.resumed === true || opts.cluster_id !== undefined ? sharing.open_for : sharing.join;
    const [shared_watch, start_err] = connect(subscriber, core, from, run_loop.run);
    if (shared_watch === undefined) {
        return misuse(start_err);
    }
    const fields: Fields = {
        core,
        subscriber,
        survives_kill: true,
        guard: make_guard(subscriber),
        from,
        cluster: undefined,
    };
    return $multi(setmetatable(fields as WatchFeed, mt));
}

export { open, type FeedOptions, type FeedStats, type WatchFeed };
