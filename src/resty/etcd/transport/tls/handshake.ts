import * as ffi from "ffi";
import type { Fault } from "../fault";
import * as faults from "../fault";
import * as trusted_ca from "./trusted_ca";
import * as client_certificate from "./client_certificate";
import type { TlsOptions } from "./types";

type Tcp = ngx.socket.Tcp;

const find = string.find as StringFind;

/** Error text if nginx gives no reason. */
const NO_REASON = "certificate verification failed";

/** A `char *[1]`: the last error of nginx's C functions, which the modules of resty.core share. */
interface ErrorPointer {
    readonly [index: number]: unknown;
}
interface Base {
    get_errmsg_ptr: (this: void) => ErrorPointer;
}

function last_message(this: void): string | undefined {
    const [, base] = pcall(require, "resty.core.base");
    const text = (base as Base).get_errmsg_ptr()[0];
    // a null pointer equals nil, and crashes the process in `ffi.string`
    return text !== undefined ? ffi.string(text) : undefined;
}

/**
 * Returns the cause of a handshake that raised an error. If a handshake finishes without waiting, resty.core (until 2026)
 * asserts that the certificate was accepted; the cause is then in its error buffer.
 * @param thrown text of the raised error
 */
function reason_of(thrown: string): string {
    const [file_at] = find(thrown, "resty/core/socket", 1, true);
    const [asserted] = find(thrown, ": assertion failed", file_at, true);
    if (file_at === undefined || asserted === undefined) {
        return thrown;
    }
    const [ok, message] = protected_call(last_message);
    return ok && message !== undefined ? (message as string) : NO_REASON;
}

/** Returns the result of a handshake. It can raise an error; that of luasec returns false. */
function guarded(ok: boolean, session: unknown, err: unknown): Result<true, Fault> {
    if (!ok) {
        return $multi(undefined, faults.of_socket(reason_of(tostring(session))));
    }
    if (session === false || (session === undefined && err !== undefined)) {
        return $multi(undefined, faults.of_socket(err !== undefined ? tostring(err) : "handshake failed"));
    }
    return $multi(true);
}

/** Performs the handshake of APISIX-patched OpenResty, which APISIX's blocking socket replacement has as well. */
function patched_handshake(sock: Tcp, tls: TlsOptions, server_name: string): Result<true, Fault> {
    const opts: ngx.socket.TlsHandshakeOpts = { server_name, verify: tls.verify };
    if (tls.cert === undefined && tls.key === undefined) {
        // the blocking replacement accepts paths only, no parsed certificates
        const file_err = client_certificate.check_files(tls);
        if (file_err !== undefined) {
            return $multi(undefined, file_err);
        }
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
 * Performs the TLS handshake on a connected socket.
 * @param host host of the endpoint; the server name if the client sets no `sni`
 */
function handshake(sock: Tcp, tls: TlsOptions, host: string): Result<true, Fault> {
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
                const text = "client certificate: not supported by the cosockets of this OpenResty";
                return $multi(undefined, faults.make_fault("config", text));
            }
            return patched_handshake(sock, tls, server_name);
        }
        const [pair, err] = client_certificate.client_pair(tls);
        if (pair === undefined) {
            return $multi(undefined, err);
        }
        const [is_set, set_err] = sock.setclientcert(pair.cert, pair.key);
        if (is_set === undefined) {
            return $multi(undefined, faults.of_rejected_option("client certificate", set_err));
        }
    }
    // the session is not used, but without one a cosocket loses the cause of a failure: see `reason_of`
    let reused: false | undefined;
    if (sock.receiveany === undefined) {
        reused = false;
    }
    const [ok, session, err] = protected_call(sock.sslhandshake, sock, reused, server_name, tls.verify);
    const [done, fault] = guarded(ok, session, err);
    if (done === undefined) {
        return $multi(undefined, trusted_ca.mark_fault(fault, tls));
    }
    return $multi(done);
}

export { handshake, reason_of };
