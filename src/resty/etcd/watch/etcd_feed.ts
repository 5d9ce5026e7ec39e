import type { Subscriber, SharedWatch, HistoryPoint, SubscriberOptions } from "./types";
import * as batch_queue from "./batch_queue";
import * as clock from "../base/clock";
import type { Core } from "../call/client_state";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import type { Batch, Reason } from "./feed";
import * as reads from "./reads";
import * as subscriber from "./subscriber";
import * as shared_watch from "./shared_watch";
import * as options from "./options";
import type { FeedOptions } from "./options";
import * as watch_stats from "./stats";
import type { FeedStats } from "./stats";
import * as run_loop from "./run_loop";
import * as sharing from "./sharing";

const now = clock.now;
const max = math.max;
const min = math.min;
const guard = pcall as unknown as GuardedCall;

/** A waiting consumer looks up so often, in seconds, whether the timers that it relies on run. */
const LOOK = 1;

interface Fields {
    readonly core: Core;
    readonly consumer: Subscriber;
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
    const consumer = feed.consumer;
    const is_behind = consumer.hub === undefined && !consumer.listing;
    if (is_behind && consumer.err === undefined && batch_queue.has_room(consumer.queue)) {
        let from: number | undefined = consumer.next;
        if (consumer.needs !== undefined && consumer.list_at === undefined) {
            from = undefined; // it goes on behind a state that will be read
        }
        sharing.join(consumer, feed.core, from, run_loop.run);
    }
}

/** What has become possible after a batch was taken. */
function after_pop(feed: Fields): void {
    const consumer = feed.consumer;
    const hub = consumer.hub;
    if (hub === undefined) {
        resume(feed);
    } else if (hub.blocked && batch_queue.has_room(consumer.queue)) {
        hub.blocked = false;
        hub.room.post(1);
    }
}

/** Waits until something may have come; returns what keeps it from waiting. */
function wait(consumer: Subscriber, seconds: number): EtcdError | undefined {
    consumer.waiting = true;
    const [ok, done, err] = guard(consumer.ready.wait, consumer.ready, seconds); // throws where nothing can wait
    consumer.waiting = false;
    if (ok && (done === true || err === "timeout")) {
        return undefined;
    }
    return errors.local_error("bad_request", `waiting for events: ${tostring(ok ? err : done)}`);
}

/** The next batch, or why there is none. */
function next_batch(this: WatchFeed, timeout: number | undefined): Result<Batch, EtcdError> {
    const consumer = this.consumer;
    const deadline = timeout !== undefined ? now() + timeout : undefined;
    while (true) {
        if (consumer.closed) {
            return $multi(undefined, errors.local_error("closed", "closed"));
        }
        if (ngx.worker.exiting()) {
            if (consumer.err === undefined) {
                shared_watch.unsubscribe(consumer); // else the stream would go on for it, and the worker with it
                subscriber.fail(consumer, shared_watch.exiting());
            }
            batch_queue.clear(consumer.queue); // what waits could keep it as long
        }
        const batch = batch_queue.pop(consumer.queue);
        if (batch !== undefined) {
            consumer.delivered = max(consumer.delivered, batch.revision);
            if (batch.full !== undefined) {
                consumer.delivered = batch.revision;
            }
            consumer.batches = consumer.batches + 1;
            after_pop(this);
            return $multi(batch);
        }
        if (consumer.err !== undefined) {
            return $multi(undefined, consumer.err);
        }
        resume(this);
        if (consumer.hub !== undefined) {
            shared_watch.restart_if_lost(consumer.hub);
        }
        const left = deadline !== undefined ? deadline - now() : LOOK;
        if (left <= 0) {
            return $multi(undefined, errors.local_error("timeout", "timeout"));
        }
        const err = wait(consumer, min(left, LOOK));
        if (err !== undefined) {
            return $multi(undefined, err);
        }
    }
}

function close(this: WatchFeed): void {
    const consumer = this.consumer;
    consumer.closed = true;
    shared_watch.unsubscribe(consumer);
    subscriber.drop_held(consumer);
    batch_queue.clear(consumer.queue);
    subscriber.wake(consumer);
}

function age(this: WatchFeed): number {
    const { hub, heard_at } = this.consumer;
    const own = now() - heard_at;
    return hub !== undefined ? min(own, shared_watch.age(hub)) : own;
}

/** Why etcd cannot be followed now: the stream does not stand, or no full state can be read. */
function trouble(this: WatchFeed): EtcdError | undefined {
    const { err, hub, needs } = this.consumer;
    if (err !== undefined || hub === undefined || (hub.connected && needs === undefined)) {
        return err;
    }
    return hub.last_error;
}

/** Everything up to it has been delivered by `next`; 0 before anything is known. */
function revision(this: WatchFeed): number {
    const { hub, delivered, queue, needs } = this.consumer;
    if (needs === undefined && hub?.next !== undefined && batch_queue.is_empty(queue)) {
        return max(delivered, hub.next - 1);
    }
    return delivered;
}

/** The cluster it is fed from, nil before that has answered. */
function cluster_id(this: WatchFeed): string | undefined {
    const hub = this.consumer.hub;
    if (hub !== undefined) {
        this.cluster = hub.known.cluster_id;
    }
    return this.cluster;
}

/** `connecting`, `listing`, `watching`, `behind` (its consumer is too slow), `closed` or `failed`. */
function state(this: WatchFeed): string {
    return watch_stats.state(this.consumer);
}

/** What has come to the feed and to the stream that serves it. */
function stats(this: WatchFeed): FeedStats {
    return watch_stats.stats(this.consumer);
}

const methods = { age, close, cluster_id, next: next_batch, revision, state, stats, trouble };
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
function connect(core: Core, consumer: Subscriber, from: number | undefined, opts: FeedOptions): Result<SharedWatch> {
    if (opts.resumed !== true && opts.cluster_id === undefined) {
        return sharing.join(consumer, core, from, run_loop.run);
    }
    // what has been seen of etcd is not true of other streams
    consumer.known = { cluster_id: opts.cluster_id, raft_term: 0, revision: (opts.start_revision ?? 1) - 1 };
    return sharing.open_for(consumer, core, from, run_loop.run);
}

/** Closes the consumer when nobody holds its feed any more. The stream's timer sees to the rest. */
function make_guard(consumer: Subscriber): object {
    const proxy = newproxy(true);
    const proxy_mt = getmetatable(proxy) as { __gc?: (this: void) => void };
    proxy_mt.__gc = () => {
        consumer.closed = true;
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
    const [consumer, create_err] = subscriber.new(wants, from ?? 0, needs);
    if (consumer === undefined) {
        return misuse(create_err);
    }
    consumer.known = known;
    if (opts.list !== true && opts.resumed !== true) {
        consumer.unknown_before = opts.start_revision;
    }
    if (opts.list === true && from !== undefined) {
        if (from === 1) {
            subscriber.accept_full_state(consumer, [], 0); // etcd takes 0 for the latest
        } else {
            consumer.list_at = from - 1;
        }
    }
    const [hub, start_err] = connect(core, consumer, from, opts);
    if (hub === undefined) {
        return misuse(start_err);
    }
    const fields: Fields = { core, consumer, guard: make_guard(consumer), from, cluster: undefined };
    return $multi(setmetatable(fields as WatchFeed, mt));
}

export { open, type FeedOptions, type FeedStats, type WatchFeed };
