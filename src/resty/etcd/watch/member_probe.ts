import type { SharedWatch } from "./types";
import * as call from "../call/call";
import * as clock from "../base/clock";
import type { Core } from "../call/client_state";
import * as digest from "../base/digest";
import * as identities from "../call/identity";
import type { Endpoint } from "../endpoint/endpoint";
import type { EtcdError } from "../protocol/errors";
import type { Mutable } from "../base/mutable";
import * as rpcs from "../protocol/rpc";
import * as timer_loops from "../base/timer_loop";
import * as shared_watches from "./shared_watch";
import type { AttemptProgress, Stream } from "../transport/transport";
import * as watch_errors from "./errors";

const now = clock.now;
const find = string.find as StringFind;
const max = math.max;
const min = math.min;

/** Seconds without a byte from a member after which it is probed, and least interval of its probes. */
const PROBE_INTERVAL = 5;
/** Seconds that a member has to respond: with the interval, its streams leave it within 7 s. */
const RESPONSE_TIME = 1.5;
/** Seconds of that which must be left for the response: slow DNS can use up the rest. */
const MIN_RESPONSE_TIME = 0.5;
/** Seconds after which another probe can follow one that has not ended: nginx waits for DNS for 30 s by default. */
const MAX_PROBE_TIME = 60;
/** Minimum seconds of a wait. */
const MIN_WAIT = 0.01;
/** Seconds after which a member without streams is forgotten. */
const FORGET_TIME = 60;

/** Texts of sockets when nothing answers at an address. */
const NO_CONNECTION = ["timeout", "timed out", "refused", "no route to host", "unreachable"];

/**
 * A member of a cluster that streams of this worker are open at. A member that is stopped, or whose machine has lost its
 * power, closes no connection: its streams look idle. One probe serves all of them.
 */
interface Member {
    /** Time of the last byte on any of its streams, or of its last response to a probe. */
    readonly last_received_at: number;
    /** Start of the last probe. */
    readonly probed_at: number;
    /** The last probe has not ended. */
    readonly is_probing: boolean;
    /** Start of the last probe that got no response: streams that were silent since then are dead. */
    readonly unresponsive_since: number;
    /** When one of its streams was last checked. */
    readonly checked_at: number;
    /** The watches that have a stream there: woken if it does not respond. Keys are weak. */
    readonly watches: LuaMap<SharedWatch, true>;
}

type State = Mutable<Member>;

/** The members, for all clients of the worker that reach them in the same way. See `key_of`. */
const members = new LuaMap<string, State>();

/** Returns what distinguishes members: the URL of the endpoint, and the way there, which can lead to different servers. */
function key_of(core: Core, http_host: string): string {
    return digest.field("host", http_host) + identities.of_route(core);
}

function member_of(core: Core, http_host: string): State {
    const key = key_of(core, http_host);
    const known = members.get(key);
    if (known !== undefined) {
        return known;
    }
    const time = now();
    for (const [other, member] of members) {
        if (time - member.checked_at > FORGET_TIME) {
            members.delete(other); // the field that `pairs` is at can be cleared
        }
    }
    const created: State = {
        last_received_at: 0,
        probed_at: 0,
        is_probing: false,
        unresponsive_since: 0,
        checked_at: time,
        watches: setmetatable(new LuaMap<SharedWatch, true>(), { __mode: "k" }),
    };
    members.set(key, created);
    return created;
}

/**
 * Reports whether an error shows that a member does not respond. Any response shows that it does, also the failure of a TLS
 * handshake, which can have its cause in this client alone.
 */
function is_unresponsive(err: EtcdError, http_host: string, progress: AttemptProgress): boolean {
    if (err.endpoint !== http_host) {
        return false; // a login at another endpoint
    }
    if (watch_errors.is_local_failure(err)) {
        return false; // "could not be resolved (110: Operation timed out)"
    }
    for (const text of NO_CONNECTION) {
        const [at] = find(err.message, text, 1, true);
        if (err.name === "connect_failed" && at !== undefined) {
            return true;
        }
    }
    if (err.name !== "timeout" || progress.dialed_at === undefined) {
        return false;
    }
    const connected_at = progress.connected_at;
    return connected_at === undefined || now() - connected_at >= MIN_RESPONSE_TIME;
}

/** Asks a member for a serializable count of one key, which it answers without the other members. */
function probe(member: State, shared_watch: SharedWatch, endpoint: Endpoint): void {
    const started = now();
    const request = { key: shared_watch.range.key, count_only: true, serializable: true };
    const progress: AttemptProgress = {};
    const options = { timeout: RESPONSE_TIME, quiet: true, at: endpoint, progress };
    const [reply, err] = call.unary(shared_watch.core, rpcs.range, request, options);
    member.is_probing = false;
    if (reply === undefined && is_unresponsive(err, endpoint.http_host, progress)) {
        member.unresponsive_since = started;
        for (const [other] of member.watches) {
            shared_watches.wake(other);
        }
    } else {
        member.last_received_at = max(member.last_received_at, started);
    }
}

/** Returns when the next probe of a member is due. */
function due_at(member: Member): number {
    const interval = member.is_probing ? MAX_PROBE_TIME : PROBE_INTERVAL;
    return max(member.last_received_at + PROBE_INTERVAL, member.probed_at + interval);
}

/** Probes a member in a turn of a separate loop, because nginx frees the memory of its connection only with the timer. */
function start(member: State, shared_watch: SharedWatch, endpoint: Endpoint): void {
    member.probed_at = now();
    member.is_probing = true;
    const run_turn = () => {
        probe(member, shared_watch, endpoint);
        return undefined;
    };
    timer_loops.start(timer_loops.new(`probe of ${endpoint.http_host}`, run_turn, {}), 0);
}

/** Returns the endpoint of a stream, if its client has others, too. */
function endpoint_to_leave(shared_watch: SharedWatch, http_host: string): Endpoint | undefined {
    const { endpoints } = shared_watch.core;
    for (const endpoint of endpoints) {
        if (endpoint.http_host === http_host && endpoints.length > 1) {
            return endpoint;
        }
    }
    return undefined;
}

/**
 * Reports whether the member of a stream does not respond, and another endpoint can be tried. Probes the member if nothing
 * has arrived from it for some seconds. Call it regularly for each stream.
 */
function is_gone(shared_watch: SharedWatch, stream: Stream): boolean {
    const time = now();
    const received_at = stream.last_received_at();
    const member = member_of(shared_watch.core, stream.endpoint);
    member.checked_at = time;
    member.watches.set(shared_watch, true);
    member.last_received_at = max(member.last_received_at, received_at);
    const endpoint = endpoint_to_leave(shared_watch, stream.endpoint);
    if (endpoint === undefined) {
        return false;
    }
    if (time >= due_at(member)) {
        start(member, shared_watch, endpoint);
    }
    return received_at < member.unresponsive_since;
}

/** Returns the seconds until the member of a stream is probed, at most `limit`. */
function seconds_until_probe(core: Core, stream: Stream, limit: number): number {
    const seconds = max(due_at(member_of(core, stream.endpoint)), stream.last_received_at() + PROBE_INTERVAL) - now();
    return seconds > 0 ? max(MIN_WAIT, min(limit, seconds)) : limit;
}

export { is_gone, seconds_until_probe };
