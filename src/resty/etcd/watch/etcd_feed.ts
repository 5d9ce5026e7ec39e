import type { Subscriber, SharedWatch, HistoryPoint, SubscriberOptions } from "./types";
import * as batch_queue from "./batch_queue";
import * as clock from "../base/clock";
import type { Core } from "../call/client_state";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import type { Batch, Reason } from "./feed";
import * as reads from "./reads";
import * as subscribers from "./subscriber";
import * as shared_watches from "./shared_watch";
import * as options from "./options";
import type { FeedOptions } from "./options";
import * as watch_stats from "./stats";
import type { FeedStats } from "./stats";
import * as run_loop from "./run_loop";
import * as sharing from "./sharing";

const now = clock.now;
const max = math.max;
const min = math.min;

/** A waiting consumer looks up so often, in seconds, whether the timers that it relies on run. */
const POLL_INTERVAL = 1;

interface Fields {
    readonly core: Core;
    readonly subscriber: Subscriber;
    /** Closes the consumer when the feed is garbage. */
    readonly guard: object;
    /** First revision that it reports, if that was known from the start. */
    readonly from: number | undefined;
    /** Of streams that it left. */
    cluster: string | undefined;
}

/**
 * A feed out of etcd itself. Events and keys in its batches may be shared with other consumers: they are read,
 * never written to. One that is dropped without `close` is closed when it is collected as garbage.
 */
interface WatchFeed extends Fields, Methods {}

/** Goes on where the consumer stands, on a stream that has not passed it. */
function resume(feed: Fields): void {
    const subscriber = feed.subscriber;
    const is_behind = subscriber.shared_watch === undefined && !subscriber.is_listing;
    if (is_behind && subscriber.err === undefined && batch_queue.has_room(subscriber.queue)) {
        let from: number | undefined = subscriber.next_revision;
        if (subscriber.pending_state !== undefined && subscriber.list_revision === undefined) {
            from = undefined; // it goes on behind a state that will be read
        }
        sharing.join(subscriber, feed.core, from, run_loop.run);
    }
}

/** What has become possible after a batch was taken. */
function after_pop(feed: Fields): void {
    const subscriber = feed.subscriber;
    const shared_watch = subscriber.shared_watch;
    if (shared_watch === undefined) {
        resume(feed);
    } else if (shared_watch.is_blocked && batch_queue.has_room(subscriber.queue)) {
        shared_watch.is_blocked = false;
        shared_watch.resume_signal.post(1);
    }
}

/** Waits until something may have come; returns what keeps it from waiting. */
function wait(subscriber: Subscriber, seconds: number): EtcdError | undefined {
    subscriber.is_waiting = true;
    const [ok, done, err] = protected_call(subscriber.ready.wait, subscriber.ready, seconds); // throws where nothing can wait
    subscriber.is_waiting = false;
    if (ok && (done === true || err === "timeout")) {
        return undefined;
    }
    return errors.local_error("bad_request", `waiting for events: ${tostring(ok ? err : done)}`);
}

/** The next batch, or why there is none. */
function next_batch(this: WatchFeed, timeout: number | undefined): Result<Batch, EtcdError> {
    const subscriber = this.subscriber;
    const deadline = timeout !== undefined ? now() + timeout : undefined;
    while (true) {
        if (subscriber.is_closed) {
            return $multi(undefined, errors.local_error("closed", "closed"));
        }
        if (ngx.worker.exiting()) {
            if (subscriber.err === undefined) {
                shared_watches.unsubscribe(subscriber); // else the stream would go on for it, and the worker with it
                subscribers.fail(subscriber, shared_watches.exiting());
            }
            batch_queue.clear(subscriber.queue); // what waits could keep it as long
        }
        const batch = batch_queue.pop(subscriber.queue);
        if (batch !== undefined) {
            subscriber.delivered_revision = max(subscriber.delivered_revision, batch.revision);
            if (batch.full !== undefined) {
                subscriber.delivered_revision = batch.revision;
            }
            subscriber.batches = subscriber.batches + 1;
            after_pop(this);
            return $multi(batch);
        }
        if (subscriber.err !== undefined) {
            return $multi(undefined, subscriber.err);
        }
        resume(this);
        if (subscriber.shared_watch !== undefined) {
            shared_watches.restart_if_lost(subscriber.shared_watch);
        }
        const left = deadline !== undefined ? deadline - now() : POLL_INTERVAL;
        if (left <= 0) {
            return $multi(undefined, errors.local_error("timeout", "timeout"));
        }
        const err = wait(subscriber, min(left, POLL_INTERVAL));
        if (err !== undefined) {
            return $multi(undefined, err);
        }
    }
}

function close(this: WatchFeed): void {
    const subscriber = this.subscriber;
    subscriber.is_closed = true;
    shared_watches.unsubscribe(subscriber);
    subscribers.drop_held(subscriber);
    batch_queue.clear(subscriber.queue);
    subscribers.wake(subscriber);
}

function age(this: WatchFeed): number {
    const { shared_watch, last_received_at: heard_at } = this.subscriber;
    const own = now() - heard_at;
    return shared_watch !== undefined ? min(own, shared_watches.age(shared_watch)) : own;
}

/** Why etcd cannot be followed now: the stream does not stand, or no full state can be read. */
function current_error(this: WatchFeed): EtcdError | undefined {
    const { err, shared_watch, pending_state: needs } = this.subscriber;
    if (err !== undefined || shared_watch === undefined || (shared_watch.is_connected && needs === undefined)) {
        return err;
    }
    return shared_watch.last_error;
}

/** Everything up to it has been delivered by `next`; 0 before anything is known. */
function revision(this: WatchFeed): number {
    const { shared_watch, delivered_revision: delivered, queue, pending_state: needs } = this.subscriber;
    if (needs === undefined && shared_watch?.next_revision !== undefined && batch_queue.is_empty(queue)) {
        return max(delivered, shared_watch.next_revision - 1);
    }
    return delivered;
}

/** The cluster it is fed from, nil before that has answered. */
function cluster_id(this: WatchFeed): string | undefined {
    const shared_watch = this.subscriber.shared_watch;
    if (shared_watch !== undefined) {
        this.cluster = shared_watch.history.cluster_id;
    }
    return this.cluster;
}

/** `connecting`, `listing`, `watching`, `behind` (its consumer is too slow), `closed` or `failed`. */
function state(this: WatchFeed): string {
    return watch_stats.state(this.subscriber);
}

/** What has come to the feed and to the stream that serves it. */
function stats(this: WatchFeed): FeedStats {
    return watch_stats.stats(this.subscriber);
}

const methods = { age, close, cluster_id, current_error, next: next_batch, revision, state, stats };
type Methods = typeof methods;
const mt: LuaMetatable<WatchFeed, Methods> = { __index: methods };

function misuse(text: string): LuaMultiReturn<[feed: undefined, err: EtcdError]> {
    return $multi(undefined, errors.local_error("bad_request", text));
}

/** In these phases nothing can wait for etcd. */
function can_wait(): boolean {
    const phase = ngx.get_phase();
    return (
        phase === "rewrite" ||
        phase === "access" ||
        phase === "content" ||
        phase === "timer" ||
        phase === "ssl_cert" ||
        phase === "ssl_client_hello" ||
        phase === "ssl_session_fetch"
    );
}

/** Where etcd is, for a feed that is to tell what comes from now on; nil where nothing can wait. */
function find_start(
    core: Core,
    wants: SubscriberOptions,
): LuaMultiReturn<[known: HistoryPoint | undefined, err?: EtcdError | undefined]> {
    if (!can_wait()) {
        return $multi(undefined);
    }
    return reads.current_revision(core, wants.range);
}

/** Puts the consumer on a stream. */
function connect(core: Core, subscriber: Subscriber, from: number | undefined, opts: FeedOptions): Result<SharedWatch> {
    if (opts.resumed !== true && opts.cluster_id === undefined) {
        return sharing.join(subscriber, core, from, run_loop.run);
    }
    // what has been seen of etcd is not true of other streams
    subscriber.history = { cluster_id: opts.cluster_id, raft_term: 0, revision: (opts.start_revision ?? 1) - 1 };
    return sharing.open_for(subscriber, core, from, run_loop.run);
}

/** Closes the consumer when nobody holds its feed any more. The stream's timer sees to the rest. */
function make_guard(subscriber: Subscriber): object {
    const proxy = newproxy(true);
    const proxy_mt = getmetatable(proxy) as { __gc?: (this: void) => void };
    proxy_mt.__gc = () => {
        subscriber.is_closed = true;
    };
    return proxy;
}

/**
 * Opens a feed. Only one that begins from now on waits for etcd, in phases that can wait; in others
 * such a feed begins a moment later. All else goes on in timers.
 * @param core a client
 */
function open(core: Core, opts: FeedOptions): Result<WatchFeed, EtcdError> {
    if (ngx.get_phase() === "init") {
        return misuse("a watch needs timers, and there are none in the init phase");
    }
    const [wants, wrong] = options.read(opts);
    if (wants === undefined) {
        return misuse(wrong);
    }
    let from = opts.start_revision;
    let known: HistoryPoint | undefined;
    if (from === undefined && (opts.from_now === true || opts.list !== true)) {
        const [status, err] = find_start(core, wants);
        if (err !== undefined) {
            return $multi(undefined, err);
        }
        if (status !== undefined) {
            known = status;
            from = status.revision + 1;
        }
    }
    const needs: Reason | undefined = opts.list === true ? "list" : undefined;
    const [subscriber, create_err] = subscribers.new(wants, from ?? 0, needs);
    if (subscriber === undefined) {
        return misuse(create_err);
    }
    subscriber.history = known;
    if (opts.list !== true && opts.resumed !== true) {
        subscriber.unknown_before = opts.start_revision;
    }
    if (opts.list === true && from !== undefined) {
        if (from === 1) {
            subscribers.accept_full_state(subscriber, [], 0); // etcd takes 0 for the latest
        } else {
            subscriber.list_revision = from - 1;
        }
    }
    const [shared_watch, start_err] = connect(core, subscriber, from, opts);
    if (shared_watch === undefined) {
        return misuse(start_err);
    }
    const fields: Fields = { core, subscriber, guard: make_guard(subscriber), from, cluster: undefined };
    return $multi(setmetatable(fields as WatchFeed, mt));
}

export { open, type FeedOptions, type FeedStats, type WatchFeed };
