import type { Message } from "../../protocol/message";
import * as cjson from "cjson.safe";
import * as clock from "../../base/clock";
import * as cosocket from "../http/cosocket";
import type { Endpoint } from "../../endpoint/endpoint";
import * as errors from "../../protocol/errors";
import type { EtcdError } from "../../protocol/errors";
import * as error_body from "./error_body";
import * as gateway_stream from "./stream";
import type { Body, ExtraHeaders, ConnectionOptions, PickConnector, RequestTemplate } from "../http/types";
import * as error_hints from "../error_hints";
import * as http1 from "../http/http1";
import * as http_client from "../http/client";
import * as json_codec from "./json_codec";
import * as chunked_json from "./chunked_json";
import * as retry_policy from "../../protocol/retry_policy";
import type { Rpc } from "../../protocol/rpc";
import * as urls from "../../endpoint/url";
import type { Attempt, Reply, Stream, Transport } from "../transport";

const now = clock.now;
const find = string.find as StringFind;
const sub = string.sub;
const concat = table.concat;

/** Endpoints whose request templates are cached before the cache is emptied. */
const MAX_ENDPOINTS = 100;
/** Bytes of an error response that are read. */
const MAX_ERROR_BODY = 65536;

interface Fields {
    readonly pick: PickConnector;
    readonly connection_options: ConnectionOptions;
    readonly extra: ExtraHeaders;
    /** Request templates by URL (with the DNS name of its address) and RPC. */
    templates: LuaMap<string, LuaMap<Rpc, RequestTemplate>>;
    endpoint_count: number;
}

interface Gateway extends Fields, Methods {}

function new_template(
    gateway: Fields,
    rpc: Rpc,
    url: string,
    dns_name: string | undefined,
): RequestTemplate | undefined {
    const target = urls.parse(url, dns_name);
    if (target === undefined) {
        return undefined;
    }
    const method = rpc.page === true ? "GET" : "POST";
    const path = target.path + rpc.path;
    const extra = gateway.extra;
    const connection_options = gateway.connection_options;
    return {
        method,
        target,
        path,
        extra,
        connection_options,
        pool: cosocket.pool_options(connection_options, target, ""),
        head: http1.format_head(method, path, target, extra),
    };
}

/** Returns the cached request template for an RPC and an endpoint URL, or nil if the URL is invalid. */
function template_for(gateway: Fields, rpc: Rpc, endpoint: Endpoint, url: string): RequestTemplate | undefined {
    if (typeof url !== "string") {
        return undefined; // an endpoint that the program wrote
    }
    const dns_name = endpoint.dns_name;
    const key = dns_name !== undefined ? `${url} ${dns_name}` : url;
    let templates = gateway.templates.get(key);
    if (templates === undefined) {
        if (gateway.endpoint_count >= MAX_ENDPOINTS) {
            gateway.templates = new LuaMap();
            gateway.endpoint_count = 0;
        }
        templates = new LuaMap();
        gateway.templates.set(key, templates);
        gateway.endpoint_count = gateway.endpoint_count + 1;
    }
    let template = templates.get(rpc);
    if (template === undefined) {
        template = new_template(gateway, rpc, url, dns_name);
        if (template !== undefined) {
            templates.set(rpc, template);
        }
    }
    return template;
}

/** Returns the URL for watches. Programs written for 1.10 overwrite these fields of an endpoint. */
function stream_url(endpoint: Endpoint): string {
    const scheme = endpoint.scheme;
    const address = endpoint.address;
    const api_prefix = endpoint.api_prefix;
    if (typeof scheme !== "string" || typeof address !== "string" || typeof api_prefix !== "string") {
        return endpoint.full_prefix;
    }
    const port = endpoint.port ?? "";
    return `${scheme}://${address}:${port}${api_prefix}`;
}

/** Beginnings of error texts whose cause is the client or its phase, so that all endpoints would fail alike. */
const CLIENT_SIDE_PREFIXES = [cosocket.NOT_IN_THIS_PHASE, "client certificate: ", "client key: ", "trusted_ca: "];

function is_client_side_error(text: string): boolean {
    for (const beginning of CLIENT_SIDE_PREFIXES) {
        if (sub(text, 1, beginning.length) === beginning) {
            return true;
        }
    }
    return false;
}

function with_hint(err: EtcdError, silent: boolean): EtcdError {
    const hint = error_hints.hint_for(err.message, silent);
    if (hint !== undefined) {
        err.hint = hint;
    }
    return err;
}

/** Returns the error of a connection failure. */
function transport_error(attempt: Attempt, text: string, sent: boolean): EtcdError {
    const endpoint = attempt.endpoint;
    if (is_client_side_error(text)) {
        const err = errors.local_error("bad_request", `${endpoint.http_host}: ${text}`, endpoint.http_host);
        return with_hint(err, false);
    }
    const [malformed] = find(text, "malformed", 1, true);
    const name =
        malformed !== undefined
            ? "bad_reply"
            : text === "timeout"
              ? "timeout"
              : sent
                ? "connection_lost"
                : "connect_failed";
    const err = errors.local_error(name, `${endpoint.http_host}: ${text}`, endpoint.http_host);
    return retry_policy.classify_transport_error(
        attempt.semantics,
        with_hint(err, cosocket.is_connection_closed(text)),
        sent,
    );
}

function bad_host(endpoint: Endpoint, url: string): EtcdError {
    return errors.local_error(
        "bad_request",
        `invalid http host: ${tostring(url)}, err: not matched`,
        endpoint.http_host,
    );
}

/** Returns the password in a login request. */
function password_in(payload: string): string {
    const [request] = cjson.decode(payload);
    return tostring((request as { password?: unknown }).password);
}

/** Decodes the body of a response. Returns nil if it is no message of the RPC. */
function decode_body(
    rpc: Rpc,
    endpoint: Endpoint,
    text: string,
    token: string | undefined,
): LuaMultiReturn<[message: Message | undefined, err?: EtcdError]> {
    if (rpc.stream === true) {
        const [line] = string.match(text, "^[^\n]*");
        return gateway_stream.decode_line(rpc, endpoint.http_host, line ?? "", token);
    }
    const [json, bad] = chunked_json.decode(rpc.reply, text);
    if (bad !== undefined) {
        return $multi(undefined);
    }
    return $multi(json as Message);
}

function encode(this: Gateway, rpc: Rpc, request: Message): Result<string> {
    return json_codec.encode(rpc.request, request);
}

function unary(
    this: Gateway,
    rpc: Rpc,
    payload: string,
    attempt: Attempt,
): LuaMultiReturn<[reply: Reply, err?: undefined] | [reply: undefined, err: EtcdError, error_reply?: Reply]> {
    const endpoint = attempt.endpoint;
    const url = rpc.page === true ? endpoint.http_host : endpoint.full_prefix;
    const template = template_for(this, rpc, endpoint, url);
    if (template === undefined) {
        return $multi(undefined, bad_host(endpoint, url));
    }
    const connector = this.pick(template, attempt);
    const [answer, text, sent] = http_client.request(connector, template, attempt, payload);
    if (answer === undefined) {
        return $multi(undefined, transport_error(attempt, text, sent));
    }
    const status = answer.status;
    const headers = answer.headers;
    const token = attempt.token;
    attempt.received = answer.body.length;
    if (status >= 300) {
        http_client.release_connection(template, answer, true);
        const secret = rpc.secret === true ? password_in(payload) : undefined;
        const shown = error_body.redact_token(answer.body, token);
        const [err, body] = error_body.from_answer(status, shown, endpoint.http_host, secret);
        return $multi(undefined, retry_policy.classify_server_error(attempt.semantics, with_hint(err, false)), {
            status,
            headers,
            body,
        });
    }
    const [message, err] = decode_body(rpc, endpoint, answer.body, token);
    const is_sound = message !== undefined || (err !== undefined && err.name !== "bad_reply");
    http_client.release_connection(template, answer, is_sound);
    if (message !== undefined) {
        return $multi({ status, headers, body: message });
    }
    if (err !== undefined) {
        if (err.name === "bad_reply") {
            err.http_status = status;
        }
        return $multi(undefined, retry_policy.classify_server_error(attempt.semantics, err));
    }
    let shown = "not shown";
    if (rpc.secret !== true) {
        shown = error_body.snippet(error_body.redact_token(answer.body, token));
    }
    const bad = errors.local_error("bad_reply", `invalid response body: ${shown}`, endpoint.http_host);
    bad.http_status = status;
    bad.maybe_applied = attempt.semantics !== "read";
    return $multi(undefined, bad);
}

/** Reads an error response, up to `MAX_ERROR_BODY` bytes. */
function read_error_body(body: Body, deadline: number | undefined): string {
    const parts: string[] = [];
    let length = 0;
    while (length < MAX_ERROR_BODY) {
        const [bytes] = body.read(deadline !== undefined ? deadline - now() : undefined);
        if (bytes === undefined || bytes === "") {
            break;
        }
        parts.push(bytes);
        length = length + bytes.length;
    }
    body.close();
    return sub(concat(parts), 1, MAX_ERROR_BODY);
}

function open(
    this: Gateway,
    rpc: Rpc,
    payload: string,
    attempt: Attempt,
): LuaMultiReturn<[stream: Stream, err?: undefined] | [stream: undefined, err: EtcdError, error_reply?: Reply]> {
    const endpoint = attempt.endpoint;
    const url = stream_url(endpoint);
    const template = template_for(this, rpc, endpoint, url);
    if (template === undefined) {
        return $multi(undefined, bad_host(endpoint, url));
    }
    const connector = this.pick(template, attempt);
    const [opening, text, sent] = http_client.open(connector, template, attempt, payload);
    if (opening === undefined) {
        return $multi(undefined, transport_error(attempt, text, sent));
    }
    if (opening.status >= 300) {
        const status = opening.status;
        const text_body = error_body.redact_token(read_error_body(opening.body, attempt.deadline), attempt.token);
        const [err, body] = error_body.from_answer(status, text_body, endpoint.http_host, undefined);
        const error_reply = { status, headers: opening.headers, body };
        return $multi(
            undefined,
            retry_policy.classify_server_error(attempt.semantics, with_hint(err, false)),
            error_reply,
        );
    }
    return $multi(gateway_stream.new(rpc, endpoint.http_host, opening.body, attempt.token));
}

function close(this: Gateway): void {
    this.templates = new LuaMap();
    this.endpoint_count = 0;
}

const methods = { close, encode, open, unary };
type Methods = typeof methods;
const mt: LuaMetatable<Gateway, Methods> = { __index: methods };

/** Creates a transport over etcd's JSON gateway. */
function create(pick: PickConnector, connection_options: ConnectionOptions, extra: ExtraHeaders): Transport {
    const fields: Fields = { pick, connection_options, extra, templates: new LuaMap(), endpoint_count: 0 };
    return setmetatable(fields as Gateway, mt);
}

export { create as new };
