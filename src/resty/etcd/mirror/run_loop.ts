import * as backoff from "../base/backoff";
import * as clock from "../base/clock";
import * as time_slice from "../base/time_slice";
import type { TimerLoop, Turn } from "../base/timer_loop";
import * as timer_loop from "../base/timer_loop";
import * as waits from "../base/wait";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import type { Feed } from "../watch/feed";
import * as reopen_limit from "../watch/reopen_limit";
import * as apply_batch from "./apply_batch";
import * as build_index from "./build_index";
import * as indexes from "./indexes";
import * as notifier from "./notifier";
import type { Change, Loop, Source, State } from "./types";
import * as waiters from "./waiters";

const now = clock.now;
const max = math.max;

/** Seconds between two checks for the end of the mirror or its worker. */
const POLL_INTERVAL = 0.5;
/** Seconds before a second feed is opened; doubles with each failure in a row. Each feed takes up to four calls. */
const FIRST_DELAY = 0.5;
const MAX_DELAY = 5;
/** Seconds for which a feed that has delivered something must last, so that its end is no failure in a row. */
const HEALTHY_AFTER = 10;
/** Seconds between two checks while the loop keeps its timer for a callback that has not returned. */
const CALLBACK_POLL_INTERVAL = 0.1;

/** Seconds between two checks whether the loop has moved to another timer. */
const MOVE_POLL_INTERVAL = 0.1;

/** Creates a loop. `begin` adds its timer. */
function create(source: Source): Loop {
    const loop: Omit<Loop, "timer"> = {
        source,
        is_closed: false,
        feed: undefined,
        feed_opened_at: 0,
        has_received: false,
        has_etcd_state: false,
        feed_revision: 0,
        confirmed_revision: 0,
        last_received_at: undefined,
        last_error: undefined,
        counters: { batches: 0, puts: 0, deletes: 0, full: {}, failures: 0 },
        has_user_functions: false,
        batch: undefined,
        applied: undefined,
        failures_in_a_row: 0,
        next_feed_at: 0,
        is_applying: false,
        successor: undefined,
    };
    return loop as Loop;
}

function is_over(loop: Loop): boolean {
    return loop.is_closed || ngx.worker.exiting();
}

/** Returns the error for something that this driver throws. */
function unexpected_error(thrown: unknown): EtcdError {
    return errors.local_error("bad_reply", tostring(thrown));
}

/** Reports whether the turns call functions of users: `decode`, `validate`, `transform`, indexes, or callbacks. */
function calls_user_functions(state: State): boolean {
    return state.decoder.has_user_functions || notifier.is_used(state.notifications) || indexes.is_used(state.indexes);
}

/** Reports whether the loop must move to the timers of loops that call functions of users. */
function must_move(state: State): boolean {
    return !state.loop.has_user_functions && calls_user_functions(state);
}

/** Reports whether the turn must return. A callback that has not returned runs in this timer, and keeps it. */
function must_return(state: State): boolean {
    return !state.notifications.is_notifying && (must_move(state) || timer_loop.must_hand_over(state.loop.timer));
}

/** Does what was asked for since the last batch: it must be done before the content changes. */
function do_pending(state: State): void {
    build_index.build_pending(state);
    notifier.announce_initial(state);
}

/**
 * Applies the batches of a feed until the feed fails, the mirror ends, or the turn must return.
 * @returns an error only if the feed fails
 */
function follow(this: void, state: State, feed: Feed): EtcdError | undefined {
    const { loop, notifications, store } = state;
    const slice = time_slice.start();
    while (true) {
        if (must_return(state)) {
            return undefined;
        }
        time_slice.yield_if_due(slice); // `next` does not yield while batches are buffered
        do_pending(state);
        while (loop.batch === undefined) {
            const since = now();
            const [batch, err] = feed.next(POLL_INTERVAL);
            time_slice.restart_after_wait(slice, since);
            notifier.warn_if_slow(notifications);
            if (is_over(loop)) {
                return undefined;
            }
            if (batch === undefined && err.name !== "timeout") {
                return err;
            }
            loop.batch = batch;
            if (must_return(state)) {
                return undefined;
            }
            do_pending(state);
        }
        if (must_return(state) || is_over(loop)) {
            return undefined;
        }
        const batch = loop.batch;
        const is_first = store.version === 0;
        loop.is_applying = true;
        const [ok, result] = protected_call(apply_batch.apply_batch, state, batch);
        loop.is_applying = false;
        loop.batch = undefined; // not before: the timer can be terminated while the batch is being applied
        if (!ok) {
            return unexpected_error(result);
        }
        const changes = result as Change[] | undefined;
        if (changes === undefined) {
            return undefined;
        }
        loop.applied = { revision: store.revision, changes, is_first };
        notifier.announce(state);
    }
}

function drop_feed(loop: Loop): void {
    const feed = loop.feed;
    if (feed !== undefined) {
        if (loop.has_received) {
            loop.last_received_at = now() - feed.age();
        }
        loop.has_received = false;
        loop.batch = undefined;
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
        loop.feed_opened_at = now();
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

function stop_successor(loop: Loop): void {
    const successor = loop.successor;
    if (successor !== undefined) {
        loop.successor = undefined;
        timer_loop.stop(successor);
    }
}

/** Closes the mirror. Its content can still be read. */
function finish(state: State): void {
    const loop = state.loop;
    loop.is_closed = true;
    notifier.stop(state.notifications);
    indexes.drop_pending(state.indexes);
    drop_feed(loop);
    waiters.wake_all(state.ready_waiters);
    waiters.wake_all(state.revision_waiters);
    timer_loop.stop(loop.timer);
    stop_successor(loop);
}

/** Closes the mirror immediately. */
function close(this: State): true {
    finish(this);
    return true;
}

/** Follows one feed. Returns the seconds until the next turn. */
function follow_one(state: State): number {
    const loop = state.loop;
    const wait = loop.next_feed_at - now();
    if (wait > 0) {
        return wait; // the turn began earlier, because an index was added
    }
    const [ok, result] = protected_call(open_and_follow, state);
    let err = result as EtcdError | undefined;
    if (!ok) {
        err = unexpected_error(result);
    }
    if (err === undefined || is_over(loop)) {
        return 0;
    }
    const is_healthy = loop.has_received && now() - loop.feed_opened_at > HEALTHY_AFTER;
    const in_a_row = is_healthy ? 1 : loop.failures_in_a_row + 1;
    loop.failures_in_a_row = in_a_row;
    drop_feed(loop);
    note_failure(state, err);
    // with many mirrors, the limit of the client for failed streams applies too
    const seconds = max(backoff.exponential(FIRST_DELAY, MAX_DELAY, in_a_row - 1), reopen_limit.delay(state.cli));
    loop.next_feed_at = now() + seconds;
    return seconds;
}

/** Waits between two feeds in a turn that cannot return. */
function pause(state: State, seconds: number): void {
    const deadline = now() + seconds;
    while (now() < deadline && state.notifications.is_notifying && !is_over(state.loop)) {
        waits.sleep(CALLBACK_POLL_INTERVAL);
        build_index.build_pending(state);
        notifier.warn_if_slow(state.notifications);
    }
}

/** A turn: keeps the mirror up to date until it must hand over, a feed fails, or the mirror or its worker ends. */
function turn(state: State): number | undefined {
    const loop = state.loop;
    let seconds = 0;
    notifier.announce(state); // what a turn has left that was terminated together with its timer
    notifier.call_pending(state.notifications);
    build_index.build_pending(state);
    while (!is_over(loop)) {
        seconds = follow_one(state);
        if (!state.notifications.is_notifying) {
            break;
        }
        pause(state, seconds);
    }
    if (is_over(loop)) {
        finish(state);
        notifier.wait_for_callback(state.notifications);
        return undefined;
    }
    notifier.end_thread(state.notifications);
    return seconds;
}

/** Reports whether a function of the user has not returned: `decode`, `validate`, `transform`, an index or a callback. */
function is_calling(state: State): boolean {
    const is_in_apply = state.loop.is_applying && (state.decoder.is_calling || state.indexes.is_calling);
    return is_in_apply || state.notifications.callback_started_at !== undefined;
}

/**
 * Restores a consistent state after the timer was terminated. If a function of this mirror was running, the next turn
 * opens another feed, because that function can have used the old one. Otherwise the mirror continues where it was.
 * @returns whether a function of this mirror was running
 */
function on_terminated(state: State): boolean {
    const loop = state.loop;
    const feed = loop.feed;
    const was_building = build_index.on_terminated(state);
    const was_calling = is_calling(state);
    if (loop.is_applying) {
        loop.is_applying = false;
        state.decoder.is_calling = false;
        state.indexes.is_calling = false;
    }
    notifier.reset(state.notifications);
    if (was_calling) {
        drop_feed(loop);
        note_failure(state, errors.local_error("closed", "a callback terminated the mirror's timer"));
        loop.failures_in_a_row = 0;
    } else if (feed !== undefined && feed.survives_kill !== true) {
        drop_feed(loop); // it can have been interrupted while it made a batch
    }
    return was_calling || was_building;
}

function new_timer(state: State, make_turn: Turn, has_user_functions: boolean): TimerLoop {
    return timer_loop.new(state.log.subject, make_turn, {
        pool: has_user_functions ? "user_functions" : "short",
        on_terminated: () => on_terminated(state),
    });
}

/** A turn in the timer to which the loop moves. */
function run_moved(state: State): number | undefined {
    const loop = state.loop;
    const successor = loop.successor;
    if (successor !== undefined) {
        timer_loop.stop(loop.timer);
        loop.timer = successor;
        loop.successor = undefined;
        loop.has_user_functions = true;
    }
    return turn(state);
}

/**
 * Moves the loop to the timers of loops that call functions of users. If nginx has no such timer, the loop stays where it
 * is, and calls them there.
 * @returns the seconds until the next check whether it has moved; nil if it stays
 */
function move(state: State): number | undefined {
    const loop = state.loop;
    let successor = loop.successor;
    if (successor === undefined) {
        successor = new_timer(state, () => run_moved(state), true);
        loop.successor = successor;
        timer_loop.start(successor, 0);
    }
    if (successor.is_started && timer_loop.problem(successor) === undefined) {
        return MOVE_POLL_INTERVAL;
    }
    stop_successor(loop);
    loop.has_user_functions = true;
    return undefined;
}

/** A turn in the timer that the loop begins in, which can be one that must not call functions of users. */
function run(state: State): number | undefined {
    if (must_move(state) && !is_over(state.loop)) {
        const seconds = move(state);
        if (seconds !== undefined) {
            return seconds;
        }
    }
    stop_successor(state.loop); // it would make turns at the same time
    return turn(state);
}

/** Starts the loop. */
function begin(state: State): Result<true> {
    const loop = state.loop;
    loop.has_user_functions = calls_user_functions(state);
    loop.timer = new_timer(state, () => run(state), loop.has_user_functions);
    return timer_loop.start(loop.timer, 0);
}

export { begin, close, create as new };
