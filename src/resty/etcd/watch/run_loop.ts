import type { Subscriber, SharedWatch } from "./types";
import * as backoffs from "../base/backoff";
import * as balancer from "../endpoint/balancer";
import * as clock from "../base/clock";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as liveness from "./liveness";
import * as subscribers from "./subscriber";
import * as lists from "./list";
import * as shared_watches from "./shared_watch";
import * as sharing from "./sharing";
import * as stream_reader from "./stream_reader";
import type { StreamSession } from "./stream_reader";
import * as watch_errors from "./errors";

type Thread = ngx.thread.Thread;

const now = clock.now;
const max = math.max;
const min = math.min;

/** The timer looks up so often, in seconds: has the worker to go, is the stream silent? */
const POLL_INTERVAL = 0.5;
/** A stream that stood for so many seconds was healthy. */
const HEALTHY_AFTER = 1;
/** A stream that was well is opened anew without a pause, but not more often than after so many seconds. */
const MIN_REOPEN_INTERVAL = 0.1;
/** etcd tells of progress every 10 minutes at least: a stream that stands is not silent for so many seconds. */
const MAX_PROGRESS_INTERVAL = 660;
/** Asking the health check once more costs no connection, so it is done this soon. */
const NO_ENDPOINT_DELAY = 1;
/** One line in so many seconds about the same trouble. */
const LOG_INTERVAL = 10;

/** A light thread of this timer that reads a full state. */
interface Reading {
    thread: Thread | undefined;
    is_over: boolean;
}

type Lists = LuaMap<Subscriber, Reading>;

function read_stream(shared_watch: SharedWatch, session: StreamSession): void {
    const [ok, outcome] = protected_call(stream_reader.run, shared_watch, session);
    session.err ??= ok ? (outcome as EtcdError) : errors.local_error("bad_reply", tostring(outcome));
    session.is_over = true;
    shared_watches.wake_timer(shared_watch);
}

function read_list(subscriber: Subscriber, shared_watch: SharedWatch, reading: Reading): void {
    const [ok, outcome] = protected_call(lists.read_for, subscriber, shared_watch.core);
    reading.is_over = true;
    subscriber.is_listing = false;
    if (!ok) {
        shared_watches.unsubscribe(subscriber);
        subscribers.fail(subscriber, errors.local_error("bad_reply", tostring(outcome)));
    }
    shared_watches.wake_timer(shared_watch);
}

/** Until then nginx keeps a thread that is over, too. */
function end_reading(lists_now: Lists, subscriber: Subscriber, reading: Reading): void {
    ngx.thread.kill(reading.thread!);
    lists_now.delete(subscriber);
}

/**
 * Ends the threads of those who do not want their state any more, and frees what is left of those that are done.
 * @returns whether some still read
 */
function sweep_lists(lists_now: Lists): boolean {
    let is_listing = false;
    for (const [subscriber, reading] of lists_now) {
        if (reading.is_over) {
            end_reading(lists_now, subscriber, reading);
        } else if (subscriber.is_closed || subscriber.err !== undefined) {
            end_reading(lists_now, subscriber, reading);
            subscriber.is_listing = false;
        } else {
            is_listing = true;
        }
    }
    return is_listing;
}

/** Reads full states for those who wait for one, once the stream has its place. */
function start_lists(shared_watch: SharedWatch, lists_now: Lists): void {
    if (shared_watch.next_revision === undefined) {
        return;
    }
    for (const subscriber of shared_watch.subscribers) {
        if (subscriber.pending_state !== undefined && !subscriber.is_listing) {
            subscriber.is_listing = true;
            const reading: Reading = { thread: undefined, is_over: false };
            reading.thread = ngx.thread.spawn(read_list, subscriber, shared_watch, reading);
            lists_now.set(subscriber, reading);
        }
    }
}

function stop_lists(lists_now: Lists, err: EtcdError): void {
    for (const [subscriber, reading] of lists_now) {
        end_reading(lists_now, subscriber, reading);
        if (!reading.is_over) {
            subscriber.is_listing = false;
            subscribers.fail(subscriber, err);
        }
    }
}

/** Waits for something to do; returns false when nobody wants the stream any more. */
function wait_for_work(shared_watch: SharedWatch, lists_now: Lists, seconds: number): boolean {
    sweep_lists(lists_now);
    start_lists(shared_watch, lists_now);
    shared_watch.wake.wait(seconds);
    shared_watch.is_woken = false;
    for (const subscriber of shared_watch.subscribers) {
        if (subscriber.is_closed) {
            shared_watches.unsubscribe(subscriber);
        }
    }
    if (ngx.worker.exiting()) {
        shared_watches.end(shared_watch, shared_watches.exiting());
        stop_lists(lists_now, shared_watches.exiting());
        return false;
    }
    return shared_watch.subscribers.length > 0;
}

/** The stream has been silent for so long that it may be dead; or it does not stand yet, whatever comes. */
function is_silent(shared_watch: SharedWatch, session: StreamSession): boolean {
    if (session.created_at !== undefined) {
        return !shared_watch.is_blocked && shared_watches.age(shared_watch) > shared_watch.idle_timeout;
    }
    const timeout = shared_watch.core.timeout;
    if (timeout <= 0) {
        return now() - session.started_at > shared_watch.idle_timeout;
    }
    // what comes before the answer begins has deadlines of its own
    return session.response_started_at !== undefined && now() - session.response_started_at > timeout;
}

/** Ends the check of a stream that was silent. */
function end_check(session: StreamSession): void {
    if (session.probe !== undefined) {
        liveness.stop(session.probe);
        session.probe = undefined;
    }
}

/** A silent stream that stands: is it idle, or dead? Returns whether to give it up. */
function is_dead(shared_watch: SharedWatch, session: StreamSession): boolean {
    const stream = shared_watch.stream;
    const time = now();
    if (
        session.created_at === undefined ||
        stream === undefined ||
        time - stream.last_received_at() > MAX_PROGRESS_INTERVAL
    ) {
        return true;
    }
    if (session.probe === undefined) {
        if (time >= session.next_probe_at) {
            session.probe = liveness.start(
                shared_watch,
                stream,
                stream_reader.create_request(shared_watch, shared_watch.next_revision!),
            );
        }
        return false;
    }
    const { created_at: stood_at } = session.probe;
    const outcome = liveness.outcome(session.probe);
    if (outcome !== undefined) {
        end_check(session);
        session.next_probe_at = time + shared_watch.idle_timeout;
        if (outcome === "well") {
            shared_watch.last_received_at = max(shared_watch.last_received_at, stood_at ?? 0); // it would have told all until then
        }
    }
    return outcome === "dead";
}

/** Ends a stream from which nothing comes, or nothing of use. */
function give_up(shared_watch: SharedWatch, session: StreamSession): void {
    let text = `timeout: nothing has come for ${shared_watch.idle_timeout} seconds`;
    const stream = shared_watch.stream;
    if (session.created_at === undefined && stream !== undefined) {
        text = "timeout: the watch does not stand";
        balancer.report_failure(shared_watch.core, stream.endpoint);
    }
    session.err = errors.local_error("timeout", text, stream?.endpoint);
    session.is_over = true;
}

/** Ends a stream at once, whoever reads from it. */
function stop(shared_watch: SharedWatch, reader: Thread): void {
    const stream = shared_watch.stream;
    if (stream !== undefined) {
        shared_watch.last_received_at = max(shared_watch.last_received_at, stream.last_received_at());
        stream.close();
        shared_watch.stream = undefined;
    }
    shared_watch.is_connected = false;
    shared_watch.is_blocked = false;
    ngx.thread.kill(reader);
}

/** Says what is the matter, now and then. */
function log_reopen(shared_watch: SharedWatch, err: EtcdError, delay: number): void {
    const time = now();
    const said_at = shared_watch.last_logged_at.get(err.name);
    if (delay > 0 && shared_watch.subscribers.length > 0 && (said_at === undefined || time - said_at > LOG_INTERVAL)) {
        shared_watch.last_logged_at.set(err.name, time);
        const [text] = string.gsub(`watch of ${shared_watch.range.key}: ${errors.to_text(err)}`, "%c", "?");
        ngx.log(ngx.WARN, text, ". Opening it again");
    }
}

/**
 * Draws the conclusions from the end of a stream.
 * @returns seconds until it is to be opened again; nil if it is not
 */
function handle_stream_end(shared_watch: SharedWatch, session: StreamSession): number | undefined {
    const err = session.err ?? errors.local_error("closed", "closed");
    const { name } = err;
    shared_watch.last_error = err;
    shared_watch.close_reasons.set(name, (shared_watch.close_reasons.get(name) ?? 0) + 1);
    watch_errors.drop_token(shared_watch.core, err);
    if (watch_errors.is_permanent(shared_watch.core, err)) {
        if (watch_errors.is_forbidden(err)) {
            sharing.split(shared_watch); // less than all of it may be allowed
        }
        shared_watches.end(shared_watch, err);
        return undefined;
    }
    const stood_at = session.created_at;
    if (session.has_delivered || (stood_at !== undefined && now() - stood_at > HEALTHY_AFTER)) {
        backoffs.reset(shared_watch.backoff);
    }
    const may_hurry = stood_at !== undefined && shared_watch.backoff.seconds === 0;
    let delay = backoffs.next(shared_watch.backoff);
    if (name === "compacted") {
        shared_watches.on_revisions_lost(shared_watch, "compacted", err);
    } else if (name === "no_endpoint") {
        delay = min(delay, NO_ENDPOINT_DELAY);
    }
    if (may_hurry && now() - shared_watch.last_immediate_reopen > MIN_REOPEN_INTERVAL) {
        delay = 0; // it was well until now
        shared_watch.last_immediate_reopen = now();
    }
    log_reopen(shared_watch, err, delay);
    return delay;
}

/** Lets the stream live once; returns seconds until it is to be opened again, nil if it is not. */
function run_stream(shared_watch: SharedWatch, lists_now: Lists): number | undefined {
    const session: StreamSession = {
        is_over: false,
        err: undefined,
        started_at: now(),
        response_started_at: undefined,
        created_at: undefined,
        has_delivered: false,
        probe: undefined,
        next_probe_at: 0,
    };
    const reader = ngx.thread.spawn(read_stream, shared_watch, session);
    while (!session.is_over) {
        if (!wait_for_work(shared_watch, lists_now, POLL_INTERVAL)) {
            end_check(session);
            stop(shared_watch, reader);
            return undefined;
        }
        if (!is_silent(shared_watch, session)) {
            end_check(session);
        } else if (session.err === undefined && is_dead(shared_watch, session)) {
            give_up(shared_watch, session);
        }
    }
    end_check(session);
    stop(shared_watch, reader);
    return handle_stream_end(shared_watch, session);
}

/** Waits in this timer. */
function wait_to_reopen(shared_watch: SharedWatch, lists_now: Lists, seconds: number): void {
    const until_time = now() + seconds;
    let left = seconds;
    while (left > 0 && wait_for_work(shared_watch, lists_now, min(left, POLL_INTERVAL))) {
        left = until_time - now();
    }
}

/** Keeps a hub's stream alive, for as long as it has consumers. */
function run(premature: boolean, shared_watch: SharedWatch): void {
    if (shared_watch.is_running) {
        return;
    }
    shared_watch.is_running = true;
    if (premature || ngx.worker.exiting()) {
        shared_watches.end(shared_watch, shared_watches.exiting());
        return;
    }
    const lists_now: Lists = new LuaMap();
    while (shared_watch.subscribers.length > 0) {
        const delay = run_stream(shared_watch, lists_now);
        if (delay !== undefined) {
            // memory that nginx gives to a timer is free when that ends: so each stream has its own
            if (!sweep_lists(lists_now) && shared_watches.start(shared_watch, delay)[0] !== undefined) {
                return;
            }
            wait_to_reopen(shared_watch, lists_now, delay);
        }
    }
    // those who had no room while their state was read go on without the stream
    while (sweep_lists(lists_now)) {
        wait_for_work(shared_watch, lists_now, POLL_INTERVAL);
    }
}

export { run };
