import * as clock from "./clock";
import type { Budget, Peer, Request } from "./http";
import * as source from "./source";
import type { Target } from "./target";
import * as tls from "./tls";

type Tcp = ngx.socket.Tcp;

const now = clock.now;
const guard = pcall as unknown as GuardedCall;
const find = string.find as StringFind;

/** How many dead pooled connections are thrown away in the search for a fresh one. */
const MAX_DISCARDS = 256;

/** Pool options by name: a table per call would be garbage. */
const pools = new LuaMap<string, ngx.socket.ConnectOpts>();
/** Different pools are few; a runaway of names is cut off. */
const MAX_POOLS = 1000;
let pool_count = 0;

function pool_options(peer: Peer, target: Target, via: string): ngx.socket.ConnectOpts {
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

/** A socket, or why the phase has none. `ngx.socket.tcp` is looked up each time: users replace it. */
function new_socket(): Result<Tcp> {
    const [ok, sock, err] = guard(ngx.socket.tcp);
    if (!ok || sock === undefined) {
        return $multi(undefined, tostring(sock ?? err));
    }
    return $multi(sock as Tcp);
}

function dial(peer: Peer, sock: Tcp, request: Request): Result<1> {
    const { target, via } = request;
    if (via !== undefined) {
        const [ok] = sock.connect(via, pool_options(peer, target, via));
        if (ok !== undefined) {
            return $multi(ok);
        }
    }
    const opts = pool_options(peer, target, "");
    if (target.port === undefined) {
        return sock.connect(target.host, opts);
    }
    return sock.connect(target.host, target.port, opts);
}

function connect_once(peer: Peer, request: Request, budget: Budget): Result<Tcp> {
    const [sock, sock_err] = new_socket();
    if (sock === undefined) {
        return $multi(undefined, sock_err);
    }
    if (budget.deadline !== undefined) {
        const time = now();
        const left = budget.deadline - time;
        const time_left = budget.connect_by !== undefined ? budget.connect_by - time : left;
        if (left <= 0 || time_left <= 0) {
            return $multi(undefined, "timeout");
        }
        source.set_timeouts(sock, time_left, request.target.scheme === "https" ? time_left : left);
    }
    const [ok, err] = dial(peer, sock, request);
    if (ok === undefined) {
        return $multi(undefined, err);
    }
    return $multi(sock);
}

/**
 * Connects, from the pool where `fresh` does not forbid it, and makes the TLS session.
 * @returns the socket; or nil and an error text. `reused` tells that it comes from the pool
 */
function connect(
    peer: Peer,
    request: Request,
    budget: Budget,
    fresh: boolean,
): LuaMultiReturn<[sock: Tcp, err: undefined, reused: boolean] | [sock: undefined, err: string]> {
    for (const _ of $range(1, MAX_DISCARDS)) {
        const [sock, err] = connect_once(peer, request, budget);
        if (sock === undefined) {
            return $multi(undefined, err);
        }
        const [times] = sock.getreusedtimes();
        if ((times ?? 0) === 0) {
            const target = request.target;
            if (target.scheme === "https") {
                const [ok, tls_err] = tls.handshake(sock, peer.tls, target.server_name);
                if (ok === undefined) {
                    sock.close();
                    return $multi(undefined, tls_err);
                }
            }
            return $multi(sock, undefined, false);
        }
        if (!fresh) {
            return $multi(sock, undefined, true);
        }
        sock.close();
    }
    return $multi(undefined, "no fresh connection");
}

/** Puts a connection with nothing unread back into its pool, or closes it. */
function release(peer: Peer, sock: Tcp, reusable: boolean): void {
    if (reusable && peer.keepalive_ms > 0) {
        const [ok] = sock.setkeepalive(peer.keepalive_ms, peer.pool_size);
        if (ok !== undefined) {
            return;
        }
    }
    sock.close();
}

/** The text of a socket error that a dead pooled connection gives. */
function is_dead(err: string): boolean {
    const [reset] = find(err, "reset by peer", 1, true);
    return reset !== undefined || err === "closed" || err === "broken pipe";
}

export { connect, is_dead, pool_options, release };
