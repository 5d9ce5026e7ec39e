import * as printable from "../base/printable";

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

/** The error of a call. `tostring` returns its message. Texts of servers in it are cleaned and cut when it is created. */
interface EtcdError {
    /** gRPC status code that etcd sent; nil for errors of the connection and of the arguments. */
    code?: number;
    /** Stable name of the cause: that of the gRPC code (`unavailable`) or of a local error (`connect_failed`). */
    name: string;
    message: string;
    /** HTTP status of the response; nil if there was none. */
    http_status?: number;
    /** The endpoint of the failed attempt, as configured. */
    endpoint?: string;
    /** Repeating the call is safe and can succeed. */
    retryable: boolean;
    /** The call was a write, and it is unknown whether etcd applied it. */
    maybe_applied: boolean;
    /** With `compacted`, the oldest revision that a watch can start at, if etcd sent it. */
    compact_revision?: number;
    /** With `conflict` and `invalid` of the configuration store, the revision of the document in etcd, or "0". */
    revision?: string;
    /** Probable cause, if the message alone is misleading. */
    hint?: string;
}

/** Names of errors that are not responses of etcd. */
type LocalName =
    /** The deadline passed without a response. */
    | "timeout"
    /** The connection or the TLS handshake failed. */
    | "connect_failed"
    /** An established connection broke. */
    | "connection_lost"
    /** The response is malformed, or not from etcd. */
    | "bad_reply"
    /** The response is longer than `max_response_size`. */
    | "response_too_large"
    /** The health check allows no endpoint now. */
    | "no_endpoint"
    /** The login failed, so there is no token. */
    | "login_failed"
    /** The member is behind a revision that the client has already seen. */
    | "stale_reply"
    /** The endpoint is of another cluster than the one that the client follows. */
    | "other_cluster"
    /** The arguments or the configuration of the client are invalid. Nothing was sent. */
    | "bad_request"
    /** This phase of nginx has no sockets, or cannot wait. Nothing was sent. */
    | "not_in_phase"
    /** Too many requests of this worker wait to be sent. Nothing of this one was sent. */
    | "resource_exhausted"
    /** nginx runs no further timer: too many run or wait. The driver retries. */
    | "no_timer"
    /** The mirror has no full state yet. */
    | "not_ready"
    /** The stream has ended or was closed. */
    | "closed"
    /** The mirror's functions reject the item in etcd. */
    | "invalid"
    /** Another client has changed the key since it was read, or owns it. */
    | "conflict"
    /** The revisions that a watcher needs are compacted. */
    | "compacted"
    /** etcd was restored from a backup, so that its revisions belong to a different history. */
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

/** Creates an error that is not a response of etcd. */
function local_error(name: LocalName, message: string, endpoint?: string): EtcdError {
    const err: EtcdError = { name, message: printable.of(message), retryable: false, maybe_applied: false };
    if (endpoint !== undefined) {
        err.endpoint = endpoint;
    }
    return setmetatable(err, mt);
}

/**
 * Creates the error of a reply that is of another cluster than the one that the client follows.
 * @param followed ID and endpoint of that cluster
 */
function other_cluster(
    cluster_id: string,
    http_host: string,
    followed: { readonly id: string | undefined; readonly member: string | undefined },
): EtcdError {
    const other = `cluster ${followed.id ?? "unknown"} of ${followed.member ?? "no endpoint"}`;
    const err = local_error("other_cluster", `${http_host}: is of cluster ${cluster_id}, not of ${other}`, http_host);
    err.retryable = true;
    return err;
}

/** Returns the error for a timer that nginx does not run; nil for nil. */
function of_timer(problem: Problem): EtcdError | undefined {
    return problem !== undefined ? local_error("no_timer", problem) : undefined;
}

/** Creates the error of a call whose deadline passed before anything was sent. */
function out_of_time(message: string): EtcdError {
    const err = local_error("timeout", message);
    err.retryable = true;
    return err;
}

/** Creates the error of an error response, from etcd or from a proxy. */
function server_error(http_status: number, code: number | undefined, message: string, endpoint?: string): EtcdError {
    const err: EtcdError = {
        name: NAMES.get(code ?? 0) ?? "http_error",
        message: printable.of(message),
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
 * Returns the error with another value of `maybe_applied`; if that is true, `retryable` becomes false, because repeating
 * the call is not safe. The result is a copy: the error of a login is shared by all calls that waited for it.
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

/** Returns the text of an error. Error responses with a status of 500 and above start with the status. */
function to_text(err: EtcdError): Printable {
    const status = err.http_status;
    const text =
        status !== undefined && status >= 500 ? `invalid response code: ${status}, ${err.message}` : err.message;
    return printable.of(text); // programs can have written to the error
}

/** Returns the text of an error and its hint, for states that are shown to people. */
function to_text_with_hint(err: EtcdError): string {
    const hint = err.hint;
    return hint !== undefined ? `${err.message}: ${hint}` : err.message;
}

/** An error in the form in which every public method returns it: its text, and its details. */
type ErrorResult = LuaMultiReturn<[res: undefined, err: string, details: EtcdError]>;

/** What a public method returns: a value; or nil, an error text and the details. */
type MethodResult<T> = LuaMultiReturn<
    [res: T, err?: undefined, details?: undefined] | [res: undefined, err: string, details: EtcdError]
>;

/** Returns an error in the form of all public methods. */
function to_result(err: EtcdError): ErrorResult {
    return $multi(undefined, to_text(err), err);
}

/**
 * Returns the error for an invalid argument in the form of all public methods.
 * @param hint what to write instead
 */
function bad_request(message: string, hint?: string): ErrorResult {
    const err = local_error("bad_request", message);
    if (hint !== undefined) {
        err.hint = printable.of(hint);
    }
    return $multi(undefined, err.message, err);
}

export {
    bad_request,
    local_error,
    of_timer,
    other_cluster,
    out_of_time,
    server_error,
    to_result,
    to_text,
    to_text_with_hint,
    with_outcome,
    Code,
    type ErrorResult,
    type EtcdError,
    type LocalName,
    type MethodResult,
};
