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
const guard = pcall as unknown as GuardedCall;

/** Seconds for the second stream to stand, to be told what the first one was not, and for that one to be told too. */
const WAIT = 1;

/**
 * A stream that is silent has nothing to tell, or is dead. A second one from the same place, at the same endpoint, for a
 * moment, tells which: what it is told at once the first one has missed.
 */
interface LivenessProbe {
    thread: Thread | undefined;
    readonly began_at: number;
    stream: Stream | undefined;
    /** When etcd said that it stands. */
    stood_at: number | undefined;
    /** When it was told of something. */
    told_at: number | undefined;
    /** It has ended, and not because of a compaction. */
    failed: boolean;
    /** What it wanted to begin with is compacted, which says nothing about a stream that stands already. */
    compacted: boolean;
}

/** The endpoint that the stream is of; nil if that is none of the client's any more. */
function endpoint_of(hub: SharedWatch, stream: Stream): Endpoint | undefined {
    for (const endpoint of hub.core.endpoints) {
        if (endpoint.http_host === stream.endpoint) {
            return endpoint;
        }
    }
    return undefined;
}

function take(check: LivenessProbe, reply: WatchReply, endpoint: string): void {
    if (reply.canceled === true) {
        check.compacted = errors.cancel_error(reply, endpoint).name === "compacted";
        check.failed = !check.compacted;
    } else if (reply.created === true) {
        check.stood_at = now();
    } else if (reply.events !== undefined) {
        check.told_at ??= now();
    }
}

/** Reads what comes. How long that may take is for `outcome` to say, as nginx writes a line for each socket timeout. */
function read(check: LivenessProbe, hub: SharedWatch, request: Message, endpoint: Endpoint): void {
    const [stream] = call.open(hub.core, rpcs.watch, { create_request: request }, undefined, {
        require_leader: true,
        at: endpoint,
    });
    check.stream = stream;
    check.failed = stream === undefined;
    while (stream !== undefined && !check.failed && !check.compacted) {
        const [message] = stream.recv(undefined);
        if (message === undefined) {
            check.failed = true;
        } else {
            take(check, message as unknown as WatchReply, endpoint.http_host);
        }
    }
}

function run(check: LivenessProbe, hub: SharedWatch, request: Message, endpoint: Endpoint): void {
    const [ok] = guard(read, check, hub, request, endpoint);
    check.failed = check.failed || !ok;
}

/** Begins a check of the hub's stream. */
function start(hub: SharedWatch, stream: Stream, request: Message): LivenessProbe {
    const check: LivenessProbe = {
        thread: undefined,
        began_at: now(),
        stream: undefined,
        stood_at: undefined,
        told_at: undefined,
        failed: false,
        compacted: false,
    };
    const endpoint = endpoint_of(hub, stream);
    if (endpoint === undefined) {
        check.failed = true;
    } else {
        check.thread = ngx.thread.spawn(run, check, hub, request, endpoint);
    }
    return check;
}

/** What a check of a stream that has been silent all the while says; nil while it says nothing yet. */
function outcome(check: LivenessProbe): "well" | "dead" | "unknown" | undefined {
    const time = now();
    if (check.failed) {
        return "dead";
    }
    if (check.compacted) {
        return "unknown";
    }
    if (check.told_at !== undefined) {
        return time - check.told_at > WAIT ? "dead" : undefined;
    }
    if (check.stood_at !== undefined) {
        return time - check.stood_at > WAIT ? "well" : undefined;
    }
    return time - check.began_at > WAIT ? "dead" : undefined;
}

/** Ends it, and frees what it has. */
function stop(check: LivenessProbe): void {
    check.stream?.close();
    if (check.thread !== undefined) {
        ngx.thread.kill(check.thread);
    }
}

export { outcome, start, stop, type LivenessProbe };
