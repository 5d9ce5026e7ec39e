import type { SharedWatch } from "./types";
import * as clock from "../base/clock";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as lists from "./list";
import type { ListThreads } from "./list";
import * as liveness_checks from "./liveness";
import * as reopen_policy from "./reopen_policy";
import * as shared_watches from "./shared_watch";
import * as sharing from "./sharing";
import * as stream_reader from "./stream_reader";
import type { StreamSession } from "./stream_reader";
import * as watch_errors from "./errors";

const now = clock.now;
const min = math.min;

/** Maximum seconds of a wait, so that the worker's exit and silent streams are noticed. */
const POLL_INTERVAL = 0.5;

/** Waits for something to do. Returns false if the watch has no subscribers any more. */
function wait_for_work(shared_watch: SharedWatch, threads: ListThreads, seconds: number): boolean {
    lists.sweep(threads);
    lists.start(shared_watch, threads);
    shared_watches.wait(shared_watch, seconds);
    for (const subscriber of shared_watch.subscribers) {
        if (subscriber.is_closed) {
            shared_watches.unsubscribe(subscriber);
        }
    }
    if (ngx.worker.exiting()) {
        shared_watches.fail_all(shared_watch, watch_errors.exiting());
        lists.stop(threads, watch_errors.exiting());
        return false;
    }
    return shared_watch.subscribers.length > 0;
}

/** Logs why a stream has ended, but not each time. */
function log_reopen(shared_watch: SharedWatch, err: EtcdError): void {
    if (reopen_policy.is_log_due(shared_watch.reopen_policy, err)) {
        const [text] = string.gsub(`watch of ${shared_watch.range.key}: ${errors.to_text(err)}`, "%c", "?");
        ngx.log(ngx.WARN, text, ". Opening it again");
    }
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
    const policy = shared_watch.reopen_policy;
    const delay = reopen_policy.next_delay(policy, err, session.created_at, session.has_delivered);
    if (err.name === "compacted") {
        shared_watches.on_revisions_lost(shared_watch, "compacted", err);
    }
    if (delay > 0 && shared_watch.subscribers.length > 0) {
        log_reopen(shared_watch, err);
    }
    return delay;
}

/**
 * Opens a stream and stays with it until it ends.
 * @returns the delay in seconds before the next stream; nil if the watch has ended
 */
function run_stream(shared_watch: SharedWatch, threads: ListThreads): number | undefined {
    const session = stream_reader.start(shared_watch);
    const liveness = liveness_checks.new();
    let is_wanted = true;
    while (is_wanted && !stream_reader.is_over(session)) {
        is_wanted = wait_for_work(shared_watch, threads, POLL_INTERVAL);
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
    return handle_stream_end(shared_watch, session);
}

/** Waits in this timer before the next stream. */
function wait_to_reopen(shared_watch: SharedWatch, threads: ListThreads, seconds: number): void {
    const until_time = now() + seconds;
    let left = seconds;
    while (left > 0 && wait_for_work(shared_watch, threads, min(left, POLL_INTERVAL))) {
        left = until_time - now();
    }
}

/** The timer of a shared watch: opens streams for as long as the watch has subscribers. */
function run(premature: boolean, shared_watch: SharedWatch): void {
    if (!shared_watches.mark_running(shared_watch)) {
        return;
    }
    if (premature || ngx.worker.exiting()) {
        shared_watches.fail_all(shared_watch, watch_errors.exiting());
        return;
    }
    const threads: ListThreads = new LuaMap();
    while (shared_watch.subscribers.length > 0) {
        const delay = run_stream(shared_watch, threads);
        if (delay !== undefined) {
            // nginx frees what a timer has allocated when it ends: each stream has its own
            if (!lists.sweep(threads) && shared_watches.start(shared_watch, delay)[0] !== undefined) {
                return;
            }
            wait_to_reopen(shared_watch, threads, delay);
        }
    }
    // subscribers that were too slow while their full state was read still wait for it
    while (lists.sweep(threads)) {
        wait_for_work(shared_watch, threads, POLL_INTERVAL);
    }
}

export { run };
