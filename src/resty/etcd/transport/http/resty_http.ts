import type { TlsOptions } from "../tls/types";
import type { Fault } from "../fault";
import * as faults from "../fault";
import type { RequestContext } from "../transport";
import * as clock from "../../base/clock";
import * as phase from "../../base/phase";
import * as cosocket from "./cosocket";
import type { Connected, Connector, RequestTemplate } from "./types";
import * as http1 from "./http1";
import * as client_certificate from "../tls/client_certificate";
import * as handshake from "../tls/handshake";
import * as trusted_ca from "../tls/trusted_ca";
import type * as RestyHttp from "resty.http";
import type { ConnectParams, Http as Requester, RequestParams } from "resty.http";

type Library = typeof RestyHttp;

/** The library with `send_request`, which is public: `request` sends and then reads the response. */
interface Http extends Requester {
    send_request(params: RequestParams): Result<true>;
}

/** The library; nil if it is not installed. Loaded once per worker. */
let library: Library | undefined;
let is_searched = false;
let has_openssl = false;

function find_library(): Library | undefined {
    if (!is_searched) {
        is_searched = true;
        const [is_found, module] = pcall(require, "resty.http");
        if (is_found && typeof module === "object") {
            library = module as Library;
            [has_openssl] = pcall(require, "resty.openssl.x509.chain");
        }
    }
    return library;
}

const table_with_len = setmetatable([] as unknown[], { __len: () => 1 });
/** LuaJIT can be built without `__len` for tables; lua-resty-openssl then counts no certificates. */
const HAS_LEN = table_with_len.length === 1;

/**
 * Reports whether the library supports client certificates. APISIX's fork drops them if cosockets are not patched;
 * ledgetech's supports them from 0.17, together with lua-resty-openssl.
 */
function supports_client_cert(http: Library): boolean {
    const version = tonumber(string.match(http._VERSION ?? "", "^%d+%.%d+")[0]) ?? 0;
    return http.tls_handshake === undefined && version >= 0.17 && has_openssl && HAS_LEN;
}

/** Reports whether the library can perform this TLS handshake. */
function can_handshake(http: Library, wanted: TlsOptions): boolean {
    if (client_certificate.has_client_cert(wanted) && !supports_client_cert(http)) {
        return false;
    }
    const path = wanted.trusted_ca;
    if (path === undefined) {
        return true;
    }
    if (wanted.trust !== undefined) {
        return wanted.trust === false;
    }
    const [probe] = cosocket.make(http.new);
    return probe !== undefined && !trusted_ca.is_usable((probe as Http).sock, wanted, path);
}

/** Reports whether the library can serve this request; the embedded client serves the others. */
function can_serve(template: RequestTemplate, context: RequestContext): boolean {
    if (phase.is_starting()) {
        return false; // the library needs coroutines
    }
    const http = find_library();
    if (http === undefined || context.unix_proxy !== undefined || template.target.port === undefined) {
        return false;
    }
    return template.target.scheme === "http" || can_handshake(http, template.connection_options.tls);
}

/** Returns the result of a call of the library. Such calls can raise errors: see `handshake.reason_of`. */
function guarded<T>(ok: boolean, value: unknown, err: unknown): Result<T, Fault> {
    if (!ok) {
        return $multi(undefined, faults.of_socket(handshake.reason_of(tostring(value))));
    }
    if (value === undefined) {
        return $multi(undefined, faults.of_socket(err !== undefined ? tostring(err) : "closed"));
    }
    return $multi(value as T);
}

function connect_params(template: RequestTemplate): Result<ConnectParams, Fault> {
    const options = template.connection_options;
    const target = template.target;
    const params: ConnectParams = {
        scheme: target.scheme,
        host: target.host,
        port: target.port!,
        pool: cosocket.pool_options(options, target, "resty.http").pool!,
        pool_size: options.pool_size,
    };
    if (target.scheme === "https") {
        params.ssl_verify = options.tls.verify;
        params.ssl_server_name = options.tls.sni ?? target.server_name;
        if (client_certificate.has_client_cert(options.tls)) {
            const [pair, err] = client_certificate.client_pair(options.tls);
            if (pair === undefined) {
                return $multi(undefined, err);
            }
            params.ssl_client_cert = pair.cert;
            params.ssl_client_priv_key = pair.key;
        }
    }
    return $multi(params);
}

function connect(this: void, template: RequestTemplate, context: RequestContext, time: number): Connected {
    const [instance, new_err] = cosocket.make(find_library()!.new);
    if (instance === undefined) {
        return $multi(undefined, new_err);
    }
    const http = instance as Http;
    // the library connects and performs the handshake in one call, so each gets half of the time
    const late = cosocket.set_connect_timeouts(http.sock, template, context, time, template.target.scheme === "https");
    if (late !== undefined) {
        return $multi(undefined, late);
    }
    const [params, params_err] = connect_params(template);
    if (params === undefined) {
        return $multi(undefined, params_err);
    }
    const [ok, connected, connect_err] = protected_call(http.connect, http, params);
    const [done, err] = guarded<true>(ok, connected, connect_err);
    if (done === undefined) {
        return $multi(undefined, trusted_ca.mark_fault(err, template.connection_options.tls));
    }
    if (context.progress !== undefined) {
        context.progress.connected_at = clock.now();
    }
    const [times] = http.get_reused_times();
    return $multi(http.sock, undefined, (times ?? 0) > 0, http);
}

function request_params(http: Http, template: RequestTemplate, context: RequestContext, body: string): RequestParams {
    const headers: Record<string, string | number> = {
        Host: template.target.authority,
        "Content-Type": "application/json",
    };
    for (const [name, value] of template.extra.fields) {
        headers[name] = value;
    }
    if (context.token !== undefined) {
        headers.Authorization = context.token;
    }
    const time = http1.server_time(context);
    if (time !== undefined) {
        headers["Grpc-Timeout"] = time;
    }
    if (context.require_leader) {
        headers["Grpc-Metadata-hasleader"] = "true";
    }
    const params: RequestParams = { method: template.method, path: template.path, headers, body: undefined };
    if (template.method !== "GET") {
        params.body = body;
        if (body.length > cosocket.PART_SIZE) {
            headers["Content-Length"] = body.length;
            params.body = cosocket.chunks_of(http.sock, context, body);
        }
    }
    return params;
}

function send(
    this: void,
    link: unknown,
    template: RequestTemplate,
    context: RequestContext,
    body: string,
): Fault | undefined {
    const http = link as Http;
    const [ok, sent, err] = protected_call(http.send_request, http, request_params(http, template, context, body));
    const [, send_err] = guarded<true>(ok, sent, err);
    return send_err;
}

/**
 * `lua-resty-http`, in any of its variants, connects and sends. The driver reads the response itself, because the library's
 * reader knows no deadline, accepts malformed responses, and loses bytes at a timeout.
 */
const connector: Connector = { connect, send };

/** Returns the library if it can serve the request, else the embedded client. */
function pick(this: void, template: RequestTemplate, context: RequestContext): Connector {
    return can_serve(template, context) ? connector : cosocket.pick();
}

/** Reports whether the library is installed. */
function is_installed(): boolean {
    return find_library() !== undefined;
}

export { is_installed, pick };
