import type { Consumer, Hub, Known } from "./types";
import * as semaphore from "ngx.semaphore";
import * as backoffs from "../base/backoff";
import * as clock from "../base/clock";
import type { Core } from "../call/client_state";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import type { Batch, Reason } from "./feed";
import * as key_range from "../protocol/key_range";
import * as timers from "../base/timers";
import * as consumers from "./subscriber";

const now = clock.now;
const max = math.max;
const min = math.min;

/** How long a timer may take to start: nginx drops timers when too many of them run. */
const START_TIME = 1;

/** The streams of a client. */
function hubs_of(core: Core): Hub[] {
    core.hubs ??= [];
    return core.hubs as Hub[];
}

/** Wakes the hub's timer. */
function poke(hub: Hub): void {
    if (!hub.poked) {
        hub.poked = true;
        hub.wake.post(1);
    }
}

/** Starts the hub's timer. */
function start(hub: Hub, delay: number): Result<true> {
    const [ok, err] = timers.at(delay, hub.run, hub);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    hub.running = false;
    hub.due = now() + delay + START_TIME;
    return $multi(true);
}

/** Starts its timer once more if nginx has dropped it. */
function revive(hub: Hub): void {
    if (!hub.running && now() > hub.due) {
        start(hub, 0);
    }
}

function copy(known: Known | undefined): Known {
    if (known === undefined) {
        return { cluster_id: undefined, raft_term: 0, revision: 0 };
    }
    return { cluster_id: known.cluster_id, raft_term: known.raft_term, revision: known.revision };
}

/** A stream of the consumer's kind that begins at `next`. */
function create(
    core: Core,
    consumer: Consumer,
    next: number | undefined,
    apart: boolean,
    run: Hub["run"],
): Result<Hub> {
    const [wake, err] = semaphore.new(0);
    const [room, room_err] = semaphore.new(0);
    if (wake === undefined || room === undefined) {
        return $multi(undefined, err ?? room_err ?? "no semaphore");
    }
    return $multi({
        core,
        range: consumer.hub_range,
        prev_kv: consumer.prev_kv,
        filters: consumer.filters,
        silence: consumer.silence,
        run,
        wake,
        poked: false,
        running: false,
        due: 0,
        consumers: [],
        next,
        unknown_before: consumer.unknown_before,
        known: copy(consumer.known),
        past: consumer.past ?? { lost: false },
        apart,
        stream: undefined,
        connected: false,
        heard_at: now(),
        blocked: false,
        room,
        opened: 0,
        ends: new LuaMap(),
        events: 0,
        dropped: 0,
        last_error: undefined,
        backoff: backoffs.new(),
        hurried_at: 0,
        said_at: new LuaMap(),
    });
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

/** The stream does not serve the consumer any more. The last one to leave ends it. */
function leave(consumer: Consumer): void {
    const hub = consumer.hub;
    if (hub !== undefined) {
        consumer.hub = undefined;
        hub.consumers = without(hub.consumers, consumer);
        if (hub.consumers.length === 0) {
            // nobody may join it on its way out
            hub.core.hubs = without(hubs_of(hub.core), hub);
        }
        poke(hub);
    }
}

/**
 * From which revision etcd is asked for events: once more for the last one that is known. Before 3.4.36 and 3.5.18 a
 * deletion in the very revision of a compaction is gone, and etcd does not say so to whoever begins there.
 */
function asks_from(hub: Hub): number {
    const next = hub.next!;
    return next === hub.unknown_before ? next : max(next - 1, 1);
}

/** Gives each consumer its part of a batch. All of them have room. */
function deliver(hub: Hub, batch: Batch): void {
    const { revision } = batch;
    hub.next = revision + 1;
    hub.known.revision = max(hub.known.revision, revision);
    hub.events = hub.events + batch.events.length;
    for (const consumer of hub.consumers) {
        const events = key_range.pick(consumer.range, batch.events);
        if (events !== undefined) {
            consumers.give(consumer, events === batch.events ? batch : { revision, events });
        }
    }
}

/** All events up to `revision` have been delivered. */
function progress(hub: Hub, revision: number): void {
    if (revision >= hub.next!) {
        hub.next = revision + 1;
        hub.known.revision = max(hub.known.revision, revision);
        for (const consumer of hub.consumers) {
            consumers.tell_progress(consumer, revision);
        }
    }
}

/**
 * Revisions are gone. Consumers that need them need a full state now, or have come to their end; those that stand
 * behind them go on.
 */
function lose(hub: Hub, reason: Reason, err: EtcdError): void {
    let oldest = err.compact_revision;
    let next: number | undefined;
    if (oldest !== undefined && (hub.next === undefined || oldest <= asks_from(hub))) {
        oldest = undefined; // the stream has no need of what is before: nobody knows what is gone
    }
    if (oldest !== undefined) {
        hub.known.revision = max(hub.known.revision, oldest);
    }
    if (reason === "restored") {
        hub.past.lost = true; // whoever has left the stream with this past will be told too
        hub.past = { lost: false };
    }
    for (const consumer of hub.consumers) {
        if (oldest !== undefined && consumer.next > oldest) {
            next = min(next ?? consumer.next, consumer.next);
        } else if (consumer.relist || consumers.is_new(consumer)) {
            consumers.lose(consumer, reason);
        } else {
            leave(consumer);
            consumers.fail(consumer, err);
        }
    }
    if (next !== undefined) {
        next = min(next, hub.known.revision + 1); // states are read that may be no newer
    }
    hub.next = next;
}

/** Ends it, and all of its consumers with it. */
function end(hub: Hub, err: EtcdError): void {
    for (const consumer of hub.consumers) {
        leave(consumer);
        consumers.fail(consumer, err);
    }
}

/** Seconds since etcd was heard of last. */
function age(hub: Hub): number {
    const stream = hub.stream;
    const heard_at = stream !== undefined ? max(hub.heard_at, stream.heard_at()) : hub.heard_at;
    return now() - heard_at;
}

/** For consumers whose program ends. */
function exiting(): EtcdError {
    return errors.failure("closed", "closed: the worker is exiting");
}

export {
    age,
    asks_from,
    copy as copy_known,
    create as new,
    deliver,
    end,
    exiting,
    hubs_of,
    leave,
    lose,
    poke,
    progress,
    revive,
    start,
};
