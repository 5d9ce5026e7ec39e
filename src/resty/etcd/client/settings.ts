import * as digest from "../base/digest";
import type { Endpoint } from "../endpoint/endpoint";
import * as endpoint from "../endpoint/endpoint";
import * as masked_url from "../endpoint/masked_url";
import * as url_hints from "../endpoint/url_hints";
import type { ConnectionOptions, ExtraHeaders } from "../transport/http/types";
import type { TlsOptions } from "../transport/tls/types";
import type { Headers } from "../transport/transport";
import type { Options } from "./options";
import * as shown_headers from "./shown_headers";

const find = string.find as StringFind;
const floor = math.floor;
const lower = string.lower;

/** What the transport and the calls of a client need, derived from its options. */
interface Settings {
    readonly endpoints: Endpoint[];
    readonly connection_options: ConnectionOptions;
    readonly extra_headers: ExtraHeaders;
    /** The extra headers as JSON for log lines, without secrets; nil without `opts.extra_headers`. */
    readonly extra_json: Printable | undefined;
    readonly api_prefix: string;
}

/** Header fields that the driver sets itself. */
const RESERVED: Record<string, true> = {
    authorization: true,
    "content-length": true,
    "transfer-encoding": true,
    connection: true,
    upgrade: true,
};

const TLS_NAMES: (keyof Options)[] = ["ssl_cert_path", "ssl_key_path", "ssl_cert", "ssl_key", "trusted_ca"];

/**
 * Default of `keepalive_pool`: as many connections as a worker can have with nginx's default `worker_connections`, 512. A
 * worker that makes calls in bursts thus reuses its connections; with 32, a burst of 128 calls dialed for 96 of them.
 */
const KEEPALIVE_POOL = 512;

/** A value; or nil, an error text, and what to write instead, if that is known. */
type HintedResult<T> = LuaMultiReturn<
    [value: T, err?: undefined, hint?: undefined] | [value: undefined, err: string, hint?: string | undefined]
>;

const HOSTS_PROBLEM = "opts.http_host must be string or string array";

/** Returns the path prefix of today's gateway for those of etcd 3.2 (/v3alpha) and 3.3 (/v3beta). */
function modern_prefix(prefix: string): string {
    return prefix === "/v3alpha" || prefix === "/v3beta" ? "/v3" : prefix;
}

function make_endpoints(http_host: unknown, api_prefix: string): HintedResult<Endpoint[]> {
    const urls = (typeof http_host === "object" ? http_host : [http_host]) as unknown[];
    const endpoints: Endpoint[] = [];
    for (const url of urls) {
        if (typeof url !== "string") {
            return $multi(undefined, HOSTS_PROBLEM);
        }
        const parsed = endpoint.new(url, api_prefix);
        if (parsed === undefined) {
            return $multi(undefined, `invalid http host: ${masked_url.mask(url)}, err: not matched`, url_hints.of(url));
        }
        endpoints.push(parsed);
    }
    if (endpoints.length === 0) {
        return $multi(undefined, HOSTS_PROBLEM);
    }
    return $multi(endpoints);
}

/** Returns a digest of all options of a TLS session but `sni`: connections with different ones must not share a pool. */
function tls_identity(opts: Options): string {
    let identity = digest.field("ssl_verify", tostring(opts.ssl_verify !== false));
    for (const name of TLS_NAMES) {
        identity = identity + digest.field(name, opts[name] as string | undefined);
    }
    return digest.of(identity);
}

function make_connection_options(opts: Options): Result<ConnectionOptions> {
    const has_cert = opts.ssl_cert !== undefined || opts.ssl_cert_path !== undefined;
    const has_key = opts.ssl_key !== undefined || opts.ssl_key_path !== undefined;
    if (has_cert !== has_key) {
        return $multi(undefined, "a client certificate and its key must be given together");
    }
    const tls: TlsOptions = {
        verify: opts.ssl_verify !== false,
        sni: opts.sni,
        cert_path: opts.ssl_cert_path,
        key_path: opts.ssl_key_path,
        cert: opts.ssl_cert,
        key: opts.ssl_key,
        trusted_ca: opts.trusted_ca,
        identity: tls_identity(opts),
    };
    return $multi({
        tls,
        keepalive_ms: floor((opts.keepalive_timeout ?? 60) * 1000),
        pool_size: opts.keepalive_pool ?? KEEPALIVE_POOL,
    });
}

/** Returns the user's header fields without the reserved ones. */
function make_extra_headers(opts: Options): Result<ExtraHeaders> {
    const fields: Headers = new LuaMap();
    let block = "";
    let host: string | undefined;
    let content_type = "Content-Type: application/json\r\n";
    for (const [key, value] of pairs((opts.extra_headers ?? {}) as Record<string, unknown>)) {
        const name = tostring(key);
        const text = tostring(value);
        const [control] = find(`${name}${text}`, "[^%C\t]");
        const [separator] = find(name, "[:%s]");
        const is_text = typeof key === "string" && (typeof value === "string" || typeof value === "number");
        if (!is_text || control !== undefined || separator !== undefined || name === "") {
            return $multi(undefined, `opts.extra_headers: bad header: ${name}`);
        }
        const lower_name = lower(name);
        if (RESERVED[lower_name] !== true) {
            if (lower_name === "host") {
                fields.set("Host", text);
                host = text;
            } else if (lower_name === "content-type") {
                fields.set("Content-Type", text);
                content_type = `Content-Type: ${text}\r\n`;
            } else {
                fields.set(name, text);
                block = `${block}${name}: ${text}\r\n`;
            }
        }
    }
    return $multi({ fields, block: content_type + block, host });
}

/**
 * Derives the settings from options that `options.check` has accepted.
 * @returns nil, an error text and a hint on failure
 */
function create(opts: Options): HintedResult<Settings> {
    const api_prefix = modern_prefix(opts.api_prefix ?? "/v3");
    const [endpoints, host_err, hint] = make_endpoints(opts.http_host ?? "http://127.0.0.1:2379", api_prefix);
    if (endpoints === undefined) {
        return $multi(undefined, host_err, hint);
    }
    const [connection_options, connection_err] = make_connection_options(opts);
    if (connection_options === undefined) {
        return $multi(undefined, connection_err);
    }
    const [extra_headers, header_err] = make_extra_headers(opts);
    if (extra_headers === undefined) {
        return $multi(undefined, header_err);
    }
    let extra_json: Printable | undefined;
    if (opts.extra_headers !== undefined) {
        extra_json = shown_headers.to_json(extra_headers.fields);
    }
    return $multi({ endpoints, connection_options, extra_headers, extra_json, api_prefix });
}

export { create as new, type Settings };
