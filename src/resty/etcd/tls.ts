import * as ssl from "ngx.ssl";
import * as clock from "./clock";
import * as log from "./log";

type Tcp = ngx.socket.Tcp;

/** How a client makes its TLS sessions. */
interface Tls {
    readonly verify: boolean;
    /** Server name to ask for and to verify; the endpoint's host if nil. */
    readonly sni: string | undefined;
    readonly cert_path: string | undefined;
    readonly key_path: string | undefined;
    /** PEM text. */
    readonly cert: string | undefined;
    readonly key: string | undefined;
    /** Path of a file with CA certificates. */
    readonly trusted_ca: string | undefined;
    /** Tells sessions apart that must not share a pool. */
    readonly identity: string;
    /** Made at the first handshake. */
    pair?: Pair;
    /** An `X509_STORE`; false where it cannot be used. */
    store?: unknown;
}

/** Certificate and key as OpenSSL objects. */
interface Pair {
    readonly cert: unknown;
    readonly key: unknown;
    /** The PEM texts that they come from. */
    readonly source: string;
    /** When those were last read. */
    checked_at: number;
}

/** Files are not looked at more often, in seconds. */
const RECHECK = 3;

/** The part of lua-resty-openssl that is used where it is installed. */
interface StoreModule {
    new: (this: void) => Result<Store>;
}
interface Store {
    ctx: unknown;
    load_file(path: string): Result<true>;
}

/**
 * Where a handshake ends at once (the server was quick), nginx tells of success even if it did not accept the
 * certificate; it has closed the connection then, and keeps the reason to itself.
 */
const TURNED_DOWN = "certificate verification failed";

function read_file(path: string): Result<string> {
    const [file, err] = io.open(path, "rb");
    if (file === undefined) {
        return $multi(undefined, err);
    }
    const text: string | undefined = file.read("*a");
    file.close();
    if (text === undefined) {
        return $multi(undefined, `${path}: cannot be read`); // a directory
    }
    return $multi(text);
}

/** PEM text that was given as such or as a path. */
function pem(text: string | undefined, path: string): Result<string> {
    if (text !== undefined) {
        return $multi(text);
    }
    return read_file(path);
}

function has_client_cert(tls: Tls): boolean {
    return tls.cert !== undefined || tls.cert_path !== undefined;
}

/** Reads and parses the client's certificate and key, unless they are what `known` holds already. */
function load_pair(tls: Tls, known: Pair | undefined, time: number): Result<Pair> {
    const [cert_pem, cert_err] = pem(tls.cert, tls.cert_path ?? "");
    if (cert_pem === undefined) {
        return $multi(undefined, `client certificate: ${cert_err}`);
    }
    const [key_pem, key_err] = pem(tls.key, tls.key_path ?? "");
    if (key_pem === undefined) {
        return $multi(undefined, `client key: ${key_err}`);
    }
    const source = cert_pem + key_pem;
    if (known !== undefined && known.source === source) {
        return $multi(known);
    }
    const [cert, parse_err] = ssl.parse_pem_cert(cert_pem);
    if (parse_err !== undefined) {
        return $multi(undefined, `client certificate: ${parse_err}`);
    }
    const [key, parse_key_err] = ssl.parse_pem_priv_key(key_pem);
    if (parse_key_err !== undefined) {
        return $multi(undefined, `client key: ${parse_key_err}`);
    }
    return $multi({ cert, key, source, checked_at: time });
}

/**
 * The client's certificate and key. Files that have changed are noticed within `RECHECK` seconds, at the next
 * handshake; while they cannot be read, as in the middle of their replacement, the old ones serve.
 */
function client_pair(tls: Tls): Result<Pair> {
    const known = tls.pair;
    const time = clock.now();
    if (known !== undefined && time - known.checked_at < RECHECK) {
        return $multi(known);
    }
    const [pair, err] = load_pair(tls, known, time);
    if (pair !== undefined) {
        pair.checked_at = time;
        tls.pair = pair;
        return $multi(pair);
    }
    if (known !== undefined) {
        known.checked_at = time;
        return $multi(known);
    }
    return $multi(undefined, err);
}

/** True where the platform takes a CA per connection; otherwise says once that `trusted_ca` has no effect. */
function can_trust(sock: Tcp, tls: Tls, path: string): boolean {
    if (tls.store === undefined) {
        const [found] = pcall(require, "resty.openssl.x509.store");
        if (sock.settrustedstore !== undefined && found) {
            return true;
        }
        tls.store = false;
        if (log.info_enabled()) {
            ngx.log(ngx.INFO, "trusted_ca is ignored, use lua_ssl_trusted_certificate: ", path);
        }
    }
    return tls.store !== false;
}

/** Makes the handshake trust the client's own CA; returns an error text or nil. */
function set_trusted_ca(sock: Tcp, tls: Tls, path: string): string | undefined {
    if (tls.store === undefined) {
        const [, module] = pcall(require, "resty.openssl.x509.store");
        const [store, err] = (module as StoreModule).new();
        if (store === undefined) {
            return err;
        }
        const [ok, load_err] = store.load_file(path);
        if (ok === undefined) {
            return load_err;
        }
        tls.store = store;
    }
    const [, err] = sock.settrustedstore!((tls.store as Store).ctx);
    return err;
}

/** The handshake of OpenResty as APISIX patches it, also on its stand-in for cosockets. */
function patched_handshake(sock: Tcp, tls: Tls, server_name: string): Result<true> {
    const opts: ngx.socket.TlsHandshakeOpts = { server_name, verify: tls.verify };
    if (tls.cert === undefined && tls.key === undefined) {
        // paths suit the stand-in too, which knows nothing of parsed certificates
        opts.client_cert_path = tls.cert_path!;
        opts.client_priv_key_path = tls.key_path!;
    } else {
        const [pair, err] = client_pair(tls);
        if (pair === undefined) {
            return $multi(undefined, err);
        }
        opts.client_cert = pair.cert;
        opts.client_priv_key = pair.key;
    }
    return sock.tlshandshake!(opts);
}

/**
 * Makes a TLS session on a connected socket.
 * @param host the endpoint's host, used where the client sets no `sni`
 */
function handshake(sock: Tcp, tls: Tls, host: string): Result<true> {
    const server_name = tls.sni ?? host;
    if (tls.trusted_ca !== undefined && can_trust(sock, tls, tls.trusted_ca)) {
        const ca_err = set_trusted_ca(sock, tls, tls.trusted_ca);
        if (ca_err !== undefined) {
            return $multi(undefined, `trusted_ca: ${ca_err}`);
        }
    }
    if (has_client_cert(tls)) {
        if (sock.setclientcert === undefined) {
            if (sock.tlshandshake === undefined) {
                return $multi(undefined, "this OpenResty has no client certificates for cosockets");
            }
            return patched_handshake(sock, tls, server_name);
        }
        const [pair, err] = client_pair(tls);
        if (pair === undefined) {
            return $multi(undefined, err);
        }
        const [ok, set_err] = sock.setclientcert(pair.cert, pair.key);
        if (ok === undefined) {
            return $multi(undefined, set_err);
        }
    }
    const [session, err] = sock.sslhandshake(false, server_name, tls.verify);
    if (session === undefined) {
        return $multi(undefined, err);
    }
    const [times] = sock.getreusedtimes();
    if (times === undefined) {
        return $multi(undefined, TURNED_DOWN);
    }
    return $multi(true);
}

export { can_trust, client_pair, handshake, has_client_cert, TURNED_DOWN, type Pair, type Tls };
