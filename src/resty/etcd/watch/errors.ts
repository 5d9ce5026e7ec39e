import * as tokens from "../call/token";
import type { Core } from "../call/client_state";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as int64 from "../protocol/int64";
import * as retry_policy from "../protocol/retry_policy";
import type { WatchReply } from "./reassembly";

const find = string.find as StringFind;

/** gRPC codes by the names that etcd writes into `cancel_reason`, with the HTTP status that the gateway maps them to. */
const CODES: Record<string, [code: number, http_status: number] | undefined> = {
    InvalidArgument: [errors.Code.INVALID_ARGUMENT, 400],
    PermissionDenied: [errors.Code.PERMISSION_DENIED, 403],
    FailedPrecondition: [errors.Code.FAILED_PRECONDITION, 400],
    Unimplemented: [errors.Code.UNIMPLEMENTED, 501],
    Unavailable: [errors.Code.UNAVAILABLE, 503],
    Unauthenticated: [errors.Code.UNAUTHENTICATED, 401],
};

function has(text: string, part: string): boolean {
    const [from] = find(text, part, 1, true);
    return from !== undefined;
}

/**
 * Texts of nginx if it could not connect for a reason that has nothing to do with the server. The last one, of EINPROGRESS,
 * is what it says if `worker_connections` are not enough.
 */
const LOCAL_TEXTS = ["could not be resolved", "no resolver defined", "operation now in progress"];

/**
 * Reports whether nginx could not connect for a local reason: the DNS server does not respond, or no connection is
 * left. That says nothing about a server.
 */
function is_local_failure(err: EtcdError): boolean {
    if (err.name !== "connect_failed") {
        return false;
    }
    const message = string.lower(err.message);
    for (const text of LOCAL_TEXTS) {
        if (has(message, text)) {
            return true;
        }
    }
    return false;
}

/** Returns the error of a watch whose start revision was compacted. */
function compacted(compact_revision: number | undefined, endpoint: string | undefined): EtcdError {
    const text = "etcdserver: mvcc: required revision has been compacted";
    const err = errors.local_error("compacted", text, endpoint);
    if (compact_revision !== undefined && compact_revision > 0) {
        err.compact_revision = compact_revision;
    }
    return err;
}

/** Returns the error of a watch whose etcd was restored from a backup. */
function restored(endpoint?: string): EtcdError {
    return errors.local_error("restored", "etcd was restored from a backup", endpoint);
}

/** Returns why etcd has canceled a watch. The reply has HTTP status 200: the cause is in its text. */
function cancel_error(reply: WatchReply, endpoint: string | undefined): EtcdError {
    const reason = reply.cancel_reason ?? "";
    const compact_revision = int64.to_number(reply.compact_revision) ?? 0;
    if (compact_revision > 0 || has(reason, "required revision has been compacted")) {
        return compacted(compact_revision, endpoint);
    }
    const [name] = string.match(reason, "code = (%a+)");
    let known = CODES[name ?? ""];
    if (known === undefined && has(reason, "watcher range is empty")) {
        known = CODES.InvalidArgument;
    }
    // other calls return the message alone: the same rejection must have one text
    const [message] = string.gsub(reason, "^rpc error: code = %a+ desc = ", "");
    if (known === undefined) {
        return errors.local_error("closed", message !== "" ? message : "closed: etcd has canceled the watch", endpoint);
    }
    return errors.server_error(known[1], known[0], message, endpoint);
}

/** Reports whether etcd has rejected user and password, rather than a token. */
function are_credentials_rejected(err: EtcdError): boolean {
    return err.name === "login_failed" && err.code === errors.Code.INVALID_ARGUMENT;
}

/** Reports whether the user lacks the permission to read some of the keys. */
function is_forbidden(err: EtcdError): boolean {
    return err.code === errors.Code.PERMISSION_DENIED;
}

/**
 * Reports whether repeating the watch cannot succeed, because etcd rejects the user or the request. All other errors are
 * transient, including a missing certificate: its file can appear.
 */
function is_permanent(core: Core, err: EtcdError): boolean {
    if (retry_policy.is_token_error(err)) {
        return core.auth === undefined;
    }
    return are_credentials_rejected(err) || err.code === errors.Code.INVALID_ARGUMENT || is_forbidden(err);
}

/** Reports whether the error counts as a failure of the endpoint in the health check. */
function is_server_failure(err: EtcdError): boolean {
    return (err.http_status ?? 0) >= 500 || err.name === "bad_reply";
}

/** Reports whether an error shows that a server has answered, whatever it has answered. */
function is_answer(err: EtcdError): boolean {
    return (err.http_status ?? 500) < 500 || err.name === "bad_reply";
}

/** Returns the error of subscribers that end because the worker is exiting. */
function exiting(): EtcdError {
    return errors.local_error("closed", "closed: the worker is exiting");
}

/** Invalidates the client's token if etcd has rejected it. */
function drop_token(core: Core, err: EtcdError): void {
    const auth = core.auth;
    if (auth?.token !== undefined && retry_policy.is_token_error(err)) {
        tokens.invalidate(auth, auth.token);
    }
}

/** Reports whether the revision of a list was compacted. */
function is_compacted(err: EtcdError): boolean {
    return err.code === errors.Code.OUT_OF_RANGE && has(err.message, "has been compacted");
}

export {
    cancel_error,
    compacted,
    drop_token,
    exiting,
    is_answer,
    is_compacted,
    is_forbidden,
    is_local_failure,
    is_permanent,
    is_server_failure,
    restored,
};
