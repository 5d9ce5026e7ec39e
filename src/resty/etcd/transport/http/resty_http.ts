import type { TlsOptions } from "../tls/types";
import type { RequestContext } from "../transport";
import * as cosocket from "./cosocket";
import type { Connected, Connector, RequestTemplate } from "./types";
import * as http1 from "./http1";
import * as client_certificate from "../tls/client_certificate";
import * as handshake from "../tls/handshake";
import * as trusted_ca from "../tls/trusted_ca";
import type * as RestyHttp from "resty.http";
import type { ConnectParams, Http as Requester, RequestParams } from "resty.http";

type Library = typeof RestyHttp;

/** Its two halves are public, and `request` is nothing but both. */
interface Http extends Requester {
    send_request(params: RequestParams): Result<true>;
}

/** The library, nil where it is not installed. It is looked for once a worker. */
let library: Library | undefined;
let looked = false;
let has_openssl = false;

function find_library(): Library | undefined {
    if (!looked) {
        looked = true;
        const [found, module] = pcall(require, "resty.http");
        if (found && typeof module === "object") {
            library = module as Library;
            [has_openssl] = pcall(require, "resty.openssl.x509.chain");
        }
    }
    return library;
}

const measured = setmetatable([] as unknown[], { __len: () => 1 });
/** LuaJIT may be built without `__len` of tables, and then lua-resty-openssl counts no certificates. */
const HAS_LEN = measured.length === 1;

/**
 * The library takes a client certificate: not APISIX's fork, which drops it where cosockets are not
 * patched, and ledgetech's only from 0.17 on and with lua-resty-openssl beside it.
 */
function takes_client_cert(http: Library): boolean {
    const version = tonumber(string.match(http._VERSION ?? "", "^%d+%.%d+")[0]) ?? 0;
    return http.tls_handshake === undefined && version >= 0.17 && has_openssl && HAS_LEN;
}

/** The library can make this TLS session. */
function can_handshake(http: Library, wanted: TlsOptions): boolean {
    if (client_certificate.has_client_cert(wanted) && !takes_client_cert(http)) {
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

/** resty.http can serve this request; what it cannot do goes to the embedded client. */
function can_serve(route: RequestTemplate, delivery: RequestContext): boolean {
    const phase = ngx.get_phase();
    if (phase === "init" || phase === "init_worker") {
        return false; // there it may not make the coroutines it needs
    }
    const http = find_library();
    if (http === undefined || delivery.unix_proxy !== undefined || route.target.port === undefined) {
        return false;
    }
    return route.target.scheme === "http" || can_handshake(http, route.connection_options.tls);
}

/** The library's calls may throw: on what a hostile server sends, and see `tls.reason_of`. */
function guarded<T>(ok: boolean, value: unknown, err: unknown): Result<T> {
    if (!ok) {
        return $multi(undefined, handshake.reason_of(tostring(value)));
    }
    if (value === undefined) {
        return $multi(undefined, err !== undefined ? tostring(err) : "closed");
    }
    return $multi(value as T);
}

function connect_params(route: RequestTemplate): Result<ConnectParams> {
    const peer = route.connection_options;
    const target = route.target;
    const params: ConnectParams = {
        scheme: target.scheme,
        host: target.host,
        port: target.port!,
        pool: cosocket.pool_options(peer, target, "resty.http").pool!,
        pool_size: peer.pool_size,
    };
    if (target.scheme === "https") {
        params.ssl_verify = peer.tls.verify;
        params.ssl_server_name = peer.tls.sni ?? target.server_name;
        if (client_certificate.has_client_cert(peer.tls)) {
            const [pair, err] = client_certificate.client_pair(peer.tls);
            if (pair === undefined) {
                return $multi(undefined, err);
            }
            params.ssl_client_cert = pair.cert;
            params.ssl_client_priv_key = pair.key;
        }
    }
    return $multi(params);
}

function connect(this: void, route: RequestTemplate, delivery: RequestContext, time: number): Connected {
    const [made, new_err] = cosocket.make(find_library()!.new);
    if (made === undefined) {
        return $multi(undefined, new_err);
    }
    const http = made as Http;
    // it connects and makes the TLS session in one go, so each has one half of the time
    const late = cosocket.set_connect_timeouts(http.sock, route, delivery, time, route.target.scheme === "https");
    if (late !== undefined) {
        return $multi(undefined, late);
    }
    const [params, params_err] = connect_params(route);
    if (params === undefined) {
        return $multi(undefined, params_err);
    }
    const [ok, connected, connect_err] = protected_call(http.connect, http, params);
    const [done, err] = guarded<true>(ok, connected, connect_err);
    if (done === undefined) {
        return $multi(undefined, err);
    }
    const [times] = http.get_reused_times();
    return $multi(http.sock, undefined, (times ?? 0) > 0, http);
}

function request_params(http: Http, route: RequestTemplate, delivery: RequestContext, body: string): RequestParams {
    const headers: Record<string, string | number> = {
        Host: route.target.authority,
        "Content-Type": "application/json",
    };
    for (const [name, value] of route.extra.fields) {
        headers[name] = value;
    }
    if (delivery.token !== undefined) {
        headers.Authorization = delivery.token;
    }
    const time = http1.server_time(delivery);
    if (time !== undefined) {
        headers["Grpc-Timeout"] = time;
    }
    if (delivery.require_leader) {
        headers["Grpc-Metadata-hasleader"] = "true";
    }
    const params: RequestParams = { method: route.method, path: route.path, headers, body: undefined };
    if (route.method !== "GET") {
        params.body = body;
        if (body.length > cosocket.PART_SIZE) {
            headers["Content-Length"] = body.length;
            params.body = cosocket.chunks_of(http.sock, delivery, body);
        }
    }
    return params;
}

function send(this: void, link: unknown, route: RequestTemplate, delivery: RequestContext, body: string): Problem {
    const http = link as Http;
    const [ok, sent, err] = protected_call(http.send_request, http, request_params(http, route, delivery, body));
    const [, send_err] = guarded<true>(ok, sent, err);
    return send_err;
}

/**
 * `lua-resty-http`, whichever of its variants is installed: it connects and sends. The answer is read by our
 * own decoder, as the library's knows no deadline, trusts what is malformed, and loses bytes at a timeout.
 */
const connector: Connector = { connect, send };

/** The library where it can serve the request, the embedded client where not. */
function pick(this: void, route: RequestTemplate, delivery: RequestContext): Connector {
    return can_serve(route, delivery) ? connector : cosocket.pick();
}

/** True where the library is installed. */
function is_installed(): boolean {
    return find_library() !== undefined;
}

export { is_installed, pick };
