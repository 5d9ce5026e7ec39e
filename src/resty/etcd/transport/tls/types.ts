import type { Reloadable } from "./file_reload";

/** How a client makes its TLS sessions. */
interface TlsOptions {
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
    pair?: ClientCertificate;
    /** Made of `trusted_ca` at the first handshake; false where the platform cannot use it. */
    trust?: CaStore | false;
}

/** Certificate and key as OpenSSL objects. */
interface ClientCertificate extends Reloadable {
    readonly cert: unknown;
    readonly key: unknown;
}

/** A file of CA certificates as OpenSSL wants it. */
interface CaStore extends Reloadable {
    readonly store: Store;
}

/** The part of lua-resty-openssl that is used. */
interface Store {
    /** An `X509_STORE`. */
    ctx: unknown;
    load_file(path: string): LuaMultiReturn<[ok: boolean | undefined, err?: string]>;
}
export type { ClientCertificate, Store, TlsOptions, CaStore };
