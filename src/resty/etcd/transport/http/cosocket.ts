import type { RequestContext } from "../transport";
import * as clock from "../../base/clock";
import type { Connected, Connector, ConnectionOptions, RequestTemplate } from "./types";
import * as http1 from "./http1";
import * as socket_reader from "./socket_reader";
import type { Target } from "../../endpoint/url";
import * as handshake from "../tls/handshake";

const now = clock.now;

type Tcp = ngx.socket.Tcp;

const find = string.find as StringFind;

const sub = string.sub;
const min = math.min;

const ENOENT = 2;
/** What is longer is sent in parts: a buffer of the kernel that takes some more takes all of one. */
const PART_SIZE = 16384;

type Part = (this: void) => LuaMultiReturn<[part?: string | undefined, late?: string]>;

/** Pool options by name: a table per call would be garbage. */
const pools = new LuaMap<string, ngx.socket.ConnectOpts>();
/** Different pools are few; a runaway of names is cut off. */
const MAX_POOLS = 1000;
let pool_count = 0;

function pool_options(peer: ConnectionOptions, target: Target, via: string): ngx.socket.ConnectOpts {
    const secure = target.scheme === "https" ? `${peer.tls.sni ?? target.server_name}|${peer.tls.identity}` : "";
    const name = `resty.etcd|${via}|${target.host}|${target.port ?? 0}|${peer.pool_size}|${secure}`;
    let opts = pools.get(name);
    if (opts === undefined) {
        opts = { pool: name, pool_size: peer.pool_size };
        if (pool_count < MAX_POOLS) {
            pool_count = pool_count + 1;
            pools.set(name, opts);
        }
    }
    return opts;
}

/** In the error text of what the phase does not allow. */
const NOT_IN_THIS_PHASE = "not in this phase";

/** Makes what needs a cosocket: throwing is nginx's way of saying that the phase has none. */
function make(maker: unknown): Result<object> {
    const [ok, made, err] = protected_call(maker);
    if (!ok) {
        return $multi(undefined, `${NOT_IN_THIS_PHASE}: ${tostring(made)}`);
    }
    if (made === undefined) {
        return $multi(undefined, tostring(err));
    }
    return $multi(made as object);
}

/** A socket, or why there is none. `ngx.socket.tcp` is looked up each time: users replace it. */
function new_socket(): Result<Tcp> {
    const [sock, err] = make(ngx.socket.tcp);
    if (sock === undefined) {
        return $multi(undefined, err);
    }
    return $multi(sock as Tcp);
}

/** nginx would log at level crit that a socket is missing. Opening one fails, but tells whether it is there. */
function exists(unix_address: string): boolean {
    const [file, , code] = io.open(sub(unix_address, 6));
    file?.close();
    return code !== ENOENT;
}

/**
 * Gives a socket its time to connect, and to make a TLS session. Without a deadline nginx's own timeouts hold.
 * @param is_halved both are one step: neither may take more than one half
 * @returns "timeout" if there is no time
 */
function set_connect_timeouts(
    sock: Tcp,
    route: RequestTemplate,
    delivery: RequestContext,
    time: number,
    is_halved: boolean,
): Problem {
    const deadline = delivery.deadline;
    if (deadline !== undefined) {
        const all = (delivery.handshake_deadline ?? deadline) - time;
        const session_time = is_halved ? all / 2 : all;
        const connect_time = min((delivery.connect_deadline ?? deadline) - time, session_time);
        if (connect_time <= 0) {
            return "timeout";
        }
        // the handshake has the read timeout
        socket_reader.set_timeouts(
            sock,
            connect_time,
            route.target.scheme === "https" ? session_time : deadline - time,
        );
    }
    return undefined;
}

/** Connecting has taken its part of the time: the rest of it is for the TLS session. */
function set_session_timeout(sock: Tcp, delivery: RequestContext): Problem {
    const deadline = delivery.deadline;
    if (deadline !== undefined) {
        const left = (delivery.handshake_deadline ?? deadline) - now();
        if (left <= 0) {
            return "timeout";
        }
        socket_reader.set_timeouts(sock, left, left);
    }
    return undefined;
}

/** A socket that has its time to connect. */
function open_socket(route: RequestTemplate, delivery: RequestContext, time: number): Result<Tcp> {
    const [sock, err] = new_socket();
    if (sock === undefined) {
        return $multi(undefined, err);
    }
    const late = set_connect_timeouts(sock, route, delivery, time, false);
    if (late !== undefined) {
        return $multi(undefined, late);
    }
    return $multi(sock);
}

/** Stand-ins for cosockets know a socket in the file system by the missing port, and have no pools. */
function dial_unix(sock: Tcp, address: string, pool: ngx.socket.ConnectOpts): Result<1> {
    if (sock.receiveany === undefined) {
        return sock.connect(address);
    }
    return sock.connect(address, pool);
}

function dial_target(sock: Tcp, route: RequestTemplate): Result<1> {
    const target = route.target;
    if (target.port === undefined) {
        return dial_unix(sock, target.host, route.pool);
    }
    return sock.connect(target.host, target.port, route.pool);
}

function dial(route: RequestTemplate, delivery: RequestContext, time: number): Result<Tcp> {
    const via = delivery.unix_proxy;
    if (via !== undefined && exists(via)) {
        const [proxied] = open_socket(route, delivery, time);
        if (proxied !== undefined) {
            const [ok] = dial_unix(proxied, via, pool_options(route.connection_options, route.target, via));
            if (ok !== undefined) {
                return $multi(proxied);
            }
        }
    }
    // a new one: a stand-in's is of the kind that it was first connected as
    const [sock, sock_err] = open_socket(route, delivery, time);
    if (sock === undefined) {
        return $multi(undefined, sock_err);
    }
    const [ok, err] = dial_target(sock, route);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    return $multi(sock);
}

function connect(this: void, route: RequestTemplate, delivery: RequestContext, time: number): Connected {
    const [sock, err] = dial(route, delivery, time);
    if (sock === undefined) {
        return $multi(undefined, err);
    }
    const [times] = sock.getreusedtimes();
    if ((times ?? 0) > 0) {
        return $multi(sock, undefined, true, sock);
    }
    const target = route.target;
    if (target.scheme === "https") {
        const too_late = set_session_timeout(sock, delivery);
        if (too_late !== undefined) {
            sock.close();
            return $multi(undefined, too_late);
        }
        const [session, tls_err] = handshake.handshake(sock, route.connection_options.tls, target.server_name);
        if (session === undefined) {
            sock.close();
            return $multi(undefined, tls_err);
        }
    }
    return $multi(sock, undefined, false, sock);
}

/**
 * A long text in parts, as nginx's timeout is for each bit that the other side takes. Before each part the socket gets
 * what time there is left.
 * @returns a function for the next part; that answers nil at the end, or nil and "timeout"
 */
function chunks_of(sock: Tcp, delivery: RequestContext, text: string): Part {
    const side = socket_reader.new(sock, delivery.deadline, 0);
    let at = 1;
    return () => {
        if (at > text.length) {
            return $multi();
        }
        const late = socket_reader.refresh_timeout(side);
        if (late !== undefined) {
            return $multi(undefined, late);
        }
        const part = sub(text, at, at + PART_SIZE - 1);
        at = at + PART_SIZE;
        return $multi(part);
    };
}

function send(this: void, link: unknown, route: RequestTemplate, delivery: RequestContext, body: string): Problem {
    const sock = link as Tcp;
    const text = http1.format_request(route, delivery, body);
    if (text.length <= PART_SIZE) {
        const [, err] = sock.send(text);
        return err;
    }
    const next_part = chunks_of(sock, delivery, text);
    while (true) {
        const [part, late] = next_part();
        if (part === undefined) {
            return late;
        }
        const [, err] = sock.send(part);
        if (err !== undefined) {
            return err;
        }
    }
}

/** The embedded client: nothing but cosockets. */
const connector: Connector = { connect, send };

/** It serves every request. */
function pick(this: void): Connector {
    return connector;
}

/**
 * Puts a connection with nothing unread back into its pool, or closes it. A worker that has to go would wait for one
 * that became idle after nginx has closed those that were.
 */
function release(peer: ConnectionOptions, sock: Tcp, reusable: boolean): void {
    if (reusable && peer.keepalive_ms > 0 && !ngx.worker.exiting()) {
        const [ok] = sock.setkeepalive(peer.keepalive_ms, peer.pool_size);
        if (ok !== undefined) {
            return;
        }
    }
    sock.close();
}

/** The text of a socket error that a dead pooled connection gives. */
function is_connection_closed(err: string): boolean {
    const [reset] = find(err, "reset by peer", 1, true);
    return reset !== undefined || err === "closed" || err === "broken pipe";
}

export {
    is_connection_closed,
    make,
    NOT_IN_THIS_PHASE,
    PART_SIZE,
    chunks_of,
    pick,
    pool_options,
    release,
    set_connect_timeouts,
};
