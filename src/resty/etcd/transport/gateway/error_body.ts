import * as printable from "../../base/printable";
import * as masked_url from "../../endpoint/masked_url";
import * as cjson from "../../base/private_cjson";
import * as failures from "../failure";
import * as response_texts from "../response_text";
import type { Headers, StatusFailure } from "../transport";

const find = string.find as StringFind;
const sub = string.sub;
const foreign_text = response_texts.foreign_text;
const page_text = response_texts.page_text;
const redact_token = response_texts.redact_token;
const snippet = response_texts.snippet;

/** HTTP status by gRPC code, as etcd's gateway maps them. */
const HTTP_STATUS = [408, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/** Other HTTP statuses by gRPC code, of older and newer gateways: CANCELED, FAILED_PRECONDITION. */
const OTHER_HTTP_STATUS: Readonly<Record<number, number>> = { 1: 499, 9: 412 };
/** gRPC codes of errors that leave open whether a write was applied: they count with any HTTP status. */
const INCONCLUSIVE: Readonly<Record<number, true>> = { 1: true, 2: true, 4: true, 13: true, 14: true };

/** Beginning of etcd's own messages. */
const ETCD_PREFIX = "etcdserver: ";
/** Beginnings of texts that etcd sends outside its gateway, and without a gRPC code. */
const ETCD_TEXTS = [
    ETCD_PREFIX,
    "404 page not found",
    "CommonName of client",
    "Client sent an HTTP request to an HTTPS server",
    "etcd received your request, but the Host header was unrecognized",
];
/** Such texts that are complete: longer ones are of proxies. etcd 3.4 sends the first for unknown paths of its gateway. */
const COMPLETE_ETCD_TEXTS = ["Not Found", "Method Not Allowed"];

/** Body of an error response, written by any version of the gateway or by a proxy. */
interface ErrorBody {
    error?: unknown;
    message?: unknown;
    code?: unknown;
    grpc_code?: unknown;
    http_code?: unknown;
}

/** Reports whether a message is one that etcd sends without a gRPC code. */
function is_text_of_etcd(message: string): boolean {
    for (const beginning of ETCD_TEXTS) {
        if (sub(message, 1, beginning.length) === beginning) {
            return true;
        }
    }
    return message === COMPLETE_ETCD_TEXTS[0] || message === COMPLETE_ETCD_TEXTS[1];
}

/** Returns the URL that a redirect names, or nil. */
function location_of(headers: Headers): string | undefined {
    for (const [name, value] of headers) {
        if (string.lower(name) === "location") {
            return snippet(tostring(value));
        }
    }
    return undefined;
}

/** Returns a JSON object, or an empty one instead of any other value. */
function as_table(json: unknown): ErrorBody {
    if (typeof json === "object") {
        return json as ErrorBody;
    }
    return {};
}

function text_of(value: unknown): string | undefined {
    return typeof value === "string" && value !== "" ? value : undefined;
}

/**
 * Returns a gRPC status code, or nil if the value is invalid. Proxies write an HTTP status or other numbers there, so a code
 * counts only together with the HTTP status that a gateway sends with it, or if it says less than the status.
 * @param status HTTP status; 0 if the code is in a message of a stream
 */
function code_of(value: unknown, status: number): number | undefined {
    if (typeof value !== "number") {
        return undefined;
    }
    const expected = HTTP_STATUS[value - 1];
    if (expected === undefined) {
        return undefined;
    }
    const is_of_gateway = status === 0 || status === expected || status === OTHER_HTTP_STATUS[value];
    return is_of_gateway || INCONCLUSIVE[value] === true ? value : undefined;
}

function has(text: string, part: string): boolean {
    const [from] = find(text, part, 1, true);
    return from !== undefined;
}

/**
 * Reports whether a message can be shown although the request contained a secret. A server or a proxy can echo the request;
 * etcd's own messages do not.
 * @param text the complete response
 */
function is_safe(message: string, text: string, secret: string): boolean {
    if (sub(message, 1, ETCD_PREFIX.length) === ETCD_PREFIX) {
        return true;
    }
    const [escaped] = cjson.encode(secret);
    for (const part of ["password", secret, sub(escaped ?? "", 2, -2), ngx.encode_base64(secret)]) {
        if (part !== "" && has(text, part)) {
            return false;
        }
    }
    return true;
}

/**
 * Parses an error response. Older gateways write `{error, message, code}`, newer ones `{message, code}`, proxies text. Below
 * 500, the message of a response that is not etcd's says so; from 500 on, programs compare it.
 * @param secret password of the request; nil if it had none
 * @returns a failure whose reply has the form of lua-resty-etcd 1.10: `error` is always a string
 */
function from_answer(status: number, headers: Headers, text: string, secret: string | undefined): StatusFailure {
    const [json] = cjson.decode(text);
    const body = as_table(json);
    const nothing = `HTTP status ${status}`;
    // the first message of a stream can be an error, as for LeaseKeepAlive
    const inner = as_table(body.error);
    const own_text = text_of(body.error) ?? text_of(body.message) ?? text_of(inner.message);
    let message = own_text ?? text_of(snippet(text)) ?? nothing;
    const location = status < 400 ? location_of(headers) : undefined;
    const is_shown = secret === undefined || is_safe(message, `${text}${location ?? ""}`, secret);
    const code = code_of(body.code, status) ?? code_of(inner.grpc_code, status) ?? code_of(inner.code, status);
    if (code === undefined && status < 500 && !is_text_of_etcd(message)) {
        const shown = location !== undefined ? `Location: ${masked_url.mask(location)}` : (own_text ?? page_text(text));
        message = foreign_text(status, is_shown ? shown : "not shown");
    } else if (!is_shown) {
        message = nothing;
    }
    message = printable.of(message);
    body.error = message;
    body.message = message;
    return failures.status_failure(status, code, message, {
        status,
        headers,
        body: body as unknown as LuaMap<string, unknown>,
    });
}

/**
 * Parses the error object of a stream: `{grpc_code, http_code, http_status, message}` from older gateways,
 * `{code, message}` from newer ones.
 * @param token token of the request; nil if it had none
 */
function from_stream(json: unknown, token: string | undefined): StatusFailure {
    const body = as_table(json);
    const code = code_of(body.grpc_code, 0) ?? code_of(body.code, 0);
    const http_code = body.http_code;
    const status = typeof http_code === "number" ? http_code : (HTTP_STATUS[(code ?? 0) - 1] ?? 500);
    const message = text_of(body.message) ?? text_of(json) ?? "unknown error";
    return failures.status_failure(status, code, redact_token(message, token));
}

export { from_answer, from_stream };
