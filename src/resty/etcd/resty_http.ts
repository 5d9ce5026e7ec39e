import * as body_stream from "./body_stream";
import * as clock from "./clock";
import * as connection from "./connection";
import * as cosocket from "./cosocket";
import type { Delivery, HttpClient, Opening, Peer, Reply, Route } from "./http";
import * as http1 from "./http1";
import type { Head } from "./http1";
import * as source_reader from "./source";
import type { Source } from "./source";
import type { Tls } from "./tls";
import * as tls from "./tls";
import type * as RestyHttp from "resty.http";
import type { ConnectParams, Http as Requester, RequestParams } from "resty.http";

type Library = typeof RestyHttp;

/** Its two halves are public, and `request` is nothing but both. */
interface Http extends Requester {
    send_request(params: RequestParams): Result<true>;
}

/** The answer has begun; or not, and then `sent` tells whether some of the request may have left. */
type Asked = LuaMultiReturn<
    | [http: Http, head: Head, source: Source]
    | [http: undefined, head: undefined, source: undefined, err: string, sent: boolean, stale: boolean]
>;

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

const measured = setmetatable([] as unknown[], { __len: () => 1 });
/** LuaJIT may be built without `__len` of tables, and then lua-resty-openssl counts no certificates. */
const HAS_LEN = measured.length === 1;

/**
 * The library takes a client certificate: not APISIX's fork, which drops it where cosockets are not
 * patched, and ledgetech's only from 0.17 on and with lua-resty-openssl beside it.
 */
function takes_client_cert(http: Library): boolean {
    const version = tonumber(string.match(http._VERSION ?? "", "^%d+%.%d+")[0]) ?? 0;
    const [has_openssl] = pcall(require, "resty.openssl.x509.chain");
    return http.tls_handshake === undefined && version >= 0.17 && has_openssl && HAS_LEN;
}

/** The library can make this TLS session. */
function can_handshake(http: Library, wanted: Tls): boolean {
    if (tls.has_client_cert(wanted) && !takes_client_cert(http)) {
        return false;
    }
    if (wanted.trusted_ca === undefined) {
        return true;
    }
    const [probe] = connection.make(http.new);
    return probe !== undefined && !tls.can_trust((probe as Http).sock, wanted, wanted.trusted_ca);
}

/** resty.http can serve this request; what it cannot do goes to the embedded client. */
function can_serve(route: Route, delivery: Delivery): boolean {
    const phase = ngx.get_phase();
    if (phase === "init" || phase === "init_worker") {
        return false; // there it may not make the coroutines it needs
    }
    const http = find_library();
    if (http === undefined || delivery.via !== undefined || route.target.port === undefined) {
        return false;
    }
    return route.target.scheme === "http" || can_handshake(http, route.peer.tls);
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

function connect_params(route: Route): Result<ConnectParams> {
    const { peer, target } = route;
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

function connect_once(route: Route, delivery: Delivery, time: number): Result<Http> {
    const [made, new_err] = connection.make(find_library()!.new);
    if (made === undefined) {
        return $multi(undefined, new_err);
    }
    const http = made as Http;
    const [connect_time] = connection.time_left(delivery, time);
    if (connect_time !== undefined) {
        if (connect_time <= 0) {
            return $multi(undefined, "timeout");
        }
        // the library makes the TLS session in its connect
        source_reader.set_timeouts(http.sock, connect_time, connect_time);
    }
    const [params, params_err] = connect_params(route);
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
    route: Route,
    delivery: Delivery,
    fresh: boolean,
): LuaMultiReturn<[http: Http, err: undefined, reused: boolean] | [http: undefined, err: string]> {
    let time = delivery.started;
    for (const _ of $range(1, MAX_DISCARDS)) {
        const [http, err] = connect_once(route, delivery, time);
        if (http === undefined) {
            return $multi(undefined, err);
        }
        const [times] = http.get_reused_times();
        const reused = (times ?? 0) > 0;
        if (!fresh || !reused) {
            return $multi(http, undefined, reused);
        }
        http.close();
        time = now();
    }
    return $multi(undefined, "no fresh connection");
}

function request_params(route: Route, token: string | undefined, body: string): RequestParams {
    const headers: Record<string, string | number> = {
        Host: route.target.authority,
        "Content-Type": "application/json",
    };
    for (const [name, value] of route.extra.fields) {
        headers[name] = value;
    }
    if (token !== undefined) {
        headers.Authorization = token;
    }
    return { method: route.method, path: route.path, headers, body: route.method === "GET" ? undefined : body };
}

/**
 * Connects, sends and reads the head of the answer. `stale` tells that the connection came from the pool and
 * was dead. The library connects and sends; the answer is read by our own decoder, as the library's knows no
 * deadline, trusts what is malformed, and loses bytes at a timeout.
 */
function ask_once(route: Route, delivery: Delivery, body: string, fresh: boolean): Asked {
    const [http, err, reused] = connect(route, delivery, fresh);
    if (http === undefined) {
        return $multi(undefined, undefined, undefined, err, false, false);
    }
    const time = now();
    const [, rest] = connection.time_left(delivery, time);
    if (rest !== undefined) {
        source_reader.set_timeouts(http.sock, rest, rest);
    }
    const source = source_reader.new(http.sock, delivery.deadline, time);
    const [ok, got, got_err] = guard(http.send_request, http, request_params(route, delivery.token, body));
    const [done, send_err] = guarded<true>(ok, got, got_err);
    if (done === undefined) {
        http.close();
        return $multi(undefined, undefined, undefined, send_err, true, reused && connection.is_dead(send_err));
    }
    const [head, head_err] = http1.read_head(source);
    if (head === undefined) {
        http.close();
        const stale = reused && !source.touched && connection.is_dead(head_err);
        return $multi(undefined, undefined, undefined, head_err, true, stale);
    }
    return $multi(http, head, source);
}

/** As `ask_once`, with a second go on a fresh connection where that is safe. */
function ask(route: Route, delivery: Delivery, body: string): Asked {
    const [http, head, source, err, sent, stale] = ask_once(route, delivery, body, false);
    if (http !== undefined) {
        return $multi(http, head, source);
    }
    if (stale && route.repeatable) {
        return ask_once(route, delivery, body, true);
    }
    return $multi(undefined, undefined, undefined, err, sent, stale);
}

/** Puts a connection with nothing unread back into its pool, or closes it. */
function release(peer: Peer, http: Http, reusable: boolean): void {
    if (reusable && peer.keepalive_ms > 0) {
        const [ok] = http.set_keepalive(peer.keepalive_ms, peer.pool_size);
        if (ok !== undefined) {
            return;
        }
    }
    http.close();
}

function exchange(
    this: void,
    route: Route,
    delivery: Delivery,
    body: string,
): LuaMultiReturn<[reply: Reply, err?: undefined] | [reply: undefined, err: string, sent: boolean]> {
    if (!can_serve(route, delivery)) {
        return cosocket.client.exchange(route, delivery, body);
    }
    const [http, head, source, err, sent] = ask(route, delivery, body);
    if (http === undefined) {
        return $multi(undefined, err, sent);
    }
    const [text, body_err] = http1.read_body(source, head);
    if (text === undefined) {
        http.close();
        return $multi(undefined, body_err, true);
    }
    // bytes beyond the answer belong to nothing: such a connection is not trusted again
    release(route.peer, http, head.keepalive && source_reader.available(source) === 0);
    return $multi({ status: head.status, headers: http1.own_headers(head), body: text });
}

function open(
    this: void,
    route: Route,
    delivery: Delivery,
    body: string,
): LuaMultiReturn<[opening: Opening, err?: undefined] | [opening: undefined, err: string, sent: boolean]> {
    if (!can_serve(route, delivery)) {
        return cosocket.client.open(route, delivery, body);
    }
    const [http, head, source, err, sent] = ask(route, delivery, body);
    if (http === undefined) {
        return $multi(undefined, err, sent);
    }
    const headers = http1.own_headers(head);
    return $multi({ status: head.status, headers, body: body_stream.new(source, head) });
}

/** `lua-resty-http`, whichever of its variants is installed. */
const client: HttpClient = { exchange, open };

/** True where the library is installed. */
function is_installed(): boolean {
    return find_library() !== undefined;
}

export { client, is_installed };
