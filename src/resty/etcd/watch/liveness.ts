import type { SharedWatch } from "./types";
import type { Message } from "../protocol/message";
import * as call from "../call/call";
import * as clock from "../base/clock";
import type { Endpoint } from "../endpoint/endpoint";
import * as rpcs from "../protocol/rpc";
import type { Stream } from "../transport/transport";
import type { WatchReply } from "./reassembly";
import * as errors from "./errors";

type Thread = ngx.thread.Thread;

const now = clock.now;

/** Seconds for the second stream to stand, to be told what the first one was not, and for that one to be told too. */
const PROBE_TIME = 1;

/**
 * A stream that is silent has nothing to tell, or is dead. A second one from the same place, at the same endpoint, for a
 * moment, tells which: what it is told at once the first one has missed.
 */
interface LivenessProbe {
    thread: Thread | undefined;
    readonly started_at: number;
    stream: Stream | undefined;
    /** When etcd said that it stands. */
    created_at: number | undefined;
    /** When it was told of something. */
    first_event_at: number | undefined;
    /** It has ended, and not because of a compaction. */
    has_failed: boolean;
    /** What it wanted to begin with is compacted, which says nothing about a stream that stands already. */
    compacted: boolean;
}

/** The endpoint that the stream is of; nil if that is none of the client's any more. */
function endpoint_of(shared_watch: SharedWatch, stream: Stream): Endpoint | undefined {
    for (const endpoint of shared_watch.core.endpoints) {
        if (endpoint.http_host === stream.endpoint) {
            return endpoint;
        }
    }
    return undefined;
}

function take(check: LivenessProbe, reply: WatchReply, endpoint: string): void {
    if (reply.canceled === true) {
        check.compacted = errors.cancel_error(reply, endpoint).name === "compacted";
        check.has_failed = !check.compacted;
    } else if (reply.created === true) {
        check.created_at = now();
    } else if (reply.events !== undefined) {
        check.first_event_at ??= now();
    }
}

/** Reads what comes. How long that may take is for `outcome` to say, as nginx writes a line for each socket timeout. */
function read(check: LivenessProbe, shared_watch: SharedWatch, request: Message, endpoint: Endpoint): void {
    const [stream] = call.open(
        shared_watch.core,
        rpcs.watch,
        { create_request: request },
        {
            require_leader: true,
            at: endpoint,
        },
    );
    check.stream = stream;
    check.has_failed = stream === undefined;
    while (stream !== undefined && !check.has_failed && !check.compacted) {
        const [message] = stream.recv(undefined);
        if (message === undefined) {
            check.has_failed = true;
        } else {
            take(check, message as unknown as WatchReply, endpoint.http_host);
        }
    }
}

function run(check: LivenessProbe, shared_watch: SharedWatch, request: Message, endpoint: Endpoint): void {
    const [ok] = protected_call(read, check, shared_watch, request, endpoint);
    check.has_failed = check.has_failed || !ok;
}

/** Begins a check of the hub's stream. */
function start(shared_watch: SharedWatch, stream: Stream, request: Message): LivenessProbe {
    const check: LivenessProbe = {
        thread: undefined,
        started_at: now(),
        stream: undefined,
        created_at: undefined,
        first_event_at: undefined,
        has_failed: false,
        compacted: false,
    };
    const endpoint = endpoint_of(shared_watch, stream);
    if (endpoint === undefined) {
        check.has_failed = true;
    } else {
        check.thread = ngx.thread.spawn(run, check, shared_watch, request, endpoint);
    }
    return check;
}

/** What a check of a stream that has been silent all the while says; nil while it says nothing yet. */
function outcome(check: LivenessProbe): "well" | "dead" | "unknown" | undefined {
    const time = now();
    if (check.has_failed) {
        return "dead";
    }
    if (check.compacted) {
        return "unknown";
    }
    if (check.first_event_at !== undefined) {
        return time - check.first_event_at > PROBE_TIME ? "dead" : undefined;
    }
    if (check.created_at !== undefined) {
        return time - check.created_at > PROBE_TIME ? "well" : undefined;
    }
    return time - check.started_at > PROBE_TIME ? "dead" : undefined;
}

/** Ends it, and frees what it has. */
function stop(check: LivenessProbe): void {
    check.stream?.close();
    if (check.thread !== undefined) {
        ngx.thread.kill(check.thread);
    }
}

export { outcome, start, stop, type LivenessProbe };
