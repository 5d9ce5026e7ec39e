import type { Reloadable } from "./file_reload";

/** TLS options of a client. */
interface TlsOptions {
    readonly verify: boolean;
    /** Server name for SNI and verification; nil for the host of the endpoint. */
    readonly sni: string | undefined;
    readonly cert_path: string | undefined;
    readonly key_path: string | undefined;
    /** PEM text. */
    readonly cert: string | undefined;
    readonly key: string | undefined;
    /** Path of a file with CA certificates. */
    readonly trusted_ca: string | undefined;
    /** Part of the pool name: connections with different TLS options must not share a pool. */
    readonly identity: string;
    /** Loaded at the first handshake. */
    pair?: ClientCertificate;
    /** Loaded from `trusted_ca` at the first handshake; false if the platform does not support it. */
    trust?: CaStore | false;
}

/** Certificate and key as OpenSSL objects. */
interface ClientCertificate extends Reloadable {
    /** Part of the pool name: connections with a former certificate are not reused. */
    readonly digest: string;
    readonly cert: unknown;
    readonly key: unknown;
}

/** CA certificates as an OpenSSL object. */
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
