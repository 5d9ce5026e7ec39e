import type { Message } from "./message";
import type { EtcdError } from "./errors";
import * as errors from "./errors";
import type { Semantics } from "./rpc";
import * as rpcs from "./rpc";

const find = string.find as StringFind;

function has(text: string, part: string): boolean {
    const [from] = find(text, part, 1, true);
    return from !== undefined;
}

/** Reports whether the member does not know the token, because it has expired or has not been replicated to it yet. */
function is_token_unknown(err: EtcdError): boolean {
    return err.code === errors.Code.UNAUTHENTICATED && has(err.message, "invalid auth token");
}

/** Reports whether etcd rejected the call because of its token. The call was not applied; a new login can help. */
function is_token_error(err: EtcdError): boolean {
    const message = err.message;
    return (
        is_token_unknown(err) ||
        (err.code === errors.Code.INVALID_ARGUMENT &&
            (has(message, "user name is empty") || has(message, "revision of auth store is old")))
    );
}

/**
 * Returns the error of a watch that etcd rejected because of its token, or nil for any other message. etcd sends that as a
 * canceled watch with HTTP status 200; the gRPC code follows from the text.
 */
function watch_token_error(reply: Message | undefined, endpoint: string): EtcdError | undefined {
    const reason = reply?.get("cancel_reason");
    if (typeof reason !== "string" || reply?.get("canceled") !== true) {
        return undefined;
    }
    const is_unknown = has(reason, "invalid auth token");
    const code = is_unknown ? errors.Code.UNAUTHENTICATED : errors.Code.INVALID_ARGUMENT;
    const err = errors.server_error(is_unknown ? 401 : 400, code, reason, endpoint);
    return is_token_error(err) ? err : undefined;
}

/** Reports whether the member is a learner, which does not serve the call. Other members do. */
function is_learner_error(err: EtcdError): boolean {
    return has(err.message, "rpc not supported for learner");
}

/** Reports whether etcd rejected the call before it proposed a write to the raft log. */
function is_rejected_before_proposal(err: EtcdError): boolean {
    return (
        is_learner_error(err) ||
        (err.code === errors.Code.RESOURCE_EXHAUSTED && has(err.message, "etcdserver: too many requests"))
    );
}

/**
 * Reports whether a size limit was exceeded: that of the database, or that of a gRPC message. It leaves open whether a write
 * was applied: etcd checks the database size before the proposal and again when it applies the write, and the limit can
 * also concern the response.
 */
function is_size_exceeded(err: EtcdError): boolean {
    return (
        err.code === errors.Code.RESOURCE_EXHAUSTED &&
        (has(err.message, "space exceeded") || has(err.message, "larger than max"))
    );
}

/** HTTP status with which a proxy limits the rate of requests. */
const TOO_MANY_REQUESTS = 429;

/**
 * HTTP statuses below 500 of proxies that have waited too long, or whose client has closed its connection meanwhile: 460 is
 * of load balancers of AWS, 499 of nginx. Another attempt can succeed.
 */
const TRANSIENT_STATUSES: Readonly<Record<number, true>> = { 408: true, 460: true, 499: true };

/**
 * HTTP statuses that mean without a gRPC code that the request was not processed: redirects, and rejections of the request
 * itself. A proxy can send any other status after it has passed the request on.
 */
const UNPROCESSED_STATUSES: Readonly<Record<number, true>> = {
    301: true,
    302: true,
    307: true,
    308: true,
    400: true,
    401: true,
    403: true,
    404: true,
    405: true,
    411: true,
    413: true,
    414: true,
    417: true,
    429: true,
    431: true,
};

/** Reports whether the error leaves open if the call was applied. */
function is_inconclusive(err: EtcdError): boolean {
    const code = err.code;
    if (code !== undefined) {
        return (
            code === errors.Code.UNAVAILABLE ||
            code === errors.Code.DEADLINE_EXCEEDED ||
            code === errors.Code.UNKNOWN ||
            code === errors.Code.CANCELED ||
            code === errors.Code.INTERNAL
        );
    }
    return UNPROCESSED_STATUSES[err.http_status ?? 0] !== true;
}

/** Reports whether repeating the call after an inconclusive error can succeed. */
function is_transient(err: EtcdError): boolean {
    const status = err.http_status ?? 0;
    return err.code !== undefined || status >= 500 || TRANSIENT_STATUSES[status] === true;
}

/** Sets `retryable` and `maybe_applied` of an error response. */
function classify_server_error(semantics: Semantics, err: EtcdError): EtcdError {
    const is_rate_limited = err.code === undefined && err.http_status === TOO_MANY_REQUESTS;
    if (is_rejected_before_proposal(err) || is_rate_limited) {
        err.retryable = true;
    } else if (is_inconclusive(err)) {
        err.retryable = is_transient(err) && rpcs.is_repeatable(semantics);
        err.maybe_applied = semantics !== "read";
    } else if (is_size_exceeded(err)) {
        err.maybe_applied = semantics !== "read";
    }
    return err;
}

/**
 * Sets `retryable` and `maybe_applied` of a connection error.
 * @param sent true if a part of the request can have reached the server
 */
function classify_transport_error(semantics: Semantics, err: EtcdError, sent: boolean): EtcdError {
    const unknown = sent && semantics !== "read";
    err.retryable = !unknown || rpcs.is_repeatable(semantics);
    err.maybe_applied = unknown;
    return err;
}

export {
    is_learner_error,
    is_token_error,
    is_token_unknown,
    classify_transport_error,
    classify_server_error,
    watch_token_error,
};
