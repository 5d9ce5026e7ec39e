import * as ssl from "ngx.ssl";
import type { Fault } from "../fault";
import * as faults from "../fault";
import * as file_reload from "./file_reload";
import type { ClientCertificate, TlsOptions } from "./types";
import * as x509 from "./x509";

/** Returns PEM text, read from a file if only a path was given. */
function pem(text: string | undefined, path: string): Result<string> {
    if (text !== undefined) {
        return $multi(text);
    }
    return file_reload.read_file(path);
}

function has_client_cert(tls: TlsOptions): boolean {
    return tls.cert !== undefined || tls.cert_path !== undefined;
}

/** Reads and parses the client certificate and its key. Returns `known` if neither has changed. */
function load_pair(this: void, tls: TlsOptions, known: ClientCertificate | undefined): Result<ClientCertificate> {
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
    if (!x509.is_key_of(cert, key)) {
        return $multi(undefined, "client key: does not match the client certificate"); // one file is replaced before the other
    }
    return $multi({ cert, key, source, checked_at: 0 });
}

/** Returns the client certificate and its key, reloaded if their files have changed. */
function client_pair(tls: TlsOptions): Result<ClientCertificate, Fault> {
    const [pair, err] = file_reload.reload_if_changed(tls.pair, load_pair, tls);
    if (pair === undefined) {
        return $multi(undefined, faults.make_fault("config", err));
    }
    tls.pair = pair;
    return $multi(pair);
}

export { client_pair, has_client_cert };
