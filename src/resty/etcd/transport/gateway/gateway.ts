import * as masked_url from "../../endpoint/masked_url";
import type { Message } from "../../protocol/message";
import * as cjson from "../../base/private_cjson";
import * as clock from "../../base/clock";
import * as digest from "../../base/digest";
import * as cosocket from "../http/cosocket";
import type { Endpoint } from "../../endpoint/endpoint";
import * as failures from "../failure";
import * as error_body from "./error_body";
import * as response_texts from "../response_text";
import * as gateway_stream from "./stream";
import type { Body, ExtraHeaders, ConnectionOptions, PickConnector, RequestTemplate } from "../http/types";
import * as http1 from "../http/http1";
import * as http_client from "../http/client";
import * as json_codec from "./json_codec";
import * as chunked_json from "./chunked_json";
import type { Rpc } from "../../protocol/rpc";
import * as time_slice from "../../base/time_slice";
import * as urls from "../../endpoint/url";
import type { Attempt, Failure, LocalFailure, Reply, Stream, Transport } from "../transport";

const now = clock.now;
const find = string.find as StringFind;
const sub = string.sub;
const concat = table.concat;

/** Endpoints whose request templates are cached before the cache is emptied. */
const MAX_ENDPOINTS = 100;
/** Bytes of an error response that are used. */
const MAX_ERROR_BODY = 65536;

interface Fields {
    readonly identity: string;
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

function bad_host(url: string): LocalFailure {
    return failures.local_failure("url", `invalid http host: ${masked_url.mask(url)}, err: not matched`, false);
}

/** Returns the password in a login request. */
function password_in(payload: string): string {
    const [request] = cjson.decode(payload);
    return tostring((request as { password?: unknown }).password);
}

/** Decodes the body of a response. */
function decode_body(rpc: Rpc, text: string, attempt: Attempt): Result<Message, Failure> {
    const token = attempt.token;
    if (rpc.stream === true) {
        const [stop] = find(text, "\n", 1, true); // not a pattern: that takes 0.1 s for the longest response
        const line = stop !== undefined ? sub(text, 1, stop - 1) : text;
        const [message, failure] = gateway_stream.decode_line(rpc, line, token, attempt);
        if (message !== undefined) {
            return $multi(message);
        }
        if (failure !== undefined) {
            return $multi(undefined, failure);
        }
    } else {
        const [json, bad, failure] = chunked_json.decode(rpc.reply, text, undefined, attempt);
        if (failure !== undefined) {
            return $multi(undefined, failure);
        }
        if (json !== undefined && bad === undefined) {
            return $multi(json as Message);
        }
    }
    return $multi(undefined, gateway_stream.invalid_body(text, token, rpc.secret !== true));
}

function encode(this: Gateway, rpc: Rpc, request: Message): Result<string> {
    return json_codec.encode(rpc.request, request);
}

function unary(this: Gateway, rpc: Rpc, payload: string, attempt: Attempt): Result<Reply, Failure> {
    const endpoint = attempt.endpoint;
    const url = rpc.page === true ? endpoint.http_host : endpoint.full_prefix;
    const template = template_for(this, rpc, endpoint, url);
    if (template === undefined) {
        return $multi(undefined, bad_host(url));
    }
    const connector = this.pick(template, attempt);
    const [answer, failure] = http_client.request(connector, template, attempt, payload);
    if (answer === undefined) {
        return $multi(undefined, failure);
    }
    const status = answer.status;
    const headers = answer.headers;
    const token = attempt.token;
    attempt.received = answer.body.length;
    if (status >= 300) {
        http_client.release_connection(template, answer, true);
        const secret = rpc.secret === true ? password_in(payload) : undefined;
        const shown = response_texts.redact_token(sub(answer.body, 1, MAX_ERROR_BODY), token);
        return $multi(undefined, error_body.from_answer(status, headers, shown, secret));
    }
    const [message, bad] = decode_body(rpc, answer.body, attempt);
    if (message === undefined) {
        const is_sound = bad.kind === "status";
        http_client.release_connection(template, answer, is_sound);
        if (bad.kind === "undecodable" || bad.kind === "too_large") {
            bad.http_status = status;
        }
        return $multi(undefined, bad);
    }
    http_client.release_connection(template, answer, true);
    if (attempt.deadline !== undefined && now() >= attempt.deadline) {
        return $multi(undefined, failures.local_failure("timeout", "timeout", true)); // reading and decoding took too long
    }
    return $multi({ status, headers, body: message });
}

/** Reads an error response, up to `MAX_ERROR_BODY` bytes. */
function read_error_body(body: Body, deadline: number | undefined): string {
    const parts: string[] = [];
    let length = 0;
    const slice = time_slice.start();
    while (length < MAX_ERROR_BODY) {
        const [bytes] = body.read(deadline !== undefined ? deadline - now() : undefined);
        if (bytes === undefined || bytes === "") {
            break;
        }
        parts.push(bytes);
        length = length + bytes.length;
        time_slice.yield_if_due(slice); // small chunks that have arrived already are read without waiting
    }
    body.close();
    return sub(concat(parts), 1, MAX_ERROR_BODY);
}

function open(this: Gateway, rpc: Rpc, payload: string, attempt: Attempt): Result<Stream, Failure> {
    const endpoint = attempt.endpoint;
    const url = stream_url(endpoint);
    const template = template_for(this, rpc, endpoint, url);
    if (template === undefined) {
        return $multi(undefined, bad_host(url));
    }
    const connector = this.pick(template, attempt);
    const [response, failure] = http_client.open(connector, template, attempt, payload);
    if (response === undefined) {
        return $multi(undefined, failure);
    }
    const status = response.status;
    if (status >= 300) {
        const text = response_texts.redact_token(read_error_body(response.body, attempt.deadline), attempt.token);
        return $multi(undefined, error_body.from_answer(status, response.headers, text, undefined));
    }
    return $multi(gateway_stream.new(rpc, endpoint.http_host, response.body, attempt));
}

function close(this: Gateway): void {
    this.templates = new LuaMap();
    this.endpoint_count = 0;
}

const methods = { close, encode, open, unary };
type Methods = typeof methods;
const mt: LuaMetatable<Gateway, Methods> = { __index: methods };

/** Returns the digest of what decides which server is reached, besides its address, and what it answers. */
function identity_of(connector: string, { tls }: ConnectionOptions, extra: ExtraHeaders): string {
    const names: string[] = [];
    for (const [name] of extra.fields) {
        names.push(name);
    }
    table.sort(names);
    let headers = "";
    for (const name of names) {
        headers = headers + digest.field(name, extra.fields.get(name));
    }
    return digest.of(
        digest.field("gateway", connector) +
            digest.field("tls", tls.identity) +
            digest.field("sni", tls.sni) +
            digest.field("headers", headers),
    );
}

/**
 * Creates a transport over etcd's JSON gateway.
 * @param connector name of what `pick` chooses
 */
function create(
    connector: string,
    pick: PickConnector,
    connection_options: ConnectionOptions,
    extra: ExtraHeaders,
): Transport {
    const identity = identity_of(connector, connection_options, extra);
    const fields: Fields = { identity, pick, connection_options, extra, templates: new LuaMap(), endpoint_count: 0 };
    return setmetatable(fields as Gateway, mt);
}

export { create as new };
