import * as cjson from "cjson.safe";
import * as errors from "./errors";
import type { EtcdError } from "./errors";

const find = string.find as StringFind;
const sub = string.sub;

/** HTTP status by gRPC code, as etcd's gateway maps them. */
const HTTP_STATUS = [408, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

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

function number_of(value: unknown): number | undefined {
    return typeof value === "number" ? value : undefined;
}

/**
 * Reads an error answer. Older gateways write `{error, message, code}`, newer ones `{message, code}`, proxies
 * write text.
 * @param secret the request held a password, which some servers would say back
 * @returns the error, and the body as users of the HTTP shape know it: `error` is always a string
 */
function from_answer(
    status: number,
    text: string,
    endpoint: string,
    secret: boolean,
): LuaMultiReturn<[err: EtcdError, body: LuaMap<string, unknown>]> {
    const [json] = cjson.decode(text);
    const body = as_table(json);
    let plain = snippet(text);
    if (secret) {
        const [says_it_back] = find(text, "password", 1, true);
        if (says_it_back !== undefined) {
            plain = "";
        }
    }
    const message = text_of(body.error) ?? text_of(body.message) ?? (plain !== "" ? plain : `HTTP status ${status}`);
    body.error = message;
    body.message = message;
    return $multi(
        errors.refusal(status, number_of(body.code), message, endpoint),
        body as unknown as LuaMap<string, unknown>,
    );
}

/**
 * Reads the error object of a stream: `{grpc_code, http_code, http_status, message}` from older gateways,
 * `{code, message}` from newer ones.
 */
function from_stream(json: unknown, endpoint: string): EtcdError {
    const body = as_table(json);
    const code = number_of(body.grpc_code) ?? number_of(body.code);
    const status = number_of(body.http_code) ?? HTTP_STATUS[(code ?? 0) - 1] ?? 500;
    return errors.refusal(status, code, text_of(body.message) ?? text_of(json) ?? "unknown error", endpoint);
}

export { from_answer, from_stream, snippet };
