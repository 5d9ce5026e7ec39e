import type { OptionTable } from "../base/checks";
import * as checks from "../base/checks";
import type { TlsOptions } from "../transport/tls/types";
import type { Headers } from "../transport/transport";
import * as cjson from "cjson.safe";
import type { Endpoint } from "../endpoint/endpoint";
import * as endpoint from "../endpoint/endpoint";
import type { HealthOptions } from "../endpoint/client_health";
import * as client_health from "../endpoint/client_health";
import type { ExtraHeaders, ConnectionOptions } from "../transport/http/types";
import type { OnCall } from "../metrics/call_metrics";
import type { ResolveOptions } from "../endpoint/resolver";
import type { Serializer } from "../serializers/serializer";

const find = string.find as StringFind;
const lower = string.lower;
const floor = math.floor;

/** Options of `new`. Others are ignored. */
interface Options {
    /** Only "v3". */
    protocol?: string;
    /**
     * Endpoint or endpoints: `http://host`, `https://host:port`, `http://[v6]:port`, `unix:/path`.
     * Default `http://127.0.0.1:2379`; default port 2379.
     */
    http_host?: string | string[];
    /** Seconds for a whole call; integer, default 5; 0 leaves it to nginx's socket timeouts. */
    timeout?: number;
    /** Integer; kept for old callers, without effect. */
    ttl?: number;
    /** Put in front of every key. */
    key_prefix?: string;
    /** Default `/v3`. */
    api_prefix?: string;
    user?: string;
    password?: string;
    /** Verify the server's certificate; default true. */
    ssl_verify?: boolean;
    /** Client certificate, path of a PEM file. */
    ssl_cert_path?: string;
    /** Its key, path of a PEM file. */
    ssl_key_path?: string;
    /** Client certificate as PEM text. */
    ssl_cert?: string;
    /** Its key as PEM text. */
    ssl_key?: string;
    /** CA certificates, path of a PEM file; ignored where sockets cannot have their own. */
    trusted_ca?: string;
    /** Server name for TLS; default the endpoint's host. */
    sni?: string;
    /** "json" (default), "raw", or a serializer of one's own. */
    serializer?: "json" | "raw" | Serializer;
    /** Sent with every request. */
    extra_headers?: Record<string, string | number>;
    /** `unix:/path`: used in place of the endpoints while something answers there. */
    unix_socket_proxy?: string;
    /** Start of the endpoint ring; default random. */
    init_count?: number;
    /** Means `transport = "grpc"`. */
    use_grpc?: boolean;
    /** "resty_http" (default where lua-resty-http is installed) or "cosocket". */
    transport?: "resty_http" | "cosocket" | "grpc";
    /** Seconds that an idle connection is kept; default 60; 0 closes each after its use. */
    keepalive_timeout?: number;
    /** Idle connections kept per endpoint and worker; default 32. */
    keepalive_pool?: number;
    /** The client's own health check of its endpoints, in the place of the one that all clients share. */
    health?: HealthOptions;
    /** No reply is older than one seen before, whichever member it comes from; default false. */
    monotonic?: boolean;
    /** With a user: calls are made without token while etcd has authentication switched off; default false. */
    auth_optional?: boolean;
    /** Name of a shared dict through which the workers share tokens. */
    auth_shm_name?: string;
    /** Called after each call, with what is known of it. */
    on_call?: OnCall;
    /** Count calls, for `stats` and `metrics`; default false. */
    metrics?: boolean;
    /** Where idempotent writes keep their markers, whatever `key_prefix` is; default `/resty.etcd/applied/`. */
    idempotency_prefix?: string;
    /** Seconds after which the list of members is read anew and becomes the endpoints; default: never. */
    sync_interval?: number;
    /** Host names are resolved by the driver: each address is an endpoint of its own. Default: nginx resolves them. */
    resolve?: boolean | ResolveOptions;
}

/** Options that were checked. */
interface Settings {
    readonly endpoints: Endpoint[];
    readonly peer: ConnectionOptions;
    readonly extra: ExtraHeaders;
    extra_json: string | undefined;
    readonly api_prefix: string;
}

/** Header fields that are the driver's own business. */
const RESERVED: Record<string, true> = {
    authorization: true,
    "content-length": true,
    "transfer-encoding": true,
    connection: true,
    upgrade: true,
};

const TLS_NAMES: (keyof Options)[] = ["ssl_cert_path", "ssl_key_path", "ssl_cert", "ssl_key", "trusted_ca"];

function check_protocol(protocol: unknown): Problem {
    return protocol !== "v3" ? "only support etcd v3 api" : undefined;
}

const OPTIONS: OptionTable = {
    rules: [
        { name: "protocol", check: check_protocol },
        { name: "timeout", type: "integer", min: 0, expected: "unsigned integer" },
        { name: "ttl", type: "integer" },
        { name: "api_prefix", type: "string" },
        { name: "key_prefix", type: "string" },
        { name: "ssl_cert_path", type: "string", expected: "string or ignore" },
        { name: "ssl_key_path", type: "string", expected: "string or ignore" },
        { name: "ssl_cert", type: "string", expected: "string or ignore" },
        { name: "ssl_key", type: "string", expected: "string or ignore" },
        { name: "trusted_ca", type: "string", expected: "string or ignore" },
        { name: "sni", type: "string", expected: "string or ignore" },
        { name: "user", type: "string", expected: "string or ignore" },
        { name: "password", type: "string", expected: "string or ignore" },
        { name: "unix_socket_proxy", type: "string", expected: "string or ignore" },
        { name: "auth_shm_name", type: "string", expected: "string or ignore", check: checks.check_shared_dict },
        { name: "idempotency_prefix", type: "string", expected: "string or ignore" },
        { name: "init_count", type: "integer" },
        { name: "keepalive_timeout", type: "number", min: 0, expected: "number of seconds" },
        { name: "keepalive_pool", type: "integer", min: 1, expected: "positive integer" },
        { name: "monotonic", type: "boolean" },
        { name: "auth_optional", type: "boolean" },
        { name: "metrics", type: "boolean" },
        { name: "on_call", type: "function" },
        { name: "sync_interval", type: "number", above: 0, expected: "number of seconds" },
        { name: "health", check: client_health.check },
        { name: "transport", values: ["resty_http", "cosocket", "grpc"] },
        { name: "extra_headers", type: "table", expected: "table or ignore" },
    ],
    ignores_unknown: true,
};

/** The API prefix that etcd knows today. */
function modern_prefix(prefix: string): string {
    return prefix === "/v3alpha" || prefix === "/v3beta" ? "/v3" : prefix;
}

function make_endpoints(opts: Options): Result<Endpoint[]> {
    const wanted: unknown = opts.http_host ?? "http://127.0.0.1:2379";
    let urls: unknown[] = [wanted];
    if (typeof wanted === "object") {
        urls = wanted as unknown[];
    }
    const endpoints: Endpoint[] = [];
    const api_prefix = modern_prefix(opts.api_prefix ?? "/v3");
    for (const url of urls) {
        if (typeof url !== "string") {
            return $multi(undefined, "opts.http_host must be string or string array");
        }
        const made = endpoint.new(url, api_prefix);
        if (made === undefined) {
            return $multi(undefined, `invalid http host: ${url}, err: not matched`);
        }
        endpoints.push(made);
    }
    if (endpoints.length === 0) {
        return $multi(undefined, "opts.http_host must be string or string array");
    }
    return $multi(endpoints);
}

/** Tells TLS sessions apart by what the client presents and demands. */
function tls_identity(opts: Options): string {
    let identity = opts.ssl_verify === false ? "0" : "1";
    for (const name of TLS_NAMES) {
        const value = opts[name] as string | undefined;
        identity = value !== undefined ? `${identity}\0=${value}` : `${identity}\0`;
    }
    return ngx.md5(identity);
}

function make_peer(opts: Options): Result<ConnectionOptions> {
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
        pool_size: opts.keepalive_pool ?? 32,
    });
}

/** The user's header fields without those that are the driver's own. */
function make_extra(opts: Options): Result<ExtraHeaders> {
    const fields: Headers = new LuaMap();
    let block = "";
    let host: string | undefined;
    let content_type = "Content-Type: application/json\r\n";
    for (const [key, value] of pairs((opts.extra_headers ?? {}) as Record<string, unknown>)) {
        const name = tostring(key);
        const text = tostring(value);
        const [bad] = find(`${name}${text}`, "[%z\r\n]");
        const [colon] = find(name, "[:%s]");
        if (bad !== undefined || colon !== undefined || name === "") {
            return $multi(undefined, `opts.extra_headers: bad header: ${name}`);
        }
        const known = lower(name);
        if (RESERVED[known] !== true) {
            if (known === "host") {
                fields.set("Host", text);
                host = text;
            } else if (known === "content-type") {
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

/** Checks the options of `new` and works out what follows from them. */
function read(opts: Options): Result<Settings> {
    const wrong = checks.check_options(opts, OPTIONS);
    if (wrong !== undefined) {
        return $multi(undefined, wrong);
    }
    const [endpoints, host_err] = make_endpoints(opts);
    if (endpoints === undefined) {
        return $multi(undefined, host_err);
    }
    const [peer, peer_err] = make_peer(opts);
    if (peer === undefined) {
        return $multi(undefined, peer_err);
    }
    const [extra, extra_err] = make_extra(opts);
    if (extra === undefined) {
        return $multi(undefined, extra_err);
    }
    const api_prefix = modern_prefix(opts.api_prefix ?? "/v3");
    const settings: Settings = { endpoints, peer, extra, extra_json: undefined, api_prefix };
    if (opts.extra_headers !== undefined) {
        const [json] = cjson.encode(extra.fields);
        settings.extra_json = json;
    }
    return $multi(settings);
}

export { read, type Options, type Settings };
