import type { ListThread, SharedWatch, Subscriber } from "./types";
import * as backoffs from "../base/backoff";
import type { Core } from "../call/client_state";
import type { Mutable } from "../base/mutable";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as histories from "./history";
import type { PageSource } from "../call/paged_range";
import * as reads from "./reads";
import * as shared_watches from "./shared_watch";
import * as subscribers from "./subscriber";
import * as timer_loops from "../base/timer_loop";
import * as waits from "../base/wait";
import * as watch_errors from "./errors";
import type { WatchLog } from "./watch_log";

const max = math.max;
const min = math.min;

/** Maximum seconds of a sleep, so that a subscriber's end or the worker's exit is noticed. */
const POLL_INTERVAL = 0.5;

/** Least seconds before the next attempt if etcd has answered the last one, so that there is no outage to end. */
const MIN_PAUSE_AFTER_ANSWER = 1;
/** The same if pages were compacted again and again: such an attempt takes eleven calls. */
const MIN_PAUSE_AFTER_COMPACTION = 2.5;

type State = Mutable<ListThread>;

/** Reports whether the subscriber still waits for a full state. */
function is_wanted(subscriber: Subscriber): boolean {
    return !subscriber.is_closed && subscriber.err === undefined && subscriber.pending_state !== undefined;
}

/** Returns the number of streams that the watch of the subscriber has had. */
function open_count_of(subscriber: Subscriber): number {
    return subscriber.shared_watch?.open_count ?? 0;
}

/**
 * Waits before the next attempt.
 * @param until_open wait no longer when etcd confirms the watch: the outage is over then
 */
function pause(subscriber: Subscriber, seconds: number, until_open: boolean): void {
    const open_count = open_count_of(subscriber);
    const is_outage = () => !until_open || open_count_of(subscriber) === open_count;
    let left = seconds;
    while (left > 0 && is_wanted(subscriber) && !ngx.worker.exiting() && is_outage()) {
        waits.sleep(min(left, POLL_INTERVAL));
        left = left - POLL_INTERVAL;
    }
}

/** Handles that the state at the start revision was compacted away. */
function on_start_compacted(subscriber: Subscriber): void {
    if (subscriber.options.relist) {
        subscribers.drop_list_revision(subscriber);
    } else {
        shared_watches.fail(subscriber, watch_errors.compacted(undefined, undefined));
    }
}

/** Reports whether the watch has no position at the moment: a state that is read now could be too old for the next one. */
function has_lost_position(subscriber: Subscriber): boolean {
    return subscriber.shared_watch !== undefined && subscriber.shared_watch.next_revision === undefined;
}

/** Returns where the events of the subscriber are from: its full state must be of the same cluster. */
function source_of(subscriber: Subscriber, log: WatchLog): PageSource {
    const { shared_watch, history } = subscriber;
    if (shared_watch === undefined) {
        return { cluster_id: history?.cluster_id, http_host: undefined, on_retry: log.on_retry };
    }
    const http_host = shared_watch.stream?.endpoint ?? shared_watch.located_at;
    return { cluster_id: shared_watch.history.cluster_id, http_host, on_retry: log.on_retry };
}

/** Notes a transient error, and waits before the next attempt. */
function wait_to_retry(core: Core, subscriber: Subscriber, err: EtcdError): void {
    if (subscriber.shared_watch !== undefined) {
        shared_watches.set_error(subscriber.shared_watch, err);
    }
    watch_errors.drop_token(core, err);
    const is_answer = watch_errors.is_answer(err);
    let seconds = backoffs.next(subscriber.list_backoff);
    if (is_answer) {
        const least = watch_errors.is_compacted(err) ? MIN_PAUSE_AFTER_COMPACTION : MIN_PAUSE_AFTER_ANSWER;
        seconds = max(seconds, least);
    }
    pause(subscriber, seconds, !is_answer);
}

/**
 * Reads the full state for a subscriber, and retries after errors. The subscriber is on its watch already, so that no
 * event after the state is lost; or it was too slow for a watch and joins one after the state was read. Returns early
 * when the watch has lost its position, and is called again when that is known.
 */
function read_for(subscriber: Subscriber, core: Core, log: WatchLog): void {
    while (is_wanted(subscriber) && !has_lost_position(subscriber)) {
        const epoch = subscriber.epoch;
        const [kvs, outcome] = reads.list(
            core,
            subscriber.options.range,
            subscriber.list_revision,
            source_of(subscriber, log),
        );
        if (!is_wanted(subscriber)) {
            return;
        }
        if (kvs !== undefined) {
            const latest = histories.latest_of(kvs);
            if (subscriber.epoch === epoch) {
                if (subscriber.shared_watch !== undefined) {
                    histories.note_latest(subscriber.shared_watch.history, latest, outcome);
                }
                subscribers.accept_full_state(subscriber, kvs, outcome);
            }
        } else if (watch_errors.is_compacted(outcome) && subscriber.list_revision !== undefined) {
            on_start_compacted(subscriber);
        } else if (watch_errors.is_permanent(core, outcome)) {
            shared_watches.fail(subscriber, outcome);
        } else {
            wait_to_retry(core, subscriber, outcome);
        }
    }
}

function run(subscriber: Subscriber, shared_watch: SharedWatch, list_thread: State): void {
    const [ok, problem] = protected_call(read_for, subscriber, shared_watch.core, shared_watch.log);
    list_thread.is_over = true;
    subscribers.end_list(subscriber);
    if (!ok) {
        shared_watches.fail(subscriber, errors.local_error("bad_reply", tostring(problem)));
    }
    shared_watches.wake(shared_watch);
}

/** Frees the thread: nginx keeps it, even if it is over, until its parent has killed or joined it. */
function end_thread(shared_watch: SharedWatch, subscriber: Subscriber, list_thread: ListThread): void {
    ngx.thread.kill(list_thread.thread!);
    timer_loops.note_leftovers(shared_watch.loop!, 1);
    shared_watch.list_threads.delete(subscriber);
    if (!list_thread.is_over) {
        subscribers.end_list(subscriber);
    }
}

/** Starts a thread for each subscriber that waits for a full state, once the watch has a position. */
function start(shared_watch: SharedWatch): void {
    if (shared_watch.next_revision === undefined) {
        return;
    }
    for (const subscriber of shared_watch.subscribers) {
        if (subscriber.pending_state !== undefined && !subscriber.is_listing) {
            subscribers.start_list(subscriber);
            const list_thread: State = { thread: undefined, is_over: false };
            list_thread.thread = ngx.thread.spawn(run, subscriber, shared_watch, list_thread);
            shared_watch.list_threads.set(subscriber, list_thread);
        }
    }
}

/**
 * Ends the threads that are over, and those whose subscribers have ended.
 * @returns whether some threads still read
 */
function sweep(shared_watch: SharedWatch): boolean {
    let is_listing = false;
    for (const [subscriber, list_thread] of shared_watch.list_threads) {
        if (list_thread.is_over || subscriber.is_closed || subscriber.err !== undefined) {
            end_thread(shared_watch, subscriber, list_thread);
        } else {
            is_listing = true;
        }
    }
    return is_listing;
}

/** Ends all threads, and the subscribers of those that still read with an error. */
function fail_all(shared_watch: SharedWatch, err: EtcdError): void {
    for (const [subscriber, list_thread] of shared_watch.list_threads) {
        end_thread(shared_watch, subscriber, list_thread);
        if (!list_thread.is_over) {
            shared_watches.fail(subscriber, err);
        }
    }
}

/** Ends all threads; their subscribers still wait for a full state. */
function stop(shared_watch: SharedWatch): void {
    for (const [subscriber, list_thread] of shared_watch.list_threads) {
        end_thread(shared_watch, subscriber, list_thread);
    }
}

export { fail_all, start, stop, sweep };
