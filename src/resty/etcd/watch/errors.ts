import * as token from "../call/token";
import type { Core } from "../call/client_state";
import * as errors from "../protocol/errors";
import type { EtcdError } from "../protocol/errors";
import * as retry_policy from "../protocol/retry_policy";
import type { WatchReply } from "./reassembly";

const find = string.find as StringFind;

/** gRPC codes as etcd spells them in the text of a refusal, with the HTTP status that goes with them. */
const CODES: Record<string, [code: number, http_status: number] | undefined> = {
    InvalidArgument: [3, 400],
    PermissionDenied: [7, 403],
    FailedPrecondition: [9, 400],
    Unimplemented: [12, 501],
    Unavailable: [14, 503],
    Unauthenticated: [16, 401],
};

function has(text: string, part: string): boolean {
    const [from] = find(text, part, 1, true);
    return from !== undefined;
}

/** The revisions that a watch wanted are gone. */
function compacted(compact_revision: number | undefined, endpoint: string | undefined): EtcdError {
    const text = "etcdserver: mvcc: required revision has been compacted";
    const err = errors.local_error("compacted", text, endpoint);
    if (compact_revision !== undefined && compact_revision > 0) {
        err.compact_revision = compact_revision;
    }
    return err;
}

/** etcd has gone back to another past. */
function restored(endpoint?: string): EtcdError {
    return errors.local_error("restored", "etcd was restored from a backup", endpoint);
}

/** Why etcd has ended a watch, in a reply of HTTP status 200. */
function cancel_error(reply: WatchReply, endpoint: string | undefined): EtcdError {
    const reason = reply.cancel_reason ?? "";
    const compact_revision = tonumber(reply.compact_revision) ?? 0;
    if (compact_revision > 0 || has(reason, "required revision has been compacted")) {
        return compacted(compact_revision, endpoint);
    }
    const [name] = string.match(reason, "code = (%a+)");
    let known = name !== undefined ? CODES[name] : undefined;
    if (known === undefined && has(reason, "watcher range is empty")) {
        known = CODES.InvalidArgument;
    }
    if (known === undefined) {
        return errors.local_error("closed", reason !== "" ? reason : "closed: etcd has canceled the watch", endpoint);
    }
    return errors.server_error(known[1], known[0], reason, endpoint);
}

/** Etcd refuses user and password themselves. */
function are_credentials_refused(err: EtcdError): boolean {
    return err.name === "login_failed" && err.code === 3;
}

/** The user may not read all of the keys. */
function is_forbidden(err: EtcdError): boolean {
    return err.code === 7;
}

/**
 * No later try can succeed by itself, as etcd does not want this user or this watch. All else may pass, a certificate
 * that is not there included: its file may come.
 */
function is_permanent(core: Core, err: EtcdError): boolean {
    if (retry_policy.is_token_error(err)) {
        return core.auth === undefined;
    }
    return are_credentials_refused(err) || err.code === 3 || is_forbidden(err);
}

/** The endpoint has failed, rather than rejected the watch. */
function is_server_failure(err: EtcdError): boolean {
    return (err.http_status ?? 0) >= 500 || err.name === "bad_reply";
}

/** The worker is exiting. */
function exiting(): EtcdError {
    return errors.local_error("closed", "closed: the worker is exiting");
}

/** Forgets a token that etcd does not take. */
function drop_token(core: Core, err: EtcdError): void {
    const held = core.auth?.token;
    if (held !== undefined && retry_policy.is_token_error(err)) {
        token.invalidate(core.auth!, held);
    }
}

/** The range of a list is no more at the revision wanted. */
function is_compacted(err: EtcdError): boolean {
    return err.code === 11 && has(err.message, "has been compacted");
}

export {
    cancel_error,
    compacted,
    drop_token,
    exiting,
    is_compacted,
    is_forbidden,
    is_permanent,
    is_server_failure,
    restored,
};
