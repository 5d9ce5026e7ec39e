import * as body_stream from "./body_stream";
import * as clock from "./clock";
import * as connection from "./connection";
import * as cosocket from "./cosocket";
import type { Budget, Headers, HttpClient, Opening, Peer, Reply, Request } from "./http";
import * as http1 from "./http1";
import * as source_reader from "./source";
import type { Tls } from "./tls";
import * as tls from "./tls";
import type * as RestyHttp from "resty.http";
import type { ConnectParams, Http, RequestParams, Response } from "resty.http";

type Library = typeof RestyHttp;

const now = clock.now;
const guard = pcall as unknown as GuardedCall;

/** How many dead pooled connections are thrown away in the search for a fresh one. */
const MAX_DISCARDS = 256;

/** The library, nil where it is not installed. It is looked for once a worker. */
let library: Library | undefined;
let looked = false;

function find_library(): Library | undefined {
    if (!looked) {
        looked = true;
        const [found, module] = pcall(require, "resty.http");
        if (found && typeof module === "object") {
            library = module as Library;
        }
    }
    return library;
}

/**
 * The library takes a client certificate: not APISIX's fork, which drops it where cosockets are not
 * patched, and ledgetech's only from 0.17 on and with lua-resty-openssl beside it.
 */
function takes_client_cert(http: Library): boolean {
    const version = tonumber(string.match(http._VERSION ?? "", "^%d+%.%d+")[0]) ?? 0;
    const [has_openssl] = pcall(require, "resty.openssl.x509.chain");
    return http.tls_handshake === undefined && version >= 0.17 && has_openssl;
}

/** The library can make this TLS session. */
function can_handshake(http: Library, wanted: Tls): boolean {
    if (tls.has_client_cert(wanted) && !takes_client_cert(http)) {
        return false;
    }
    if (wanted.trusted_ca === undefined) {
        return true;
    }
    const [probe] = http.new();
    return probe !== undefined && !tls.can_trust(probe.sock, wanted, wanted.trusted_ca);
}

/** resty.http can serve this request; what it cannot do goes to the embedded client. */
function can_serve(peer: Peer, request: Request): boolean {
    const phase = ngx.get_phase();
    if (phase === "init" || phase === "init_worker") {
        return false; // there it may not make the coroutines it needs
    }
    const http = find_library();
    if (http === undefined || request.via !== undefined || request.target.port === undefined) {
        return false;
    }
    return request.target.scheme === "http" || can_handshake(http, peer.tls);
}

/** The library's calls may throw on what a hostile server sends. */
function guarded<T>(ok: boolean, value: unknown, err: unknown): Result<T> {
    if (!ok) {
        return $multi(undefined, tostring(value));
    }
    if (value === undefined) {
        return $multi(undefined, tostring(err ?? "closed"));
    }
    return $multi(value as T);
}

function connect_params(peer: Peer, request: Request): Result<ConnectParams> {
    const target = request.target;
    const params: ConnectParams = {
        scheme: target.scheme,
        host: target.host,
        port: target.port!,
        pool: connection.pool_options(peer, target, "resty.http").pool!,
        pool_size: peer.pool_size,
    };
    if (target.scheme === "https") {
        params.ssl_verify = peer.tls.verify;
        params.ssl_server_name = peer.tls.sni ?? target.server_name;
        if (tls.has_client_cert(peer.tls)) {
            const [pair, err] = tls.client_pair(peer.tls);
            if (pair === undefined) {
                return $multi(undefined, err);
            }
            params.ssl_client_cert = pair.cert;
            params.ssl_client_priv_key = pair.key;
        }
    }
    return $multi(params);
}

function connect_once(peer: Peer, request: Request, budget: Budget): Result<Http> {
    const [http, new_err] = find_library()!.new();
    if (http === undefined) {
        return $multi(undefined, new_err);
    }
    if (budget.deadline !== undefined) {
        const time = now();
        const left = budget.deadline - time;
        const time_left = budget.connect_by !== undefined ? budget.connect_by - time : left;
        if (left <= 0 || time_left <= 0) {
            return $multi(undefined, "timeout");
        }
        // the library makes the TLS session in its connect
        source_reader.set_timeouts(http.sock, time_left, time_left);
    }
    const [params, params_err] = connect_params(peer, request);
    if (params === undefined) {
        return $multi(undefined, params_err);
    }
    const [ok, connected, connect_err] = guard(http.connect, http, params);
    const [done, err] = guarded<true>(ok, connected, connect_err);
    if (done === undefined) {
        return $multi(undefined, err);
    }
    return $multi(http);
}

/** Connects; `reused` tells that the connection comes from the pool. */
function connect(
    peer: Peer,
    request: Request,
    budget: Budget,
    fresh: boolean,
): LuaMultiReturn<[http: Http, err: undefined, reused: boolean] | [http: undefined, err: string]> {
    for (const _ of $range(1, MAX_DISCARDS)) {
        const [http, err] = connect_once(peer, request, budget);
        if (http === undefined) {
            return $multi(undefined, err);
        }
        const [times] = http.get_reused_times();
        const reused = (times ?? 0) > 0;
        if (!fresh || !reused) {
            return $multi(http, undefined, reused);
        }
        http.close();
    }
    return $multi(undefined, "no fresh connection");
}

function request_params(request: Request): RequestParams {
    const headers: Record<string, string | number> = {
        Host: request.target.authority,
        "Content-Type": "application/json",
    };
    for (const [name, value] of request.extra.fields) {
        headers[name] = value;
    }
    if (request.token !== undefined) {
        headers.Authorization = request.token;
    }
    return { method: request.method, path: request.path, headers, body: request.body };
}

/** Header fields as a plain table. */
function plain_headers(res: Response): Headers {
    const headers: Headers = new LuaMap();
    for (const [name, value] of pairs(res.headers)) {
        headers.set(name, typeof value === "object" ? table.concat(value, ", ") : value);
    }
    return headers;
}

function ask_once(
    peer: Peer,
    request: Request,
    budget: Budget,
    fresh: boolean,
): LuaMultiReturn<
    | [http: Http, err: undefined, sent: boolean, stale: boolean, res: Response]
    | [http: undefined, err: string, sent: boolean, stale: boolean]
> {
    const [http, err, reused] = connect(peer, request, budget, fresh);
    if (http === undefined) {
        return $multi(undefined, err, false, false);
    }
    if (budget.deadline !== undefined) {
        const left = budget.deadline - now();
        source_reader.set_timeouts(http.sock, left, left);
    }
    const params = request_params(request);
    const [ok, got, got_err] = guard(http.request, http, params);
    const [res, res_err] = guarded<Response>(ok, got, got_err);
    if (res === undefined) {
        http.close();
        return $multi(undefined, res_err, true, reused && connection.is_dead(res_err));
    }
    return $multi(http, undefined, true, false, res);
}

function ask(
    peer: Peer,
    request: Request,
    budget: Budget,
): LuaMultiReturn<
    [http: Http, err: undefined, sent: boolean, res: Response] | [http: undefined, err: string, sent: boolean]
> {
    const [http, err, sent, stale, res] = ask_once(peer, request, budget, false);
    if (http !== undefined) {
        return $multi(http, undefined, true, res);
    }
    if (stale && request.repeatable) {
        const [again, again_err, again_sent, , again_res] = ask_once(peer, request, budget, true);
        if (again !== undefined) {
            return $multi(again, undefined, true, again_res);
        }
        return $multi(undefined, again_err, again_sent);
    }
    return $multi(undefined, err, sent);
}

/** Puts the connection back, unless the library may have left something unread on it. */
function release(peer: Peer, http: Http, headers: Headers): void {
    // trailers are left to the caller by the library; such answers are rare, and errors
    if (http1.field(headers, "trailer") === undefined && peer.keepalive_ms > 0) {
        const [ok] = http.set_keepalive(peer.keepalive_ms, peer.pool_size);
        if (ok !== undefined) {
            return;
        }
    }
    http.close();
}

function exchange(
    this: void,
    peer: Peer,
    request: Request,
    budget: Budget,
): LuaMultiReturn<[reply: Reply, err?: undefined] | [reply: undefined, err: string, sent: boolean]> {
    if (!can_serve(peer, request)) {
        return cosocket.client.exchange(peer, request, budget);
    }
    const [http, err, sent, res] = ask(peer, request, budget);
    if (http === undefined) {
        return $multi(undefined, err, sent);
    }
    const [ok, text, text_err] = guard(res.read_body, res);
    const [body, body_err] = guarded<string>(ok, text, text_err);
    if (body === undefined) {
        http.close();
        return $multi(undefined, body_err, true);
    }
    const headers = plain_headers(res);
    release(peer, http, headers);
    return $multi({ status: res.status, headers, body });
}

/**
 * Opens a stream. The library connects, sends and reads the head; the body is read by our own decoder, as
 * the library's loses bytes at a timeout.
 */
function open(
    this: void,
    peer: Peer,
    request: Request,
    budget: Budget,
): LuaMultiReturn<[opening: Opening, err?: undefined] | [opening: undefined, err: string, sent: boolean]> {
    if (!can_serve(peer, request)) {
        return cosocket.client.open(peer, request, budget);
    }
    const [http, err, sent, res] = ask(peer, request, budget);
    if (http === undefined) {
        return $multi(undefined, err, sent);
    }
    const headers = plain_headers(res);
    const head = http1.make_head(res.status, headers, true);
    if (head === undefined) {
        http.close();
        return $multi(undefined, "malformed reply: bad HTTP head", true);
    }
    const source = source_reader.new(http.sock, budget.deadline, 0);
    return $multi({ status: res.status, headers, body: body_stream.new(source, head) });
}

/** `lua-resty-http`, whichever of its variants is installed. */
const client: HttpClient = { exchange, open };

/** True where the library is installed. */
function is_installed(): boolean {
    return find_library() !== undefined;
}

export { client, is_installed };
