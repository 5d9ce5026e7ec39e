import * as cjson from "cjson.safe";
import * as errors from "../../protocol/errors";
import type { EtcdError } from "../../protocol/errors";

const find = string.find as StringFind;
const sub = string.sub;

/** HTTP status by gRPC code, as etcd's gateway maps them. */
const HTTP_STATUS = [408, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/** Cancelled: some gateways call that trouble of the server. */
const CANCELLED = 1;

/** What etcd's own messages begin with. */
const OWN_WORDS = "etcdserver: ";

/** No etcd's token is shorter. What is might be a part of any message. */
const MIN_TOKEN = 8;
/** So much of one tells it from all else: a long text is searched quickly then. */
const MAX_NEEDLE = 32;
/** Nobody looks at what an error says beyond this. */
const MAX_SNIPPET = 65536;

/** The body of an error answer, whichever gateway wrote it, or whatever stands in front of etcd. */
interface ErrorBody {
    error?: unknown;
    message?: unknown;
    code?: unknown;
    grpc_code?: unknown;
    http_code?: unknown;
}

/** A short piece of foreign text that fits into a message. */
function snippet(text: string): string {
    const [line] = string.gsub(sub(text, 1, 200), "[%c%s]+", " ");
    const [trimmed] = string.match(line, "^ ?(.-) ?$");
    return text.length > 200 ? `${trimmed}...` : (trimmed ?? "");
}

/**
 * What may be shown of foreign text: a server, or what stands in front of it, may say back what it was sent.
 * @param token that the request held; nil if it held none
 */
function redact_token(text: string, token: string | undefined): string {
    if (token === undefined || token.length < MIN_TOKEN) {
        return text;
    }
    const beginning = sub(token, 1, MAX_NEEDLE);
    let [from] = find(text, beginning, 1, true);
    if (from === undefined) {
        return text;
    }
    let at = 1;
    const parts: string[] = [];
    while (from !== undefined && from <= MAX_SNIPPET) {
        parts.push(sub(text, at, from - 1));
        at = from + token.length;
        [from] = find(text, beginning, at, true);
    }
    parts.push(sub(text, at));
    return table.concat(parts, "...");
}

/** The body, or an empty one in the place of what is none. */
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
 * The gRPC code, if it is one. Others write an HTTP status in its place, or whatever they like: what comes with a
 * status of 500 and above is believed only if it means trouble of the server.
 */
function code_of(value: unknown, status: number): number | undefined {
    if (typeof value !== "number") {
        return undefined;
    }
    const expected = HTTP_STATUS[value - 1];
    if (expected === undefined || (status >= 500 && expected < 500 && value !== CANCELLED)) {
        return undefined;
    }
    return value;
}

function says(text: string, part: string): boolean {
    const [from] = find(text, part, 1, true);
    return from !== undefined;
}

/**
 * A server, or what stands in front of it, may say back what it was sent. etcd's own messages do not.
 * @param text all of the answer
 */
function is_safe(message: string, text: string, secret: string): boolean {
    if (sub(message, 1, OWN_WORDS.length) === OWN_WORDS) {
        return true;
    }
    const [escaped] = cjson.encode(secret);
    for (const part of ["password", secret, sub(escaped ?? "", 2, -2), ngx.encode_base64(secret)]) {
        if (part !== "" && says(text, part)) {
            return false;
        }
    }
    return true;
}

/**
 * Reads an error answer. Older gateways write `{error, message, code}`, newer ones `{message, code}`, proxies
 * write text.
 * @param secret the password that the request held; nil if it held none
 * @returns the error, and the body as users of the HTTP shape know it: `error` is always a string
 */
function from_answer(
    status: number,
    text: string,
    endpoint: string,
    secret: string | undefined,
): LuaMultiReturn<[err: EtcdError, body: LuaMap<string, unknown>]> {
    const [json] = cjson.decode(text);
    const body = as_table(json);
    const nothing = `HTTP status ${status}`;
    // the error of a stream, where it is the first that comes: renewals of leases are such
    const inner = as_table(body.error);
    let message =
        text_of(body.error) ?? text_of(body.message) ?? text_of(inner.message) ?? text_of(snippet(text)) ?? nothing;
    if (secret !== undefined && !is_safe(message, text, secret)) {
        message = nothing;
    }
    const code = code_of(body.code, status) ?? code_of(inner.grpc_code, status) ?? code_of(inner.code, status);
    body.error = message;
    body.message = message;
    return $multi(errors.server_error(status, code, message, endpoint), body as unknown as LuaMap<string, unknown>);
}

/**
 * Reads the error object of a stream: `{grpc_code, http_code, http_status, message}` from older gateways,
 * `{code, message}` from newer ones.
 */
function from_stream(json: unknown, endpoint: string): EtcdError {
    const body = as_table(json);
    const code = code_of(body.grpc_code, 0) ?? code_of(body.code, 0);
    const told = body.http_code;
    const status = typeof told === "number" ? told : (HTTP_STATUS[(code ?? 0) - 1] ?? 500);
    return errors.server_error(status, code, text_of(body.message) ?? text_of(json) ?? "unknown error", endpoint);
}

export { from_answer, from_stream, snippet, redact_token };
