import * as printable from "../base/printable";
import * as masked_url from "../endpoint/masked_url";
import * as errors from "../protocol/errors";
import type { EtcdError, LocalName } from "../protocol/errors";
import * as error_hints from "./error_hints";
import type { Failure, FailureKind, LocalFailure, Reply, StatusFailure } from "./transport";

const NAMES: Readonly<Record<FailureKind, LocalName>> = {
    connect: "connect_failed",
    timeout: "timeout",
    lost: "connection_lost",
    closed: "closed",
    malformed: "bad_reply",
    undecodable: "bad_reply",
    too_large: "response_too_large",
    config: "bad_request",
    url: "bad_request",
    phase: "not_in_phase",
    full: "resource_exhausted",
};

/** Creates the failure of an exchange that ended without an error of the server. */
function local_failure(kind: FailureKind, text: string, sent: boolean, is_closed_by_server?: boolean): LocalFailure {
    return { kind, text, sent, is_closed_by_server: is_closed_by_server === true };
}

/** Creates the failure for a complete response that is no reply to the RPC. */
function undecodable(text: string, http_status: number): LocalFailure {
    const failure = local_failure("undecodable", text, true);
    failure.http_status = http_status;
    return failure;
}

/** Creates the failure of a call that the server rejected. */
function status_failure(http_status: number, code: number | undefined, text: string, reply?: Reply): StatusFailure {
    return { kind: "status", http_status, code, text, reply };
}

/** Returns the error of a stream that was open. Programs compare its text, which is that of the socket. */
function stream_error(failure: Failure, endpoint: string): EtcdError {
    const shown = masked_url.mask(endpoint);
    if (failure.kind === "status") {
        return errors.server_error(failure.http_status, failure.code, failure.text, shown);
    }
    return errors.local_error(NAMES[failure.kind], failure.text, shown);
}

/** Returns the error of a failed attempt at a call. Whether it can be retried is not set yet. */
function call_error(failure: Failure, endpoint: string): EtcdError {
    const kind = failure.kind;
    const err = stream_error(failure, endpoint);
    if (kind === "url") {
        return err;
    }
    let is_closed_by_server = false;
    if (kind === "undecodable") {
        err.http_status = failure.http_status!;
    } else if (kind !== "status") {
        if (failure.http_status !== undefined) {
            err.http_status = failure.http_status;
        }
        err.message = printable.of(`${masked_url.mask(endpoint)}: ${failure.text}`);
        is_closed_by_server = failure.is_closed_by_server;
    }
    let hint = error_hints.hint_for(err.message, is_closed_by_server);
    if (kind !== "status" && failure.is_ca_ignored === true) {
        hint = error_hints.with_ignored_ca(hint, err.message);
    }
    if (hint !== undefined) {
        err.hint = printable.of(hint);
    }
    return err;
}

export { call_error, local_failure, status_failure, stream_error, undecodable };
