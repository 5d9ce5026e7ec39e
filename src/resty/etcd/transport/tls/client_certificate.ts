import * as ssl from "ngx.ssl";
import * as digest from "../../base/digest";
import * as files from "../../base/files";
import type { Fault } from "../fault";
import * as faults from "../fault";
import * as file_reload from "./file_reload";
import * as pems from "./pem";
import type { ClientCertificate, TlsOptions } from "./types";
import * as x509 from "./x509";

/** Returns PEM text, read from a file if only a path was given. */
function pem(text: string | undefined, path: string): Result<string> {
    if (text !== undefined) {
        return $multi(text);
    }
    return files.read(path);
}

function has_client_cert(tls: TlsOptions): boolean {
    return tls.cert !== undefined || tls.cert_path !== undefined;
}

/** Checks texts before OpenSSL reads them. */
function check_pair(cert_pem: string, key_pem: string): Problem {
    const cert_problem = pems.check(cert_pem, "CERTIFICATE");
    if (cert_problem !== undefined) {
        return `client certificate: ${cert_problem}`;
    }
    const key_problem = pems.check(key_pem, "PRIVATE KEY");
    return key_problem !== undefined ? `client key: ${key_problem}` : undefined;
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
    const problem = check_pair(cert_pem, key_pem);
    if (problem !== undefined) {
        return $multi(undefined, problem);
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
    return $multi({ cert, key, source, digest: digest.of(source), checked_at: 0 });
}

/** Reads and checks the files of a certificate and a key that another library reads again and parses. */
function check_files(tls: TlsOptions): Fault | undefined {
    const [cert_pem, cert_err] = files.read(tls.cert_path ?? "");
    if (cert_pem === undefined) {
        return faults.make_fault("config", `client certificate: ${cert_err}`);
    }
    const [key_pem, key_err] = files.read(tls.key_path ?? "");
    if (key_pem === undefined) {
        return faults.make_fault("config", `client key: ${key_err}`);
    }
    const problem = check_pair(cert_pem, key_pem);
    return problem !== undefined ? faults.make_fault("config", problem) : undefined;
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

/**
 * Returns what distinguishes connections with the current certificate from those with former ones; nil if there is none, or
 * if it cannot be loaded, which the handshake reports.
 */
function version(tls: TlsOptions): string | undefined {
    if (tls.cert_path === undefined && tls.key_path === undefined) {
        return undefined; // texts do not change
    }
    const [pair] = client_pair(tls);
    return pair?.digest;
}

export { check_files, client_pair, has_client_cert, version };
