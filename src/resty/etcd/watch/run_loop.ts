import type { SharedWatch } from "./types";
import * as clock from "../base/clock";
import * as lists from "./list";
import * as liveness_checks from "./liveness";
import * as reopen_limit from "./reopen_limit";
import * as reopen_policy from "./reopen_policy";
import type { SessionEnd } from "./reopen_policy";
import * as shared_watches from "./shared_watch";
import * as sharing from "./sharing";
import * as stream_reader from "./stream_reader";
import type { StreamSession } from "./stream_reader";
import * as timer_loops from "../base/timer_loop";
import * as watch_errors from "./errors";
import * as watch_log from "./watch_log";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Maximum seconds of a wait, so that the worker's exit is noticed. */
const POLL_INTERVAL = 0.5;

/** Waits for something to do. Returns false if the watch has no subscribers any more. */
function wait_for_work(shared_watch: SharedWatch, seconds: number): boolean {
    lists.sweep(shared_watch);
    lists.start(shared_watch);
    shared_watches.wait(shared_watch, seconds);
    for (const subscriber of shared_watch.subscribers) {
        if (subscriber.is_closed) {
            shared_watches.unsubscribe(subscriber);
        }
    }
    if (ngx.worker.exiting()) {
        shared_watches.fail_all(shared_watch, watch_errors.exiting());
        lists.fail_all(shared_watch, watch_errors.exiting());
        return false;
    }
    return shared_watch.subscribers.length > 0;
}

/** Reports whether a subscriber needs a full state. */
function reads_state(shared_watch: SharedWatch): boolean {
    for (const subscriber of shared_watch.subscribers) {
        if (subscriber.pending_state !== undefined) {
            return true;
        }
    }
    return false;
}

/**
 * Handles the end of a stream.
 * @returns the delay in seconds before the next stream; nil if the watch has ended with an error
 */
function handle_stream_end(shared_watch: SharedWatch, session: StreamSession): number | undefined {
    const err = session.err!;
    const core = shared_watch.core;
    shared_watches.note_stream_end(shared_watch, err);
    watch_errors.drop_token(core, err);
    if (watch_errors.is_permanent(core, err)) {
        if (watch_errors.is_forbidden(err)) {
            sharing.split(shared_watch); // the user can have the permission for less than the whole range
        }
        shared_watches.fail_all(shared_watch, err);
        return undefined;
    }
    const end: SessionEnd = {
        err,
        connected_at: session.created_at,
        has_delivered: session.has_delivered,
        is_answered: session.is_located || watch_errors.is_answer(err),
        attempts: session.attempts,
    };
    let delay = reopen_policy.next_delay(shared_watch.reopen_policy, end);
    if (reopen_policy.is_limited_by_client(end)) {
        delay = max(delay, reopen_limit.delay(core));
    }
    if (err.name === "compacted") {
        shared_watches.on_revisions_lost(shared_watch, "compacted", err);
    }
    if (shared_watch.subscribers.length > 0) {
        if (err.name === "compacted") {
            watch_log.compacted(shared_watch.log, reads_state(shared_watch));
        } else if (delay > 0) {
            watch_log.reopening(shared_watch.log, err);
        }
    }
    return delay;
}

/** Reports whether the turn must end, because too many timers have only a few streams left. */
function must_move(shared_watch: SharedWatch): boolean {
    return timer_loops.must_hand_over(shared_watch.loop!) && !lists.sweep(shared_watch);
}

/**
 * Opens a stream and stays with it until it ends.
 * @returns the delay in seconds before the next stream; nil if the watch has ended
 */
function run_stream(shared_watch: SharedWatch): number | undefined {
    const session = stream_reader.start(shared_watch);
    const liveness = liveness_checks.new();
    let is_wanted = true;
    while (is_wanted && !stream_reader.is_over(session) && !must_move(shared_watch)) {
        is_wanted = wait_for_work(shared_watch, liveness_checks.poll_interval(liveness, shared_watch));
        if (is_wanted && !stream_reader.is_over(session)) {
            const err = liveness_checks.check(liveness, shared_watch, session);
            if (err !== undefined) {
                stream_reader.finish(session, err);
            }
        }
    }
    liveness_checks.stop(liveness);
    stream_reader.stop(shared_watch, session);
    if (!is_wanted) {
        return undefined;
    }
    if (!stream_reader.is_over(session)) {
        return 0; // another stream follows in another timer
    }
    return handle_stream_end(shared_watch, session);
}

/** Waits in this turn before the next stream. */
function wait_to_reopen(shared_watch: SharedWatch, seconds: number): void {
    const until_time = now() + seconds;
    let left = seconds;
    while (left > 0 && wait_for_work(shared_watch, min(left, POLL_INTERVAL))) {
        left = until_time - now();
    }
}

/**
 * Makes one turn of a shared watch: opens a stream and stays with it until it ends. Full states that are being read keep
 * the turn, because its light threads read them.
 * @returns the delay in seconds before the next turn; nil if the watch has ended
 */
function run(shared_watch: SharedWatch): number | undefined {
    // left behind by a turn that was terminated together with its timer
    shared_watches.stop_streaming(shared_watch);
    lists.stop(shared_watch);
    if (ngx.worker.exiting()) {
        shared_watches.fail_all(shared_watch, watch_errors.exiting());
    }
    while (shared_watch.subscribers.length > 0) {
        const delay = run_stream(shared_watch);
        if (delay !== undefined) {
            if (!lists.sweep(shared_watch)) {
                return delay;
            }
            wait_to_reopen(shared_watch, delay);
        }
    }
    // subscribers that were too slow while their full state was read still wait for it
    while (lists.sweep(shared_watch)) {
        wait_for_work(shared_watch, POLL_INTERVAL);
    }
    return undefined;
}

export { run };
