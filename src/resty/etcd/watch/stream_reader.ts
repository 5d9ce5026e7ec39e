import type { SharedWatch } from "./types";
import type { Message } from "../protocol/message";
import * as balancer from "../endpoint/balancer";
import * as call from "../call/call";
import * as clock from "../base/clock";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import type { Batch } from "./feed";
import * as rpcs from "../protocol/rpc";
import * as time_slice from "../base/time_slice";
import type { Stream } from "../transport/transport";
import * as reads from "./reads";
import type { LivenessProbe } from "./liveness";
import * as shared_watch from "./shared_watch";
import * as reassembly from "./reassembly";
import type { Reassembler, WatchReply } from "./reassembly";
import * as sharing from "./sharing";
import * as watch_errors from "./errors";

const now = clock.now;
const gmatch = string.gmatch;

/** A consumer that has no room is looked after so often, in seconds. */
const LOOK = 0.5;
/** The server ends the stream when its member has lost the leader: such a stream would be silent for ever. */
const OPTIONS: call.StreamOptions = { require_leader: true };

/** One stream from its opening to its end. */
interface StreamSession {
    over: boolean;
    /** Why it has ended. */
    err: EtcdError | undefined;
    began_at: number;
    /** When its answer began. */
    answered_at: number | undefined;
    /** When etcd said that it stands. */
    stood_at: number | undefined;
    /** Something was delivered. */
    delivered: boolean;
    /** Under way, as the stream has been silent; nil if it is not. */
    check: LivenessProbe | undefined;
    /** Not before that. */
    next_check: number;
}

/** What asks for the events of the hub's stream from a revision on. */
function create_request(hub: SharedWatch, from: number): Message {
    const request: Message = new LuaMap();
    request.set("key", hub.range.key);
    request.set("range_end", hub.range.range_end);
    request.set("start_revision", from);
    request.set("progress_notify", true);
    request.set("fragment", true);
    if (hub.prev_kv) {
        request.set("prev_kv", true);
    }
    const filters: string[] = [];
    for (const [filter] of gmatch(hub.filters, "%a+")) {
        filters.push(filter!);
    }
    if (filters.length > 0) {
        request.set("filters", filters);
    }
    return request;
}

/**
 * Finds out where etcd is: whether it still has the past that is known of it, and where to begin.
 * @returns an error if it does not answer
 */
function place(hub: SharedWatch): EtcdError | undefined {
    const [status, err] = reads.current_revision(hub.core, hub.range);
    if (status === undefined) {
        return err;
    }
    hub.heard_at = now();
    const known = hub.known;
    if (reads.history_diverged(known, status) || hub.past.lost) {
        shared_watch.on_revisions_lost(hub, "restored", watch_errors.restored());
    }
    known.cluster_id = status.cluster_id;
    known.raft_term = status.raft_term;
    known.revision = status.revision;
    if (hub.next === undefined) {
        hub.next = status.revision + 1;
        shared_watch.wake_timer(hub); // lists wait for it
    }
    return undefined;
}

/** Waits until the only consumer has taken something, or is not alone any more. */
function wait_for_room(hub: SharedWatch, revision: number): void {
    while (sharing.detach_slow(hub, revision) !== undefined) {
        hub.blocked = true;
        hub.room.wait(LOOK);
        hub.heard_at = now(); // it is not etcd that is silent
    }
    hub.blocked = false;
}

function deliver_all(hub: SharedWatch, turn: StreamSession, batches: Batch[]): void {
    const slice = time_slice.start();
    for (const batch of batches) {
        wait_for_room(hub, batch.revision);
        shared_watch.deliver(hub, batch);
        turn.delivered = true;
        time_slice.yield_if_due(slice);
    }
}

/** Whatever has come in a reply; returns why the stream must end, if it must. */
function take(hub: SharedWatch, turn: StreamSession, joiner: Reassembler, message: Message): EtcdError | undefined {
    const reply = message as unknown as WatchReply;
    const endpoint = hub.stream!.endpoint;
    if (reply.canceled === true) {
        return watch_errors.cancel_error(reply, endpoint);
    }
    const cluster_id = reply.header?.cluster_id;
    if (cluster_id !== undefined && hub.known.cluster_id !== undefined && cluster_id !== hub.known.cluster_id) {
        return errors.local_error("bad_reply", "malformed reply: it comes from another cluster", endpoint);
    }
    if (reply.created === true) {
        if (turn.stood_at === undefined) {
            turn.stood_at = now();
            hub.opened = hub.opened + 1;
            hub.connected = true;
        }
        return undefined;
    }
    if (turn.stood_at === undefined) {
        return errors.local_error("bad_reply", "malformed reply: events before the watch stands", endpoint);
    }
    const dropped = joiner.dropped;
    const batches = reassembly.add(joiner, reply, hub.next!);
    if (batches === undefined) {
        return errors.local_error("bad_reply", "malformed reply: events that are none", endpoint);
    }
    hub.dropped = hub.dropped + joiner.dropped - dropped;
    deliver_all(hub, turn, batches);
    const revision = tonumber(reply.header?.revision);
    if (reply.events === undefined && joiner.parts === undefined && revision !== undefined) {
        shared_watch.progress(hub, revision);
    }
    return undefined;
}

/** Takes replies as they come, until there is a reason not to go on. */
function take_all(hub: SharedWatch, turn: StreamSession, stream: Stream, from: number): EtcdError {
    const joiner = reassembly.new(from);
    let slice = time_slice.start();
    while (hub.consumers.length > 0) {
        let message = stream.try_recv();
        if (message === undefined) {
            // how long a stream may be silent is for the timer to watch, as nginx writes a line for each socket timeout
            const [next, err] = stream.recv(undefined);
            if (next === undefined) {
                return err;
            }
            message = next;
            slice = time_slice.start();
        }
        const err = take(hub, turn, joiner, message);
        if (err !== undefined) {
            return err;
        }
        sharing.merge(hub);
        time_slice.yield_if_due(slice);
    }
    return errors.local_error("closed", "closed");
}

/** Opens the stream and takes what comes, until it ends; returns why it has. */
function run(hub: SharedWatch, turn: StreamSession): EtcdError {
    const lost = place(hub);
    if (lost !== undefined) {
        return lost;
    }
    if (hub.consumers.length === 0) {
        return errors.local_error("closed", "closed");
    }
    const from = shared_watch.request_revision(hub);
    const request = { create_request: create_request(hub, from) };
    const [stream, open_err] = call.open(hub.core, rpcs.watch, request, undefined, OPTIONS);
    if (stream === undefined) {
        return open_err;
    }
    hub.stream = stream;
    turn.answered_at = now();
    const err = take_all(hub, turn, stream, from);
    stream.close();
    if ((err.http_status ?? 0) >= 500 || err.name === "bad_reply") {
        balancer.report_failure(hub.core, stream.endpoint);
    }
    return err;
}

export { create_request, run, type StreamSession };
