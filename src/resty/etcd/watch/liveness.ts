import type { SharedWatch } from "./types";
import * as balancer from "../endpoint/balancer";
import * as clock from "../base/clock";
import * as error_hints from "../transport/error_hints";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as member_probes from "./member_probe";
import type { Mutable } from "../base/mutable";
import * as printable from "../base/printable";
import * as probes from "./probe";
import type { Probe } from "./probe";
import * as shared_watches from "./shared_watch";
import type { StreamSession } from "./stream_reader";
import type { Stream } from "../transport/transport";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Maximum seconds between two bytes of a living stream: etcd sends progress every 10 minutes at least. */
const MAX_PROGRESS_INTERVAL = 660;

/** Minimum and maximum seconds before another probe follows one, whatever its result. */
const MIN_RETRY_INTERVAL = 1;
const RETRY_INTERVAL = 5;
/** Maximum seconds of a wait while a probe runs. */
const PROBE_POLL_INTERVAL = 0.1;
/** Maximum seconds of a wait otherwise, so that the worker's exit and silent streams are noticed. */
const POLL_INTERVAL = 0.5;

/** What is being found out about a stream that is silent. Written by this file. */
interface Liveness {
    /** Nil while none runs. */
    readonly probe: Probe | undefined;
    readonly next_probe_at: number;
    /** First revision up to which no probe has found that nothing was missed. */
    readonly probe_from: number;
}

type State = Mutable<Liveness>;

function create(): Liveness {
    return { probe: undefined, next_probe_at: 0, probe_from: 0 };
}

/** Ends the probe, if one runs. */
function stop(liveness: State): void {
    if (liveness.probe !== undefined) {
        probes.stop(liveness.probe);
        liveness.probe = undefined;
    }
}

function idle_error(shared_watch: SharedWatch, stream: Stream | undefined): EtcdError {
    const text = `timeout: no data received for ${shared_watch.idle_timeout} seconds`;
    return errors.local_error("timeout", text, stream?.endpoint);
}

/** Returns an error if etcd has not confirmed the watch in time, whatever else it has sent. */
function check_creation(shared_watch: SharedWatch, session: StreamSession): EtcdError | undefined {
    const { stream, core } = shared_watch;
    if (stream === undefined) {
        // what happens before the response starts has deadlines, unless the client has no timeout
        const is_late = core.timeout <= 0 && now() - session.started_at > shared_watch.idle_timeout;
        return is_late ? idle_error(shared_watch, stream) : undefined;
    }
    const elapsed = now() - (core.timeout > 0 ? session.response_started_at! : session.started_at);
    if (elapsed <= (core.timeout > 0 ? core.timeout : shared_watch.idle_timeout)) {
        return undefined;
    }
    const err = errors.local_error("timeout", "timeout: etcd did not confirm the watch", stream.endpoint);
    err.hint = printable.of(error_hints.SILENT_WATCH);
    balancer.report(core, stream.endpoint, "failure");
    balancer.note_failure(core, stream.endpoint, err.message);
    return err;
}

/** Starts the probe of a silent stream, or evaluates it. Returns whether the stream is dead. */
function is_dead(liveness: State, shared_watch: SharedWatch, stream: Stream): boolean {
    const time = now();
    if (time - stream.last_received_at() > MAX_PROGRESS_INTERVAL) {
        return true;
    }
    const probe = liveness.probe;
    if (probe === undefined) {
        if (time >= liveness.next_probe_at) {
            const from = max(shared_watch.next_revision!, liveness.probe_from);
            liveness.probe = probes.start(shared_watch, stream, from);
        }
        return false;
    }
    const outcome = probes.outcome(probe);
    if (outcome !== undefined) {
        stop(liveness);
        liveness.next_probe_at = time + max(MIN_RETRY_INTERVAL, min(shared_watch.idle_timeout, RETRY_INTERVAL));
        if (outcome === "alive") {
            shared_watches.note_response(shared_watch, probes.alive_at(probe)); // all events before that have arrived
            liveness.probe_from = probes.next_from(probe);
        }
    }
    return outcome === "dead";
}

/** Returns the seconds until the next `check`. */
function poll_interval(liveness: Liveness, shared_watch: SharedWatch): number {
    if (liveness.probe !== undefined) {
        return PROBE_POLL_INTERVAL;
    }
    const { core, is_connected, stream } = shared_watch;
    return is_connected ? member_probes.seconds_until_probe(core, stream!, POLL_INTERVAL) : POLL_INTERVAL;
}

/** Returns an error if the stream of a session is dead. Call it regularly. */
function check(liveness: State, shared_watch: SharedWatch, session: StreamSession): EtcdError | undefined {
    if (session.created_at === undefined) {
        return check_creation(shared_watch, session);
    }
    const stream = shared_watch.stream!;
    if (shared_watch.is_paused) {
        stop(liveness);
        return undefined;
    }
    if (member_probes.is_gone(shared_watch, stream)) {
        return errors.local_error("timeout", "timeout: the member does not respond", stream.endpoint);
    }
    if (shared_watches.age(shared_watch) <= shared_watch.idle_timeout) {
        stop(liveness);
        return undefined;
    }
    return is_dead(liveness, shared_watch, stream) ? idle_error(shared_watch, stream) : undefined;
}

export { check, create as new, poll_interval, stop, type Liveness };
