import type { RequestContext } from "../transport";
import type { Fault } from "../fault";
import * as faults from "../fault";
import * as clock from "../../base/clock";
import * as digest from "../../base/digest";
import * as files from "../../base/files";
import type { Connected, Connector, ConnectionOptions, RequestTemplate } from "./types";
import * as http1 from "./http1";
import * as socket_reader from "./socket_reader";
import type { Target } from "../../endpoint/url";
import * as client_certificate from "../tls/client_certificate";
import * as handshake from "../tls/handshake";

const field = digest.field;
const now = clock.now;

type Tcp = ngx.socket.Tcp;

const sub = string.sub;
const min = math.min;

/** Largest number of bytes sent in one call. The timeout of nginx applies to each part that the kernel accepts. */
const PART_SIZE = 16384;

type Part = (this: void) => LuaMultiReturn<[part?: string | undefined, late?: string]>;

/** Pool options by name, so that calls do not allocate them. */
const pools = new LuaMap<string, ngx.socket.ConnectOpts>();
/** Largest number of cached pool options. */
const MAX_POOLS = 1000;
let pool_count = 0;

function pool_options(options: ConnectionOptions, target: Target, via: string): ngx.socket.ConnectOpts {
    let name = `resty.etcd ${options.pool_size} ${target.port ?? 0} ${field("via", via)}${field("host", target.host)}`;
    if (target.scheme === "https") {
        const { identity, sni } = options.tls;
        name = name + field("tls", identity) + field("name", sni ?? target.server_name);
        name = name + field("certificate", client_certificate.version(options.tls));
    }
    let opts = pools.get(name);
    if (opts === undefined) {
        opts = { pool: name, pool_size: options.pool_size };
        if (pool_count < MAX_POOLS) {
            pool_count = pool_count + 1;
            pools.set(name, opts);
        }
    }
    return opts;
}

/** Creates an object that needs a cosocket. nginx raises an error in phases without cosockets. */
function make(maker: unknown): Result<object, Fault> {
    const [ok, made, err] = protected_call(maker);
    if (!ok) {
        return $multi(undefined, faults.make_fault("phase", `not in this phase: ${tostring(made)}`));
    }
    if (made === undefined) {
        return $multi(undefined, faults.of_socket(tostring(err)));
    }
    return $multi(made as object);
}

/** Creates a socket. `ngx.socket.tcp` is read for each call, because programs replace it. */
function new_socket(): Result<Tcp, Fault> {
    const [sock, err] = make(ngx.socket.tcp);
    if (sock === undefined) {
        return $multi(undefined, err);
    }
    return $multi(sock as Tcp);
}

/** Reports whether a unix socket exists: connecting to a missing one makes nginx log at level crit. */
function exists(unix_address: string): boolean {
    return files.exists(sub(unix_address, 6));
}

/**
 * Sets the timeouts of a socket for connecting and for the TLS handshake. Without a deadline, those of nginx apply.
 * @param is_halved connecting and the handshake are one step, so each gets half of the time
 * @returns a fault if no time is left
 */
function set_connect_timeouts(
    sock: Tcp,
    template: RequestTemplate,
    context: RequestContext,
    time: number,
    is_halved: boolean,
): Fault | undefined {
    const deadline = context.deadline;
    if (deadline !== undefined) {
        const all = (context.handshake_deadline ?? deadline) - time;
        const session_time = is_halved ? all / 2 : all;
        const connect_time = min((context.connect_deadline ?? deadline) - time, session_time);
        if (connect_time <= 0) {
            return faults.TIMEOUT;
        }
        // the read timeout applies to the handshake
        socket_reader.set_timeouts(
            sock,
            connect_time,
            template.target.scheme === "https" ? session_time : deadline - time,
        );
    }
    return undefined;
}

/** Sets the timeouts of a connected socket for the TLS handshake. Returns a fault if no time is left. */
function set_session_timeout(sock: Tcp, context: RequestContext): Fault | undefined {
    const deadline = context.deadline;
    if (deadline !== undefined) {
        const left = (context.handshake_deadline ?? deadline) - now();
        if (left <= 0) {
            return faults.TIMEOUT;
        }
        socket_reader.set_timeouts(sock, left, left);
    }
    return undefined;
}

/** Creates a socket whose connect timeout is set. */
function open_socket(template: RequestTemplate, context: RequestContext, time: number): Result<Tcp, Fault> {
    const [sock, err] = new_socket();
    if (sock === undefined) {
        return $multi(undefined, err);
    }
    const late = set_connect_timeouts(sock, template, context, time, false);
    if (late !== undefined) {
        return $multi(undefined, late);
    }
    return $multi(sock);
}

/** Connects to a unix socket. Blocking socket replacements recognize one by the missing port, and have no pools. */
function dial_unix(sock: Tcp, address: string, pool: ngx.socket.ConnectOpts): Result<1> {
    if (sock.receiveany === undefined) {
        return sock.connect(address);
    }
    return sock.connect(address, pool);
}

/** Returns the pool of a request. That of a client certificate on disk changes with the files. */
function pool_of(template: RequestTemplate): ngx.socket.ConnectOpts {
    const { connection_options, pool, target } = template;
    const is_on_disk = connection_options.tls.cert_path !== undefined || connection_options.tls.key_path !== undefined;
    return target.scheme === "https" && is_on_disk ? pool_options(connection_options, target, "") : pool;
}

function dial_target(sock: Tcp, template: RequestTemplate): Result<1> {
    const target = template.target;
    const pool = pool_of(template);
    if (target.port === undefined) {
        return dial_unix(sock, target.host, pool);
    }
    return sock.connect(target.host, target.port, pool);
}

function dial(template: RequestTemplate, context: RequestContext, time: number): Result<Tcp, Fault> {
    const unix_proxy = context.unix_proxy;
    if (unix_proxy !== undefined && exists(unix_proxy)) {
        const [proxied] = open_socket(template, context, time);
        if (proxied !== undefined) {
            const [ok] = dial_unix(
                proxied,
                unix_proxy,
                pool_options(template.connection_options, template.target, unix_proxy),
            );
            if (ok !== undefined) {
                return $multi(proxied);
            }
        }
    }
    // a new socket: a blocking replacement keeps the address family of its first connect
    const [sock, sock_err] = open_socket(template, context, time);
    if (sock === undefined) {
        return $multi(undefined, sock_err);
    }
    const [ok, err] = dial_target(sock, template);
    if (ok === undefined) {
        return $multi(undefined, faults.of_socket(err));
    }
    return $multi(sock);
}

function connect(this: void, template: RequestTemplate, context: RequestContext, time: number): Connected {
    const [sock, err] = dial(template, context, time);
    if (sock === undefined) {
        return $multi(undefined, err);
    }
    if (context.progress !== undefined) {
        context.progress.connected_at = now();
    }
    const [times] = sock.getreusedtimes();
    if ((times ?? 0) > 0) {
        return $multi(sock, undefined, true, sock);
    }
    const target = template.target;
    if (target.scheme === "https") {
        const too_late = set_session_timeout(sock, context);
        if (too_late !== undefined) {
            sock.close();
            return $multi(undefined, too_late);
        }
        const [session, tls_err] = handshake.handshake(sock, template.connection_options.tls, target.server_name);
        if (session === undefined) {
            sock.close();
            return $multi(undefined, tls_err);
        }
    }
    return $multi(sock, undefined, false, sock);
}

/**
 * Splits a long text into parts, because the send timeout of nginx starts again with each byte that the server accepts. Before
 * each part, the timeouts are set to the time that is left.
 * @returns a function that returns the next part; nil at the end; or nil and "timeout"
 */
function chunks_of(sock: Tcp, context: RequestContext, text: string): Part {
    const timeouts = socket_reader.new(sock, context.deadline, 0);
    let at = 1;
    return () => {
        if (at > text.length) {
            return $multi();
        }
        const late = socket_reader.refresh_timeout(timeouts);
        if (late !== undefined) {
            return $multi(undefined, late.text);
        }
        const part = sub(text, at, at + PART_SIZE - 1);
        at = at + PART_SIZE;
        return $multi(part);
    };
}

function send_part(sock: Tcp, bytes: string): Fault | undefined {
    const [, err] = sock.send(bytes);
    return err !== undefined ? faults.of_socket(err) : undefined;
}

function send(
    this: void,
    link: unknown,
    template: RequestTemplate,
    context: RequestContext,
    body: string,
): Fault | undefined {
    const sock = link as Tcp;
    const text = http1.format_request(template, context, body);
    if (text.length <= PART_SIZE) {
        return send_part(sock, text);
    }
    const next_part = chunks_of(sock, context, text);
    while (true) {
        const [part, late] = next_part();
        if (part === undefined) {
            return late !== undefined ? faults.TIMEOUT : undefined;
        }
        const fault = send_part(sock, part);
        if (fault !== undefined) {
            return fault;
        }
    }
}

/** The embedded client: cosockets only. */
const connector: Connector = { connect, send };

/** Returns the embedded client, which serves every request. */
function pick(this: void): Connector {
    return connector;
}

/**
 * Returns a connection without unread bytes to its pool, or closes it. An exiting worker closes it: nginx has closed the
 * idle connections already, and would wait for a new one.
 */
function release(options: ConnectionOptions, sock: Tcp, reusable: boolean): void {
    if (reusable && options.keepalive_ms > 0 && !ngx.worker.exiting()) {
        const [ok] = sock.setkeepalive(options.keepalive_ms, options.pool_size);
        if (ok !== undefined) {
            return;
        }
    }
    sock.close();
}

export { make, PART_SIZE, chunks_of, pick, pool_options, release, set_connect_timeouts };
