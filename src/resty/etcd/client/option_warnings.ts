import * as foreign_options from "../base/foreign_options";
import type { Habit } from "../base/foreign_options";
import * as warn_once from "../base/warn_once";
import * as serializers from "../serializers/serializer";

const SUBJECT = "etcd.new";

/** Greatest `timeout` in seconds that is not logged: who writes more often means milliseconds. */
const LONG_TIMEOUT = 600;
/** The same for `keepalive_timeout`. */
const LONG_KEEPALIVE = 3600;

const HOST: Habit = ["use http_host; without it calls go to http://127.0.0.1:2379", "http_host"];
const USER: Habit = ["use user", "user"];
const PASSWORD: Habit = ["use password", "password"];
const VERIFY: Habit = ["use ssl_verify", "ssl_verify"];
const CERT: Habit = ["use ssl_cert_path, or ssl_cert for its text", "ssl_cert_path"];
const KEY: Habit = ["use ssl_key_path, or ssl_key for its text", "ssl_key_path"];
const CA: Habit = ["use trusted_ca", "trusted_ca"];
const NAME: Habit = ["use sni", "sni"];
const TIMEOUT: Habit = ["use timeout, in seconds", "timeout"];
const HEADERS: Habit = ["use extra_headers", "extra_headers"];
const HEALTH: Habit = ["pass it to health_check.init, or use health", "health"];

/** What programs for other clients, and for other libraries of nginx, write. */
const HABITS: Record<string, Habit> = {
    host: HOST,
    hosts: HOST,
    http_hosts: HOST,
    endpoint: HOST,
    endpoints: HOST,
    server: HOST,
    servers: HOST,
    address: HOST,
    addresses: HOST,
    addr: HOST,
    addrs: HOST,
    nodes: HOST,
    url: HOST,
    urls: HOST,
    etcd_host: HOST,
    username: USER,
    user_name: USER,
    name: USER,
    pass: PASSWORD,
    passwd: PASSWORD,
    pwd: PASSWORD,
    verify: VERIFY,
    tls_verify: VERIFY,
    insecure: VERIFY,
    insecure_skip_verify: VERIFY,
    cert: CERT,
    cert_file: CERT,
    cert_path: CERT,
    client_cert: CERT,
    ssl_cert_file: CERT,
    key_file: KEY,
    key_path: KEY,
    client_key: KEY,
    ssl_key_file: KEY,
    ca: CA,
    ca_file: CA,
    ca_path: CA,
    ca_cert: CA,
    cacert: CA,
    ssl_trusted_certificate: CA,
    trusted_ca_file: CA,
    server_name: NAME,
    ssl_server_name: NAME,
    tls_server_name: NAME,
    dial_timeout: TIMEOUT,
    connect_timeout: TIMEOUT,
    read_timeout: TIMEOUT,
    headers: HEADERS,
    namespace: ["use key_prefix", "key_prefix"],
    shm_name: HEALTH,
    max_fails: HEALTH,
    fail_timeout: HEALTH,
    retry: HEALTH,
};

/** Fields of the `etcd` section of APISIX' configuration, which APISIX passes as a whole. */
const OF_APISIX = new LuaSet<string>();
OF_APISIX.add("prefix");
OF_APISIX.add("tls");
OF_APISIX.add("watch_timeout");
OF_APISIX.add("startup_retry");
OF_APISIX.add("health_check_timeout");
OF_APISIX.add("health_check_retry");
OF_APISIX.add("resync_delay");

/** The options of `new`; the rules of options.ts leave out those that accept any value. */
const OPTIONS = foreign_options.new(SUBJECT, HABITS, [
    "protocol",
    "http_host",
    "timeout",
    "ttl",
    "key_prefix",
    "api_prefix",
    "user",
    "password",
    "ssl_verify",
    "ssl_cert_path",
    "ssl_key_path",
    "ssl_cert",
    "ssl_key",
    "trusted_ca",
    "sni",
    "serializer",
    "extra_headers",
    "unix_socket_proxy",
    "init_count",
    "use_grpc",
    "transport",
    "keepalive_timeout",
    "keepalive_pool",
    "health",
    "monotonic",
    "auth_optional",
    "auth_shm_name",
    "on_call",
    "metrics",
    "idempotency_prefix",
    "sync_interval",
    "resolve",
]);

function warn_if_long(name: string, seconds: unknown, limit: number): void {
    if (typeof seconds === "number" && seconds > limit) {
        warn_once.warn(SUBJECT, `${name} ${seconds} is in seconds, not in milliseconds`);
    }
}

/** Logs what is accepted for compatibility, but hardly meant, once per worker. */
function warn_about(opts: object): void {
    foreign_options.warn_if_similar(opts, OPTIONS, OF_APISIX);
    const { ssl_verify, use_grpc, serializer, timeout, keepalive_timeout, unix_socket_proxy } = opts as Record<
        string,
        unknown
    >;
    if (ssl_verify !== undefined && typeof ssl_verify !== "boolean") {
        warn_once.warn(SUBJECT, `ssl_verify ${tostring(ssl_verify)} is no boolean: certificates are verified`);
    }
    if (use_grpc !== undefined && typeof use_grpc !== "boolean") {
        warn_once.warn(SUBJECT, `use_grpc ${tostring(use_grpc)} is no boolean: it is ignored`);
    }
    if (typeof serializer === "object") {
        if (serializers.check(serializer) !== undefined) {
            warn_once.warn(
                SUBJECT,
                "serializer has no functions serialize and deserialize: calls with values will fail",
            );
        }
    } else if (serializer !== undefined && serializers.check(serializer) !== undefined) {
        warn_once.warn(SUBJECT, `unknown serializer ${tostring(serializer)}: json is used`);
    }
    if (typeof unix_socket_proxy === "string" && string.sub(unix_socket_proxy, 1, 5) !== "unix:") {
        warn_once.warn(SUBJECT, `unix_socket_proxy ${unix_socket_proxy} does not start with unix: and is ignored`);
    }
    warn_if_long("timeout", timeout, LONG_TIMEOUT);
    warn_if_long("keepalive_timeout", keepalive_timeout, LONG_KEEPALIVE);
}

export { warn_about };
