import type { Subscriber, SharedWatch } from "./types";
import * as backoffs from "../base/backoff";
import * as balancer from "../endpoint/balancer";
import * as clock from "../base/clock";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as liveness from "./liveness";
import * as subscriber from "./subscriber";
import * as lists from "./list";
import * as shared_watch from "./shared_watch";
import * as sharing from "./sharing";
import * as stream_reader from "./stream_reader";
import type { StreamSession } from "./stream_reader";
import * as watch_errors from "./errors";

type Thread = ngx.thread.Thread;

const now = clock.now;
const max = math.max;
const min = math.min;
const guard = pcall as unknown as GuardedCall;

/** The timer looks up so often, in seconds: has the worker to go, is the stream silent? */
const TICK = 0.5;
/** A stream that stood for so many seconds was healthy. */
const LIFE = 1;
/** A stream that was well is opened anew without a pause, but not more often than after so many seconds. */
const HURRY = 0.1;
/** etcd tells of progress every 10 minutes at least: a stream that stands is not silent for so many seconds. */
const PROGRESS = 660;
/** Asking the health check once more costs no connection, so it is done this soon. */
const NO_ENDPOINT = 1;
/** One line in so many seconds about the same trouble. */
const QUIET = 10;

/** A light thread of this timer that reads a full state. */
interface Reading {
    thread: Thread | undefined;
    over: boolean;
}

type Lists = LuaMap<Subscriber, Reading>;

function read_stream(hub: SharedWatch, turn: StreamSession): void {
    const [ok, outcome] = guard(stream_reader.run, hub, turn);
    turn.err ??= ok ? (outcome as EtcdError) : errors.local_error("bad_reply", tostring(outcome));
    turn.over = true;
    shared_watch.wake_timer(hub);
}

function read_list(consumer: Subscriber, hub: SharedWatch, reading: Reading): void {
    const [ok, outcome] = guard(lists.read_for, consumer, hub.core);
    reading.over = true;
    consumer.listing = false;
    if (!ok) {
        shared_watch.unsubscribe(consumer);
        subscriber.fail(consumer, errors.local_error("bad_reply", tostring(outcome)));
    }
    shared_watch.wake_timer(hub);
}

/** Until then nginx keeps a thread that is over, too. */
function end_reading(lists_now: Lists, consumer: Subscriber, reading: Reading): void {
    ngx.thread.kill(reading.thread!);
    lists_now.delete(consumer);
}

/**
 * Ends the threads of those who do not want their state any more, and frees what is left of those that are done.
 * @returns whether some still read
 */
function sweep_lists(lists_now: Lists): boolean {
    let is_listing = false;
    for (const [consumer, reading] of lists_now) {
        if (reading.over) {
            end_reading(lists_now, consumer, reading);
        } else if (consumer.closed || consumer.err !== undefined) {
            end_reading(lists_now, consumer, reading);
            consumer.listing = false;
        } else {
            is_listing = true;
        }
    }
    return is_listing;
}

/** Reads full states for those who wait for one, once the stream has its place. */
function start_lists(hub: SharedWatch, lists_now: Lists): void {
    if (hub.next === undefined) {
        return;
    }
    for (const consumer of hub.consumers) {
        if (consumer.needs !== undefined && !consumer.listing) {
            consumer.listing = true;
            const reading: Reading = { thread: undefined, over: false };
            reading.thread = ngx.thread.spawn(read_list, consumer, hub, reading);
            lists_now.set(consumer, reading);
        }
    }
}

function stop_lists(lists_now: Lists, err: EtcdError): void {
    for (const [consumer, reading] of lists_now) {
        end_reading(lists_now, consumer, reading);
        if (!reading.over) {
            consumer.listing = false;
            subscriber.fail(consumer, err);
        }
    }
}

/** Waits for something to do; returns false when nobody wants the stream any more. */
function wait_for_work(hub: SharedWatch, lists_now: Lists, seconds: number): boolean {
    sweep_lists(lists_now);
    start_lists(hub, lists_now);
    hub.wake.wait(seconds);
    hub.poked = false;
    for (const consumer of hub.consumers) {
        if (consumer.closed) {
            shared_watch.unsubscribe(consumer);
        }
    }
    if (ngx.worker.exiting()) {
        shared_watch.end(hub, shared_watch.exiting());
        stop_lists(lists_now, shared_watch.exiting());
        return false;
    }
    return hub.consumers.length > 0;
}

/** The stream has been silent for so long that it may be dead; or it does not stand yet, whatever comes. */
function is_silent(hub: SharedWatch, turn: StreamSession): boolean {
    if (turn.stood_at !== undefined) {
        return !hub.blocked && shared_watch.age(hub) > hub.silence;
    }
    const timeout = hub.core.timeout;
    if (timeout <= 0) {
        return now() - turn.began_at > hub.silence;
    }
    // what comes before the answer begins has deadlines of its own
    return turn.answered_at !== undefined && now() - turn.answered_at > timeout;
}

/** Ends the check of a stream that was silent. */
function end_check(turn: StreamSession): void {
    if (turn.check !== undefined) {
        liveness.stop(turn.check);
        turn.check = undefined;
    }
}

/** A silent stream that stands: is it idle, or dead? Returns whether to give it up. */
function is_dead(hub: SharedWatch, turn: StreamSession): boolean {
    const stream = hub.stream;
    const time = now();
    if (turn.stood_at === undefined || stream === undefined || time - stream.heard_at() > PROGRESS) {
        return true;
    }
    if (turn.check === undefined) {
        if (time >= turn.next_check) {
            turn.check = liveness.start(hub, stream, stream_reader.create_request(hub, hub.next!));
        }
        return false;
    }
    const { stood_at } = turn.check;
    const outcome = liveness.outcome(turn.check);
    if (outcome !== undefined) {
        end_check(turn);
        turn.next_check = time + hub.silence;
        if (outcome === "well") {
            hub.heard_at = max(hub.heard_at, stood_at ?? 0); // it would have told all until then
        }
    }
    return outcome === "dead";
}

/** Ends a stream from which nothing comes, or nothing of use. */
function give_up(hub: SharedWatch, turn: StreamSession): void {
    let text = `timeout: nothing has come for ${hub.silence} seconds`;
    const stream = hub.stream;
    if (turn.stood_at === undefined && stream !== undefined) {
        text = "timeout: the watch does not stand";
        balancer.report_failure(hub.core, stream.endpoint);
    }
    turn.err = errors.local_error("timeout", text, stream?.endpoint);
    turn.over = true;
}

/** Ends a stream at once, whoever reads from it. */
function stop(hub: SharedWatch, reader: Thread): void {
    const stream = hub.stream;
    if (stream !== undefined) {
        hub.heard_at = max(hub.heard_at, stream.heard_at());
        stream.close();
        hub.stream = undefined;
    }
    hub.connected = false;
    hub.blocked = false;
    ngx.thread.kill(reader);
}

/** Says what is the matter, now and then. */
function log_reopen(hub: SharedWatch, err: EtcdError, delay: number): void {
    const time = now();
    const said_at = hub.said_at.get(err.name);
    if (delay > 0 && hub.consumers.length > 0 && (said_at === undefined || time - said_at > QUIET)) {
        hub.said_at.set(err.name, time);
        const [text] = string.gsub(`watch of ${hub.range.key}: ${errors.to_text(err)}`, "%c", "?");
        ngx.log(ngx.WARN, text, ". Opening it again");
    }
}

/**
 * Draws the conclusions from the end of a stream.
 * @returns seconds until it is to be opened again; nil if it is not
 */
function handle_stream_end(hub: SharedWatch, turn: StreamSession): number | undefined {
    const err = turn.err ?? errors.local_error("closed", "closed");
    const { name } = err;
    hub.last_error = err;
    hub.ends.set(name, (hub.ends.get(name) ?? 0) + 1);
    watch_errors.drop_token(hub.core, err);
    if (watch_errors.is_permanent(hub.core, err)) {
        if (watch_errors.is_forbidden(err)) {
            sharing.split(hub); // less than all of it may be allowed
        }
        shared_watch.end(hub, err);
        return undefined;
    }
    const stood_at = turn.stood_at;
    if (turn.delivered || (stood_at !== undefined && now() - stood_at > LIFE)) {
        backoffs.reset(hub.backoff);
    }
    const may_hurry = stood_at !== undefined && hub.backoff.seconds === 0;
    let delay = backoffs.next(hub.backoff);
    if (name === "compacted") {
        shared_watch.on_revisions_lost(hub, "compacted", err);
    } else if (name === "no_endpoint") {
        delay = min(delay, NO_ENDPOINT);
    }
    if (may_hurry && now() - hub.hurried_at > HURRY) {
        delay = 0; // it was well until now
        hub.hurried_at = now();
    }
    log_reopen(hub, err, delay);
    return delay;
}

/** Lets the stream live once; returns seconds until it is to be opened again, nil if it is not. */
function run_stream(hub: SharedWatch, lists_now: Lists): number | undefined {
    const turn: StreamSession = {
        over: false,
        err: undefined,
        began_at: now(),
        answered_at: undefined,
        stood_at: undefined,
        delivered: false,
        check: undefined,
        next_check: 0,
    };
    const reader = ngx.thread.spawn(read_stream, hub, turn);
    while (!turn.over) {
        if (!wait_for_work(hub, lists_now, TICK)) {
            end_check(turn);
            stop(hub, reader);
            return undefined;
        }
        if (!is_silent(hub, turn)) {
            end_check(turn);
        } else if (turn.err === undefined && is_dead(hub, turn)) {
            give_up(hub, turn);
        }
    }
    end_check(turn);
    stop(hub, reader);
    return handle_stream_end(hub, turn);
}

/** Waits in this timer. */
function wait_to_reopen(hub: SharedWatch, lists_now: Lists, seconds: number): void {
    const until_time = now() + seconds;
    let left = seconds;
    while (left > 0 && wait_for_work(hub, lists_now, min(left, TICK))) {
        left = until_time - now();
    }
}

/** Keeps a hub's stream alive, for as long as it has consumers. */
function run(premature: boolean, hub: SharedWatch): void {
    if (hub.running) {
        return;
    }
    hub.running = true;
    if (premature || ngx.worker.exiting()) {
        shared_watch.end(hub, shared_watch.exiting());
        return;
    }
    const lists_now: Lists = new LuaMap();
    while (hub.consumers.length > 0) {
        const delay = run_stream(hub, lists_now);
        if (delay !== undefined) {
            // memory that nginx gives to a timer is free when that ends: so each stream has its own
            if (!sweep_lists(lists_now) && shared_watch.start(hub, delay)[0] !== undefined) {
                return;
            }
            wait_to_reopen(hub, lists_now, delay);
        }
    }
    // those who had no room while their state was read go on without the stream
    while (sweep_lists(lists_now)) {
        wait_for_work(hub, lists_now, TICK);
    }
}

export { run };
