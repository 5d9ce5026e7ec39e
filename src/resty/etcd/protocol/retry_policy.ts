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

/** The member knows nothing of the token: it is not valid any more, or not yet. */
function is_token_unknown(err: EtcdError): boolean {
    return err.code === 16 && has(err.message, "invalid auth token");
}

/** etcd refused the call because of its token, so it was not applied; a new login may help. */
function is_token_error(err: EtcdError): boolean {
    const message = err.message;
    return (
        is_token_unknown(err) ||
        (err.code === 3 && (has(message, "user name is empty") || has(message, "revision of auth store is old")))
    );
}

/**
 * etcd refuses a watch for its token with a reply of HTTP status 200; the code stands in the text.
 * @returns the refusal as an error, nil for any other reply
 */
function watch_token_error(reply: Message | undefined, endpoint: string): EtcdError | undefined {
    const reason = reply?.get("cancel_reason");
    if (typeof reason !== "string" || reply?.get("canceled") !== true) {
        return undefined;
    }
    const code = has(reason, "invalid auth token") ? 16 : 3;
    const err = errors.server_error(code === 16 ? 401 : 400, code, reason, endpoint);
    return is_token_error(err) ? err : undefined;
}

/** The member is a learner, which does not serve the call; others do. */
function is_learner_error(err: EtcdError): boolean {
    return has(err.message, "rpc not supported for learner");
}

/** The answer proves that the call was turned away before it reached the log. */
function is_refused_up_front(err: EtcdError): boolean {
    return is_learner_error(err) || (err.code === 8 && has(err.message, "etcdserver: too many requests"));
}

/**
 * There was no room: in the database, or for the answer in a message. etcd finds that out before it proposes a write,
 * and once more when the write has been applied.
 */
function is_out_of_room(err: EtcdError): boolean {
    return err.code === 8 && (has(err.message, "space exceeded") || has(err.message, "larger than max"));
}

/** Codes after which nobody knows: cancelled, unknown, deadline exceeded, internal, unavailable. */
function is_inconclusive(err: EtcdError): boolean {
    const code = err.code;
    if (code !== undefined) {
        return code === 14 || code === 4 || code === 2 || code === 1 || code === 13;
    }
    return (err.http_status ?? 0) >= 500;
}

/** Marks an answer of the server: may the call be sent again, may it have been applied? */
function classify_server_error(semantics: Semantics, err: EtcdError): EtcdError {
    if (is_refused_up_front(err)) {
        err.retryable = true;
    } else if (is_inconclusive(err)) {
        err.retryable = rpcs.is_repeatable(semantics);
        err.maybe_applied = semantics !== "read";
    } else if (is_out_of_room(err)) {
        err.maybe_applied = semantics !== "read";
    }
    return err;
}

/**
 * Marks trouble on the connection.
 * @param sent some of the request may have left
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
