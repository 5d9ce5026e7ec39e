/** How a call of gRPC ended: with a status in its trailers, or with a response of something else. */
import * as failures from "../failure";
import * as response_texts from "../response_text";
import type { Rpc } from "../../protocol/rpc";
import type { Attempt, Failure, Headers, Reply, StatusFailure } from "../transport";

const char = string.char;
const find = string.find as StringFind;
const sub = string.sub;

/** HTTP status by gRPC code, as etcd's gateway maps them. */
const HTTP_STATUS = [499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/** gRPC code of an error that the server gives no code of this list. */
const UNKNOWN = 2;

/** Beginning of etcd's own messages. */
const ETCD_PREFIX = "etcdserver: ";

/** What belongs to the request. */
interface Secrets {
    /** Removed from error texts. */
    readonly token: string | undefined;
    /** The request contains a password: only messages of etcd are shown. */
    readonly is_secret: boolean;
}

/** Returns what belongs to a request. */
function secrets_of(rpc: Rpc, attempt: Attempt): Secrets {
    return { token: attempt.token, is_secret: rpc.secret === true };
}

/** Returns a text whose bytes are encoded as in URLs (gRPC's HTTP/2 mapping). An invalid `%` stays as it is. */
function decode_message(text: string): string {
    const [escape] = find(text, "%", 1, true);
    if (escape === undefined) {
        return text;
    }
    const [decoded] = string.gsub(text, "%%(%x%x)", digits => char(tonumber(digits, 16)!));
    return decoded;
}

/** Reports whether a response is of gRPC. Something else answers with its own status and type. */
function is_grpc(headers: Headers): boolean {
    const [from] = find(headers.get("content-type") ?? "", "^application/grpc");
    return headers.get(":status") === "200" && from !== undefined;
}

/** Returns the response's header fields without those of HTTP/2, in a table that the caller can change. */
function metadata_of(headers: Headers): Headers {
    const metadata: Headers = new LuaMap();
    for (const [name, value] of headers) {
        if (name !== ":status") {
            metadata.set(name, value);
        }
    }
    return metadata;
}

/** Returns the reply of an error, in the form of the gateway's: `error` is always a string. */
function error_reply(status: number, headers: Headers, text: string, code: number | undefined): Reply {
    const body = new LuaMap<string, unknown>();
    body.set("error", text);
    body.set("message", text);
    body.set("code", code);
    return { status, headers: metadata_of(headers), body };
}

/** Returns the failure of a response that is not of gRPC. */
function foreign_failure(headers: Headers, page: string, secrets: Secrets): Failure {
    const status = tonumber(headers.get(":status")) ?? 0;
    const shown = secrets.is_secret
        ? "not shown"
        : response_texts.page_text(response_texts.redact_token(page, secrets.token));
    const text = response_texts.foreign_text(status, shown);
    if (status < 300) {
        return failures.undecodable(text, status);
    }
    return failures.status_failure(status, undefined, text, error_reply(status, headers, text, undefined));
}

/** Returns the failure for a status other than 0. */
function status_failure(headers: Headers, status: Headers, code: number, secrets: Secrets): StatusFailure {
    const decoded = decode_message(status.get("grpc-message") ?? "");
    const message = response_texts.redact_token(decoded, secrets.token);
    const is_shown = message !== "" && (!secrets.is_secret || sub(message, 1, ETCD_PREFIX.length) === ETCD_PREFIX);
    const text = is_shown ? message : `gRPC status ${code}`;
    const http_status = HTTP_STATUS[code - 1]!;
    return failures.status_failure(http_status, code, text, error_reply(http_status, headers, text, code));
}

/** Reports whether a response that is complete is of gRPC, and its status is OK. */
function is_ok(headers: Headers, trailers: Headers | undefined): boolean {
    return (trailers ?? headers).get("grpc-status") === "0";
}

/**
 * Returns the failure of a response that is complete; nil if its status is OK.
 * @param headers of the response
 * @param trailers nil if the response had none: the headers then contain the status
 * @param page beginning of the body, if the response is not of gRPC
 */
function failure_of(
    headers: Headers,
    trailers: Headers | undefined,
    page: string,
    secrets: Secrets,
): Failure | undefined {
    if (is_ok(headers, trailers)) {
        return undefined;
    }
    const status = trailers ?? headers;
    const text = status.get("grpc-status");
    if (text === undefined && !is_grpc(headers)) {
        return foreign_failure(headers, page, secrets);
    }
    if (text === undefined) {
        return failures.local_failure("malformed", "malformed reply: no grpc-status", true);
    }
    const [digits] = find(text, "^%d%d?$");
    const code = digits !== undefined ? tonumber(text)! : UNKNOWN;
    return status_failure(headers, status, HTTP_STATUS[code - 1] !== undefined ? code : UNKNOWN, secrets);
}

export { failure_of, is_grpc, is_ok, metadata_of, secrets_of, type Secrets };
