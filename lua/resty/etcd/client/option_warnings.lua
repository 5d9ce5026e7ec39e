-- Generated from src/resty/etcd/client/option_warnings.ts by TypeScriptToLua. Do not edit.
local _M = {}
local foreign_options = require("resty.etcd.base.foreign_options")
local warn_once = require("resty.etcd.base.warn_once")
local serializers = require("resty.etcd.serializers.serializer")
local SUBJECT = "etcd.new"

--- Greatest `timeout` in seconds that is not logged: who writes more often means milliseconds.
local LONG_TIMEOUT = 600

--- The same for `keepalive_timeout`.
local LONG_KEEPALIVE = 3600
local HOST = {"use http_host; without it calls go to http://127.0.0.1:2379", "http_host"}
local USER = {"use user", "user"}
local PASSWORD = {"use password", "password"}
local VERIFY = {"use ssl_verify", "ssl_verify"}
local CERT = {"use ssl_cert_path, or ssl_cert for its text", "ssl_cert_path"}
local KEY = {"use ssl_key_path, or ssl_key for its text", "ssl_key_path"}
local CA = {"use trusted_ca", "trusted_ca"}
local NAME = {"use sni", "sni"}
local TIMEOUT = {"use timeout, in seconds", "timeout"}
local HEADERS = {"use extra_headers", "extra_headers"}
local HEALTH = {"pass it to health_check.init, or use health", "health"}

--- What programs for other clients, and for other libraries of nginx, write.
local HABITS = {
    host = HOST,
    hosts = HOST,
    http_hosts = HOST,
    endpoint = HOST,
    endpoints = HOST,
    server = HOST,
    servers = HOST,
    address = HOST,
    addresses = HOST,
    addr = HOST,
    addrs = HOST,
    nodes = HOST,
    url = HOST,
    urls = HOST,
    etcd_host = HOST,
    username = USER,
    user_name = USER,
    name = USER,
    pass = PASSWORD,
    passwd = PASSWORD,
    pwd = PASSWORD,
    verify = VERIFY,
    tls_verify = VERIFY,
    insecure = VERIFY,
    insecure_skip_verify = VERIFY,
    cert = CERT,
    cert_file = CERT,
    cert_path = CERT,
    client_cert = CERT,
    ssl_cert_file = CERT,
    key_file = KEY,
    key_path = KEY,
    client_key = KEY,
    ssl_key_file = KEY,
    ca = CA,
    ca_file = CA,
    ca_path = CA,
    ca_cert = CA,
    cacert = CA,
    ssl_trusted_certificate = CA,
    trusted_ca_file = CA,
    server_name = NAME,
    ssl_server_name = NAME,
    tls_server_name = NAME,
    dial_timeout = TIMEOUT,
    connect_timeout = TIMEOUT,
    read_timeout = TIMEOUT,
    headers = HEADERS,
    namespace = {"use key_prefix", "key_prefix"},
    shm_name = HEALTH,
    max_fails = HEALTH,
    fail_timeout = HEALTH,
    retry = HEALTH
}

--- Fields of the `etcd` section of APISIX' configuration, which APISIX passes as a whole.
local OF_APISIX = {}
OF_APISIX.prefix = true
OF_APISIX.tls = true
OF_APISIX.watch_timeout = true
OF_APISIX.startup_retry = true
OF_APISIX.health_check_timeout = true
OF_APISIX.health_check_retry = true
OF_APISIX.resync_delay = true

--- The options of `new`; the rules of options.ts leave out those that accept any value.
local OPTIONS = foreign_options.new(SUBJECT, HABITS, {
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
    "resolve"
})

local function warn_if_long(name, seconds, limit)
    if type(seconds) == "number" and seconds > limit then
        warn_once.warn(
            SUBJECT,
            name .. " " .. tostring(seconds) .. " is in seconds, not in milliseconds"
        )
    end
end

--- Logs what is accepted for compatibility, but hardly meant, once per worker.
---@param opts table
local function warn_about(opts)
    foreign_options.warn_if_similar(opts, OPTIONS, OF_APISIX)
    local ____opts_0 = opts
    local ssl_verify = ____opts_0.ssl_verify
    local use_grpc = ____opts_0.use_grpc
    local serializer = ____opts_0.serializer
    local timeout = ____opts_0.timeout
    local keepalive_timeout = ____opts_0.keepalive_timeout
    local unix_socket_proxy = ____opts_0.unix_socket_proxy
    if ssl_verify ~= nil and type(ssl_verify) ~= "boolean" then
        warn_once.warn(
            SUBJECT,
            "ssl_verify " .. tostring(ssl_verify) .. " is no boolean: certificates are verified"
        )
    end
    if use_grpc ~= nil and type(use_grpc) ~= "boolean" then
        warn_once.warn(
            SUBJECT,
            "use_grpc " .. tostring(use_grpc) .. " is no boolean: it is ignored"
        )
    end
    if type(serializer) == "table" then
        if serializers.check(serializer) ~= nil then
            warn_once.warn(SUBJECT, "serializer has no functions serialize and deserialize: calls with values will fail")
        end
    elseif serializer ~= nil and serializers.check(serializer) ~= nil then
        warn_once.warn(
            SUBJECT,
            "unknown serializer " .. tostring(serializer) .. ": json is used"
        )
    end
    if type(unix_socket_proxy) == "string" and string.sub(unix_socket_proxy, 1, 5) ~= "unix:" then
        warn_once.warn(SUBJECT, "unix_socket_proxy " .. unix_socket_proxy .. " does not start with unix: and is ignored")
    end
    warn_if_long("timeout", timeout, LONG_TIMEOUT)
    warn_if_long("keepalive_timeout", keepalive_timeout, LONG_KEEPALIVE)
end
_M.warn_about = warn_about

return _M
