import type { OptionTable } from "../base/checks";
import * as checks from "../base/checks";
import type { HealthOptions } from "../endpoint/client_health";
import * as client_health from "../endpoint/client_health";
import type { ResolveOptions } from "../endpoint/resolver";
import type { OnCall } from "../metrics/call_metrics";
import type { Serializer } from "../serializers/serializer";

/** Options of `new`. Other fields are ignored. */
interface Options {
    /** Only "v3" is supported. */
    protocol?: string;
    /**
     * Endpoint or endpoints: `http://host`, `https://host:port`, `http://[IPv6]:port`, `unix:/path`.
     * Default `http://127.0.0.1:2379`; default port 2379.
     */
    http_host?: string | string[];
    /** Deadline of a call in seconds; default 5. With 0, only nginx's socket timeouts apply. */
    timeout?: number;
    /** Integer without effect, accepted for programs written for lua-resty-etcd 1.10. */
    ttl?: number;
    /** Prepended to every key. */
    key_prefix?: string;
    /** Path prefix of etcd's JSON gateway; default `/v3`. */
    api_prefix?: string;
    user?: string;
    password?: string;
    /** Verify the server's certificate; default true. */
    ssl_verify?: boolean;
    /** Path of a PEM file with the client certificate. */
    ssl_cert_path?: string;
    /** Path of a PEM file with the key of the client certificate. */
    ssl_key_path?: string;
    /** Client certificate as PEM text. */
    ssl_cert?: string;
    /** Key of the client certificate as PEM text. */
    ssl_key?: string;
    /** Path of a PEM file with CA certificates. Ignored if the platform knows only lua_ssl_trusted_certificate. */
    trusted_ca?: string;
    /** Server name for TLS; default the endpoint's host. */
    sni?: string;
    /** "json" (default), "json_exact", "raw", or a custom serializer. */
    serializer?: "json" | "json_exact" | "raw" | Serializer;
    /** Header fields sent with every request. */
    extra_headers?: Record<string, string | number>;
    /** `unix:/path`, used instead of the endpoints while a server accepts connections there. */
    unix_socket_proxy?: string;
    /** Start of the endpoint ring; default random. */
    init_count?: number;
    /** Same as `transport = "grpc"`. */
    use_grpc?: boolean;
    /** "resty_http" (default if lua-resty-http is installed), "cosocket" or, experimental, "grpc". */
    transport?: "resty_http" | "cosocket" | "grpc";
    /** Seconds an idle connection is kept open; default 60. With 0, each connection is closed after use. */
    keepalive_timeout?: number;
    /** Idle connections kept per endpoint and worker; default 512. */
    keepalive_pool?: number;
    /** Bytes of the longest response, and of the longest message of a watch; default 64 MiB. A longer one is an error. */
    max_response_size?: number;
    /** Gives the client its own health check instead of the one that all clients share. */
    health?: HealthOptions;
    /** Reject replies older than one the client has already seen, from whichever member; default false. */
    monotonic?: boolean;
    /** With a user: call without a token while authentication is disabled in etcd; default false. */
    auth_optional?: boolean;
    /** Name of a shared dict in which the workers share tokens. */
    auth_shm_name?: string;
    /** Called after each call with its outcome. */
    on_call?: OnCall;
    /** Count calls, for `stats` and `metrics`; default false. */
    metrics?: boolean;
    /** Key prefix of the markers of idempotent writes, independent of `key_prefix`; default `/resty.etcd/applied/`. */
    idempotency_prefix?: string;
    /** Seconds between reads of the member list, which then becomes the endpoints; default: never. */
    sync_interval?: number;
    /** Resolve host names in the driver, and use each address as an endpoint. Default: nginx resolves them. */
    resolve?: boolean | ResolveOptions;
}

/** Greatest timeout in seconds: nginx' timers count milliseconds in 32 bits. */
const MAX_TIMEOUT = 2147483647;

/** Default of `max_response_size`. etcd's own limit for a request is 1.5 MiB, and large directories are read in pages. */
const MAX_RESPONSE_SIZE = 64 * 1024 * 1024;

function check_protocol(protocol: unknown): Problem {
    return protocol !== "v3" ? "only support etcd v3 api" : undefined;
}

/** Rejects false, which would count as absent. */
function check_http_host(http_host: unknown): Problem {
    const is_list = typeof http_host === "string" || typeof http_host === "object";
    return is_list ? undefined : "opts.http_host must be string or string array";
}

/** Rejects what is not a path, instead of calling each URL with it invalid. */
function check_api_prefix(prefix: unknown): Problem {
    const [path] = string.match(prefix as string, "^/[^%c%s?#]*$");
    return path === undefined && prefix !== "" ? "opts.api_prefix must be a path that starts with /" : undefined;
}

const OPTIONS: OptionTable = {
    rules: [
        { name: "protocol", check: check_protocol },
        { name: "http_host", check: check_http_host },
        // fractions are accepted; the text is that of lua-resty-etcd 1.10
        { name: "timeout", type: "number", min: 0, max: MAX_TIMEOUT, expected: "unsigned integer" },
        { name: "ttl", type: "integer" },
        { name: "api_prefix", type: "string", check: check_api_prefix },
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
        { name: "max_response_size", type: "integer", min: 1, expected: "positive integer" },
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

/**
 * Checks the options of `new`. The contents of `http_host`, `resolve` and `extra_headers` are checked where they are used.
 * @returns an error text, or nil if the options are valid
 */
function check(opts: unknown): Problem {
    return checks.check_options(opts, OPTIONS);
}

export { MAX_RESPONSE_SIZE, check, type Options };
