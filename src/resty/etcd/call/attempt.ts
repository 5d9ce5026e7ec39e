import * as tokens from "./token";
import type { AttemptOutcome, Choice } from "../endpoint/balancer";
import * as balancer from "../endpoint/balancer";
import * as clock from "../base/clock";
import * as printable from "../base/printable";
import type { Core } from "./client_state";
import type { Endpoint } from "../endpoint/endpoint";
import type { EtcdError } from "../protocol/errors";
import * as errors from "../protocol/errors";
import * as monotonic from "./monotonic";
import * as reply_check from "./reply_check";
import type { RetryState } from "./retry_state";
import * as retry_state from "./retry_state";
import * as retry_policy from "../protocol/retry_policy";
import type { Rpc, Semantics } from "../protocol/rpc";
import * as rpcs from "../protocol/rpc";
import * as error_hints from "../transport/error_hints";
import * as failures from "../transport/failure";
import type { Attempt, AttemptProgress, Failure, Reply, Stream } from "../transport/transport";

const now = clock.now;
const max = math.max;
const min = math.min;

/** Connect timeout in seconds while other endpoints remain to be tried. */
const MAX_CONNECT_TIME = 1;
/** Least time in seconds for connecting and the TLS handshake together, but never more than half of what is left. */
const MIN_CONNECT_SHARE = 1;

/** The result of a call: a reply or a stream; or an error, with the server's error reply if there was one. */
type Outcome<T> = LuaMultiReturn<
    [result: T, err?: undefined] | [result: undefined, err: EtcdError, error_reply?: Reply | undefined]
>;

/** Logs that a call continues at another endpoint. */
type OnRetry = (this: void, rpc: string, err: EtcdError) => void;

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
    /** Host of the endpoint for the first attempt, if the health check allows that: the next one of the ring if nil. */
    prefer?: string | undefined;
    /** The choice for the first attempt, if it was made before the call. The call removes it from the options. */
    first?: Choice | undefined;
    /** The only endpoint to call, in a single attempt, whatever its health. */
    at?: Endpoint;
    /** Bytes of the longest response, if that is less than for other calls. */
    max_response_size?: number | undefined;
    /** Called before another attempt, instead of logging `<err>. Retrying`: that line does not say what the call is for. */
    on_retry?: OnRetry | undefined;
    /** Set by the transport during the last attempt. */
    progress?: AttemptProgress;
    /** Set by the call: host of the endpoint of the last attempt. */
    answered_by?: string | undefined;
    /** Set by the call: number of its attempts. */
    attempts?: number;
}

/** Options of a stream. */
interface StreamOptions {
    /** Seconds until the first reply: the client's own if nil, 0 for no deadline. */
    timeout?: number | undefined;
    /** The server ends the stream when its member has no leader. */
    require_leader?: boolean;
    /** The only endpoint to open it at, in a single attempt, whatever its health. */
    at?: Endpoint;
    /** As for other calls. */
    on_retry?: OnRetry | undefined;
    /** As for `CallOptions`. */
    progress?: AttemptProgress;
    /** As for `CallOptions`. */
    prefer?: string | undefined;
    /** As for `CallOptions`. */
    attempts?: number;
}

/** A call in progress. */
interface Call {
    readonly core: Core;
    readonly rpc: Rpc;
    readonly semantics: Semantics;
    readonly payload: string;
    /** Nil for none. */
    readonly deadline: number | undefined;
    /** Seconds, as the caller gave it. */
    readonly timeout: number;
    /** Nil for a call with a single reply. */
    readonly stream: StreamOptions | undefined;
    /** As the caller gave them. Fields of them are not copied: with more than 16 fields, the table of a call is twice as large. */
    readonly options: CallOptions | StreamOptions | undefined;
    readonly first: Choice | undefined;
    /** The only endpoint of the call; nil if the balancer chooses one for each attempt. */
    readonly at: Endpoint | undefined;
    readonly max_response_size: number;
    readonly retry_state: RetryState;
    /** With `monotonic`: the revision that the client had seen when the call began, and its cluster. */
    readonly seen_revision: number;
    readonly seen_cluster: string | undefined;
    /** Bytes of all response bodies. */
    received: number;
    /** Endpoint of the latest attempt; nil before the first. */
    endpoint: string | undefined;
}

/** Returns the error of a call that finds no endpoint. Its hint says why each endpoint failed last. */
function no_endpoint(core: Core): EtcdError {
    const err = errors.local_error("no_endpoint", "has no healthy etcd endpoint available");
    err.retryable = true;
    const failures_text = balancer.last_failures_of(core);
    if (failures_text !== undefined) {
        err.hint = printable.of(failures_text);
    }
    return err;
}

/**
 * Divides the time budget of an attempt among connecting, the TLS handshake and the response.
 * @param others endpoints that can be tried after this one: with none, the attempt gets the whole time budget
 */
function new_attempt(
    call: Call,
    endpoint: Endpoint,
    token: string | undefined,
    started: number,
    others: number,
): Attempt {
    const deadline = call.deadline;
    const stream = call.stream;
    const is_repeatable = rpcs.is_repeatable(call.semantics);
    let connect_deadline = deadline;
    let handshake_deadline = deadline;
    let response_deadline = deadline;
    if (deadline !== undefined && others > 0) {
        const left = max(0, deadline - started);
        const share = max(left / (others + 1), min(MIN_CONNECT_SHARE, left / 2));
        connect_deadline = started + min(share, MAX_CONNECT_TIME);
        handshake_deadline = started + share;
        if (is_repeatable) {
            response_deadline = started + left / 2; // other writes are not sent again, so they get the whole time budget
        }
    }
    return {
        endpoint,
        is_repeatable,
        token: token !== tokens.NO_TOKEN ? token : undefined,
        can_survive_rejection: token !== undefined && retry_state.can_survive_rejection(call.retry_state, token),
        unix_proxy: call.core.unix_socket_proxy,
        started,
        deadline: response_deadline,
        connect_deadline,
        handshake_deadline,
        max_response_size: call.max_response_size,
        send_timeout_header: stream === undefined,
        require_leader: stream !== undefined && stream.require_leader === true,
        progress: call.options?.progress,
        received: 0,
    };
}

/** Returns the endpoint of the next attempt, or nil if none is available. */
function next_endpoint(call: Call): Endpoint | undefined {
    const { at, first, retry_state: state } = call;
    if (at !== undefined) {
        return at;
    }
    if (first !== undefined && state.attempts === 0) {
        return first.endpoint;
    }
    const prefer = state.last_error === undefined ? call.options?.prefer : undefined;
    const [endpoint] = balancer.choose_endpoint(call.core, state.tried, call.deadline, prefer);
    return endpoint;
}

/**
 * Chooses the endpoint of the next attempt and how long the attempt can take.
 * @returns the attempt; or nil and an error if no endpoint or no time is left
 */
function prepare(call: Call, token: string | undefined): Result<Attempt, EtcdError> {
    const core = call.core;
    const state = call.retry_state;
    const deadline = call.deadline;
    const others = retry_state.endpoints_left(state);
    const endpoint = next_endpoint(call);
    if (endpoint === undefined) {
        return $multi(undefined, no_endpoint(core));
    }
    const started = now();
    const http_host = endpoint.http_host;
    if (deadline !== undefined && started >= deadline) {
        balancer.report(core, http_host, "not_attempted");
        return $multi(undefined, state.last_error ?? errors.out_of_time("timeout"));
    }
    const attempt = new_attempt(call, endpoint, token, started, others);
    state.attempts = state.attempts + 1;
    call.endpoint = http_host;
    return $multi(attempt);
}

/** Returns what an error of an attempt says about its endpoint. */
function outcome_of(err: EtcdError, failure: Failure | undefined): AttemptOutcome {
    if (err.name === "bad_request" || err.name === "not_in_phase") {
        return "not_attempted";
    }
    const status = err.http_status;
    if (failure !== undefined && failure.kind !== "status" && failure.is_tls === true) {
        return "tls_failure";
    }
    if (status === undefined) {
        return err.name === "stale_reply" ? "success" : "failure";
    }
    if (status >= 500) {
        return "failure";
    }
    return err.name === "bad_reply" ? "bad_reply" : "success";
}

/** Reports an attempt to the health check. */
function report(call: Call, attempt: Attempt, err: EtcdError | undefined): void {
    const http_host = attempt.endpoint.http_host;
    if (call.rpc === rpcs.status) {
        return; // that a member tells its cluster says nothing about its use for this client
    }
    if (err !== undefined) {
        const outcome = outcome_of(err, attempt.failure);
        balancer.report(call.core, http_host, outcome);
        if (outcome === "failure" || outcome === "bad_reply" || outcome === "tls_failure") {
            const text = errors.to_text(err);
            balancer.note_failure(call.core, http_host, err.hint !== undefined ? `${text} (${err.hint})` : text);
        }
    } else {
        // the time until a stream is established depends little on the endpoint
        const seconds = call.stream === undefined ? now() - attempt.started : undefined;
        balancer.report(call.core, http_host, "success", seconds);
    }
}

/** Returns the error of a failed attempt, with `retryable` and `maybe_applied`. */
function error_of(call: Call, attempt: Attempt, failure: Failure): EtcdError {
    const semantics = call.semantics;
    const kind = failure.kind;
    const err = failures.call_error(failure, attempt.endpoint.http_host);
    if (kind === "status") {
        return retry_policy.classify_server_error(semantics, err);
    }
    if (kind === "undecodable" || kind === "too_large") {
        err.maybe_applied = semantics !== "read";
        return err;
    }
    if (kind === "config" || kind === "url" || kind === "phase") {
        return err; // another attempt would fail in the same way
    }
    return retry_policy.classify_transport_error(semantics, err, failure.sent);
}

/** Returns the result of a failed attempt: its error, and the error response of the server if there was one. */
function failed(call: Call, attempt: Attempt, failure: Failure): Outcome<never> {
    attempt.failure = failure;
    const err = error_of(call, attempt, failure);
    if (call.stream !== undefined && failure.kind === "timeout" && failure.sent) {
        err.hint = printable.of(error_hints.SILENT_WATCH);
    }
    if (failure.kind === "status") {
        return $multi(undefined, err, failure.reply);
    }
    return $multi(undefined, err);
}

function unary_at(call: Call, attempt: Attempt): Outcome<Reply> {
    const core = call.core;
    const [reply, failure] = core.transport.unary(call.rpc, call.payload, attempt);
    call.received = call.received + attempt.received;
    if (reply === undefined) {
        return failed(call, attempt, failure);
    }
    const problem = reply_check.problem_of(call.rpc, reply.body);
    if (problem !== undefined) {
        return failed(call, attempt, failures.undecodable(problem, reply.status));
    }
    const floor = core.revision_floor;
    // what a member says of itself has no revision that counts
    if (floor !== undefined && call.rpc.method !== rpcs.status.method) {
        const is_read = call.semantics === "read";
        const { seen_revision, seen_cluster } = call;
        const http_host = attempt.endpoint.http_host;
        const stale = monotonic.check(floor, is_read, seen_revision, seen_cluster, reply.body, http_host);
        if (stale !== undefined) {
            return $multi(undefined, stale);
        }
    }
    return $multi(reply);
}

function open_at(call: Call, attempt: Attempt): Outcome<Stream> {
    const [stream, failure] = call.core.transport.open(call.rpc, call.payload, attempt);
    if (stream === undefined) {
        return failed(call, attempt, failure);
    }
    if (attempt.can_survive_rejection) {
        // etcd rejects a token in the first reply of the stream; otherwise that reply is `created`, and comes immediately too
        const deadline = attempt.deadline;
        const first = stream.peek(deadline !== undefined ? max(0, deadline - now()) : undefined);
        const rejection = retry_policy.watch_token_error(first, attempt.endpoint.http_host);
        if (rejection !== undefined) {
            stream.close();
            return $multi(undefined, rejection);
        }
    }
    return $multi(stream);
}

type Send = (this: void, call: Call, attempt: Attempt) => Outcome<Reply | Stream>;

/** Makes an attempt and reports its outcome to the health check. */
function run(call: Call, attempt: Attempt): Outcome<Reply | Stream> {
    const send_at: Send = call.stream !== undefined ? open_at : unary_at;
    const [result, err, error_reply] = send_at(call, attempt);
    report(call, attempt, err);
    if (result === undefined) {
        return $multi(undefined, err, error_reply);
    }
    return $multi(result);
}

export { prepare, run, type Call, type CallOptions, type OnRetry, type Outcome, type StreamOptions };
