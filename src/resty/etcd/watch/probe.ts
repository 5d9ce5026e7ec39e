import type { SharedWatch } from "./types";
import * as semaphore from "ngx.semaphore";
import type { Semaphore } from "ngx.semaphore";
import type { Message } from "../protocol/message";
import * as call from "../call/call";
import * as clock from "../base/clock";
import * as dns_endpoints from "../endpoint/dns_endpoints";
import type { Endpoint } from "../endpoint/endpoint";
import type { EtcdError } from "../protocol/errors";
import type { Mutable } from "../base/mutable";
import * as reads from "./reads";
import * as rpcs from "../protocol/rpc";
import * as timer_loops from "../base/timer_loop";
import type { TimerLoop } from "../base/timer_loop";
import * as waits from "../base/wait";
import type { AttemptProgress, Stream } from "../transport/transport";
import type { WatchReply } from "./reassembly";
import * as shared_watches from "./shared_watch";
import * as stream_reader from "./stream_reader";
import * as watch_errors from "./errors";

const now = clock.now;
const max = math.max;
const find = string.find as StringFind;

/** Seconds that the probe has to be confirmed, and that the probed stream has to deliver what the probe has found. */
const PROBE_TIME = 1;
/** Seconds that a connection can take if nginx resolves the name of the member: the time for that does not count. */
const CONNECT_TIME = 5;
/** Maximum seconds of a wait, so that the worker's exit is noticed. */
const POLL_INTERVAL = 0.5;
/** Seconds after which a probe ends that the loop of its watch has not stopped. */
const MAX_TIME = 60;
/** What a probe leaves in its timer besides its turn: a light thread and a connection. */
const LEFTOVERS = 2;

/**
 * Shows whether a silent stream is idle or has missed an event. A second watch starts at the position of the first one, at
 * the same endpoint: events that it delivers immediately were lost on the first one. If that position is compacted, a
 * linearizable read shows whether the range has changed since. A probe runs in a turn of a separate loop, because nginx frees
 * what a connection has allocated only with the timer, and the timer of a quiet stream runs for days.
 */
interface Probe {
    readonly shared_watch: SharedWatch;
    readonly endpoint: Endpoint | undefined;
    /** Start revision of the second watch. */
    readonly from: number;
    readonly signal: Semaphore | undefined;
    readonly is_stopped: boolean;
    readonly requested_at: number;
    /** When its turn began; nil until then. */
    readonly started_at: number | undefined;
    readonly progress: AttemptProgress;
    readonly stream: Stream | undefined;
    /** When etcd confirmed the probe. */
    readonly created_at: number | undefined;
    /** When it found an event, or a changed key, that the stream has not delivered. */
    readonly missed_at: number | undefined;
    /** The probe has ended for another reason than a compaction. */
    readonly has_failed: boolean;
    /** nginx could not connect for a local reason: another probe follows. */
    readonly is_impossible: boolean;
    /** The start revision of the probe is compacted. */
    readonly is_compacted: boolean;
    readonly comparison: Comparison | undefined;
}

/** The result of a read that found no change of the range; without a time if the read failed. */
interface Comparison {
    /** Before the read was sent. */
    readonly compared_at: number | undefined;
    /** The range has not changed up to this revision. */
    readonly revision: number;
}

type State = Mutable<Probe>;
type Outcome = "alive" | "dead" | "unknown";

/** The read has failed, or too many keys are new: another probe follows. */
const UNKNOWN: Comparison = { compared_at: undefined, revision: 0 };

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
        const err = watch_errors.cancel_error(reply, endpoint);
        probe.is_compacted = err.name === "compacted";
        probe.has_failed = !probe.is_compacted;
    } else if (reply.created === true) {
        probe.created_at = now();
    } else if (reply.events !== undefined) {
        probe.missed_at ??= now();
    }
}

/** Reports whether a second watch was not opened for a reason that says nothing about the member, such as slow DNS. */
function is_impossible(probe: Probe, err: EtcdError): boolean {
    const { connected_at, dialed_at } = probe.progress;
    const is_late = dialed_at === undefined || (connected_at !== undefined && now() - connected_at < PROBE_TIME);
    return watch_errors.is_local_failure(err) || (err.name === "timeout" && is_late);
}

/** Reads the second watch without a timeout, as nginx logs each socket timeout: `outcome` limits the time. */
function read_watch(probe: State, endpoint: Endpoint): void {
    const { core } = probe.shared_watch;
    const request: Message = stream_reader.create_request(probe.shared_watch, probe.from);
    const options = { require_leader: true, at: endpoint, timeout: CONNECT_TIME, progress: probe.progress };
    const [stream, err] = call.open(core, rpcs.watch, { create_request: request }, options);
    probe.stream = stream;
    if (stream === undefined && is_impossible(probe, err)) {
        probe.is_impossible = true;
        return;
    }
    probe.has_failed = stream === undefined;
    while (stream !== undefined && !probe.has_failed && !probe.is_compacted) {
        const [reply] = stream.recv(undefined);
        if (reply === undefined) {
            probe.has_failed = true;
        } else {
            handle_reply(probe, reply as unknown as WatchReply, endpoint.http_host);
        }
    }
    stream?.close();
}

/**
 * Compares the range with its state at the position of the stream: no key has a later revision, and their number is the
 * same, so none was deleted. The number is unknown for a watch that does not receive deletions.
 */
function compare(probe: State, endpoint: Endpoint): void {
    const shared_watch = probe.shared_watch;
    const started = now();
    const [current] = reads.changed_keys(shared_watch.core, shared_watch.range, probe.from, endpoint);
    const { key_count } = shared_watch;
    if (current === undefined) {
        probe.comparison = UNKNOWN;
    } else if (current.cluster_id !== shared_watch.history.cluster_id) {
        probe.has_failed = true; // the member has joined another cluster
    } else if (current.has_changed || (key_count !== undefined && key_count !== current.key_count)) {
        probe.missed_at ??= now();
    } else {
        probe.comparison = { compared_at: started, revision: current.revision };
        shared_watches.set_key_count(shared_watch, current.revision, current.key_count);
    }
}

/**
 * Compares the range of a watch without puts: of the keys that were counted, none is missing but those whose deletion the
 * watch has delivered. A second watch cannot find that out where compactions are frequent: etcd reads the history for it
 * every 100 ms only, and can have compacted its start revision again by then.
 */
function compare_deletions(probe: State, endpoint: Endpoint): void {
    const shared_watch = probe.shared_watch;
    const started = now();
    const { counted_at } = shared_watch;
    const from = shared_watch.key_count !== undefined ? counted_at + 1 : probe.from;
    const [current] = reads.created_keys(shared_watch.core, shared_watch.range, from, endpoint);
    const { key_count } = shared_watch; // without the deletions that were delivered meanwhile
    if (current === undefined || shared_watch.counted_at !== counted_at) {
        probe.comparison = UNKNOWN;
    } else if (current.cluster_id !== shared_watch.history.cluster_id) {
        probe.has_failed = true; // the member has joined another cluster
    } else if (key_count !== undefined && current.key_count - (current.created ?? 0) < key_count) {
        probe.missed_at ??= now();
    } else {
        const is_known = key_count === undefined || current.created !== undefined;
        probe.comparison = is_known ? { compared_at: started, revision: current.revision } : UNKNOWN;
        shared_watches.replace_key_count(shared_watch, current.revision, current.key_count);
    }
}

function is_without_puts(shared_watch: SharedWatch): boolean {
    const [at] = find(shared_watch.filters, "NOPUT", 1, true);
    return at !== undefined;
}

function run(probe: State): void {
    const endpoint = probe.endpoint!;
    read_watch(probe, endpoint);
    if (probe.is_compacted) {
        const compare_range = is_without_puts(probe.shared_watch) ? compare_deletions : compare;
        compare_range(probe, endpoint);
    }
}

function run_protected(probe: State): void {
    const [ok] = protected_call(run, probe);
    probe.has_failed = probe.has_failed || !ok;
}

function is_wanted(probe: Probe): boolean {
    return !probe.is_stopped && !ngx.worker.exiting();
}

/** The turn of a probe's loop. */
function run_turn(probe: State, loop: TimerLoop): number | undefined {
    if (probe.started_at !== undefined || !is_wanted(probe)) {
        return undefined; // it runs once, also if its timer was terminated
    }
    const started = now();
    probe.started_at = started;
    const thread = ngx.thread.spawn(run_protected, probe);
    timer_loops.note_leftovers(loop, LEFTOVERS);
    while (is_wanted(probe) && now() - started < MAX_TIME) {
        waits.wait(probe.signal!, POLL_INTERVAL);
    }
    probe.stream?.close();
    ngx.thread.kill(thread);
    return undefined;
}

/**
 * Starts a probe of a stream.
 * @param from first revision that the stream has not delivered, unless an earlier probe found none up to a later one
 */
function start(shared_watch: SharedWatch, stream: Stream, from: number): Probe {
    const [signal] = semaphore.new(0);
    const probe: State = {
        shared_watch,
        endpoint: endpoint_of(shared_watch, stream),
        from,
        signal,
        is_stopped: false,
        requested_at: now(),
        started_at: undefined,
        progress: {},
        stream: undefined,
        created_at: undefined,
        missed_at: undefined,
        has_failed: false,
        is_impossible: false,
        is_compacted: false,
        comparison: undefined,
    };
    if (probe.endpoint === undefined) {
        probe.has_failed = true;
    } else if (signal !== undefined) {
        const loop: TimerLoop = timer_loops.new(`probe of ${shared_watch.range.key}`, () => run_turn(probe, loop), {});
        timer_loops.start(loop, 0);
    }
    return probe;
}

/** Returns since when the member could have confirmed the second watch; nil while that waits for DNS, or for a login. */
function asked_since(probe: Probe): number | undefined {
    const { connected_at, dialed_at } = probe.progress;
    const endpoint = probe.endpoint!;
    const host: unknown = endpoint.host; // programs write to endpoints
    const is_resolved_by_nginx = typeof host === "string" && dns_endpoints.name_of(endpoint) !== undefined;
    return is_resolved_by_nginx ? connected_at : (connected_at ?? dialed_at);
}

/** Returns the result for a stream that has been silent all the time; nil while there is none. */
function outcome(probe: Probe): Outcome | undefined {
    const { missed_at, comparison, created_at, started_at } = probe;
    const time = now();
    if (probe.has_failed) {
        return "dead";
    }
    if (probe.is_impossible) {
        return "unknown";
    }
    if (missed_at !== undefined) {
        return time - missed_at > PROBE_TIME ? "dead" : undefined;
    }
    if (comparison !== undefined) {
        return comparison.compared_at !== undefined ? "alive" : "unknown";
    }
    if (started_at === undefined) {
        return time - probe.requested_at > PROBE_TIME ? "unknown" : undefined; // there is no timer for it
    }
    if (probe.is_compacted) {
        return time - started_at > MAX_TIME ? "unknown" : undefined; // the state of the range is being read
    }
    if (created_at !== undefined) {
        return time - created_at > PROBE_TIME ? "alive" : undefined;
    }
    if (time - started_at > MAX_TIME) {
        return "unknown";
    }
    const asked_at = asked_since(probe);
    return asked_at !== undefined && time - asked_at > PROBE_TIME ? "dead" : undefined;
}

/** Returns the time at which a stream that is alive had delivered everything. */
function alive_at(probe: Probe): number {
    return probe.comparison?.compared_at ?? probe.created_at!;
}

/** Returns the revision at which the next probe of the stream can start. */
function next_from(probe: Probe): number {
    return max(probe.from, (probe.comparison?.revision ?? 0) + 1);
}

/** Lets the turn of the probe close its stream and end. */
function stop(probe: State): void {
    probe.is_stopped = true;
    probe.signal?.post(1);
}

export { alive_at, next_from, outcome, start, stop, type Probe };
