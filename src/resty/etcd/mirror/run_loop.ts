import * as random from "../base/random";
import * as clock from "../base/clock";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import type { Batch, Feed } from "../watch/feed";
import * as watchdog from "../base/watchdog";
import * as time_slice from "../base/time_slice";
import * as apply from "./apply";
import * as notifier from "./notifier";
import type { Change, State } from "./types";
import * as timers from "../base/timers";

const now = clock.now;
const min = math.min;

/** Seconds after which it looks whether the worker is to end. */
const POLL_INTERVAL = 0.5;
/** Seconds before a second feed is tried; it doubles with each failure. */
const FIRST_DELAY = 0.1;
const MAX_DELAY = 5;
/** After so many batches it goes on in a new timer: what nginx keeps for one is only freed when it ends. */
const BATCHES_PER_TIMER = 10000;

function is_over(state: State): boolean {
    return state.is_closed || ngx.worker.exiting();
}

/** Gets the right to change the store, and to yield in between; false if the mirror ends. */
function acquire(state: State): boolean {
    while (!is_over(state)) {
        const [ok] = state.lock.wait(POLL_INTERVAL);
        if (ok === true) {
            return true;
        }
    }
    return false;
}

/** Lets all go on that wait for the first state, or for the end. */
function wake_waiters(state: State): void {
    for (const [waiter] of state.waiters) {
        waiter.post(1);
    }
}

/** Takes in a full state, or a restart of history under which revisions have gone back. */
function take_full(state: State, batch: Batch): Change[] | undefined {
    const full = state.counters.full;
    const reason = batch.reason ?? "list";
    full[reason] = (full[reason] ?? 0) + 1;
    return apply.take_full(state, batch, reason === "restored" || batch.revision < state.at_revision);
}

function count(state: State, batch: Batch): void {
    const counters = state.counters;
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
 * Takes in a batch; returns what is different now. Nothing waits between the change and the end of this.
 * @returns nil if the mirror was closed meanwhile: it is as it was
 */
function take(this: void, state: State, batch: Batch): Change[] | undefined {
    let changes: Change[] | undefined = [];
    count(state, batch);
    if (batch.full !== undefined) {
        changes = take_full(state, batch);
    } else if (batch.events.length > 0) {
        changes = apply.take_events(state, batch.events);
    }
    if (changes === undefined) {
        return undefined;
    }
    state.at_revision = batch.revision;
    state.has_received = true;
    if (batch.reason !== "snapshot") {
        state.last_error = undefined; // a file says nothing of how etcd is
    }
    if (changes.length > 0 || (batch.full !== undefined && state.data_version === 0)) {
        state.data_version = state.data_version + 1;
    }
    if (batch.full !== undefined && state.miss_reason !== undefined) {
        state.miss_reason = undefined;
        wake_waiters(state);
    }
    return changes;
}

/** What should not have happened. */
function unexpected_error(what: unknown): EtcdError {
    return errors.local_error("bad_reply", tostring(what));
}

/** Takes in what a feed gives until it fails; an error only if it does. */
function follow(this: void, state: State, feed: Feed): EtcdError | undefined {
    const slice = time_slice.start();
    for (const _ of $range(1, BATCHES_PER_TIMER)) {
        time_slice.yield_if_due(slice); // where many have come it does not wait for the next one
        let batch: Batch | undefined;
        while (batch === undefined) {
            const since = now();
            const [got, err] = feed.next(POLL_INTERVAL);
            time_slice.restart_after_wait(slice, since);
            notifier.warn_if_slow(state);
            if (is_over(state)) {
                return undefined;
            }
            if (got === undefined && err.name !== "timeout") {
                return err;
            }
            batch = got;
        }
        if (!acquire(state)) {
            return undefined;
        }
        const is_first = state.data_version === 0;
        state.is_applying = true;
        const [ok, made] = protected_call(take, state, batch);
        state.is_applying = false;
        state.lock.post(1);
        if (!ok) {
            return unexpected_error(made);
        }
        let changes = made as Change[] | undefined;
        if (changes === undefined) {
            return undefined;
        }
        if (is_first && state.callbacks.length > 0) {
            changes = apply.all_new(state);
        }
        notifier.notify(state, batch.revision, changes);
    }
    return undefined;
}

/** Waits before another feed is tried; ends early with the mirror. */
function pause(state: State, failures: number): void {
    const seconds = random.jittered(min(MAX_DELAY, FIRST_DELAY * 2 ** min(failures, 10)));
    const ends_at = now() + seconds;
    let left = seconds;
    while (left > 0 && !is_over(state)) {
        state.wake.wait(min(left, POLL_INTERVAL));
        left = ends_at - now();
    }
}

function drop_feed(state: State): void {
    const feed = state.feed;
    if (feed !== undefined) {
        if (state.has_received) {
            state.last_received_at = now() - feed.age();
        }
        state.has_received = false;
        state.feed = undefined;
        feed.close();
    }
}

/** Follows the feed that there is, or a new one, for as long as it goes well. */
function turn(this: void, state: State): EtcdError | undefined {
    if (state.feed === undefined) {
        const [feed, err] = state.source();
        if (feed === undefined) {
            return err;
        }
        state.feed = feed;
    }
    return follow(state, state.feed);
}

/** A feed that failed is logged once, and again only when it fails in another way. */
function note_failure(state: State, err: EtcdError): void {
    const counters = state.counters;
    counters.failures = counters.failures + 1;
    if (state.last_error === undefined || state.last_error.message !== err.message) {
        ngx.log(ngx.WARN, "mirror of ", state.dir, ": ", errors.to_text(err), "; trying again");
    }
    state.last_error = err;
}

/** Ends the mirror, whoever asks for it. */
function finish(state: State): void {
    state.is_closed = true;
    drop_feed(state);
    wake_waiters(state);
    watchdog.release(state.life);
}

/**
 * Follows one feed until that fails.
 * @param failures of feeds in a row so far
 * @returns the same, now
 */
function follow_one(state: State, failures: number): number {
    const [ok, failed] = protected_call(turn, state);
    let err = failed as EtcdError | undefined;
    if (!ok) {
        err = unexpected_error(failed); // whatever happens, it goes on
    }
    if (err === undefined) {
        return 0;
    }
    const in_a_row = state.has_received ? 1 : failures + 1;
    drop_feed(state);
    note_failure(state, err);
    pause(state, in_a_row - 1);
    return in_a_row;
}

type Timer = (this: void, premature: boolean, state: State, failures: number, id: number) => void;

/** Goes on in a new timer. */
function start(timer: Timer, state: State, failures: number): Result<true> {
    const [ok, err] = timers.at(0, timer, state, failures, state.timers + 1);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    state.timers = state.timers + 1;
    state.life.running = false;
    return $multi(true);
}

/** Keeps the mirror up to date until it is closed or the worker ends. */
function work(this: void, premature: boolean, state: State, failures: number, timer: Timer): void {
    let in_a_row = failures;
    while (!premature && !is_over(state)) {
        in_a_row = follow_one(state, in_a_row);
        // a function that has not returned keeps this timer, as it runs in it
        if (!state.is_notifying && start(timer, state, in_a_row)[0] !== undefined) {
            return;
        }
    }
    finish(state);
    if (!premature) {
        notifier.finish(state);
    }
}

/** A timer of the mirror; one that comes too late does nothing. */
function run(this: void, premature: boolean, state: State, failures: number, id: number): void {
    if (id === state.timers) {
        const signs = watchdog.start_heartbeat(state.life);
        work(premature, state, failures, run);
        ngx.thread.kill(signs);
    }
}

/** Its timer is no more: what that was about is not known, so it begins with a new feed. */
function restart(state: State, had_begun: boolean): void {
    if (state.is_applying) {
        state.is_applying = false;
        state.lock.post(1);
    }
    notifier.forget(state);
    if (had_begun) {
        drop_feed(state);
        note_failure(state, errors.local_error("closed", "a function of the mirror's has ended its timer"));
    }
    start(run, state, 0);
}

/** Starts it in a timer of this worker. */
function begin(state: State): Result<true> {
    const [kept, keep_err] = watchdog.supervise(state.life, had_begun => {
        restart(state, had_begun);
    });
    if (kept === undefined) {
        return $multi(undefined, keep_err);
    }
    const [ok, err] = start(run, state, 0);
    if (ok === undefined) {
        watchdog.release(state.life);
        return $multi(undefined, err);
    }
    return $multi(true);
}

export { acquire, begin, finish };
