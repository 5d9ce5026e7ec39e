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
import * as shared_watches from "./shared_watch";
import * as reassembly from "./reassembly";
import type { Reassembler, WatchReply } from "./reassembly";
import * as sharing from "./sharing";
import * as watch_errors from "./errors";

const now = clock.now;
const gmatch = string.gmatch;

/** A consumer that has no room is looked after so often, in seconds. */
const POLL_INTERVAL = 0.5;
/** The server ends the stream when its member has lost the leader: such a stream would be silent for ever. */
const OPTIONS: call.StreamOptions = { require_leader: true };

/** One stream from its opening to its end. */
interface StreamSession {
    is_over: boolean;
    /** Why it has ended. */
    err: EtcdError | undefined;
    started_at: number;
    /** When its answer began. */
    response_started_at: number | undefined;
    /** When etcd said that it stands. */
    created_at: number | undefined;
    /** Something was delivered. */
    has_delivered: boolean;
    /** Under way, as the stream has been silent; nil if it is not. */
    probe: LivenessProbe | undefined;
    /** Not before that. */
    next_probe_at: number;
}

/** What asks for the events of the hub's stream from a revision on. */
function create_request(shared_watch: SharedWatch, from: number): Message {
    const request: Message = new LuaMap();
    request.set("key", shared_watch.range.key);
    request.set("range_end", shared_watch.range.range_end);
    request.set("start_revision", from);
    request.set("progress_notify", true);
    request.set("fragment", true);
    if (shared_watch.prev_kv) {
        request.set("prev_kv", true);
    }
    const filters: string[] = [];
    for (const [filter] of gmatch(shared_watch.filters, "%a+")) {
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
function place(shared_watch: SharedWatch): EtcdError | undefined {
    const [status, err] = reads.current_revision(shared_watch.core, shared_watch.range);
    if (status === undefined) {
        return err;
    }
    shared_watch.last_received_at = now();
    const known = shared_watch.history;
    if (reads.history_diverged(known, status) || shared_watch.history_token.lost) {
        shared_watches.on_revisions_lost(shared_watch, "restored", watch_errors.restored());
    }
    known.cluster_id = status.cluster_id;
    known.raft_term = status.raft_term;
    known.revision = status.revision;
    if (shared_watch.next_revision === undefined) {
        shared_watch.next_revision = status.revision + 1;
        shared_watches.wake_timer(shared_watch); // lists wait for it
    }
    return undefined;
}

/** Waits until the only consumer has taken something, or is not alone any more. */
function wait_for_room(shared_watch: SharedWatch, revision: number): void {
    while (sharing.detach_slow(shared_watch, revision) !== undefined) {
        shared_watch.is_blocked = true;
        shared_watch.resume_signal.wait(POLL_INTERVAL);
        shared_watch.last_received_at = now(); // it is not etcd that is silent
    }
    shared_watch.is_blocked = false;
}

function deliver_all(shared_watch: SharedWatch, session: StreamSession, batches: Batch[]): void {
    const slice = time_slice.start();
    for (const batch of batches) {
        wait_for_room(shared_watch, batch.revision);
        shared_watches.deliver(shared_watch, batch);
        session.has_delivered = true;
        time_slice.yield_if_due(slice);
    }
}

/** Whatever has come in a reply; returns why the stream must end, if it must. */
function take(
    shared_watch: SharedWatch,
    session: StreamSession,
    joiner: Reassembler,
    message: Message,
): EtcdError | undefined {
    const reply = message as unknown as WatchReply;
    const endpoint = shared_watch.stream!.endpoint;
    if (reply.canceled === true) {
        return watch_errors.cancel_error(reply, endpoint);
    }
    const cluster_id = reply.header?.cluster_id;
    if (
        cluster_id !== undefined &&
        shared_watch.history.cluster_id !== undefined &&
        cluster_id !== shared_watch.history.cluster_id
    ) {
        return errors.local_error("bad_reply", "malformed reply: it comes from another cluster", endpoint);
    }
    if (reply.created === true) {
        if (session.created_at === undefined) {
            session.created_at = now();
            shared_watch.open_count = shared_watch.open_count + 1;
            shared_watch.is_connected = true;
        }
        return undefined;
    }
    if (session.created_at === undefined) {
        return errors.local_error("bad_reply", "malformed reply: events before the watch stands", endpoint);
    }
    const dropped = joiner.dropped;
    const batches = reassembly.add(joiner, reply, shared_watch.next_revision!);
    if (batches === undefined) {
        return errors.local_error("bad_reply", "malformed reply: events that are none", endpoint);
    }
    shared_watch.dropped = shared_watch.dropped + joiner.dropped - dropped;
    deliver_all(shared_watch, session, batches);
    const revision = tonumber(reply.header?.revision);
    if (reply.events === undefined && joiner.parts === undefined && revision !== undefined) {
        shared_watches.progress(shared_watch, revision);
    }
    return undefined;
}

/** Takes replies as they come, until there is a reason not to go on. */
function take_all(shared_watch: SharedWatch, session: StreamSession, stream: Stream, from: number): EtcdError {
    const joiner = reassembly.new(from);
    let slice = time_slice.start();
    while (shared_watch.subscribers.length > 0) {
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
        const err = take(shared_watch, session, joiner, message);
        if (err !== undefined) {
            return err;
        }
        sharing.merge(shared_watch);
        time_slice.yield_if_due(slice);
    }
    return errors.local_error("closed", "closed");
}

/** Opens the stream and takes what comes, until it ends; returns why it has. */
function run(shared_watch: SharedWatch, session: StreamSession): EtcdError {
    const lost = place(shared_watch);
    if (lost !== undefined) {
        return lost;
    }
    if (shared_watch.subscribers.length === 0) {
        return errors.local_error("closed", "closed");
    }
    const from = shared_watches.request_revision(shared_watch);
    const request = { create_request: create_request(shared_watch, from) };
    const [stream, open_err] = call.open(shared_watch.core, rpcs.watch, request, OPTIONS);
    if (stream === undefined) {
        return open_err;
    }
    shared_watch.stream = stream;
    session.response_started_at = now();
    const err = take_all(shared_watch, session, stream, from);
    stream.close();
    if ((err.http_status ?? 0) >= 500 || err.name === "bad_reply") {
        balancer.report_failure(shared_watch.core, stream.endpoint);
    }
    return err;
}

export { create_request, run, type StreamSession };
