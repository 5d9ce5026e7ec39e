import type { HistoryPoint, RunTurn, SharedWatch, Subscriber } from "./types";
import * as semaphore from "ngx.semaphore";
import * as clock from "../base/clock";
import type { Mutable } from "../base/mutable";
import type { Core } from "../call/client_state";
import type { EtcdError } from "../protocol/errors";
import type { Batch, Reason } from "./feed";
import * as histories from "./history";
import type { KeyRange } from "../protocol/key_range";
import * as key_range from "../protocol/key_range";
import * as reopen_policy from "./reopen_policy";
import type { Stream } from "../transport/transport";
import * as timer_loops from "../base/timer_loop";
import * as waits from "../base/wait";
import * as subscribers from "./subscriber";
import * as watch_log from "./watch_log";

const now = clock.now;
const find = string.find as StringFind;
const max = math.max;
const min = math.min;

/** What a stream leaves in its timer: the light thread that reads it, and its connection. */
const STREAM_LEFTOVERS = 2;

type State = Mutable<SharedWatch>;

/** Returns the shared watches of a client. */
function watches_of(core: Core): readonly SharedWatch[] {
    return (core.shared_watches as SharedWatch[] | undefined) ?? [];
}

/** Wakes the turn that waits in `wait`. */
function wake(shared_watch: State): void {
    if (!shared_watch.is_woken) {
        shared_watch.is_woken = true;
        shared_watch.signal.post(1);
    }
}

/** Waits until the turn is woken, or for some seconds. */
function wait(shared_watch: State, seconds: number): void {
    waits.wait(shared_watch.signal, seconds);
    shared_watch.is_woken = false;
}

/**
 * Creates a watch that can serve a subscriber.
 * @param next_revision nil for etcd's current revision
 */
function create(
    core: Core,
    subscriber: Subscriber,
    range: KeyRange,
    next_revision: number | undefined,
    is_catching_up: boolean,
    run: RunTurn,
): Result<SharedWatch> {
    const [signal, err] = semaphore.new(0);
    const [resume_signal, resume_err] = semaphore.new(0);
    if (signal === undefined || resume_signal === undefined) {
        return $multi(undefined, err ?? resume_err ?? "no semaphore");
    }
    const { prev_kv, filters, idle_timeout } = subscriber.options;
    const shared_watch: State = {
        core,
        range,
        prev_kv,
        filters,
        idle_timeout,
        run,
        loop: undefined,
        signal,
        is_woken: false,
        list_threads: new LuaMap(),
        subscribers: [],
        next_revision,
        unknown_before: subscriber.unknown_before,
        key_count: undefined,
        counted_at: 0,
        history: histories.of_range(range, subscriber.history),
        history_token: subscriber.history_token ?? { lost: false },
        located_at: undefined,
        is_catching_up,
        is_streaming: false,
        stream: undefined,
        is_connected: false,
        last_received_at: now(),
        is_paused: false,
        resume_signal,
        open_count: 0,
        close_reasons: new LuaMap(),
        events: 0,
        dropped: 0,
        last_error: undefined,
        reopen_policy: reopen_policy.new(),
        log: watch_log.new(range.key),
    };
    shared_watch.loop = timer_loops.new(shared_watch.log.subject, () => run(shared_watch), { pool: "streams" });
    return $multi(shared_watch);
}

/** Starts the loop of the watch. */
function start(shared_watch: SharedWatch): Result<true> {
    return timer_loops.start(shared_watch.loop!, 0);
}

/** Adds the watch to those that new subscribers of the client can join. */
function publish(shared_watch: SharedWatch): void {
    const core = shared_watch.core;
    core.shared_watches ??= [];
    core.shared_watches.push(shared_watch);
}

function without<T>(list: readonly T[], item: T): T[] {
    const rest: T[] = [];
    for (const other of list) {
        if (other !== item) {
            rest.push(other);
        }
    }
    return rest;
}

/** Lets the watch serve a subscriber. */
function subscribe(shared_watch: SharedWatch, subscriber: Subscriber): void {
    subscribers.attach(subscriber, shared_watch);
    (shared_watch.subscribers as Subscriber[]).push(subscriber);
    wake(shared_watch);
}

/** Removes a subscriber from its watch, if it has one. The watch ends with its last subscriber. */
function unsubscribe(subscriber: Subscriber): void {
    const shared_watch: State | undefined = subscriber.shared_watch;
    if (shared_watch !== undefined) {
        const core = shared_watch.core;
        subscribers.detach(subscriber);
        shared_watch.subscribers = without(shared_watch.subscribers, subscriber);
        if (shared_watch.subscribers.length === 0) {
            core.shared_watches = without(watches_of(core), shared_watch); // it is ending: no other can join
        }
        wake(shared_watch);
    }
}

/** Removes a subscriber from its watch and ends it with an error. */
function fail(subscriber: Subscriber, err: EtcdError): void {
    unsubscribe(subscriber);
    subscribers.fail(subscriber, err);
}

/** Ends all subscribers, and the watch with them. */
function fail_all(shared_watch: SharedWatch, err: EtcdError): void {
    for (const subscriber of shared_watch.subscribers) {
        fail(subscriber, err);
    }
}

/**
 * Returns the start revision of the next watch request. It overlaps by one revision, because etcd before 3.4.36 and
 * 3.5.18 loses a deletion made in the same revision as a compaction.
 */
function request_revision(shared_watch: SharedWatch): number {
    const next = shared_watch.next_revision!;
    return next === shared_watch.unknown_before ? next : max(next - 1, 1);
}

/** Notes what an endpoint has said of etcd. A watch without a position starts behind the current revision. */
function set_history(shared_watch: State, current: HistoryPoint, http_host: string | undefined): void {
    shared_watch.history = histories.locate(shared_watch.history, current);
    shared_watch.located_at = http_host;
    if (shared_watch.next_revision === undefined) {
        shared_watch.next_revision = current.revision + 1;
        wake(shared_watch); // full states can be read now
    }
}

/**
 * Notes the number of keys in the range, in place of a known one. A watch that has delivered later revisions, or does not
 * receive deletions, cannot know the number later.
 */
function replace_key_count(shared_watch: State, revision: number, key_count: number): void {
    const [without_deletions] = find(shared_watch.filters, "NODELETE", 1, true);
    if (without_deletions === undefined && shared_watch.next_revision! <= revision + 1) {
        shared_watch.key_count = key_count;
        shared_watch.counted_at = revision;
    }
}

/** Notes the number of keys in the range, unless it is known for an earlier revision that was not delivered yet. */
function set_key_count(shared_watch: State, revision: number, key_count: number): void {
    if (shared_watch.key_count === undefined || shared_watch.next_revision === revision + 1) {
        replace_key_count(shared_watch, revision, key_count);
    }
}

/** Notes the keys that the events of a revision create and delete. */
function update_key_count(shared_watch: State, batch: Batch): void {
    let key_count = shared_watch.key_count;
    if (key_count === undefined || batch.revision <= shared_watch.counted_at) {
        return;
    }
    for (const { type, kv } of batch.events) {
        if (type === "DELETE") {
            key_count = key_count - 1;
        } else if (kv.create_revision === kv.mod_revision) {
            key_count = key_count + 1;
        }
    }
    shared_watch.key_count = key_count;
}

/** Notes a response from etcd. */
function note_response(shared_watch: State, time: number): void {
    shared_watch.last_received_at = max(shared_watch.last_received_at, time);
}

/** Notes that a stream is being opened. */
function start_streaming(shared_watch: State): void {
    shared_watch.is_streaming = true;
    timer_loops.note_leftovers(shared_watch.loop!, STREAM_LEFTOVERS);
}

/** Notes that the stream was opened. */
function set_stream(shared_watch: State, stream: Stream): void {
    shared_watch.stream = stream;
}

/** Notes that etcd has confirmed the watch. */
function mark_connected(shared_watch: State): void {
    shared_watch.is_connected = true;
    shared_watch.open_count = shared_watch.open_count + 1;
}

/** Notes that no stream is opened or read any more, and closes it. */
function stop_streaming(shared_watch: State): void {
    const stream = shared_watch.stream;
    if (stream !== undefined) {
        note_response(shared_watch, stream.last_received_at());
        stream.close();
        shared_watch.stream = undefined;
    }
    shared_watch.is_streaming = false;
    shared_watch.is_connected = false;
    shared_watch.is_paused = false;
}

/** Waits until `resume`, or for some seconds, because the queue of the only subscriber is full. */
function pause(shared_watch: State, seconds: number): void {
    shared_watch.is_paused = true;
    waits.wait(shared_watch.resume_signal, seconds);
    shared_watch.is_paused = false;
    note_response(shared_watch, now()); // the stream was not read: its silence says nothing about etcd
}

/** Ends a pause. */
function resume(shared_watch: State): void {
    if (shared_watch.is_paused) {
        shared_watch.is_paused = false;
        shared_watch.resume_signal.post(1);
    }
}

/** Notes why etcd cannot be followed at the moment. */
function set_error(shared_watch: State, err: EtcdError): void {
    shared_watch.last_error = err;
}

/** Notes why a stream has ended. */
function note_stream_end(shared_watch: State, err: EtcdError): void {
    const reasons = shared_watch.close_reasons;
    reasons.set(err.name, (reasons.get(err.name) ?? 0) + 1);
    shared_watch.last_error = err;
}

/** Counts events that were discarded. */
function count_dropped(shared_watch: State, events: number): void {
    shared_watch.dropped = shared_watch.dropped + events;
}

/** Delivers a batch: to each subscriber the events in its range. All of them have room. */
function deliver(shared_watch: State, batch: Batch): void {
    const revision = batch.revision;
    shared_watch.next_revision = revision + 1;
    shared_watch.events = shared_watch.events + batch.events.length;
    histories.note_revision(shared_watch.history, revision);
    histories.note_events(shared_watch.history, batch);
    update_key_count(shared_watch, batch);
    for (const subscriber of shared_watch.subscribers) {
        const events = key_range.filter_events(subscriber.options.range, batch.events);
        if (events !== undefined) {
            subscribers.offer(subscriber, events === batch.events ? batch : { revision, events });
        }
    }
}

/** Notes that all events up to a revision have been delivered. */
function advance(shared_watch: State, revision: number): void {
    if (revision >= shared_watch.next_revision!) {
        shared_watch.next_revision = revision + 1;
        histories.note_revision(shared_watch.history, revision);
        if (shared_watch.filters === "") {
            histories.note_progress(shared_watch.history, revision);
        }
        for (const subscriber of shared_watch.subscribers) {
            subscribers.advance(subscriber, revision);
        }
    }
}

/**
 * Returns the oldest revision that etcd still has, as far as its error says; nil if that is unknown.
 */
function oldest_revision(shared_watch: SharedWatch, err: EtcdError): number | undefined {
    const oldest = err.compact_revision;
    if (oldest === undefined || shared_watch.next_revision === undefined || oldest <= request_revision(shared_watch)) {
        return undefined; // the request was not older than that: the error contradicts itself
    }
    return oldest;
}

/**
 * Handles revisions that etcd does not have any more. Subscribers whose position is behind the lost revisions continue.
 * Those that need the lost revisions wait for a full state, or end with the error.
 */
function on_revisions_lost(shared_watch: State, reason: Reason, err: EtcdError): void {
    const oldest = oldest_revision(shared_watch, err);
    let next: number | undefined;
    if (oldest !== undefined) {
        histories.note_revision(shared_watch.history, oldest);
    }
    if (reason === "restored") {
        const token: Mutable<SharedWatch["history_token"]> = shared_watch.history_token;
        token.lost = true; // subscribers that have left with this token notice it, too
        shared_watch.history_token = { lost: false };
    }
    for (const subscriber of shared_watch.subscribers) {
        if (oldest !== undefined && subscriber.next_revision > oldest) {
            next = min(next ?? subscriber.next_revision, subscriber.next_revision);
        } else if (subscriber.options.relist || subscribers.is_new(subscriber)) {
            subscribers.require_full_state(subscriber, reason);
        } else {
            fail(subscriber, err);
        }
    }
    if (next !== undefined) {
        next = min(next, shared_watch.history.revision + 1); // full states that are read can be of this revision
    }
    shared_watch.next_revision = next;
    shared_watch.key_count = undefined;
    histories.forget_event(shared_watch.history);
}

/** Returns the seconds since the last response from etcd. */
function age(shared_watch: SharedWatch): number {
    const { stream, last_received_at } = shared_watch;
    return now() - (stream !== undefined ? max(last_received_at, stream.last_received_at()) : last_received_at);
}

export {
    advance,
    age,
    count_dropped,
    create as new,
    deliver,
    fail,
    fail_all,
    mark_connected,
    note_response,
    note_stream_end,
    on_revisions_lost,
    pause,
    publish,
    replace_key_count,
    request_revision,
    resume,
    set_error,
    set_history,
    set_key_count,
    set_stream,
    start,
    start_streaming,
    stop_streaming,
    subscribe,
    unsubscribe,
    wait,
    wake,
    watches_of,
};
