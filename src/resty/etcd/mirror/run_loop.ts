import * as semaphore from "ngx.semaphore";
import * as clock from "../base/clock";
import * as random from "../base/random";
import * as time_slice from "../base/time_slice";
import * as timers from "../base/timers";
import * as watchdog from "../base/watchdog";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import type { Batch, Feed } from "../watch/feed";
import * as apply from "./apply";
import * as notifier from "./notifier";
import * as stores from "./store";
import type { Change, Loop, Source, State } from "./types";
import * as wait_ready from "./wait_ready";

const now = clock.now;
const min = math.min;

/** Seconds between two checks for the end of the mirror or its worker. */
const POLL_INTERVAL = 0.5;
/** Seconds before a second feed is opened; doubles with each failure in a row. */
const FIRST_DELAY = 0.1;
const MAX_DELAY = 5;
/** Batches after which the loop moves to a new timer: nginx frees what a timer has allocated only when it ends. */
const BATCHES_PER_TIMER = 10000;

function create(source: Source): Result<Loop> {
    const [lock, lock_err] = semaphore.new(1);
    if (lock === undefined) {
        return $multi(undefined, lock_err);
    }
    const [wake, wake_err] = semaphore.new(0);
    if (wake === undefined) {
        return $multi(undefined, wake_err);
    }
    return $multi({
        source,
        is_closed: false,
        feed: undefined,
        has_received: false,
        last_received_at: undefined,
        last_error: undefined,
        counters: { batches: 0, puts: 0, deletes: 0, full: {}, failures: 0 },
        heartbeat: { running: false, missed: 0 },
        timers: 0,
        is_applying: false,
        lock,
        wake,
    });
}

function is_over(loop: Loop): boolean {
    return loop.is_closed || ngx.worker.exiting();
}

/**
 * Waits for the lock of the store: its holder can change the store, and yield in between.
 * @returns false if the mirror ends
 */
function acquire(loop: Loop): boolean {
    while (!is_over(loop)) {
        const [ok] = loop.lock.wait(POLL_INTERVAL);
        if (ok === true) {
            return true;
        }
    }
    return false;
}

function release(loop: Loop): void {
    loop.lock.post(1);
}

/** Applies a full state. History has also diverged if revisions go backwards: a new feed cannot know. */
function apply_full_state(state: State, batch: Batch): Change[] | undefined {
    const full = state.loop.counters.full;
    const reason = batch.reason ?? "list";
    full[reason] = (full[reason] ?? 0) + 1;
    return apply.apply_full_state(state, batch, reason === "restored" || batch.revision < state.store.revision);
}

function count(loop: Loop, batch: Batch): void {
    const counters = loop.counters;
    counters.batches = counters.batches + 1;
    for (const event of batch.events) {
        if (event.type === "PUT") {
            counters.puts = counters.puts + 1;
        } else {
            counters.deletes = counters.deletes + 1;
        }
    }
}

/**
 * Applies a batch. Nothing yields between the change of the store and the end of this function.
 * @returns the changes of the content; nil if the mirror was closed meanwhile: nothing has changed then
 */
function apply_batch(this: void, state: State, batch: Batch): Change[] | undefined {
    const { loop, store } = state;
    let changes: Change[] | undefined = [];
    count(loop, batch);
    if (batch.full !== undefined) {
        changes = apply_full_state(state, batch);
    } else if (batch.events.length > 0) {
        changes = apply.apply_events(state, batch.events);
    }
    if (changes === undefined) {
        return undefined;
    }
    const is_first = batch.full !== undefined && store.version === 0;
    stores.advance(store, batch.revision, changes.length > 0 || is_first);
    loop.has_received = true;
    if (batch.reason !== "snapshot") {
        loop.last_error = undefined; // a snapshot file says nothing about the state of etcd
    }
    if (batch.full !== undefined && store.miss_reason !== undefined) {
        stores.mark_ready(store);
        wait_ready.wake_all(state.waiters);
    }
    return changes;
}

/** Returns the error for something that this driver throws. */
function unexpected_error(thrown: unknown): EtcdError {
    return errors.local_error("bad_reply", tostring(thrown));
}

/**
 * Applies the batches of a feed until the feed fails, the mirror ends, or the timer is due to be replaced.
 * @returns an error only if the feed fails
 */
function follow(this: void, state: State, feed: Feed): EtcdError | undefined {
    const { loop, notifications, store } = state;
    const slice = time_slice.start();
    for (const _ of $range(1, BATCHES_PER_TIMER)) {
        time_slice.yield_if_due(slice); // `next` does not yield while batches are buffered
        let batch: Batch | undefined;
        while (batch === undefined) {
            const since = now();
            const [next_batch, err] = feed.next(POLL_INTERVAL);
            time_slice.restart_after_wait(slice, since);
            notifier.warn_if_slow(notifications);
            if (is_over(loop)) {
                return undefined;
            }
            if (next_batch === undefined && err.name !== "timeout") {
                return err;
            }
            batch = next_batch;
        }
        if (!acquire(loop)) {
            return undefined;
        }
        const is_first = store.version === 0;
        loop.is_applying = true;
        const [ok, result] = protected_call(apply_batch, state, batch);
        loop.is_applying = false;
        release(loop);
        if (!ok) {
            return unexpected_error(result);
        }
        let changes = result as Change[] | undefined;
        if (changes === undefined) {
            return undefined;
        }
        if (is_first && notifications.callbacks.length > 0) {
            changes = apply.all_as_changes(state);
        }
        notifier.notify(notifications, batch.revision, changes);
    }
    return undefined;
}

/** Waits before the next feed is opened; ends early with the mirror. */
function pause(loop: Loop, failures: number): void {
    const seconds = random.jittered(min(MAX_DELAY, FIRST_DELAY * 2 ** min(failures, 10)));
    const ends_at = now() + seconds;
    let left = seconds;
    while (left > 0 && !is_over(loop)) {
        loop.wake.wait(min(left, POLL_INTERVAL));
        left = ends_at - now();
    }
}

function drop_feed(loop: Loop): void {
    const feed = loop.feed;
    if (feed !== undefined) {
        if (loop.has_received) {
            loop.last_received_at = now() - feed.age();
        }
        loop.has_received = false;
        loop.feed = undefined;
        feed.close();
    }
}

/** Follows the open feed, or a new one. */
function open_and_follow(this: void, state: State): EtcdError | undefined {
    const loop = state.loop;
    if (loop.feed === undefined) {
        const [feed, err] = loop.source();
        if (feed === undefined) {
            return err;
        }
        loop.feed = feed;
    }
    return follow(state, loop.feed);
}

/** Logs the failure of a feed, unless the previous failure had the same error. */
function note_failure(state: State, err: EtcdError): void {
    const loop = state.loop;
    const { counters, last_error } = loop;
    counters.failures = counters.failures + 1;
    if (last_error === undefined || last_error.message !== err.message) {
        ngx.log(ngx.WARN, state.log.subject, ": ", errors.to_text(err), "; retrying");
    }
    loop.last_error = err;
}

/** Closes the mirror. Its content can still be read. */
function finish(state: State): void {
    const loop = state.loop;
    loop.is_closed = true;
    notifier.stop(state.notifications);
    drop_feed(loop);
    wait_ready.wake_all(state.waiters);
    watchdog.release(loop.heartbeat);
}

/** Closes the mirror immediately. */
function close(this: State): true {
    this.loop.wake.post(1);
    finish(this);
    return true;
}

/**
 * Follows one feed until it fails, and waits before the next one.
 * @param failures number of feeds that failed in a row so far
 * @returns that number after this feed
 */
function follow_one(state: State, failures: number): number {
    const [ok, result] = protected_call(open_and_follow, state);
    let err = result as EtcdError | undefined;
    if (!ok) {
        err = unexpected_error(result);
    }
    if (err === undefined) {
        return 0;
    }
    const in_a_row = state.loop.has_received ? 1 : failures + 1;
    drop_feed(state.loop);
    note_failure(state, err);
    pause(state.loop, in_a_row - 1);
    return in_a_row;
}

type Timer = (this: void, premature: boolean, state: State, failures: number, id: number) => void;

/** Starts the next timer. */
function start(timer: Timer, state: State, failures: number): Result<true> {
    const loop = state.loop;
    const [ok, err] = timers.at(0, timer, state, failures, loop.timers + 1);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    loop.timers = loop.timers + 1;
    loop.heartbeat.running = false;
    return $multi(true);
}

/** Keeps the mirror up to date until it is closed or the worker exits. */
function work(this: void, premature: boolean, state: State, failures: number, timer: Timer): void {
    let in_a_row = failures;
    while (!premature && !is_over(state.loop)) {
        in_a_row = follow_one(state, in_a_row);
        // a callback that has not returned keeps this timer, because it runs in it
        if (!state.notifications.is_notifying && start(timer, state, in_a_row)[0] !== undefined) {
            return;
        }
    }
    finish(state);
    if (!premature) {
        notifier.wait_for_callback(state.notifications);
    }
}

/** Runs the loop in a timer. A timer that is not the latest one does nothing. */
function run(this: void, premature: boolean, state: State, failures: number, id: number): void {
    const loop = state.loop;
    if (id === loop.timers) {
        const thread = watchdog.start_heartbeat(loop.heartbeat);
        work(premature, state, failures, run);
        ngx.thread.kill(thread);
    }
}

/** Starts again after the timer has ended, with a new feed: the old one can be in any state. */
function restart(state: State, had_begun: boolean): void {
    const loop = state.loop;
    if (loop.is_applying) {
        loop.is_applying = false;
        release(loop);
    }
    notifier.reset(state.notifications);
    if (had_begun) {
        drop_feed(loop);
        note_failure(state, errors.local_error("closed", "a callback terminated the mirror's timer"));
    }
    start(run, state, 0);
}

/** Starts the loop in a timer of this worker. */
function begin(state: State): Result<true> {
    const heartbeat = state.loop.heartbeat;
    const [supervised, supervise_err] = watchdog.supervise(heartbeat, had_begun => {
        restart(state, had_begun);
    });
    if (supervised === undefined) {
        return $multi(undefined, supervise_err);
    }
    const [ok, err] = start(run, state, 0);
    if (ok === undefined) {
        watchdog.release(heartbeat);
        return $multi(undefined, err);
    }
    return $multi(true);
}

export { acquire, begin, close, create as new, release };
