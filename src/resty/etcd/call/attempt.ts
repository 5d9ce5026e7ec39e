import * as tokens from "./token";
import * as balancer from "../endpoint/balancer";
import * as clock from "../base/clock";
import type { Core } from "./client_state";
import type { Endpoint } from "../endpoint/endpoint";
import type { EtcdError } from "../protocol/errors";
import type { Tried } from "../endpoint/client_health";
import * as monotonic from "./monotonic";
import * as retry_delay from "./retry_delay";
import * as retry_policy from "../protocol/retry_policy";
import type { Rpc, Semantics } from "../protocol/rpc";
import * as rpcs from "../protocol/rpc";
import type { Attempt, Reply, Stream } from "../transport/transport";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Where others may be tried, a connection stands within so many seconds, or somewhere else. */
const LONGEST_CONNECT = 1;
/** A TLS session is made of the share of the time; up to half of it, while that is below so many seconds. */
const MIN_SHARE = 1;

/** How a call ends: with a reply or a stream; or with an error and perhaps the server's answer. */
type Outcome<T> = LuaMultiReturn<
    [result: T, err?: undefined] | [result: undefined, err: EtcdError, refusal?: Reply | undefined]
>;

/** Options of a call with a single reply. */
interface CallOptions {
    /** Seconds for the whole call, retries included: the client's own if nil, 0 for no deadline. */
    timeout?: number | undefined;
    /** Latest end of the call, by `clock.now`, if it is one step of a longer operation. */
    deadline?: number | undefined;
    /** Suppresses the log line at the entry, for a call that is one step of a call already logged. */
    quiet?: boolean;
    /** The RPC's own if nil. */
    semantics?: Semantics;
}

/** Options of a stream. */
interface StreamOptions {
    /** Seconds until the first reply: the client's own if nil, 0 for no deadline. */
    timeout?: number | undefined;
    /** The server ends the stream when its member has no leader. */
    require_leader?: boolean;
    /** The only endpoint to open it at. */
    at?: Endpoint;
}

/** A call under way. */
interface Call {
    readonly core: Core;
    readonly rpc: Rpc;
    readonly semantics: Semantics;
    readonly payload: string;
    /** Nil for none. */
    readonly deadline: number | undefined;
    /** As the caller gave it. */
    readonly timeout: number;
    /** Nil for a call with a single answer. */
    readonly stream: StreamOptions | undefined;
    tries: number;
    /** A refused token may be replaced by another one. */
    may_relogin: boolean;
    /** How often it was sent again with a new token, for a member that had not heard of it. */
    token_tries: number;
    /** How often a token of another worker was refused. */
    shared_tries: number;
    /** A member that serves it must be up to date with the others. */
    readonly is_linearizable: boolean;
    /** The revision that the client had seen when the call began, and the cluster it was of. */
    seen_revision: number;
    seen_cluster: unknown;
    received: number;
    endpoint: string | undefined;
    /** A try of a write has left it open whether it was applied. */
    maybe_applied: boolean;
    /** Endpoints that let the call down; nil if none has. */
    tried: Tried | undefined;
}

/** The token is worth another try, should the member not know it. */
function may_become_known(call: Call, token: string): boolean {
    return call.token_tries < retry_delay.TOKEN_TRIES && tokens.may_be_unknown_to_members(call.core.auth!, token);
}

/**
 * One try with its share of the call's time.
 * @param others endpoints that may be tried after this one: with none it has all the time
 */
function prepare(call: Call, others: number, token: string | undefined): Attempt | undefined {
    const core = call.core;
    const deadline = call.deadline;
    const endpoint = call.stream?.at ?? balancer.choose_endpoint(core, call.tried, deadline);
    if (endpoint === undefined) {
        return undefined;
    }
    const started = now();
    const is_repeatable = rpcs.is_repeatable(call.semantics);
    let connect_by = deadline;
    let session_by = deadline;
    let answer_by = deadline;
    if (deadline !== undefined && others > 0) {
        const left = max(0, deadline - started);
        const share = max(left / (others + 1), min(MIN_SHARE, left / 2));
        connect_by = started + min(share, LONGEST_CONNECT);
        session_by = started + share;
        if (is_repeatable) {
            answer_by = started + left / 2; // a write that was sent is not sent elsewhere, so it has all of it
        }
    }
    let sent = token;
    if (sent === tokens.NO_TOKEN) {
        sent = undefined;
    }
    const stream = call.stream;
    const via = core.unix_socket_proxy;
    return {
        endpoint,
        semantics: call.semantics,
        is_repeatable,
        token: sent,
        may_relogin: token !== undefined && (call.may_relogin || may_become_known(call, token)),
        unix_proxy: via,
        started,
        deadline: answer_by,
        connect_deadline: connect_by,
        handshake_deadline: session_by,
        send_timeout_header: stream === undefined,
        require_leader: stream !== undefined && stream.require_leader === true,
        received: 0,
    };
}

/** The endpoint let the call down, as opposed to refusing it. */
function is_endpoint_failure(err: EtcdError): boolean {
    if (err.http_status !== undefined) {
        return err.http_status >= 500;
    }
    return err.name !== "bad_request" && err.name !== "stale_reply";
}

/** Counts the try for or against its endpoint. */
function report(call: Call, attempt: Attempt, err: EtcdError | undefined): void {
    const core = call.core;
    const host = attempt.endpoint.http_host;
    if (err === undefined) {
        // how long a stream takes to open says little
        balancer.report_success(core, host, call.stream === undefined ? now() - attempt.started : undefined);
    } else if (is_endpoint_failure(err)) {
        balancer.report_failure(core, host);
    } else {
        balancer.report_inconclusive(core, host, err);
    }
}

/** Lets the next try of the call go elsewhere. */
function avoid(call: Call, endpoint: Endpoint): void {
    if (call.core.health !== undefined) {
        call.tried ??= new LuaMap();
        call.tried.set(endpoint.http_host, true);
    }
}

function unary_at(call: Call, attempt: Attempt): Outcome<Reply> {
    const core = call.core;
    const [reply, err, refusal] = core.transport.unary(call.rpc, call.payload, attempt);
    call.received = call.received + attempt.received;
    if (reply === undefined) {
        return $multi(undefined, err, refusal);
    }
    const order = core.revision_floor;
    if (order !== undefined && call.rpc.page !== true) {
        const not_before = call.semantics === "read" ? call.seen_revision : 0;
        const stale = monotonic.check(order, not_before, call.seen_cluster, reply.body, attempt.endpoint.http_host);
        if (stale !== undefined) {
            return $multi(undefined, stale);
        }
    }
    return $multi(reply);
}

function open_at(call: Call, attempt: Attempt): Outcome<Stream> {
    const [stream, err, refusal] = call.core.transport.open(call.rpc, call.payload, attempt);
    if (stream === undefined) {
        return $multi(undefined, err, refusal);
    }
    if (attempt.may_relogin) {
        // etcd answers at once, if only that the stream stands
        const deadline = attempt.deadline;
        const first = stream.peek(deadline !== undefined ? max(0, deadline - now()) : undefined);
        const refused = retry_policy.watch_token_error(first, attempt.endpoint.http_host);
        if (refused !== undefined) {
            stream.close();
            return $multi(undefined, refused);
        }
    }
    return $multi(stream);
}

/** Makes the try. */
function run(call: Call, attempt: Attempt): Outcome<Reply | Stream> {
    if (call.stream !== undefined) {
        return open_at(call, attempt);
    }
    return unary_at(call, attempt);
}

export { avoid, run, prepare, report, type Call, type CallOptions, type Outcome, type StreamOptions };
