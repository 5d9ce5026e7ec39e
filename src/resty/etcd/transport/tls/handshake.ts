import * as ffi from "ffi";
import * as trusted_ca from "./trusted_ca";
import * as client_certificate from "./client_certificate";
import type { TlsOptions } from "./types";

type Tcp = ngx.socket.Tcp;

const find = string.find as StringFind;

/** Where nginx tells of no reason. */
const TURNED_DOWN = "certificate verification failed";

/** A `char *[1]`: the last error of nginx's C functions, which all modules of resty.core share. */
interface ErrorPointer {
    readonly [index: number]: unknown;
}
interface Base {
    get_errmsg_ptr: (this: void) => ErrorPointer;
}

function last_message(this: void): string | undefined {
    const [, base] = pcall(require, "resty.core.base");
    const text = (base as Base).get_errmsg_ptr()[0];
    // a null pointer is nil's equal, and the end of the process in `ffi.string`
    return text !== undefined ? ffi.string(text) : undefined;
}

/**
 * What was wrong in a handshake that threw. Where one ends at once, as the server was quick, resty.core asserts that
 * the certificate was accepted (until 2026). It has just asked for the reason then.
 * @param thrown what was thrown
 */
function reason_of(thrown: string): string {
    const [asserted] = find(thrown, "resty/core/socket%S*: assertion failed");
    if (asserted === undefined) {
        return thrown;
    }
    const [ok, message] = protected_call(last_message);
    return ok && message !== undefined ? (message as string) : TURNED_DOWN;
}

/** What a handshake tells that may throw. Those of stand-ins, as of luasec, fail with false. */
function guarded(ok: boolean, session: unknown, err: unknown): Result<true> {
    if (!ok) {
        return $multi(undefined, reason_of(tostring(session)));
    }
    if (session === false || (session === undefined && err !== undefined)) {
        return $multi(undefined, err !== undefined ? tostring(err) : "handshake failed");
    }
    return $multi(true);
}

/** The handshake of OpenResty as APISIX patches it, also on its stand-in for cosockets. */
function patched_handshake(sock: Tcp, tls: TlsOptions, server_name: string): Result<true> {
    const opts: ngx.socket.TlsHandshakeOpts = { server_name, verify: tls.verify };
    if (tls.cert === undefined && tls.key === undefined) {
        // paths suit the stand-in too, which knows nothing of parsed certificates
        opts.client_cert_path = tls.cert_path!;
        opts.client_priv_key_path = tls.key_path!;
    } else {
        const [pair, err] = client_certificate.client_pair(tls);
        if (pair === undefined) {
            return $multi(undefined, err);
        }
        opts.client_cert = pair.cert;
        opts.client_priv_key = pair.key;
    }
    const [ok, session, err] = protected_call(sock.tlshandshake, sock, opts);
    return guarded(ok, session, err);
}

/**
 * Makes a TLS session on a connected socket.
 * @param host the endpoint's host, used where the client sets no `sni`
 */
function handshake(sock: Tcp, tls: TlsOptions, host: string): Result<true> {
    const server_name = tls.sni ?? host;
    const path = tls.trusted_ca;
    if (path !== undefined && trusted_ca.is_usable(sock, tls, path)) {
        const ca_err = trusted_ca.apply(sock, tls, path);
        if (ca_err !== undefined) {
            return $multi(undefined, ca_err);
        }
    }
    if (client_certificate.has_client_cert(tls)) {
        if (sock.setclientcert === undefined) {
            if (sock.tlshandshake === undefined) {
                return $multi(undefined, "client certificate: this OpenResty has none for cosockets");
            }
            return patched_handshake(sock, tls, server_name);
        }
        const [pair, err] = client_certificate.client_pair(tls);
        if (pair === undefined) {
            return $multi(undefined, err);
        }
        const [set, set_err] = sock.setclientcert(pair.cert, pair.key);
        if (set === undefined) {
            return $multi(undefined, set_err);
        }
    }
    // nobody wants the session, but without one a cosocket loses the reason of a failure: see `reason_of`
    let reused: false | undefined;
    if (sock.receiveany === undefined) {
        reused = false;
    }
    const [ok, session, err] = protected_call(sock.sslhandshake, sock, reused, server_name, tls.verify);
    return guarded(ok, session, err);
}

export { handshake, reason_of };
