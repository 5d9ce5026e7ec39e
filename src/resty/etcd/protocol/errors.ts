/** gRPC status codes, as etcd sends them. Compiled to plain numbers. */
const enum Code {
    CANCELED = 1,
    UNKNOWN = 2,
    INVALID_ARGUMENT = 3,
    DEADLINE_EXCEEDED = 4,
    NOT_FOUND = 5,
    ALREADY_EXISTS = 6,
    PERMISSION_DENIED = 7,
    RESOURCE_EXHAUSTED = 8,
    FAILED_PRECONDITION = 9,
    ABORTED = 10,
    OUT_OF_RANGE = 11,
    UNIMPLEMENTED = 12,
    INTERNAL = 13,
    UNAVAILABLE = 14,
    DATA_LOSS = 15,
    UNAUTHENTICATED = 16,
}

/** What went wrong in a call. As a string it is its message. */
interface EtcdError {
    /** gRPC status code as etcd gave it; nil for trouble on the way to etcd and for misuse. */
    code?: number;
    /** Short stable name: the gRPC code's (`unavailable`) or that of the local trouble (`connect_failed`). */
    name: string;
    message: string;
    /** HTTP status of the answer; nil if there was none. */
    http_status?: number;
    /** The endpoint it happened at, as configured. */
    endpoint?: string;
    /** The same call may be sent again, safely and with hope. */
    retryable: boolean;
    /** The call was a write and etcd may have applied it. */
    maybe_applied: boolean;
    /** Oldest revision that a watch may begin at; only where etcd told it with `compacted`. */
    compact_revision?: number;
    /** Revision of what etcd has instead, 0 for nothing; only of `conflict` and `invalid` in the configuration centre. */
    revision?: string;
    /** What may be the matter, where the text alone would mislead. */
    hint?: string;
}

/** Trouble that is not etcd's answer. */
type LocalName =
    /** No answer within the time given. */
    | "timeout"
    /** No connection, or no TLS session. */
    | "connect_failed"
    /** The connection broke after it stood. */
    | "connection_lost"
    /** The answer is not what etcd sends. */
    | "bad_reply"
    /** No endpoint may be used now. */
    | "no_endpoint"
    /** No token could be had. */
    | "login_failed"
    /** A member is behind what the client has seen already. */
    | "stale_reply"
    /** The call itself is wrong; nothing was sent. */
    | "bad_request"
    /** The stream ended or was closed. */
    | "closed"
    /** The item in etcd is not one that the mirror's functions take in. */
    | "invalid"
    /** What was to be written has been changed by another. */
    | "conflict"
    /** The revisions that a watcher needs are no more. */
    | "compacted"
    /** etcd was restored from a backup: revisions mean something else now. */
    | "restored";

const NAMES: LuaMap<number, string> = new LuaMap<number, string>();
NAMES.set(Code.CANCELED, "canceled");
NAMES.set(Code.UNKNOWN, "unknown");
NAMES.set(Code.INVALID_ARGUMENT, "invalid_argument");
NAMES.set(Code.DEADLINE_EXCEEDED, "deadline_exceeded");
NAMES.set(Code.NOT_FOUND, "not_found");
NAMES.set(Code.ALREADY_EXISTS, "already_exists");
NAMES.set(Code.PERMISSION_DENIED, "permission_denied");
NAMES.set(Code.RESOURCE_EXHAUSTED, "resource_exhausted");
NAMES.set(Code.FAILED_PRECONDITION, "failed_precondition");
NAMES.set(Code.ABORTED, "aborted");
NAMES.set(Code.OUT_OF_RANGE, "out_of_range");
NAMES.set(Code.UNIMPLEMENTED, "unimplemented");
NAMES.set(Code.INTERNAL, "internal");
NAMES.set(Code.UNAVAILABLE, "unavailable");
NAMES.set(Code.DATA_LOSS, "data_loss");
NAMES.set(Code.UNAUTHENTICATED, "unauthenticated");

const mt: LuaMetatable<EtcdError> = {
    __tostring(this: EtcdError): string {
        return this.message;
    },
    __concat(this: unknown, other: unknown): string {
        return tostring(this) + tostring(other);
    },
};

/** Trouble before, beside or instead of etcd's answer. */
function local_error(name: LocalName, message: string, endpoint?: string): EtcdError {
    const err: EtcdError = { name, message, retryable: false, maybe_applied: false };
    if (endpoint !== undefined) {
        err.endpoint = endpoint;
    }
    return setmetatable(err, mt);
}

/** The time was up before anything of the call itself was sent. */
function out_of_time(message: string): EtcdError {
    const err = local_error("timeout", message);
    err.retryable = true;
    return err;
}

/** An answer of etcd (or of what stands in front of it) that is an error. */
function server_error(http_status: number, code: number | undefined, message: string, endpoint?: string): EtcdError {
    const err: EtcdError = {
        name: NAMES.get(code ?? 0) ?? "http_error",
        message,
        http_status,
        retryable: false,
        maybe_applied: false,
    };
    if (endpoint !== undefined) {
        err.endpoint = endpoint;
    }
    if (code !== undefined) {
        err.code = code;
    }
    return setmetatable(err, mt);
}

/**
 * The same error with another word on whether the write was applied; if it may have been, the caller cannot simply
 * repeat the call. Errors of logins are shared, so it is a copy.
 */
function with_outcome(err: EtcdError, maybe_applied: boolean): EtcdError {
    if (err.maybe_applied === maybe_applied && !(maybe_applied && err.retryable)) {
        return err;
    }
    const copy = new LuaTable<string, unknown>();
    for (const [name, value] of pairs(err as unknown as Record<string, unknown>)) {
        copy.set(name, value);
    }
    copy.set("maybe_applied", maybe_applied);
    copy.set("retryable", err.retryable && !maybe_applied);
    return setmetatable(copy as unknown as EtcdError, mt);
}

/** The error in one line: an answer of 500 and above says so first. */
function to_text(err: EtcdError): string {
    const status = err.http_status;
    return status !== undefined && status >= 500 ? `invalid response code: ${status}, ${err.message}` : err.message;
}

export { local_error, out_of_time, server_error, to_text, with_outcome, Code, type EtcdError, type LocalName };
