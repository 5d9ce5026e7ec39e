import type { Fault } from "../fault";
import * as faults from "../fault";
import * as file_reload from "./file_reload";
import * as files from "../../base/files";
import * as log from "../../base/log";
import * as printable from "../../base/printable";
import * as pems from "./pem";
import type { Store, TlsOptions, CaStore } from "./types";

type Tcp = ngx.socket.Tcp;

interface StoreModule {
    new: (this: void) => Result<Store>;
}

const STORE_MODULE = "resty.openssl.x509.store";

/** Reports whether sockets support a CA per client. If not, logs once per client that `trusted_ca` has no effect. */
function is_usable(sock: Tcp, tls: TlsOptions, path: string): boolean {
    if (tls.trust === undefined) {
        if (sock.settrustedstore !== undefined) {
            const [is_installed] = pcall(require, STORE_MODULE);
            if (is_installed) {
                return true;
            }
        }
        // a blocking socket replacement says nothing about the cosockets of a later phase
        if (sock.receiveany !== undefined) {
            tls.trust = false;
        }
        if (log.info_enabled()) {
            ngx.log(ngx.INFO, "trusted_ca is ignored, use lua_ssl_trusted_certificate: ", printable.of(path));
        }
        return false;
    }
    return tls.trust !== false;
}

function load(this: void, path: string, known: CaStore | undefined): Result<CaStore> {
    const [source, read_err] = files.read(path);
    if (source === undefined) {
        return $multi(undefined, `trusted_ca: ${read_err}`);
    }
    if (known !== undefined && known.source === source) {
        return $multi(known);
    }
    const problem = pems.check(source, "CERTIFICATE");
    if (problem !== undefined) {
        return $multi(undefined, `trusted_ca: ${path}: ${problem}`);
    }
    const [, module] = pcall(require, STORE_MODULE);
    const [store, err] = (module as StoreModule).new();
    if (store === undefined) {
        return $multi(undefined, `trusted_ca: ${err}`);
    }
    // reads the file again: if it is newer than `source`, the next check reloads it
    const [ok, load_err] = store.load_file(path);
    if (ok !== true) {
        return $multi(undefined, `trusted_ca: ${path}: ${load_err ?? "no certificate"}`);
    }
    return $multi({ store, source, checked_at: 0 });
}

/** Sets the CAs that the next handshake of a socket trusts. Returns a fault or nil. */
function apply(sock: Tcp, tls: TlsOptions, path: string): Fault | undefined {
    const [trust, err] = file_reload.reload_if_changed(tls.trust as CaStore | undefined, load, path);
    if (trust === undefined) {
        return faults.make_fault("config", err);
    }
    tls.trust = trust;
    const [, set_err] = sock.settrustedstore!(trust.store.ctx);
    return set_err !== undefined ? faults.of_rejected_option("trusted_ca", set_err) : undefined;
}

/** Marks the fault of a handshake if `trusted_ca` had no effect on it. */
function mark_fault(fault: Fault, tls: TlsOptions): Fault {
    if (fault.kind === "tls" && tls.trusted_ca !== undefined && typeof tls.trust !== "object") {
        fault.is_ca_ignored = true;
    }
    return fault;
}

export { apply, is_usable, mark_fault };
