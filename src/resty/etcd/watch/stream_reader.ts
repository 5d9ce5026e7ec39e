import type { SharedWatch } from "./types";
import type { Message } from "../protocol/message";
import * as balancer from "../endpoint/balancer";
import * as call from "../call/call";
import * as clock from "../base/clock";
import * as cluster from "../call/cluster";
import type { Mutable } from "../base/mutable";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import type { Batch } from "./feed";
import * as histories from "./history";
import * as int64 from "../protocol/int64";
import * as rpcs from "../protocol/rpc";
import * as time_slice from "../base/time_slice";
import type { Stream } from "../transport/transport";
import * as reads from "./reads";
import * as shared_watches from "./shared_watch";
import * as reassembly from "./reassembly";
import type { Reassembler, WatchReply } from "./reassembly";
import * as sharing from "./sharing";
import * as watch_errors from "./errors";
import * as watch_log from "./watch_log";

type Thread = ngx.thread.Thread;

const now = clock.now;
const gmatch = string.gmatch;

/** Maximum seconds of a pause, so that new subscribers are noticed. */
const PAUSE_INTERVAL = 0.5;
/** One stream of a shared watch, from the search for the start revision to its end. Written by this file. */
interface StreamSession {
    /** The light thread that reads the stream. */
    readonly thread: Thread | undefined;
    /** Why the stream has ended; nil until then. */
    readonly err: EtcdError | undefined;
    readonly started_at: number;
    /** Attempts at the calls that precede the stream, and at the watch itself. */
    readonly attempts: number;
    /** etcd has answered the read of its current revision. */
    readonly is_located: boolean;
    /** When the head of the response had arrived. */
    readonly response_started_at: number | undefined;
    /** When etcd confirmed the watch. */
    readonly created_at: number | undefined;
    /** Events were delivered. */
    readonly has_delivered: boolean;
}

type Session = Mutable<StreamSession>;

/** Creates the request for the events of a shared watch from a revision on. */
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
 * Asks etcd for its current revision, and checks that it still has the history that the watch has seen.
 * @returns an error if etcd does not answer
 */
function locate(shared_watch: SharedWatch, session: Session): EtcdError | undefined {
    const before = histories.copy(shared_watch.history); // full states that are read meanwhile can be of later revisions
    const options: call.CallOptions = { quiet: true, on_retry: shared_watch.log.on_retry };
    let [current, err] = reads.current_revision(shared_watch.core, shared_watch.range, options);
    session.attempts = options.attempts ?? 0;
    if (current === undefined) {
        return err;
    }
    shared_watches.note_response(shared_watch, now());
    let is_restored: boolean | undefined = shared_watch.history_token.lost || histories.has_diverged(before, current);
    if (!is_restored) {
        [is_restored, err] = histories.is_event_lost(shared_watch.core, before, options.answered_by);
        if (is_restored === undefined) {
            return err;
        }
    }
    if (is_restored) {
        shared_watches.on_revisions_lost(shared_watch, "restored", watch_errors.restored());
    }
    shared_watches.set_history(shared_watch, current, options.answered_by);
    shared_watches.set_key_count(shared_watch, current.revision, current.key_count);
    return undefined;
}

function deliver_all(shared_watch: SharedWatch, session: Session, batches: Batch[]): void {
    const slice = time_slice.start();
    for (const batch of batches) {
        while (sharing.detach_slow(shared_watch, batch.revision) !== undefined) {
            shared_watches.pause(shared_watch, PAUSE_INTERVAL);
        }
        shared_watches.deliver(shared_watch, batch);
        session.has_delivered = true;
        time_slice.yield_if_due(slice);
    }
}

/** Returns an error if a reply comes from another cluster than that whose revision was read. */
function check_cluster(shared_watch: SharedWatch, reply: WatchReply, endpoint: string): EtcdError | undefined {
    const { core, history } = shared_watch;
    const cluster_id = reply.header?.cluster_id;
    if (cluster_id === undefined || history.cluster_id === undefined || cluster_id === history.cluster_id) {
        return undefined;
    }
    if (reply.created === true) {
        cluster.accepts(core, cluster_id, endpoint); // finds out which one is the stray, and reports that
        return errors.other_cluster(cluster_id, endpoint, { id: history.cluster_id, member: shared_watch.located_at });
    }
    return errors.local_error("bad_reply", "malformed reply: another cluster_id than before", endpoint);
}

/** Handles a reply. Returns an error if the stream must end. */
function handle_reply(
    shared_watch: SharedWatch,
    session: Session,
    reassembler: Reassembler,
    reply: WatchReply,
    endpoint: string,
): EtcdError | undefined {
    if (reply.canceled === true) {
        return watch_errors.cancel_error(reply, endpoint);
    }
    const cluster_err = check_cluster(shared_watch, reply, endpoint);
    if (cluster_err !== undefined) {
        return cluster_err;
    }
    if (reply.created === true) {
        if (session.created_at === undefined) {
            session.created_at = now();
            shared_watches.mark_connected(shared_watch);
            watch_log.established(shared_watch.log, endpoint);
        }
        return undefined;
    }
    if (session.created_at === undefined) {
        return errors.local_error("bad_reply", "malformed reply: events before the watch was created", endpoint);
    }
    const dropped = reassembler.dropped;
    const [batches, problem] = reassembly.add(reassembler, reply, shared_watch.next_revision!);
    if (batches === undefined) {
        return errors.local_error("bad_reply", problem, endpoint);
    }
    shared_watches.count_dropped(shared_watch, reassembler.dropped - dropped);
    deliver_all(shared_watch, session, batches);
    const revision = int64.to_number(reply.header?.revision);
    if (reply.events === undefined && reassembler.parts === undefined && revision !== undefined) {
        shared_watches.advance(shared_watch, revision);
    }
    return undefined;
}

/** Handles all replies until the stream ends, or the last subscriber has left. */
function read_all(shared_watch: SharedWatch, session: Session, stream: Stream, from: number): EtcdError {
    const reassembler = reassembly.new(from);
    let slice = time_slice.start();
    while (shared_watch.subscribers.length > 0) {
        let message = stream.try_recv();
        if (message === undefined) {
            // without a timeout, as nginx logs each socket timeout: the run loop finds dead streams
            const [next, err] = stream.recv(undefined);
            if (next === undefined) {
                return err;
            }
            message = next;
            slice = time_slice.start();
        }
        const reply = message as unknown as WatchReply;
        const err = handle_reply(shared_watch, session, reassembler, reply, stream.endpoint);
        if (err !== undefined) {
            return err;
        }
        sharing.merge(shared_watch);
        time_slice.yield_if_due(slice);
    }
    return errors.local_error("closed", "closed");
}

/** Opens the stream and reads it until it ends. Returns why it has ended. */
function run(shared_watch: SharedWatch, session: Session): EtcdError {
    const core = shared_watch.core;
    const locate_err = locate(shared_watch, session);
    if (locate_err !== undefined) {
        return locate_err;
    }
    session.is_located = true;
    if (shared_watch.subscribers.length === 0) {
        return errors.local_error("closed", "closed");
    }
    const from = shared_watches.request_revision(shared_watch);
    const request = { create_request: create_request(shared_watch, from) };
    // etcd ends the stream when its member loses the leader: such a member sends no events
    const { located_at, log } = shared_watch;
    const options: call.StreamOptions = { require_leader: true, prefer: located_at, on_retry: log.on_retry };
    const [stream, open_err] = call.open(core, rpcs.watch, request, options);
    session.attempts = session.attempts + (options.attempts ?? 0);
    if (stream === undefined) {
        return open_err;
    }
    shared_watches.set_stream(shared_watch, stream);
    session.response_started_at = now();
    const err = read_all(shared_watch, session, stream, from);
    if (watch_errors.is_server_failure(err)) {
        balancer.report(core, stream.endpoint, "failure");
        balancer.note_failure(core, stream.endpoint, errors.to_text(err));
    }
    return err;
}

/** Ends a session with an error, unless it has ended before. */
function finish(session: Session, err: EtcdError): void {
    session.err ??= err;
}

/** Reports whether the stream has ended. */
function is_over(session: StreamSession): boolean {
    return session.err !== undefined;
}

function read(shared_watch: SharedWatch, session: Session): void {
    const [ok, outcome] = protected_call(run, shared_watch, session);
    finish(session, ok ? (outcome as EtcdError) : errors.local_error("bad_reply", tostring(outcome)));
    shared_watches.wake(shared_watch);
}

/** Opens a stream for the watch and reads it, in a light thread. */
function start(shared_watch: SharedWatch): StreamSession {
    const session: Session = {
        thread: undefined,
        err: undefined,
        started_at: now(),
        attempts: 0,
        is_located: false,
        response_started_at: undefined,
        created_at: undefined,
        has_delivered: false,
    };
    shared_watches.start_streaming(shared_watch);
    session.thread = ngx.thread.spawn(read, shared_watch, session);
    return session;
}

/** Closes the stream of a session and ends its thread, whatever that waits for. */
function stop(shared_watch: SharedWatch, session: StreamSession): void {
    shared_watches.stop_streaming(shared_watch);
    ngx.thread.kill(session.thread!);
}

export { create_request, finish, is_over, start, stop, type StreamSession };
