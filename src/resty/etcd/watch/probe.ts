import type { SharedWatch } from "./types";
import type { Message } from "../protocol/message";
import * as call from "../call/call";
import * as clock from "../base/clock";
import type { Endpoint } from "../endpoint/endpoint";
import type { Mutable } from "../base/mutable";
import * as rpcs from "../protocol/rpc";
import type { Stream } from "../transport/transport";
import type { WatchReply } from "./reassembly";
import * as watch_errors from "./errors";

type Thread = ngx.thread.Thread;

const now = clock.now;

/** Seconds that the probe has to be confirmed, and that the probed stream has to deliver what the probe has delivered. */
const PROBE_TIME = 1;

/**
 * A second watch that shows whether a silent stream is idle or dead. It starts at the position of the first one, at the
 * same endpoint: events that it delivers immediately were lost on the first one.
 */
interface Probe {
    readonly thread: Thread | undefined;
    readonly started_at: number;
    readonly stream: Stream | undefined;
    /** When etcd confirmed the probe. */
    readonly created_at: number | undefined;
    readonly first_event_at: number | undefined;
    /** The probe has ended for another reason than a compaction. */
    readonly has_failed: boolean;
    /** The start revision of the probe is compacted, which says nothing about a stream that was created before. */
    readonly is_compacted: boolean;
}

type State = Mutable<Probe>;

/** Returns the endpoint of the stream; nil if the client does not have it any more. */
function endpoint_of(shared_watch: SharedWatch, stream: Stream): Endpoint | undefined {
    for (const endpoint of shared_watch.core.endpoints) {
        if (endpoint.http_host === stream.endpoint) {
            return endpoint;
        }
    }
    return undefined;
}

function handle_reply(probe: State, reply: WatchReply, endpoint: string): void {
    if (reply.canceled === true) {
        probe.is_compacted = watch_errors.cancel_error(reply, endpoint).name === "compacted";
        probe.has_failed = !probe.is_compacted;
    } else if (reply.created === true) {
        probe.created_at = now();
    } else if (reply.events !== undefined) {
        probe.first_event_at ??= now();
    }
}

/** Reads the stream without a timeout, as nginx logs each socket timeout: `outcome` limits the time. */
function read(probe: State, shared_watch: SharedWatch, request: Message, endpoint: Endpoint): void {
    const message = { create_request: request };
    const [stream] = call.open(shared_watch.core, rpcs.watch, message, { require_leader: true, at: endpoint });
    probe.stream = stream;
    probe.has_failed = stream === undefined;
    while (stream !== undefined && !probe.has_failed && !probe.is_compacted) {
        const [reply] = stream.recv(undefined);
        if (reply === undefined) {
            probe.has_failed = true;
        } else {
            handle_reply(probe, reply as unknown as WatchReply, endpoint.http_host);
        }
    }
}

function run(probe: State, shared_watch: SharedWatch, request: Message, endpoint: Endpoint): void {
    const [ok] = protected_call(read, probe, shared_watch, request, endpoint);
    probe.has_failed = probe.has_failed || !ok;
}

/** Starts a probe of a stream in a light thread. */
function start(shared_watch: SharedWatch, stream: Stream, request: Message): Probe {
    const probe: State = {
        thread: undefined,
        started_at: now(),
        stream: undefined,
        created_at: undefined,
        first_event_at: undefined,
        has_failed: false,
        is_compacted: false,
    };
    const endpoint = endpoint_of(shared_watch, stream);
    if (endpoint === undefined) {
        probe.has_failed = true;
    } else {
        probe.thread = ngx.thread.spawn(run, probe, shared_watch, request, endpoint);
    }
    return probe;
}

/** Returns the result for a stream that has been silent all the time; nil while there is none. */
function outcome(probe: Probe): "alive" | "dead" | "unknown" | undefined {
    const time = now();
    if (probe.has_failed) {
        return "dead";
    }
    if (probe.is_compacted) {
        return "unknown";
    }
    if (probe.first_event_at !== undefined) {
        return time - probe.first_event_at > PROBE_TIME ? "dead" : undefined;
    }
    if (probe.created_at !== undefined) {
        return time - probe.created_at > PROBE_TIME ? "alive" : undefined;
    }
    return time - probe.started_at > PROBE_TIME ? "dead" : undefined;
}

/** Closes the probe's stream and ends its thread. */
function stop(probe: Probe): void {
    probe.stream?.close();
    if (probe.thread !== undefined) {
        ngx.thread.kill(probe.thread);
    }
}

export { outcome, start, stop, type Probe };
